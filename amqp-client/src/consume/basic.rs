//! Fetching, consuming and settling on a channel, by number and by tag (AMQP 0-9-1 §1.8).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use amqp_spec::basic;

use super::consumer;
use super::delivery::{Delivery, Fetched};
use super::start::Consume;
use crate::channel::Channel;
use crate::channel::request::{PendingReply, decode, start, start_about, start_by};
use crate::error::{About, ArgumentError, ChannelError, Subject};
use crate::message::numbered::Numbered;
use crate::message::{Multiple, RawDelivery, ReceivedMessage, Requeue, Settled, Settlement};
use crate::proto::send::request::{Barrier, Effect, Reply};

/// Receiving.
impl Channel {
    /// Fetches one message from a queue (`basic.get`), to be acknowledged. `None` if it is empty.
    /// **Never of a stream**: RabbitMQ ends the connection over it (540), with all of its channels.
    ///
    /// Asking over and over is far dearer than [consuming](Self::consume). To take a few messages
    /// and go, it is the right way: nothing is prefetched that would have to go back.
    ///
    /// ```no_run
    /// # async fn example(channel: amqp_client::Channel) -> Result<(), Box<dyn std::error::Error>> {
    /// while let Some(got) = channel.basic_get("reports").await? {
    ///     println!("{}", got.delivery.text()?);
    ///     got.delivery.ack()?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// 404 if there is no such queue, 405 if it is another connection's exclusive queue, 403
    /// without permission. 540, which ends the connection, if it is a stream.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a message that comes is given back to the queue.
    pub async fn basic_get(&self, queue: impl AsRef<str>) -> Result<Option<Fetched>, ChannelError> {
        let got = self.get(queue.as_ref(), false).await?;
        Ok(got.map(|(received, message_count)| Fetched {
            delivery: Delivery::new(received, self.clone()),
            message_count,
        }))
    }

    /// Fetches one message from a queue that counts as acknowledged at once (`basic.get` with
    /// `no_ack`). `None` if it is empty.
    ///
    /// # Errors
    ///
    /// As [`basic_get`](Self::basic_get).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a message that comes is **lost**: the broker has forgotten it.
    pub async fn basic_get_no_ack(
        &self,
        queue: impl AsRef<str>,
    ) -> Result<Option<Fetched<ReceivedMessage>>, ChannelError> {
        let got = self.get(queue.as_ref(), true).await?;
        Ok(got.map(|(delivery, message_count)| Fetched {
            delivery,
            message_count,
        }))
    }

    /// Fetches a message, and says how many more there are.
    async fn get(
        &self,
        queue: &str,
        no_ack: bool,
    ) -> Result<Option<(ReceivedMessage, u32)>, ChannelError> {
        let pending = self.begin_get(queue, no_ack)?;
        let fetching = Fetching {
            channel: (!no_ack).then(|| self.clone()),
            pending,
        };
        let (reply, numbered) = fetching.await?;
        let get_reply = decode::<basic::GetReply<'_>>(&reply.payload)?;
        Ok(match (get_reply, reply.message, numbered) {
            (basic::GetReply::GetOk(ok), Some(message), Some(numbered)) => {
                self.shared().yielded().fetched(numbered.delivery_tag);
                let raw = RawDelivery::new(message, numbered, ok.redelivered);
                Some((ReceivedMessage::of(raw), ok.message_count))
            }
            _ => None,
        })
    }

    fn begin_get(&self, queue: &str, no_ack: bool) -> Result<PendingReply, ChannelError> {
        let queue = self.queue_named(queue);
        let get = basic::Get {
            queue: Subject::Nothing.short("queue", &queue)?,
            no_ack,
        };
        let (effect, barrier) = (Effect::Get { no_ack }, Barrier::Nothing);
        start_about(self.shared(), &get, About::queue(&queue), effect, barrier)
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
    #[doc(alias = "basic_consume")]
    pub fn consume(&self, queue: impl AsRef<str>) -> Consume {
        Consume::new(self.clone(), queue.as_ref())
    }

    /// Cancels the consumer of this tag (`basic.cancel`), wherever its handle is: what has come by
    /// then is still yielded there, then its stream ends. Nothing happens if there is none.
    ///
    /// # Errors
    ///
    /// The channel or the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, the consumer is cancelled even if it is dropped.
    pub async fn basic_cancel(&self, consumer_tag: impl AsRef<str>) -> Result<(), ChannelError> {
        self.cancel(consumer_tag.as_ref()).await
    }

    async fn cancel(&self, consumer_tag: &str) -> Result<(), ChannelError> {
        let consumer_tag = Subject::Nothing.short("consumer_tag", consumer_tag)?;
        let shared = self.shared();
        let known = shared
            .connection
            .outbox()
            .channels_mut()
            .consumer(shared.at, consumer_tag);
        if let Some(queue) = known {
            return consumer::cancel(shared, &queue).await;
        }
        let cancel = basic::Cancel {
            consumer_tag,
            no_wait: false,
        };
        start(self.shared(), &cancel, Effect::Nothing, Barrier::Requests)?
            .await
            .map(drop)
    }

    /// Acknowledges by number (`basic.ack`): this delivery, or all up to it. Tag 0 with
    /// [`Multiple::Yes`] is all there are. [`Delivery::ack`] is safer, for it cannot be called
    /// twice.
    ///
    /// Numbers go on when the connection is recovered, and those of before it are
    /// [stale](Settled::Stale): none of them can be taken for a delivery of the present.
    /// [`Multiple::Yes`] then settles what is of the present, and leaves alone what is of before;
    /// tag 0 is all up to the last that the program has received on the channel.
    ///
    /// # Errors
    ///
    /// Nothing was sent: the channel or the connection has ended, or the transaction
    /// [was lost](ChannelError::TransactionLost). A number that is not outstanding closes the channel
    /// with 406, later.
    pub fn basic_ack(
        &self,
        delivery_tag: u64,
        multiple: Multiple,
    ) -> Result<Settled, ChannelError> {
        self.settle_by_number(delivery_tag, multiple, Settlement::Ack)
    }

    /// Refuses by number (`basic.nack`, an extension): this delivery, or all up to it. Tag 0 with
    /// [`Multiple::Yes`] is all there are. What a recovery makes of numbers is as with
    /// [`basic_ack`](Self::basic_ack).
    ///
    /// # Errors
    ///
    /// As [`basic_ack`](Self::basic_ack).
    pub fn basic_nack(
        &self,
        delivery_tag: u64,
        multiple: Multiple,
        requeue: Requeue,
    ) -> Result<Settled, ChannelError> {
        let requeue = requeue == Requeue::Yes;
        self.settle_by_number(delivery_tag, multiple, Settlement::Nack { requeue })
    }

    /// Refuses one delivery by number (`basic.reject`). What a recovery makes of numbers is as with
    /// [`basic_ack`](Self::basic_ack).
    ///
    /// # Errors
    ///
    /// As [`basic_ack`](Self::basic_ack).
    pub fn basic_reject(
        &self,
        delivery_tag: u64,
        requeue: Requeue,
    ) -> Result<Settled, ChannelError> {
        let requeue = requeue == Requeue::Yes;
        self.settle_by_number(delivery_tag, Multiple::No, Settlement::Reject { requeue })
    }

    fn settle_by_number(
        &self,
        tag: u64,
        multiple: Multiple,
        settlement: Settlement,
    ) -> Result<Settled, ChannelError> {
        check_tag(tag, multiple)?;
        let shared = self.shared();
        let multiple = multiple == Multiple::Yes;
        let highest = (shared.delivered(), shared.yielded().highest());
        let mut outbox = shared.connection.outbox();
        let order = outbox.order_mut();
        let settled = order.settle_by_number(shared.at, tag, multiple, settlement, highest);
        drop(outbox);
        self.settled(settled)
    }

    /// Limits what is delivered and not acknowledged (`basic.qos`): for each consumer started from
    /// here on, or for the whole channel. Zero is no limit. What is fetched does not count.
    ///
    /// A limit for the whole channel is not what every broker makes of it: see
    /// [`QosScope::Channel`].
    ///
    /// Consumers that are started with a [prefetch](Consume::prefetch) of their own have that
    /// instead, and RabbitMQ then forgets the limit of the channel. There is no limit of octets
    /// (`prefetch_size`), for RabbitMQ closes the connection over one (540).
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
        let qos = basic::Qos {
            prefetch_size: 0,
            prefetch_count,
            global: scope == QosScope::Channel,
        };
        let shared = self.shared();
        let (about, effect, barrier) = (About::default(), Effect::Nothing, Barrier::Nothing);
        let pending = start_by::<basic::Qos>(shared, about, effect, barrier, |order, slot| {
            order.limit(shared.at, &qos, slot)
        })?;
        // No limit means the same for one as for all.
        if scope == QosScope::Channel && prefetch_count != 0 {
            self.limits_whole_channel(prefetch_count);
        }
        pending.await.map(drop)
    }

    /// Gives everything unacknowledged on this channel back to its queues, to be delivered again to
    /// the consumers of those queues (`basic.recover` with `requeue`). Deliveries that consumers of
    /// this channel have not yielded are dropped, for they come again; those that the program holds
    /// cannot be settled any more: [`Settled::Stale`]. RabbitMQ would close the channel with 406.
    ///
    /// Not offered are delivering to the same consumers again (`requeue` = false), over which
    /// RabbitMQ closes the connection with 540, and `basic.recover-async`, the deprecated form
    /// without a reply.
    ///
    /// # Errors
    ///
    /// The channel or the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not.
    pub async fn basic_recover(&self) -> Result<(), ChannelError> {
        let recover = basic::Recover { requeue: true };
        let shared = self.shared();
        let (about, effect, barrier) = (
            About::default(),
            Effect::Recover { before: 0 },
            Barrier::Nothing,
        );
        let pending = start_by::<basic::Recover>(shared, about, effect, barrier, |order, slot| {
            order.recover(shared.at, &recover, slot)
        });
        pending?.await.map(drop)
    }
}

/// A fetched message on its way. If the caller does not take it, it goes back to its queue.
struct Fetching {
    /// `None` if the broker has forgotten the message as soon as it is sent.
    channel: Option<Channel>,
    pending: PendingReply,
}

impl Future for Fetching {
    type Output = Result<(Reply, Option<Numbered>), ChannelError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = Pin::new(&mut self.pending).poll(context);
        reply.map_ok(|reply| (reply, self.pending.fetched()))
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        let (Some(channel), Some(unseen)) = (&self.channel, self.pending.abandon()) else {
            return;
        };
        // There is no other message to be given back, or none at all.
        if !matches!(unseen, Ok(_) | Err(ChannelError::MessageTooLarge(_))) {
            return;
        }
        if let Some(numbered) = self.pending.fetched() {
            let requeue = Settlement::Nack { requeue: true };
            // If the channel has ended, the broker has it back already.
            let _ = channel.settle(numbered.delivery_tag, requeue);
        }
    }
}

/// Number 0 is no delivery's, and RabbitMQ would close the channel over it.
fn check_tag(delivery_tag: u64, multiple: Multiple) -> Result<(), ArgumentError> {
    if delivery_tag == 0 && multiple == Multiple::No {
        return Err(ArgumentError::DeliveryTagZero);
    }
    Ok(())
}

/// What a limit of [`Channel::basic_qos`] is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QosScope {
    /// Each consumer started afterwards has this limit for itself.
    Consumer,
    /// All consumers of the channel share it, those that run already included.
    ///
    /// * RabbitMQ before 4.3 does so for classic queues. On such a channel, to consume from a
    ///   quorum queue ends the connection (540), and streams want a limit of the consumer all the
    ///   same (406).
    /// * **RabbitMQ from 4.3 on has no such limit.** It answers as if it had, and limits each
    ///   consumer started afterwards to this number: five consumers hold five times as much, and
    ///   those that run already keep what they had. This library then tells
    ///   [`Event::LimitPerConsumer`] and warns in `tracing`, once for each channel.
    ///
    /// To bound what a program holds at a time on any version, give each consumer a
    /// [prefetch](Consume::prefetch) and multiply, or have one consumer whose deliveries several
    /// tasks share.
    ///
    /// [`Event::LimitPerConsumer`]: crate::event::Event::LimitPerConsumer
    Channel,
}
