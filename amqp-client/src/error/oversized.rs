//! Messages that are larger than this side accepts.

use std::fmt;

use crate::text::Quoted;

/// A message from a queue that is larger than
/// [`max_message_size`](crate::ConnectionOptions::max_message_size). Its body was not kept; channel
/// and connection go on.
///
/// Unless it is [lost](Self::lost) it is unacknowledged, and nothing has been decided about it: the
/// program settles it by its number, with [`Channel::basic_reject`](crate::Channel::basic_reject)
/// for instance, or leaves it to the end of the channel, which gives it back to its queue.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OversizedMessage {
    /// Its number on the channel.
    pub delivery_tag: u64,
    /// How large its body is, in bytes.
    pub size: u64,
    /// The limit, in bytes.
    pub limit: u64,
    /// The queue that it was consumed or fetched from.
    pub queue: String,
    /// Its routing key.
    pub routing_key: String,
    /// It was consumed or fetched without acknowledgements: for the broker it is done with, and the
    /// queue no longer has it.
    pub lost: bool,
}

impl fmt::Display for OversizedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            delivery_tag,
            size,
            limit,
            queue,
            routing_key,
            lost,
        } = self;
        write!(
            f,
            "message of {size} bytes from queue {:?} (routing key {:?}, delivery tag \
             {delivery_tag}) is above max_message_size, which is {limit} bytes: ",
            Quoted(queue),
            Quoted(routing_key)
        )?;
        f.write_str(if *lost {
            "it is lost, for it needed no acknowledgement"
        } else {
            "its body was skipped, and it is still to be settled"
        })
    }
}
