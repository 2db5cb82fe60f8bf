//! The life of a channel: how it is opened, who uses it, and how it ends.

use std::fmt;
use std::sync::Arc;

use amqp_spec::wire::{Request, TypedMethod};
use amqp_spec::{ReplyCode, channel};

use super::request::{PendingReply, decode, slot, start, start_about};
use crate::error::{About, ChannelError, Subject};
use crate::handle::Handle;
use crate::message::{Settled, Settlement};
use crate::proto::observe::{Event, Source};
use crate::proto::send::outbox::{Refused, Wake};
use crate::proto::send::request::{Answer, Barrier, Effect, Reply, Slot};
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::consumer::ConsumerEnd;
use crate::proto::time::after;
use crate::proto::wait::{self, Watch};

/// A channel: the unit of order, of errors and of acknowledgement.
///
/// Cheap to clone; all clones are the same channel, and any number of tasks may use it at once: the
/// frames of messages never interleave, and each caller gets its own replies. An error that the
/// broker reports closes the channel for all of them, with the same cause. Dropping the last clone,
/// consumer, publisher and delivery of a channel closes it in the background.
///
/// ```no_run
/// use amqp_client::{Connection, ExchangeDeclare, QueueDeclare};
///
/// # async fn example(connection: Connection) -> Result<(), Box<dyn std::error::Error>> {
/// let channel = connection.open_channel().await?;
/// channel.exchange_declare(ExchangeDeclare::topic("orders").durable()).await?;
/// let queue = channel.queue_declare(QueueDeclare::new("invoices").durable()).await?;
/// channel.queue_bind("invoices", "orders", "order.paid").await?;
/// println!("{} invoices are waiting", queue.message_count);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Channel {
    handle: Arc<ChannelHandle>,
}

struct ChannelHandle {
    shared: Arc<ChannelShared>,
    /// Keeps the connection open.
    connection: Arc<Handle>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl Drop for ChannelHandle {
    fn drop(&mut self) {
        let close = channel::Close {
            reply_code: ReplyCode::REPLY_SUCCESS.0,
            ..channel::Close::default()
        };
        // If it is being opened, this follows behind; if it has ended, so be it.
        drop(start(
            &self.shared,
            &close,
            Effect::Nothing,
            Barrier::Nothing,
        ));
    }
}

impl Channel {
    /// Opens the channel of this id, or of the free id that has been unused the longest.
    pub(crate) async fn open(handle: &Arc<Handle>, id: Option<u16>) -> Result<Self, ChannelError> {
        let connection = &handle.shared;
        let channel_max = connection.limits().channel_max;
        if let Some(id) = id.filter(|id| !(1..=channel_max).contains(id)) {
            return Err(ChannelError::IdOutOfRange { id, channel_max });
        }
        let answer = Arc::new(Answer::default());
        let now = connection.clock.now();
        let deadline = after(now, connection.request_timeout);
        let mut made = None;
        let opened = connection
            .outbox()
            .order_mut()
            .open_channel(channel_max, id, |at| {
                let shared = Arc::new(ChannelShared::new(at, Arc::clone(connection)));
                made = Some(Arc::clone(&shared));
                Slot::new::<channel::Open>(Arc::clone(&answer), now, deadline)
                    .with_effect(Effect::OpenChannel(shared))
            });
        let limit = match id {
            Some(id) => ChannelError::IdInUse { id },
            None => ChannelError::ChannelLimit { channel_max },
        };
        match (opened, made) {
            (Ok(Some(wake)), Some(shared)) => {
                wake.now();
                let handle = ChannelHandle {
                    shared,
                    connection: Arc::clone(handle),
                };
                // From here on, dropping this future closes the channel.
                let channel = Self {
                    handle: Arc::new(handle),
                };
                PendingReply::new(answer, connection).await?;
                Ok(channel)
            }
            (Err(refused), Some(shared)) => Err(shared.explain(refused)),
            (Err(Refused::Connection(error)), None) => Err(error.for_bystander().into()),
            (Ok(_) | Err(_), _) => Err(limit),
        }
    }

    /// A new channel in the place of this one, which the broker has closed: of the same id, if that
    /// is free. Nothing goes over to it, neither modes nor limits nor consumers; what belongs to
    /// this one, deliveries above all, is stale.
    ///
    /// # Errors
    ///
    /// Why this one ended, if it was not the broker that closed it; [`ChannelError::IdInUse`] if
    /// it is open; and as [`Connection::open_channel`](crate::Connection::open_channel).
    pub(crate) async fn successor(&self) -> Result<Self, ChannelError> {
        let id = self.id();
        match self.shared().ended() {
            Some(ChannelError::ClosedByBroker(_)) => {}
            Some(cause) => return Err(cause),
            None => return Err(ChannelError::IdInUse { id }),
        }
        // Our close-ok is in front of the new open by now, but for a large body that has to be
        // finished first, or another channel that was quicker.
        match Self::open(&self.handle.connection, Some(id)).await {
            Err(ChannelError::IdInUse { .. }) => Self::open(&self.handle.connection, None).await,
            opened => opened,
        }
    }

    /// What keeps its connection open.
    pub(crate) fn connection(&self) -> &Arc<Handle> {
        &self.handle.connection
    }

    pub(crate) fn shared(&self) -> &Arc<ChannelShared> {
        &self.handle.shared
    }

    /// The channel's number on the wire. It is used again after the channel has been closed, but
    /// not at once: [`Connection::open_channel`](crate::Connection::open_channel) takes the free id
    /// that has been unused the longest.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.shared().at.channel
    }

    /// Why the channel ended; `None` while it is open.
    #[must_use]
    pub fn close_reason(&self) -> Option<ChannelError> {
        self.shared().ended()
    }

    /// Waits until the channel has ended, for whatever reason, and tells it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn closed(&self) -> ChannelError {
        let shared = self.shared();
        Watch::new(
            |place, context| shared.end.poll(place, context),
            |place| shared.end.forget(place),
        )
        .await
    }

    /// Whether it takes anything: neither it nor its connection has ended or is being closed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared()
            .connection
            .outbox()
            .order_mut()
            .is_open(self.shared().at)
    }

    /// The tags of the consumers that the broker has started on this channel and that have not been
    /// cancelled, in order.
    #[must_use]
    pub fn consumer_tags(&self) -> Vec<String> {
        let shared = self.shared();
        shared
            .connection
            .outbox()
            .channels_mut()
            .consumer_tags(shared.at)
    }

    /// Closes the channel: what was sent on it before is processed first; what was delivered and
    /// not acknowledged goes back to its queues. May be called any number of times, from anywhere;
    /// all calls wait for the same end.
    ///
    /// Messages that are not confirmed by then are [uncertain](crate::PublishError::Uncertain),
    /// although RabbitMQ has taken them.
    ///
    /// # Errors
    ///
    /// Why it ended, if not because it was closed. [`ChannelError::Timeout`] if the broker did not
    /// answer; the id then stays in use. Behind an unanswered commit, rollback or cancel the close
    /// cannot be sent: the channel is given up with that request's time, which is no error, and its
    /// id stays in use too.
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, the channel closes even if it is dropped.
    pub async fn close(&self) -> Result<(), ChannelError> {
        self.close_for(ReplyCode::REPLY_SUCCESS, "closed by the application")
            .await
    }

    /// As [`close`](Self::close), telling the broker this code and text: up to 255 bytes, which it
    /// writes to its log at most.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close), and [`ChannelError::TooLong`]: the text does not fit, and the
    /// channel stays open.
    ///
    /// # Cancel safety
    ///
    /// As [`close`](Self::close).
    pub async fn close_with(
        &self,
        reply_code: ReplyCode,
        reply_text: impl AsRef<str>,
    ) -> Result<(), ChannelError> {
        self.close_for(reply_code, reply_text.as_ref()).await
    }

    async fn close_for(&self, reply_code: ReplyCode, reply_text: &str) -> Result<(), ChannelError> {
        let close = channel::Close {
            reply_code: reply_code.0,
            reply_text: Subject::Nothing.short("reply_text", reply_text)?,
            ..channel::Close::default()
        };
        let pending = match start(self.shared(), &close, Effect::Nothing, Barrier::Nothing) {
            Ok(pending) => pending,
            Err(ChannelError::Closed) => match self.join_close() {
                Some(pending) => pending,
                None => return Ok(()),
            },
            Err(error) => {
                self.stay_closed();
                return Err(self.close_reason().unwrap_or(error));
            }
        };
        let shared = self.shared();
        let consumers = shared
            .connection
            .outbox()
            .channels_mut()
            .consumers(shared.at);
        for consumer in consumers {
            consumer.let_go();
        }
        match pending.await {
            // The broker also answers a close that its own has crossed.
            Ok(_) | Err(ChannelError::Closed) => match self.close_reason() {
                None | Some(ChannelError::Closed) => Ok(()),
                Some(error) => Err(error),
            },
            Err(error @ ChannelError::Timeout { .. }) => Err(error),
            // It tells why the channel ended.
            Err(error) => Err(self.close_reason().unwrap_or(error)),
        }
    }

    /// The broker has closed it, and it is not opened again by itself.
    fn stay_closed(&self) {
        let mut wakers = Vec::new();
        let shared = self.shared();
        if shared.resting_consumers().next().is_some() {
            shared.end_resting(&ConsumerEnd::Cancelled, &mut wakers);
            shared.connection.call_driver();
        }
        wait::wake_all(&mut wakers);
    }

    /// Waits for a close that is under way.
    fn join_close(&self) -> Option<PendingReply> {
        let shared = self.shared();
        let (slot, answer) = slot::<channel::Close<'_>>(shared, Effect::Nothing, Barrier::Nothing);
        let joined = shared
            .connection
            .outbox()
            .order_mut()
            .join_close(shared.at, slot);
        joined?.now();
        Some(PendingReply::new(answer, &shared.connection))
    }

    /// Asks the broker to hold back deliveries on this channel, or to go on with them
    /// (`channel.flow`). Gives what it does from then on.
    ///
    /// RabbitMQ can only go on: it closes the connection with 540 when it is to stop. A
    /// [prefetch](crate::consume::Consume::prefetch) holds consumers back, or cancelling them.
    ///
    /// # Errors
    ///
    /// The channel or the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not.
    pub async fn flow(&self, flow: Flow) -> Result<Flow, ChannelError> {
        let active = flow == Flow::Active;
        let reply = self
            .call(&channel::Flow { active }, About::default())
            .await?;
        let flow_ok = decode::<channel::FlowOk>(&reply.payload)?;
        Ok(if flow_ok.active {
            Flow::Active
        } else {
            Flow::Stopped
        })
    }

    /// A limit has been asked for the whole channel. A broker that is known to take it for one of
    /// each consumer does not say so, so that this is told here, once.
    pub(crate) fn limits_whole_channel(&self, prefetch_count: u16) {
        let shared = self.shared();
        let is_kept = !self.handle.connection.opening.limits_per_consumer();
        if is_kept || !shared.is_first_limit_per_consumer() {
            return;
        }
        let channel = self.id();
        shared
            .connection
            .trace
            .limit_per_consumer(channel, prefetch_count);
        let event = Event::LimitPerConsumer {
            channel,
            prefetch_count,
        };
        let mut wakers = Vec::new();
        let from = Source::Channel(shared.at);
        shared.connection.emit(from, &event, &mut wakers);
        wait::wake_all(&mut wakers);
    }

    pub(super) async fn call<'m, M: TypedMethod<'m> + Request>(
        &self,
        method: &M,
        about: About,
    ) -> Result<Reply, ChannelError> {
        self.begin(method, about)?.await
    }

    /// Queues a request whose reply has no effect but to be given to its caller.
    pub(super) fn begin<'m, M: TypedMethod<'m> + Request>(
        &self,
        method: &M,
        about: About,
    ) -> Result<PendingReply, ChannelError> {
        let (effect, barrier) = (Effect::Nothing, Barrier::Nothing);
        start_about(self.shared(), method, about, effect, barrier)
    }

    pub(crate) fn settle(
        &self,
        delivery_tag: u64,
        settlement: Settlement,
    ) -> Result<Settled, ChannelError> {
        let shared = self.shared();
        let settled =
            shared
                .connection
                .outbox()
                .order_mut()
                .settle(shared.at, delivery_tag, settlement);
        self.settled(settled)
    }

    /// What is told of a settlement that was queued, or was not.
    #[inline]
    pub(crate) fn settled(
        &self,
        settled: Result<Option<Wake>, Refused>,
    ) -> Result<Settled, ChannelError> {
        match settled {
            Ok(Some(wake)) => {
                wake.now();
                Ok(Settled::Queued)
            }
            Ok(None) => Ok(Settled::Stale),
            Err(refused) => Err(self.shared().explain(refused)),
        }
    }
}

/// Whether messages flow; see [`Channel::flow`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    /// They do.
    Active,
    /// They are held back.
    Stopped,
}
