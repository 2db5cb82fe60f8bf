//! How a peer may break the protocol.

use std::fmt;

use amqp_spec::frame::FrameError;
use amqp_spec::wire::DecodeError;

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
    },
    /// Content came without a method that announces it, or out of order.
    UnexpectedContent {
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
    /// A message is larger than the connection accepts.
    MessageTooLarge {
        /// What its header announced, in octets.
        size: u64,
        /// The limit, in octets.
        limit: u64,
    },
    /// The broker speaks another protocol; AMQP 1.0 and HTTP servers answer so.
    ProtocolHeader,
    /// What we have to say at login (credentials, client properties, virtual host) does not fit. It
    /// was not sent: RabbitMQ would refuse it without a word.
    LoginTooLarge {
        /// The largest frame allowed before tuning, in octets.
        limit: u32,
    },
    /// One side wants limits that cannot be worked with.
    Tuning {
        /// The lower of the frame sizes that both sides want, in octets.
        frame_max: u32,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => write!(f, "{error}"),
            Self::Decode(error) => write!(f, "{error}"),
            Self::UnexpectedMethod { method, channel } => {
                write!(f, "unexpected {method} on channel {channel}")
            }
            Self::UnexpectedContent { channel } => {
                write!(f, "unexpected content frame on channel {channel}")
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
            Self::MessageTooLarge { size, limit } => {
                write!(f, "message of {size} octets, the limit is {limit}")
            }
            Self::ProtocolHeader => f.write_str("the server does not speak AMQP 0-9-1"),
            Self::LoginTooLarge { limit } => write!(
                f,
                "credentials and client properties do not fit the {limit} octets allowed at login, \
                 or the name of the virtual host its 255"
            ),
            Self::Tuning { frame_max } => {
                write!(
                    f,
                    "frame_max of {frame_max} octets is below the minimum of 4096"
                )
            }
        }
    }
}
