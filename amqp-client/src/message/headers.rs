//! What brokers write into the headers and properties of messages, as types.
//!
//! Everything here looks into the message as it was received and finds nothing where another type
//! or damage is: headers are whatever the publisher or a broker put there.

use std::fmt;
use std::time::{Duration, SystemTime};

use amqp_spec::wire::{ArrayRef, ShortStr, TableRef, Value};

use super::outgoing::DeliveryMode;
use super::received::ReceivedMessage;
use crate::text::{Quoted, fitting};

/// One entry of `x-death`: all times that a message was dead-lettered from one queue for one
/// reason.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Death {
    /// The queue that it was in.
    pub queue: String,
    /// Why it left.
    pub reason: DeathReason,
    /// How often, from this queue and for this reason.
    pub count: u64,
    /// The exchange that it had been published to, the last time.
    pub exchange: String,
    /// The routing keys that it had been published with, those of `CC` included.
    pub routing_keys: Vec<String>,
    /// When it was dead-lettered, the first time, in whole seconds.
    pub time: Option<SystemTime>,
    /// The expiration that it had then. It is taken off, lest the message expires again.
    pub original_expiration: Option<Duration>,
}

/// Why a message was dead-lettered.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum DeathReason {
    /// It was refused without requeueing (`basic.reject`, `basic.nack`).
    Rejected,
    /// Its time to live had passed.
    Expired,
    /// The queue was full.
    MaxLength,
    /// It had been delivered more often than the queue's `x-delivery-limit` allows.
    DeliveryLimit,
    /// Another word.
    Other(String),
}

impl DeathReason {
    fn new(word: String) -> Self {
        match word.as_str() {
            "rejected" => Self::Rejected,
            "expired" => Self::Expired,
            "maxlen" => Self::MaxLength,
            "delivery_limit" => Self::DeliveryLimit,
            _ => Self::Other(word),
        }
    }
}

/// The first or last death of a message, as its own headers tell it.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeathOrigin {
    /// The queue that it was in.
    pub queue: String,
    /// Why it left.
    pub reason: DeathReason,
    /// The exchange that it had been published to.
    pub exchange: String,
}

/// Of long texts the beginning, and of the routing keys the first 16: who publishes chooses them.
impl fmt::Debug for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Death")
            .field("queue", &Quoted(&self.queue))
            .field("reason", &self.reason)
            .field("count", &self.count)
            .field("exchange", &Quoted(&self.exchange))
            .field("routing_keys", &Keys(&self.routing_keys))
            .field("time", &self.time)
            .field("original_expiration", &self.original_expiration)
            .finish()
    }
}

struct Keys<'a>(&'a [String]);

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// How many are shown, and how many characters of each.
        const SHOWN: (usize, usize) = (16, 64);
        let mut list = f.debug_list();
        for (n, key) in self.0.iter().enumerate() {
            let shown = fitting(key, SHOWN.1);
            match n < SHOWN.0 {
                true if shown.len() == key.len() => list.entry(key),
                true => list.entry(&format_args!("{shown:?}…")),
                false => {
                    list.entry(&format_args!("…"));
                    break;
                }
            };
        }
        list.finish()
    }
}

impl fmt::Debug for DeathOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeathOrigin")
            .field("queue", &Quoted(&self.queue))
            .field("reason", &self.reason)
            .field("exchange", &Quoted(&self.exchange))
            .finish()
    }
}

impl fmt::Debug for DeathReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected => f.write_str("Rejected"),
            Self::Expired => f.write_str("Expired"),
            Self::MaxLength => f.write_str("MaxLength"),
            Self::DeliveryLimit => f.write_str("DeliveryLimit"),
            Self::Other(word) => f.debug_tuple("Other").field(&Quoted(word)).finish(),
        }
    }
}

fn text(value: Value<'_>) -> Option<String> {
    match value {
        Value::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        _ => None,
    }
}

fn unsigned(value: Value<'_>) -> Option<u64> {
    value.as_u64()
}

fn texts(array: ArrayRef<'_>) -> Vec<String> {
    array
        .iter()
        .map_while(Result::ok)
        .filter_map(text)
        .collect()
}

/// Milliseconds, as text.
fn millis(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

impl Death {
    fn read(table: TableRef<'_>) -> Option<Self> {
        let name = |name| table.value(name).and_then(text);
        Some(Self {
            queue: name("queue")?,
            reason: DeathReason::new(name("reason")?),
            count: table.value("count").and_then(unsigned).unwrap_or(1),
            exchange: name("exchange").unwrap_or_default(),
            routing_keys: match table.value("routing-keys") {
                Some(Value::Array(keys)) => texts(keys),
                _ => Vec::new(),
            },
            time: match table.value("time") {
                Some(Value::Timestamp(time)) => time.to_system_time(),
                _ => None,
            },
            original_expiration: name("original-expiration").and_then(|text| millis(&text)),
        })
    }
}

/// What the broker has written into the headers.
impl ReceivedMessage {
    /// A header, if it is there and can be read. The first of that name.
    ///
    /// It compares with plain values, and is read as one. A table in it is looked into with
    /// [`TableRef::value`]; [`Value::to_owned`] makes a [`FieldValue`](super::FieldValue) of what is
    /// to be kept.
    ///
    /// ```
    /// use amqp_client::ReceivedMessage;
    ///
    /// fn is_urgent(message: &ReceivedMessage) -> bool {
    ///     let urgent = message.header("level").is_some_and(|level| level == "urgent");
    ///     let retries = message.header("retries").and_then(|retries| retries.as_u64());
    ///     urgent || retries.unwrap_or(0) > 3
    /// }
    /// ```
    #[must_use]
    pub fn header(&self, name: impl AsRef<str>) -> Option<Value<'_>> {
        self.properties().headers()?.value(name.as_ref())
    }

    /// The queues that the message was dead-lettered from (`x-death`), the newest first; one entry
    /// for each queue and reason. Empty if it never was.
    #[must_use]
    pub fn deaths(&self) -> Vec<Death> {
        let Some(Value::Array(deaths)) = self.header("x-death") else {
            return Vec::new();
        };
        deaths
            .iter()
            .map_while(Result::ok)
            .filter_map(|death| match death {
                Value::Table(death) => Death::read(death),
                _ => None,
            })
            .collect()
    }

    /// The first time that it was dead-lettered (`x-first-death-…`).
    #[must_use]
    pub fn first_death(&self) -> Option<DeathOrigin> {
        self.death_origin("x-first-death")
    }

    /// The last time that it was dead-lettered (`x-last-death-…`, RabbitMQ 3.13 and later).
    #[must_use]
    pub fn last_death(&self) -> Option<DeathOrigin> {
        self.death_origin("x-last-death")
    }

    fn death_origin(&self, which: &str) -> Option<DeathOrigin> {
        let part = |part| self.header(format!("{which}-{part}")).and_then(text);
        Some(DeathOrigin {
            queue: part("queue")?,
            reason: DeathReason::new(part("reason")?),
            exchange: part("exchange").unwrap_or_default(),
        })
    }

    /// How often it has been delivered, this time included: at least 1, and never more often than it
    /// was. What the broker tells of it decides how near that comes.
    ///
    /// | it comes | what is known |
    /// |---|---|
    /// | from a quorum queue, given back there | each delivery ([`acquired_count`](Self::acquired_count); before RabbitMQ 4.3 [`delivery_count`](Self::delivery_count)) |
    /// | from a classic queue, given back there | that it was [`redelivered`](Self::redelivered): 2, however often that was |
    /// | back from where it was dead-lettered | each time that it was rejected, or over a delivery limit ([`deaths`](Self::deaths)), in all queues together |
    /// | from a stream | nothing: 1, however often it has been read |
    ///
    /// Of several that are told the largest counts, since quorum queues since 4.0 tell a delivery
    /// that ended with a dead letter by more than one of them: a message that is sometimes given
    /// back and sometimes dead-lettered may have been delivered more often. So may one that was
    /// published anew, unless its headers came along.
    ///
    /// Delivered is what a broker has sent to a consumer, seen or not: what waits here or is lost
    /// on its way counts, too.
    ///
    /// ```
    /// use amqp_client::{Disposition, ReceivedMessage};
    ///
    /// /// What becomes of a message that could not be handled.
    /// fn judge(message: &ReceivedMessage) -> Disposition {
    ///     match message.attempts() {
    ///         ..5 => Disposition::Requeue,
    ///         _ => Disposition::Reject,
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn attempts(&self) -> u64 {
        let was_delivered = |death: &Death| match death.reason {
            DeathReason::Rejected | DeathReason::DeliveryLimit => true,
            DeathReason::Expired | DeathReason::MaxLength | DeathReason::Other(_) => false,
        };
        let deaths = self.deaths();
        let deaths = deaths.iter().filter(|death| was_delivered(death));
        let told = [
            u64::from(self.redelivered()),
            self.delivery_count().unwrap_or(0),
            self.acquired_count().unwrap_or(0),
            deaths.fold(0, |n, death| n.saturating_add(death.count)),
        ];
        told.into_iter().max().unwrap_or(0).saturating_add(1)
    }

    /// How often it was delivered before and came back as failed (`x-delivery-count`), which is
    /// what a [delivery limit](crate::QueueDeclare::delivery_limit) is about; quorum queues count,
    /// others do not. Before RabbitMQ 4.3 every return counts. `None` is the first time, or no
    /// count.
    #[must_use]
    pub fn delivery_count(&self) -> Option<u64> {
        self.header("x-delivery-count").and_then(unsigned)
    }

    /// How often it was delivered before and came back, failed or not (`x-acquired-count`); quorum
    /// queues of RabbitMQ from 4.3 on count, others do not. `None` is the first time, or no count.
    #[must_use]
    pub fn acquired_count(&self) -> Option<u64> {
        self.header("x-acquired-count").and_then(unsigned)
    }

    /// Its offset, if it comes from a stream (`x-stream-offset`).
    #[must_use]
    pub fn stream_offset(&self) -> Option<u64> {
        self.header("x-stream-offset").and_then(unsigned)
    }
}

fn utf8(text: ShortStr<'_>) -> Option<&str> {
    text.as_str().ok()
}

/// The properties one by one. What is not UTF-8 counts as absent here; the octets are in
/// [`properties`](ReceivedMessage::properties).
impl ReceivedMessage {
    /// The MIME type of the body.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.properties().content_type().and_then(utf8)
    }

    /// How the body is encoded.
    #[must_use]
    pub fn content_encoding(&self) -> Option<&str> {
        self.properties().content_encoding().and_then(utf8)
    }

    /// The headers. [`TableRef::to_map`] copies them into a map.
    #[must_use]
    pub fn headers(&self) -> Option<TableRef<'_>> {
        self.properties().headers()
    }

    /// Whether it was to outlive a restart of the broker. `None` if nothing was said, or a number
    /// that has no meaning.
    #[must_use]
    pub fn delivery_mode(&self) -> Option<DeliveryMode> {
        match self.properties().delivery_mode()? {
            1 => Some(DeliveryMode::Transient),
            2 => Some(DeliveryMode::Persistent),
            _ => None,
        }
    }

    /// Whether it was published as persistent.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.delivery_mode() == Some(DeliveryMode::Persistent)
    }

    /// 0 to 255, the higher the sooner.
    #[must_use]
    pub fn priority(&self) -> Option<u8> {
        self.properties().priority()
    }

    /// What it replies to, or what a reply should refer to.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.properties().correlation_id().and_then(utf8)
    }

    /// The queue that replies should go to.
    #[must_use]
    pub fn reply_to(&self) -> Option<&str> {
        self.properties().reply_to().and_then(utf8)
    }

    /// How long it might wait in a queue.
    #[must_use]
    pub fn expiration(&self) -> Option<Duration> {
        millis(utf8(self.properties().expiration()?)?)
    }

    /// The application's id of it.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.properties().message_id().and_then(utf8)
    }

    /// When it came into being, in whole seconds. Some clients write milliseconds, which is a time
    /// in the far future, or none that the system knows; the number is in
    /// [`properties`](Self::properties).
    #[must_use]
    pub fn timestamp(&self) -> Option<SystemTime> {
        self.properties().timestamp()?.to_system_time()
    }

    /// The application's name for this kind of message (`type`).
    #[doc(alias = "type")]
    #[doc(alias = "message_type")]
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.properties().type_().and_then(utf8)
    }

    /// The user who sent it, as the broker has checked.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.properties().user_id().and_then(utf8)
    }

    /// The application that sent it.
    #[must_use]
    pub fn app_id(&self) -> Option<&str> {
        self.properties().app_id().and_then(utf8)
    }
}
