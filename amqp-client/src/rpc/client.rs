//! Calls: requests whose replies are awaited.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::REPLY_TO;
use super::error::RpcError;
use super::pending::{Pending, Waiting};
use crate::channel::Channel;
use crate::connection::Connection;
use crate::delivery::Received;
use crate::error::ChannelError;
use crate::message::Message;
use crate::proto::expecting::Expecting;
use crate::proto::timers::Timer;
use crate::publisher::{Confirmation, Publisher};

/// How long a call waits, unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many calls of a client may wait at once, unless it says otherwise.
const MAX_CALLS: usize = 4096;

/// Calls procedures of others: sends requests and awaits their replies.
///
/// Replies come by RabbitMQ's direct reply-to, without a queue: they cost the broker nothing, and
/// one that cannot be delivered at once is lost. So a call may have been handled though no reply
/// came, and one that is repeated may be handled twice.
///
/// Has a channel of its own. Cheap to clone; any number of tasks may call at once. When the last
/// clone is dropped the channel closes.
///
/// ```no_run
/// use amqp_client::{Connection, Message, RpcClient, RpcError};
/// use std::time::Duration;
///
/// # async fn example(connection: Connection) -> Result<(), Box<dyn std::error::Error>> {
/// let client = RpcClient::open(&connection).timeout(Duration::from_secs(5)).await?;
/// match client.call("", "fib", Message::new("30")).await {
///     Ok(reply) => println!("fib(30) = {}", reply.text()?),
///     Err(RpcError::Unroutable(_)) => println!("nobody has declared the queue"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RpcClient {
    publisher: Publisher,
    pending: Arc<Pending>,
    timeout: Duration,
}

impl RpcClient {
    /// A client on this connection. To be awaited; options can be set before that.
    pub fn open(connection: &Connection) -> OpenRpcClient {
        OpenRpcClient {
            connection: connection.clone(),
            timeout: TIMEOUT,
            max_calls: MAX_CALLS,
        }
    }

    /// Sends a request and waits for its reply. To be awaited; a timeout of its own can be set before
    /// that.
    ///
    /// The message's `reply_to` and `correlation_id` are the client's business and are overwritten.
    /// The request is mandatory. Give it an [`expiration`](Message::expiration) if it should not be
    /// handled when nobody waits any more.
    pub fn call<'a>(
        &'a self,
        exchange: &'a str,
        routing_key: &'a str,
        message: Message,
    ) -> Call<'a> {
        Call {
            client: self,
            exchange,
            routing_key,
            message,
            timeout: self.timeout,
        }
    }

    /// What has become of the calls so far.
    #[must_use]
    pub fn counters(&self) -> RpcCounters {
        let (pending, calls, counts) = self.pending.counts();
        RpcCounters {
            calls,
            pending: pending as u64,
            replies: counts.replies,
            timed_out: counts.timed_out,
            late: counts.late,
            unknown: counts.unknown,
        }
    }

    /// The client's channel: for its events, and to close it. Calls that wait end then.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        self.publisher.channel()
    }
}

/// A client about to be opened; see [`RpcClient::open`].
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before this is awaited"]
pub struct OpenRpcClient {
    connection: Connection,
    timeout: Duration,
    max_calls: usize,
}

impl OpenRpcClient {
    /// How long a call may take, from being awaited to its reply; [`Duration::MAX`] is for ever.
    /// Default: 30 seconds.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// How many calls may wait for their replies at once; more are refused with
    /// [`RpcError::TooManyCalls`]. Default: 4096.
    pub fn max_calls(mut self, limit: usize) -> Self {
        self.max_calls = limit;
        self
    }

    async fn open(self) -> Result<RpcClient, ChannelError> {
        let publisher = self.connection.open_publisher().await?.mandatory();
        // Before the first request, which the broker would refuse with 406 otherwise.
        let replies = publisher.channel().consume(REPLY_TO).no_ack().await?;
        Ok(RpcClient {
            pending: Pending::new(replies, self.max_calls),
            publisher,
            timeout: self.timeout,
        })
    }
}

impl IntoFuture for OpenRpcClient {
    type Output = Result<RpcClient, ChannelError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Opens a channel and consumes the replies.
    ///
    /// # Errors
    ///
    /// As [`Connection::open_channel`]; 404 if the broker knows no direct reply-to.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the channel is closed again.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// A call about to be made; see [`RpcClient::call`].
#[must_use = "nothing is sent before this is awaited"]
pub struct Call<'a> {
    client: &'a RpcClient,
    exchange: &'a str,
    routing_key: &'a str,
    message: Message,
    timeout: Duration,
}

impl Call<'_> {
    /// How long this call may take, from being awaited to its reply; [`Duration::MAX`] is for ever.
    /// Default: that of the client.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    async fn make(self) -> Result<Received, RpcError> {
        let Self {
            client, timeout, ..
        } = self;
        let waiting = client.pending.begin()?;
        let link = &client.channel().shared().link;
        let mut timer = Timer::new(link, timeout);
        let message = self
            .message
            .reply_to(REPLY_TO)
            .correlation_id(&waiting.id().to_string());
        let confirmation = {
            let send = client
                .publisher
                .send(self.exchange, self.routing_key, message);
            let mut send = pin!(send);
            poll_fn(|context| match send.as_mut().poll(context) {
                Poll::Ready(sent) => Poll::Ready(Some(sent)),
                Poll::Pending => timer.poll(context).map(|()| None),
            })
            .await
        };
        let timed_out = |sent| {
            client.pending.count_timeout();
            let after = timeout;
            RpcError::Timeout { after, sent }
        };
        let Some(confirmation) = confirmation else {
            return Err(timed_out(false));
        };
        // Slow consumers must not keep the reply from being read.
        let expecting = Expecting::new(link);
        let replied = reply(&waiting, confirmation?, &mut timer, &expecting).await;
        replied.unwrap_or_else(|| Err(timed_out(true)))
    }
}

/// Waits for the reply, for bad news of the request, or until time is up.
async fn reply(
    waiting: &Waiting,
    confirmation: Confirmation,
    timer: &mut Timer,
    expecting: &Expecting,
) -> Option<Result<Received, RpcError>> {
    let mut unconfirmed = Some(confirmation);
    poll_fn(|context| {
        if let Poll::Ready(reply) = waiting.poll(context) {
            return Poll::Ready(Some(reply));
        }
        if let Some(confirmation) = &mut unconfirmed {
            match Pin::new(confirmation).poll(context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => unconfirmed = None,
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
        expecting.resume();
        timer.poll(context).map(|()| None)
    })
    .await
}

impl<'a> IntoFuture for Call<'a> {
    type Output = Result<Received, RpcError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    /// Makes the call.
    ///
    /// # Errors
    ///
    /// Whatever is not a reply; see [`RpcError`] for what may have happened to the request.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the request was sent whole or not at all; its reply is discarded.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("exchange", &self.exchange)
            .field("routing_key", &self.routing_key)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What has become of a client's calls; see [`RpcClient::counters`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RpcCounters {
    /// Calls begun.
    pub calls: u64,
    /// Calls that wait for their replies.
    pub pending: u64,
    /// Replies to calls that waited for them.
    pub replies: u64,
    /// Calls that waited in vain.
    pub timed_out: u64,
    /// Replies dropped since their call was over: answered before, timed out, or dropped.
    pub late: u64,
    /// Messages dropped since they name no call of this client.
    pub unknown: u64,
}
