//! Consuming: a stream of deliveries.

use std::collections::VecDeque;
use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use amqp_spec::basic;
use amqp_spec::wire::{FieldTable, ShortStr, ShortString, TooLong, Value};
use futures_core::Stream;

use crate::call::{PendingReply, slot, slot_about, start};
use crate::channel::Channel;
use crate::delivery::{Delivery, Received};
use crate::error::{About, ChannelError};
use crate::proto::consumer::{ConsumerQueue, End, RawDelivery};
use crate::proto::outbox::Settlement;
use crate::proto::request::{Barrier, Effect};

/// Deliveries are acknowledged one by one; the broker keeps each until then.
#[derive(Debug)]
pub enum Manual {}

/// Deliveries count as acknowledged when they are sent (`no_ack`): what is under way when a
/// connection breaks is lost.
#[derive(Debug)]
pub enum Automatic {}

/// How a consumer's deliveries are acknowledged: [`Manual`] or [`Automatic`].
pub trait Acknowledgement: sealed::Sealed {
    /// What the consumer yields.
    type Delivery: fmt::Debug;
}

mod sealed {
    use super::{Channel, Received};

    #[expect(
        unnameable_types,
        reason = "nobody else can say how deliveries are acknowledged"
    )]
    pub trait Sealed: Sized {
        const NO_ACK: bool;
        type Out;
        fn deliver(received: Received, channel: &Channel) -> Self::Out;
    }
}

impl sealed::Sealed for Manual {
    const NO_ACK: bool = false;
    type Out = Delivery;

    #[inline]
    fn deliver(received: Received, channel: &Channel) -> Delivery {
        Delivery::new(received, channel.clone())
    }
}

impl sealed::Sealed for Automatic {
    const NO_ACK: bool = true;
    type Out = Received;

    #[inline]
    fn deliver(received: Received, _channel: &Channel) -> Received {
        received
    }
}

impl Acknowledgement for Manual {
    type Delivery = Delivery;
}

impl Acknowledgement for Automatic {
    type Delivery = Received;
}

/// How many deliveries a consumer may have unacknowledged, unless it says otherwise.
pub const DEFAULT_PREFETCH: u16 = 200;

/// A consumer about to be started: set options, then await it. See [`Channel::consume`].
#[must_use = "nothing is consumed before this is awaited"]
pub struct Consume<A = Manual> {
    channel: Channel,
    queue: String,
    tag: Option<String>,
    exclusive: bool,
    prefetch: Option<u16>,
    arguments: FieldTable,
    too_long: Option<TooLong>,
    acknowledgement: PhantomData<fn() -> A>,
}

impl<A> fmt::Debug for Consume<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consume")
            .field("queue", &self.queue)
            .field("prefetch", &self.prefetch)
            .finish_non_exhaustive()
    }
}

impl Consume {
    pub(crate) fn new(channel: Channel, queue: &str) -> Self {
        Self {
            channel,
            queue: queue.to_owned(),
            tag: None,
            exclusive: false,
            prefetch: None,
            arguments: FieldTable::new(),
            too_long: None,
            acknowledgement: PhantomData,
        }
    }

    /// How many deliveries may be unacknowledged at once; zero is no limit. Default: 200, or what
    /// [`Channel::basic_qos`] has set, if it was called on the channel before. RabbitMQ takes a
    /// limit of the consumer's own for the end of the channel's.
    pub fn prefetch(mut self, count: u16) -> Self {
        self.prefetch = Some(count);
        self
    }

    /// Takes deliveries without acknowledging them (`no_ack`). Faster, and what is under way when a
    /// connection breaks is lost.
    pub fn no_ack(self) -> Consume<Automatic> {
        Consume {
            channel: self.channel,
            queue: self.queue,
            tag: self.tag,
            exclusive: self.exclusive,
            prefetch: None,
            arguments: self.arguments,
            too_long: self.too_long,
            acknowledgement: PhantomData,
        }
    }
}

impl<A: Acknowledgement> Consume<A> {
    /// The consumer's name at the broker. Default: a short one that is unique on the connection; it
    /// travels with every delivery.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Refuses to share the queue with other consumers.
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// An argument of the broker's, `x-priority` or `x-stream-offset` for instance.
    pub fn argument<'v>(mut self, name: &str, value: impl Into<Value<'v>>) -> Self {
        match ShortStr::new(name.as_bytes()) {
            Ok(name) => {
                self.arguments.insert(name, value);
            }
            Err(error) => self.too_long = Some(error),
        }
        self
    }

    async fn start(self) -> Result<Consumer<A>, ChannelError> {
        if let Some(error) = self.too_long {
            return Err(error.into());
        }
        let shared = self.channel.shared();
        // The broker would take an empty one for a request to choose.
        let tag = self.tag.filter(|tag| !tag.is_empty());
        let tag = tag.unwrap_or_else(|| shared.link.next_consumer_tag());
        let tag = ShortString::new(tag.into_bytes())?;
        let queue = ConsumerQueue::new(tag, A::NO_ACK, Arc::clone(&shared.link));
        // From here on, dropping this future cancels the consumer.
        let consumer = Consumer {
            channel: self.channel.clone(),
            queue: Arc::new(queue),
            taken: VecDeque::new(),
            taken_octets: 0,
            ended: false,
            acknowledgement: PhantomData,
        };
        let consume = basic::Consume {
            queue: ShortStr::new(self.queue.as_bytes())?,
            consumer_tag: consumer.queue.tag.as_ref(),
            no_local: false,
            no_ack: A::NO_ACK,
            exclusive: self.exclusive,
            no_wait: false,
            arguments: self.arguments.as_ref(),
        };
        let prefetch = match self.prefetch {
            // Nothing is ever unacknowledged.
            _ if A::NO_ACK => None,
            None if shared.has_own_limit() => None,
            count => Some(count.unwrap_or(DEFAULT_PREFETCH)),
        };
        let qos = prefetch.map(|prefetch_count| basic::Qos {
            prefetch_count,
            ..basic::Qos::default()
        });
        let (qos_slot, qos_ok) = slot::<basic::Qos>(shared, Effect::Nothing, Barrier::Nothing);
        let effect = Effect::Consume(Arc::clone(&consumer.queue));
        let about = About::queue(&self.queue);
        let (slot, consume_ok) =
            slot_about::<basic::Consume<'_>>(shared, about, effect, Barrier::Requests);
        // The limit holds for the consumers started after it, so nothing may come between the two.
        let (limited, started) = {
            let mut outbox = shared.link.outbox();
            // Refused before the limit is set, for otherwise it would hold for other consumers.
            outbox.check_fits(&consume)?;
            let limited = qos.map(|qos| outbox.request(shared.at, &qos, qos_slot));
            (limited, outbox.request(shared.at, &consume, slot))
        };
        let is_limited = limited.is_some();
        for queued in limited.into_iter().chain([started]) {
            match queued {
                Ok(wake) => wake.now(),
                Err((refused, _)) => return Err(shared.explain(refused)),
            }
        }
        if is_limited {
            PendingReply {
                answer: qos_ok,
                requeue: None,
            }
            .await?;
        }
        PendingReply {
            answer: consume_ok,
            requeue: None,
        }
        .await?;
        Ok(consumer)
    }
}

impl<A: Acknowledgement + 'static> IntoFuture for Consume<A> {
    type Output = Result<Consumer<A>, ChannelError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Starts the consumer.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the consumer is cancelled as soon as the broker has started it, and
    /// what it was sent goes back to the queue.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

/// Why a consumer receives nothing more, if nobody here cancelled it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConsumeError {
    /// The broker cancelled it: the queue was deleted, its node is gone, or, with RabbitMQ 4.3 and
    /// quorum queues, a delivery was not acknowledged in time. The channel is still usable, and
    /// what was delivered can still be settled.
    CancelledByBroker,
    /// The channel or the connection ended. What was delivered and not acknowledged goes back to
    /// its queue.
    Channel(ChannelError),
}

impl fmt::Display for ConsumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CancelledByBroker => f.write_str("consumer cancelled by the broker"),
            Self::Channel(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ConsumeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::CancelledByBroker => None,
            Self::Channel(error) => Some(error),
        }
    }
}

/// A stream of deliveries.
///
/// Ends with `None` after [`cancel`](Self::cancel); ends with one error, then `None`, if anybody
/// else ended it. Dropping it cancels it at the broker, in the background, and gives back what it
/// has not yielded, unless it takes deliveries without acknowledging them: those are lost. Keeps its
/// channel open.
///
/// ```no_run
/// # async fn example(channel: amqp_client::Channel) -> Result<(), Box<dyn std::error::Error>> {
/// let mut orders = channel.consume("orders").prefetch(100).await?;
/// while let Some(delivery) = orders.next().await {
///     let delivery = delivery?; // says why, if the broker or the network ended it
///     println!("{}", delivery.text()?);
///     delivery.ack()?;
/// }
/// # Ok(()) }
/// ```
#[must_use = "dropping a consumer cancels it"]
pub struct Consumer<A: Acknowledgement = Manual> {
    channel: Channel,
    queue: Arc<ConsumerQueue>,
    /// Taken over from the queue, not yet yielded.
    taken: VecDeque<RawDelivery>,
    taken_octets: usize,
    ended: bool,
    acknowledgement: PhantomData<fn() -> A>,
}

impl<A: Acknowledgement> fmt::Debug for Consumer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("tag", &self.queue.tag)
            .finish_non_exhaustive()
    }
}

impl<A: Acknowledgement> Consumer<A>
where
    A: sealed::Sealed<Out = <A as Acknowledgement>::Delivery>,
{
    /// Waits for the next delivery.
    ///
    /// # Errors
    ///
    /// Why nothing more will come; told once.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no delivery is lost.
    pub async fn next(&mut self) -> Option<Result<A::Delivery, ConsumeError>> {
        poll_fn(|context| self.poll_delivery(context)).await
    }

    #[inline]
    fn poll_delivery(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<A::Delivery, ConsumeError>>> {
        loop {
            if let Some(raw) = self.taken.pop_front() {
                let received = Received::new(raw.message, raw.delivery_tag, raw.redelivered);
                return Poll::Ready(Some(Ok(A::deliver(received, &self.channel))));
            }
            self.queue.release(std::mem::take(&mut self.taken_octets));
            if self.ended {
                return Poll::Ready(None);
            }
            match self.queue.poll_take(&mut self.taken, context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(octets)) => self.taken_octets = octets,
                Poll::Ready(Err(end)) => {
                    self.ended = true;
                    let error = match end {
                        End::Cancelled | End::Channel(ChannelError::Closed) => None,
                        End::CancelledByBroker => Some(ConsumeError::CancelledByBroker),
                        End::Channel(error) => Some(ConsumeError::Channel(error)),
                    };
                    return Poll::Ready(error.map(Err));
                }
            }
        }
    }
}

impl<A: Acknowledgement> Consumer<A> {
    /// The consumer's name at the broker.
    #[must_use]
    pub fn tag(&self) -> ShortStr<'_> {
        self.queue.tag.as_ref()
    }

    /// The channel that the deliveries come on.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Asks the broker to send nothing more (`basic.cancel`). What has come by then is still yielded;
    /// then the stream ends.
    ///
    /// # Errors
    ///
    /// The channel or the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, the consumer is cancelled even if it is dropped.
    pub async fn cancel(&self) -> Result<(), ChannelError> {
        self.request_cancel()?.await.map(drop)
    }

    fn request_cancel(&self) -> Result<PendingReply, ChannelError> {
        let cancel = basic::Cancel {
            consumer_tag: self.queue.tag.as_ref(),
            no_wait: false,
        };
        let effect = Effect::Cancel(Arc::clone(&self.queue));
        start(self.channel.shared(), &cancel, effect, Barrier::Requests)
    }
}

impl<A> Stream for Consumer<A>
where
    A: Acknowledgement + sealed::Sealed<Out = <A as Acknowledgement>::Delivery>,
{
    type Item = Result<A::Delivery, ConsumeError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_delivery(context)
    }
}

impl<A: Acknowledgement> Drop for Consumer<A> {
    fn drop(&mut self) {
        let (unseen, active) = self.queue.abandon();
        self.queue.release(std::mem::take(&mut self.taken_octets));
        if active {
            // Before the deliveries go back, lest they come here again.
            drop(self.request_cancel());
        }
        if !A::NO_ACK {
            for raw in self.taken.drain(..).chain(unseen) {
                let requeue = Settlement::Nack { requeue: true };
                // If the channel has ended, the broker has them back already.
                let _ = self
                    .channel
                    .settle(raw.delivery_tag, raw.incarnation, requeue);
            }
        }
    }
}
