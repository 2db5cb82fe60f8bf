//! A consumer: a stream of deliveries.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use amqp_spec::basic;
use amqp_spec::wire::{ShortStr, TypedMethod};
use futures_core::Stream;

use super::ack_mode::{AckMode, ManualAck, sealed};
use crate::channel::Channel;
use crate::channel::request::{PendingReply, slot};
use crate::error::{ChannelError, ConnectionError, ConsumeError};
use crate::message::{RawDelivery, ReceivedMessage, Settlement};
use crate::proto::send::request::{Barrier, Effect};
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::consumer::{ConsumerEnd, ConsumerQueue};
use crate::proto::shared::reading::Demand;
use crate::proto::shared::timers::Timer;
use crate::proto::wait::{self, Watch};

/// A stream of deliveries.
///
/// Ends with `None` if the program ended it, by [`cancel`](Self::cancel) or by closing the channel
/// or the connection; ends with one error, then `None`, if the broker or the network did. When the
/// channel or the connection has ended, a consumer with acknowledgements tells so at once: what it
/// has not yielded is the broker's again, which delivers it anew. One without yields what has come
/// first. Dropping it cancels it at the broker, in the background, and gives back what it has not
/// yielded, unless it takes deliveries without acknowledging them: those are lost. Keeps its
/// channel open.
///
/// **Quorum queues count what is given back.** RabbitMQ counts each return of a message, unseen by
/// the program or not, and drops or dead-letters it above the queue's
/// [delivery limit](crate::QueueDeclare::delivery_limit): 20 by default since 4.0. (From 4.3 on
/// what a dropped consumer gives back does not count; what a lost connection gives back does.) So a
/// program that takes a few messages and drops the consumer, again and again, does it with a
/// [prefetch](crate::consume::Consume::prefetch) of 1, with [`Channel::basic_get`], or keeps the
/// consumer.
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
pub struct Consumer<A: AckMode = ManualAck> {
    channel: Channel,
    pub(super) queue: Arc<ConsumerQueue>,
    /// Taken over from the queue, not yet yielded.
    taken: VecDeque<RawDelivery>,
    /// Of these, how many have gone back for good.
    n_dropped: usize,
    ended: bool,
    /// How often it had begun again by then.
    n_begun_again: u32,
    acknowledgement: PhantomData<fn() -> A>,
}

impl<A: AckMode> fmt::Debug for Consumer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("tag", &self.queue.tag)
            .finish_non_exhaustive()
    }
}

/// What [`Consumer::next_within`] waited for.
#[derive(Debug)]
pub enum NextWithin<D> {
    /// The next delivery.
    Delivery(D),
    /// Nothing came in time; the consumer goes on.
    Idle,
}

impl<A: AckMode> Consumer<A>
where
    A: sealed::Sealed<Out = <A as AckMode>::Delivery>,
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
        Next(self).await
    }

    /// Waits for the next delivery, but no longer than `limit`. When that has passed, the consumer
    /// goes on as before: this may be called again, and a delivery that comes meanwhile waits.
    ///
    /// ```no_run
    /// # async fn example(mut orders: amqp_client::Consumer) -> Result<(), Box<dyn std::error::Error>> {
    /// use amqp_client::consume::NextWithin;
    /// use std::time::Duration;
    ///
    /// while let Some(next) = orders.next_within(Duration::from_secs(5)).await {
    ///     match next? {
    ///         NextWithin::Delivery(delivery) => {
    ///             delivery.ack()?;
    ///         }
    ///         NextWithin::Idle => println!("no order for 5 seconds"),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no delivery is lost.
    pub async fn next_within(
        &mut self,
        limit: Duration,
    ) -> Option<Result<NextWithin<A::Delivery>, ConsumeError>> {
        let mut timer = Timer::new(&self.channel.shared().connection, limit);
        poll_fn(|context| match self.poll_delivery(context) {
            Poll::Ready(next) => Poll::Ready(next.map(|next| next.map(NextWithin::Delivery))),
            Poll::Pending => timer.poll(context).map(|()| Some(Ok(NextWithin::Idle))),
        })
        .await
    }

    /// Waits for deliveries and appends as many as are at hand, at most `limit`; says how many.
    /// Nothing, if `limit` is zero or the consumer has ended without an error.
    ///
    /// Deliveries are handed over in batches of one read each; this takes such a batch, or what is
    /// left of it, and does not wait for more. A loop that collects `n` of them before it
    /// acknowledges any needs a [`prefetch`](crate::consume::Consume::prefetch) of at least `n`:
    /// otherwise it waits for ever.
    ///
    /// # Errors
    ///
    /// Why nothing more will come; told once, and only if nothing was appended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was appended and no delivery is lost.
    pub async fn recv_many(
        &mut self,
        deliveries: &mut Vec<A::Delivery>,
        limit: usize,
    ) -> Result<usize, ConsumeError> {
        if limit == 0 {
            return Ok(0);
        }
        match self.next().await {
            None => return Ok(0),
            Some(next) => deliveries.push(next?),
        }
        self.drop_returned();
        let more = self.taken.len().min(limit - 1);
        deliveries.reserve(more);
        if let Some(last) = more.checked_sub(1).and_then(|last| self.taken.get(last)) {
            self.queue.note_yielded(last.delivery_tag);
            if self.queue.with_offset {
                self.queue.note_offset(last);
            }
        }
        for raw in self.taken.drain(..more) {
            deliveries.push(A::deliver(ReceivedMessage::of(raw), &self.channel));
        }
        Ok(more + 1)
    }

    #[inline]
    fn poll_delivery(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<A::Delivery, ConsumeError>>> {
        if self.queue.is_watched() {
            self.look_at_next();
        }
        if self.taken.is_empty() {
            match self.poll_batch(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(end)) => return Poll::Ready(end.map(Err)),
                Poll::Ready(Ok(())) => {}
            }
        }
        let raw = self.taken.pop_front();
        Poll::Ready(raw.map(|raw| {
            self.queue.note_yielded(raw.delivery_tag);
            Ok(A::deliver(ReceivedMessage::of(raw), &self.channel))
        }))
    }
}

/// The next delivery. Small enough to become part of the future that awaits it: what a delivery
/// costs is moving it from one to the other.
struct Next<'a, A: AckMode>(&'a mut Consumer<A>);

impl<A> Future for Next<'_, A>
where
    A: AckMode + sealed::Sealed<Out = <A as AckMode>::Delivery>,
{
    type Output = Option<Result<A::Delivery, ConsumeError>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_delivery(context)
    }
}

impl<A: AckMode> Consumer<A> {
    /// What has gone back to the broker, and comes again, is not yielded any more.
    fn drop_returned(&mut self) {
        let returned = self.queue.returned();
        if returned > 0 {
            let before = self.taken.len();
            self.taken.retain(|raw| raw.delivery_tag > returned);
            if self.queue.has_all_gone_back() {
                self.n_dropped += before - self.taken.len();
            }
        }
    }

    /// The same, and notes the offset of what is yielded next.
    #[cold]
    fn look_at_next(&mut self) {
        self.drop_returned();
        self.note_offset();
    }

    /// A consumer of a stream goes on behind what it yields next.
    fn note_offset(&self) {
        if let Some(next) = self.taken.front().filter(|_| self.queue.with_offset) {
            self.queue.note_offset(next);
        }
    }

    /// Takes over what has come, when what was taken before has been yielded. Or says why there
    /// will be nothing, once, unless that was the program's own doing.
    #[inline(never)]
    fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Option<ConsumeError>>> {
        if self.ended {
            let n_begun_again = self.queue.n_begun_again();
            if n_begun_again == self.n_begun_again {
                return Poll::Ready(Err(None));
            }
            // Its channel has been opened again.
            self.n_begun_again = n_begun_again;
            (self.ended, self.n_dropped) = (false, 0);
        }
        match self.queue.poll_take(&mut self.taken, context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                // What has come behind that is of another life of its channel.
                self.n_dropped = 0;
                self.note_offset();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(end)) => {
                self.ended = true;
                self.n_begun_again = self.queue.n_begun_again();
                Poll::Ready(Err(match end {
                    ConsumerEnd::Cancelled
                    | ConsumerEnd::Channel(
                        ChannelError::Closed | ChannelError::Connection(ConnectionError::Closed),
                    ) => None,
                    ConsumerEnd::CancelledByBroker => Some(ConsumeError::CancelledByBroker {
                        consumer_tag: self.queue.tag.to_string().into_boxed_str(),
                        queue: self.queue.source.as_str().into(),
                    }),
                    ConsumerEnd::TooSlow => Some(ConsumeError::TooSlow {
                        consumer_tag: self.queue.tag.to_string().into_boxed_str(),
                        queue: self.queue.source.as_str().into(),
                    }),
                    ConsumerEnd::TooLarge(message) => Some(ConsumeError::MessageTooLarge(message)),
                    ConsumerEnd::Channel(error) => Some(ConsumeError::Channel(error)),
                    ConsumerEnd::NotRestored(error) => Some(ConsumeError::NotRestored(error)),
                }))
            }
        }
    }

    pub(super) fn new(channel: Channel, queue: ConsumerQueue) -> Self {
        let queue = Arc::new(queue);
        channel.shared().yielded().begin(&queue);
        Self {
            channel,
            queue,
            taken: VecDeque::new(),
            n_dropped: 0,
            ended: false,
            n_begun_again: 0,
            acknowledgement: PhantomData,
        }
    }

    /// The consumer's name at the broker.
    #[doc(alias = "consumer_tag")]
    #[must_use]
    pub fn tag(&self) -> ShortStr<'_> {
        self.queue.tag.as_ref()
    }

    pub(crate) fn queue(&self) -> &Arc<ConsumerQueue> {
        &self.queue
    }

    /// The channel that the deliveries come on.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// How many deliveries have come and have not been yielded.
    #[must_use]
    pub fn buffered_count(&self) -> usize {
        let returned = self.queue.returned();
        let taken = self.taken.iter();
        let taken = taken.filter(|raw| raw.delivery_tag > returned);
        taken.count() + self.queue.len()
    }

    /// How many deliveries have come and go back to the broker, or have, without having been
    /// yielded.
    pub(crate) fn n_unseen(&self) -> usize {
        self.taken.len() + self.n_dropped + self.queue.n_untaken()
    }

    /// Asks the broker to send nothing more (`basic.cancel`), and waits for its answer. What has
    /// come by then is still yielded; then the stream ends. To get what was delivered and not
    /// handled, of a consumer without acknowledgements above all, cancel and then read on:
    ///
    /// ```no_run
    /// # use amqp_client::consume::AutoAck;
    /// # use amqp_client::{ConsumeError, Consumer, ReceivedMessage};
    /// # async fn example(mut prices: Consumer<AutoAck>) -> Result<(), Box<dyn std::error::Error>> {
    /// prices.cancel().await?;
    /// let mut rest: Vec<ReceivedMessage> = Vec::new();
    /// while let Some(delivery) = prices.next().await {
    ///     rest.push(delivery?);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// Cancelling again waits for the same answer.
    ///
    /// # Errors
    ///
    /// The channel or the connection has ended, or the broker does not answer in time.
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, the consumer is cancelled even if it is dropped.
    pub async fn cancel(&self) -> Result<(), ChannelError> {
        cancel(self.channel.shared(), &self.queue).await
    }
}

/// Cancels a consumer, or waits for the end if it is being cancelled already: a second
/// `basic.cancel` might hit the next consumer of that tag. One that the broker has not started yet
/// is cancelled as soon as it has.
pub(crate) async fn cancel(
    shared: &Arc<ChannelShared>,
    queue: &Arc<ConsumerQueue>,
) -> Result<(), ChannelError> {
    let mut wakers = Vec::new();
    let has_ended = queue.unwanted(&mut wakers);
    wait::wake_all(&mut wakers);
    if has_ended {
        shared.connection.call_driver();
        return Ok(());
    }
    if let Some(requested) = request_cancel(shared, queue) {
        return requested?.await.map(drop);
    }
    let _demand = Demand::new(&shared.connection);
    let mut timer = Timer::new(&shared.connection, shared.connection.request_timeout);
    let mut end = pin!(Watch::new(
        |place, context| queue.poll_end(place, context),
        |place| queue.forget_watcher(place),
    ));
    poll_fn(|context| match end.as_mut().poll(context) {
        Poll::Ready(ConsumerEnd::Channel(error)) => Poll::Ready(Err(error)),
        Poll::Ready(_) => Poll::Ready(Ok(())),
        Poll::Pending => {
            ready!(timer.poll(context));
            // The first caller's time stands still while octets before its request are leaving.
            while shared
                .connection
                .outbox()
                .channels()
                .is_cancelled_in_time(shared.at, queue)
            {
                timer = Timer::new(&shared.connection, shared.connection.request_timeout);
                ready!(timer.poll(context));
            }
            let method = basic::Cancel::NAME;
            Poll::Ready(Err(shared.connection.reading.no_reply(method)))
        }
    })
    .await
}

/// Queues `basic.cancel`, unless that has been done, or will be.
fn request_cancel(
    shared: &Arc<ChannelShared>,
    queue: &Arc<ConsumerQueue>,
) -> Option<Result<PendingReply, ChannelError>> {
    let effect = Effect::Cancel(Arc::clone(queue));
    let (slot, answer) = slot::<basic::Cancel<'_>>(shared, effect, Barrier::Requests);
    let queued = shared
        .connection
        .outbox()
        .order_mut()
        .cancel(shared.at, queue, slot)?;
    Some(match queued {
        Ok(wake) => {
            shared
                .connection
                .trace
                .request(shared.at.channel, basic::Cancel::NAME);
            wake.now();
            Ok(PendingReply::new(answer, &shared.connection))
        }
        Err(refused) => Err(shared.explain(refused)),
    })
}

impl<A> Stream for Consumer<A>
where
    A: AckMode + sealed::Sealed<Out = <A as AckMode>::Delivery>,
{
    type Item = Result<A::Delivery, ConsumeError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_delivery(context)
    }
}

impl<A: AckMode> Drop for Consumer<A> {
    fn drop(&mut self) {
        let rests = self.queue.rests();
        let unseen = self.queue.abandon();
        // One that the program has not heard of is for the next consumer to tell.
        let untold = (!self.ended).then(|| self.queue.oversized()).flatten();
        // Before the deliveries go back, lest they come here again.
        let shared = self.channel.shared();
        drop(request_cancel(shared, &self.queue));
        shared.yielded().end(&self.queue);
        if rests {
            // Its channel is not opened again for it.
            shared.connection.call_driver();
        }
        if !A::NO_ACK {
            self.drop_returned();
            for raw in self.taken.drain(..).chain(unseen) {
                let requeue = raw.settled_by(Settlement::Nack { requeue: true });
                // If the channel has ended, the broker has them back already.
                let _ = self.channel.settle(raw.delivery_tag, requeue);
            }
            // Nor does it come again by going back, if it was read from a stream.
            if let Some(delivery_tag) = untold.filter(|_| !self.queue.with_offset) {
                let requeue = Settlement::Nack { requeue: true };
                let _ = self.channel.settle(delivery_tag, requeue);
            }
        }
    }
}
