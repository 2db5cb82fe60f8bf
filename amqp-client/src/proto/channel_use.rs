//! Channel ids are used again, and so each use of one has a number of its own.

/// Names one use of one channel id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ChannelUse {
    pub(crate) channel: u16,
    pub(crate) incarnation: u32,
}
