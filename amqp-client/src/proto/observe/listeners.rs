//! Where the core leaves what happened, for whoever listens.
//!
//! Each listener has a ring of its own: the newest events, up to a number and a size. Whoever does
//! not read misses the oldest and is told how many; nobody waits for him. What a listener has
//! dropped is forgotten at the next event.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use super::event::Event;
use crate::proto::channel_use::ChannelUse;
use crate::proto::wait::Sleeper;
use crate::proto::wait::sync::lock;

/// The most events that wait for one listener.
pub(crate) const EVENTS: usize = 256;

/// The most octets of returned messages that wait for one listener, unless one alone is larger.
const OCTETS: usize = 16 * 1024 * 1024;

/// What a listener wants to hear of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// Everything.
    Connection,
    /// One use of one channel.
    Channel(ChannelUse),
    /// What comes back to one use of one channel.
    Returns(ChannelUse),
}

impl Scope {
    fn covers(self, from: Source, event: &Event) -> bool {
        let mine = |at| from == Source::Channel(at) || from == Source::ChannelWithConnection(at);
        match self {
            Self::Connection => !matches!(from, Source::ChannelWithConnection(_)),
            Self::Channel(at) => mine(at),
            Self::Returns(at) => mine(at) && (is_return(event) || event.is_last_of_channel()),
        }
    }

    /// Whether the listener hears of nothing more.
    fn ends_with(self, event: &Event) -> bool {
        match self {
            Self::Connection => matches!(event, Event::ConnectionClosed { .. }),
            Self::Channel(_) | Self::Returns(_) => event.is_last_of_channel(),
        }
    }
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    Connection,
    Channel(ChannelUse),
    /// The channel has ended, for its connection has, which tells its own listeners.
    ChannelWithConnection(ChannelUse),
}

fn is_return(event: &Event) -> bool {
    matches!(event, Event::Returned { .. })
}

/// Everybody who listens to one connection.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<Vec<Weak<EventQueue>>>);

impl Listeners {
    fn queues(&self) -> MutexGuard<'_, Vec<Weak<EventQueue>>> {
        lock(&self.0)
    }

    /// One more listener, who hears of what happens from now on.
    pub(crate) fn subscribe(&self, scope: Scope) -> Arc<EventQueue> {
        let queue = Arc::new(EventQueue {
            scope,
            state: Mutex::default(),
        });
        let mut queues = self.queues();
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        drop(queues);
        queue
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queues().len()
    }

    /// Tells everybody whom it concerns; returns how many there were, and how many events were
    /// missed in favour of this one.
    pub(crate) fn emit(
        &self,
        from: Source,
        event: &Event,
        wakers: &mut Vec<Waker>,
    ) -> (usize, u64) {
        // Those whom it does not concern are let go of behind the lock too: one whose listener has
        // just gone takes a waker with it.
        let mut all = Vec::new();
        self.queues().retain(|queue| {
            let queue = queue.upgrade();
            let listens = queue.is_some();
            all.extend(queue);
            listens
        });
        let concerned = all.iter().filter(|queue| queue.scope.covers(from, event));
        let (mut listeners, mut missed) = (0, 0);
        for queue in concerned {
            listeners += 1;
            missed += queue.push(event.clone(), wakers);
        }
        (listeners, missed)
    }
}

/// The events that wait for one listener.
#[derive(Debug)]
pub(crate) struct EventQueue {
    scope: Scope,
    state: Mutex<EventQueueState>,
}

#[derive(Debug, Default)]
struct EventQueueState {
    /// The oldest first.
    events: VecDeque<Event>,
    /// What returned messages among them occupy.
    octets: usize,
    /// Events dropped since the reader was last told.
    missed: u64,
    waker: Option<Waker>,
    /// The last event is there, or has been read.
    ended: bool,
}

impl EventQueue {
    fn state(&self) -> MutexGuard<'_, EventQueueState> {
        lock(&self.state)
    }

    /// Adds an event, at the cost of the oldest if there are too many; returns how many went.
    pub(crate) fn push(&self, event: Event, wakers: &mut Vec<Waker>) -> u64 {
        let mut dropped = Vec::new();
        let mut state = self.state();
        if state.ended {
            return 0;
        }
        state.ended = self.scope.ends_with(&event);
        state.octets += event.footprint();
        state.events.push_back(event);
        while state.events.len() > EVENTS || (state.octets > OCTETS && state.events.len() > 1) {
            let Some(oldest) = state.events.pop_front() else {
                break;
            };
            state.octets -= oldest.footprint();
            dropped.push(oldest);
        }
        let missed = u64::try_from(dropped.len()).unwrap_or(u64::MAX);
        state.missed += missed;
        wakers.extend(state.waker.take());
        missed
    }

    /// The next event; `None` when there will be no more. What was missed comes first.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        Sleeper::poll(context, |sleeper| self.take_or_wait(sleeper))
    }

    fn take_or_wait(&self, sleeper: &mut Sleeper<'_>) -> Poll<Option<Event>> {
        let mut state = self.state();
        if state.missed > 0 {
            let count = std::mem::take(&mut state.missed);
            return Poll::Ready(Some(Event::Lagged { count }));
        }
        if let Some(event) = state.events.pop_front() {
            state.octets -= event.footprint();
            return Poll::Ready(Some(event));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        sleeper.wait_in(&mut state.waker);
        Poll::Pending
    }
}
