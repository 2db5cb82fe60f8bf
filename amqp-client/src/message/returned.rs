//! A mandatory message that reached no queue: why, and the message as the broker sent it back.

use amqp_spec::ReplyCode;
use amqp_spec::basic::Return;
use amqp_spec::wire::{Reader, TypedMethod};

use super::getters::message_getters;
use super::incoming::Incoming;
use super::numbered::Numbered;
use super::received::{RawDelivery, ReceivedMessage};

/// A message that had to reach a queue and came back, since there was none for it.
///
/// ```no_run
/// use amqp_client::{Message, PublishError, Publisher};
///
/// # async fn example(publisher: Publisher, order: Message) {
/// if let Err(PublishError::Returned(back)) = publisher.publish("", "orders", &order).await {
///     eprintln!("{} {}: {} bytes", back.reply_code.0, back.reply_text, back.body().len());
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReturnedMessage {
    /// Why: 312 `NO_ROUTE`.
    pub reply_code: ReplyCode,
    /// Why, in words.
    pub reply_text: String,
    message: ReceivedMessage,
}

impl ReturnedMessage {
    /// A message that came back, for tests of what a program makes of it.
    ///
    /// ```
    /// use amqp_client::message::ReturnedMessage;
    /// use amqp_client::{PublishError, ReceivedMessage};
    ///
    /// # fn main() -> Result<(), amqp_client::ChannelError> {
    /// let order = ReceivedMessage::new("", "orders", "order 42")?;
    /// let returned = ReturnedMessage::new(312, "NO_ROUTE", order);
    /// let error = PublishError::Returned(Box::new(returned));
    /// assert!(error.to_string().contains("312 NO_ROUTE"));
    /// # Ok(()) }
    /// ```
    pub fn new(
        reply_code: impl Into<ReplyCode>,
        reply_text: impl AsRef<str>,
        message: ReceivedMessage,
    ) -> Self {
        Self {
            reply_code: reply_code.into(),
            reply_text: reply_text.as_ref().to_owned(),
            message,
        }
    }

    pub(crate) fn read(message: Incoming) -> Self {
        let mut reader = Reader::new(message.arguments());
        let returned = Return::decode_arguments(&mut reader);
        let (code, text) = match &returned {
            Ok(returned) => (returned.reply_code, returned.reply_text.as_bytes()),
            Err(_) => (ReplyCode::NO_ROUTE.0, b"".as_slice()),
        };
        Self {
            reply_code: ReplyCode(code),
            reply_text: String::from_utf8_lossy(text).into_owned(),
            message: ReceivedMessage::of(RawDelivery::new(message, Numbered::first(0), false)),
        }
    }

    /// The message as it came back, without a copy.
    #[must_use]
    pub fn into_received(self) -> ReceivedMessage {
        self.message
    }
}

message_getters!(ReturnedMessage.message);
