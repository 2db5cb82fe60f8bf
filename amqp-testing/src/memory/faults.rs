//! Frames that break the protocol, and what RabbitMQ says to them.

use amqp_spec::ReplyCode;

use super::erlang;
use super::refusal::Refusal;

/// How much of a payload is quoted.
const QUOTED: usize = 16;

/// A frame that announces more than was agreed on.
pub(super) fn too_large(kind: u8, size: u32, frame_max: u32) -> Refusal {
    let payload_max = frame_max.saturating_sub(8);
    frame_error(
        kind,
        &[],
        &format!("{{frame_too_large,{size},{payload_max}}}"),
    )
}

/// A frame that does not end as frames do.
pub(super) fn end_marker(kind: u8, payload: &[u8], found: u8) -> Refusal {
    frame_error(
        kind,
        payload,
        &format!("{{invalid_frame_end_marker,{found}}}"),
    )
}

/// A frame of no known kind, or shorter than one of its kind is.
pub(super) fn unknown(kind: u8, payload: &[u8]) -> Refusal {
    frame_error(kind, payload, "unknown_frame")
}

/// A frame of a kind that does not belong on this channel, or not now.
pub(super) fn unexpected(kind: u8, payload: &[u8]) -> Refusal {
    let text = format!("type {kind}, {}", quoted(payload));
    Refusal::new(ReplyCode::UNEXPECTED_FRAME, text).at_nothing()
}

fn frame_error(kind: u8, payload: &[u8], error: &str) -> Refusal {
    let text = format!("type {kind}, {}: {error}", quoted(payload));
    Refusal::new(ReplyCode::FRAME_ERROR, text).at_nothing()
}

fn quoted(payload: &[u8]) -> String {
    let (which, quoted) = match payload.get(..QUOTED) {
        Some(first) if payload.len() > QUOTED => ("first 16", first),
        _ => ("all", payload),
    };
    format!("{which} octets = {}", erlang::pretty_binary(quoted))
}
