//! What has not come in its time: replies, messages that are being fetched, publishers that were
//! called.

use std::time::Instant;

use super::closes;
use crate::proto::outside::Outside;
use crate::proto::receive::InChannels;
use crate::proto::send::progress::Progress;
use crate::proto::shutdown;
use crate::proto::time::clocks::Clocks;
use crate::proto::time::deadlines::DeadlineOf;

/// Sees to what the core watches by itself, besides the stream.
pub(crate) fn expire_watched(
    now: Instant,
    channels: &InChannels,
    clocks: &mut Clocks,
    outside: &mut Outside,
) {
    expire_fetching(now, channels, clocks, outside);
    expire_called(now, channels, clocks, outside);
    shutdown::expire(now, clocks, outside);
}

/// Tells those whose message has stalled. What comes of it later goes back to its queue.
fn expire_fetching(
    now: Instant,
    channels: &InChannels,
    clocks: &mut Clocks,
    outside: &mut Outside,
) {
    if !clocks.take_expired(DeadlineOf::Fetching, now) {
        return;
    }
    let (shared, wakers) = outside.split();
    if shared.outbox().room().blocked().is_some() {
        // Looked at again when the alarm ends.
        return;
    }
    for channel in channels.iter() {
        let Some(slot) = channel.fetching().filter(|slot| !slot.answer.is_settled()) else {
            continue;
        };
        if slot.deadline <= now {
            let error = shared.reading.no_reply(slot.name);
            slot.answer.time_out(error, wakers);
        } else {
            clocks.look_for_fetched(slot.deadline);
        }
    }
}

/// Publishers that were called and do not come, though they have had time: what was kept for them
/// is open to others.
fn expire_called(now: Instant, channels: &InChannels, clocks: &mut Clocks, outside: &mut Outside) {
    if !clocks.take_expired(DeadlineOf::Unclaimed, now) {
        return;
    }
    let (shared, wakers) = outside.split();
    shared.outbox().room_mut().expire_called();
    for channel in channels.iter() {
        let mut confirms = channel.shared().confirms();
        if confirms.expire_called() {
            let mut outbox = shared.outbox();
            let published = outbox.channels().published(channel.at().channel);
            confirms.call_room(published, wakers);
            outbox.room_mut().note_called();
        }
    }
}

/// Tells the requests whose replies have not come, and calls what waits for this time. True if our
/// `connection.close` was one of them.
pub(crate) fn expire_requests(
    now: Instant,
    progress: Progress,
    channels: &mut InChannels,
    outside: &mut Outside,
) -> bool {
    let mut close_overdue = false;
    let mut timed_out = Vec::new();
    let (shared, wakers) = outside.split();
    let reading = &shared.reading;
    let mut outbox = shared.outbox();
    let held_back = outbox.held_back();
    let overdue = outbox.expire(now, progress, |id, slot| {
        close_overdue |= id == 0 && slot.is_farewell();
        timed_out.push((id, slot.name));
        let held_back = held_back.as_ref();
        let error = held_back.and_then(|held_back| held_back.explain(id, slot, now));
        let error = error.unwrap_or_else(|| reading.no_reply(slot.name));
        slot.answer.time_out(error, wakers);
    });
    drop(outbox);
    shared.timers.expire(now, wakers);
    for (id, method) in timed_out {
        shared.trace.timed_out(id, method);
    }
    closes::dispose_of(overdue, channels, outside);
    close_overdue
}
