//! Which deliveries of a channel are not the program's to settle.
//!
//! `multiple` settles all up to a delivery, and the broker leaves those out that need no
//! acknowledgement. Where a channel has both kinds, the outbox is told which they are, before the
//! program sees them; where all are of one kind, nothing is told.

use crate::proto::shared::channel::ChannelShared;

/// What has come in one life of a channel that needs no acknowledgement, or is not known to need
/// one, and that the outbox has not been told: runs of numbers. Most channels have none.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "thousands of channels may be open")]
pub(super) struct Automatic(Option<Box<Vec<(u64, u64)>>>);

impl Automatic {
    /// One more has come.
    pub(super) fn add(&mut self, number: u64) {
        let runs = self.0.get_or_insert_default();
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }

    /// The channel has others as well.
    #[inline]
    pub(super) fn tell(&mut self, channel: &ChannelShared) {
        let Some(runs) = self.0.take() else { return };
        let mut outbox = channel.connection.outbox();
        for run in *runs {
            outbox.note_automatic(channel.at, run);
        }
    }

    /// How many of them there are.
    pub(super) fn len(&self) -> u64 {
        let runs = self.0.iter().flat_map(|runs| runs.iter());
        runs.map(|(from, to)| to - from + 1).sum()
    }

    /// All of them have gone back.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}
