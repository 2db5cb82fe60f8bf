//! What the broker says when it ends a channel or a connection: why, over which operation, over
//! what.
//!
//! Which entity it is comes from the request that the broker answers, as far as it answers one; see
//! `about.rs`.

use std::fmt;
use std::sync::Arc;

use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{ReplyCode, basic};

use super::Entity;
use super::about::Provoker;
use crate::text::line;

/// What the broker said when it closed a connection or a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BrokerClose {
    /// The number of the channel that was closed; 0 for the connection.
    pub channel: u16,
    /// Why, as a number: `404 NOT_FOUND`.
    pub reply_code: ReplyCode,
    /// Why, in words. RabbitMQ cuts it to 255 octets, sometimes inside a character; what is not
    /// UTF-8 has been replaced.
    pub reply_text: String,
    /// The method that provoked it, if the broker named one. Not necessarily the one whose error
    /// carries this: everything that waits on a channel ends with it.
    pub method: Option<MethodId>,
    /// What that method was about: the queue that is missing, the exchange that is refused. `None`
    /// if neither a request of ours nor the broker's text tells.
    pub entity: Option<Entity>,
    /// Whether the operation that failed with this is not known to be the one that the broker
    /// objected to: it only shared the channel or the connection with that one. Then the questions
    /// below answer for this operation: it [may be tried again](Self::is_retryable), and nothing
    /// that it named [is missing](Self::is_not_found) or refused. False in what tells the end of a
    /// channel or of a connection itself ([`Channel::close_reason`](crate::Channel::close_reason),
    /// events).
    pub bystander: bool,
}

impl BrokerClose {
    /// What a broker could have said, for tests of what a program makes of it: `channel` is 0 for
    /// the end of the connection. The other fields can be set.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use amqp_client::error::{BrokerClose, Entity};
    /// use amqp_client::{ChannelError, PublishError};
    ///
    /// let mut close = BrokerClose::new(1, 404, "NOT_FOUND - no exchange 'orders' in vhost '/'");
    /// close.entity = Some(Entity::Exchange("orders".into()));
    /// let error = PublishError::Refused(ChannelError::ClosedByBroker(Arc::new(close)));
    /// assert!(error.is_not_found() && !error.is_retryable());
    /// ```
    pub fn new(
        channel: u16,
        reply_code: impl Into<ReplyCode>,
        reply_text: impl AsRef<str>,
    ) -> Self {
        Self {
            channel,
            reply_code: reply_code.into(),
            reply_text: reply_text.as_ref().to_owned(),
            method: None,
            entity: None,
            bystander: false,
        }
    }

    /// Puts together what the broker said and what is known of the request that it answers; also
    /// says which of those that it may answer it is.
    pub(crate) fn read(
        channel: u16,
        reply_code: u16,
        reply_text: &[u8],
        method: MethodId,
        about: &Provoker,
    ) -> (Self, Option<usize>) {
        let reply_text = String::from_utf8_lossy(reply_text).into_owned();
        let provoked = about.choose(method, &reply_text);
        let close = Self {
            channel,
            reply_code: ReplyCode(reply_code),
            method: (method.to_u32() != 0).then_some(method),
            entity: provoked.entity,
            reply_text,
            bystander: false,
        };
        (close, provoked.request)
    }

    /// The same, as it is told to an operation that is not known to have provoked it.
    pub(crate) fn for_bystander(self: &Arc<Self>) -> Arc<Self> {
        if self.bystander {
            return Arc::clone(self);
        }
        let mut close = Self::clone(self);
        close.bystander = true;
        Arc::new(close)
    }

    /// The same, as it is told to an operation that the broker refuses for the same reason.
    pub(crate) fn for_provoker(&self) -> Arc<Self> {
        let mut close = self.clone();
        close.bystander = false;
        Arc::new(close)
    }

    /// The size from which on the broker takes no message, if one was larger.
    pub(crate) fn max_message_size(&self) -> Option<u64> {
        const WORDS: &str = "larger than configured max size ";
        if self.reply_code != ReplyCode::PRECONDITION_FAILED
            || self.method != Some(basic::Publish::ID)
        {
            return None;
        }
        let (_, most) = self.reply_text.split_once(WORDS)?;
        let end = most.find(|c: char| !c.is_ascii_digit());
        most.get(..end.unwrap_or(most.len()))?.parse().ok()
    }

    /// Whether the operation provoked this, and with this code.
    fn is(&self, reply_code: ReplyCode) -> bool {
        !self.bystander && self.reply_code == reply_code
    }

    /// 404 for a queue that is there, on a node that is not, or is just stopping.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        let texts = ["down or inaccessible", "stopped by supervisor"];
        self.reply_code == ReplyCode::NOT_FOUND
            && texts.iter().any(|text| self.reply_text.contains(text))
    }

    /// The name of the method that provoked it: `queue.declare`.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.method.and_then(method_name)
    }

    /// 404: the queue or exchange is not there. Not for a queue whose node is down, which RabbitMQ
    /// tells by the same code (`home node … is down or inaccessible`, `stopped by supervisor`):
    /// every operation on it succeeds when the node is back.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.is(ReplyCode::NOT_FOUND) && !self.is_out_of_reach()
    }

    /// 403: the user may not do that, no user may, or an exclusive consumer is in the way.
    #[must_use]
    pub fn is_access_refused(&self) -> bool {
        self.is(ReplyCode::ACCESS_REFUSED)
    }

    /// 405: the queue is exclusive to another connection. It may be one that has just been lost:
    /// the broker takes a moment to notice.
    #[must_use]
    pub fn is_resource_locked(&self) -> bool {
        self.is(ReplyCode::RESOURCE_LOCKED)
    }

    /// 406: something is declared otherwise already, or a precondition does not hold. Three more
    /// predicates tell special cases of it.
    #[must_use]
    pub fn is_precondition_failed(&self) -> bool {
        self.is(ReplyCode::PRECONDITION_FAILED)
    }

    /// A delivery was not acknowledged within the broker's time (`consumer_timeout`, 30 minutes by
    /// default). A 406 that answers no method, told by its text. It is told to every operation on
    /// the channel alike, since it is about none of them.
    ///
    /// RabbitMQ from 4.3 on closes no channel over it: there classic queues wait for ever, and
    /// quorum queues [cancel the consumer](crate::ConsumeError::CancelledByBroker).
    #[must_use]
    pub fn is_delivery_ack_timeout(&self) -> bool {
        self.reply_code == ReplyCode::PRECONDITION_FAILED
            && self.reply_text.contains("delivery acknowledgement")
            && self.reply_text.contains("timed out")
    }

    /// A delivery was settled twice, on another channel than its own, or without need (`no_ack`): a
    /// 406 that answers `basic.ack`, `basic.nack` or `basic.reject`. It is told to every operation
    /// on the channel alike, since nothing waits for what becomes of a settlement.
    #[must_use]
    pub fn is_unknown_delivery_tag(&self) -> bool {
        self.reply_code == ReplyCode::PRECONDITION_FAILED && self.is_about_a_settlement()
    }

    /// Whether it answers a settlement.
    pub(crate) fn is_about_a_settlement(&self) -> bool {
        let settling = [basic::Ack::ID, basic::Nack::ID, basic::Reject::ID];
        self.method.is_some_and(|id| settling.contains(&id))
    }

    /// A message is larger than the broker takes (`max_message_size`): 311, or from RabbitMQ a 406
    /// that answers `basic.publish`, told by its text.
    #[must_use]
    pub fn is_message_too_large(&self) -> bool {
        self.is(ReplyCode::CONTENT_TOO_LARGE)
            || self.is_precondition_failed()
                && self.method == Some(basic::Publish::ID)
                && self.reply_text.contains("larger than configured max size")
    }

    /// Whether the same operation may succeed later, on a new channel or connection, without a
    /// change of the program: what was locked is released, the node is back.
    ///
    /// True for 313, 320, 405, 506, an exclusive consumer in the way (403), a queue whose node is
    /// down (404), an acknowledgement timeout (406), and 541 unless it answers a publish: RabbitMQ
    /// says so where a quorum queue has no majority, and of a message that it cannot read, which
    /// will not do better. And true for every [bystander](Self::bystander), whatever the broker
    /// objected to. The rest is for people to mend.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        if self.bystander {
            return true;
        }
        match self.reply_code {
            ReplyCode::NO_CONSUMERS
            | ReplyCode::CONNECTION_FORCED
            | ReplyCode::RESOURCE_LOCKED
            | ReplyCode::RESOURCE_ERROR => true,
            ReplyCode::INTERNAL_ERROR => !self.is_unreadable_message(),
            ReplyCode::ACCESS_REFUSED => self.reply_text.contains("in exclusive use"),
            ReplyCode::NOT_FOUND => self.is_out_of_reach(),
            _ => self.is_delivery_ack_timeout(),
        }
    }

    /// A message that the broker could not read: it ends the connection, over which message it does
    /// not say.
    pub(crate) fn is_unreadable_message(&self) -> bool {
        self.reply_code == ReplyCode::INTERNAL_ERROR && self.method == Some(basic::Publish::ID)
    }
}

/// One line, whatever the broker sends: what a terminal would obey in its text is escaped, and a
/// long text is cut. The fields hold what came.
impl fmt::Display for BrokerClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RabbitMQ's text starts with the code's name, other brokers' may not.
        let named = self.reply_code.name().is_some_and(|name| {
            self.reply_text
                .starts_with(&name.to_uppercase().replace('-', "_"))
        });
        if named {
            write!(f, "{} ", self.reply_code.0)?;
        } else {
            write!(f, "{}: ", self.reply_code)?;
        }
        f.write_str(&line(&self.reply_text))?;
        // Where RabbitMQ fails over what it was sent, it says no more than the code's name.
        if self.reply_code == ReplyCode::INTERNAL_ERROR && !self.reply_text.contains(' ') {
            f.write_str(": the broker failed over something it was sent; its log says over what")?;
        }
        match (self.operation(), &self.entity) {
            (Some(method), Some(entity)) => write!(f, " (answering {method} of {entity})"),
            (Some(method), None) => write!(f, " (answering {method})"),
            (None, _) => Ok(()),
        }
    }
}

impl std::error::Error for BrokerClose {}

pub(crate) fn method_name(id: MethodId) -> Option<&'static str> {
    let mut methods = amqp_spec::metadata::CLASSES
        .iter()
        .flat_map(|class| class.methods);
    methods
        .find(|method| method.id == id)
        .map(|method| method.name)
}

/// The method whose name is the last word of this.
pub(super) fn method_id(text: &str) -> Option<MethodId> {
    let name = text.rsplit(' ').next()?;
    let mut methods = amqp_spec::metadata::CLASSES
        .iter()
        .flat_map(|class| class.methods);
    methods
        .find(|method| method.name == name)
        .map(|method| method.id)
}

#[cfg(test)]
mod tests {
    use amqp_spec::wire::{MethodId, TypedMethod};
    use amqp_spec::{basic, exchange, queue};

    use super::BrokerClose;
    use crate::error::about::{About, Provoker};

    fn close(code: u16, text: &str, method: MethodId, about: &About) -> BrokerClose {
        BrokerClose::read(3, code, text.as_bytes(), method, &Provoker::of(about)).0
    }

    #[test]
    fn close_is_told_in_one_line() {
        let text = "NOT_FOUND - no exchange 'x' in vhost '/'";
        assert_eq!(
            close(404, text, exchange::Bind::ID, &About::exchange("x")).to_string(),
            "404 NOT_FOUND - no exchange 'x' in vhost '/' (answering exchange.bind of exchange 'x')"
        );
        assert_eq!(
            close(406, "bad\nluck", basic::Ack::ID, &About::default()).to_string(),
            "406 PRECONDITION_FAILED: bad luck (answering basic.ack)"
        );
        assert_eq!(
            close(320, "", MethodId::new(0, 0), &About::default()).to_string(),
            "320 CONNECTION_FORCED: "
        );
    }

    #[test]
    fn what_may_succeed_later_is_told() {
        const NONE: MethodId = MethodId::new(0, 0);
        let timeout = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. \
                       Timeout value used: 1500 ms.";
        let exclusive = "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use";
        let table = [
            (311, "", NONE, false),
            (312, "", NONE, false),
            (313, "", NONE, true),
            (320, "CONNECTION_FORCED - shutdown", NONE, true),
            (402, "", NONE, false),
            (
                403,
                "ACCESS_REFUSED - access to queue 'q' refused",
                queue::Declare::ID,
                false,
            ),
            (403, exclusive, basic::Consume::ID, true),
            (404, "", queue::Declare::ID, false),
            (405, "", queue::Declare::ID, true),
            (406, "", queue::Declare::ID, false),
            (406, "unknown delivery tag 5", basic::Ack::ID, false),
            (406, timeout, NONE, true),
            (501, "", NONE, false),
            (502, "", NONE, false),
            (503, "", NONE, false),
            (504, "", NONE, false),
            (505, "", NONE, false),
            (506, "", NONE, true),
            (530, "", NONE, false),
            (540, "", NONE, false),
            (541, "", NONE, true),
            (999, "", NONE, false),
        ];
        for (code, text, method, retryable) in table {
            let close = close(code, text, method, &About::default());
            assert_eq!(close.is_retryable(), retryable, "{close}");
            assert_eq!(close.is_delivery_ack_timeout(), text == timeout, "{close}");
            let is_tag = text.contains("unknown delivery tag");
            assert_eq!(close.is_unknown_delivery_tag(), is_tag, "{close}");
        }
    }

    #[test]
    fn message_too_large_is_told_by_code_or_text() {
        let text = "PRECONDITION_FAILED - message size 9 is larger than configured max size 8";
        assert!(close(311, "", basic::Publish::ID, &About::default()).is_message_too_large());
        assert!(close(406, text, basic::Publish::ID, &About::default()).is_message_too_large());
        assert!(!close(406, text, queue::Declare::ID, &About::default()).is_message_too_large());
        assert!(!close(406, "", basic::Publish::ID, &About::default()).is_message_too_large());
    }
}
