//! A consumer's messages on their way through handlers, as one future.

use std::fmt;
use std::future::{self, Future};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use super::disposition::{
    Disposition, FailureCause, HandlerFailure, HandlingFailure, IntoDisposition,
};
use super::ending::{Ending, HandlerEnd};
use super::jobs::{Jobs, Panic};
use super::summary::HandlerSummary;
use super::unsettled::Unsettled;
use crate::consume::Consumer;
use crate::message::{ReceivedMessage, Settled};
use crate::proto::shared::timers::Timer;

/// Handlers that may end in one turn before others get theirs.
const PER_TURN: usize = 128;

impl Consumer {
    /// Calls `handler` with every message, and settles each by what the handler returns: see
    /// [`IntoDisposition`]. To be awaited; options can be set before that.
    ///
    /// The handler gets the message without the means to settle it, so that nothing is settled
    /// twice or forgotten. One that panics or returns an error neither ends the consumer nor loses
    /// the message: see [`HandlerRun::on_failure`] and [`HandlerRun::report`].
    ///
    /// ```no_run
    /// use amqp_client::{Channel, ReceivedMessage, Disposition};
    ///
    /// async fn book(order: ReceivedMessage) -> Result<Disposition, std::str::Utf8Error> {
    ///     println!("{}", order.text()?);
    ///     Ok(Disposition::Ack)
    /// }
    ///
    /// # async fn example(channel: Channel, shutdown: impl Future<Output = ()>) -> Result<(), Box<dyn std::error::Error>> {
    /// let orders = channel.consume("orders").await?;
    /// let handled = orders
    ///     .handle(book)
    ///     .concurrency(16)
    ///     .report(|failure| eprintln!("{failure}"))
    ///     .until(shutdown)
    ///     .await;
    /// println!("{} orders", handled.acked);
    /// handled.result()?; // why it ended, unless it was stopped
    /// # Ok(()) }
    /// ```
    ///
    /// The handlers share the task that awaits. To spread them over threads, spawn inside; a task
    /// that panics is an error then:
    ///
    /// ```no_run
    /// # async fn book(order: amqp_client::ReceivedMessage) {}
    /// # async fn example(orders: amqp_client::Consumer) {
    /// let handled = orders
    ///     .handle(|order| async { tokio::spawn(book(order)).await })
    ///     .concurrency(64)
    ///     .await;
    /// # drop(handled);
    /// # }
    /// ```
    #[doc(alias = "set_delegate")]
    #[doc(alias = "on_message")]
    pub fn handle<H, F>(self, handler: H) -> HandlerRun<H, F>
    where
        H: FnMut(ReceivedMessage) -> F,
        F: Future<Output: IntoDisposition>,
    {
        HandlerRun {
            ending: Ending::of(self.channel()),
            consumer: Some(self),
            jobs: Jobs::new(),
            handler,
            stop: None,
            concurrency: 1,
            on_failure: Disposition::Retry,
            report: None,
            grace: None,
            patience: None,
            handled: HandlerSummary::new(),
        }
    }
}

/// Messages being handled; see [`Consumer::handle`]. A future that ends with a summary when the
/// consumer has ended and all handlers have.
///
/// When the channel or the connection ends, however it does, the broker delivers what was not
/// acknowledged again, so that no handler is begun for what has come by then and waits: it would do
/// for certain what another one does again. Handlers that run finish, unless there is a
/// [`grace`](Self::grace), and the summary follows them at once. A consumer that was cancelled
/// while its channel lives is different: what has come by then is handled and settled, and the
/// summary comes behind it.
///
/// # Cancel safety
///
/// If the future is dropped, the consumer is cancelled, handlers that were running are dropped
/// where they were, and their messages go back to the queue, with all that was not begun.
#[must_use = "nothing is handled before this is awaited"]
pub struct HandlerRun<H, F, S = future::Pending<()>> {
    /// Gone once nothing more is to be taken. Dropped before the jobs: it is cancelled before they
    /// give their messages back, lest those come here again.
    consumer: Option<Consumer>,
    ending: Ending,
    jobs: Jobs<F, Unsettled>,
    handler: H,
    stop: Option<Pin<Box<S>>>,
    concurrency: usize,
    on_failure: Disposition,
    report: Option<Report>,
    grace: Option<Duration>,
    /// Runs once nothing more is taken.
    patience: Option<Timer>,
    handled: HandlerSummary,
}

/// Called for each failure.
pub(crate) type Report = Box<dyn FnMut(&HandlerFailure) + Send>;

impl<H, F, S> HandlerRun<H, F, S> {
    /// How many handlers may run at once. With 1 messages are handled in the order of their
    /// delivery. More than the consumer's prefetch has no effect. Zero counts as 1. Default: 1.
    pub fn concurrency(mut self, limit: usize) -> Self {
        self.concurrency = limit.max(1);
        self
    }

    /// What becomes of a message whose handler panics or returns an error. Default:
    /// [`Disposition::Retry`], that is one more attempt, and then the message is rejected, so that
    /// one that always fails cannot go round for ever. Where the queue dead-letters nothing, a
    /// rejected message is gone: give it a dead-letter exchange, or say [`Disposition::Requeue`]
    /// here.
    pub fn on_failure(mut self, disposition: Disposition) -> Self {
        self.on_failure = disposition;
        self
    }

    /// Called for each handler that panicked or returned an error. Default: they are counted only.
    pub fn report(mut self, report: impl FnMut(&HandlerFailure) + Send + 'static) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    /// How long handlers may go on when nothing more is taken. Those that take longer are dropped,
    /// and their messages go back to the queue; so they are at once if the connection ends
    /// meanwhile, whose clock this is. Default: as long as they like.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = Some(limit);
        self
    }

    /// Stops when this future is ready, whatever it yields: the consumer is cancelled, what has
    /// come and was not begun goes back to the queue at once, and running handlers finish.
    ///
    /// ```no_run
    /// # async fn example(orders: amqp_client::Consumer) {
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let handling = orders.handle(|order| async move { println!("{order:?}") }).until(stopped);
    /// drop(stop); // or `stop.send(())`, from anywhere
    /// println!("{:?}", handling.await);
    /// # }
    /// ```
    pub fn until<T: Future>(self, stop: T) -> HandlerRun<H, F, T> {
        HandlerRun {
            consumer: self.consumer,
            ending: self.ending,
            jobs: self.jobs,
            handler: self.handler,
            stop: Some(Box::pin(stop)),
            concurrency: self.concurrency,
            on_failure: self.on_failure,
            report: self.report,
            grace: self.grace,
            patience: self.patience,
            handled: self.handled,
        }
    }

    /// Takes nothing more, and gives back what was not begun.
    fn end(&mut self, end: HandlerEnd) {
        let Some(consumer) = self.consumer.take() else {
            return;
        };
        self.handled.given_back += consumer.n_unseen() as u64;
        self.handled.end = end;
        let connection = Arc::clone(&consumer.channel().shared().connection);
        self.patience = self.grace.map(|limit| Timer::new(&connection, limit));
        drop(consumer);
    }

    /// Settles a message and tells of a failure.
    fn settle(&mut self, message: Unsettled, outcome: Result<Disposition, HandlingFailure>) {
        let (delivery_tag, redelivered) = (message.delivery_tag, message.redelivered);
        let shared = outcome.is_err().then(|| message.channel.shared().clone());
        let disposition = match &outcome {
            Ok(disposition) => *disposition,
            Err(failure) => failure.disposition.unwrap_or(self.on_failure),
        };
        let disposition = message.decide(disposition);
        self.handled.handled += 1;
        let counter = match (message.settle(disposition), disposition) {
            (Err(_), _) => &mut self.handled.unsettled,
            (Ok(Settled::Stale), _) => &mut self.handled.stale,
            (Ok(Settled::Queued), Disposition::Ack) => &mut self.handled.acked,
            (Ok(Settled::Queued), Disposition::Reject) => &mut self.handled.rejected,
            (Ok(Settled::Queued), Disposition::Requeue | Disposition::Retry) => {
                &mut self.handled.requeued
            }
        };
        *counter += 1;
        let Err(HandlingFailure { cause, .. }) = outcome else {
            return;
        };
        let panicked = matches!(cause, FailureCause::Panic { .. });
        match panicked {
            true => self.handled.panicked += 1,
            false => self.handled.failed += 1,
        }
        if let Some(shared) = shared {
            let trace = &shared.connection.trace;
            trace.handler_failed(shared.at.channel, delivery_tag, panicked);
        }
        let failure = HandlerFailure {
            delivery_tag,
            redelivered,
            settled: disposition,
            cause,
        };
        if let Some(report) = &mut self.report {
            // A report that panics itself has no one else to tell.
            let _ = catch_unwind(AssertUnwindSafe(|| report(&failure)));
        }
    }
}

impl<H, F, S> HandlerRun<H, F, S>
where
    H: FnMut(ReceivedMessage) -> F,
    F: Future<Output: IntoDisposition>,
{
    /// Begins what has come, as far as the limit allows.
    fn begin(&mut self, context: &mut Context<'_>) {
        while self.jobs.len() < self.concurrency {
            let Some(consumer) = &mut self.consumer else {
                return;
            };
            // Nothing of it could be settled. `poll` tells the end.
            if self.ending.has_begun() {
                return;
            }
            match Pin::new(consumer).poll_next(context) {
                Poll::Pending => return,
                Poll::Ready(None) => self.end(HandlerEnd::Cancelled),
                Poll::Ready(Some(Err(error))) => self.end(HandlerEnd::Failed(error)),
                Poll::Ready(Some(Ok(delivery))) => {
                    let (received, unsettled) = Unsettled::new(delivery);
                    let handler = &mut self.handler;
                    match catch_unwind(AssertUnwindSafe(|| handler(received))) {
                        Ok(future) => self.jobs.push(future, unsettled),
                        Err(panic) => self.settle(unsettled, Err(HandlingFailure::panic(&panic))),
                    }
                }
            }
        }
    }
}

fn judge<D: IntoDisposition>(result: Result<D, Panic>) -> Result<Disposition, HandlingFailure> {
    // The conversion may be the user's code as well.
    match result.and_then(|output| catch_unwind(AssertUnwindSafe(|| output.into_disposition()))) {
        Ok(told) => told.map_err(HandlingFailure::error),
        Err(panic) => Err(HandlingFailure::panic(&panic)),
    }
}

/// Futures are boxed and the handler is only called: nothing in here is pinned.
impl<H, F, S> Unpin for HandlerRun<H, F, S> {}

impl<H, F, S> Future for HandlerRun<H, F, S>
where
    H: FnMut(ReceivedMessage) -> F,
    F: Future<Output: IntoDisposition>,
    S: Future,
{
    type Output = HandlerSummary;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<HandlerSummary> {
        let this = &mut *self;
        for _ in 0..PER_TURN {
            let stop = this.stop.as_mut().filter(|_| this.consumer.is_some());
            if stop.is_some_and(|stop| stop.as_mut().poll(context).is_ready()) {
                this.stop = None;
                this.end(HandlerEnd::Stopped);
            }
            if this.consumer.is_some() {
                if let Poll::Ready(end) = this.ending.poll(context) {
                    this.end(end);
                }
            }
            this.begin(context);
            match this.jobs.poll_next(context) {
                Poll::Ready(Some((message, result))) => this.settle(message, judge(result)),
                Poll::Ready(None) if this.consumer.is_none() => {
                    return Poll::Ready(this.handled.clone());
                }
                Poll::Ready(None) => return Poll::Pending,
                Poll::Pending => {
                    if this.is_out_of_patience(context) {
                        this.handled.dropped += this.jobs.clear() as u64;
                        return Poll::Ready(this.handled.clone());
                    }
                    return Poll::Pending;
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<H, F, S> HandlerRun<H, F, S> {
    fn is_out_of_patience(&mut self, context: &mut Context<'_>) -> bool {
        self.patience.as_mut().is_some_and(|timer| {
            // The timers of a connection that has ended do not run.
            timer.poll(context).is_ready() || timer.has_stopped()
        })
    }
}

impl<H, F, S> fmt::Debug for HandlerRun<H, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerRun")
            .field("consumer", &self.consumer)
            .field("concurrency", &self.concurrency)
            .field("running", &self.jobs.len())
            .finish_non_exhaustive()
    }
}
