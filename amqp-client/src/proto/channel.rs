//! What the core and the handles of one channel share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::confirms::Confirms;
use super::link::Link;
use super::outbox::{At, Refused};
use crate::error::ChannelError;

/// One channel, as seen by its handles and by the core.
#[derive(Debug)]
pub(crate) struct ChannelShared {
    pub(crate) at: At,
    pub(crate) link: Arc<Link>,
    confirms: Mutex<Confirms>,
    ended: Mutex<Option<ChannelError>>,
    /// The application has set a limit with `basic.qos`; consumers come without one of their own.
    own_limit: AtomicBool,
}

impl ChannelShared {
    pub(crate) fn new(at: At, link: Arc<Link>) -> Self {
        Self {
            at,
            link,
            confirms: Mutex::default(),
            ended: Mutex::default(),
            own_limit: AtomicBool::new(false),
        }
    }

    pub(crate) fn confirms(&self) -> MutexGuard<'_, Confirms> {
        // Nothing panics while holding the lock.
        self.confirms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody will ask what became of this publish. If its message has come back, whoever listens
    /// gets it.
    pub(crate) fn abandon(&self, number: u64) {
        let returned = self.confirms().abandon(number);
        if let Some(message) = returned {
            let mut wakers = Vec::new();
            self.link.returned(self.at, *message, &mut wakers);
            for waker in wakers {
                waker.wake();
            }
        }
    }

    /// The channel is over, and every later call is told why.
    pub(crate) fn set_ended(&self, cause: &ChannelError) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get_or_insert_with(|| cause.clone());
    }

    /// The same, and whoever waits for a confirm learns why: `sent` is the number of the last publish
    /// that was sent.
    pub(crate) fn end(&self, cause: &ChannelError, sent: u64, wakers: &mut Vec<Waker>) {
        self.set_ended(cause);
        self.confirms().end(cause, sent, wakers);
    }

    /// Why the channel ended, if it has.
    pub(crate) fn ended(&self) -> Option<ChannelError> {
        self.ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts the outbox's refusal into the caller's words.
    pub(crate) fn explain(&self, refused: Refused) -> ChannelError {
        match refused {
            Refused::Connection(error) => self.ended().unwrap_or(ChannelError::Connection(error)),
            Refused::NotOpen => self.ended().unwrap_or(ChannelError::Closed),
            Refused::TooLarge(error) => ChannelError::FrameTooLarge(error),
            Refused::Blocked(reason) => ChannelError::Blocked { reason },
        }
    }

    /// The application sets a limit of unacknowledged deliveries itself.
    pub(crate) fn set_own_limit(&self) {
        self.own_limit.store(true, Ordering::Release);
    }

    pub(crate) fn has_own_limit(&self) -> bool {
        self.own_limit.load(Ordering::Acquire)
    }
}
