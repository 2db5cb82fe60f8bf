//! Connecting: the way in, and the way out.
//!
//! ```no_run
//! use amqp_client::Connection;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connection = Connection::open("amqp://user:password@broker.example/orders").await?;
//! // …
//! connection.close().await?;
//! # Ok(()) }
//! ```
//!
//! # The address
//!
//! `amqp://user:password@host:port/virtual-host?parameter=value`. Everything after the scheme is
//! optional: `amqp://localhost` means user and password `guest`, port 5672 and the virtual host
//! `/`.
//!
//! * Characters that mean something in a URI are percent-encoded: a password `p@ss` is `p%40ss`, a
//!   virtual host `a/b` is `a%2fb`. A password with a `/`, `?`, `#`, `%` or space that is not
//!   encoded is an error that says how to write it, and shows nothing of it. `amqp://host` and
//!   `amqp://host/%2f` are the virtual host `/`; `amqp://host/` with nothing behind the slash is
//!   the virtual host whose name is empty, which hardly any broker has.
//! * An unknown parameter is an error, so that a typing mistake does not pass for a setting.
//! * RabbitMQ lets `guest` in from localhost only. From elsewhere it refuses the password.
//! * Several hosts stand side by side: `amqp://a,b:5673,[::1]/orders`.
//!
//! Every option can be said in a URI, under the names that RabbitMQ's clients and pika use:
//! `heartbeat`, `connection_timeout` (in milliseconds), `channel_max`, `frame_max`,
//! `auth_mechanism`, `cacertfile`, `certfile`, `keyfile`, `verify`, `server_name_indication`,
//! `blocked_connection_timeout`, `connection_attempts`, `retry_delay`, `recovery` and more. Times are in
//! seconds, but for `connection_timeout`, or have their unit with them: `request_timeout=500ms`,
//! `connection_timeout=15s`. [`ConnectionOptions::from_env`] takes the URI from `AMQP_URL`, and
//! passwords and files from other variables.
//!
//! What a URI says can be said with [`ConnectionOptions`] as well, and refined:
//!
//! ```
//! use amqp_client::ConnectionOptions;
//! use std::time::Duration;
//!
//! let options: ConnectionOptions = "amqp://app:secret@broker.example/orders?heartbeat=20".parse()?;
//! let options = options
//!     .connection_name("order-service")
//!     .connect_timeout(Duration::from_secs(3));
//! # Ok::<(), amqp_client::error::UriError>(())
//! ```
//!
//! [`Connection::open_with`] takes them. Give every connection a
//! [name](crate::ConnectionOptions::connection_name): it is what you see in the broker's management
//! when you ask yourself whose connection that is. (Without one, it is that of the program, with
//! the number of the process.)
//!
//! # Logging in
//!
//! | with | how |
//! |---|---|
//! | user and password | in the URI, or [`login`](crate::ConnectionOptions::login); each by itself [`user`](crate::ConnectionOptions::user) and [`password`](crate::ConnectionOptions::password) |
//! | a TLS certificate | [`client_certificate`](crate::TlsOptions::client_certificate), and [`auth_mechanisms([sasl::AuthMechanism::External])`](crate::ConnectionOptions::auth_mechanisms) |
//! | a token (OAuth 2) | [`credential_source`](crate::ConnectionOptions::credential_source): a function that is asked for a token at each attempt, and again before it expires |
//! | something else | a [`SaslMechanism`](crate::sasl::SaslMechanism) of one's own |
//!
//! Passwords and tokens are overwritten in memory when they are not needed any more, and are never shown.
//!
//! # How many connections, how many channels
//!
//! A connection is a TCP connection and a login: it takes milliseconds to open and kilobytes at
//! both ends. Most programs need **one**, opened at the start and kept. Open a second one for
//! publishing if the broker ever holds publishers back: it then stops reading from the whole
//! connection, acknowledgements included.
//!
//! A channel is cheap: a number on the connection, opened by one round trip. It is the unit of
//! three things, which tell how many you want:
//!
//! * **errors**: a broker reports most errors by closing the channel, for all who use it. Tasks
//!   that should not suffer from each other's mistakes have channels of their own. Asking whether a
//!   queue exists, by a passive declare, is best done on a channel made for that.
//! * **order**: what is sent on a channel arrives in that order.
//! * **acknowledgements**: a delivery is acknowledged on the channel that it came on.
//!   ([`Delivery::ack`] sees to it.)
//!
//! Handles ([`Connection`], [`Channel`], [`Publisher`]) are `Send`, `Sync` and cheap to clone, and
//! all clones are the same thing. Sharing a channel between tasks is safe: messages never
//! interleave.
//!
//! # Heartbeats
//!
//! Both sides send something at least every half of the agreed time, and give the other up after
//! twice that time of silence. Default: the lower of our 60 s and what the broker proposes, which
//! is 60 s too; [`heartbeat`](crate::ConnectionOptions::heartbeat) says otherwise. The connection's
//! own task does it: a handler of yours that takes an hour does not matter, unless it blocks the
//! thread that the runtime needs ([`tuning`](super::tuning)). 5 to 20 seconds notice a dead peer
//! sooner and are sensible in most networks; below that, short outages that TCP would have survived
//! cost the connection.
//!
//! While a connection is not read, because consumers hold too much ([`tuning`](super::tuning)), the
//! broker's silence does not count: it may be talking. A broker that has gone is noticed then by
//! heartbeats that cannot be written: within two of them if its host refuses the first, and if the
//! host itself is gone after [`user_timeout`](crate::options::TcpOptions::user_timeout), which is
//! minutes unless it is set. Requests and confirms end within their own times meanwhile.
//!
//! # The end
//!
//! [`Connection::close`] writes what was accepted before, says good-bye, and waits for the answer.
//! It may be called at any time, any number of times. It gives up when
//! [`close_timeout`](crate::ConnectionOptions::close_timeout) (5 s) has passed since the last
//! octets left, or the answer takes longer, and after
//! [`write_timeout`](crate::ConnectionOptions::write_timeout) (120 s) if not all is written by
//! then; [`ConnectionError::CloseTimeout`](crate::ConnectionError::CloseTimeout) says how much was
//! left. A broker that has raised an alarm reads nothing from connections that publish, so that
//! closing one of those ends with that error then.
//!
//! A connection that is lost comes back by itself, on the page [`recovery`](super::recovery), unless
//! the options say otherwise. [`Connection::closed`] waits for the final end, whatever its cause,
//! and tells it. All that are waiting for something on the connection hear the same cause.
//!
//! ```no_run
//! # async fn example(connection: amqp_client::Connection) {
//! tokio::spawn(async move {
//!     let cause = connection.closed().await;
//!     if cause.initiator() != amqp_client::error::Initiator::Application {
//!         eprintln!("the connection has ended: {cause}"); // not by our own `close`
//!     }
//! });
//! # }
//! ```
//!
//! A connection without any handles left (no connection, channel, publisher, consumer or delivery)
//! closes itself in the background, within the same limits. That needs the runtime, so that at the
//! end of `main` an explicit `close` is what makes sure that the last messages are written.
//!
//! # A publisher in shared state
//!
//! A connection that is lost [comes back](super::recovery) in place: what is shared is the publisher
//! itself. `Connection`, `Channel`, `Publisher` and `rpc::Client` are `Clone`, `Send` and `Sync`; a
//! [`Consumer`](crate::Consumer) has one task that takes from it.
//!
//! ```no_run
//! use amqp_client::{Connection, ConnectionError, ConnectionOptions, Error, Publisher};
//!
//! #[derive(Clone)] // Send and Sync as well
//! struct AppState {
//!     connection: Connection,
//!     publisher: Publisher,
//! }
//!
//! impl AppState {
//!     async fn open(options: &ConnectionOptions) -> Result<Self, Error> {
//!         let connection = Connection::open_with(options).await?;
//!         let publisher = connection.open_publisher().await?;
//!         Ok(Self { connection, publisher })
//!     }
//!
//!     async fn close(&self) -> Result<(), ConnectionError> {
//!         self.connection.close().await
//!     }
//! }
//! # fn is<T: Clone + Send + Sync + 'static>(_: T) {}
//! # fn example(state: AppState) { is(state.publisher.clone()); is(state); }
//! ```
//!
//! With [`Connection::start`] in place of `open_with` the program starts whether or not its broker
//! is there; publishes wait. [`ready`](crate::Connection::ready) waits until it is open, and
//! [`Event::Opened`](crate::event::Event::Opened) tells of it.
//!
//! A message whose publishing fails as the connection is lost may have arrived: whether it is
//! published again is the program's decision ([`recovery`](super::recovery#publishing-through-an-outage)).
//!
//! # Several hosts
//!
//! [`hosts`](crate::ConnectionOptions::hosts) names several that lead to the same cluster. They are
//! tried in random order, so that clients spread over the nodes, or in
//! [that given](crate::options::HostOrder::Given), until one answers; all addresses of a name
//! count, IPv6 and IPv4, and names are resolved anew each time.
//! [`connection_attempts`](crate::ConnectionOptions::connection_attempts) goes through them several
//! times, with a [pause](crate::ConnectionOptions::retry_delay) between, for a program that may be
//! started before its broker:
//!
//! ```
//! use amqp_client::ConnectionOptions;
//! use std::time::Duration;
//!
//! let options = ConnectionOptions::default()
//!     .hosts(["rabbit-1", "rabbit-2:5673", "rabbit-3"])
//!     .connection_attempts(10)
//!     .retry_delay(Duration::from_secs(3));
//! ```
//!
//! [`Connection::address`](crate::Connection::address) is the host that answered, and
//! [`peer_addr`](crate::Connection::peer_addr) the address that its name was resolved to. What is
//! said of the end of a connection names no host: log it with one of these, or have `tracing` do
//! so.
//!
//! # Alarms
//!
//! A broker that is short of memory or disk stops reading from connections that publish. Publishing
//! then waits, or fails if [`when_blocked`](crate::ConnectionOptions::when_blocked) says so;
//! [`Connection::events`](crate::Connection::events) and
//! [`Connection::blocked_reason`](crate::Connection::blocked_reason) tell, and
//! [`blocked_connection_timeout`](crate::ConnectionOptions::blocked_connection_timeout) gives up
//! after a while. Consumers on other connections are not concerned.
//!
//! # When it fails
//!
//! [`ConnectError`] has every attempt, with its address, how far it came, and what is probably wrong:
//!
//! ```text
//! cannot connect to localhost:5672 while logging in: connection closed by the broker: 403
//! ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. …
//! ```
//!
//! | stage | the usual suspects |
//! |---|---|
//! | resolving the host name | the name, the DNS |
//! | connecting | no process listens on the port (refused), a firewall (no answer in time) |
//! | agreeing on TLS | see [`tls`](super::tls) |
//! | waiting for `connection.start` | not an AMQP port: 15672 is HTTP, 5671 is TLS; or the broker accepts no connections just now |
//! | logging in | user name, password; `guest` from elsewhere than localhost |
//! | opening the virtual host | its name, the user's permission, a limit of connections |
//!
//! [`is_retryable`](crate::ConnectError::is_retryable) tells whether trying again may help.
//! The password is in none of these messages. `docs/connect-errors.md` in the repository lists them all.
//!
//! ```no_run
//! use amqp_client::error::Diagnosis;
//! use amqp_client::Connection;
//!
//! # async fn example() {
//! match Connection::open("amqp://app:secret@broker.example/orders").await {
//!     Ok(connection) => drop(connection),
//!     Err(error) if error.diagnosis() == Some(Diagnosis::WrongCredentials) => {
//!         eprintln!("has the password been changed?");
//!     }
//!     Err(error) => eprintln!("{error}"),
//! }
//! # }
//! ```
//!
//! [`Channel`]: crate::Channel
//! [`Connection`]: crate::Connection
//! [`Connection::close`]: crate::Connection::close
//! [`Connection::closed`]: crate::Connection::closed
//! [`Connection::open_with`]: crate::Connection::open_with
//! [`Connection::start`]: crate::Connection::start
//! [`ConnectError`]: crate::ConnectError
//! [`ConnectionOptions`]: crate::ConnectionOptions
//! [`ConnectionOptions::from_env`]: crate::ConnectionOptions::from_env
//! [`Delivery::ack`]: crate::Delivery::ack
//! [`Publisher`]: crate::Publisher
