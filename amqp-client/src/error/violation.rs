//! How a peer may break the protocol.

use std::borrow::Cow;
use std::fmt;

use amqp_spec::frame::FrameError;
use amqp_spec::wire::{DecodeError, MethodId};

use super::broker::method_id;

/// How the peer broke the protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// A frame could not be told from its octets.
    Frame(FrameError),
    /// The arguments of a method, or a content header, could not be read.
    Decode(DecodeError),
    /// A method came where it does not belong.
    UnexpectedMethod {
        /// The method.
        method: &'static str,
        /// The channel it came on.
        channel: u16,
        /// What was expected: `a reply to queue.declare`.
        expected: Cow<'static, str>,
    },
    /// Content came without a method that announces it, or out of order, or something else came
    /// within it.
    UnexpectedContent {
        /// The channel it came on.
        channel: u16,
        /// What came: `content body`.
        found: Cow<'static, str>,
        /// What was expected: `the content header of basic.deliver`.
        expected: Cow<'static, str>,
    },
    /// A reply names another consumer than the request did.
    ConsumerTag {
        /// The reply.
        method: &'static str,
        /// The channel it came on.
        channel: u16,
    },
    /// More body came than the header announced.
    BodyTooLong {
        /// The channel it came on.
        channel: u16,
    },
    /// A frame came on a channel that is not open.
    UnknownChannel {
        /// The channel.
        channel: u16,
    },
    /// The broker asks for more answers (`flow-ok`, `cancel-ok`, deliveries given back) than can
    /// wait on a channel behind a transaction that it does not answer, or a message that it does
    /// not take.
    TooManyAnswers {
        /// The channel.
        channel: u16,
    },
    /// What came in place of the first frame is none: the other side speaks another protocol.
    ProtocolHeader {
        /// What came, up to 8 octets, as far as they came at once. `AMQP 3 1 0 0` is how RabbitMQ 4
        /// answers a protocol that it does not know; `15 03` begins an alert of TLS; `HTTP/1.1`
        /// tells itself.
        octets: Vec<u8>,
    },
    /// The broker began with another version of AMQP.
    ProtocolVersion {
        /// In 0-9-1, it is 0.
        major: u8,
        /// In 0-9-1, it is 9.
        minor: u8,
    },
    /// One side wants limits that cannot be worked with.
    Tuning {
        /// The lower of the frame sizes that both sides want, in octets.
        frame_max: u32,
    },
}

impl Violation {
    /// Something other than the next part of a content came.
    pub(crate) fn content(
        channel: u16,
        found: impl Into<Cow<'static, str>>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::UnexpectedContent {
            channel,
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// The method that it is about, as `connection.close` has it; 0.0 if none is known.
    pub(crate) fn method(&self) -> MethodId {
        let method = match self {
            Self::UnexpectedMethod { method, .. } | Self::ConsumerTag { method, .. } => {
                method_id(method)
            }
            Self::UnexpectedContent {
                found, expected, ..
            } => method_id(found).or_else(|| method_id(expected)),
            _ => None,
        };
        method.unwrap_or(MethodId::new(0, 0))
    }

    /// What the broker is told: the same words, as far as they fit.
    pub(crate) fn reply_text(&self) -> String {
        let mut text = self.to_string();
        let fits = (0..=255).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(fits.unwrap_or(0));
        text
    }

    /// Octets came where a frame should.
    pub(crate) fn protocol_header(octets: &[u8]) -> Self {
        Self::ProtocolHeader {
            octets: octets.iter().copied().take(8).collect(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => write!(f, "{error}"),
            Self::Decode(error) => write!(f, "{error}"),
            Self::UnexpectedMethod {
                method,
                channel,
                expected,
            } => {
                write!(
                    f,
                    "unexpected {method} on channel {channel}, where {expected} was expected"
                )
            }
            Self::UnexpectedContent {
                channel,
                found,
                expected,
            } => {
                write!(
                    f,
                    "unexpected {found} on channel {channel}, where {expected} was expected"
                )
            }
            Self::ConsumerTag { method, channel } => {
                write!(
                    f,
                    "{method} on channel {channel} names another consumer than was asked for"
                )
            }
            Self::BodyTooLong { channel } => {
                write!(
                    f,
                    "more body on channel {channel} than its header announced"
                )
            }
            Self::UnknownChannel { channel } => {
                write!(f, "frame on channel {channel}, which is not open")
            }
            Self::TooManyAnswers { channel } => {
                write!(
                    f,
                    "more answers asked for on channel {channel} than can wait there"
                )
            }
            Self::ProtocolHeader { octets } => write!(
                f,
                "the server does not speak AMQP 0-9-1; it answered \"{}\"",
                octets.escape_ascii()
            ),
            Self::ProtocolVersion { major, minor } => {
                write!(f, "the server speaks AMQP {major}-{minor} instead of 0-9-1")
            }
            Self::Tuning { frame_max } => {
                write!(
                    f,
                    "frame_max of {frame_max} octets is below the minimum of 4096"
                )
            }
        }
    }
}

impl std::error::Error for Violation {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Frame(error) => error.source(),
            Self::Decode(error) => error.source(),
            _ => None,
        }
    }
}
