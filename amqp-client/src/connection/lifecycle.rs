//! The life of a connection: what drives it, what it opens, and how it ends.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use amqp_spec::ReplyCode;
#[cfg(any(test, feature = "tokio"))]
use amqp_spec::constants;
use amqp_spec::wire::FieldTable;

use super::capabilities::ServerCapabilities;
use crate::channel::Channel;
use crate::error::{ChannelError, ConnectCause, ConnectError, ConnectionError, Stage, Subject};
use crate::handle::Handle;
use crate::options::ConnectionOptions;
use crate::proto::Core;
use crate::proto::config::{CoreOptions, Limits};
use crate::proto::observe::Trace;
use crate::proto::opening::outcome::Opening;
use crate::proto::recovery::{Recovery, State};
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::shared::place::Place;
use crate::proto::shutdown::{CloseTimes, ShutdownReport, closed_by_the_application};
use crate::proto::time::clock::Clock;
use crate::proto::wait::Watch;
use crate::publish::Publisher;

/// A connection to a broker.
///
/// Cheap to clone; all clones are the same connection. It stays open as long as any clone, channel,
/// publisher or consumer of it is alive. Dropping the last one closes it in the background, as far
/// as a runtime is still there to do it; [`close`](Self::close) waits and reports.
///
/// ```no_run
/// use amqp_client::{Connection, Message};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let connection = Connection::open("amqp://localhost").await?;
/// let publisher = connection.open_publisher().await?;
/// publisher.publish("amq.topic", "greetings", Message::new("hello")).await?;
/// connection.close().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Connection {
    handle: Arc<Handle>,
}

/// What RabbitMQ proposes unless it is configured otherwise.
#[cfg(any(test, feature = "tokio"))]
const USUAL_CHANNEL_MAX: u16 = 2047;

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.address())
            .field("peer_addr", &self.peer_addr())
            .field("limits", &self.limits())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// The protocol core of a new connection and its handle, for an event loop of one's own, which
    /// moves bytes between the core and a stream; the page of [`proto`](crate::proto) says how.
    /// `clock` tells the time that the core is driven with, `Instant::now` for instance; it may
    /// capture what it needs. Handles call it from any thread, where something has a time limit,
    /// and never while they hold a lock of the library. Wait for [`opened`](Self::opened) before
    /// anything else.
    ///
    /// Of the options, those about hosts, TCP and TLS are not used, and a
    /// [source of credentials](ConnectionOptions::credential_source) is not asked. With the feature
    /// `tokio`, `Connection::open` does all of that.
    #[must_use]
    pub fn with_core(
        options: &ConnectionOptions,
        clock: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> (Core, Self) {
        let place = Place {
            address: options.address(),
            peer: None,
        };
        let options = options.clone().recovery(Recovery::off());
        Self::with_core_at(&options, Clock::new(clock), place)
    }

    /// As [`with_core`](Self::with_core), of a connection that comes back when it is lost, as the
    /// [`recovery`](ConnectionOptions::recovery) of the options says: its driver connects another
    /// stream when [`Core::sequel`] tells it to, and says so by [`reconnect`](Self::reconnect).
    #[must_use]
    pub fn with_recovering_core(
        options: &ConnectionOptions,
        clock: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> (Core, Self) {
        let place = Place {
            address: options.address(),
            peer: None,
        };
        Self::with_core_at(options, Clock::new(clock), place)
    }

    /// Gives the core of this connection another stream, which has been connected: its next turn
    /// begins to open the connection on it, with the user, the limits and the `handshake_timeout` of
    /// these options. Nothing happens unless [`Core::sequel`] tells to.
    pub fn reconnect(&self, core: &mut Core, options: &ConnectionOptions) {
        let clock = self.shared().clock.clone();
        let now = clock.now();
        let place = Place {
            address: options.address(),
            peer: None,
        };
        core.connected(options.to_core(clock), place, now);
    }

    /// Tells the core of this connection that an attempt to get another stream is over, which could
    /// not be connected, or on which the connection was not opened: [`Core::sequel`] tells then when
    /// the next attempt is due, or that it was the last.
    pub fn not_reconnected(&self, core: &mut Core, cause: impl Into<ConnectCause>) {
        let now = self.shared().clock.now();
        let (stage, cause) = match core.handshake_outcome() {
            Some(Err(failed)) => failed,
            _ => (Stage::Tcp, cause.into()),
        };
        core.not_connected(ConnectError::new(stage, self.address(), cause), now);
    }

    /// The same, where it is known which host the stream leads to.
    pub(crate) fn with_core_at(
        options: &ConnectionOptions,
        clock: Clock,
        place: Place,
    ) -> (Core, Self) {
        Self::with_core_by(Core::new, options, clock, place)
    }

    /// The same, of a connection that waits for its first stream.
    #[cfg(any(test, feature = "tokio"))]
    pub(crate) fn with_waiting_core(
        options: &ConnectionOptions,
        clock: Clock,
        address: String,
    ) -> (Core, Self) {
        let place = Place {
            address,
            peer: None,
        };
        let (core, connection) = Self::with_core_by(Core::waiting, options, clock, place);
        let channel_max = match options.channel_max {
            0 => USUAL_CHANNEL_MAX,
            wanted => wanted,
        };
        // Requests may be made before a broker has said what it takes.
        connection.shared().set_limits(Limits {
            channel_max,
            frame_max: constants::FRAME_MIN_SIZE,
            heartbeat: Duration::ZERO,
        });
        (core, connection)
    }

    fn with_core_by(
        make: impl FnOnce(CoreOptions, Trace, Instant) -> (Core, Arc<ConnectionShared>, Arc<Opening>),
        options: &ConnectionOptions,
        clock: Clock,
        place: Place,
    ) -> (Core, Self) {
        let now = clock.now();
        let core_options = options.to_core(clock);
        let trace = Trace::new(&place.address, place.peer, &core_options.login.virtual_host);
        let (core, shared, opening) = make(core_options, trace, now);
        shared.set_place(place);
        let close_times = CloseTimes {
            close_timeout: options.close_timeout,
            write_timeout: options.write_timeout,
        };
        let handle = Handle {
            shared,
            opening,
            close_times,
        };
        (
            core,
            Self {
                handle: Arc::new(handle),
            },
        )
    }

    /// One more handle.
    pub(crate) fn of(handle: &Arc<Handle>) -> Self {
        let handle = Arc::clone(handle);
        Self { handle }
    }

    pub(crate) fn downgrade(&self) -> Weak<Handle> {
        Arc::downgrade(&self.handle)
    }

    pub(crate) fn shared(&self) -> &Arc<ConnectionShared> {
        &self.handle.shared
    }

    /// Waits until the connection is open. That of [`with_core`](Self::with_core) is not before its
    /// core has been driven so far.
    ///
    /// # Errors
    ///
    /// How far it came and what happened then. The address in it is the one that
    /// [`address`](Self::address) tells. What was reported as
    /// [`ConnectionError::Tls`] is told as a failure of TLS, whenever it came.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing; it may be called again.
    pub async fn opened(&self) -> Result<(), ConnectError> {
        let failed = |(stage, cause)| match cause {
            ConnectCause::Connection(ConnectionError::Tls(error)) => {
                let cause = ConnectCause::Tls((*error).clone());
                ConnectError::new(Stage::Tls, self.address(), cause)
            }
            cause => ConnectError::new(stage, self.address(), cause),
        };
        self.opened_or_stage().await.map_err(failed)
    }

    /// The same, for an adapter that knows more of the place.
    pub(crate) async fn opened_or_stage(&self) -> Result<(), (Stage, ConnectCause)> {
        let opening = &self.handle.opening;
        Watch::new(
            |place, context| opening.poll(place, context),
            |place| opening.forget(place),
        )
        .await
    }

    /// Opens a channel.
    ///
    /// # Errors
    ///
    /// [`ChannelError::ChannelLimit`] if as many as agreed are open already.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the channel is closed again as soon as the broker has opened it.
    pub async fn open_channel(&self) -> Result<Channel, ChannelError> {
        Channel::open(&self.handle, None).await
    }

    /// Opens the channel of this id, from 1 to the negotiated [`channel_max`](Limits::channel_max);
    /// for programs whose ids mean something, in a trace for instance. What is kept per channel is
    /// kept for all ids below as well.
    ///
    /// # Errors
    ///
    /// [`ChannelError::IdInUse`] while a channel has that id, or its close is not answered
    /// yet; [`ChannelError::IdOutOfRange`].
    ///
    /// # Cancel safety
    ///
    /// As [`open_channel`](Self::open_channel).
    pub async fn open_channel_with_id(&self, id: u16) -> Result<Channel, ChannelError> {
        Channel::open(&self.handle, Some(id)).await
    }

    /// Opens a channel for publishing with confirms. The publisher owns it: when the broker closes
    /// the channel, for a message to an exchange that does not exist for instance, it is opened
    /// anew in its place for the next message. The guide ("One bad message", in its chapter on
    /// publishing) says what each message is told.
    ///
    /// # Errors
    ///
    /// As [`open_channel`](Self::open_channel).
    ///
    /// # Cancel safety
    ///
    /// As [`open_channel`](Self::open_channel).
    pub async fn open_publisher(&self) -> Result<Publisher, ChannelError> {
        let publisher = Publisher::new(self.open_channel().await?).await?;
        let shared = publisher.channel().shared();
        let connection = &shared.connection;
        let (now, timeout) = (connection.clock.now(), connection.request_timeout);
        connection
            .outbox()
            .order_mut()
            .renew_when_closed(shared.at, now, timeout);
        Ok(publisher)
    }

    /// The host and port that answered, as they were configured: of several hosts the one that this
    /// connection leads to at present, or led to before it was lost. For a Unix socket its path; for a stream that the program brought
    /// along, all hosts of the options.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), amqp_client::ConnectError> {
    /// let connection = amqp_client::Connection::open("amqp://rabbit-1,rabbit-2").await?;
    /// println!("connected to {}", connection.address()); // rabbit-2:5672
    /// let cause = connection.closed().await;
    /// eprintln!("{}: {cause}", connection.address());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn address(&self) -> String {
        self.handle.shared.place().address
    }

    /// The address that the name of that host was resolved to; `None` unless the library connected over
    /// TCP.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.handle.shared.place().peer
    }

    /// What both sides agreed on.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.handle.shared.limits()
    }

    /// What the broker says of itself: product, version, capabilities.
    #[must_use]
    pub fn server_properties(&self) -> FieldTable {
        self.handle.opening.server_properties()
    }

    /// What the broker says it can do.
    #[must_use]
    pub fn server_capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::of(&self.server_properties())
    }

    /// Whether the connection takes anything: the broker has opened it, it has not ended, and it
    /// is not being closed. It may end at any time; operations tell by themselves.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.handle.opening.has_succeeded()
            && !self.handle.shared.outbox().order().is_closing()
            && self.close_reason().is_none()
    }

    /// Where the connection stands: [`State::Open`] once everything that it had before a loss is
    /// back, [`State::Recovering`] from the loss until then, and while it is opened for the first
    /// time.
    #[must_use]
    pub fn state(&self) -> State {
        let shared = &self.handle.shared;
        let state = shared.standing.get();
        match state {
            Some(state @ State::Closed(_)) => state,
            _ if shared.outbox().is_ending() => State::Closing,
            Some(state) => state,
            None => State::Recovering { attempt: 1 },
        }
    }

    /// Waits until the connection is open and everything is back that it had before it was lost, or
    /// until it has ended for good. At once if that is so already.
    ///
    /// # Errors
    ///
    /// Why it has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn ready(&self) -> Result<(), ConnectionError> {
        let standing = &self.handle.shared.standing;
        Watch::new(
            |place, context| standing.poll_ready(place, context),
            |place| standing.forget(place),
        )
        .await
    }

    /// Why the connection ended; `None` before.
    #[must_use]
    pub fn close_reason(&self) -> Option<ConnectionError> {
        self.handle.shared.ended()
    }

    /// Waits until the connection has ended, for whatever reason, and tells it.
    ///
    /// ```no_run
    /// # async fn example(connection: amqp_client::Connection) {
    /// tokio::spawn(async move {
    ///     let cause = connection.closed().await;
    ///     eprintln!("{cause}");
    /// });
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn closed(&self) -> ConnectionError {
        let connection = &self.handle.shared;
        Watch::new(
            |place, context| connection.end.poll(place, context),
            |place| connection.end.forget(place),
        )
        .await
    }

    /// Closes the connection: everything accepted before is written first, then the broker's answer
    /// is awaited. Requests that wait for a reply, and are held back by one that is not answered,
    /// are not sent. May be called any number of times, from anywhere.
    ///
    /// Waits as long as octets leave: see [`close_timeout`](ConnectionOptions::close_timeout).
    ///
    /// # Errors
    ///
    /// Why the connection ended, if not because it was closed. [`ConnectionError::CloseTimeout`]
    /// says how much of what was accepted has not been written.
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, the connection closes even if it is dropped.
    pub async fn close(&self) -> Result<(), ConnectionError> {
        let (reply_code, reply_text) = closed_by_the_application();
        self.handle.begin_close(reply_code, reply_text);
        self.closed_by_us().await
    }

    /// As [`close`](Self::close), telling the broker this code and text: up to 255 bytes, which it
    /// writes to its log. If the connection is being closed already, the first code and text stand.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close), in [`ChannelError::Connection`]; and [`ChannelError::TooLong`]:
    /// the text does not fit, and the connection stays open.
    ///
    /// # Cancel safety
    ///
    /// As [`close`](Self::close).
    pub async fn close_with(
        &self,
        reply_code: ReplyCode,
        reply_text: impl AsRef<str>,
    ) -> Result<(), ChannelError> {
        let reply_text = Subject::Nothing.short("reply_text", reply_text.as_ref())?;
        self.handle.begin_close(reply_code, reply_text);
        Ok(self.closed_by_us().await?)
    }

    /// Shuts the connection down without cutting anything short, as far as `grace` allows: to stop
    /// a service that others take over from.
    ///
    /// * All consumers are cancelled. What has come and was not yielded goes back to its queue at
    ///   once, so that others work on it while what runs here comes to its end: `next()` gives
    ///   `None`, runs of [`handle`](crate::Consumer::handle) and RPC servers begin nothing more. A
    ///   consumer without acknowledgements still yields what has come, which would be lost
    ///   otherwise; to a stream nothing goes back.
    /// * What the program has of deliveries and fetched messages it can settle, on the channel that
    ///   they came on, and it may publish: handlers run to their end, and so do what they publish
    ///   and the calls they make. No consumer is started any more. A delivery that was dropped
    ///   without being settled counts as one that is worked on.
    /// * When all of that is settled, publishes that wait already are still let in, while new ones
    ///   are refused as after [`close`](Self::close); what was accepted is written, and its
    ///   confirms are awaited.
    /// * Then the connection is closed, as [`close`](Self::close) does. Calls
    ///   ([`rpc::Client`](crate::rpc::Client)) and requests that are under way outside of handlers
    ///   are not waited for: a program that needs their replies awaits them first.
    ///
    /// After `grace` the connection is closed, whatever is left; the report tells how much that
    /// was. In all it takes no longer than `grace` and what a close takes then:
    /// [`close_timeout`](ConnectionOptions::close_timeout) at most if the broker reads nothing. A
    /// grace of zero gives back what was not yielded, and closes.
    ///
    /// A handler is best written so that it publishes what it has to, and then acknowledges. A
    /// consumer that is yielding a delivery in the very moment in which it goes back may do both;
    /// to settle it is [`Stale`](crate::consume::Settled::Stale) then, and another consumer has the
    /// message, too. What a transaction has not committed is rolled back.
    ///
    /// May be called any number of times: of several graces the one that ends first counts. A
    /// [`close`](Self::close) beside it closes at once, and so does the end of the last handle. If
    /// the connection is lost meanwhile, it does not come back; if it is lost already and about to
    /// [recover](crate::options::Recovery), that is over at once.
    ///
    /// ```no_run
    /// # async fn example(connection: amqp_client::Connection) {
    /// use std::time::Duration;
    ///
    /// let report = connection.shutdown(Duration::from_secs(20)).await;
    /// if !report.is_clean() {
    ///     eprintln!("left: {report}");
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, the shutdown goes on even if it is dropped, and ends
    /// with the connection closed; another call gets the report.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.handle.begin_shutdown(grace);
        let cause = self.closed().await;
        self.shared().shutdown.report(cause)
    }

    /// Waits for the end that was asked for.
    async fn closed_by_us(&self) -> Result<(), ConnectionError> {
        match self.closed().await {
            ConnectionError::Closed => Ok(()),
            error => Err(error),
        }
    }
}
