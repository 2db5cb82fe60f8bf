//! What the broker makes us say: `flow-ok`, `cancel-ok`, settlements of what it delivers,
//! deliveries given back that no consumer took.
//!
//! All else in the outbox is bounded by what the program does: publishers wait for room, there are
//! no more requests than callers, and no more `close-ok` than channels were opened. Answers are as
//! many as the broker likes, so that their octets are counted, and held against [`MOST_OWED`]:
//!
//! ```text
//! in the small lane   more than that: nothing is read until the broker has taken some
//! parked              more than that: the connection ends, for what they wait for may have to be read
//! ```
//!
//! Settlements that are parked are not counted, for it is the program that makes its broker wait
//! for them: nothing but the timeouts bounds those.

/// This many octets of answers may wait in either place. A delivery given back takes 21: those of
/// three consumers with the largest prefetch limit fit.
pub(crate) const MOST_OWED: usize = 4 * 1024 * 1024;
