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
