//! Calls: requests whose replies are awaited.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::address::REPLY_TO;
use super::error::Error;
use super::pending::{Ledger, Pending, Waiting, is_of_consumer};
use crate::channel::Channel;
use crate::channel::succession::{OnChannel, Succession};
use crate::connection::Connection;
use crate::error::{ChannelError, ConnectionError, ConsumeError, PublishError};
use crate::message::{IntoMessage, Message, ReceivedMessage};
use crate::proto::shared::reading::Demand;
use crate::proto::shared::timers::Timer;
use crate::publish::{Confirmation, Publisher};

/// How long a call waits, unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many calls of a client may wait at once, unless it says otherwise.
const MAX_CALLS: usize = 4096;

/// How often a call is made that another one's end has kept from being sent.
const ATTEMPTS: usize = 4;

/// Calls procedures of others: sends requests and awaits their replies.
///
/// Replies come by RabbitMQ's direct reply-to, without a queue: they cost the broker nothing, and
/// one that cannot be delivered at once is lost. So a call may have been handled though no reply
/// came, and one that is repeated may be handled twice.
///
/// Has a channel of its own. Cheap to clone; any number of tasks may call at once. When the last
/// clone is dropped the channel closes.
///
/// One bad request costs no more than the calls of its moment: the broker closes the channel for a
/// call to an exchange that does not exist, say. That call ends with [`Error::Refused`], and those
/// that wait for replies with [`Error::Uncertain`], as all do if any of several may be at fault.
/// They have the broker's reason. The next call has a new channel opened for it, and calls that
/// were certainly not sent wait for it. If channels keep dying within 10 seconds, the next ones are
/// opened further and further apart, up to 5 seconds.
///
/// A connection that is lost and [recovers](crate::options::Recovery) costs the calls that were
/// sent, and no others: they end at once with [`Error::Lost`], for the address that their replies
/// were to go to is gone. Those that were certainly not sent wait for the recovery, as do new ones,
/// each for as long as it may. The client goes on with the same channel, and receives replies on it
/// before the first request is sent.
///
/// ```no_run
/// use amqp_client::{rpc, Connection, Message};
/// use std::time::Duration;
///
/// # async fn example(connection: Connection) -> Result<(), Box<dyn std::error::Error>> {
/// let client = rpc::Client::open(&connection).timeout(Duration::from_secs(5)).await?;
/// match client.call("", "fib", Message::new("30")).await {
///     Ok(reply) => println!("fib(30) = {}", reply.text()?),
///     Err(rpc::Error::Unroutable(_)) => println!("there is no such queue"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    lines: Arc<Succession<ReplyChannel>>,
    ledger: Arc<Ledger>,
    timeout: Duration,
}

/// A channel with a consumer of replies on it.
#[derive(Clone, Debug)]
struct ReplyChannel {
    publisher: Publisher,
    pending: Arc<Pending>,
}

impl ReplyChannel {
    async fn open(channel: Channel, ledger: Arc<Ledger>) -> Result<Self, ChannelError> {
        let publisher = Publisher::new(channel).await?.mandatory();
        // Before the first request, which the broker would refuse with 406 otherwise.
        let replies = publisher.channel().consume(REPLY_TO).no_ack();
        // One that is too large is told to its call.
        let replies = replies.mark_oversized().await?;
        Ok(Self {
            pending: Pending::new(replies, &ledger),
            publisher,
        })
    }
}

impl OnChannel for ReplyChannel {
    fn channel(&self) -> &Channel {
        self.publisher.channel()
    }

    fn is_useless(&self) -> bool {
        self.pending.is_without_consumer()
    }
}

impl Client {
    /// A client on this connection. To be awaited; options can be set before that.
    pub fn open(connection: &Connection) -> OpenClient {
        OpenClient {
            connection: connection.clone(),
            timeout: TIMEOUT,
            max_calls: MAX_CALLS,
        }
    }

    /// Sends a request and waits for its reply. To be awaited, alone or with others; a timeout of its
    /// own can be set before that.
    ///
    /// The client sets the message's `reply_to` and `correlation_id`.
    /// The request is mandatory. Give it an [`expiration`](Message::expiration) if it should not be
    /// handled after the call has given up.
    pub fn call(
        &self,
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
        message: impl IntoMessage,
    ) -> Call<'_> {
        Call {
            request: Some(Request {
                client: self,
                exchange: exchange.as_ref().to_owned(),
                routing_key: routing_key.as_ref().to_owned(),
                message: message.into_owned_message(),
                timeout: self.timeout,
                repeat_when_lost: false,
            }),
            making: None,
        }
    }

    /// What has become of the calls so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let counts = self.ledger.counts();
        Counters {
            calls: counts.calls,
            pending: counts.pending as u64,
            replies: counts.replies,
            timed_out: counts.timed_out,
            late: counts.late,
            unknown: counts.unknown,
        }
    }

    /// The client's channel: for its events, and to close it. Calls that wait end then, and the
    /// client with them. When the broker has closed it, the next call opens another.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.lines.current().channel().clone()
    }
}

/// A client about to be opened; see [`Client::open`].
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before this is awaited"]
pub struct OpenClient {
    connection: Connection,
    timeout: Duration,
    max_calls: usize,
}

impl OpenClient {
    /// How long a call may take, from being awaited to its reply; [`Duration::MAX`] is for ever.
    /// Default: 30 seconds.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// How many calls may wait for their replies at once; more are refused with
    /// [`Error::TooManyCalls`]. Default: 4096.
    pub fn max_calls(mut self, limit: usize) -> Self {
        self.max_calls = limit;
        self
    }

    async fn open(self) -> Result<Client, ChannelError> {
        let ledger = Ledger::new(self.max_calls);
        let channel = self.connection.open_channel().await?;
        let first = ReplyChannel::open(channel, Arc::clone(&ledger)).await?;
        let of_the_next = Arc::clone(&ledger);
        let open = move |channel| ReplyChannel::open(channel, Arc::clone(&of_the_next));
        Ok(Client {
            lines: Succession::new(first, open),
            ledger,
            timeout: self.timeout,
        })
    }
}

impl IntoFuture for OpenClient {
    type Output = Result<Client, ChannelError>;
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

/// A call, made when this is first polled; see [`Client::call`].
///
/// It is a future: several are awaited at once by `join!`, [for instance](crate::rpc#several-calls-at-once).
/// It ends with the reply, or with whatever is none; see [`Error`] for what may have happened to the
/// request.
///
/// # Cancel safety
///
/// If it is dropped, the request was sent whole or not at all; its reply is discarded.
#[must_use = "nothing is sent before this is awaited"]
pub struct Call<'a> {
    /// Until it is polled.
    request: Option<Request<'a>>,
    /// From then on, until it has ended.
    making: Option<Making<'a>>,
}

type Making<'a> = Pin<Box<dyn Future<Output = Result<ReceivedMessage, Error>> + Send + 'a>>;

/// A call about to be made.
struct Request<'a> {
    client: &'a Client,
    exchange: String,
    routing_key: String,
    message: Message,
    timeout: Duration,
    repeat_when_lost: bool,
}

impl Call<'_> {
    /// How long this call may take, from being awaited to its reply; [`Duration::MAX`] is for ever.
    /// Default: that of the client. Once it has been polled it keeps what it has.
    pub fn timeout(mut self, limit: Duration) -> Self {
        if let Some(request) = &mut self.request {
            request.timeout = limit;
        }
        self
    }

    /// Sends the request again when the connection is lost before the reply has come, instead of
    /// ending with [`Error::Lost`]: on the next connection, as often as that happens within the
    /// call's time. The request may then be handled several times: this is for requests that change
    /// nothing, or change nothing more when they are repeated.
    ///
    /// Without [recovery](crate::options::Recovery) this does nothing.
    pub fn repeat_when_lost(mut self) -> Self {
        if let Some(request) = &mut self.request {
            request.repeat_when_lost = true;
        }
        self
    }
}

impl Request<'_> {
    async fn make(self) -> Result<ReceivedMessage, Error> {
        let Self {
            client,
            exchange,
            routing_key,
            message,
            timeout,
            repeat_when_lost,
        } = self;
        let mut place = client.ledger.enter()?;
        let connection = client.lines.connection();
        let mut timer = Timer::new(connection, timeout);
        let mut message = message.reply_to(REPLY_TO);
        let mut more_attempts = 1..ATTEMPTS;
        let outcome = loop {
            let live = client.lines.live();
            let Some(line) = in_time(live, &mut timer).await else {
                break CallOutcome::TimeOut { sent: false };
            };
            let line = line.map_err(|error| Error::NotSent(ConsumeError::Channel(error)))?;
            let outcome = match line.pending.begin(&mut place) {
                Ok(waiting) => {
                    message = message.correlation_id(waiting.id().to_string());
                    let send = line.publisher.send(&exchange, &routing_key, &message);
                    exchanged(line.channel(), &waiting, send, &mut timer).await
                }
                Err(end) => CallOutcome::NotSent(end),
            };
            let again = match &outcome {
                // These wait for the next stream, and each loss of one is an end.
                CallOutcome::NotSentOnStream(_) => true,
                CallOutcome::Failed(Error::Lost(_)) => repeat_when_lost,
                outcome => outcome.is_worth_another() && more_attempts.next().is_some(),
            };
            if !again {
                break outcome;
            }
        };
        match outcome {
            CallOutcome::Replied(reply) => Ok(reply),
            CallOutcome::Failed(error) => Err(error),
            CallOutcome::NotSent(cause) => Err(Error::NotSent(cause)),
            CallOutcome::NotSentOnStream(cause) => {
                Err(Error::NotSent(ConsumeError::Channel(cause.into())))
            }
            CallOutcome::TimeOut { sent } => {
                client.ledger.count_timeout();
                Err(Error::Timeout {
                    after: timeout,
                    sent,
                    exchange: exchange.into_boxed_str(),
                    routing_key: routing_key.into_boxed_str(),
                })
            }
        }
    }
}

/// What has become of an attempt to make a call.
enum CallOutcome {
    Replied(ReceivedMessage),
    Failed(Error),
    /// Certainly not, since the channel or its consumer of replies had ended.
    NotSent(ConsumeError),
    /// Certainly not: the stream was lost before, and the channel goes on on another.
    NotSentOnStream(ConnectionError),
    TimeOut {
        sent: bool,
    },
}

impl CallOutcome {
    /// Whether another channel may do what this one could not. Nothing is ever sent twice.
    fn is_worth_another(&self) -> bool {
        match self {
            Self::NotSent(ConsumeError::Channel(ChannelError::ClosedByBroker(_))) => true,
            Self::NotSent(cause) => is_of_consumer(cause),
            _ => false,
        }
    }

    /// What has become of a request that was not published as it should be on this channel.
    fn of_publish(error: PublishError, channel: &Channel) -> Self {
        let goes_on = || channel.shared().ended().is_none();
        match error {
            PublishError::NotSent(ChannelError::Connection(cause)) if goes_on() => {
                Self::NotSentOnStream(cause)
            }
            PublishError::Uncertain(ChannelError::Connection(cause)) if goes_on() => {
                Self::Failed(Error::Lost(cause))
            }
            error => Error::from(error).into(),
        }
    }
}

impl From<Error> for CallOutcome {
    fn from(error: Error) -> Self {
        match error {
            Error::NotSent(cause) => Self::NotSent(cause),
            error => Self::Failed(error),
        }
    }
}

/// Waits, but no longer than there is time.
async fn in_time<T>(future: impl Future<Output = T>, timer: &mut Timer) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.poll(context).map(|()| None),
    })
    .await
}

/// Sends a request and waits for its reply.
async fn exchanged(
    channel: &Channel,
    waiting: &Waiting,
    send: impl Future<Output = Result<Confirmation, PublishError>>,
    timer: &mut Timer,
) -> CallOutcome {
    let confirmation = match in_time(send, timer).await {
        Some(Ok(confirmation)) => confirmation,
        Some(Err(error)) => return CallOutcome::of_publish(error, channel),
        None => return CallOutcome::TimeOut { sent: false },
    };
    // The reply has to be read.
    let _demand = Demand::new(&channel.shared().connection);
    let outcome = reply(channel, waiting, confirmation, timer).await;
    outcome.unwrap_or(CallOutcome::TimeOut { sent: true })
}

/// Waits for the reply, for bad news of the request, or until time is up.
async fn reply(
    channel: &Channel,
    waiting: &Waiting,
    confirmation: Confirmation,
    timer: &mut Timer,
) -> Option<CallOutcome> {
    let number = confirmation.sequence_number();
    let mut unconfirmed = Some(confirmation);
    poll_fn(|context| {
        let replied = waiting.poll(number, context).map(|replied| match replied {
            Ok(reply) => CallOutcome::Replied(reply),
            Err(error) => error.into(),
        });
        if let Poll::Ready(CallOutcome::Replied(_)) = replied {
            return replied.map(Some);
        }
        // Of a request that will have no reply this knows more: it may not have been sent.
        if let Some(confirmation) = &mut unconfirmed {
            match Pin::new(confirmation).poll(context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => unconfirmed = None,
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Some(CallOutcome::of_publish(error, channel)));
                }
            }
        }
        if replied.is_ready() {
            return replied.map(Some);
        }
        timer.poll(context).map(|()| None)
    })
    .await
}

impl Future for Call<'_> {
    type Output = Result<ReceivedMessage, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(request) = self.request.take() {
            self.making = Some(Box::pin(request.make()));
        }
        let Some(making) = &mut self.making else {
            return Poll::Pending; // it has ended
        };
        let output = ready!(making.as_mut().poll(context));
        self.making = None;
        Poll::Ready(output)
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Call");
        if let Some(request) = &self.request {
            shown
                .field("exchange", &request.exchange)
                .field("routing_key", &request.routing_key)
                .field("timeout", &request.timeout);
        }
        shown.finish_non_exhaustive()
    }
}

/// What has become of a client's calls; see [`Client::counters`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
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
