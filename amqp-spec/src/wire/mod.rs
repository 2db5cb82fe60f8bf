//! The types of AMQP values and the codec for them (AMQP 0-9-1 §4.2.5).
//!
//! Everything here has one representation that serves both directions. What was decoded is encoded
//! again to the same octets, except for a single [`Value`] that has several spellings: a boolean
//! other than 0 and 1, and the tags `U` and `L`. In a table or an array it keeps its spelling until
//! it is taken out. Borrowed types ([`ShortStr`], [`LongStr`], [`TableRef`],
//! [`ArrayRef`], [`PropertyList`]) point into the buffer they were decoded from and are `Copy`;
//! owned types ([`ShortString`], [`FieldTable`], [`FieldArray`], [`FieldValue`], [`PropertyBuf`])
//! hold the encoded octets, so that encoding them again is one copy.
//!
//! Strings are octets first. Another client may have put anything into a routing key or a header,
//! and a message must be deliverable all the same; text is asked for with `as_str`.
//!
//! Decoding accepts any octets without panicking, without recursion that the input controls, and
//! without reserving memory on the word of a length that has not been checked. Field tables are
//! decoded on access: a malformed header table spoils the access to it, not the connection.
//!
//! The generated code and the frames of [`crate::frame`] are built from this module; it knows no
//! class, no method and no property.

mod error;
#[cfg(feature = "serde")]
mod formats;
mod lossy;
mod method;
mod method_id;
mod page;
mod reader;
mod scalars;
mod strings;

mod array;
mod compare;
mod maps;
mod owned;
mod table;
mod to_value;
mod value;

mod property_buf;
mod property_list;

pub use array::{ArrayIter, ArrayRef, FieldArray};
pub use error::{DecodeError, DecodeErrorKind, NotRepresentable, TooLong};
pub use method::{Reply, Request, TypedMethod};
pub use method_id::MethodId;
pub use owned::FieldValue;
pub use property_buf::PropertyBuf;
pub use property_list::{PropertyKind, PropertyList};
pub use reader::Reader;
pub use scalars::{Decimal, Timestamp};
pub use strings::{LongStr, ShortStr, ShortString};
pub use table::{FieldTable, TableIter, TableRef};
pub use value::{DEFAULT_MAX_DEPTH, ToValue, Value};
