//! The channel handle: AMQP method by method.

use std::fmt;
use std::sync::Arc;

use amqp_spec::basic::PropertiesRef;
use amqp_spec::wire::{Reply as _, Request, ShortStr, TypedMethod};
use amqp_spec::{ReplyCode, basic, channel, confirm, exchange, queue, tx};

use crate::call::{PendingReply, decode, start};
use crate::connection::Handle;
use crate::consumer::Consume;
use crate::declare::{DeclaredQueue, ExchangeDeclare, QueueDeclare};
use crate::delivery::{Delivery, Got, Received};
use crate::error::ChannelError;
use crate::message::{Body, Message};
use crate::proto::channel::ChannelShared;
use crate::proto::outbox::{Head, Settlement};
use crate::proto::request::{Answer, Barrier, Effect, Reply, Slot, after};
use crate::publish::{PreparedHead, Publish, PublishHead};

/// A channel: the unit of order, of errors and of acknowledgement.
///
/// Cheap to clone; all clones are the same channel, and any number of tasks may use it at once: the
/// frames of messages never interleave, and everybody gets his own replies. An error that the
/// broker reports closes the channel for all of them, with the same cause. Dropping the last clone,
/// consumer, publisher and delivery of a channel closes it in the background.
#[derive(Clone)]
pub struct Channel {
    handle: Arc<ChannelHandle>,
}

struct ChannelHandle {
    shared: Arc<ChannelShared>,
    /// Keeps the connection open.
    _connection: Arc<Handle>,
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
        let close = normal_close("");
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
    pub(crate) async fn open(connection: &Arc<Handle>) -> Result<Self, ChannelError> {
        let link = &connection.link;
        let limits = link.limits();
        let answer = Arc::new(Answer::default());
        let deadline = after((link.clock)(), link.request_timeout);
        let mut made = None;
        let opened = link.outbox().open_channel(limits.channel_max, |at| {
            let shared = Arc::new(ChannelShared::new(at, Arc::clone(link)));
            made = Some(Arc::clone(&shared));
            Slot {
                expects: <channel::Open as Request>::Reply::IDS,
                name: channel::Open::NAME,
                barrier: Barrier::Nothing,
                deadline,
                effect: Effect::OpenChannel(shared),
                answer: Arc::clone(&answer),
            }
        });
        let limit = ChannelError::ChannelLimit {
            channel_max: limits.channel_max,
        };
        match (opened, made) {
            (Ok(Some(wake)), Some(shared)) => {
                wake.now();
                let connection = Arc::clone(connection);
                // From here on, dropping this future closes the channel.
                let channel = Self {
                    handle: Arc::new(ChannelHandle {
                        shared,
                        _connection: connection,
                    }),
                };
                PendingReply {
                    answer,
                    requeue: None,
                }
                .await?;
                Ok(channel)
            }
            (Err(refused), Some(shared)) => Err(shared.explain(refused)),
            (Err(crate::proto::outbox::Refused::Connection(error)), None) => Err(error.into()),
            (Ok(_) | Err(_), _) => Err(limit),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<ChannelShared> {
        &self.handle.shared
    }

    /// The channel's number. It is used again after the channel has been closed.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.shared().at.channel
    }

    /// Why the channel ended; `None` while it is open.
    #[must_use]
    pub fn ended(&self) -> Option<ChannelError> {
        self.shared().ended()
    }

    /// Closes the channel: what was sent on it before is processed first; what was delivered and
    /// not acknowledged goes back to its queues.
    ///
    /// # Errors
    ///
    /// Why it ended, if not because it was closed.
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, the channel closes even if it is dropped.
    pub async fn close(&self) -> Result<(), ChannelError> {
        let close = normal_close("closed by the application");
        let pending = match start(self.shared(), &close, Effect::Nothing, Barrier::Nothing) {
            Ok(pending) => pending,
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        };
        match pending.await {
            // The broker also answers a close that its own has crossed.
            Ok(_) | Err(ChannelError::Closed) => match self.ended() {
                None | Some(ChannelError::Closed) => Ok(()),
                Some(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    // ── Exchanges ───────────────────────────────────────────────────────────────────────────

    /// Declares an exchange (`exchange.declare`).
    ///
    /// # Errors
    ///
    /// 406 if one of that name exists with other attributes or the type is unknown (RabbitMQ 3.10
    /// closes the connection with 503 in the latter case), 403 without permission, 404 if it was to
    /// be passive and there is none.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the exchange may have been declared or not.
    pub async fn exchange_declare(&self, declare: ExchangeDeclare) -> Result<(), ChannelError> {
        self.call(&declare.as_method()?).await.map(drop)
    }

    /// Deletes an exchange (`exchange.delete`). Deleting one that does not exist succeeds.
    ///
    /// # Errors
    ///
    /// 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the exchange may have been deleted or not.
    pub async fn exchange_delete(&self, exchange: &str) -> Result<(), ChannelError> {
        let exchange = ShortStr::new(exchange.as_bytes())?;
        self.call(&exchange::Delete {
            exchange,
            ..Default::default()
        })
        .await
        .map(drop)
    }

    // ── Queues ──────────────────────────────────────────────────────────────────────────────

    /// Declares a queue (`queue.declare`). An empty name lets the broker choose one.
    ///
    /// # Errors
    ///
    /// 406 if one of that name exists with other attributes, 405 if it is another connection's
    /// exclusive queue, 403 without permission, 404 if it was to be passive and there is none.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been declared or not.
    pub async fn queue_declare(
        &self,
        declare: QueueDeclare,
    ) -> Result<DeclaredQueue, ChannelError> {
        let reply = self.call(&declare.as_method()?).await?;
        Ok(DeclaredQueue::new(decode::<queue::DeclareOk<'_>>(
            &reply.payload,
        )?))
    }

    /// Binds a queue to an exchange (`queue.bind`).
    ///
    /// # Errors
    ///
    /// 404 if there is no such queue or exchange, 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been bound or not.
    pub async fn queue_bind(
        &self,
        queue: &str,
        exchange: &str,
        routing_key: &str,
    ) -> Result<(), ChannelError> {
        let bind = queue::Bind {
            queue: ShortStr::new(queue.as_bytes())?,
            exchange: ShortStr::new(exchange.as_bytes())?,
            routing_key: ShortStr::new(routing_key.as_bytes())?,
            ..Default::default()
        };
        self.call(&bind).await.map(drop)
    }

    /// Removes a binding (`queue.unbind`). Removing one that does not exist succeeds.
    ///
    /// # Errors
    ///
    /// 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the binding may have been removed or not.
    pub async fn queue_unbind(
        &self,
        queue: &str,
        exchange: &str,
        routing_key: &str,
    ) -> Result<(), ChannelError> {
        let unbind = queue::Unbind {
            queue: ShortStr::new(queue.as_bytes())?,
            exchange: ShortStr::new(exchange.as_bytes())?,
            routing_key: ShortStr::new(routing_key.as_bytes())?,
            ..Default::default()
        };
        self.call(&unbind).await.map(drop)
    }

    /// Throws away the messages that are ready in a queue, and says how many (`queue.purge`).
    ///
    /// # Errors
    ///
    /// 404 if there is no such queue, 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been purged or not.
    pub async fn queue_purge(&self, queue: &str) -> Result<u32, ChannelError> {
        let queue = ShortStr::new(queue.as_bytes())?;
        let reply = self
            .call(&queue::Purge {
                queue,
                ..Default::default()
            })
            .await?;
        Ok(decode::<queue::PurgeOk>(&reply.payload)?.message_count)
    }

    /// Deletes a queue and says how many messages went with it (`queue.delete`). Deleting one that
    /// does not exist succeeds.
    ///
    /// # Errors
    ///
    /// 405 if it is another connection's exclusive queue, 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been deleted or not.
    pub async fn queue_delete(&self, queue: &str) -> Result<u32, ChannelError> {
        let queue = ShortStr::new(queue.as_bytes())?;
        let reply = self
            .call(&queue::Delete {
                queue,
                ..Default::default()
            })
            .await?;
        Ok(decode::<queue::DeleteOk>(&reply.payload)?.message_count)
    }

    // ── Messages ────────────────────────────────────────────────────────────────────────────

    /// Hands a message over for sending (`basic.publish`), waiting while too much is queued.
    ///
    /// `Ok` means that it will be written, if the connection lives that long; it does **not** mean
    /// that the broker has it. [`Publisher::publish`](crate::Publisher::publish) does.
    ///
    /// # Errors
    ///
    /// Nothing was sent. What the broker thinks of it comes later, as the end of the channel: 404 if
    /// there is no such exchange, 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent; there is nothing between.
    pub async fn basic_publish(
        &self,
        exchange: &str,
        routing_key: &str,
        message: &Message,
    ) -> Result<(), ChannelError> {
        let head = PublishHead::new(exchange, routing_key, message.check()?, false)?;
        self.publish_plainly(head, message.body().into()).await
    }

    /// As [`basic_publish`](Self::basic_publish), with a body that need not be put into a
    /// [`Message`] first.
    ///
    /// # Errors
    ///
    /// As [`basic_publish`](Self::basic_publish).
    ///
    /// # Cancel safety
    ///
    /// As [`basic_publish`](Self::basic_publish).
    pub async fn basic_publish_body(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: PropertiesRef<'_>,
        body: impl Into<Body<'_>>,
    ) -> Result<(), ChannelError> {
        let head = PublishHead::new(exchange, routing_key, properties, false)?;
        self.publish_plainly(head, body.into()).await
    }

    /// Publishes without a confirmation.
    async fn publish_plainly(
        &self,
        head: impl Head + Unpin,
        body: Body<'_>,
    ) -> Result<(), ChannelError> {
        let number = Publish::new(self, head, body).await?;
        if number > 0 {
            // The channel has confirms: what the broker says of this one is not to be kept.
            self.shared().confirms().abandon(number);
        }
        Ok(())
    }

    /// Prepares publishing many messages that differ in their bodies only: exchange, routing key and
    /// properties are encoded once.
    ///
    /// # Errors
    ///
    /// A name is too long. Nothing is sent here.
    pub fn prepare(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: PropertiesRef<'_>,
    ) -> Result<PreparedPublish, ChannelError> {
        let head = PublishHead::new(exchange, routing_key, properties, false)?;
        let head = PreparedHead::new(&head, self.id())?;
        Ok(PreparedPublish {
            channel: self.clone(),
            head,
        })
    }

    /// Fetches one message from a queue (`basic.get`), to be acknowledged. `None` if it is empty.
    ///
    /// # Errors
    ///
    /// 404 if there is no such queue, 405 if it is another connection's exclusive queue.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a message that comes is given back to the queue.
    pub async fn basic_get(&self, queue: &str) -> Result<Option<Got>, ChannelError> {
        let get = basic::Get {
            queue: ShortStr::new(queue.as_bytes())?,
            no_ack: false,
        };
        let effect = Effect::Get { no_ack: false };
        let mut pending = start(self.shared(), &get, effect, Barrier::Nothing)?;
        pending.requeue = Some(self.clone());
        let reply = pending.await?;
        match (
            decode::<basic::GetReply<'_>>(&reply.payload)?,
            reply.message,
        ) {
            (basic::GetReply::GetOk(ok), Some(message)) => {
                let received = Received::new(message, ok.delivery_tag, ok.redelivered);
                let delivery = Delivery::new(received, self.clone());
                Ok(Some(Got {
                    delivery,
                    message_count: ok.message_count,
                }))
            }
            _ => Ok(None),
        }
    }

    /// Starts consuming from a queue; the options follow on what is returned.
    ///
    /// ```no_run
    /// # async fn example(channel: amqp_client::Channel) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut orders = channel.consume("orders").prefetch(100).await?;
    /// while let Some(delivery) = orders.next().await {
    ///     let delivery = delivery?;
    ///     println!("{:?}", delivery.body());
    ///     delivery.ack()?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn consume(&self, queue: &str) -> Consume {
        Consume::new(self.clone(), queue)
    }

    /// Acknowledges by number (`basic.ack`): this delivery, or with `multiple` all up to it.
    /// [`Delivery::ack`] is safer, for it cannot be called twice.
    ///
    /// # Errors
    ///
    /// Nothing was sent. A number that is not outstanding closes the channel with 406, later.
    pub fn basic_ack(&self, delivery_tag: u64, multiple: bool) -> Result<(), ChannelError> {
        self.settle_by_number(&basic::Ack {
            delivery_tag,
            multiple,
        })
    }

    /// Refuses by number (`basic.nack`): this delivery, or with `multiple` all up to it.
    ///
    /// # Errors
    ///
    /// As [`basic_ack`](Self::basic_ack).
    pub fn basic_nack(
        &self,
        delivery_tag: u64,
        multiple: bool,
        requeue: Requeue,
    ) -> Result<(), ChannelError> {
        let requeue = requeue == Requeue::Yes;
        self.settle_by_number(&basic::Nack {
            delivery_tag,
            multiple,
            requeue,
        })
    }

    fn settle_by_number<'m, M: TypedMethod<'m>>(&self, method: &M) -> Result<(), ChannelError> {
        let shared = self.shared();
        let mut outbox = shared.link.outbox();
        let sent = outbox
            .stop_merging_acks(shared.at)
            .and_then(|()| outbox.send(shared.at, method));
        drop(outbox);
        sent.map_err(|refused| shared.explain(refused))?.now();
        Ok(())
    }

    /// Limits what is delivered and not acknowledged (`basic.qos`): for each consumer started from
    /// here on, or for the whole channel. Zero is no limit.
    ///
    /// Consumers that are started with a [prefetch](Consume::prefetch) of their own have that
    /// instead, and RabbitMQ then forgets the limit of the channel.
    ///
    /// # Errors
    ///
    /// The channel or the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the limit may have been set or not.
    pub async fn basic_qos(
        &self,
        prefetch_count: u16,
        scope: QosScope,
    ) -> Result<(), ChannelError> {
        self.shared().set_own_limit();
        let global = scope == QosScope::Channel;
        self.call(&basic::Qos {
            prefetch_size: 0,
            prefetch_count,
            global,
        })
        .await
        .map(drop)
    }

    /// Gives everything unacknowledged on this channel back to its queues (`basic.recover`).
    ///
    /// # Errors
    ///
    /// The channel or the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not.
    pub async fn basic_recover(&self) -> Result<(), ChannelError> {
        self.call(&basic::Recover { requeue: true }).await.map(drop)
    }

    /// Asks the broker to confirm every message published from here on (`confirm.select`).
    ///
    /// # Errors
    ///
    /// 406 on a transactional channel.
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, messages are confirmed from then on.
    pub async fn confirm_select(&self) -> Result<(), ChannelError> {
        self.call(&confirm::Select { no_wait: false })
            .await
            .map(drop)
    }

    // ── Transactions ────────────────────────────────────────────────────────────────────────

    /// Makes the channel transactional (`tx.select`).
    ///
    /// # Errors
    ///
    /// 406 on a channel with confirms.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not.
    pub async fn tx_select(&self) -> Result<(), ChannelError> {
        self.call(&tx::Select {}).await.map(drop)
    }

    /// Makes what was published and acknowledged since the last commit take effect (`tx.commit`).
    /// What is sent on the channel meanwhile waits for the answer, since RabbitMQ tolerates nothing
    /// behind it.
    ///
    /// # Errors
    ///
    /// 406 if the channel is not transactional.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not.
    pub async fn tx_commit(&self) -> Result<(), ChannelError> {
        start(
            self.shared(),
            &tx::Commit {},
            Effect::Nothing,
            Barrier::Everything,
        )?
        .await
        .map(drop)
    }

    /// Forgets what was published and acknowledged since the last commit (`tx.rollback`).
    ///
    /// # Errors
    ///
    /// 406 if the channel is not transactional.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not.
    pub async fn tx_rollback(&self) -> Result<(), ChannelError> {
        start(
            self.shared(),
            &tx::Rollback {},
            Effect::Nothing,
            Barrier::Everything,
        )?
        .await
        .map(drop)
    }

    async fn call<'m, M: TypedMethod<'m> + Request>(
        &self,
        method: &M,
    ) -> Result<Reply, ChannelError> {
        start(self.shared(), method, Effect::Nothing, Barrier::Nothing)?.await
    }

    pub(crate) fn settle(
        &self,
        delivery_tag: u64,
        incarnation: u32,
        settlement: Settlement,
    ) -> Result<(), ChannelError> {
        let shared = self.shared();
        if incarnation != shared.at.incarnation {
            return Err(ChannelError::Stale);
        }
        let settled = shared
            .link
            .outbox()
            .settle(shared.at, delivery_tag, settlement);
        match settled {
            Ok(wake) => {
                wake.now();
                Ok(())
            }
            Err(refused) => Err(shared.explain(refused)),
        }
    }
}

/// Publishes messages that differ in their bodies only; see [`Channel::prepare`].
#[derive(Clone, Debug)]
pub struct PreparedPublish {
    channel: Channel,
    head: PreparedHead,
}

impl PreparedPublish {
    /// As [`Channel::basic_publish`].
    ///
    /// # Errors
    ///
    /// As [`Channel::basic_publish`].
    ///
    /// # Cancel safety
    ///
    /// As [`Channel::basic_publish`].
    pub async fn publish(&self, body: impl Into<Body<'_>>) -> Result<(), ChannelError> {
        self.channel.publish_plainly(&self.head, body.into()).await
    }
}

/// What happens to a delivery that is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Requeue {
    /// It goes back to the queue.
    Yes,
    /// It is dead-lettered, or dropped.
    No,
}

/// What a limit of [`Channel::basic_qos`] is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QosScope {
    /// Each consumer started afterwards has this limit for itself.
    Consumer,
    /// All consumers of the channel share it. Quorum queues refuse that, and RabbitMQ 4.3 takes it
    /// for a limit of each consumer.
    Channel,
}

fn normal_close(text: &'static str) -> channel::Close<'static> {
    channel::Close {
        reply_code: ReplyCode::REPLY_SUCCESS.0,
        reply_text: ShortStr::new(text.as_bytes()).unwrap_or_default(),
        ..channel::Close::default()
    }
}
