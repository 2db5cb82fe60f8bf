//! Cancellation: what happens when a future or a handle is dropped.
//!
//! In Rust any future can be dropped at any `.await`, by `select!`, by a timeout, by a web
//! framework whose client has hung up. Here that never disturbs other users of the channel, loses
//! no delivery, and leaves no half of a message behind. Each public async function says what holds
//! for it, under "Cancel safety"; together:
//!
//! | dropped | what has happened |
//! |---|---|
//! | [`Consumer::next`](crate::Consumer::next) | nothing; no delivery is lost, call it again |
//! | [`Publisher::publish`](crate::Publisher::publish), [`send`](crate::Publisher::send) | the message was sent whole, or not at all |
//! | a [`Confirmation`](crate::Confirmation) | nothing: the message is on its way, you only do not hear of it |
//! | a request: declare, bind, delete, purge, qos, … | it may have taken effect; its late reply is thrown away |
//! | [`Channel::basic_get`](crate::Channel::basic_get) | a message that comes is given back to the queue |
//! | [`Channel::consume`](crate::Channel::consume) | the consumer is cancelled as soon as it exists, what it was sent goes back |
//! | [`Connection::open_channel`](crate::Connection::open_channel) | the channel is closed as soon as it is open |
//! | [`Channel::reopen`](crate::Channel::reopen), once polled | the channel is opened again all the same |
//! | [`Connection::open`](crate::Connection::open) | the socket is closed |
//! | [`close`](crate::Connection::close), [`shutdown`](crate::Connection::shutdown), once polled | it closes all the same |
//!
//! So these are all fine:
//!
//! ```no_run
//! use std::time::Duration;
//! use tokio::time::timeout;
//! # use amqp_client::{Consumer, Message, Publisher};
//!
//! # async fn example(
//! #     publisher: Publisher, mut orders: Consumer, mut stop: tokio::sync::oneshot::Receiver<()>,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! // Gives up waiting after a second. Whether the broker has it is then unknown.
//! let second = Duration::from_secs(1);
//! let published = timeout(second, publisher.publish("", "orders", Message::new("order 42"))).await;
//!
//! loop {
//!     tokio::select! {
//!         delivery = orders.next() => match delivery {
//!             Some(delivery) => {
//!                 delivery?.ack()?;
//!             }
//!             None => break,
//!         },
//!         _ = &mut stop => break,
//!     }
//! }
//! # drop(published);
//! # Ok(()) }
//! ```
//!
//! Requests have a timeout of their own, [30 s](crate::ConnectionOptions::request_timeout) unless
//! set otherwise, after which [`ChannelError::Timeout`](crate::ChannelError::Timeout) says what was
//! waited for. It stands still while messages in front of the request are leaving. The channel
//! remains usable as far as AMQP allows: a late reply is consumed, and what waited behind the
//! request goes on waiting for that. A request that was itself held back (behind a `basic.consume`,
//! `basic.cancel` or `tx.commit` that is not answered) is not sent once its time is up; nor is one
//! whose future was dropped, when as much time has passed. Only what says how the channel is to
//! behave keeps its place: `basic_qos`, `confirm_select`, `tx_select`, `flow`, and cancelling a
//! consumer.
//!
//! A channel that does not answer can still be closed. Its close passes requests that wait behind a
//! `basic.consume`, but no messages. Behind `tx.commit`, `tx.rollback` and `basic.cancel` RabbitMQ
//! takes none, so that the close waits for their answer, and with their time the channel is given
//! up: it is closed here, its number is not used again on the connection, and `close` is `Ok`.
//!
//! # Dropping handles
//!
//! | dropped | effect, in the background |
//! |---|---|
//! | the last of a channel's handles: [`Channel`](crate::Channel), [`Publisher`](crate::Publisher), [`Consumer`](crate::Consumer), [`Delivery`](crate::Delivery), [`Confirmation`](crate::Confirmation) | the channel closes; what was not settled goes back to its queues |
//! | a [`Consumer`](crate::Consumer) | it is cancelled; what it has not yielded goes back |
//! | a [`Delivery`](crate::Delivery) | nothing: it stays unsettled until its channel closes |
//! | the last of a connection's handles, those of its channels included | the connection closes |
//!
//! None of it blocks or panics, wherever it happens, outside of a runtime too. What is written in
//! the background needs the runtime to go on for a moment: at the end of a program, `close` and
//! await it.
