//! Publishing with confirms.

use std::borrow::Borrow;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use amqp_spec::basic::{self, PropertiesRef};
use amqp_spec::wire::TypedMethod;

use super::resend::Resend;
use super::routing::Routing;
use super::sending::{self, PreparedHead, Publish, PublishHead};
use super::unconfirmed::Unconfirmed;
use crate::channel::Channel;
use crate::channel::succession::OnChannel;
use crate::error::{ChannelError, PublishError};
use crate::message::fingerprint::{Common, Fingerprint};
use crate::message::{Body, IntoMessage, Message, ReturnedMessage, field_values};
use crate::proto::config::WhenDown;
use crate::proto::send::outbox::{Head, ZERO_COPY};
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::confirms::ConfirmOutcome;
use crate::proto::shared::lost::Fate;
use crate::proto::shared::reading::Patience;
use crate::proto::shared::timers::Timer;
use crate::proto::wait::{Sleeper, Watch};

/// Publishes messages and reports what became of each.
///
/// [`publish`](Self::publish) is done when the broker has the message. [`send`](Self::send) is done
/// when it is on its way and gives a [`Confirmation`] to await later, so that many can be under
/// way. Cheap to clone; any number of tasks may publish at once. Settings, such as
/// [`max_outstanding`](Self::max_outstanding), belong to a clone: publishers of one channel may
/// have different ones.
///
/// ```no_run
/// use amqp_client::{Connection, Message, PublishError};
///
/// # async fn example(connection: Connection) -> Result<(), Box<dyn std::error::Error>> {
/// let publisher = connection.open_publisher().await?.mandatory();
/// match publisher.publish("", "orders", Message::new("order 42").persistent()).await {
///     Ok(()) => println!("the broker has it"),
///     Err(PublishError::Returned(returned)) => println!("no queue: {}", returned.reply_text),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Publisher {
    channel: Channel,
    routing: Routing,
    max_outstanding: Option<u64>,
    confirm_timeout: Option<Duration>,
    when_down: Option<WhenDown>,
    resend: Option<Resend>,
    /// A publish waits for nothing but room in the outbox.
    is_plain: bool,
}

impl Publisher {
    /// Turns a channel into a publisher (`confirm.select`). The channel can still be used directly.
    /// It remains the program's: when the broker closes it, the publisher ends, unlike one from
    /// [`open_publisher`](crate::Connection::open_publisher).
    ///
    /// # Errors
    ///
    /// 406 if the channel is transactional.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the channel may have been put into confirm mode.
    pub async fn new(channel: Channel) -> Result<Self, ChannelError> {
        channel.confirm_select().await?;
        Ok(Self {
            channel,
            routing: Routing::default(),
            max_outstanding: None,
            confirm_timeout: None,
            when_down: None,
            resend: None,
            is_plain: true,
        })
    }

    /// Publishes messages as mandatory, whatever exchange they go to: one that reaches no queue is
    /// [returned](PublishError::Returned). Those for the default exchange are mandatory anyway; see
    /// [`publish`](Self::publish). Clones that were made before keep their own setting.
    ///
    /// An exchange that keeps messages back, such as the delayed-message exchange, returns
    /// everything.
    #[must_use]
    pub fn mandatory(mut self) -> Self {
        self.routing = Routing::Mandatory;
        self
    }

    /// Publishes messages that need not reach any queue, not even the one that they name: if there
    /// is none they are confirmed and **gone**. The last of this and [`mandatory`](Self::mandatory)
    /// counts.
    #[must_use]
    pub fn allow_unroutable(mut self) -> Self {
        self.routing = Routing::Optional;
        self
    }

    /// Waits before it sends while this many messages of the channel are not confirmed, plain
    /// publishes included; at least 1. All publishers of a channel share what is outstanding; each
    /// clone keeps its own limit. Those that wait go first, in the order in which they came; one
    /// with a higher limit passes those with a lower one, and plain publishes pass all. Default: no
    /// limit, but for the room that there is for what has not been written.
    #[must_use]
    pub fn max_outstanding(mut self, limit: usize) -> Self {
        self.max_outstanding = Some(limit.max(1) as u64);
        self.is_plain = false;
        self
    }

    /// Gives the broker this long to confirm a message, from when it was handed over; then the
    /// message is [uncertain](PublishError::Uncertain), and an answer that comes after all is
    /// ignored. Sending waits no longer either: what is not handed over by then is
    /// [not sent](PublishError::NotSent). Both with [`ChannelError::Timeout`]. The time runs during
    /// alarms too.
    ///
    /// Default: no limit. A confirmation is waited for as long as the connection lives, and its
    /// heartbeats tell whether it does; how long a broker takes depends on its disks and queues.
    #[must_use]
    pub fn confirm_timeout(mut self, timeout: Duration) -> Self {
        self.confirm_timeout = Some(timeout);
        self.is_plain = false;
        self
    }

    /// What publishing does while the connection is lost and comes back: waits, or fails with
    /// [`ChannelError::Recovering`] at once. Default: what the
    /// [connection](crate::ConnectionOptions::when_down) was told.
    #[must_use]
    pub fn when_down(mut self, policy: WhenDown) -> Self {
        self.when_down = Some(policy);
        self
    }

    /// Keeps each message until it is confirmed, and sends it again if it is lost with the
    /// connection, or with a channel that is opened anew: **at least once**, in the order in which
    /// the messages were published, up to repeats. [`publish`](Self::publish) then waits across a
    /// loss, and so does the [`Confirmation`] of [`send`](Self::send), under its number; what was
    /// published twice may be in its queue twice.
    ///
    /// ```no_run
    /// use amqp_client::publish::Resend;
    ///
    /// # async fn example(connection: amqp_client::Connection) -> Result<(), Box<dyn std::error::Error>> {
    /// let publisher = connection.open_publisher().await?
    ///     .resend(Resend::up_to(16 << 20).mark_with("x-resent"));
    /// publisher.publish("", "orders", "order 42").await?; // also across a loss
    /// # Ok(()) }
    /// ```
    ///
    /// A message is kept from the moment it is queued, whether or not its future or its
    /// confirmation is still there: one that is dropped, or is told that its
    /// [time](Self::confirm_timeout) is up, changes nothing for it. Bodies that were handed over,
    /// as `Bytes`, are shared; borrowed ones are copied. From a loss until it is written, a small
    /// message is in memory twice. What is sent again goes behind the requests that wait for the
    /// connection and in front of all that is published then; an alarm does not keep it.
    ///
    /// What is not sent again, and told as always: a message that is confirmed, nacked or
    /// [returned](PublishError::Returned); one that the broker closes the channel for
    /// ([`Refused`](PublishError::Refused)); and one that was unconfirmed at three closes by the
    /// broker, of its channel or, with the codes 501 to 506, 540 and 541, of the connection: that
    /// is [`Uncertain`](PublishError::Uncertain), as it may be what the broker stumbles over. So
    /// is what is unconfirmed when the connection or the channel ends for good: when it is closed
    /// here, recovery gives up, or the broker closes a channel that is not opened anew. Publishers
    /// from [`open_publisher`](crate::Connection::open_publisher) are opened anew; those of
    /// [`Publisher::new`](Self::new) end.
    ///
    /// Without a recovery ([`Recovery::off`](crate::options::Recovery::off)) a lost connection is
    /// the end. Default: nothing is kept, and nothing that may have left is sent again. Costs two
    /// or three allocations a message, and a lock.
    #[must_use]
    pub fn resend(mut self, resend: Resend) -> Self {
        self.resend = Some(resend);
        self.is_plain = false;
        self
    }

    /// The same publisher on another channel.
    pub(crate) async fn on(self, channel: Channel) -> Result<Self, ChannelError> {
        channel.confirm_select().await?;
        Ok(Self { channel, ..self })
    }

    /// The channel that messages go through.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// How many messages of the channel the broker has not answered, those of others and plain
    /// publishes included. Zero when the channel has ended, for nothing is answered any more.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        let shared = self.channel.shared();
        let confirms = shared.confirms();
        match shared
            .connection
            .outbox()
            .channels()
            .published_by(shared.at)
        {
            Some(published) if shared.ended().is_none() => confirms.outstanding(published),
            _ => 0,
        }
    }

    /// The number that the next message published on the channel gets, from 1 on; `None` when the
    /// channel has ended. On a shared channel, use [`Confirmation::sequence_number`].
    #[must_use]
    pub fn next_sequence_number(&self) -> Option<u64> {
        let shared = self.channel.shared();
        let published = shared
            .connection
            .outbox()
            .channels()
            .published_by(shared.at)?;
        shared.ended().is_none().then_some(published + 1)
    }

    /// Waits until the broker has answered everything published on the channel so far, whether or
    /// not the [`Confirmation`]s are kept.
    ///
    /// # Errors
    ///
    /// What was not confirmed, among all that was answered since this was last called on the
    /// channel. Each failure is told once, to one of those that wait: what a [`Confirmation`] or
    /// [`publish`](Self::publish) has told is left out. What is uncertain because the
    /// [time](Self::confirm_timeout) was up may be told once more when it is known.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no failure is forgotten.
    pub async fn wait_for_confirms(&self) -> Result<(), Unconfirmed> {
        let shared = self.channel.shared();
        let upto = {
            let confirms = shared.confirms();
            let published = shared
                .connection
                .outbox()
                .channels()
                .published_by(shared.at);
            published.unwrap_or_else(|| confirms.highest())
        };
        let mut timer = self
            .confirm_timeout
            .map(|timeout| Timer::new(&shared.connection, timeout));
        let mut all = pin!(Watch::new(
            |ticket, context| {
                Sleeper::poll(context, |sleeper| {
                    shared.confirms().poll_all(upto, ticket, sleeper)
                })
            },
            |ticket| {
                let waker = shared.confirms().forget_all(upto, ticket);
                drop(waker);
            },
        ));
        let mut patience = Patience::default();
        let given_up = poll_fn(|context| {
            if all.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            let method = basic::Publish::NAME;
            let timer = timer.as_mut().map(|timer| timer.poll(context));
            if timer.is_some_and(|timer| timer.is_ready()) {
                return Poll::Ready(Some(shared.connection.no_answer(shared.at, method)));
            }
            patience.poll(method, &shared.connection, context).map(Some)
        })
        .await;
        Unconfirmed::take(&mut shared.confirms(), upto, given_up)
    }

    /// Publishes a message and waits until the broker has confirmed it: it has reached its queues,
    /// and their disks if that was asked for.
    ///
    /// With the default exchange (`""`) the routing key is the name of a queue, and `Ok` means that
    /// this queue has taken the message: it is always mandatory there. The exception are addresses
    /// of direct replies (`amq.rabbitmq.reply-to.…`), of which no broker tells truly whether they
    /// were reached. With any other exchange AMQP's rule holds: a message is confirmed even if no
    /// queue was bound for it, and then it is gone. [`mandatory`](Self::mandatory) asks for more,
    /// [`allow_unroutable`](Self::allow_unroutable) for less.
    ///
    /// While a connection that is lost comes back this waits, unless
    /// [`WhenDown::Fail`](crate::options::WhenDown::Fail) was asked for: no longer than the
    /// recovery's [patience](crate::options::Recovery::patience) lasts and the publisher's
    /// [time](Self::confirm_timeout), and then fails with [`ChannelError::Recovering`]. A message
    /// that had not been written whole when the connection was lost is published again from here,
    /// in front of those that were published after it; one that may have left is
    /// [uncertain](PublishError::Uncertain) at once, and never published again. What
    /// [`send`](Self::send) has handed over is not published again either: its [`Confirmation`]
    /// tells which of the two it was. With [`resend`](Self::resend) all of these are sent again,
    /// and this waits on.
    ///
    /// # Errors
    ///
    /// Whatever is not a confirmation; see [`PublishError`] for what may have happened to it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the message was sent whole or not at all.
    pub async fn publish(
        &self,
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
        message: impl IntoMessage,
    ) -> Result<(), PublishError> {
        let (to, key) = (exchange.as_ref(), routing_key.as_ref());
        let message = message.into_message();
        let message: &Message = message.borrow();
        let confirmation = self.send(to, key, message).await?;
        let number = confirmation.number;
        match confirmation.await {
            Err(error) if self.goes_on(&error) => {
                Box::pin(self.publish_again(to, key, message, number)).await
            }
            outcome => outcome,
        }
    }

    /// Whether a message that ended like this certainly did not leave, on a stream that was lost and
    /// has a successor.
    fn goes_on(&self, error: &PublishError) -> bool {
        let shared = self.channel.shared();
        matches!(error, PublishError::NotSent(ChannelError::Connection(_)))
            && shared.connection.ended().is_none()
            && shared.ended().is_none()
    }

    /// Publishes a message which had this number, and was not written whole, until it is on its way
    /// or waits too long.
    async fn publish_again(
        &self,
        to: &str,
        key: &str,
        message: &Message,
        number: u64,
    ) -> Result<(), PublishError> {
        let mandatory = self.routing.is_mandatory(to, key);
        let properties = message.properties().as_ref();
        let head =
            PublishHead::new(to, key, properties, mandatory).map_err(PublishError::NotSent)?;
        let fingerprint = head.fingerprint(message.body());
        let body = Body::from(message.body());
        self.send_again(head, body, fingerprint, number).await
    }

    /// Its place among others is that of the number that it had first.
    async fn send_again(
        &self,
        head: impl Head + Copy + Unpin,
        body: Body<'_>,
        fingerprint: Option<Fingerprint>,
        number: u64,
    ) -> Result<(), PublishError> {
        loop {
            let place = self.channel.shared().place_of(number);
            let again = self.send_in_place(head, body.clone(), fingerprint, place);
            match again.await?.await {
                Err(error) if self.goes_on(&error) => {}
                outcome => return outcome,
            }
        }
    }

    /// Hands a message over for sending, waiting while too much is queued.
    ///
    /// ```no_run
    /// # use amqp_client::{Message, Publisher};
    /// # async fn example(publisher: Publisher) -> Result<(), amqp_client::PublishError> {
    /// let first = publisher.send("", "orders", Message::new("order 1")).await?;
    /// let second = publisher.send("", "orders", Message::new("order 2")).await?;
    /// first.await?;
    /// second.await?; // both are confirmed
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::NotSent`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent.
    pub async fn send(
        &self,
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
        message: impl IntoMessage,
    ) -> Result<Confirmation, PublishError> {
        let (to, key) = (exchange.as_ref(), routing_key.as_ref());
        let message = message.into_message();
        let message: &Message = message.borrow();
        if let Some(refusal) = message.refusal(to, key) {
            return Err(PublishError::NotSent(refusal));
        }
        let properties = message.properties().as_ref();
        let mandatory = self.routing.is_mandatory(to, key);
        let body = message.body();
        if self.is_plain && body.len() < ZERO_COPY {
            let channel = &self.channel;
            let number = if mandatory {
                channel.publish_at_once_returnable(to, key, properties, body)
            } else {
                channel.publish_at_once(to, key, properties, body)
            };
            if let Some(number) = number {
                return Ok(self.confirmation(number, body.len()));
            }
        }
        self.send_later(exchange, routing_key, properties, mandatory, body.into())
            .await
    }

    /// Takes the names along, so that a message that need not wait pays nothing for them.
    async fn send_later(
        &self,
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
        properties: PropertiesRef<'_>,
        mandatory: bool,
        body: Body<'_>,
    ) -> Result<Confirmation, PublishError> {
        let (exchange, routing_key) = (exchange.as_ref(), routing_key.as_ref());
        let head = PublishHead::new(exchange, routing_key, properties, mandatory)
            .map_err(PublishError::NotSent)?;
        let fingerprint = head.fingerprint(body.as_slice());
        self.send_on_terms(head, body, fingerprint).await
    }

    /// Prepares publishing many messages that differ in their bodies only: exchange, routing key
    /// and properties are encoded once. They are mandatory if [`publish`](Self::publish) would make
    /// them so, and the limits of the publisher hold.
    ///
    /// ```no_run
    /// use amqp_client::Properties;
    ///
    /// # async fn example(publisher: amqp_client::Publisher) -> Result<(), Box<dyn std::error::Error>> {
    /// let persistent = Properties::new().delivery_mode(2);
    /// let readings = publisher.prepare("metrics", "temperature", persistent.as_ref())?;
    /// readings.publish("21.5").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// A name is too long, or a header has a value that cannot be sent. Nothing is sent here.
    pub fn prepare(
        &self,
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
        properties: PropertiesRef<'_>,
    ) -> Result<PreparedPublisher, ChannelError> {
        self.prepare_for(exchange.as_ref(), routing_key.as_ref(), properties)
    }

    fn prepare_for(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: PropertiesRef<'_>,
    ) -> Result<PreparedPublisher, ChannelError> {
        if let Some(refusal) = field_values::refusal(properties, exchange, routing_key) {
            return Err(refusal);
        }
        let mandatory = self.routing.is_mandatory(exchange, routing_key);
        let head = PublishHead::new(exchange, routing_key, properties, mandatory)?;
        Ok(PreparedPublisher {
            publisher: self.clone(),
            returnable: head.returnable(),
            head: PreparedHead::new(&head, self.channel.id())?,
        })
    }

    async fn send_on_terms(
        &self,
        head: impl Head + Unpin,
        body: Body<'_>,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Confirmation, PublishError> {
        self.send_in_place(head, body, fingerprint, None).await
    }

    /// The same, for a message that may have a place in line.
    async fn send_in_place(
        &self,
        head: impl Head + Unpin,
        body: Body<'_>,
        fingerprint: Option<Fingerprint>,
        place: Option<u64>,
    ) -> Result<Confirmation, PublishError> {
        let size = body.as_slice().len();
        let mut publish = Publish::new(&self.channel, head, body);
        publish.set_place(place);
        publish.set_when_down(self.when_down);
        publish.set_returnable(fingerprint);
        publish.set_limits(self.max_outstanding, self.confirm_timeout);
        if let Some(resend) = &self.resend {
            publish.set_resend(resend).map_err(PublishError::NotSent)?;
        }
        let number = publish.await.map_err(PublishError::NotSent)?;
        Ok(self.confirmation(number, size))
    }

    #[inline]
    fn confirmation(&self, number: u64, size: usize) -> Confirmation {
        Confirmation {
            channel: self.channel.clone(),
            number,
            size: u32::try_from(size).unwrap_or(u32::MAX),
            done: false,
            limits: self.confirm_timeout.map(|timeout| self.limits(timeout)),
        }
    }

    #[cold]
    fn limits(&self, timeout: Duration) -> Box<WaitLimits> {
        Box::new(WaitLimits {
            timer: Some(Timer::new(&self.channel.shared().connection, timeout)),
            patience: Patience::default(),
        })
    }
}

impl OnChannel for Publisher {
    fn channel(&self) -> &Channel {
        &self.channel
    }
}

/// Whether the broker has closed the channel for a message that was too large, and would not take
/// one of this size either.
fn is_larger(size: u32, error: &ChannelError) -> bool {
    let ChannelError::ClosedByBroker(close) = error else {
        return false;
    };
    let most = close.max_message_size();
    most.is_some_and(|most| u64::from(size) > most)
}

/// Publishes messages that differ in their bodies only; see [`Publisher::prepare`].
#[derive(Clone, Debug)]
pub struct PreparedPublisher {
    publisher: Publisher,
    returnable: Option<Common>,
    head: PreparedHead,
}

impl PreparedPublisher {
    /// As [`Publisher::publish`].
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish`].
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::publish`].
    pub async fn publish(&self, body: impl Into<Body<'_>>) -> Result<(), PublishError> {
        let body = body.into();
        let confirmation = match self.send_at_once(&body) {
            Some(confirmation) => confirmation,
            None => self.send_later(&body).await?,
        };
        let number = confirmation.number;
        match confirmation.await {
            Err(error) if self.publisher.goes_on(&error) => {
                let fingerprint = self.fingerprint(&body);
                let again = self
                    .publisher
                    .send_again(&self.head, body, fingerprint, number);
                Box::pin(again).await
            }
            outcome => outcome,
        }
    }

    /// As [`Publisher::send`].
    ///
    /// # Errors
    ///
    /// As [`Publisher::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::send`].
    pub async fn send(&self, body: impl Into<Body<'_>>) -> Result<Confirmation, PublishError> {
        let body = body.into();
        match self.send_at_once(&body) {
            Some(confirmation) => Ok(confirmation),
            None => self.send_later(&body).await,
        }
    }

    #[inline]
    fn fingerprint(&self, body: &Body<'_>) -> Option<Fingerprint> {
        let returnable = self.returnable.as_ref();
        returnable.map(|common| common.with(body.as_slice()))
    }

    /// Queues a small message if nothing has to be waited for.
    #[inline]
    fn send_at_once(&self, body: &Body<'_>) -> Option<Confirmation> {
        let body = body.as_slice();
        if !self.publisher.is_plain || body.len() >= ZERO_COPY {
            return None;
        }
        let common = self.returnable.as_ref();
        let number = self.at_once(body, common.map(|common| common.with(body)))?;
        Some(self.publisher.confirmation(number, body.len()))
    }

    async fn send_later(&self, body: &Body<'_>) -> Result<Confirmation, PublishError> {
        let fingerprint = self.fingerprint(body);
        self.publisher
            .send_on_terms(&self.head, body.clone(), fingerprint)
            .await
    }

    #[inline]
    fn at_once(&self, body: &[u8], fingerprint: Option<Fingerprint>) -> Option<u64> {
        let (channel, head) = (&self.publisher.channel, &self.head);
        match fingerprint {
            None => sending::at_once(channel, head, body),
            Some(it) => sending::at_once_returnable(channel, head, body, it),
        }
    }
}

/// What the broker will say of a message that was sent.
///
/// Dropping it costs nothing and changes nothing for the message.
///
/// ```no_run
/// use amqp_client::{Message, Publisher};
///
/// # async fn example(publisher: Publisher) -> Result<(), amqp_client::PublishError> {
/// let confirmation = publisher.send("", "orders", Message::new("order 42")).await?;
/// println!("message {} is on its way", confirmation.sequence_number());
/// confirmation.await?; // the broker has it
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "the message may be refused or returned; drop this explicitly if that does not matter"]
pub struct Confirmation {
    channel: Channel,
    number: u64,
    /// How many octets the body has.
    size: u32,
    done: bool,
    /// How long to wait. Few set a limit, and all keep confirmations.
    limits: Option<Box<WaitLimits>>,
}

/// How long a confirm is waited for.
#[derive(Debug, Default)]
struct WaitLimits {
    /// What the publisher has set.
    timer: Option<Timer>,
    patience: Patience,
}

impl WaitLimits {
    fn poll(&mut self, shared: &ChannelShared, context: &Context<'_>) -> Poll<ChannelError> {
        let connection = &shared.connection;
        let timer = self.timer.as_mut().map(|timer| timer.poll(context));
        let method = basic::Publish::NAME;
        if timer.is_some_and(|timer| timer.is_ready()) {
            return Poll::Ready(connection.no_answer(shared.at, method));
        }
        self.patience.poll(method, connection, context)
    }
}

impl Confirmation {
    /// The number of the message on its channel, from 1.
    #[must_use]
    pub fn sequence_number(&self) -> u64 {
        self.number
    }
}

impl Future for Confirmation {
    type Output = Result<(), PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let shared = this.channel.shared();
        // Nearly always: nothing of what waiting takes is made for it.
        if shared.look_at_confirms().is_plainly_acked(this.number) {
            this.done = true;
            this.limits = None;
            return Poll::Ready(Ok(()));
        }
        let polled = Sleeper::poll(context, |sleeper| {
            shared.confirms().poll(this.number, sleeper)
        });
        let outcome = match polled {
            Poll::Pending => {
                if this.limits.is_none() && !shared.connection.reading.stands_still() {
                    return Poll::Pending;
                }
                let limits = this.limits.get_or_insert_default();
                let Poll::Ready(error) = limits.poll(shared, context) else {
                    return Poll::Pending;
                };
                shared.abandon(this.number);
                ConfirmOutcome::Lost(Fate::Uncertain, error)
            }
            Poll::Ready(outcome) => outcome,
        };
        this.done = true;
        this.limits = None;
        Poll::Ready(match outcome {
            ConfirmOutcome::Acked => Ok(()),
            ConfirmOutcome::Nacked => Err(PublishError::Nacked),
            ConfirmOutcome::Returned(message) => Err(PublishError::Returned(Box::new(
                ReturnedMessage::read(*message),
            ))),
            ConfirmOutcome::Lost(fate, error) => Err(match fate {
                _ if is_larger(this.size, &error) => PublishError::Refused(error.for_provoker()),
                Fate::NotSent => PublishError::NotSent(error),
                Fate::Uncertain | Fate::Suspect => PublishError::Uncertain(error),
                Fate::Refused => PublishError::Refused(error),
            }),
        })
    }
}

impl Drop for Confirmation {
    fn drop(&mut self) {
        if !self.done {
            self.channel.shared().abandon(self.number);
        }
    }
}
