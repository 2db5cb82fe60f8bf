//! Tells when reading comes to a standstill for a consumer though something waits, once each time.

use std::sync::Arc;

use super::channels::InChannels;
use crate::error::SlowConsumer;
use crate::proto::observe::{Event, Source};
use crate::proto::outside::Outside;

/// To be called behind each decision whether to read; `stopped` tells whether consumers hold too
/// much for that.
pub(crate) fn tell(stopped: bool, channels: &InChannels, outside: &mut Outside) {
    let reading = &outside.shared().reading;
    let stuck = stopped && reading.is_stuck();
    if stuck == reading.stands_still() {
        return;
    }
    if stuck {
        begin(channels, outside);
    } else if !stopped {
        // Without demand a standstill goes on, and so does what waits for its end.
        reading.set_standstill(None);
    }
}

/// Reading has come to a standstill, for the consumer without acknowledgements that holds most.
#[cold]
fn begin(channels: &InChannels, outside: &mut Outside) {
    let automatic = channels.consumers().filter(|(_, queue)| queue.no_ack);
    let most = automatic.max_by_key(|(_, queue)| queue.held());
    let Some((at, queue)) = most else { return };
    let by = SlowConsumer {
        channel: at.channel,
        consumer_tag: String::from_utf8_lossy(queue.tag.as_bytes()).into_owned(),
        queue: queue.source.clone(),
        bytes: queue.held(),
    };
    let event = Event::ReadingStopped {
        channel: by.channel,
        consumer_tag: queue.tag.clone(),
        queue: by.queue.clone(),
        bytes: by.bytes,
    };
    outside.shared().trace.reading_stopped(&by);
    let reading = &outside.shared().reading;
    reading.set_standstill(Some(Arc::new(by)));
    outside.emit(Source::Channel(at), &event);
    // What waits without a time of its own is to look at the clock from here on.
    let (shared, wakers) = outside.split();
    for channel in channels.iter() {
        channel.shared.confirms().call_waiting(wakers);
    }
    shared.outbox().room_mut().call_all(wakers);
    outside.wake_all();
}
