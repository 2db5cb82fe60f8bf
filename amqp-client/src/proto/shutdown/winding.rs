//! The steps of a shutdown, and what it waits for.

use std::time::Instant;

use super::asked::Asked;
use super::close::{begin_close, closed_by_the_application};
use super::report::ShutdownReport;
use crate::message::Settlement;
use crate::proto::outside::Outside;
use crate::proto::receive::InChannels;
use crate::proto::send::unwritten::Unwritten;
use crate::proto::shared::channel::ChannelShared;
use crate::proto::time::clocks::Clocks;
use crate::proto::time::deadlines::DeadlineOf;

/// What has not come to its end.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Consumers that the broker has not let go.
    consumers: bool,
    unsettled: u64,
    /// Publishes that have no answer, by channel.
    unanswered: Vec<(u16, u64)>,
    /// Publishers that wait to get in.
    publishers: usize,
}

impl Left {
    /// Whether the program works on something, or may get something to work on.
    fn is_working(&self) -> bool {
        self.consumers || self.unsettled > 0
    }

    fn is_publishing(&self) -> bool {
        self.publishers > 0 || !self.unanswered.is_empty()
    }

    /// The same as a report, of a connection that ends; `unsent` was not written.
    pub(crate) fn report(&self, unsent: &Unwritten) -> ShutdownReport {
        let unanswered = self.unanswered.iter();
        let written = unanswered.map(|&(id, n)| n.saturating_sub(unsent.of(id)));
        ShutdownReport {
            unsettled: self.unsettled,
            unconfirmed: written.sum(),
            unsent: unsent.total(),
            cause: None,
        }
    }
}

/// Looks what has come to its end since the last look, and does what is next.
#[cold]
pub(crate) fn wind_up(
    asked: Asked,
    channels: &InChannels,
    clocks: &mut Clocks,
    outside: &mut Outside,
) {
    if outside.outbox().order().is_closing() {
        return;
    }
    clocks.wind_up_until(asked.until);
    let begins = outside.outbox().wind_up();
    if begins {
        for channel in channels.iter() {
            stop_consumers(channel.shared(), outside);
        }
    }
    let left = left(channels, outside);
    if left.is_working() {
        return;
    }
    outside.outbox().flush();
    if !left.is_publishing() {
        close(asked, outside);
    }
}

/// The grace may be over: then the connection is closed, whatever is left.
pub(crate) fn expire(now: Instant, clocks: &mut Clocks, outside: &Outside) {
    if !clocks.take_expired(DeadlineOf::Grace, now) {
        return;
    }
    if let Some(asked) = outside.shared().shutdown.asked() {
        close(asked, outside);
    }
}

/// The driver is amid a turn, and writes at the end of it.
fn close(asked: Asked, outside: &Outside) {
    let (shared, now) = (outside.shared(), outside.now());
    let queued = begin_close(shared, closed_by_the_application(), asked.times, now);
    queued.unwrap_or_default().not_amid_a_turn();
}

/// Cancels the consumers of a channel, and gives back what they have not yielded. Those that
/// receive the replies to calls go on: what still runs may make some.
fn stop_consumers(channel: &ChannelShared, outside: &mut Outside) {
    let at = channel.at;
    // Those that are cancelled already may hold something, and those whose handles are gone may
    // not be cancelled.
    let handles = channel.yielded().consumers();
    let stopped: Vec<_> = handles
        .iter()
        .map(|queue| (queue, queue.stop(outside.wakers())))
        .collect();
    // Before the deliveries go back, lest they come here again.
    let known = outside.outbox().channels_mut().consumers(at);
    for queue in known.iter().filter(|queue| !queue.is_of_replies()) {
        outside.cancel_in_passing(at, queue);
    }
    for (queue, unyielded) in stopped {
        outside.outbox().give_back(at, queue, &unyielded.taken);
        for delivery in unyielded.untaken {
            let requeue = delivery.settled_by(Settlement::Nack { requeue: true });
            let tag = delivery.delivery_tag;
            let settled = outside.outbox().order_mut().settle(at, tag, requeue);
            settled.ok().flatten().unwrap_or_default().not_amid_a_turn();
        }
    }
}

/// What has not come to its end.
pub(crate) fn left(channels: &InChannels, outside: &Outside) -> Left {
    let shared = outside.shared();
    let mut left = Left {
        publishers: shared.outbox().n_publishers(),
        ..Left::default()
    };
    for channel in channels.iter() {
        let (at, (delivered, automatic)) = (channel.at(), channel.delivered());
        let mut outbox = shared.outbox();
        left.consumers |= outbox.has_consumers(at);
        left.unsettled += outbox.n_unsettled(at.channel, delivered, automatic);
    }
    let open = channels.iter().map(|channel| channel.shared());
    for channel in open.chain(channels.all_resting()) {
        let confirms = channel.look_at_confirms();
        left.publishers += confirms.n_publishers();
        let published = shared.outbox().channels().published(channel.at.channel);
        let unanswered = confirms.outstanding(published);
        if unanswered > 0 {
            left.unanswered.push((channel.at.channel, unanswered));
        }
    }
    left
}
