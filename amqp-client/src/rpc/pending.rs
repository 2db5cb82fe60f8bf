//! The calls that wait for replies, and how replies find them.
//!
//! ```text
//! Waiting ──reply──▶ Answered ──caller──▶ gone
//!    │ └──the consumer ends──▶ the cause, for all of this channel
//!    │ └──the stream is lost──▶ the cause, for those that were sent on it
//!    └──caller gone, out of time──▶ gone: a reply is late then, counted and dropped
//! ```
//!
//! Replies come on the channel that the request went out on, so that there is one [`Pending`] for
//! each channel that a client has had. Numbers and counts go on in its [`Ledger`].
//!
//! No task awaits the replies' consumer. Its waker is a [`Sorter`]: whatever leaves a delivery
//! calls it, and it takes the deliveries over to their calls at once. So no caller depends on
//! another one being polled, and replies that no call waits for use no memory.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;

use super::error::Error;
use crate::consume::{AutoAck, Consumer};
use crate::error::{ChannelError, ConnectionError, ConsumeError};
use crate::message::ReceivedMessage;
use crate::proto::shared::consumer::LostStream;
use crate::proto::wait::sync::lock;
use crate::proto::wait::{self, Sleeper};

/// What a client has counted, on all channels that it has had.
#[derive(Debug)]
pub(super) struct Ledger {
    /// How many calls may wait.
    limit: usize,
    counts: Mutex<Counts>,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// How many calls have a place.
    pub(super) pending: usize,
    /// The last correlation id; they are numbered from 1.
    last: u64,
    pub(super) calls: u64,
    pub(super) replies: u64,
    pub(super) late: u64,
    pub(super) unknown: u64,
    pub(super) timed_out: u64,
}

impl Ledger {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        let counts = Mutex::default();
        Arc::new(Self { limit, counts })
    }

    fn update(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }

    pub(super) fn counts(&self) -> Counts {
        *self.update()
    }

    pub(super) fn count_timeout(&self) {
        self.update().timed_out += 1;
    }

    /// A place for one more call, if there is one.
    pub(super) fn enter(self: &Arc<Self>) -> Result<CallPlace, Error> {
        let mut counts = self.update();
        if counts.pending >= self.limit {
            return Err(Error::TooManyCalls { limit: self.limit });
        }
        counts.pending += 1;
        Ok(CallPlace {
            ledger: Arc::clone(self),
            has_begun: false,
        })
    }
}

/// The place of one call, until it is dropped.
#[derive(Debug)]
pub(super) struct CallPlace {
    ledger: Arc<Ledger>,
    has_begun: bool,
}

impl CallPlace {
    /// A correlation id; another one each time, for what is sent once more.
    fn next_id(&mut self) -> u64 {
        let mut counts = self.ledger.update();
        counts.calls += u64::from(!std::mem::replace(&mut self.has_begun, true));
        counts.last += 1;
        counts.last
    }
}

impl Drop for CallPlace {
    fn drop(&mut self) {
        self.ledger.update().pending -= 1;
    }
}

/// The calls of one client on one channel.
#[derive(Debug)]
pub(super) struct Pending {
    state: Mutex<PendingState>,
    ledger: Arc<Ledger>,
}

#[derive(Debug)]
struct PendingState {
    /// The replies' consumer; away while somebody sorts.
    consumer: Option<Consumer<AutoAck>>,
    /// Something may have come while somebody sorted.
    again: bool,
    /// By correlation id.
    calls: BTreeMap<u64, CallSlot>,
    /// The last stream that was lost while the channel goes on.
    lost: Option<LostStream>,
    /// Why no more replies come.
    end: Option<ConsumeError>,
}

#[derive(Debug)]
enum CallSlot {
    Waiting(Option<Waker>),
    Answered(ReceivedMessage),
}

impl Pending {
    pub(super) fn new(consumer: Consumer<AutoAck>, ledger: &Arc<Ledger>) -> Arc<Self> {
        let pending = Arc::new(Self {
            state: Mutex::new(PendingState {
                consumer: Some(consumer),
                again: false,
                calls: BTreeMap::new(),
                lost: None,
                end: None,
            }),
            ledger: Arc::clone(ledger),
        });
        pending.sort();
        pending
    }

    fn state(&self) -> MutexGuard<'_, PendingState> {
        lock(&self.state)
    }

    /// Whether the channel lives without the consumer, so that no reply will come on it: the broker
    /// has cancelled that, or has not started it again on another stream.
    pub(super) fn is_without_consumer(&self) -> bool {
        let state = self.state();
        state.end.as_ref().is_some_and(is_of_consumer)
    }

    /// One more call, unless no more replies come.
    pub(super) fn begin(self: &Arc<Self>, place: &mut CallPlace) -> Result<Waiting, ConsumeError> {
        let id = place.next_id();
        let mut state = self.state();
        if let Some(end) = &state.end {
            return Err(end.clone());
        }
        state.calls.insert(id, CallSlot::Waiting(None));
        drop(state);
        let pending = Arc::clone(self);
        Ok(Waiting { pending, id })
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
            // What came before the loss has been taken by then.
            let lost = consumer.queue().lost_stream();
            let mut state = self.state();
            match polled {
                Poll::Pending if state.again => state.again = false,
                Poll::Pending => {
                    let wakers = state.lose(lost);
                    state.consumer = Some(consumer);
                    drop(state);
                    wakers.into_iter().for_each(wait::wake);
                    return;
                }
                Poll::Ready(Some(Ok(reply))) => {
                    drop(state);
                    self.answer(reply);
                }
                Poll::Ready(end) => {
                    // The program has ended it: by closing the channel, or the connection.
                    let closed = || {
                        consumer
                            .channel()
                            .shared()
                            .ended()
                            .unwrap_or(ChannelError::Closed)
                    };
                    let cause = end.and_then(Result::err);
                    let cause = cause.unwrap_or_else(|| ConsumeError::Channel(closed()));
                    let wakers = state.end(cause);
                    drop(state);
                    wakers.into_iter().for_each(wait::wake);
                    return;
                }
            }
        }
    }

    fn answer(&self, reply: ReceivedMessage) {
        let id = reply.properties().correlation_id();
        let id = id.and_then(|id| parse(id.as_bytes()));
        let last = self.ledger.counts().last;
        let Some(id) = id.filter(|id| (1..=last).contains(id)) else {
            self.ledger.update().unknown += 1;
            return;
        };
        let mut state = self.state();
        let Some(slot @ CallSlot::Waiting(_)) = state.calls.get_mut(&id) else {
            drop(state);
            self.ledger.update().late += 1;
            return;
        };
        let waiting = std::mem::replace(slot, CallSlot::Answered(reply));
        drop(state);
        self.ledger.update().replies += 1;
        if let CallSlot::Waiting(Some(waker)) = waiting {
            wait::wake(waker);
        }
    }
}

impl PendingState {
    fn end(&mut self, cause: ConsumeError) -> Vec<Waker> {
        self.end = Some(cause);
        self.call_all()
    }

    /// Takes note of the last stream that was lost.
    fn lose(&mut self, lost: Option<LostStream>) -> Vec<Waker> {
        let upto = |lost: &Option<LostStream>| lost.as_ref().map(|lost| lost.upto);
        if upto(&lost) <= upto(&self.lost) {
            return Vec::new();
        }
        self.lost = lost;
        // Those that were not sent on it wait again.
        self.call_all()
    }

    /// What a request with this number on the channel was lost to.
    fn lost_to(&self, number: u64) -> Option<ConnectionError> {
        let lost = self.lost.as_ref().filter(|lost| number <= lost.upto)?;
        Some(lost.cause.clone())
    }

    fn call_all(&mut self) -> Vec<Waker> {
        let waiting = self.calls.values_mut().filter_map(|slot| match slot {
            CallSlot::Waiting(waker) => waker.take(),
            CallSlot::Answered(_) => None,
        });
        waiting.collect()
    }
}

/// Whether it is the consumer alone that has ended, and its channel goes on.
pub(super) fn is_of_consumer(end: &ConsumeError) -> bool {
    matches!(
        end,
        ConsumeError::CancelledByBroker { .. } | ConsumeError::NotRestored(_)
    )
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

    /// Waits for the reply to the request with this number on its channel, for the loss of the
    /// stream that it was sent on, or for the end of all replies.
    pub(super) fn poll(
        &self,
        number: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<ReceivedMessage, Error>> {
        Sleeper::poll(context, |sleeper| self.take_or_wait(number, sleeper))
    }

    fn take_or_wait(
        &self,
        number: u64,
        sleeper: &mut Sleeper<'_>,
    ) -> Poll<Result<ReceivedMessage, Error>> {
        let mut state = self.pending.state();
        let lost = state.lost_to(number);
        let end = state.end.clone();
        let Some(slot) = state.calls.get_mut(&self.id) else {
            return Poll::Pending;
        };
        if let CallSlot::Waiting(waker) = slot {
            if let Some(cause) = lost {
                return Poll::Ready(Err(Error::Lost(cause)));
            }
            if let Some(end) = end {
                return Poll::Ready(Err(Error::Uncertain(end)));
            }
            sleeper.wait_in(waker);
            return Poll::Pending;
        }
        match state.calls.remove(&self.id) {
            Some(CallSlot::Answered(reply)) => Poll::Ready(match reply.oversized_size() {
                Some(size) => Err(Error::ReplyTooLarge { size }),
                None => Ok(reply),
            }),
            Some(CallSlot::Waiting(_)) | None => Poll::Pending,
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
