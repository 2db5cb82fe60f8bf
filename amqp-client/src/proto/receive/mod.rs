//! What arrives, from bytes to what consumers and callers get.
//!
//! | module | what it is about |
//! |---|---|
//! | `parse` | taking frames off the front of what was read, and handing over what they bring |
//! | `whole_delivery` | the common case: a delivery that is at hand with all its frames |
//! | `content` | messages in pieces |
//! | `large_body` | bodies that are read straight into their messages |
//! | `oversized` | messages that are larger than accepted |
//! | `channel` | who the deliveries of a channel are for, and those of an earlier use of its id |
//! | `read_buffer` | where the stream is read into |

pub(crate) mod channel;
pub(crate) mod content;
pub(crate) mod large_body;
pub(crate) mod oversized;
pub(crate) mod parse;
pub(crate) mod read_buffer;
pub(crate) mod whole_delivery;
