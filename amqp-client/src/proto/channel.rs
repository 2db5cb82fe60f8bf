//! What the core and the handles of one channel share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use super::confirms::Confirms;
use super::consumer::ConsumerQueue;
use super::link::Link;
use super::outbox::{At, Refused};
use super::sync::lock;
use super::tags::Tags;
use super::wait::{self, Latch, Sleeper};
use crate::error::ChannelError;

/// One channel, as seen by its handles and by the core.
#[derive(Debug)]
pub(crate) struct ChannelShared {
    pub(crate) at: At,
    pub(crate) link: Arc<Link>,
    confirms: Mutex<Confirms>,
    /// Why the channel ended.
    end: Mutex<Latch<ChannelError>>,
    /// The consumers that the broker has started, by tag.
    consumers: Mutex<BTreeMap<Vec<u8>, Arc<ConsumerQueue>>>,
    /// The application has set a limit with `basic.qos`; consumers come without one of their own.
    own_limit: AtomicBool,
    /// A limit of the whole channel was asked for, and became one of each consumer.
    limit_per_consumer: AtomicBool,
    tags: OnceLock<Arc<Tags>>,
}

impl ChannelShared {
    pub(crate) fn new(at: At, link: Arc<Link>) -> Self {
        Self {
            at,
            link,
            confirms: Mutex::default(),
            end: Mutex::default(),
            consumers: Mutex::default(),
            own_limit: AtomicBool::new(false),
            limit_per_consumer: AtomicBool::new(false),
            tags: OnceLock::new(),
        }
    }

    pub(crate) fn confirms(&self) -> MutexGuard<'_, Confirms> {
        lock(&self.confirms)
    }

    /// Nobody will ask what became of this publish. If its message has come back, whoever listens
    /// gets it.
    pub(crate) fn abandon(&self, number: u64) {
        let (returned, waker) = self.confirms().abandon(number);
        drop(waker);
        if let Some(message) = returned {
            let mut wakers = Vec::new();
            self.link.returned(self.at, *message, &mut wakers);
            wait::wake_all(&mut wakers);
        }
    }

    /// The channel is over, and every later call is told why.
    pub(crate) fn set_ended(&self, cause: &ChannelError) {
        lock(&self.end).set_quietly(cause.clone());
    }

    /// The same, and whoever waits for the end or for a confirm learns why: `sent` is the number of
    /// the last publish that was sent.
    pub(crate) fn end(&self, cause: &ChannelError, sent: u64, wakers: &mut Vec<Waker>) {
        lock(&self.end).set(cause.clone(), wakers);
        self.consumers().clear();
        self.confirms().end(cause, sent, wakers);
    }

    /// Why the channel ended, if it has.
    pub(crate) fn ended(&self) -> Option<ChannelError> {
        lock(&self.end).get().cloned()
    }

    /// Waits for the end of the channel.
    pub(crate) fn poll_end(
        &self,
        ticket: &mut Option<u64>,
        context: &mut Context<'_>,
    ) -> Poll<ChannelError> {
        Sleeper::poll(context, |sleeper| lock(&self.end).poll(ticket, sleeper))
    }

    /// Whoever waited for the end does so no longer.
    pub(crate) fn forget_watcher(&self, ticket: u64) {
        let waker = lock(&self.end).forget(ticket);
        drop(waker);
    }

    /// How many wait for the end.
    #[cfg(test)]
    pub(crate) fn n_watchers(&self) -> usize {
        lock(&self.end).n_waiting()
    }

    /// The consumer tags in use.
    pub(crate) fn tags(&self) -> &Arc<Tags> {
        self.tags.get_or_init(Arc::default)
    }

    fn consumers(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Arc<ConsumerQueue>>> {
        lock(&self.consumers)
    }

    /// The broker has started a consumer.
    pub(crate) fn add_consumer(&self, tag: &[u8], queue: &Arc<ConsumerQueue>) {
        self.consumers().insert(tag.to_vec(), Arc::clone(queue));
    }

    /// A consumer has been cancelled.
    pub(crate) fn remove_consumer(&self, tag: &[u8]) {
        self.consumers().remove(tag);
    }

    /// The consumer of this tag, while it is there.
    pub(crate) fn consumer(&self, tag: &[u8]) -> Option<Arc<ConsumerQueue>> {
        self.consumers().get(tag).cloned()
    }

    /// The tags of all consumers, in order.
    pub(crate) fn consumer_tags(&self) -> Vec<String> {
        let consumers = self.consumers();
        let tags = consumers.keys();
        tags.map(|tag| String::from_utf8_lossy(tag).into_owned())
            .collect()
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

    /// Whether a limit of the channel becomes one of each consumer for the first time.
    pub(crate) fn is_first_limit_per_consumer(&self) -> bool {
        !self.limit_per_consumer.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn has_own_limit(&self) -> bool {
        self.own_limit.load(Ordering::Acquire)
    }
}
