//! Requests: what waits for a reply, and what the reply has to do besides being handed on.
//!
//! ```text
//! Waiting ──reply──▶ Ready ──caller──▶ Taken
//!    │
//!    └──caller gone or out of time──▶ Abandoned: the reply is still consumed, and undone
//! ```
//!
//! Replies come in request order, but for `consume-ok` and `cancel-ok`, which later replies
//! overtake; a [`Barrier`] keeps later requests back, so that the oldest request is always the one
//! that a reply belongs to.

use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use amqp_spec::wire::{MethodId, Request, TypedMethod};
use amqp_spec::{basic, channel, confirm, connection, tx};

use crate::error::{About, ChannelError};
use crate::message::Incoming;
use crate::message::numbered::Numbered;
use crate::proto::send::progress::Progress;
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::consumer::ConsumerQueue;
use crate::proto::wait::Sleeper;
use crate::proto::wait::sync::lock;

/// What may not be sent on a channel before a request on it is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Barrier {
    /// Everything may.
    Nothing,
    /// Other requests may not: their replies would overtake this one's (`basic.consume`,
    /// `basic.cancel`).
    Requests,
    /// Nothing may: RabbitMQ closes the connection with 504 (`tx.commit`).
    Everything,
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The replies that answer it; none if it was sent with `no_wait`. Such a one keeps its place
    /// until a later request is answered, so that it is known whom the broker closes a channel for.
    pub(crate) expects: &'static [MethodId],
    /// Its own name, for errors: `queue.declare`.
    pub(crate) name: &'static str,
    pub(crate) barrier: Barrier,
    pub(crate) deadline: Instant,
    /// It has passed.
    pub(crate) overdue: bool,
    /// It has had a place in the small lane, on this stream or one before.
    pub(crate) asked: bool,
    /// Since when its time may stand still: while it is behind octets that are leaving, the
    /// deadline moves on by what has passed since.
    pub(crate) since: Instant,
    /// The position behind it among all octets that leave, until it is known to be written; `None`
    /// before it has one.
    pub(crate) end: Option<u64>,
    /// The number of the last publish in front of it.
    pub(crate) after: u64,
    pub(crate) effect: Effect,
    pub(crate) answer: Arc<Answer>,
    /// Its payload, where a recovery has to know what was asked for, or asks again.
    pub(crate) sent: Option<Box<[u8]>>,
}

impl Slot {
    /// A request of this method, made now, that holds nothing back and has no effect; its reply goes
    /// to `answer`.
    pub(crate) fn new<'m, M: TypedMethod<'m> + Request>(
        answer: Arc<Answer>,
        now: Instant,
        deadline: Instant,
    ) -> Self {
        Self {
            expects: <M::Reply<'static> as amqp_spec::wire::Reply<'static>>::IDS,
            name: M::NAME,
            barrier: Barrier::Nothing,
            deadline,
            overdue: false,
            asked: false,
            since: now,
            end: None,
            after: 0,
            effect: Effect::Nothing,
            answer,
            sent: None,
        }
    }

    /// The same request, which holds this back.
    pub(crate) fn with_barrier(mut self, barrier: Barrier) -> Self {
        self.barrier = barrier;
        self
    }

    /// The same request, with this effect.
    pub(crate) fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Whether a reply comes.
    pub(crate) fn has_reply(&self) -> bool {
        !self.expects.is_empty()
    }

    /// Whether it is our `channel.close`.
    pub(crate) fn is_close(&self) -> bool {
        self.expects.contains(&channel::CloseOk::ID)
    }

    /// Whether it is our `connection.close`.
    pub(crate) fn is_farewell(&self) -> bool {
        self.expects.contains(&connection::CloseOk::ID)
    }

    /// The time until now does not count.
    pub(crate) fn stood_still_until(&mut self, now: Instant) {
        self.deadline += now.saturating_duration_since(self.since);
        self.since = self.since.max(now);
    }

    /// The time until now has run.
    pub(crate) fn ran_until(&mut self, now: Instant) {
        self.since = self.since.max(now);
    }

    /// Whether it has its place in the small lane, and has not been written.
    pub(crate) fn is_leaving(&self, progress: Progress) -> bool {
        self.end.is_some_and(|end| end > progress.written)
    }

    /// Its deadline, which is later if it is behind octets that are `leaving`.
    pub(crate) fn deadline(&self, leaving: bool, progress: Progress) -> Instant {
        if leaving {
            self.deadline + progress.at.saturating_duration_since(self.since)
        } else {
            self.deadline
        }
    }

    /// Whether it is sent although its time is up while it is parked: others may rely on how it has
    /// the channel behave, and to be late does no harm.
    pub(crate) fn keeps_its_place(&self) -> bool {
        const SETTINGS: [MethodId; 4] = [
            basic::QosOk::ID,
            confirm::SelectOk::ID,
            tx::SelectOk::ID,
            channel::FlowOk::ID,
        ];
        self.is_close()
            || matches!(self.effect, Effect::Cancel(_))
            || SETTINGS.iter().any(|reply| self.expects.contains(reply))
    }

    /// Whether it is never sent if its time is up now: it has not been, and does not keep its place.
    pub(crate) fn is_never_sent(&self) -> bool {
        !self.asked && !self.keeps_its_place()
    }

    /// The same request, without a caller that waits for its reply.
    pub(crate) fn for_nobody(&self) -> Self {
        Self {
            expects: self.expects,
            name: self.name,
            barrier: self.barrier,
            deadline: self.deadline,
            overdue: self.overdue,
            asked: self.asked,
            since: self.since,
            end: self.end,
            after: self.after,
            effect: Effect::Nothing,
            answer: Arc::default(),
            sent: None,
        }
    }

    /// What it was to achieve is so, without a reply.
    pub(crate) fn done(&self, wakers: &mut Vec<Waker>) {
        let reply = Reply {
            payload: Vec::new(),
            message: None,
        };
        // A caller that has gone does not care.
        let _ = self.answer.settle(Ok(reply), wakers);
    }
}

/// What the reply changes in the core, before the caller sees it.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// The channel exists from now on.
    OpenChannel(Arc<ChannelShared>),
    /// The channel, which its publisher owns, exists once more.
    RenewChannel,
    /// The consumer receives from now on.
    Consume(Arc<ConsumerQueue>),
    /// The consumer, which was active on an earlier stream, receives once more.
    ConsumeAgain(Arc<ConsumerQueue>),
    /// A limit that the next consumer is started under has been set.
    LimitConsumer,
    /// The consumer receives nothing more.
    Cancel(Arc<ConsumerQueue>),
    /// A transaction is over, and the next one begins.
    EndTransaction(Box<Transaction>),
    /// What was delivered before has gone back to its queues; until then this was the last tag of
    /// which that was so.
    Recover { before: u64 },
    /// A message may come; unless it needs no acknowledgement it has to be settled.
    Get { no_ack: bool },
}

/// What a commit or a rollback is about.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    /// The deliveries that were settled in it.
    pub(crate) settled: Vec<u64>,
    /// Something stands in it.
    pub(crate) is_begun: bool,
    /// The caller of a rollback finds them here behind the reply.
    pub(crate) rolled_back: Option<Arc<OnceLock<Vec<u64>>>>,
}

/// A reply: the method's payload, and the content that followed it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) payload: Vec<u8>,
    pub(crate) message: Option<Incoming>,
}

/// Where caller and core meet.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    state: Mutex<AnswerState>,
    /// The number of a message that was fetched.
    fetched_as: OnceLock<Numbered>,
    /// What the request is about, for errors.
    pub(crate) about: About,
}

#[derive(Debug)]
enum AnswerState {
    Waiting(Option<Waker>),
    Ready(Result<Reply, ChannelError>),
    Taken,
    Abandoned,
}

impl Default for AnswerState {
    fn default() -> Self {
        Self::Waiting(None)
    }
}

impl Answer {
    pub(crate) fn new(about: About) -> Self {
        Self {
            state: Mutex::default(),
            fetched_as: OnceLock::new(),
            about,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, AnswerState> {
        lock(&self.state)
    }

    /// A message has been fetched, and has this number; the result follows.
    pub(crate) fn fetched_as(&self, numbered: Numbered) {
        let _ = self.fetched_as.set(numbered);
    }

    /// The number of the message that was fetched.
    pub(crate) fn fetched(&self) -> Option<Numbered> {
        self.fetched_as.get().copied()
    }

    /// Whether no caller waits any more: it has its result, has taken it, or has gone.
    pub(crate) fn is_settled(&self) -> bool {
        !matches!(*self.state(), AnswerState::Waiting(_))
    }

    /// Gives the result to the caller, or back if the caller has gone.
    pub(crate) fn settle(
        &self,
        result: Result<Reply, ChannelError>,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Result<Reply, ChannelError>> {
        let mut state = self.state();
        match &mut *state {
            AnswerState::Waiting(waker) => {
                wakers.extend(waker.take());
                *state = AnswerState::Ready(result);
                Ok(())
            }
            AnswerState::Ready(_) | AnswerState::Taken | AnswerState::Abandoned => Err(result),
        }
    }

    /// Tells the caller that its time is up; the reply, should it come, is dropped.
    pub(crate) fn time_out(&self, error: ChannelError, wakers: &mut Vec<Waker>) {
        let mut state = self.state();
        if let AnswerState::Waiting(waker) = &mut *state {
            wakers.extend(waker.take());
            *state = AnswerState::Ready(Err(error));
        }
    }

    /// The caller goes away. Gives back a result that it has not seen.
    pub(crate) fn abandon(&self) -> Option<Result<Reply, ChannelError>> {
        let before = {
            let mut state = self.state();
            match *state {
                AnswerState::Taken | AnswerState::Abandoned => return None,
                AnswerState::Waiting(_) | AnswerState::Ready(_) => {
                    std::mem::replace(&mut *state, AnswerState::Abandoned)
                }
            }
        };
        // The waker is dropped here, after the lock.
        match before {
            AnswerState::Ready(result) => Some(result),
            AnswerState::Waiting(_) | AnswerState::Taken | AnswerState::Abandoned => None,
        }
    }

    /// Takes the result, if it is there. For requests that no task waits for.
    pub(crate) fn take_ready(&self) -> Option<Result<Reply, ChannelError>> {
        let mut state = self.state();
        if !matches!(*state, AnswerState::Ready(_)) {
            return None;
        }
        match std::mem::replace(&mut *state, AnswerState::Taken) {
            AnswerState::Ready(result) => Some(result),
            AnswerState::Waiting(_) | AnswerState::Taken | AnswerState::Abandoned => None,
        }
    }

    /// Waits for the result. A second result is never there.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Result<Reply, ChannelError>> {
        Sleeper::poll(context, |sleeper| self.take_or_wait(sleeper))
    }

    fn take_or_wait(&self, sleeper: &mut Sleeper<'_>) -> Poll<Result<Reply, ChannelError>> {
        let mut state = self.state();
        match &mut *state {
            AnswerState::Waiting(waker) => {
                sleeper.wait_in(waker);
                Poll::Pending
            }
            AnswerState::Taken | AnswerState::Abandoned => Poll::Pending,
            AnswerState::Ready(_) => match std::mem::replace(&mut *state, AnswerState::Taken) {
                AnswerState::Ready(result) => Poll::Ready(result),
                _ => Poll::Pending,
            },
        }
    }
}
