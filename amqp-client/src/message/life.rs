//! The lives of a channel.

/// Which life of its channel something was delivered in. A life ends with the stream, and when a
/// publisher's channel is opened anew; the broker counts deliveries from 1 in each, so that the
/// number of a delivery means nothing in the next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Life(u32);

impl Life {
    /// The one that follows.
    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}
