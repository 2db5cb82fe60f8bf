//! Frames: what carries methods and contents over a connection (AMQP 0-9-1 §4.2.3).
//!
//! ```text
//! 0      1         3             7                  size+7 size+8
//! +------+---------+-------------+  +------------+  +-----------+
//! | type | channel |     size    |  |  payload   |  | frame-end |
//! +------+---------+-------------+  +------------+  +-----------+
//!  octet    short       long         size octets        0xCE
//! ```
//!
//! [`decode`] takes the frames off the front of what has been received so far, whichever way the
//! network cut it. The `encode_` functions append whole frames; what does not fit into a frame is
//! refused before anything is written, since a frame that has been begun cannot be taken back.
//! Nothing here keeps state: assembling the frames of a content is up to the connection.

mod decode;
mod encode;
mod error;

pub use self::decode::{ContentHeader, decode};
pub use self::encode::{body_head, encode_body, encode_content, encode_header, encode_method};
pub use self::error::{FrameError, FrameTooLarge};

use core::fmt;

use crate::constants::{
    FRAME_END, FRAME_HEARTBEAT, PROTOCOL_MAJOR, PROTOCOL_MINOR, PROTOCOL_REVISION,
};

/// How many octets a frame has besides its payload. `frame-max` counts them in.
pub const OVERHEAD: usize = 8;

/// The frame that says nothing but that its sender is alive.
pub const HEARTBEAT: [u8; 8] = [FRAME_HEARTBEAT, 0, 0, 0, 0, 0, 0, FRAME_END];

/// The octets with which a client opens a connection (AMQP 0-9-1 §4.2.2).
pub const PROTOCOL_HEADER: [u8; 8] = [
    b'A',
    b'M',
    b'Q',
    b'P',
    0,
    PROTOCOL_MAJOR,
    PROTOCOL_MINOR,
    PROTOCOL_REVISION,
];

/// What a frame carries.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FrameKind {
    /// A method with its arguments.
    Method,
    /// The header of a content: its size and its properties.
    Header,
    /// A part of the body of a content.
    Body,
    /// Nothing.
    Heartbeat,
}

/// A frame as it was received, borrowed.
///
/// `Debug` tells how long the payload is, not what is in it: that may be a password or a message.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: FrameKind,
    /// The channel it belongs to; 0 is the connection itself.
    pub channel: u16,
    /// What it carries, not yet decoded.
    pub payload: &'a [u8],
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("kind", &self.kind)
            .field("channel", &self.channel)
            .field("payload", &format_args!("<{} octets>", self.payload.len()))
            .finish()
    }
}
