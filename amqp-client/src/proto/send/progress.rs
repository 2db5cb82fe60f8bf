//! How far the writing is: what requests count their time from, and what a close leaves behind.

use std::time::Instant;

use super::outbox::Progress;
use super::unwritten::Unwritten;
use crate::error::ConnectionError;
use crate::proto::core::Core;

impl Core {
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            written: self.transmit.position(),
            at: self.progressed,
        }
    }

    /// The end of a request has been written: its time begins to run. Other octets were, `before`.
    #[cold]
    pub(crate) fn request_written(&mut self, before: Instant) {
        let progress = self.progress();
        let mut outbox = self.shared.outbox();
        outbox.wrote(progress, before);
        self.transmit.set_next_request(outbox.next_unwritten());
    }

    /// The time of our `connection.close` is up.
    pub(crate) fn close_timed_out(&mut self) {
        let mut unsent = Unwritten::default();
        self.transmit.unwritten(&mut unsent);
        let outbox = self.shared.outbox();
        outbox.count_unsent(&mut unsent);
        let octets = self.transmit.n_unwritten() + outbox.queued();
        let farewell = outbox.unwritten_farewell(self.progress());
        drop(outbox);
        self.lost(ConnectionError::CloseTimeout {
            unwritten_bytes: octets.saturating_sub(farewell),
            unwritten_messages: unsent.total(),
        });
    }
}
