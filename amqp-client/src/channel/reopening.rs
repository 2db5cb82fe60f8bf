//! Opening a channel again that the broker has closed.

use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use amqp_spec::wire::TypedMethod as _;
use amqp_spec::{basic, channel};

use super::Channel;
use super::succession::pause;
use crate::error::ChannelError;
use crate::proto::send::outbox::{Refused, Reopened, read_on};
use crate::proto::send::reopen::reopen;
use crate::proto::send::request::Answer;
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::shared::consumer::ConsumerQueue;
use crate::proto::shared::reading::Demand;
use crate::proto::time::after;
use crate::proto::wait;

/// How long to wait for what is in front of the answer to the broker's close: a large body that is
/// being written, or the turn that reads the close.
const SOON: Duration = Duration::from_millis(10);

/// What is waited for.
enum Begun {
    /// It is open, or another task opens it.
    Open,
    Asked(Vec<Arc<Answer>>),
    NotYet,
}

impl Channel {
    /// Opens the channel again after the broker has closed it: under its number, for all its
    /// handles, with confirm mode (numbers go on), transactions, and what
    /// [`basic_qos`](Self::basic_qos) has set. Its consumers are started again as well, as far as
    /// the program still holds them: a [`Consumer`](crate::Consumer) that has ended with the
    /// channel's error goes on; one that has not told it yet never does. A stream is read on behind
    /// what was yielded.
    ///
    /// What was under way has been told with the error of the channel. Deliveries of before have
    /// gone back to their queues: to settle one gives
    /// [`Settled::Stale`](crate::consume::Settled::Stale), and the broker delivers it again. If
    /// something stood in a transaction, nothing enters it
    /// ([`ChannelError::TransactionLost`]) before [`tx_rollback`](Self::tx_rollback).
    ///
    /// On a channel that is open, or is being opened again by another task, it does nothing. While
    /// the connection is lost it waits, as
    /// [`open_channel`](crate::Connection::open_channel) does. It does not pause: where the broker
    /// closes a channel again and again, the program is to wait in between. The channel of
    /// [`open_publisher`](crate::Connection::open_publisher) opens itself again.
    ///
    /// ```no_run
    /// # async fn example(channel: amqp_client::Channel) -> Result<(), amqp_client::Error> {
    /// use amqp_client::QueueDeclare;
    ///
    /// if channel.queue_declare(QueueDeclare::new("orders").passive()).await.is_err() {
    ///     // 404: the broker has closed the channel over it.
    ///     channel.reopen().await?;
    ///     channel.queue_declare(QueueDeclare::new("orders").durable()).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the broker refuses what it was, the channel is closed again, and this is why: a consumer
    /// whose queue is missing, for example (404). Drop that consumer, or declare its queue on
    /// another channel, and call this once more.
    ///
    /// Why the channel ended, if it was not the broker that closed it: one that the program has
    /// closed stays so ([`ChannelError::Closed`]). [`ChannelError::IdInUse`] if another channel has
    /// got its number meanwhile, and [`ChannelError::IdOutOfRange`] if the number does not fit what
    /// the broker agrees on by now. [`ChannelError::Timeout`] if the broker did not answer, and
    /// [`ChannelError::Recovering`] if the connection did not come back in time.
    ///
    /// # Cancel safety
    ///
    /// At the first poll all that it takes has its place in line, unless the answer to the
    /// broker's close stands behind a large body; from then on the channel is opened even if the
    /// future is dropped.
    pub async fn reopen(&self) -> Result<(), ChannelError> {
        let connection = Arc::clone(&self.shared().connection);
        let deadline = after(connection.clock.now(), connection.request_timeout);
        let answers = loop {
            match self.begin_reopening()? {
                Begun::Open => return Ok(()),
                Begun::Asked(answers) => break answers,
                Begun::NotYet => {
                    let now = connection.clock.now();
                    if now >= deadline {
                        let method = channel::Open::NAME;
                        return Err(ChannelError::Timeout { method });
                    }
                    pause(&connection, after(now, SOON)).await?;
                }
            }
        };
        let _demand = Demand::new(&connection);
        for answer in answers {
            // Not given up if this goes away: the channel is opened all the same.
            let answered = poll_fn(|context| answer.poll(context)).await;
            if let Err(error) = answered {
                return Err(self.close_reason().unwrap_or(error));
            }
        }
        Ok(())
    }

    fn begin_reopening(&self) -> Result<Begun, ChannelError> {
        let shared = self.shared();
        match shared.ended() {
            None if self.is_open() => return Ok(Begun::Open),
            None => return Err(ChannelError::Closed),
            Some(ChannelError::ClosedByBroker(_)) => {}
            Some(cause) => return Err(cause),
        }
        let Some(mut closed) = shared.take_closed() else {
            // Another task is about it, or the close is being read.
            return Ok(Begun::NotYet);
        };
        let connection = &shared.connection;
        closed.put_consumers(|queue, consume| present(connection, queue, consume));
        let channel_max = connection.limits().channel_max;
        let now = connection.clock.now();
        let mut wakers = Vec::new();
        let (reopened, answers) = reopen(shared, &mut closed, now, &mut wakers);
        wait::wake_all(&mut wakers);
        match reopened {
            Ok(Reopened::Asked(wakes)) => {
                connection.trace.request(self.id(), channel::Open::NAME);
                for wake in wakes {
                    wake.now();
                }
                Ok(Begun::Asked(answers))
            }
            Ok(Reopened::NotYet) => {
                shared.set_closed(closed);
                Ok(Begun::NotYet)
            }
            Ok(Reopened::Taken) => {
                shared.set_closed(closed);
                let id = self.id();
                Err(if id > channel_max {
                    ChannelError::IdOutOfRange { id, channel_max }
                } else {
                    ChannelError::IdInUse { id }
                })
            }
            Err(refused) => {
                shared.set_closed(closed);
                Err(match refused {
                    Refused::Connection(error) => error.for_bystander().into(),
                    other => shared.explain(other),
                })
            }
        }
    }
}

/// `basic.consume` as it is to be sent now: with the present name of the queue, and from where a
/// stream is to be read on.
fn present(connection: &ConnectionShared, queue: &ConsumerQueue, consume: &[u8]) -> Vec<u8> {
    let renamed = basic::Consume::decode(consume).ok().and_then(|method| {
        let name = method.queue.as_str().ok()?;
        let Cow::Owned(name) = connection.current_name(Cow::Borrowed(name)) else {
            return None;
        };
        let mut payload = Vec::new();
        basic::Consume {
            queue: name.as_str().try_into().ok()?,
            ..method
        }
        .encode(&mut payload);
        Some(payload)
    });
    read_on(renamed.unwrap_or_else(|| consume.to_vec()), queue)
}
