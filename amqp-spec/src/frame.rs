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
//! Nothing here keeps state: assembling the frames of a content is the business of the connection.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use crate::constants::{
    FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD, PROTOCOL_MAJOR,
    PROTOCOL_MINOR, PROTOCOL_REVISION,
};
use crate::wire::{DecodeError, DecodeErrorKind, TypedMethod};

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

/// Type, channel and size.
const HEADER: usize = 7;

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

/// Takes one frame off the front of `buf` and says how many octets it takes up.
///
/// Returns `None` if the frame is not complete yet. Everything is checked as soon as it can be: the
/// type with the first octet, so that a server which answers in another protocol is recognised
/// even if it sends fewer octets than a frame has; the size with the seventh, before one waits for
/// or reserves memory for a frame that would be refused; and the end before the payload is looked
/// at. Does not allocate.
///
/// # Errors
///
/// The octets are not those of a frame, or of one whose payload is larger than `max_payload`. As it
/// is unknown where the next frame begins, the connection is beyond repair.
#[inline]
pub fn decode(buf: &[u8], max_payload: usize) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some((header, rest)) = buf.split_first_chunk::<HEADER>() else {
        return check_first(buf).map(|()| None);
    };
    let [kind, c1, c0, s3, s2, s1, s0] = *header;
    let kind = decode_kind(kind)?;
    let channel = u16::from_be_bytes([c1, c0]);
    let size = u32::from_be_bytes([s3, s2, s1, s0]);
    let len = usize::try_from(size).unwrap_or(usize::MAX);
    if len > max_payload {
        return Err(too_large(size, max_payload));
    }
    if kind == FrameKind::Heartbeat {
        check_heartbeat(channel, size)?;
    }
    let Some((payload, rest)) = rest.split_at_checked(len) else {
        return Ok(None);
    };
    match rest.first() {
        Some(&FRAME_END) => Ok(Some((
            Frame {
                kind,
                channel,
                payload,
            },
            len + OVERHEAD,
        ))),
        Some(&found) => Err(missing_end(found)),
        None => Ok(None),
    }
}

#[inline]
fn decode_kind(octet: u8) -> Result<FrameKind, FrameError> {
    match octet {
        FRAME_METHOD => Ok(FrameKind::Method),
        FRAME_HEADER => Ok(FrameKind::Header),
        FRAME_BODY => Ok(FrameKind::Body),
        FRAME_HEARTBEAT => Ok(FrameKind::Heartbeat),
        other => Err(unknown_kind(other)),
    }
}

/// Looks at the type of a frame whose header has not arrived completely.
#[cold]
fn check_first(buf: &[u8]) -> Result<(), FrameError> {
    buf.first()
        .map_or(Ok(()), |kind| decode_kind(*kind).map(drop))
}

#[cold]
fn check_heartbeat(channel: u16, size: u32) -> Result<(), FrameError> {
    match (channel, size) {
        (0, 0) => Ok(()),
        _ => Err(FrameError::InvalidHeartbeat { channel, size }),
    }
}

#[cold]
fn unknown_kind(octet: u8) -> FrameError {
    match octet {
        b'A' => FrameError::ProtocolHeader,
        octet => FrameError::UnknownKind(octet),
    }
}

#[cold]
fn too_large(size: u32, max: usize) -> FrameError {
    FrameError::TooLarge { size, max }
}

#[cold]
fn missing_end(found: u8) -> FrameError {
    FrameError::MissingEnd { found }
}

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

/// Appends a method frame. If it fails, `buf` is unchanged.
///
/// # Errors
///
/// The frame would be larger than `frame_max`, which counts the overhead in.
#[inline]
pub fn encode_method<'a, M: TypedMethod<'a>>(
    buf: &mut Vec<u8>,
    channel: u16,
    method: &M,
    frame_max: usize,
) -> Result<(), FrameTooLarge> {
    let size = method.encoded_len();
    let [s3, s2, s1, s0] = checked_size(size, frame_max)?;
    let [c1, c0] = channel.to_be_bytes();
    let [i3, i2, i1, i0] = M::ID.to_be_bytes();
    buf.reserve(size + OVERHEAD);
    buf.extend_from_slice(&[FRAME_METHOD, c1, c0, s3, s2, s1, s0, i3, i2, i1, i0]);
    method.encode_arguments(buf);
    buf.push(FRAME_END);
    Ok(())
}

/// Appends the frame of a content header: the size of the body that follows, and an encoded list
/// of properties. If it fails, `buf` is unchanged.
///
/// # Errors
///
/// The frame would be larger than `frame_max`, which counts the overhead in.
#[inline]
pub fn encode_header(
    buf: &mut Vec<u8>,
    channel: u16,
    class_id: u16,
    body_size: u64,
    properties: &[u8],
    frame_max: usize,
) -> Result<(), FrameTooLarge> {
    let size = ContentHeader::FIXED + properties.len();
    let [s3, s2, s1, s0] = checked_size(size, frame_max)?;
    let [c1, c0] = channel.to_be_bytes();
    let [i1, i0] = class_id.to_be_bytes();
    let [b7, b6, b5, b4, b3, b2, b1, b0] = body_size.to_be_bytes();
    buf.reserve(size + OVERHEAD);
    buf.extend_from_slice(&[
        FRAME_HEADER,
        c1,
        c0,
        s3,
        s2,
        s1,
        s0,
        i1,
        i0,
        0,
        0,
        b7,
        b6,
        b5,
        b4,
        b3,
        b2,
        b1,
        b0,
    ]);
    buf.extend_from_slice(properties);
    buf.push(FRAME_END);
    Ok(())
}

/// Appends a body in as many frames as it takes: none if it is empty.
///
/// A `frame_max` that leaves no room for a payload is taken for one that leaves room for one octet;
/// the smallest that peers may agree on is 4096.
#[inline]
pub fn encode_body(buf: &mut Vec<u8>, channel: u16, body: &[u8], frame_max: usize) {
    let max_payload = max_payload(frame_max);
    if body.len() <= max_payload {
        if !body.is_empty() {
            buf.reserve(body.len() + OVERHEAD);
            encode_body_frame(buf, channel, body);
        }
        return;
    }
    buf.reserve(body.len() + body.len().div_ceil(max_payload) * OVERHEAD);
    for part in body.chunks(max_payload) {
        encode_body_frame(buf, channel, part);
    }
}

#[inline]
fn encode_body_frame(buf: &mut Vec<u8>, channel: u16, part: &[u8]) {
    // The part is no longer than `max_payload` allows.
    let size = u32::try_from(part.len()).unwrap_or(u32::MAX);
    buf.extend_from_slice(&body_head(channel, size));
    buf.extend_from_slice(part);
    buf.push(FRAME_END);
}

/// What stands in front of the payload of a body frame, for those who send a payload from where it
/// is. Behind it [`FRAME_END`] has to follow.
#[inline]
#[must_use]
pub const fn body_head(channel: u16, size: u32) -> [u8; 7] {
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = size.to_be_bytes();
    [FRAME_BODY, c1, c0, s3, s2, s1, s0]
}

/// Appends a method that carries a content, with that content: method, header and body, in as many
/// frames as it takes. If it fails, `buf` is unchanged: a content that was begun has to be
/// finished.
///
/// The same octets as from [`encode_method`], [`encode_header`] and [`encode_body`] one after the
/// other, with less work in between.
///
/// # Errors
///
/// The frame of the method or of the header would be larger than `frame_max`, which counts the
/// overhead in.
#[inline]
pub fn encode_content<'a, M: TypedMethod<'a>>(
    buf: &mut Vec<u8>,
    channel: u16,
    method: &M,
    properties: &[u8],
    body: &[u8],
    frame_max: usize,
) -> Result<(), FrameTooLarge> {
    let method_size = method.encoded_len();
    let [m3, m2, m1, m0] = checked_size(method_size, frame_max)?;
    let header_size = ContentHeader::FIXED + properties.len();
    let [h3, h2, h1, h0] = checked_size(header_size, frame_max)?;
    let max_payload = max_payload(frame_max);
    let [c1, c0] = channel.to_be_bytes();
    let [i3, i2, i1, i0] = M::ID.to_be_bytes();
    let [b7, b6, b5, b4, b3, b2, b1, b0] = (body.len() as u64).to_be_bytes();

    buf.reserve(method_size + header_size + body.len() + 3 * OVERHEAD);
    buf.extend_from_slice(&[FRAME_METHOD, c1, c0, m3, m2, m1, m0, i3, i2, i1, i0]);
    method.encode_arguments(buf);
    buf.extend_from_slice(&[
        FRAME_END,
        FRAME_HEADER,
        c1,
        c0,
        h3,
        h2,
        h1,
        h0,
        i3,
        i2,
        0,
        0,
        b7,
        b6,
        b5,
        b4,
        b3,
        b2,
        b1,
        b0,
    ]);
    buf.extend_from_slice(properties);
    if body.is_empty() || body.len() > max_payload {
        buf.push(FRAME_END);
        encode_body(buf, channel, body, frame_max);
    } else {
        // The length is the lower half of the body's size: a payload is no longer than that can say.
        buf.extend_from_slice(&[FRAME_END, FRAME_BODY, c1, c0, b3, b2, b1, b0]);
        buf.extend_from_slice(body);
        buf.push(FRAME_END);
    }
    Ok(())
}

/// The largest payload in a frame of `frame_max` octets; at least 1, at most what the size field
/// of a frame can say.
#[inline]
fn max_payload(frame_max: usize) -> usize {
    frame_max
        .saturating_sub(OVERHEAD)
        .clamp(1, u32::MAX as usize)
}

/// The size field of a frame, if the frame may have that size.
#[inline]
fn checked_size(size: usize, frame_max: usize) -> Result<[u8; 4], FrameTooLarge> {
    match u32::try_from(size) {
        Ok(field) if size.saturating_add(OVERHEAD) <= frame_max => Ok(field.to_be_bytes()),
        _ => Err(refused(size, frame_max)),
    }
}

#[cold]
fn refused(size: usize, frame_max: usize) -> FrameTooLarge {
    FrameTooLarge {
        size: size.saturating_add(OVERHEAD),
        frame_max,
    }
}

/// The header of a content, as its frame carries it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContentHeader<'a> {
    /// The class of the method that the content belongs to.
    pub class_id: u16,
    /// The size of the whole body. Said by the peer: do not reserve memory on the strength of it.
    pub body_size: u64,
    /// The encoded list of properties, not yet looked at.
    pub properties: &'a [u8],
}

impl<'a> ContentHeader<'a> {
    /// Class id, weight and body size.
    const FIXED: usize = 12;

    /// Reads the payload of a header frame. The weight is ignored: it never had a use.
    ///
    /// # Errors
    ///
    /// The octets end too early.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let Some((fixed, properties)) = payload.split_first_chunk::<{ ContentHeader::FIXED }>()
        else {
            return Err(header_cut(payload.len()));
        };
        let &[i1, i0, _, _, b7, b6, b5, b4, b3, b2, b1, b0] = fixed;
        Ok(Self {
            class_id: u16::from_be_bytes([i1, i0]),
            body_size: u64::from_be_bytes([b7, b6, b5, b4, b3, b2, b1, b0]),
            properties,
        })
    }
}

#[cold]
fn header_cut(left: usize) -> DecodeError {
    let kind = DecodeErrorKind::UnexpectedEnd {
        needed: ContentHeader::FIXED,
        left,
    };
    DecodeError::new("content header", 0, kind)
}
