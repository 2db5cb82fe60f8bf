//! What is wrong with octets that are not a frame, and with what does not fit into one.

use core::error::Error;
use core::fmt;

use crate::constants::FRAME_END;

/// Octets that are not a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FrameError {
    /// The peer sent a protocol header: it refuses to speak AMQP 0-9-1.
    ProtocolHeader,
    /// No kind of frame has this type. The peer speaks another protocol, or octets were lost.
    UnknownKind(u8),
    /// The payload is larger than is accepted.
    TooLarge {
        /// The size of the payload.
        size: u32,
        /// The largest size that is accepted.
        max: usize,
    },
    /// The frame does not end with the octet 0xCE.
    MissingEnd {
        /// What is there instead.
        found: u8,
    },
    /// A heartbeat that is not empty, or not on channel 0.
    InvalidHeartbeat {
        /// The channel it is on.
        channel: u16,
        /// The size of its payload.
        size: u32,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProtocolHeader => {
                f.write_str("the peer answered with a protocol header: it refuses AMQP 0-9-1")
            }
            Self::UnknownKind(octet) => write!(f, "unknown frame type {octet}"),
            Self::TooLarge { size, max } => {
                write!(
                    f,
                    "frame with a payload of {size} octets where at most {max} are accepted"
                )
            }
            Self::MissingEnd { found } => {
                write!(
                    f,
                    "frame ends with {found:#04x} in place of {FRAME_END:#04x}"
                )
            }
            Self::InvalidHeartbeat { channel, size } => {
                write!(
                    f,
                    "heartbeat on channel {channel} with a payload of {size} octets"
                )
            }
        }
    }
}

impl Error for FrameError {}

/// A method or a content header that does not fit into one frame; neither can be split.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrameTooLarge {
    /// The size that the frame would have, overhead included.
    pub size: usize,
    /// The largest size allowed, overhead included.
    pub frame_max: usize,
}

impl fmt::Display for FrameTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, frame_max } = self;
        write!(
            f,
            "frame of {size} octets where frame-max allows {frame_max}"
        )
    }
}

impl Error for FrameTooLarge {}
