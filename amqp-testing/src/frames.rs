//! Frames as octets, right ones and wrong ones, for scripted peers and codec tests.
//!
//! The right ones come from `amqp-spec`. A [`RawFrame`] says whatever it is told to, also what no
//! peer should ever say.

use amqp_spec::{
    basic, constants, frame,
    wire::{ShortStr, TypedMethod},
};

/// The frame of a method.
#[must_use]
pub fn method<'a, M: TypedMethod<'a>>(channel: u16, method: &M) -> Vec<u8> {
    let mut buf = Vec::new();
    // Nothing that fits into memory is refused without a limit.
    let _ = frame::encode_method(&mut buf, channel, method, usize::MAX);
    buf
}

/// The header frame of a message whose body has this size.
#[must_use]
pub fn header(channel: u16, properties: &basic::Properties, body_size: u64) -> Vec<u8> {
    let mut buf = Vec::new();
    let (class, properties) = (basic::CLASS_ID, properties.as_bytes());
    let _ = frame::encode_header(&mut buf, channel, class, body_size, properties, usize::MAX);
    buf
}

/// The body frames of a message: none if it is empty, several if it does not fit into `frame_max`.
#[must_use]
pub fn body(channel: u16, body: &[u8], frame_max: usize) -> Vec<u8> {
    let mut buf = Vec::new();
    frame::encode_body(&mut buf, channel, body, frame_max);
    buf
}

/// All frames of a message: those of the method that carries it, of its header and of its body.
#[must_use]
pub fn content<'a, M: TypedMethod<'a>>(
    channel: u16,
    carrier: &M,
    properties: &basic::Properties,
    body: &[u8],
    frame_max: usize,
) -> Vec<u8> {
    let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let mut buf = method(channel, carrier);
    buf.extend(header(channel, properties, size));
    frame::encode_body(&mut buf, channel, body, frame_max);
    buf
}

/// All frames of a delivery without properties.
#[must_use]
pub fn delivery(channel: u16, consumer: &'static str, delivery_tag: u64, body: &[u8]) -> Vec<u8> {
    let deliver = basic::Deliver {
        consumer_tag: short(consumer),
        delivery_tag,
        routing_key: short("key"),
        ..Default::default()
    };
    content(
        channel,
        &deliver,
        &basic::Properties::new(),
        body,
        DEFAULT_FRAME_MAX,
    )
}

/// What RabbitMQ proposes as the largest frame.
pub const DEFAULT_FRAME_MAX: usize = 131_072;

/// Cuts what does not fit into a short string.
fn short(text: &str) -> ShortStr<'_> {
    let bytes = text.as_bytes();
    ShortStr::new(bytes.get(..255).unwrap_or(bytes)).unwrap_or_default()
}

/// A frame of which every part can be a lie.
///
/// ```
/// use amqp_testing::frames::RawFrame;
///
/// let unknown_kind = RawFrame::new(7, 1, b"payload").encode();
/// let unterminated = RawFrame::new(3, 1, b"body").end(0).encode();
/// let pretentious = RawFrame::new(3, 1, b"body").size(u32::MAX).encode();
/// assert_eq!(pretentious[3..7], [0xff; 4]);
/// # let _ = (unknown_kind, unterminated);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawFrame {
    kind: u8,
    channel: u16,
    size: u32,
    payload: Vec<u8>,
    end: u8,
}

impl RawFrame {
    /// A frame of this kind (1 method, 2 header, 3 body, 8 heartbeat) that tells its true size.
    #[must_use]
    pub fn new(kind: u8, channel: u16, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        Self {
            kind,
            channel,
            size,
            payload,
            end: constants::FRAME_END,
        }
    }

    /// The size that the frame claims to have.
    #[must_use]
    pub fn size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    /// The octet at the end, 0xCE by default.
    #[must_use]
    pub fn end(mut self, end: u8) -> Self {
        self.end = end;
        self
    }

    /// The octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut buf = vec![self.kind];
        buf.extend_from_slice(&self.channel.to_be_bytes());
        buf.extend_from_slice(&self.size.to_be_bytes());
        buf.extend_from_slice(&self.payload);
        buf.push(self.end);
        buf
    }
}

#[cfg(test)]
mod tests {
    use amqp_spec::{Method, channel, frame::FrameKind};

    use super::*;

    #[test]
    fn a_raw_frame_that_does_not_lie_is_a_frame() {
        let raw = RawFrame::new(1, 5, [0, 20, 0, 41]).encode();
        assert_eq!(raw, method(5, &channel::CloseOk {}));
    }

    #[test]
    fn a_delivery_is_method_header_and_body() {
        let buf = delivery(5, "tag", 7, &[1; 200_000]);
        let (mut rest, mut kinds) = (buf.as_slice(), Vec::new());
        while let Some((frame, n_octets)) = frame::decode(rest, DEFAULT_FRAME_MAX).unwrap() {
            if frame.kind == FrameKind::Method {
                let method = Method::decode(frame.payload).unwrap();
                assert!(matches!(method, Method::BasicDeliver(it) if it.delivery_tag == 7));
            }
            kinds.push(frame.kind);
            rest = &rest[n_octets..];
        }
        assert_eq!(rest, [0; 0]);
        use FrameKind::{Body, Header, Method as MethodFrame};
        assert_eq!(kinds, [MethodFrame, Header, Body, Body]);
    }
}
