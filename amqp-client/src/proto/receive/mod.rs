//! What arrives, from bytes to what consumers and callers get.
//!
//! | module | what it is about |
//! |---|---|
//! | `parse` | [`Receive`]: taking frames off the front of what was read |
//! | `read_buffer` | where the stream is read into |
//! | `whole_delivery` | the common case: a delivery that is at hand with all its frames |
//! | `content` | messages in pieces |
//! | `large_body` | bodies that are read straight into their messages |
//! | `oversized` | messages that are larger than accepted |
//! | `channels`, `channel` | who deliveries are for, and what is gathered for them during a read |
//! | `ack_run` | confirms of one channel |
//! | `automatic` | deliveries that need no acknowledgement, beside others that do |
//! | `late` | deliveries for consumers that are not there |
//! | `standstill` | telling that reading has stopped |

mod ack_run;
mod automatic;
pub(crate) mod channel;
pub(crate) mod channels;
pub(crate) mod content;
mod large_body;
mod late;
mod oversized;
pub(crate) mod parse;
mod read_buffer;
pub(crate) mod standstill;
mod whole_delivery;

pub(crate) use self::channels::InChannels;
pub(crate) use self::parse::{Rare, Receive, Unparsed};
#[cfg(feature = "rustls-core")]
pub(crate) use self::read_buffer::ReadBuffer;
