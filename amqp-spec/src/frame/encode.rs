//! Puts frames together. Each function looks at all sizes before it writes, so that a refusal
//! leaves the buffer as it was.

use alloc::vec::Vec;

use super::OVERHEAD;
use super::decode::ContentHeader;
use super::error::FrameTooLarge;
use crate::constants::{FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD};
use crate::wire::TypedMethod;

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

/// What stands in front of the payload of a body frame, for callers that send a payload from where
/// it lies. [`FRAME_END`] has to follow the payload.
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
        // The length is the lower half of the body's size: a payload is no longer than that can
        // say.
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
