//! A turn of the driver: how it is woken, what it waits for, and whether it reads.
//!
//! What is decided here is decided when a turn starts and behind each read, and told by
//! [`Core::interest`]. Reading stops for two reasons, and for each of them the peer's silence does not
//! count.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::core::Core;
use super::observe::{Event, Source};
use super::phase::Phase;
use crate::error::SlowConsumer;

/// What the core waits for, as [`Core::interest`] tells it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Interest {
    /// Read from the stream, and wait until it is readable. While this is false the stream is left
    /// alone: consumers hold too much, the peer takes none of the replies it asks for, or the
    /// connection has ended.
    pub read: bool,
    /// Call [`Core::transmit`]: part of a batch is left, or something may have been queued. Once
    /// `transmit` has returned `None` this is false until the next turn or input.
    pub write: bool,
    /// Take the next turn without waiting for anything, once other tasks have run: what was read takes
    /// more work than one turn may have. Nothing is read until then.
    pub again: bool,
}

/// Why nothing is read at present.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pause {
    /// Consumers hold too much.
    Consumers,
    /// The broker has too much to take.
    Answers,
}

impl Core {
    /// Registers the waker that is called when there may be something to do before the
    /// [`deadline`](Self::deadline): something to write, reading that may go on, an earlier deadline.
    /// To be called at the start of each turn; costs one comparison unless the waker is another one.
    pub fn set_waker(&mut self, waker: &Waker) {
        let known = self.driver.as_ref();
        if known.is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        // Callers clone this under the outbox's lock to wake the driver: a count, and not the waker.
        let (ours, registered) = (waker.clone(), Arc::new(waker.clone()));
        let replaced = self.shared.outbox().set_driver(registered);
        // Dropping a waker may run foreign code, so that it happens outside the lock.
        drop(replaced);
        self.driver = Some(ours);
    }

    /// Starts a turn of the driver: tells the core the time, has it parse what the last turn has left
    /// ([`Interest::again`]), decide whether to read, and note how long the peer has taken nothing.
    /// While reading is paused the peer's silence does not count.
    pub fn turn(&mut self, now: Instant) {
        self.now = now;
        self.unseen = true;
        self.work = 0;
        if std::mem::take(&mut self.more) && self.phase != Phase::Ended {
            self.parse_input(now);
        }
        self.clocks.on_attempt(!self.transmit.is_empty(), now);
        self.look_whether_to_read();
        if self.pause.is_some() {
            self.clocks.on_read(now);
        }
    }

    /// What the core waits for at present. Changes nothing; may be asked at any time, and changes only
    /// with calls of other methods. Whatever happens elsewhere that could change it calls the waker.
    pub fn interest(&self) -> Interest {
        let ended = self.phase == Phase::Ended;
        Interest {
            read: self.pause.is_none() && !self.more && !ended,
            again: self.more && !ended,
            write: self.unseen || !self.transmit.is_empty(),
        }
    }

    /// Decides whether reading goes on: not while consumers hold too much, unless something is waited
    /// for that has to be read; nor while the broker takes none of the answers that it asks for.
    pub(super) fn look_whether_to_read(&mut self) {
        if self.phase == Phase::Ended {
            return;
        }
        // What comes behind our `connection.close` is not kept.
        let takes_more = self.said_goodbye || self.shared.reading.look();
        self.pause = if !takes_more {
            Some(Pause::Consumers)
        } else if self.owes_too_much() {
            Some(Pause::Answers)
        } else {
            None
        };
        self.tell_standstill();
    }

    /// Tells when reading comes to a standstill for a consumer though something waits, once each time.
    fn tell_standstill(&mut self) {
        let reading = &self.shared.reading;
        let stuck = self.pause == Some(Pause::Consumers) && reading.is_stuck();
        if stuck == reading.stands_still() {
            return;
        }
        if !stuck {
            // Without demand a standstill goes on, and so does what waits for its end.
            if self.pause != Some(Pause::Consumers) {
                reading.set_standstill(None);
            }
            return;
        }
        let channels = self.channels.iter().flatten();
        let queues = channels.flat_map(|channel| {
            let at = channel.shared.at;
            channel.queues().map(move |queue| (at, queue))
        });
        let automatic = queues.filter(|(_, queue)| queue.no_ack);
        let most = automatic.max_by_key(|(_, queue)| queue.held());
        let Some((at, queue)) = most else { return };
        let by = SlowConsumer {
            channel: at.channel,
            consumer_tag: String::from_utf8_lossy(queue.tag.as_bytes()).into_owned(),
            queue: queue.source.clone(),
            bytes: queue.held(),
        };
        self.shared.trace.reading_stopped(&by);
        let event = Event::ReadingStopped {
            channel: by.channel,
            consumer_tag: queue.tag.clone(),
            queue: by.queue.clone(),
            bytes: by.bytes,
        };
        reading.set_standstill(Some(Arc::new(by)));
        self.emit(Source::Channel(at), &event);
        // What waits without a time of its own is to look at the clock from here on.
        for channel in self.channels.iter().flatten() {
            channel.shared.confirms().call_waiting(&mut self.wakers);
        }
        self.shared.outbox().call_all_in_line(&mut self.wakers);
        self.wake_all();
    }

    /// Whether the broker, which has not taken what it was shown, has had us queue more than it may
    /// behind that: to read on would have us queue without bound.
    ///
    /// Both sides cannot wait for each other to read for ever. Only what answers the broker counts, and
    /// what settles its deliveries, not what publishers and callers queue, so that it has written a lot
    /// and read nothing while we read whatever came: a broker that reads between its writes, or
    /// publishers that send on what they receive, do not come here. It goes on with the next batch that is
    /// taken; that it is not is what `write_timeout` counts, and heartbeats leave in that batch.
    fn owes_too_much(&self) -> bool {
        !self.transmit.is_empty() && self.shared.outbox().owes_too_much()
    }
}
