//! What the library tells `tracing`, if the feature of that name is on; otherwise nothing of this
//! is compiled. `docs/observability.md` describes the scheme, which is part of what users rely on.
//!
//! Nothing is told per message, unless one comes back that no publisher waits for, or cannot be handled. Bodies,
//! header values and credentials are never told; texts of the broker in one line, escaped, and cut
//! at a length. A subscriber is the user's code: nothing here may be called while a lock is held.

use std::fmt::Display;
#[cfg(feature = "tracing")]
use std::mem;
#[cfg(feature = "tracing")]
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amqp_spec::wire::ShortStr;

use crate::error::{
    ChannelError, ConnectError, ConnectionError, Entity, EntityFailure, Initiator,
    OversizedMessage, SlowConsumer, Stage, Violation,
};
use crate::message::ReturnedMessage;
use crate::proto::config::Limits;
use crate::proto::recovery::RecoveryReport;
#[cfg(feature = "tracing")]
use crate::proto::wait::sync::lock;
#[cfg(feature = "tracing")]
use crate::text::{line, name, octets};

/// Tells one event within the connection's span.
macro_rules! tell {
    ($trace:expr, $target:literal, $level:ident, $($fields:tt)*) => {
        #[cfg(feature = "tracing")]
        tracing::event!(
            target: concat!("amqp_client::", $target),
            parent: &*$trace.span(),
            tracing::Level::$level,
            $($fields)*
        )
    };
}

/// The span of the present stream of one connection.
///
/// Each stream has a span of its own, with the connection's number: fields that are recorded anew
/// in one span are shown beside those of before by the usual subscriber, and would add up with
/// each loss.
#[derive(Debug)]
pub(crate) struct Trace {
    #[cfg(feature = "tracing")]
    id: u64,
    #[cfg(feature = "tracing")]
    virtual_host: Box<str>,
    /// Shared, so that the subscriber is not called while this is locked.
    #[cfg(feature = "tracing")]
    span: Mutex<Arc<tracing::Span>>,
}

#[cfg_attr(
    not(feature = "tracing"),
    allow(
        clippy::needless_pass_by_value,
        clippy::single_match,
        clippy::unused_self,
        unused_variables,
        reason = "there is nobody to be told"
    )
)]
impl Trace {
    #[cfg(feature = "tracing")]
    pub(crate) fn new(address: &str, peer: Option<impl Display>, virtual_host: &str) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        /// Tells the connections of a process apart.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let virtual_host = name(virtual_host).to_string().into_boxed_str();
        let span = stream_span(id, address, peer, &virtual_host);
        Self {
            id,
            virtual_host,
            span: Mutex::new(Arc::new(span)),
        }
    }

    #[cfg(not(feature = "tracing"))]
    pub(crate) fn new(_address: &str, _peer: Option<impl Display>, _virtual_host: &str) -> Self {
        Self {}
    }

    /// Another stream leads here.
    pub(crate) fn moved(&self, address: &str, peer: Option<impl Display>) {
        #[cfg(feature = "tracing")]
        {
            let span = Arc::new(stream_span(self.id, address, peer, &self.virtual_host));
            let before = mem::replace(&mut *lock(&self.span), span);
            drop(before); // calls the subscriber
        }
    }

    #[cfg(feature = "tracing")]
    fn span(&self) -> Arc<tracing::Span> {
        Arc::clone(&lock(&self.span))
    }

    // The connection

    pub(crate) fn opened(&self, limits: Limits) {
        tell!(
            self,
            "connection",
            INFO,
            channel_max = limits.channel_max,
            frame_max = limits.frame_max,
            heartbeat = ?limits.heartbeat,
            "connection opened"
        );
    }

    pub(crate) fn not_opened(&self, stage: Stage, cause: &ConnectionError) {
        tell!(self, "connection", DEBUG, %stage, %cause, "connection not opened");
    }

    pub(crate) fn closed(&self, cause: &ConnectionError) {
        match cause.initiator() {
            Initiator::Application => {
                tell!(self, "connection", INFO, %cause, "connection closed");
            }
            Initiator::Library | Initiator::Broker => {
                tell!(self, "connection", WARN, %cause, "connection closed");
            }
        }
    }

    pub(crate) fn lost(&self, cause: &ConnectionError) {
        tell!(self, "connection", WARN, %cause, "connection lost");
    }

    /// Each attempt is told, and each tenth of an outage as a warning.
    pub(crate) fn retrying(&self, attempt: u32, delay: Duration, last: Option<&ConnectError>) {
        #[cfg(feature = "tracing")]
        let last = last.map(tracing::field::display);
        if attempt > 1 && attempt % 10 == 1 {
            tell!(
                self,
                "connection",
                WARN,
                attempt,
                ?delay,
                last,
                "connection still lost"
            );
        } else {
            tell!(
                self,
                "connection",
                DEBUG,
                attempt,
                ?delay,
                last,
                "connecting again"
            );
        }
    }

    /// What the report only counts is told by itself, one after the other.
    pub(crate) fn recovered(&self, report: &RecoveryReport) {
        for failure in &report.skipped {
            self.not_restored(failure);
        }
        tell!(self, "connection", INFO, %report, "connection recovered");
    }

    pub(crate) fn pending(&self, failure: &EntityFailure) {
        tell!(self, "connection", WARN, %failure, "not restored yet");
    }

    pub(crate) fn restored(&self, entity: &Entity) {
        tell!(self, "connection", INFO, %entity, "restored");
    }

    pub(crate) fn not_restored(&self, failure: &EntityFailure) {
        tell!(self, "connection", WARN, %failure, "not restored");
    }

    pub(crate) fn violation(&self, violation: &Violation) {
        tell!(self, "connection", DEBUG, %violation, "protocol violated by the broker");
    }

    pub(crate) fn heartbeat_missed(&self, silence: Duration) {
        tell!(self, "connection", WARN, ?silence, "heartbeats missed");
    }

    pub(crate) fn blocked(&self, reason: &str) {
        tell!(
            self,
            "connection",
            WARN,
            reason = &*line(reason),
            "connection blocked"
        );
    }

    pub(crate) fn unblocked(&self) {
        tell!(self, "connection", INFO, "connection unblocked");
    }

    /// It will be tried again.
    pub(crate) fn not_renewed(&self, cause: &impl Display) {
        tell!(self, "connection", WARN, %cause, "credentials not renewed");
    }

    // Channels and consumers

    pub(crate) fn channel_opened(&self, channel: u16) {
        tell!(self, "channel", DEBUG, channel, "channel opened");
    }

    pub(crate) fn channel_closed(&self, channel: u16, cause: &ChannelError) {
        match cause {
            ChannelError::ClosedByBroker(_) => {
                tell!(self, "channel", WARN, channel, %cause, "channel closed");
            }
            _ => {
                tell!(self, "channel", DEBUG, channel, %cause, "channel closed");
            }
        }
    }

    pub(crate) fn channel_renewed(&self, channel: u16, cause: &ChannelError) {
        tell!(self, "channel", WARN, channel, %cause, "channel closed, to be opened anew");
    }

    pub(crate) fn flow(&self, channel: u16, active: bool) {
        tell!(self, "channel", INFO, channel, active, "channel flow");
    }

    pub(crate) fn limit_per_consumer(&self, channel: u16, prefetch_count: u16) {
        tell!(
            self,
            "channel",
            WARN,
            channel,
            prefetch_count,
            "the broker takes the channel's limit for one of each consumer"
        );
    }

    pub(crate) fn consumer_started(&self, channel: u16, tag: ShortStr<'_>) {
        tell!(
            self,
            "consumer",
            DEBUG,
            channel,
            consumer_tag = %octets(tag),
            "consumer started"
        );
    }

    /// Told once for each consumer.
    pub(crate) fn prefetch_exceeded(
        &self,
        channel: u16,
        consumer_tag: ShortStr<'_>,
        prefetch: u16,
    ) {
        tell!(
            self,
            "consumer",
            WARN,
            channel,
            consumer_tag = %octets(consumer_tag),
            prefetch,
            "more deliveries than the prefetch allows"
        );
    }

    pub(crate) fn reading_stopped(&self, by: &SlowConsumer) {
        tell!(
            self,
            "connection",
            WARN,
            channel = by.channel,
            consumer_tag = &*name(&by.consumer_tag),
            queue = &*name(&by.queue),
            bytes = by.bytes,
            "reading stopped: a consumer without acknowledgements does not take its deliveries"
        );
    }

    pub(crate) fn message_too_large(&self, channel: u16, message: &OversizedMessage) {
        tell!(
            self,
            "consumer",
            WARN,
            channel,
            delivery_tag = message.delivery_tag,
            queue = &*name(&message.queue),
            size = message.size,
            limit = message.limit,
            lost = message.lost,
            "message skipped: it is larger than max_message_size"
        );
    }

    pub(crate) fn consumer_too_slow(&self, channel: u16, consumer_tag: ShortStr<'_>, limit: usize) {
        tell!(
            self,
            "consumer",
            WARN,
            channel,
            consumer_tag = %octets(consumer_tag),
            limit,
            "consumer cancelled: it holds most of what is above inbound_limit"
        );
    }

    pub(crate) fn consumer_cancelled(&self, channel: u16, tag: ShortStr<'_>, by: Initiator) {
        match by {
            Initiator::Broker => {
                tell!(
                    self,
                    "consumer",
                    WARN,
                    channel,
                    consumer_tag = %octets(tag),
                    "consumer cancelled by the broker"
                );
            }
            Initiator::Application | Initiator::Library => {
                tell!(
                    self,
                    "consumer",
                    DEBUG,
                    channel,
                    consumer_tag = %octets(tag),
                    "consumer cancelled"
                );
            }
        }
    }

    /// Without what the handler says, which may quote the message.
    pub(crate) fn handler_failed(&self, channel: u16, delivery_tag: u64, panicked: bool) {
        tell!(
            self,
            "consumer",
            WARN,
            channel,
            delivery_tag,
            panicked,
            "handler failed"
        );
    }

    /// A message has come back, and nobody listens.
    pub(crate) fn returned(&self, channel: u16, message: &ReturnedMessage) {
        tell!(
            self,
            "publish",
            WARN,
            channel,
            reply_code = message.reply_code.0,
            reply_text = &*line(&message.reply_text),
            exchange = %octets(message.exchange()),
            routing_key = %octets(message.routing_key()),
            "message returned, and no publisher waits for it"
        );
    }

    // Requests

    pub(crate) fn request(&self, channel: u16, method: &'static str) {
        tell!(self, "request", TRACE, channel, method, "request");
    }

    pub(crate) fn reply(&self, channel: u16, method: &'static str) {
        tell!(self, "request", TRACE, channel, method, "reply");
    }

    pub(crate) fn timed_out(&self, channel: u16, method: &'static str) {
        tell!(self, "request", DEBUG, channel, method, "no reply in time");
    }
}

/// It has no parent: it outlives whatever span the connection was opened in.
#[cfg(feature = "tracing")]
fn stream_span(
    id: u64,
    address: &str,
    peer: Option<impl Display>,
    virtual_host: &str,
) -> tracing::Span {
    tracing::info_span!(
        target: "amqp_client::connection",
        parent: None,
        "amqp.connection",
        id,
        address = &*name(address),
        peer = peer.map(tracing::field::display),
        virtual_host,
    )
}
