//! Confirms of one channel that came one after the other: settled under one lock.

use super::channel::InChannel;
use crate::proto::outside::Outside;

/// More answers at once than this have the outbox forget their messages; of fewer it does so at the
/// next publish.
const MANY: u64 = 4096;

/// Confirms of one channel that came one after the other.
#[derive(Debug, Default)]
pub(super) struct AckRun {
    /// One that is open, and not amid a content.
    channel: Option<u16>,
    /// Number, multiple, nack.
    answers: Vec<(u64, bool, bool)>,
}

impl AckRun {
    /// Whether the run is of this channel.
    #[inline]
    pub(super) fn is_of(&self, channel: u16) -> bool {
        self.channel == Some(channel)
    }

    /// Begins the run of a channel that is open, and not amid a content.
    pub(super) fn begin(&mut self, channel: u16) {
        self.channel = Some(channel);
    }

    #[inline]
    pub(super) fn push(&mut self, number: u64, multiple: bool, nack: bool) {
        self.answers.push((number, multiple, nack));
    }

    /// Ends the run: the channel that it is of.
    #[inline]
    pub(super) fn end(&mut self) -> Option<u16> {
        self.channel.take()
    }

    /// Settles what was gathered, on the channel that the run was of. Wakers are left to be called.
    pub(super) fn settle(&mut self, channel: &mut InChannel, outside: &mut Outside) {
        let id = channel.at().channel;
        let (shared, wakers) = outside.split();
        // What these answers concern cannot come back either, but to say so takes the lock once
        // more: the next ones do.
        let published = shared
            .outbox()
            .channels_mut()
            .answered(id, channel.answered);
        let mut confirms = channel.shared.confirms();
        let (acked, nacked) = confirms.answered();
        for (number, multiple, nack) in self.answers.drain(..) {
            confirms.settle(number, multiple, nack, published, wakers);
        }
        if confirms.call_room(published, wakers) {
            shared.outbox().room_mut().note_called();
        }
        let (acked_now, nacked_now) = confirms.answered();
        let before = std::mem::replace(&mut channel.answered, confirms.resolved());
        let bodies = confirms.take_dropped();
        drop(confirms);
        drop(bodies);
        if channel.answered.saturating_sub(before) > MANY {
            shared
                .outbox()
                .channels_mut()
                .answered(id, channel.answered);
        }
        shared.totals.confirmed.add_u64(acked_now - acked);
        shared.totals.nacked.add_u64(nacked_now - nacked);
    }

    /// Forgets what was gathered on a channel that has gone.
    pub(super) fn discard(&mut self) {
        self.answers.clear();
    }
}
