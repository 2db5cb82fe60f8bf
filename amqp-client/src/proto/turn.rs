//! A turn of the driver: how it is woken, what it waits for, and whether it reads.
//!
//! What is decided here is decided when a turn starts and behind each read, and told by
//! [`Core::interest`](super::Core::interest). Reading stops for two reasons, and for each of them
//! the peer's silence does not count.

use std::sync::Arc;
use std::task::Waker;

use super::shared::connection::ConnectionShared;

/// What the core waits for, as [`Core::interest`](super::Core::interest) tells it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Interest {
    /// Read from the stream, and wait until it is readable. While this is false the stream is left
    /// alone: consumers hold too much, the peer takes none of the replies it asks for, or the
    /// connection has ended.
    pub read: bool,
    /// Call [`Core::transmit`](super::Core::transmit): part of a batch is left, or something may
    /// have been queued. Once `transmit` has returned `None` this is false until the next turn or
    /// input.
    pub write: bool,
    /// Take the next turn without waiting for anything, once other tasks have run: what was read
    /// takes more work than one turn may have. Nothing is read until then.
    pub again: bool,
}

/// Why nothing is read at present.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pause {
    /// Consumers hold too much.
    Consumers,
    /// The broker has too much to take.
    Answers,
}

/// Who drives the connection, over one stream after the other.
#[derive(Debug, Default)]
pub(crate) struct DriverSeat {
    /// Its waker, as registered with the outbox.
    waker: Option<Waker>,
}

impl DriverSeat {
    /// Registers the driver's waker; costs one comparison unless it is another one.
    pub(crate) fn set_waker(&mut self, waker: &Waker, connection: &ConnectionShared) {
        let known = self.waker.as_ref();
        if known.is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        // Callers clone this under the outbox's lock to wake the driver: a count, and not the
        // waker.
        let (ours, registered) = (waker.clone(), Arc::new(waker.clone()));
        let replaced = connection.outbox().order_mut().set_driver(registered);
        // Dropping a waker may run foreign code, so that it happens outside the lock.
        drop(replaced);
        self.waker = Some(ours);
    }

    #[inline]
    pub(crate) fn waker(&self) -> Option<&Waker> {
        self.waker.as_ref()
    }
}

/// What the driver is to do.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Why nothing is to be read, as of the last look.
    pause: Option<Pause>,
    /// Something may have been queued since the outbox was last found empty.
    unseen: bool,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            pause: None,
            unseen: true,
        }
    }
}

impl Turn {
    /// Something has happened, and something may have been queued.
    #[inline]
    pub(crate) fn stir(&mut self) {
        self.unseen = true;
    }

    /// The outbox has been looked at, and what it had has been taken.
    #[inline]
    pub(crate) fn settle(&mut self) {
        self.unseen = false;
    }

    /// The broker has taken all it was shown: its answers keep nothing from being read.
    #[inline]
    pub(crate) fn answers_taken(&mut self) {
        if self.pause == Some(Pause::Answers) {
            self.pause = None;
        }
    }

    /// Our `connection.close` has been written. What comes now is not kept: reading goes on at
    /// once, and nothing would wake the driver.
    #[inline]
    pub(crate) fn said_goodbye(&mut self) {
        if self.pause == Some(Pause::Consumers) {
            self.pause = None;
        }
    }

    pub(crate) fn set_pause(&mut self, pause: Option<Pause>) {
        self.pause = pause;
    }

    /// Why nothing is read.
    #[inline]
    pub(crate) fn pause(&self) -> Option<Pause> {
        self.pause
    }

    /// Whether something is to be written: `left` of the last batch, or queued.
    #[inline]
    pub(crate) fn wants_write(&self, left: bool) -> bool {
        self.unseen || left
    }
}
