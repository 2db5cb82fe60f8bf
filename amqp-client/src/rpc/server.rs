//! Requests, and answers to them.

use std::error::Error;
use std::fmt;
use std::future::{self, Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use super::replies::Replies;
use crate::consume::Consumer;
use crate::consume::handler::{Disposition, HandlerEnd, HandlerFailure, HandlerSummary, Report};
use crate::error::{ChannelError, ConnectionError, ConsumeError};
use crate::message::{Message, ReceivedMessage};
use crate::publish::Publisher;

/// What the handler of a request may end with: the reply, as a [`Message`] or as what is [`Into`]
/// one (text and octets are its body), or a `Result` with it.
///
/// An `Err` is reported, and the request is settled as [`Server::on_failure`] says: by default it is
/// handled once more, and then rejected. The requester hears nothing of either; an error that the
/// requester should know of [is a reply](crate::rpc#errors-of-a-handler).
pub trait IntoReply {
    /// The reply, or why there is none.
    ///
    /// # Errors
    ///
    /// The request could not be handled.
    fn into_reply(self) -> Result<Message, Box<dyn Error + Send + Sync>>;
}

impl<M: Into<Message>> IntoReply for M {
    fn into_reply(self) -> Result<Message, Box<dyn Error + Send + Sync>> {
        Ok(self.into())
    }
}

impl<M: Into<Message>, E: Into<Box<dyn Error + Send + Sync>>> IntoReply for Result<M, E> {
    fn into_reply(self) -> Result<Message, Box<dyn Error + Send + Sync>> {
        self.map(Into::into).map_err(Into::into)
    }
}

/// Answers requests: consumes them, calls a handler, publishes what it returns to where the request
/// says, and acknowledges the request once the broker has confirmed the reply.
///
/// A request may be handled twice: if the connection breaks before it is acknowledged, it is
/// delivered again. Replies go to the queue that the request names, through the default exchange,
/// as that is the custom: a program that may publish requests can have replies put into any queue.
/// A reply whose queue is not there any more comes back: the request is acknowledged all the same,
/// and counted in [`ServeSummary::unroutable`]. Direct replies have no queue, and a requester of
/// those that has gone is not noticed, since no version of RabbitMQ tells. An address that begins
/// like one of direct replies and is none is not published to, since RabbitMQ 3.10 and 4.0 would
/// end the connection.
///
/// # Replies that the broker does not take
///
/// The broker closes the replies' channel for one that is too large, or has a `user_id` that is not
/// the connection's. The server then opens another, pausing for up to 5 seconds if that happens
/// again and again, and publishes what was under way once more, one reply at a time. The one that
/// costs the channel a second time is to blame: its request is [reported](Self::report) and
/// rejected, whatever [`on_failure`](Self::on_failure) says but [`Disposition::Ack`], so that a
/// queue with a dead-letter exchange dead-letters it. All others are answered, some of them twice
/// with the same correlation id. No handler is called again.
///
/// If the connection ends while a reply is under way, or the channel of the requests, which is
/// theirs alone if you follow the advice at [`new`](Self::new), its request comes again. It is
/// answered alone then, and if it is under way at an end once more, the third delivery is reported
/// and rejected without being handled. This is remembered in the process, for the latest 1024
/// requests, across servers and connections; a process that is restarted knows nothing of it. Where
/// that matters, a quorum queue with a delivery limit does the same in the end.
///
/// A connection that is lost and [recovers](crate::options::Recovery) ends nothing: handlers run to
/// their end, and their replies are published when the connection is back, but to settle what came
/// before the loss has no effect ([`HandlerSummary::stale`]). Those requests come again and are
/// answered again, with the same correlation id, by which the requester drops one. A reply that was
/// written and not confirmed is not published again by itself: its request comes again. Such losses
/// condemn no request, unless the broker has closed the connection each time, and not for a shutdown.
///
/// ```no_run
/// use amqp_client::{rpc, Connection, Message, QueueDeclare, ReceivedMessage};
///
/// async fn square(request: ReceivedMessage) -> Message {
///     let n = request.text().ok().and_then(|n| n.parse::<u32>().ok());
///     match n {
///         Some(n) => Message::new(u64::from(n).pow(2).to_string()),
///         None => Message::new("").header("error", "not a number from 0 to 4294967295"),
///     }
/// }
///
/// # async fn example(connection: Connection, shutdown: impl Future<Output = ()>) -> Result<(), Box<dyn std::error::Error>> {
/// let channel = connection.open_channel().await?;
/// channel.queue_declare(QueueDeclare::new("square").exclusive()).await?; // goes with this server
/// let requests = channel.consume("square").prefetch(16).await?;
/// let replies = connection.open_publisher().await?;
/// let served = rpc::Server::new(requests, replies)
///     .concurrency(16)
///     .until(shutdown)
///     .serve(square)
///     .await;
/// println!("{} replies", served.replied);
/// served.result()?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is served before `serve` is called"]
pub struct Server<S = future::Pending<()>> {
    requests: Consumer,
    replies: Publisher,
    stop: Option<Pin<Box<S>>>,
    concurrency: usize,
    on_failure: Disposition,
    report: Option<Report>,
    grace: Option<Duration>,
}

impl Server {
    /// A server of the requests that this consumer receives. Give it a publisher of its own, on a
    /// channel of its own: an end of that channel, which a reply may provoke, then costs neither
    /// the requests nor other publishers, and is blamed on no reply that did not provoke it.
    pub fn new(requests: Consumer, replies: Publisher) -> Self {
        Self {
            requests,
            replies,
            stop: None,
            concurrency: 1,
            on_failure: Disposition::Retry,
            report: None,
            grace: None,
        }
    }
}

impl<S: Future> Server<S> {
    /// How many requests may be handled at once. Zero counts as 1. Default: 1.
    pub fn concurrency(mut self, limit: usize) -> Self {
        self.concurrency = limit;
        self
    }

    /// What becomes of a request whose handler panics or returns an error, or whose reply the
    /// broker refuses (`basic.nack`). Default: [`Disposition::Retry`], one more attempt. One whose
    /// reply costs the channel, alone or twice, does not go back to its queue, whatever is said
    /// here.
    pub fn on_failure(mut self, disposition: Disposition) -> Self {
        self.on_failure = disposition;
        self
    }

    /// Called for each such request, and for those whose replies cost a channel or a connection.
    /// Default: they are counted only.
    pub fn report(mut self, report: impl FnMut(&HandlerFailure) + Send + 'static) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    /// How long handlers may go on when nothing more is taken; see
    /// [`HandlerRun::grace`](crate::consume::HandlerRun::grace). Default: as long as they like.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = Some(limit);
        self
    }

    /// Stops when this future is ready, whatever it yields: no more requests are taken, and those
    /// being handled are answered.
    pub fn until<T: Future>(self, stop: T) -> Server<T> {
        Server {
            requests: self.requests,
            replies: self.replies,
            stop: Some(Box::pin(stop)),
            concurrency: self.concurrency,
            on_failure: self.on_failure,
            report: self.report,
            grace: self.grace,
        }
    }

    /// Answers requests until the server is stopped, or the consumer or the connection ends: what
    /// has come and was not begun is left to the broker then, as with
    /// [`HandlerRun`](crate::consume::HandlerRun).
    ///
    /// A request without an address for the reply is handled and acknowledged all the same.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, handlers that were running are dropped where they were, and their
    /// requests go back to the queue, with all that was not begun.
    pub async fn serve<H, F>(self, mut handler: H) -> ServeSummary
    where
        H: FnMut(ReceivedMessage) -> F,
        F: Future<Output: IntoReply>,
    {
        let on_failure = self.on_failure;
        let replies = Replies::new(&self.replies, self.requests.channel(), on_failure);
        let replies = &replies;
        let mut stop = self.stop;
        let stopped = poll_fn(|context| replies.poll_stop(&mut stop, context));
        let handling = self.requests.handle(|request| {
            let asked = replies.ask(&request);
            let answering = asked.is_tried().then(|| handler(request));
            async move {
                let Some(answering) = answering else {
                    return Err(replies.refusal(&asked));
                };
                let reply = answering.await.into_reply()?;
                replies.reply(asked, reply).await
            }
        });
        let mut handling = handling
            .concurrency(self.concurrency)
            .on_failure(on_failure)
            .until(stopped);
        if let Some(report) = self.report {
            handling = handling.report(report);
        }
        if let Some(grace) = self.grace {
            handling = handling.grace(grace);
        }
        let mut handled = handling.await;
        handled.end = match replies.take_broken() {
            None => handled.end,
            // The program's own doing, though a reply was under way.
            Some(ChannelError::Connection(ConnectionError::Closed)) => HandlerEnd::Cancelled,
            Some(cause) => HandlerEnd::Failed(ConsumeError::Channel(cause)),
        };
        ServeSummary {
            replied: replies.replied(),
            unaddressed: replies.unaddressed(),
            unroutable: replies.unroutable(),
            handled,
        }
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("requests", &self.requests)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// What [`Server::serve`] has done.
#[derive(Clone, Debug)]
#[must_use = "says why requests are no longer answered"]
#[non_exhaustive]
pub struct ServeSummary {
    /// Replies that the broker has confirmed.
    pub replied: u64,
    /// Requests that were handled and named no address that a reply may go to, so that it was
    /// dropped.
    pub unaddressed: u64,
    /// Replies that came back, since the queue that the request names is not there (any more).
    /// Always zero with a publisher that [allows unroutable messages](Publisher::allow_unroutable).
    pub unroutable: u64,
    /// What became of the requests, and why nothing more was taken: an end of the replies' channel
    /// is told there, too.
    pub handled: HandlerSummary,
}

impl ServeSummary {
    /// The same as a result, for `?`.
    ///
    /// # Errors
    ///
    /// Why it ended, if the program did not want it to.
    pub fn result(self) -> Result<(), ConsumeError> {
        self.handled.result()
    }
}
