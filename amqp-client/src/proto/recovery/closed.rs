//! Channels that the broker has closed, and that are opened again for those of their consumers that
//! outlive that.
//!
//! A channel is opened again as the program would do it. Its consumers then are as those that the
//! broker has cancelled: their queues are looked for first, so that a missing one does not close the
//! channel again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{ChannelError, ConnectionError, Entity};
use crate::proto::outside::Outside;
use crate::proto::send::outbox::Reopened;
use crate::proto::send::reopen::reopen;
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::consumer::ConsumerEnd;
use crate::proto::time::after;

/// How long to wait for what is in front of the answer to the broker's close, or for a task of the
/// program that opens the channel at the same time.
const SOON: Duration = Duration::from_millis(10);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct ClosedChannels(Vec<ClosedChannel>);

#[derive(Debug)]
struct ClosedChannel {
    shared: Arc<ChannelShared>,
    /// When it is opened again.
    at: Instant,
}

impl ClosedChannels {
    /// The broker has closed this one, and some of its consumers rest.
    pub(super) fn add(&mut self, shared: Arc<ChannelShared>, now: Instant) {
        self.0.retain(|one| !Arc::ptr_eq(&one.shared, &shared));
        let resting = shared.resting_consumers();
        let delays = resting.filter_map(|queue| Some(queue.resubscription()?.delay()));
        if let Some(delay) = delays.min() {
            let at = after(now, delay);
            self.0.push(ClosedChannel { shared, at });
        }
    }

    /// How many consumers wait for one of them.
    pub(super) fn n_consumers(&self) -> usize {
        let all = self.0.iter();
        all.map(|one| one.shared.resting_consumers().count()).sum()
    }

    /// When one of them is opened again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|one| one.at).min()
    }

    /// Opens those again whose time has come. Gives what is there again.
    pub(super) fn reopen_due(&mut self, outside: &mut Outside) -> Vec<Entity> {
        let now = outside.now();
        let mut restored = Vec::new();
        self.0.retain_mut(|one| {
            if one.at > now {
                return one.shared.resting_consumers().next().is_some();
            }
            let goes_on = one.reopen(&mut restored, outside);
            one.at = after(now, SOON);
            goes_on
        });
        restored
    }

    /// The connection has ended.
    pub(super) fn end(&mut self, cause: &ConnectionError, outside: &mut Outside) {
        let end = ConsumerEnd::Channel(ChannelError::Connection(cause.for_bystander()));
        for one in self.0.drain(..) {
            one.shared.end_resting(&end, outside.wakers());
        }
    }
}

impl ClosedChannel {
    /// Opens it again, if something waits for that. False if nothing does any more.
    fn reopen(&self, restored: &mut Vec<Entity>, outside: &mut Outside) -> bool {
        let shared = &self.shared;
        if shared.resting_consumers().next().is_none() {
            return false;
        }
        if outside.outbox().is_ending() {
            shared.end_resting(&ConsumerEnd::Cancelled, outside.wakers());
            return false;
        }
        let Some(mut closed) = shared.take_closed() else {
            return true;
        };
        closed.only_for_those_that_rest();
        let now = outside.now();
        let (reopened, _) = reopen(shared, &mut closed, now, outside.wakers());
        let id = shared.at.channel;
        match reopened {
            Ok(Reopened::Asked(wakes)) => {
                wakes.into_iter().for_each(|wake| wake.not_amid_a_turn());
                let known = outside.outbox().channels_mut().consumers(shared.at);
                for queue in known {
                    if let Some(resubscription) = queue.resubscription() {
                        resubscription.channel_opened();
                    }
                    outside.consumer_started(&queue);
                }
                // Those that were about to be cancelled.
                shared.end_resting(&ConsumerEnd::Cancelled, outside.wakers());
                outside.note_pending(shared.at);
                restored.push(Entity::Channel(id));
                false
            }
            Ok(Reopened::NotYet) => {
                shared.set_closed(closed);
                true
            }
            Ok(Reopened::Taken) => {
                shared.set_closed(closed);
                let channel_max = outside.shared().limits().channel_max;
                let error = if id > channel_max {
                    ChannelError::IdOutOfRange { id, channel_max }
                } else {
                    ChannelError::IdInUse { id }
                };
                shared.end_resting(&ConsumerEnd::NotRestored(error), outside.wakers());
                false
            }
            // The connection ends.
            Err(_) => {
                shared.set_closed(closed);
                true
            }
        }
    }
}
