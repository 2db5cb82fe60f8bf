//! What becomes of a reply, and of its request.
//!
//! ```text
//! reply ──among others──▶ confirmed ─▶ request acknowledged
//!            └─the broker closes the channel─▶ once more, alone ──▶ confirmed
//!                                                   └─closed again─▶ request rejected, and told
//! ```
//!
//! The broker closes the replies' channel for a reply that it does not take, one that is too large
//! for instance, and does not say for which of those that were under way. Each of them is published
//! once more on a new channel, one at a time: the one for which that is closed as well is to blame,
//! and the others are answered. So a reply may come twice, and its correlation id tells. The
//! handler is not called again.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use amqp_spec::wire::TypedMethod;
use amqp_spec::{ReplyCode, basic};

use super::address::{Form, ReplyAddress};
use super::memory::{self, End, RequestIdentity};
use super::turns::Turns;
use crate::channel::Channel;
use crate::channel::succession::Succession;
use crate::connection::Connection;
use crate::consume::handler::{Decided, Disposition};
use crate::error::{BrokerClose, ChannelError, PublishError};
use crate::message::{Message, ReceivedMessage};
use crate::proto::wait::sync::lock;
use crate::publish::Publisher;

/// How often a reply is published whose channel was closed for another reason than a reply, or
/// could not be opened.
const ATTEMPTS: usize = 8;

/// A request whose reply was under way at this many ends is not tried again.
const MOST_ENDS: u32 = 2;

/// The replies of one run of a server.
pub(super) struct Replies {
    channels: Arc<Succession<Publisher>>,
    turns: Turns,
    /// Where the requests come from, and are settled.
    requests: Channel,
    form: Form,
    on_failure: Disposition,
    run: u64,
    replied: AtomicU64,
    unaddressed: AtomicU64,
    unroutable: AtomicU64,
    /// Why no more replies can be published.
    broken: Mutex<Option<ChannelError>>,
}

/// A request that is to be answered.
pub(super) struct Asked {
    address: Option<ReplyAddress>,
    /// Of one with an address.
    identity: Option<RequestIdentity>,
    /// How often its reply was under way when something ended.
    ends: u32,
    /// It has come back often enough to be the one that is remembered so.
    condemned: bool,
    /// What it has to be settled by.
    delivery_tag: u64,
    /// The stream that it came on.
    stream: u32,
}

impl Asked {
    /// Whether it is worth another try.
    pub(super) fn is_tried(&self) -> bool {
        !self.condemned
    }
}

impl Replies {
    pub(super) fn new(publisher: &Publisher, requests: &Channel, on_failure: Disposition) -> Self {
        let like = publisher.clone();
        Self {
            channels: Succession::new(publisher.clone(), move |channel| like.clone().on(channel)),
            turns: Turns::default(),
            requests: requests.clone(),
            form: Form::of(&Connection::of(requests.connection())),
            on_failure,
            run: memory::next_run(),
            replied: AtomicU64::new(0),
            unaddressed: AtomicU64::new(0),
            unroutable: AtomicU64::new(0),
            broken: Mutex::default(),
        }
    }

    fn broken(&self) -> MutexGuard<'_, Option<ChannelError>> {
        lock(&self.broken)
    }

    /// Why no more replies can be published, if so.
    pub(super) fn take_broken(&self) -> Option<ChannelError> {
        self.broken().take()
    }

    pub(super) fn replied(&self) -> u64 {
        self.replied.load(Ordering::Relaxed)
    }

    pub(super) fn unaddressed(&self) -> u64 {
        self.unaddressed.load(Ordering::Relaxed)
    }

    pub(super) fn unroutable(&self) -> u64 {
        self.unroutable.load(Ordering::Relaxed)
    }

    /// Handlers run in the task that asks, which asks again behind them: no waker has to be called.
    pub(super) fn poll_stop<S: Future>(
        &self,
        stop: &mut Option<Pin<Box<S>>>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if self.broken().is_some() {
            return Poll::Ready(());
        }
        match stop {
            Some(stop) => stop.as_mut().poll(context).map(drop),
            None => Poll::Pending,
        }
    }

    /// Looks at a request before it is handled.
    pub(super) fn ask(&self, request: &ReceivedMessage) -> Asked {
        let address = ReplyAddress::of(request, self.form);
        let identity = address.is_some().then(|| RequestIdentity::of(request));
        // A new one that looks the same is another one.
        let known = identity.filter(|_| request.redelivered());
        let ends = known.map_or(0, RequestIdentity::ends);
        let returns = request.delivery_count().unwrap_or(u64::MAX);
        Asked {
            address,
            identity,
            ends,
            condemned: ends >= MOST_ENDS && returns >= u64::from(MOST_ENDS),
            delivery_tag: request.delivery_tag(),
            stream: request.generation(),
        }
    }

    /// What is said of a request that is not tried again.
    pub(super) fn refusal(&self, asked: &Asked) -> Box<dyn Error + Send + Sync> {
        if let Some(identity) = asked.identity {
            identity.forget();
        }
        let ends = asked.ends;
        self.blame(
            format!(
                "not tried again: {ends} times its channel or connection ended while its reply was under way"
            )
            .into(),
        )
    }

    /// A request that costs others something does not go back to its queue, whatever others do.
    fn blame(&self, cause: Box<dyn Error + Send + Sync>) -> Box<dyn Error + Send + Sync> {
        let disposition = match self.on_failure {
            Disposition::Ack => Disposition::Ack,
            Disposition::Requeue | Disposition::Reject | Disposition::Retry => Disposition::Reject,
        };
        Box::new(Decided { disposition, cause })
    }

    /// Publishes a reply, and says what becomes of its request.
    pub(super) async fn reply(
        &self,
        asked: Asked,
        reply: Message,
    ) -> Result<Disposition, Box<dyn Error + Send + Sync>> {
        let (Some(address), Some(identity)) = (asked.address, asked.identity) else {
            self.unaddressed.fetch_add(1, Ordering::Relaxed);
            return Ok(Disposition::Ack);
        };
        let reply = match &address.correlation_id {
            Some(id) => reply.refers_to(id.as_ref()),
            None => reply,
        };
        let mut suspect = asked.ends > 0;
        let mut under_way = UnderWay {
            replies: self,
            identity,
            known: suspect,
            is_publishing: false,
        };
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let _turn = match suspect {
                true => self.turns.alone().await,
                false => self.turns.among().await,
            };
            if let Some(cause) = self.both_ended() {
                return Ok(self.give_up(cause));
            }
            let publisher = match self.channels.live().await {
                Ok(publisher) => publisher,
                Err(cause @ (ChannelError::Closed | ChannelError::Connection(_))) => {
                    return Ok(self.give_up(cause));
                }
                Err(cause) => {
                    last = Some(PublishError::NotSent(cause));
                    continue;
                }
            };
            let tried = self.try_to_reply(&publisher, &address.reply_to, &reply, &mut under_way);
            let Some(error) = tried.await? else {
                return Ok(Disposition::Ack);
            };
            let Some(cause) = publisher.channel().shared().ended() else {
                if let Some(loss) = loss_of_stream(&error) {
                    if let Loss::AmidReply { closed } = loss {
                        under_way.ended_on(closed.then_some(asked.stream));
                        suspect = true;
                    }
                    if self.comes_again(asked.delivery_tag) {
                        // It is answered then; to settle it now changes nothing.
                        return Ok(Disposition::Ack);
                    }
                    last = Some(error);
                    continue;
                }
                // It concerns this reply alone.
                under_way.arrived();
                return Err(error.into());
            };
            let is_certain = matches!(error, PublishError::Refused(_));
            let was_sent = is_certain || matches!(error, PublishError::Uncertain(_));
            if was_sent {
                under_way.ended();
            }
            match cause {
                ChannelError::ClosedByBroker(close) if !self.requests_ended() => {
                    if was_sent && is_about_a_message(&close) {
                        if suspect || is_certain {
                            under_way.arrived();
                            return Err(self.blame(error.into()));
                        }
                        suspect = true;
                    }
                    last = Some(error);
                }
                cause => return Ok(self.give_up(cause)),
            }
        }
        under_way.arrived();
        Err(last.map_or_else(|| ChannelError::Closed.into(), Into::into))
    }

    /// Publishes a reply once. Gives why it may be worth another try, unless it has arrived or
    /// never will.
    async fn try_to_reply(
        &self,
        publisher: &Publisher,
        reply_to: &str,
        reply: &Message,
        under_way: &mut UnderWay<'_>,
    ) -> Result<Option<PublishError>, PublishError> {
        under_way.is_publishing = true;
        let published = publisher.publish("", reply_to, reply).await;
        under_way.is_publishing = false;
        match published {
            Ok(()) => {
                self.replied.fetch_add(1, Ordering::Relaxed);
            }
            // The requester has gone, and another try would find nothing else.
            Err(PublishError::Returned(_)) => {
                self.unroutable.fetch_add(1, Ordering::Relaxed);
            }
            Err(
                error @ (PublishError::NotSent(_)
                | PublishError::Uncertain(_)
                | PublishError::Refused(_)),
            ) => return Ok(Some(error)),
            Err(refused) => {
                under_way.arrived();
                return Err(refused);
            }
        }
        under_way.arrived();
        Ok(None)
    }

    /// No more replies can be published: not this request's fault.
    fn give_up(&self, cause: ChannelError) -> Disposition {
        self.broken().get_or_insert(cause);
        Disposition::Requeue
    }

    /// Why the replies' channel ended, if the requests' has as well: none can be settled, and all
    /// of them come again, so that no other channel is opened for their replies.
    fn both_ended(&self) -> Option<ChannelError> {
        self.replies_end().filter(|_| self.requests_ended())
    }

    fn has_ended(&self) -> bool {
        self.requests_ended() || self.replies_end().is_some()
    }

    fn replies_end(&self) -> Option<ChannelError> {
        self.channels.current().channel().shared().ended()
    }

    /// Whether a request has gone back to the broker, with the stream that it came on.
    fn comes_again(&self, delivery_tag: u64) -> bool {
        let requests = self.requests.shared();
        let mut outbox = requests.connection.outbox();
        !outbox.order_mut().is_current(requests.at, delivery_tag)
    }

    /// What is not settled by now comes again.
    fn requests_ended(&self) -> bool {
        self.requests.shared().ended().is_some()
    }
}

/// How a stream was lost that the connection goes on without.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Loss {
    BeforeReply,
    /// The broker may have closed the connection over the reply.
    AmidReply {
        closed: bool,
    },
}

/// Whether a reply on a channel that goes on was lost with a stream.
fn loss_of_stream(error: &PublishError) -> Option<Loss> {
    match error {
        PublishError::NotSent(ChannelError::Connection(_) | ChannelError::Recovering { .. }) => {
            Some(Loss::BeforeReply)
        }
        PublishError::Uncertain(ChannelError::Connection(cause)) => {
            let close = cause.broker_close();
            let closed = close.is_some_and(|it| it.reply_code != ReplyCode::CONNECTION_FORCED);
            Some(Loss::AmidReply { closed })
        }
        _ => None,
    }
}

/// Whether the broker closed the channel for a message, as far as it says.
fn is_about_a_message(close: &BrokerClose) -> bool {
    close
        .method
        .is_none_or(|method| method == basic::Publish::ID)
}

/// A reply that is on its way, or about to be.
struct UnderWay<'a> {
    replies: &'a Replies,
    identity: RequestIdentity,
    /// It is remembered that something ended while it was under way.
    known: bool,
    /// The broker may get it now.
    is_publishing: bool,
}

impl UnderWay<'_> {
    /// Its channel has ended, or its connection.
    fn ended(&mut self) {
        self.ended_on(None);
    }

    /// The same; the broker has closed the connection on this stream, perhaps for this reply.
    fn ended_on(&mut self, stream: Option<u32>) {
        self.known = true;
        let run = self.replies.run;
        self.identity.note(End { run, stream });
    }

    /// It is known what has become of it.
    fn arrived(&mut self) {
        if std::mem::take(&mut self.known) {
            self.identity.forget();
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        // The handler was dropped since something had ended, or so soon that nothing was said of
        // it.
        if self.is_publishing && self.replies.has_ended() {
            self.ended();
        }
    }
}
