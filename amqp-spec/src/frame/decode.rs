//! Takes frames and content headers apart. Nothing is copied, and no length is trusted before it
//! has been compared with a limit or with what is there.

use super::error::FrameError;
use super::{Frame, FrameKind, OVERHEAD};
use crate::constants::{FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD};
use crate::wire::{DecodeError, DecodeErrorKind};

/// Type, channel and size.
const HEADER: usize = 7;

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
    pub(super) const FIXED: usize = 12;

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
