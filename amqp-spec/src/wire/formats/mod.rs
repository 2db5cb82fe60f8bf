//! Tables, arrays and values in the formats of serde (feature `serde`).
//!
//! In text (JSON, TOML) a table is a map and an array a list; booleans, integers of 64 bits,
//! floating-point numbers of 64 bits and strings are what they are. Whatever a text format cannot
//! say, or would say as something else, is spelled: a map with one entry, whose name begins with
//! `$` (`spelled`). In binary formats each type is its octets on the wire.
//!
//! What is written is read back as the same octets, if the format keeps the order of entries.
//! Reading nests no deeper than a reader of the wire does, refuses what does not fit, and shows
//! nothing of a value in an error: it may be a password in a file of settings.

mod fault;
mod name;
mod read;
mod scalar;
mod spelled;
mod value;
mod write;
