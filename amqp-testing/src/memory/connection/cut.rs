//! Frames, cut off the front of what has been received.

use amqp_spec::constants;

use crate::memory::faults;
use crate::memory::refusal::Refusal;

/// What a frame has besides its payload.
pub(super) const HEAD: usize = 7;
/// A frame at the front of the input.
pub(super) enum Cut<'a> {
    Incomplete,
    Frame {
        kind: u8,
        channel: u16,
        payload: &'a [u8],
    },
    Fault(Refusal),
}
/// Whether RabbitMQ knows the kind of a frame, and finds in it what it needs.
pub(super) const fn is_well_formed(kind: u8, payload: &[u8]) -> bool {
    match kind {
        constants::FRAME_METHOD => payload.len() >= 4,
        constants::FRAME_HEADER => payload.len() >= 12,
        constants::FRAME_BODY => true,
        constants::FRAME_HEARTBEAT => payload.is_empty(),
        _ => false,
    }
}

/// Takes a frame off the front. What it is does not matter yet, but for its size and its end.
pub(super) fn cut(octets: &[u8], frame_max: u32) -> Cut<'_> {
    let Some((head, rest)) = octets.split_first_chunk::<HEAD>() else {
        return Cut::Incomplete;
    };
    let [kind, c1, c0, s3, s2, s1, s0] = *head;
    let size = u32::from_be_bytes([s3, s2, s1, s0]);
    if frame_max != 0 && size > frame_max {
        return Cut::Fault(faults::too_large(kind, size, frame_max));
    }
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    let Some((payload, rest)) = rest.split_at_checked(length) else {
        return Cut::Incomplete;
    };
    match rest.first() {
        None => Cut::Incomplete,
        Some(&constants::FRAME_END) => Cut::Frame {
            kind,
            channel: u16::from_be_bytes([c1, c0]),
            payload,
        },
        Some(&found) => Cut::Fault(faults::end_marker(kind, payload, found)),
    }
}
