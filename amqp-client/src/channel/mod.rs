//! The channel handle: AMQP method by method.
//!
//! Here is the life of a channel; the methods are in a file for each class of the specification.

mod basic;
mod exchange;
mod queue;
mod tx;

use std::fmt;
use std::sync::Arc;

use amqp_spec::wire::{Reply as _, Request, ShortStr, TypedMethod};
use amqp_spec::{ReplyCode, channel};

use crate::call::{PendingReply, start};
use crate::connection::Handle;
use crate::error::ChannelError;
use crate::proto::channel::ChannelShared;
use crate::proto::outbox::Settlement;
use crate::proto::request::{Answer, Barrier, Effect, Reply, Slot, after};

pub use self::basic::{PreparedPublish, QosScope, Requeue};

/// A channel: the unit of order, of errors and of acknowledgement.
///
/// Cheap to clone; all clones are the same channel, and any number of tasks may use it at once: the
/// frames of messages never interleave, and everybody gets his own replies. An error that the
/// broker reports closes the channel for all of them, with the same cause. Dropping the last clone,
/// consumer, publisher and delivery of a channel closes it in the background.
///
/// ```no_run
/// use amqp_client::{Connection, ExchangeDeclare, QueueDeclare};
///
/// # async fn example(connection: Connection) -> Result<(), Box<dyn std::error::Error>> {
/// let channel = connection.open_channel().await?;
/// channel.exchange_declare(ExchangeDeclare::topic("orders").durable()).await?;
/// let queue = channel.queue_declare(QueueDeclare::new("invoices").durable()).await?;
/// channel.queue_bind("invoices", "orders", "order.paid").await?;
/// println!("{} invoices are waiting", queue.message_count);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Channel {
    handle: Arc<ChannelHandle>,
}

struct ChannelHandle {
    shared: Arc<ChannelShared>,
    /// Keeps the connection open.
    _connection: Arc<Handle>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl Drop for ChannelHandle {
    fn drop(&mut self) {
        let close = normal_close("");
        // If it is being opened, this follows behind; if it has ended, so be it.
        drop(start(
            &self.shared,
            &close,
            Effect::Nothing,
            Barrier::Nothing,
        ));
    }
}

impl Channel {
    pub(crate) async fn open(connection: &Arc<Handle>) -> Result<Self, ChannelError> {
        let link = &connection.link;
        let limits = link.limits();
        let answer = Arc::new(Answer::default());
        let deadline = after((link.clock)(), link.request_timeout);
        let mut made = None;
        let opened = link.outbox().open_channel(limits.channel_max, |at| {
            let shared = Arc::new(ChannelShared::new(at, Arc::clone(link)));
            made = Some(Arc::clone(&shared));
            Slot {
                expects: <channel::Open as Request>::Reply::IDS,
                name: channel::Open::NAME,
                barrier: Barrier::Nothing,
                deadline,
                effect: Effect::OpenChannel(shared),
                answer: Arc::clone(&answer),
            }
        });
        let limit = ChannelError::ChannelLimit {
            channel_max: limits.channel_max,
        };
        match (opened, made) {
            (Ok(Some(wake)), Some(shared)) => {
                wake.now();
                let connection = Arc::clone(connection);
                // From here on, dropping this future closes the channel.
                let channel = Self {
                    handle: Arc::new(ChannelHandle {
                        shared,
                        _connection: connection,
                    }),
                };
                PendingReply {
                    answer,
                    requeue: None,
                }
                .await?;
                Ok(channel)
            }
            (Err(refused), Some(shared)) => Err(shared.explain(refused)),
            (Err(crate::proto::outbox::Refused::Connection(error)), None) => Err(error.into()),
            (Ok(_) | Err(_), _) => Err(limit),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<ChannelShared> {
        &self.handle.shared
    }

    /// The channel's number. It is used again after the channel has been closed.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.shared().at.channel
    }

    /// Why the channel ended; `None` while it is open.
    #[must_use]
    pub fn ended(&self) -> Option<ChannelError> {
        self.shared().ended()
    }

    /// Closes the channel: what was sent on it before is processed first; what was delivered and
    /// not acknowledged goes back to its queues.
    ///
    /// # Errors
    ///
    /// Why it ended, if not because it was closed.
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, the channel closes even if it is dropped.
    pub async fn close(&self) -> Result<(), ChannelError> {
        let close = normal_close("closed by the application");
        let pending = match start(self.shared(), &close, Effect::Nothing, Barrier::Nothing) {
            Ok(pending) => pending,
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        };
        match pending.await {
            // The broker also answers a close that its own has crossed.
            Ok(_) | Err(ChannelError::Closed) => match self.ended() {
                None | Some(ChannelError::Closed) => Ok(()),
                Some(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn call<'m, M: TypedMethod<'m> + Request>(
        &self,
        method: &M,
    ) -> Result<Reply, ChannelError> {
        start(self.shared(), method, Effect::Nothing, Barrier::Nothing)?.await
    }

    pub(crate) fn settle(
        &self,
        delivery_tag: u64,
        incarnation: u32,
        settlement: Settlement,
    ) -> Result<(), ChannelError> {
        let shared = self.shared();
        if incarnation != shared.at.incarnation {
            return Err(ChannelError::Stale);
        }
        let settled = shared
            .link
            .outbox()
            .settle(shared.at, delivery_tag, settlement);
        match settled {
            Ok(wake) => {
                wake.now();
                Ok(())
            }
            Err(refused) => Err(shared.explain(refused)),
        }
    }
}

fn normal_close(text: &'static str) -> channel::Close<'static> {
    channel::Close {
        reply_code: ReplyCode::REPLY_SUCCESS.0,
        reply_text: ShortStr::new(text.as_bytes()).unwrap_or_default(),
        ..channel::Close::default()
    }
}
