//! Whether messages are sent again that were lost on their way.

use std::sync::Arc;

/// How a publisher keeps messages and sends them again: see
/// [`Publisher::resend`](crate::Publisher::resend).
///
/// ```
/// use amqp_client::publish::Resend;
///
/// let resend = Resend::up_to(16 << 20).mark_with("x-resent");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resend {
    up_to: usize,
    mark: Option<Arc<str>>,
}

impl Resend {
    /// Keeps up to this many octets that are not confirmed: bodies, what stands in front of them, and
    /// about 200 around each. A message that does not fit waits. One is always taken when nothing
    /// else is kept, however large it is.
    ///
    /// All publishers of a channel share what is kept; each clone has its own limit.
    #[must_use]
    pub fn up_to(octets: usize) -> Self {
        Self {
            up_to: octets,
            mark: None,
        }
    }

    /// Gives a message that is sent again this header, with the value `true`, so that consumers
    /// know which may be there twice. A header of this name that it has is replaced. One that does
    /// not fit into a frame with it is sent again without.
    ///
    /// The name has at most 255 bytes; with a longer one publishing fails.
    #[must_use]
    pub fn mark_with(mut self, header: impl AsRef<str>) -> Self {
        self.mark = Some(header.as_ref().into());
        self
    }

    /// How many octets are kept.
    pub(super) fn limit(&self) -> usize {
        self.up_to
    }

    /// The header.
    pub(super) fn mark(&self) -> Option<&Arc<str>> {
        self.mark.as_ref()
    }
}
