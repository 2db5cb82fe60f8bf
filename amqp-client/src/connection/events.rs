//! Listening to what happens on a connection or a channel.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::Connection;
use crate::channel::Channel;
use crate::message::ReturnedMessage;
use crate::proto::observe::{Event, EventQueue, Scope};

/// The events of a connection or a channel, from the moment at which they were asked for.
///
/// Up to 256 events wait to be read, and of returned messages up to 16 MiB; then the oldest go, and
/// [`Event::Lagged`] says how many. Nothing waits for a listener that does not read, and a listener
/// keeps no connection open.
///
/// Also a [`Stream`].
#[derive(Debug)]
#[must_use = "without it, the events are lost"]
pub struct Events {
    queue: Arc<EventQueue>,
}

impl Events {
    /// The next event; `None` after [`Event::ConnectionClosed`], for a channel after
    /// [`Event::ChannelClosed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| self.queue.poll(context)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.queue.poll(context)
    }
}

/// The messages that come back on a channel and that no [`Publisher`](crate::Publisher) waits for;
/// see [`Channel::returns`].
///
/// Also a [`Stream`].
#[must_use = "without it, what comes back is lost"]
pub struct ReturnedMessages {
    queue: Arc<EventQueue>,
    missed: u64,
}

impl fmt::Debug for ReturnedMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReturnedMessages")
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

impl ReturnedMessages {
    /// The next message; `None` when the channel has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no message is lost.
    pub async fn next(&mut self) -> Option<Arc<ReturnedMessage>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// How many messages were dropped so far because they were not read in time: more than 256, or
    /// more than 16 MiB, were waiting.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<ReturnedMessage>>> {
        loop {
            match self.queue.poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Event::Returned { message, .. })) => {
                    return Poll::Ready(Some(message));
                }
                Poll::Ready(Some(Event::Lagged { count })) => self.missed += count,
                Poll::Ready(Some(_)) => {}
            }
        }
    }
}

impl Stream for ReturnedMessages {
    type Item = Arc<ReturnedMessage>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

/// Listening.
impl Connection {
    /// What happens on the connection from now on.
    ///
    /// ```no_run
    /// # async fn example(connection: amqp_client::Connection) {
    /// use amqp_client::event::Event;
    ///
    /// let mut events = connection.events();
    /// while let Some(event) = events.next().await {
    ///     match event {
    ///         Event::Blocked { reason } => eprintln!("the broker takes no messages: {reason}"),
    ///         Event::ConnectionClosed { cause } => eprintln!("{cause}"),
    ///         other => eprintln!("{other:?}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        let connection = self.shared();
        let queue = connection.listeners.subscribe(Scope::Connection);
        if let Some(cause) = connection.ended() {
            // It may have been told of it in between; it hears of it once.
            queue.push(Event::ConnectionClosed { cause }, &mut Vec::new());
        }
        Events { queue }
    }
}

/// Listening.
impl Channel {
    /// What happens on the channel from now on: [`Event::ChannelFlow`],
    /// [`Event::LimitPerConsumer`], [`Event::Returned`], [`Event::MessageTooLarge`],
    /// [`Event::ConsumerCancelled`], [`Event::ReadingStopped`] for a consumer of this channel, and
    /// [`Event::ChannelClosed`] in the end, also if the connection has ended.
    pub fn events(&self) -> Events {
        Events {
            queue: self.subscribe(Scope::Channel(self.shared().at)),
        }
    }

    /// The messages that come back from now on and that no [`Publisher`](crate::Publisher) waits
    /// for.
    pub fn returns(&self) -> ReturnedMessages {
        ReturnedMessages {
            queue: self.subscribe(Scope::Returns(self.shared().at)),
            missed: 0,
        }
    }

    fn subscribe(&self, scope: Scope) -> Arc<EventQueue> {
        let queue = self.shared().connection.listeners.subscribe(scope);
        if let Some(cause) = self.close_reason() {
            let channel = self.id();
            queue.push(Event::ChannelClosed { channel, cause }, &mut Vec::new());
        }
        queue
    }
}
