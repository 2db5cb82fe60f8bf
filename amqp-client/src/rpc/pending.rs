//! The calls that wait for replies, and how replies find them.
//!
//! ```text
//! Waiting ──reply──▶ Answered ──caller──▶ gone
//!    │ └──the consumer ends──▶ the cause, for all and for ever
//!    └──caller gone, out of time──▶ gone: a reply is late then, counted and dropped
//! ```
//!
//! Nobody awaits the replies' consumer. Its waker is a [`Sorter`]: whatever leaves a delivery calls
//! it, and it takes the deliveries over to their calls at once. So no caller depends on another one
//! being polled, and replies that nobody waits for use no memory.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;

use super::error::RpcError;
use crate::consumer::{Automatic, ConsumeError, Consumer};
use crate::delivery::Received;
use crate::error::ChannelError;
use crate::proto::sync::lock;
use crate::proto::wait::{self, Sleeper};

/// The calls of one client.
#[derive(Debug)]
pub(super) struct Pending {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Debug)]
struct State {
    /// The replies' consumer; away while somebody sorts.
    consumer: Option<Consumer<Automatic>>,
    /// Something may have come while somebody sorted.
    again: bool,
    /// By correlation id; at most `limit`.
    calls: BTreeMap<u64, Slot>,
    /// The correlation id of the last call.
    last: u64,
    /// Why no more replies come.
    end: Option<ConsumeError>,
    counts: Counts,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) replies: u64,
    pub(super) late: u64,
    pub(super) unknown: u64,
    pub(super) timed_out: u64,
}

#[derive(Debug)]
enum Slot {
    Waiting(Option<Waker>),
    Answered(Received),
}

impl Pending {
    pub(super) fn new(consumer: Consumer<Automatic>, limit: usize) -> Arc<Self> {
        let pending = Arc::new(Self {
            state: Mutex::new(State {
                consumer: Some(consumer),
                again: false,
                calls: BTreeMap::new(),
                last: 0,
                end: None,
                counts: Counts::default(),
            }),
            limit,
        });
        pending.sort();
        pending
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// One more call.
    pub(super) fn begin(self: &Arc<Self>) -> Result<Waiting, RpcError> {
        let mut state = self.state();
        if let Some(end) = &state.end {
            return Err(match end {
                ConsumeError::Channel(error) => RpcError::NotSent(error.clone()),
                end => RpcError::Uncertain(end.clone()),
            });
        }
        if state.calls.len() >= self.limit {
            return Err(RpcError::TooManyCalls { limit: self.limit });
        }
        state.last += 1;
        let id = state.last;
        state.calls.insert(id, Slot::Waiting(None));
        drop(state);
        let pending = Arc::clone(self);
        Ok(Waiting { pending, id })
    }

    /// How many calls wait, how many there were, and what became of them.
    pub(super) fn counts(&self) -> (usize, u64, Counts) {
        let state = self.state();
        (state.calls.len(), state.last, state.counts)
    }

    pub(super) fn count_timeout(&self) {
        self.state().counts.timed_out += 1;
    }

    /// Takes what has come to whom it is for.
    fn sort(self: &Arc<Self>) {
        let mut state = self.state();
        let Some(mut consumer) = state.consumer.take() else {
            // Whoever has it looks again.
            state.again = true;
            return;
        };
        drop(state);
        let waker = Waker::from(Arc::new(Sorter(Arc::downgrade(self))));
        loop {
            // No lock is held here: the consumer wakes the adapter when it has been emptied.
            let polled = Pin::new(&mut consumer).poll_next(&mut Context::from_waker(&waker));
            let mut state = self.state();
            match polled {
                Poll::Pending if state.again => state.again = false,
                Poll::Pending => {
                    state.consumer = Some(consumer);
                    return;
                }
                Poll::Ready(Some(Ok(reply))) => {
                    let woken = state.answer(reply);
                    drop(state);
                    woken.into_iter().for_each(wait::wake);
                }
                Poll::Ready(end) => {
                    let closed = ConsumeError::Channel(ChannelError::Closed);
                    let cause = end.and_then(Result::err).unwrap_or(closed);
                    let wakers = state.end(cause);
                    drop(state);
                    wakers.into_iter().for_each(wait::wake);
                    return;
                }
            }
        }
    }
}

impl State {
    fn answer(&mut self, reply: Received) -> Option<Waker> {
        let id = reply.properties().correlation_id();
        let id = id.and_then(|id| parse(id.as_bytes()));
        let Some(id) = id.filter(|id| (1..=self.last).contains(id)) else {
            self.counts.unknown += 1;
            return None;
        };
        let Some(slot @ Slot::Waiting(_)) = self.calls.get_mut(&id) else {
            self.counts.late += 1;
            return None;
        };
        self.counts.replies += 1;
        match std::mem::replace(slot, Slot::Answered(reply)) {
            Slot::Waiting(waker) => waker,
            Slot::Answered(_) => None,
        }
    }

    fn end(&mut self, cause: ConsumeError) -> Vec<Waker> {
        self.end = Some(cause);
        let waiting = self.calls.values_mut().filter_map(|slot| match slot {
            Slot::Waiting(waker) => waker.take(),
            Slot::Answered(_) => None,
        });
        waiting.collect()
    }
}

/// The id as this client writes it, and no other way of writing the same number.
fn parse(id: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(id).ok()?;
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// One call that waits. Dropped, its reply is for nobody.
#[derive(Debug)]
pub(super) struct Waiting {
    pending: Arc<Pending>,
    id: u64,
}

impl Waiting {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Waits for the reply, or the end of all replies.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Received, RpcError>> {
        Sleeper::poll(context, |sleeper| self.take_or_wait(sleeper))
    }

    fn take_or_wait(&self, sleeper: &mut Sleeper<'_>) -> Poll<Result<Received, RpcError>> {
        let mut state = self.pending.state();
        let end = state.end.clone();
        let Some(slot) = state.calls.get_mut(&self.id) else {
            return Poll::Pending;
        };
        if let Slot::Waiting(waker) = slot {
            if let Some(end) = end {
                return Poll::Ready(Err(RpcError::Uncertain(end)));
            }
            sleeper.wait_in(waker);
            return Poll::Pending;
        }
        match state.calls.remove(&self.id) {
            Some(Slot::Answered(reply)) => Poll::Ready(Ok(reply)),
            Some(Slot::Waiting(_)) | None => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // The lock is released before what was in the slot is dropped.
        let slot = self.pending.state().calls.remove(&self.id);
        drop(slot);
    }
}

/// What the replies' consumer wakes. It keeps no client alive: the last handle closes the channel.
struct Sorter(Weak<Pending>);

impl Wake for Sorter {
    fn wake(self: Arc<Self>) {
        if let Some(pending) = self.0.upgrade() {
            pending.sort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn ids_are_read_as_they_are_written() {
        assert_eq!(parse(b"17"), Some(17));
        let foreign: [&[u8]; 6] = [
            b"",
            b"017",
            b"+17",
            b"17 ",
            b"\xff",
            b"18446744073709551616",
        ];
        for id in foreign {
            assert_eq!(parse(id), None, "{id:?}");
        }
    }
}
