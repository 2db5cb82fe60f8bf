//! A broker in the test's own process: no port, no thread, no clock, and RabbitMQ's behaviour.
//!
//! [`Kernel`] is one node with virtual hosts and users. It does no I/O: the octets that a client
//! writes are handed to [`Kernel::receive`], those that the client is to read come out of
//! [`Kernel::take_output`], and time passes when [`Kernel::advance`] says so. The same calls give
//! the same octets.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use amqp_spec::{Method, frame};
//! use amqp_testing::memory::{Kernel, Like};
//!
//! let now = Instant::now();
//! let mut broker = Kernel::new(Like::RabbitMq4_0, now);
//! let client = broker.connect(now);
//! broker.receive(client, &frame::PROTOCOL_HEADER, now);
//!
//! let heard = broker.take_output(client);
//! let (start, _) = frame::decode(&heard, 4096)?.ok_or("half a frame")?;
//! assert_eq!(Method::decode(start.payload)?.name(), "connection.start");
//!
//! // A client that says nothing more is closed after ten seconds.
//! assert_eq!(broker.deadline(), Some(now + Duration::from_secs(10)));
//! broker.advance(now + Duration::from_secs(10));
//! assert!(broker.is_closed(client));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Order of calls
//!
//! 1. [`connect`](Kernel::connect) when a stream is there.
//! 2. [`receive`](Kernel::receive) what the client writes; then
//!    [`take_output`](Kernel::take_output) for each connection, since what one client does reaches
//!    others.
//! 3. When a stream [is closed](Kernel::is_closed), write what is left of its output and end it.
//! 4. [`disconnected`](Kernel::disconnected) when a stream has ended, on either side. The broker
//!    forgets it then.
//! 5. [`advance`](Kernel::advance) at the [`deadline`](Kernel::deadline), or whenever a test wants
//!    time to have passed.
//!
//! A stream that carries real back-pressure is read only while the broker
//! [wants octets](Kernel::wants_octets).
//!
//! A test of a program stands on both sides of the stream: on the broker's with these calls, on the
//! client's with those of the client's own core. With `amqp-client` that is
//! `Connection::with_core`, whose clock is the test's; `examples/in_memory.rs` of that crate is a
//! whole test, with some sixty lines that can be copied. What a test needs besides is said to the
//! broker past all connections: [`declare_queue`](Kernel::declare_queue),
//! [`publish`](Kernel::publish), [`set_confirming`](Kernel::set_confirming),
//! [`block`](Kernel::block), [`close_connection`](Kernel::close_connection),
//! [`reset`](Kernel::reset) and their like.
//!
//! # What is modelled
//!
//! | | |
//! |---|---|
//! | connections | protocol headers, `PLAIN`, `AMQPLAIN`, `ANONYMOUS` (4.0), limits, virtual hosts, permissions, limits of users, heartbeats, `connection.blocked`, closes that cross, silent ends |
//! | frames | what breaks them, contents out of place, tables that cannot be read, names that are not UTF-8 |
//! | exchanges | the default one, `direct`, `fanout`, `topic`, `headers` (also `-with-x`), internal, auto-delete, `alternate-exchange`, exchange to exchange, `amq.…` |
//! | queues | classic ones: exclusive, auto-delete, server-named, passive, inequivalent, the one declared last, purge, conditional deletes; bounded ones that drop or refuse, priorities of messages, a single active consumer; the durable flag, which nothing survives |
//! | publishing | `mandatory`, confirms, transactions, `CC` and `BCC`, `user-id`, what makes messages invalid |
//! | consuming | tags, exclusive, `no-ack`, prefetch of consumers and channels, priorities, cancelling in both directions, `basic.get`, all ways to settle, requeued messages in their old places, direct reply-to |
//! | refusals | codes, texts, and class and method, of channels and connections |
//!
//! This crate's own tests ask it and RabbitMQ 3.10.8 and 4.0.5 the same some 600 questions, and
//! compare the answers octet by octet.
//!
//! Nothing is modelled that is done by more than one node, and no HTTP interface; nothing is
//! written to disk.
//!
//! **What is not modelled refuses loudly**: with `540 NOT_IMPLEMENTED - not modelled by
//! amqp_testing::memory, test it with amqp_testing::Broker: …`, which ends the connection, and after
//! the checks that RabbitMQ makes.
//! That is so for
//!
//! * quorum queues and streams;
//! * the queue arguments `x-expires`, `x-message-ttl` and `x-dead-letter-…`;
//! * messages with an `expiration`;
//! * exchange types of plugins, and `x-local-random`;
//! * AMQP 0-8, which 3.10 speaks. AMQP 1.0, which 4.0 speaks, gets the header that is spoken and
//!   the end.
//!
//! Arguments that change nothing in one node (`x-queue-mode`, `x-queue-version`, …) are accepted.
//!
//! # Order
//!
//! In RabbitMQ each connection, channel and queue is a process, and what a queue says to a channel
//! waits behind the methods that the channel has got by then. Here everything that arrives with
//! one call of [`Kernel::receive`] is handled first: requests are answered in their order, and what
//! queues have to say, deliveries, `consume-ok`, `cancel-ok`, cancelled consumers and confirms of
//! messages that went to queues, follows in the order in which the queues said it, confirms last.
//! So `basic.consume` and `basic.qos` sent together are answered `qos-ok`, `consume-ok`, as
//! RabbitMQ does; a consumer that is cancelled in the same breath costs the connection, as it does
//! there; and of publishes followed by a close none is confirmed, as may happen there. Octets that
//! are handed over one by one give the order of a client that waits for each answer.
//!
//! Where RabbitMQ leaves things to chance, one way is taken:
//!
//! | chance | here |
//! |---|---|
//! | how confirms are grouped | one `multiple` for what arrived together, or as [`Confirming`] says |
//! | confirms of publishes before a close, or before one that is refused | none |
//! | `channel.open` right behind `channel.close` | always too early: 504 |
//! | frames behind one that is fatal to the connection, sent together | ignored, `connection.close` too |
//! | which consumer is served next | in turns, by priority |
//! | a lost connection's consumers and unacknowledged messages | gone, and given back, at once |
//! | its exclusive queues | locked for 35 ms, then gone |
//! | in 4.0, the order of the ways to log in | `AMQPLAIN ANONYMOUS PLAIN` |
//! | names that are made up | from the [seed](Kernel::set_seed) |
//!
//! # Bounds
//!
//! What one client makes the broker keep of unfinished input is bounded: a frame by `frame_max`, a
//! body by [`Limits::max_message_size`] however large it is announced, output by 4 MiB and one
//! message, above which nothing is read from that client or delivered to it. Messages in queues
//! are bounded by nothing.

mod channel;
mod connection;
mod decode;
mod erlang;
mod faults;
mod fields;
mod ids;
mod kernel;
mod like;
mod limits;
mod message;
mod names;
mod node;
mod output;
mod ports;
mod refusal;
mod session;
mod texts;
mod users;
mod vhost;
mod views;

pub use self::ids::ConnectionId;
pub use self::kernel::Kernel;
pub use self::like::Like;
pub use self::limits::{Confirming, Limits};
pub use self::users::{Access, Permissions, User};
pub use self::views::{
    BindingView, ChannelView, ConnectionView, Destination, ExchangeView, MessageView, QueueView,
};
