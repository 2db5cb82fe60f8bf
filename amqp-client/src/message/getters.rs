//! The getters of a received message, for types that hold one: a delivery, a message that came
//! back.
//!
//! What a getter does stands with [`ReceivedMessage`](super::ReceivedMessage) alone; here each one
//! is forwarded. They are methods, not a `Deref`, so that a holder's own methods and those of its
//! message are told apart, and a holder that loses its message when it is settled says so by type.

/// Gives a type the getters of the [`ReceivedMessage`](super::ReceivedMessage) in one of its
/// fields.
macro_rules! message_getters {
    ($holder:ident.$message:ident) => {
        $crate::message::message_getters! { @each $holder.$message:
            /// The body.
            #[doc(alias = "data")]
            #[doc(alias = "payload")]
            body() -> &[u8];
            /// The properties.
            properties() -> amqp_spec::basic::PropertiesRef<'_>;
            /// The exchange that it was published to; empty for the default exchange.
            exchange() -> amqp_spec::wire::ShortStr<'_>;
            /// The routing key that it was published with. Not necessarily UTF-8.
            routing_key() -> amqp_spec::wire::ShortStr<'_>;
            /// The headers.
            headers() -> Option<amqp_spec::wire::TableRef<'_>>;
            /// A header, if it is there and can be read. The first of that name.
            header(name: impl AsRef<str>) -> Option<amqp_spec::wire::Value<'_>>;
            /// The MIME type of the body.
            content_type() -> Option<&str>;
            /// How the body is encoded.
            content_encoding() -> Option<&str>;
            /// Whether it was to outlive a restart of the broker, if that was said.
            delivery_mode() -> Option<$crate::message::DeliveryMode>;
            /// Whether it was published as persistent.
            is_persistent() -> bool;
            /// 0 to 255, the higher the sooner.
            priority() -> Option<u8>;
            /// What it replies to, or what a reply should refer to.
            correlation_id() -> Option<&str>;
            /// The queue that replies should go to.
            reply_to() -> Option<&str>;
            /// How long it might wait in a queue.
            expiration() -> Option<std::time::Duration>;
            /// The application's id of it.
            message_id() -> Option<&str>;
            /// When it came into being, in whole seconds.
            timestamp() -> Option<std::time::SystemTime>;
            /// The application's name for this kind of message (`type`).
            #[doc(alias = "type")]
            #[doc(alias = "message_type")]
            kind() -> Option<&str>;
            /// The user who sent it, as the broker has checked.
            user_id() -> Option<&str>;
            /// The application that sent it.
            app_id() -> Option<&str>;
            /// The queues that the message was dead-lettered from (`x-death`), the newest first.
            deaths() -> Vec<$crate::message::Death>;
            /// The first time that it was dead-lettered.
            first_death() -> Option<$crate::message::DeathOrigin>;
            /// The last time that it was dead-lettered (RabbitMQ 3.13 and later).
            last_death() -> Option<$crate::message::DeathOrigin>;
            /// How often it has been delivered, this time included, as far as the broker tells: at
            /// least 1.
            attempts() -> u64;
            /// How often it was delivered before and came back as failed, if its queue counts.
            delivery_count() -> Option<u64>;
            /// How often it was delivered before and came back, failed or not (RabbitMQ from 4.3
            /// on).
            acquired_count() -> Option<u64>;
            /// Its offset, if it comes from a stream.
            stream_offset() -> Option<u64>;
        }
    };
    (@each $holder:ident.$message:ident:
        $($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty)?) -> $output:ty;)*
    ) => {
        /// What the message says; [`ReceivedMessage`](crate::ReceivedMessage) has the details.
        impl $holder {
            /// The message as it was received.
            #[inline]
            #[must_use]
            pub fn received(&self) -> &$crate::message::ReceivedMessage {
                &self.$message
            }

            /// A message to be published, with all properties and the body of this one; see
            /// [`ReceivedMessage::to_message`](crate::ReceivedMessage::to_message).
            #[must_use]
            pub fn to_message(&self) -> $crate::message::Message {
                self.$message.to_message()
            }

            /// The body as text.
            ///
            /// # Errors
            ///
            /// It is not UTF-8.
            #[inline]
            pub fn text(&self) -> Result<&str, std::str::Utf8Error> {
                self.$message.text()
            }

            $(
                $(#[$doc])*
                #[inline]
                #[must_use]
                pub fn $name(&self $(, $argument: $type)?) -> $output {
                    self.$message.$name($($argument)?)
                }
            )*
        }
    };
}

pub(crate) use message_getters;
