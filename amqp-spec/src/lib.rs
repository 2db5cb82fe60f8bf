//! The AMQP 0-9-1 wire vocabulary: typed methods, content properties, field tables and frames, with
//! the codec that turns them into octets and back.
//!
//! Clients, brokers, proxies and test tools use the same types, because each type serves both
//! directions. What was decoded is encoded again to the same octets, except for octets that carry
//! no meaning:
//!
//! * A method's reserved fields and unused bits are skipped, and written as zero or empty. So is
//!   the weight in a content header.
//! * A single [`wire::Value`] has one spelling: `true` is written as 1 whatever other than 0 it was
//!   read from, and a value tagged `U` or `L` is written with RabbitMQ's tags for the type, `s` or
//!   `l`.
//!
//! Tables, arrays and lists of properties are kept as they came, including what they contain.
//!
//! * [`frame`] cuts a stream of octets into frames and puts frames together.
//! * One module per class of the specification holds its methods as structs: [`queue::Declare`],
//!   [`basic::Deliver`]. They borrow from the buffer they were decoded from. [`Method`] is any of
//!   them.
//! * [`basic::PropertiesRef`] and [`basic::Properties`] are the properties of a message, borrowed
//!   and owned.
//! * [`wire`] has the types of the arguments, above all [`wire::FieldTable`].
//! * [`constants`] has the numbers with a name, and [`ReplyCode`] those with which a peer gives its
//!   reason.
//! * [`metadata`] is the protocol as data.
//!
//! The classes, the constants and the table of metadata are generated from the specification; the
//! rest is written by hand. There is no I/O here, no clock, no connection and no state: which
//! frame may follow which is the business of those who use this crate.
//!
//! # What can be relied on
//!
//! Decoding takes any octets whatsoever: it fails with an error that says what was being read,
//! where and what was wrong. It does not panic, does not recurse, does not copy and does not
//! allocate. Encoding appends to a `Vec<u8>`, allocates nothing besides the growth of that, and
//! cannot fail except where a frame would be larger than agreed. Names, keys and headers need not
//! be UTF-8.
//!
//! ```
//! use amqp_spec::{Method, frame, queue, short_str};
//!
//! let mut buf = Vec::new();
//! let declare = queue::Declare { queue: short_str!("orders"), durable: true, ..Default::default() };
//! frame::encode_method(&mut buf, 1, &declare, 4096)?;
//!
//! let (received, n_octets) = frame::decode(&buf, 4096)?.ok_or("not complete yet")?;
//! assert_eq!(n_octets, buf.len());
//! assert_eq!(Method::decode(received.payload)?, Method::QueueDeclare(declare));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `std` | yes | points in time as the standard library has them; the crate is `no_std` without |
//! | `serde` | no | tables, arrays, values, names, times and decimal numbers in files, as below |
//!
//! # Tables in files
//!
//! With the feature `serde`, a [`FieldTable`](wire::FieldTable) is a map and a
//! [`FieldArray`](wire::FieldArray) a list, in JSON, TOML and other text formats. Booleans,
//! strings, lists and maps are what they look like; an integer is one of 64 bits (`I64`), a number
//! with a point one of 64 bits (`F64`), JSON's `null` no value (`Void`). The other types are
//! spelled: as a map of one entry whose name is the type, with a `$` in front.
//!
//! | spelled | value |
//! |---|---|
//! | `{"$i8": 1}`, `$u8`, `$i16`, `$u16`, `$i32`, `$u32`, `$i64` | an integer of that width |
//! | `{"$f32": 0.5}`, `$f64` | a floating-point number of that width; as text if it has many digits or is none: `"inf"`, `"NaN"` |
//! | `{"$decimal": "9.95"}` | a decimal number, with as many digits behind the point as written |
//! | `{"$timestamp": 1700000000}` | a point in time in seconds since 1970; as text above 2⁶³ - 1 |
//! | `{"$hex": "00ff"}` | octets |
//! | `{"$string_hex": "00ff"}` | a string that is not UTF-8 |
//! | `{"$void": true}` | no value |
//! | `{"$table": [["name", 1]]}` | a table with names that stand there twice, begin with `$`, or are not UTF-8 (`{"$hex": "ff"}`) |
//!
//! What is written that way is read back as the same octets, wherever the format keeps the order of
//! entries: JSON does, TOML sorts them by their names. In binary formats each type is its octets on
//! the wire, which are checked when they are read. Tables and arrays nest 32 deep at most, a name
//! stands there once and has at most 255 octets, and errors show names, never values.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod frame;
pub mod metadata;
pub mod wire;

#[expect(
    unreachable_pub,
    reason = "the generator does not know what is exported here"
)]
mod generated;

pub use generated::constants::{self, ReplyCode, Severity};
pub use generated::method::Method;
pub use generated::{access, basic, channel, confirm, connection, exchange, queue, tx};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// A [`ShortStr`](wire::ShortStr) from a constant, checked when the program is compiled.
///
/// ```
/// let queue = amqp_spec::short_str!("orders");
/// assert_eq!(queue, "orders");
/// ```
///
/// More than 255 octets do not compile:
///
/// ```compile_fail
/// const LONG: &str = match std::str::from_utf8(&[b'x'; 256]) {
///     Ok(text) => text,
///     Err(_) => "",
/// };
/// let queue = amqp_spec::short_str!(LONG);
/// ```
#[macro_export]
macro_rules! short_str {
    ($text:expr) => {
        const { $crate::wire::ShortStr::literal($text) }
    };
}

/// A [`FieldTable`](wire::FieldTable) with the entries listed. The names are constants, checked
/// when the program is compiled; the values are anything that has one ([`ToValue`](wire::ToValue)).
/// Entries are [pushed](wire::FieldTable::push): a name that is listed twice stands there twice.
///
/// ```
/// use amqp_spec::field_table;
///
/// let limits = field_table! { "x-max-length" => 1000, "x-overflow" => "reject-publish" };
/// let nested = field_table! { "limits" => &limits };
/// assert_eq!(nested.get("limits")?, Some((&limits).into()));
/// # Ok::<(), amqp_spec::wire::DecodeError>(())
/// ```
#[macro_export]
macro_rules! field_table {
    () => {
        $crate::wire::FieldTable::new()
    };
    ($($name:expr => $value:expr),+ $(,)?) => {{
        let mut table = $crate::wire::FieldTable::new();
        $(table.push($crate::short_str!($name), &$value);)+
        table
    }};
}
