//! What can be published: messages, however they are held, and what becomes one.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::body::Body;
use super::outgoing::{IntoMessage, Message};
use super::received::ReceivedMessage;
use super::returned::ReturnedMessage;

// A type that is no message is then told with the hint at the trait, not as `From` that is missing.
#[diagnostic::do_not_recommend]
impl<T: Into<Message>> IntoMessage for T {
    type Held = Message;

    #[inline]
    fn into_message(self) -> Message {
        self.into()
    }

    fn into_owned_message(self) -> Message {
        self.into()
    }
}

impl<'a> IntoMessage for &'a Message {
    type Held = &'a Message;

    #[inline]
    fn into_message(self) -> &'a Message {
        self
    }
}

impl<'a> IntoMessage for &'a mut Message {
    type Held = &'a Message;

    #[inline]
    fn into_message(self) -> &'a Message {
        self
    }
}

impl<'a> IntoMessage for &'a &Message {
    type Held = &'a Message;

    #[inline]
    fn into_message(self) -> &'a Message {
        self
    }
}

/// Shared or in a box.
macro_rules! into_message_through {
    ($($pointer:ident),*) => {$(
        impl IntoMessage for $pointer<Message> {
            type Held = Self;

            #[inline]
            fn into_message(self) -> Self {
                self
            }
        }

        impl<'a> IntoMessage for &'a $pointer<Message> {
            type Held = &'a Message;

            #[inline]
            fn into_message(self) -> &'a Message {
                self
            }
        }
    )*};
}

into_message_through!(Arc, Box);

/// The body of a message without properties.
macro_rules! message_from_body {
    ($($body:ty),* $(,)?) => {$(
        impl From<$body> for Message {
            fn from(body: $body) -> Self {
                Self::new(body)
            }
        }
    )*};
}

message_from_body!(
    &str,
    &String,
    String,
    Box<str>,
    Cow<'_, str>,
    &[u8],
    &Vec<u8>,
    Vec<u8>,
    Box<[u8]>,
    Cow<'_, [u8]>,
    &Bytes,
    Bytes,
    Body<'_>,
);

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(body: &[u8; N]) -> Self {
        Self::new(body)
    }
}

impl<const N: usize> From<[u8; N]> for Message {
    fn from(body: [u8; N]) -> Self {
        Self::new(&body)
    }
}

impl From<ReceivedMessage> for Message {
    fn from(received: ReceivedMessage) -> Self {
        received.to_message()
    }
}

impl From<&ReceivedMessage> for Message {
    fn from(received: &ReceivedMessage) -> Self {
        received.to_message()
    }
}

impl From<ReturnedMessage> for Message {
    fn from(returned: ReturnedMessage) -> Self {
        returned.to_message()
    }
}

impl From<&ReturnedMessage> for Message {
    fn from(returned: &ReturnedMessage) -> Self {
        returned.to_message()
    }
}
