//! A message to be published.

use std::borrow::Borrow;
use std::fmt;
use std::time::{Duration, SystemTime};

use amqp_spec::basic::Properties;
use amqp_spec::wire::{FieldTable, ShortStr, TableRef, Timestamp, ToValue};
use bytes::Bytes;

use super::body::Body;
use super::field_values::{Decimals, check_present, is_plain};
use super::shown::Shown;
use super::unsendable::{Property, Unsendable};
use crate::error::{ArgumentError, ChannelError, NameTooLong};
use crate::rounding::whole_millis;

/// Ten years in milliseconds: more is refused by RabbitMQ as too large.
pub(crate) const TEN_YEARS: i64 = 315_360_000_000;

/// A message: properties and a body.
///
/// Cloning is cheap where the body is concerned. Properties are kept as they will be sent, so that
/// a message published many times is encoded once. What cannot be sent, such as a text property of
/// more than 255 bytes, is reported by the call that publishes, unless it has been set anew by
/// then.
///
/// ```
/// use amqp_client::Message;
///
/// let message = Message::new("{\"id\": 42}").persistent().content_type("application/json");
/// ```
#[derive(Clone, Default)]
pub struct Message {
    properties: Properties,
    body: Bytes,
    /// What cannot be sent.
    unsendable: Option<Box<Unsendable>>,
}

impl Message {
    /// A message with this body and no properties. Strings, vectors and `Bytes` are taken over
    /// without a copy; what is borrowed is copied once.
    pub fn new<'a>(body: impl Into<Body<'a>>) -> Self {
        Self {
            body: body.into().into_bytes(),
            ..Self::default()
        }
    }

    /// Replaces all properties.
    #[must_use]
    pub fn with_properties(mut self, properties: Properties) -> Self {
        self.properties = properties;
        if let Some(unsendable) = &mut self.unsendable {
            unsendable.forget_properties();
        }
        self.look_at_headers()
    }

    /// Kept on disk by durable queues: [`DeliveryMode::Persistent`]. Without it a message does not
    /// survive a restart of the broker, except in quorum queues and streams.
    #[must_use]
    pub fn persistent(self) -> Self {
        self.delivery_mode(DeliveryMode::Persistent)
    }

    /// Whether durable queues keep it on disk.
    #[must_use]
    pub fn delivery_mode(self, mode: DeliveryMode) -> Self {
        self.map(|properties| properties.delivery_mode(mode as u8))
    }

    /// The MIME type of the body.
    #[must_use]
    pub fn content_type(self, value: impl AsRef<str>) -> Self {
        self.text(
            value.as_ref(),
            Properties::content_type,
            Property::CONTENT_TYPE,
        )
    }

    /// How the body is encoded: `gzip` for instance.
    #[must_use]
    pub fn content_encoding(self, value: impl AsRef<str>) -> Self {
        self.text(
            value.as_ref(),
            Properties::content_encoding,
            Property::CONTENT_ENCODING,
        )
    }

    /// The application's name for this kind of message: the property `type`.
    #[doc(alias = "type")]
    #[doc(alias = "message_type")]
    #[must_use]
    pub fn kind(self, value: impl AsRef<str>) -> Self {
        self.text(value.as_ref(), Properties::type_, Property::KIND)
    }

    /// The user who sends it. RabbitMQ compares it with the user of the connection, and closes the
    /// channel with 406 if they differ.
    #[must_use]
    pub fn user_id(self, value: impl AsRef<str>) -> Self {
        self.text(value.as_ref(), Properties::user_id, Property::USER_ID)
    }

    /// The application that sends it.
    #[must_use]
    pub fn app_id(self, value: impl AsRef<str>) -> Self {
        self.text(value.as_ref(), Properties::app_id, Property::APP_ID)
    }

    /// What a reply refers to.
    #[must_use]
    pub fn correlation_id(self, value: impl AsRef<str>) -> Self {
        self.text(
            value.as_ref(),
            Properties::correlation_id,
            Property::CORRELATION_ID,
        )
    }

    /// The same for an id as it was received, which need not be text.
    pub(crate) fn refers_to(self, id: ShortStr<'_>) -> Self {
        self.map(|properties| properties.correlation_id(id))
    }

    /// The queue that replies go to.
    #[must_use]
    pub fn reply_to(self, value: impl AsRef<str>) -> Self {
        self.text(value.as_ref(), Properties::reply_to, Property::REPLY_TO)
    }

    /// The application's id of the message.
    #[must_use]
    pub fn message_id(self, value: impl AsRef<str>) -> Self {
        self.text(value.as_ref(), Properties::message_id, Property::MESSAGE_ID)
    }

    /// How long the message may wait in a queue: up to ten years, rounded up to milliseconds. Zero
    /// lets it expire unless a consumer takes it at once. RabbitMQ closes the channel over a longer
    /// time (406), so that publishing is refused here, with [`ChannelError::Invalid`].
    ///
    /// [`ChannelError::Invalid`]: crate::ChannelError::Invalid
    #[must_use]
    pub fn expiration(self, after: Duration) -> Self {
        let millis = whole_millis(after);
        if i64::try_from(millis).is_ok_and(|millis| millis <= TEN_YEARS) {
            let millis = millis.to_string();
            return self.text(&millis, Properties::expiration, Property::EXPIRATION);
        }
        let error = ArgumentError::value("expiration", "0 to 315360000000 milliseconds");
        self.refuse(Property::EXPIRATION, error.into())
    }

    /// 0 to 255; only queues declared with `x-max-priority` care.
    #[must_use]
    pub fn priority(self, priority: u8) -> Self {
        self.map(|properties| properties.priority(priority))
    }

    /// When the message came into being: sent in whole seconds, what is beyond them is cut off. A
    /// time before 1970, which AMQP cannot carry, is refused when the message is published.
    ///
    /// ```
    /// use amqp_client::Message;
    /// use std::time::SystemTime;
    ///
    /// let message = Message::new("tick").timestamp(SystemTime::now());
    /// ```
    #[must_use]
    pub fn timestamp(self, time: impl Into<SystemTime>) -> Self {
        match Timestamp::try_from(time.into()) {
            Ok(time) => self.map(|properties| properties.timestamp(time)),
            Err(_) => {
                let error = ArgumentError::value("timestamp", "1970 or later");
                self.refuse(Property::TIMESTAMP, error.into())
            }
        }
    }

    /// Sets a header, in place of an earlier one of that name. To send several of one name,
    /// [`push`](FieldTable::push) them into a table for [`headers`](Self::headers).
    ///
    /// A list is a [`FieldArray`](super::FieldArray), a table in a header a [`FieldTable`], a value
    /// that has been kept a [`FieldValue`](super::FieldValue); [`ToValue`] says what else there is.
    ///
    /// ```
    /// use amqp_client::Message;
    ///
    /// let job = Message::new("resize 42").header("attempts", 1);
    /// let again = job.header("attempts", 2);
    /// assert_eq!(again.properties().as_ref().headers().map(|headers| headers.iter().count()), Some(1));
    /// ```
    ///
    /// RabbitMQ routes by the keys in `CC` and `BCC`, too, which have to be lists:
    ///
    /// ```
    /// use amqp_client::{Message, message::FieldArray};
    ///
    /// let copies = vec!["audit", "archive"];
    /// let message = Message::new("paid").header("CC", FieldArray::from(copies));
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl AsRef<str>, value: impl ToValue) -> Self {
        let name = name.as_ref();
        let Ok(short) = ShortStr::try_from(name) else {
            let error = NameTooLong::new("name of a header", name).into();
            self.unsendable.get_or_insert_default().header(error);
            return self;
        };
        let headers = self.properties.as_ref().headers();
        let mut headers = headers.map_or_else(FieldTable::new, TableRef::to_owned);
        // Asked for once: what is looked at must be what is sent.
        let value = value.to_value();
        match value {
            Ok(value) => headers.insert(short, value),
            Err(why) => headers.insert(short, why),
        }
        let is_plain = value.is_ok_and(is_plain);
        if is_plain && self.unsendable.is_none() {
            return self.set_headers(&headers);
        }
        self.set_headers(&headers).look_at_headers()
    }

    /// Replaces the headers: by a table, a borrowed one, a map, or an array of pairs.
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// use amqp_client::Message;
    ///
    /// let labels = HashMap::from([("tenant", "acme"), ("region", "eu")]);
    /// let message = Message::new("paid").headers(&labels);
    /// let again = Message::new("paid again").headers([("attempts", 2)]);
    /// ```
    #[must_use]
    pub fn headers(mut self, headers: impl Into<FieldTable>) -> Self {
        if let Some(unsendable) = &mut self.unsendable {
            unsendable.forget_headers();
        }
        self.set_headers(&headers.into()).look_at_headers()
    }

    /// Takes a header out: all entries of that name. Nothing happens if there is none.
    ///
    /// ```
    /// use amqp_client::Message;
    ///
    /// let parked = Message::new("resize 42").header("error", "no space").header("tenant", "acme");
    /// let again = parked.remove_header("error");
    /// assert!(!format!("{again:?}").contains("error"));
    /// ```
    #[must_use]
    pub fn remove_header(self, name: impl AsRef<str>) -> Self {
        let Some(headers) = self.properties.as_ref().headers() else {
            return self;
        };
        let mut headers = headers.to_owned();
        if !headers.remove(name.as_ref()) {
            return self;
        }
        match headers.is_empty() {
            true => self.map(Properties::clear_headers).look_at_headers(),
            false => self.set_headers(&headers).look_at_headers(),
        }
    }

    /// The value that consumers of a stream
    /// [choose messages by](crate::consume::Consume::stream_filter) (header
    /// `x-stream-filter-value`); other queues pass it on. RabbitMQ knows it since 3.13.
    #[must_use]
    pub fn stream_filter_value(self, value: impl AsRef<str>) -> Self {
        self.header("x-stream-filter-value", value.as_ref())
    }

    /// Lets headers hold decimal numbers. RabbitMQ ends the connection (541) when such a message
    /// reaches a stream, and all that uses the connection ends with it; classic and quorum queues
    /// take it. Default: publishing is refused, with
    /// [`ChannelError::Invalid`], as it is for NaN and infinity, which RabbitMQ takes nowhere.
    ///
    /// [`ChannelError::Invalid`]: crate::ChannelError::Invalid
    #[must_use]
    pub fn allow_decimals(mut self) -> Self {
        self.unsendable.get_or_insert_default().allow_decimals();
        self
    }

    /// Notes headers that cannot be sent as they are.
    fn look_at_headers(mut self) -> Self {
        let is_suspect = check_present(self.properties.as_ref(), Decimals::Refused).is_err();
        if is_suspect || self.unsendable.is_some() {
            let unsendable = self.unsendable.get_or_insert_default();
            unsendable.set_suspect(is_suspect);
        }
        self
    }

    fn set_headers(self, headers: &FieldTable) -> Self {
        self.map(|properties| properties.headers(headers.as_ref()))
    }

    /// The body.
    #[inline]
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The properties.
    #[inline]
    #[must_use]
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Why the message cannot be sent to where it is to go, if it cannot.
    #[inline]
    pub(crate) fn refusal(&self, exchange: &str, routing_key: &str) -> Option<ChannelError> {
        let unsendable = self.unsendable.as_deref()?;
        unsendable.judge(self.properties.as_ref(), exchange, routing_key)
    }

    fn map(mut self, set: impl FnOnce(Properties) -> Properties) -> Self {
        self.properties = set(self.properties);
        self
    }

    fn text(
        self,
        value: &str,
        set: fn(Properties, ShortStr<'_>) -> Properties,
        property: &'static Property,
    ) -> Self {
        match ShortStr::new(value.as_bytes()) {
            Ok(value) => self.map(|properties| set(properties, value)),
            Err(_) => self.refuse(property, NameTooLong::new(property.name, value).into()),
        }
    }

    #[cold]
    fn refuse(mut self, property: &'static Property, error: ChannelError) -> Self {
        let unsendable = self.unsendable.get_or_insert_default();
        self.properties = unsendable.property(property, error, self.properties);
        self
    }
}

/// The properties, with the names of headers but not their values, and the length of the body.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("properties", &Shown(self.properties.as_ref()))
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// What can be published in place of a message: a [`Message`], a borrowed one, and whatever is
/// [`Into<Message>`].
///
/// Text and octets become the body of a message without properties. A message that was received
/// becomes one with the same properties and body: see
/// [`to_message`](crate::ReceivedMessage::to_message). For a type of the application's own,
/// implement `From<…> for Message`.
///
/// ```no_run
/// # async fn example(publisher: amqp_client::Publisher) -> Result<(), amqp_client::PublishError> {
/// use amqp_client::Message;
///
/// struct Order {
///     id: u64,
/// }
///
/// impl From<Order> for Message {
///     fn from(order: Order) -> Self {
///         Message::new(format!("order {}", order.id)).persistent().message_id(order.id.to_string())
///     }
/// }
///
/// publisher.publish("", "orders", Order { id: 42 }).await?;
/// publisher.publish("", "log", "text").await?;
/// let tick = Message::new("tick").content_type("text/plain");
/// publisher.publish("", "clock", &tick).await?;
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be published",
    note = "implement `From<{Self}> for amqp_client::Message`, or publish a `Message`, text or octets",
    note = "what is encoded first goes in as octets: `Message::new(serde_json::to_vec(&value)?)`"
)]
pub trait IntoMessage {
    /// The message, or a borrow of it.
    type Held: Borrow<Message>;

    /// The message, or a borrow of it.
    fn into_message(self) -> Self::Held;

    /// The message. Copied if it was only borrowed: its properties, for the body is shared.
    fn into_owned_message(self) -> Message
    where
        Self: Sized,
    {
        self.into_message().borrow().clone()
    }
}

/// Whether a message outlives a restart of the broker (`delivery-mode`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum DeliveryMode {
    /// It need not be written to disk.
    Transient = 1,
    /// Durable queues write it to disk, and a confirm waits for that.
    Persistent = 2,
}
