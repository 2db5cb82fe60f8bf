//! Alarms of the broker: `connection.blocked` and `connection.unblocked`.

use std::sync::Arc;

use crate::proto::observe::{Event, Source};
use crate::proto::outside::Outside;
use crate::proto::receive::InChannels;
use crate::proto::time::after;
use crate::proto::time::clocks::Clocks;

/// `connection.blocked` has come.
pub(crate) fn begin(
    reason: &Arc<str>,
    channels: &InChannels,
    clocks: &mut Clocks,
    outside: &mut Outside,
) {
    let now = outside.now();
    let (shared, wakers) = outside.split();
    let first = shared
        .outbox()
        .room_mut()
        .block(Arc::clone(reason), now, wakers);
    if shared.outbox().room().check_policy().is_err() {
        for channel in channels.iter() {
            channel.shared().confirms().refuse_room(wakers);
        }
    }
    shared.trace.blocked(reason);
    let reason = Arc::clone(reason);
    outside.emit(Source::Connection, &Event::Blocked { reason });
    if first {
        clocks.alarm(now);
    }
}

/// `connection.unblocked` has come.
pub(crate) fn end(channels: &mut InChannels, clocks: &mut Clocks, outside: &mut Outside) {
    let now = outside.now();
    clocks.all_clear(now);
    let (shared, wakers) = outside.split();
    let timeout = shared.request_timeout;
    let ended = shared.outbox().unblock(now, timeout, wakers);
    if ended {
        shared.trace.unblocked();
        resume_fetching(channels, clocks, outside);
        outside.emit(Source::Connection, &Event::Unblocked);
    }
}

/// What stalled meanwhile has all of its time again.
fn resume_fetching(channels: &mut InChannels, clocks: &mut Clocks, outside: &Outside) {
    let latest = after(outside.now(), outside.shared().request_timeout);
    for channel in channels.iter_mut() {
        if let Some(slot) = channel.fetching_mut() {
            slot.deadline = slot.deadline.max(latest);
            clocks.look_for_fetched_at(latest);
        }
    }
}
