//! Tuning: speed, memory, fairness.
//!
//! The defaults are meant to be good; measure before you change them. What a message costs, why,
//! and what was tried is in `docs/performance.md` of the repository.
//!
//! # Publishing faster
//!
//! * Do not await each confirmation before the next message is sent:
//!   [`send`](crate::Publisher::send) first, await later. A window of a few hundred is enough.
//! * [`prepare`](crate::Publisher::prepare) what stays the same.
//! * Bodies of 16 KiB and more are written from where they lie if they are `Bytes`, `Vec<u8>` or `String`
//!   that you hand over; borrowed ones are copied once. Smaller ones are always copied: that is cheaper.
//! * Large and small messages may share a connection: a large body is written piece by piece, and
//!   small messages of other channels pass between.
//!
//! # Consuming faster
//!
//! * A prefetch of some hundred. With 1, each message costs a round trip.
//! * Acknowledge with [`Delivery::ack`](crate::Delivery::ack) rather than by number: acks that
//!   stand next to each other leave as one.
//!
//! # Several threads
//!
//! A connection is driven by one task and protected by one short lock. That carries some million
//! small messages per second; beyond that, or when many threads publish at once, use several
//! connections.
//!
//! On tokio's current-thread runtime, a handler that blocks the thread also stops the connection's
//! task, heartbeats included. Use the multi-thread runtime, and `spawn_blocking` for what blocks;
//! see `examples/long_running_handlers.rs`.
//!
//! # Memory
//!
//! | what waits | bound |
//! |---|---|
//! | to be written | [`write_buffer_limit`](crate::ConnectionOptions::write_buffer_limit), 512 KiB, and as much again for large bodies; publishers wait |
//! | deliveries with acknowledgements | *[prefetch](crate::consume::Consume::prefetch) × message size* for each consumer; above 64 MiB for a connection it is read only while something waits; above [`inbound_limit`](crate::ConnectionOptions::inbound_limit), 1 GiB, the consumer that holds most is cancelled and what it has not taken goes back |
//! | deliveries without acknowledgements | 16 MiB for a connection, then it is read only while something waits; 64 MiB, then not at all, which [`Event::ReadingStopped`](crate::event::Event::ReadingStopped) tells |
//! | one message | [`max_message_size`](crate::ConnectionOptions::max_message_size), 128 MiB; memory grows with what has come, not with what was announced; the body of a larger one is skipped |
//! | confirmations that are not awaited | nothing |
//!
//! An idle connection occupies less than 10 KB, a channel 1 KB. A received message lives in an
//! allocation of its own, so that keeping one body keeps nothing else.
//!
//! # Limits that are negotiated
//!
//! [`Connection::limits`](crate::Connection::limits) tells what was agreed: the lower of both wishes.
//!
//! * [`frame_max`](crate::ConnectionOptions::frame_max), 128 KiB: bodies are cut into frames of at most this size.
//!   Headers are not: properties with all headers must fit one frame. Larger frames are not faster.
//! * [`channel_max`](crate::ConnectionOptions::channel_max), 2047: channels open at once.
//! * [`heartbeat`](crate::ConnectionOptions::heartbeat), 60 s: see [`connecting`](super::connecting).
//!
//! ```no_run
//! # async fn example(connection: amqp_client::Connection) {
//! let limits = connection.limits();
//! println!("{} octets, {} channels, {:?}", limits.frame_max, limits.channel_max, limits.heartbeat);
//! # }
//! ```
