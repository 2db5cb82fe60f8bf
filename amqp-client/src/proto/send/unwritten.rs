//! Publishes that will never be written whole: what is known of them when a channel or the
//! connection ends.
//!
//! What is assumed of all brokers: a message is routed when its last frame has come, at the
//! earliest when all of that frame has come but the end octet. RabbitMQ waits for the end octet;
//! LavinMQ 2.9 has routed the message by then. One of which an octet in front of that one is still
//! here has certainly not been routed, provided that it is dropped. What a failed write was offered
//! counts as sent where the stream may have sent any of it ([`Core::may_have_written`]). The
//! messages of a channel leave in the order in which they were numbered, so that those which do not
//! leave are the last ones: it is enough to count them.
//!
//! [`Core::may_have_written`]: crate::proto::Core::may_have_written

use std::collections::BTreeMap;

use super::rope::{FrameRole, QueuedFrame};

/// How many publishes of each channel are not written whole. Frames must be shown in the order in
/// which those of a channel would have been written.
#[derive(Debug, Default)]
pub(crate) struct Unwritten(BTreeMap<u16, u64>);

impl Unwritten {
    /// A frame that is not written, or not whole.
    pub(crate) fn frame(&mut self, frame: &QueuedFrame) {
        match frame.kind {
            FrameRole::Publish => *self.0.entry(frame.channel).or_default() += 1,
            FrameRole::Content => self.rest(frame.channel),
            FrameRole::Other => {}
        }
    }

    /// Content of a message that began with one of the frames shown, or was begun to be written.
    pub(crate) fn rest(&mut self, channel: u16) {
        self.0.entry(channel).or_insert(1);
    }

    /// Those of all channels.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    pub(crate) fn of(&self, channel: u16) -> u64 {
        self.0.get(&channel).copied().unwrap_or_default()
    }
}
