//! Requests as futures: queueing one, waiting for its reply, and going away before it comes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use amqp_spec::wire::{Request, TypedMethod};

use crate::error::{About, ChannelError};
use crate::message::numbered::Numbered;
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::outbox::{Order, Refused, Wake};
use crate::proto::send::request::{Answer, Barrier, Effect, Reply, Slot};
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::shared::outage::Outage;
use crate::proto::shared::reading::{Demand, Patience};
use crate::proto::time::after;
use crate::proto::wait::Sleeper;

/// Queues a request; the reply is what the future gives.
pub(crate) fn start<'m, M: TypedMethod<'m> + Request>(
    shared: &Arc<ChannelShared>,
    method: &M,
    effect: Effect,
    barrier: Barrier,
) -> Result<PendingReply, ChannelError> {
    start_about(shared, method, About::default(), effect, barrier)
}

/// The same, for a request whose errors are to say what it is about.
pub(crate) fn start_about<'m, M: TypedMethod<'m> + Request>(
    shared: &Arc<ChannelShared>,
    method: &M,
    about: About,
    effect: Effect,
    barrier: Barrier,
) -> Result<PendingReply, ChannelError> {
    start_by::<M>(shared, about, effect, barrier, |order, slot| {
        order.request(shared.at, method, slot)
    })
}

/// The same, for a request that changes more than the line it stands in; `queue` queues it.
pub(crate) fn start_by<'m, M: TypedMethod<'m> + Request>(
    shared: &Arc<ChannelShared>,
    about: About,
    effect: Effect,
    barrier: Barrier,
    queue: impl FnOnce(&mut Order, Slot) -> Result<Wake, (Refused, Box<Slot>)>,
) -> Result<PendingReply, ChannelError> {
    let (slot, answer) = slot_about::<M>(shared, about, effect, barrier);
    let started = queue(shared.connection.outbox().order_mut(), slot);
    match started {
        Ok(wake) => {
            shared.connection.trace.request(shared.at.channel, M::NAME);
            wake.now();
            Ok(PendingReply::new(answer, &shared.connection))
        }
        Err((refused, _)) => Err(shared.explain(refused)),
    }
}

/// The channel of the connection itself.
const OF_CONNECTION: ChannelUse = ChannelUse {
    channel: 0,
    incarnation: 0,
};

/// Queues a request on channel 0.
pub(crate) fn start_on_connection<'m, M: TypedMethod<'m> + Request>(
    connection: &Arc<ConnectionShared>,
    method: &M,
) -> Result<PendingReply, ChannelError> {
    let now = connection.clock.now();
    let answer = Arc::new(Answer::default());
    let deadline = after(now, connection.request_timeout);
    let slot = Slot::new::<M>(Arc::clone(&answer), now, deadline);
    let started = connection
        .outbox()
        .order_mut()
        .request_of_connection(method, slot);
    match started {
        Ok(wake) => {
            connection.trace.request(0, M::NAME);
            wake.now();
            Ok(PendingReply::new(answer, connection))
        }
        Err((Refused::Connection(error), _)) => {
            Err(ChannelError::Connection(error.for_bystander()))
        }
        Err((Refused::TooLarge(error), _)) => Err(error.into()),
        // The stream is lost; channel 0 is open as long as there is one, alarms are about messages,
        // and transactions are of other channels.
        Err((
            Refused::NotOpen
            | Refused::Blocked(_)
            | Refused::Recovering(_)
            | Refused::TransactionLost,
            _,
        )) => Err(connection.no_answer(OF_CONNECTION, M::NAME)),
    }
}

pub(crate) fn slot<'m, M: TypedMethod<'m> + Request>(
    shared: &ChannelShared,
    effect: Effect,
    barrier: Barrier,
) -> (Slot, Arc<Answer>) {
    slot_about::<M>(shared, About::default(), effect, barrier)
}

/// The same, for a request whose errors are to say what it is about.
pub(crate) fn slot_about<'m, M: TypedMethod<'m> + Request>(
    shared: &ChannelShared,
    about: About,
    effect: Effect,
    barrier: Barrier,
) -> (Slot, Arc<Answer>) {
    let answer = Arc::new(Answer::new(about));
    let now = shared.connection.clock.now();
    let deadline = after(now, shared.connection.request_timeout);
    let slot = Slot::new::<M>(Arc::clone(&answer), now, deadline)
        .with_barrier(barrier)
        .with_effect(effect);
    (slot, answer)
}

/// Waits for room, then queues a request that has no reply.
pub(crate) async fn send_no_wait<'m, M: TypedMethod<'m> + Request>(
    shared: &Arc<ChannelShared>,
    method: &M,
    about: About,
) -> Result<(), ChannelError> {
    let waiting = WaitingForRoom {
        shared,
        ticket: None,
        demand: None,
        method: M::NAME,
        patience: Patience::default(),
        outage: Outage::default(),
    };
    waiting.await?;
    let (effect, barrier) = (Effect::Nothing, Barrier::Nothing);
    let (mut slot, answer) = slot_about::<M>(shared, about, effect, barrier);
    slot.expects = &[];
    // Nobody waits, so that nobody's time is ever up.
    answer.abandon();
    slot.deadline = after(shared.connection.clock.now(), Duration::MAX);
    let sent = shared
        .connection
        .outbox()
        .order_mut()
        .request(shared.at, method, slot);
    sent.map_err(|(refused, _)| shared.explain(refused))?.now();
    Ok(())
}

/// Waits until less is queued than publishers may queue.
struct WaitingForRoom<'a> {
    shared: &'a ChannelShared,
    ticket: Option<u64>,
    /// What makes room has to be read.
    demand: Option<Demand>,
    method: &'static str,
    patience: Patience,
    /// While the connection is lost.
    outage: Outage,
}

impl Future for WaitingForRoom<'_> {
    type Output = Result<(), ChannelError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let admitted = Sleeper::poll(context, |sleeper| {
            let mut outbox = this.shared.connection.outbox();
            match outbox.admit(this.shared.at, 0, &mut this.ticket, sleeper) {
                Ok(true) => Poll::Ready(Ok(())),
                Ok(false) => Poll::Pending,
                Err(refused) => Poll::Ready(Err(refused)),
            }
        });
        if admitted.is_pending() {
            let ChannelShared { connection, at, .. } = this.shared;
            let waited = this.demand.is_some();
            if this
                .outage
                .poll(*at, waited, connection, context)
                .is_ready()
            {
                return Poll::Ready(Err(connection.no_answer(*at, this.method)));
            }
            this.demand.get_or_insert_with(|| Demand::new(connection));
            if let Poll::Ready(error) = this.patience.poll(this.method, connection, context) {
                return Poll::Ready(Err(error));
            }
        }
        admitted.map_err(|refused| this.shared.explain(refused))
    }
}

impl Drop for WaitingForRoom<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let (waker, wake) = self.shared.connection.outbox().leave(ticket);
            drop(waker);
            wake.now();
        }
    }
}

/// A reply on its way. Dropped, the reply is consumed when it comes.
pub(crate) struct PendingReply {
    answer: Arc<Answer>,
    /// The reply has to be read.
    _demand: Demand,
}

impl PendingReply {
    pub(crate) fn new(answer: Arc<Answer>, connection: &Arc<ConnectionShared>) -> Self {
        Self {
            answer,
            _demand: Demand::new(connection),
        }
    }

    /// The number of the message that was fetched.
    pub(crate) fn fetched(&self) -> Option<Numbered> {
        self.answer.fetched()
    }

    /// The caller goes away; gives back a result that it has not seen.
    pub(crate) fn abandon(&self) -> Option<Result<Reply, ChannelError>> {
        self.answer.abandon()
    }
}

impl Future for PendingReply {
    type Output = Result<Reply, ChannelError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.poll(context)
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        drop(self.abandon());
    }
}

/// Reads a reply that the core has matched to its request.
pub(crate) fn decode<'r, R: amqp_spec::wire::Reply<'r>>(
    payload: &'r [u8],
) -> Result<R, ChannelError> {
    R::decode_reply(payload)
        .map_err(|error| ChannelError::Connection(crate::error::Violation::Decode(error).into()))
}
