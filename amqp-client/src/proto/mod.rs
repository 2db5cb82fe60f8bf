//! The protocol core: AMQP without input and output.
//!
//! No sockets, no clock, no threads, no tasks, no randomness. [`Core`] takes bytes and the time and
//! gives bytes and deadlines; the handles of this crate meet it at a few short locks. With the
//! feature `tokio`, `Connection::open` drives it. An application with its own event loop drives it
//! as this page says; the tokio adapter does no more than that.
//!
//! # From options to a core
//!
//! [`Connection::with_core`] makes the core of a new connection and its handle. They depend on
//! nothing but each other: the core goes to whatever drives it (it is `Send`), the handle to the
//! program, which first awaits [`Connection::opened`]. What `Connection::open` does besides is left
//! to the application:
//!
//! * [`validate`] the options, and ask a source of credentials ([`with_current_credentials`],
//!   [`renew_credentials`]);
//! * connect: hosts ([`addresses`]) and attempts, the options of TCP and TLS, `connect_timeout` and
//!   `open_timeout` are about that, and mean nothing to the core. `handshake_timeout` is the core's:
//!   it runs from `with_core` on, so connect first.
//!
//! The clock that `with_core` is given tells the handles the time. It is the clock of every `now`
//! below, and does not go back. It may capture what it needs, and take locks of the program: it is
//! called without one of the library's.
//!
//! # A turn
//!
//! A driver owns the core and a stream of bytes, and takes turns. Each turn makes these calls in
//! this order:
//!
//! | | calls | |
//! |---|---|---|
//! | 1 | [`set_waker`](Core::set_waker) | first, so that nothing that happens during the turn is missed |
//! | 2 | [`turn`](Core::turn) | tells the time, and goes on with what the last turn has left |
//! | 3 | [`read_space`](Core::read_space), [`read_done`](Core::read_done) | while [`interest`](Core::interest)`().read` is true and the stream has something, a bounded number of times |
//! | | [`body_space`](Core::body_space), [`body_read`](Core::body_read) | in their place, where a large message is under way; for readers into memory that is not initialised |
//! | | [`feed`](Core::feed) | in place of both, where the driver has read into its own memory |
//! | 4 | [`transmit`](Core::transmit), [`transmitted`](Core::transmitted) | while the former shows something and the stream takes some of it, a bounded number of times |
//! | 5 | [`deadline`](Core::deadline), [`handle_timeout`](Core::handle_timeout) | the latter if the former has come |
//! | 6 | [`is_finished`](Core::is_finished) | if true, that was the last turn: close the stream and drop the core |
//!
//! Reading and writing come before the deadline: a process that was suspended finds what came in
//! the meantime, and is not told that its peer is dead. A driver whose reads answer from remembered
//! readiness has its reactor look at the stream once more before step 5. Reads and writes are
//! bounded so that neither starves the other, nor the deadline; a few of each are enough.
//!
//! The next turn is due at once if [`Interest::again`] is true, after other tasks have had theirs.
//! Otherwise it is due when the first of these happens, and there is no other reason for one:
//!
//! * the waker is called;
//! * the deadline comes; each call may move it, so it is asked for behind the last one;
//! * the stream is readable, while [`Interest::read`] is true. While it is false the stream is left
//!   alone, though it has something or has ended: that is back-pressure;
//! * the stream is writable, while [`Interest::write`] is true.
//!
//! # The waker
//!
//! It is called when something outside of the driver's calls gives it something to do:
//!
//! * something is queued: a message, a request, an acknowledgement, what the drop of a handle
//!   sends;
//! * reading may go on: consumers have taken what was held for them, or a future waits for what has
//!   to be read;
//! * a handle waits with a time limit that is earlier than the deadline;
//! * the connection has ended, or publishers that were called are about to queue more.
//!
//! It may be called from any thread, also from within a call of the driver, and for nothing; never
//! while a lock of the library is held. It is called once for all that is queued until `transmit`
//! has returned `None` again, so a driver that was woken takes a whole turn. What the driver's own
//! calls cause (an answer to what was read, a heartbeat) does not call it: `interest` tells it when
//! the turn ends. The core keeps one waker, the last that was registered, and forgets it when it is
//! dropped.
//!
//! # Each call
//!
//! | call | when | effect and units |
//! |---|---|---|
//! | [`set_waker`](Core::set_waker) | any time, first in each turn | a comparison, unless the waker is another one |
//! | [`turn`](Core::turn) | once a turn, behind `set_waker` | may parse; decides whether to read |
//! | [`interest`](Core::interest) | any time | none: it changes with calls of other methods only |
//! | [`read_space`](Core::read_space) | while `interest().read` | room for at least one byte |
//! | [`read_done`](Core::read_done) | behind `read_space` | `n` bytes of it are filled, 0: the stream has ended. Parses them, and wakes the tasks that wait for what they say |
//! | [`body_space`](Core::body_space) | while `interest().read` | room in the message itself, or `None`; may be passed over |
//! | [`body_read`](Core::body_read) | behind `body_space` | `n` bytes have been appended to it, 0: the stream has ended |
//! | [`feed`](Core::feed) | while `interest().read` | takes octets from the driver's own memory, and says how many: what is left is for a later turn, before anything else is read |
//! | [`transmit`](Core::transmit) | any time | shows the same until `transmitted` |
//! | [`Transmit::contiguous`], [`Transmit::slices`] | behind `transmit` | the bytes to be written, without a copy; where the former is `None`, the latter has them |
//! | [`Transmit::is_alone`] | behind `transmit` | a hint: more may be written in this turn than usual |
//! | [`transmitted`](Core::transmitted) | behind a write | the stream has taken the first `n` bytes, at least one |
//! | [`may_have_written`](Core::may_have_written) | behind a write that failed, before `lost` | the stream has layers, and may have sent some of the `n` bytes it was offered |
//! | [`deadline`](Core::deadline) | any time | may be too early, never too late; `None`: there is none |
//! | [`handle_timeout`](Core::handle_timeout) | when the deadline has come | nothing if it was too early |
//! | [`lost`](Core::lost) | when the stream fails or is given up | ends the connection with this cause |
//! | [`is_finished`](Core::is_finished) | any time | none |
//!
//! A stream that buffers is flushed behind step 4. One that has failed to write may still be
//! readable, and hold the reason that the broker gave before it reset the connection: a driver that
//! reads on for a while before it calls `lost` has that told.
//!
//! # The end
//!
//! The connection ends by a close from either side, a violation of the protocol, a deadline, the
//! end of the stream, or `lost`. From then on `interest().read` and `interest().again` are false,
//! and every handle and future has been told the cause. What is left of the close exchange is still
//! written, for 3 s at most, which the deadline tells; then `is_finished` is true, the deadline is
//! `None` and nothing more is to be done. Each call is allowed then and changes nothing; a later
//! `lost` does not change the cause. Dropping the core ends a connection that has not ended, with
//! [`ConnectionError::DriverGone`].
//!
//! Dropping the last handle closes the connection as [`Connection::close`] does: the driver goes on
//! until `is_finished`.
//!
//! # Another stream
//!
//! The connection of [`Connection::with_recovering_core`] comes back when it is lost. When
//! `is_finished` is true, its driver asks [`sequel`](Core::sequel):
//!
//! * [`Sequel::Over`]: there is nothing more to be done;
//! * [`Sequel::Redial`]: another stream is to be connected, but not before that time.
//!
//! Until there is one the driver goes on taking turns, without steps 3 and 4, for the reasons above
//! and when that time comes, and asks again at the end of each: `sequel` becomes `Over` when the
//! program closes the connection. Once a stream is there, [`Connection::reconnect`] gives it to the
//! core, with options whose credentials are current, and turns are whole again. If none is to be
//! had, or the connection is not opened on it (`is_finished` is true before
//! [`Connection::state`] was open), the driver tries another host, or says so by
//! [`Connection::not_reconnected`], which counts as an attempt that has failed.
//!
//! # A complete loop
//!
//! `examples/event_loop.rs`, over a plain `TcpStream` and with nothing but this crate:
//!
#![doc = "```no_run"]
#![doc = include_str!("../../examples/event_loop.rs")]
#![doc = "```"]
//!
//! # Over TLS
//!
//! With the feature `rustls`, or a part of it, `tls::Session` stands between the stream and the
//! core: TLS without input and output, too. It takes the place of the core in steps 3 and 4 and
//! where the driver asks what to wait for; its page has the calls and a complete loop.
//!
//! # Inside
//!
//! | module | what it is about |
//! |---|---|
//! | `core` | the calls of the driver, and what holds the parts together |
//! | `session` | what ends with a stream |
//! | `phase`, `turn` | where a stream stands, and whether its driver reads |
//! | `outside` | what parts of the core reach outside of it: shared state, the time, tasks to be woken |
//! | `config` | what the core is told before it begins, and what it agrees on with the broker |
//! | `opening` | the handshake |
//! | `receive` | what arrives, from octets to what consumers and callers get |
//! | `dispatch` | what comes rarely, and what it does |
//! | `recovery` | how a lost connection comes back |
//! | `shutdown` | how a connection comes to an end that cuts nothing short |
//! | `send` | what is sent, from a place in line to octets |
//! | `shared` | what handles and core share, of a connection, a channel and a consumer |
//! | `observe` | what can be watched: events, totals, `tracing` |
//! | `time` | the times that the core watches, heartbeats, a peer that takes nothing |
//! | `wait` | lists of tasks that wait, how wakers are handled, and locks, which the tests of wake-ups take in every order |
//! | `channel_use` | one use of one channel id |
//! | `broker_version` | which RabbitMQ the broker is |
//!
//! [`Connection::not_reconnected`]: crate::Connection::not_reconnected
//! [`Connection::reconnect`]: crate::Connection::reconnect
//! [`Connection::state`]: crate::Connection::state
//! [`Connection::with_core`]: crate::Connection::with_core
//! [`Connection::with_recovering_core`]: crate::Connection::with_recovering_core
//! [`Connection::opened`]: crate::Connection::opened
//! [`Connection::close`]: crate::Connection::close
//! [`ConnectionError::DriverGone`]: crate::ConnectionError::DriverGone
//! [`addresses`]: crate::ConnectionOptions::addresses
//! [`validate`]: crate::ConnectionOptions::validate
//! [`with_current_credentials`]: crate::ConnectionOptions::with_current_credentials
//! [`renew_credentials`]: crate::Connection::renew_credentials

mod broker_version;
pub(crate) mod channel_use;
pub(crate) mod config;
mod core;
mod dispatch;
pub(crate) mod observe;
pub(crate) mod opening;
mod outside;
mod phase;
mod receive;
pub(crate) mod recovery;
pub(crate) mod send;
mod session;
pub(crate) mod shared;
pub(crate) mod shutdown;
pub(crate) mod time;
mod turn;
pub(crate) mod wait;

pub use self::core::Core;
#[cfg(feature = "rustls-core")]
pub(crate) use self::receive::ReadBuffer;
pub use self::recovery::Sequel;
pub use self::send::transmit::Transmit;
pub use self::turn::Interest;
