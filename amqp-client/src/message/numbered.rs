//! How deliveries are numbered across the lives of their channel.
//!
//! A life of a channel ends with the stream, and when the channel is opened anew. The broker counts
//! deliveries from 1 in each, so that its number of one would be that of another in the next. What
//! the program sees goes on:
//!
//! ```text
//! program:  1  2  3 │ 4  5  6  7 │ 8
//! broker:   1  2  3 │ 1  2  3  4 │ 1
//! base:        0    │     3      │ 7
//! ```
//!
//! Converted is at two places only: where a delivery is read, and where a settlement is encoded.
//! Whatever has a number up to the base has gone back to the broker with an earlier life.

/// The number of a delivery, and how many streams the connection had before the one on which it
/// came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Numbered {
    pub(crate) delivery_tag: u64,
    pub(crate) generation: u32,
}

impl Numbered {
    /// One of the first stream.
    pub(crate) fn first(delivery_tag: u64) -> Self {
        Self {
            delivery_tag,
            generation: 0,
        }
    }
}

/// How the deliveries of one life of a channel are numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbering {
    base: u64,
    generation: u32,
}

impl Numbering {
    /// The deliveries of lives before had numbers up to this one.
    pub(crate) fn after(base: u64, generation: u32) -> Self {
        Self { base, generation }
    }

    /// The number of what the broker calls so.
    #[inline]
    pub(crate) fn number(self, on_wire: u64) -> Numbered {
        Numbered {
            // A broker that counts so far is not one: what wraps is stale.
            delivery_tag: self.base.wrapping_add(on_wire),
            generation: self.generation,
        }
    }
}
