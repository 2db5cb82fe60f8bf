//! Deliveries that are at hand as a whole, as most are: recognised in one pass, and copied once.
//!
//! ```text
//! | method frame: deliver, tag, … | header frame: size, properties | body frame |
//!                 ◀──────────────────── one copy ───────────────────────▶
//! ```
//!
//! Whatever is not exactly that is nothing for here: cut off by the end of what was read, with a
//! body of several frames, or faulty. It is then read frame by frame, and what is wrong is told
//! there. So this may refuse what is right, but must not accept what is wrong.

use amqp_spec::basic::{self, PropertiesRef};
use amqp_spec::constants::{FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD};
use amqp_spec::wire::TypedMethod;

use crate::message::numbered::Numbering;
use crate::message::{Incoming, Layout, RawDelivery, offset};

/// Type, channel and size, in front of every payload; and the id of the method, in front of its
/// arguments.
const ARGUMENTS_AT: usize = 7 + 4;
/// The end of the method's frame, the head of the header's, class, weight and body size.
const BEFORE_PROPERTIES: usize = 1 + 7 + 12;
/// The end of the header's frame, and the head of the body's.
const BEFORE_BODY: usize = 1 + 7;
/// Class, weight and body size, which a header's payload has besides the properties.
const HEADER_FIXED: usize = 12;

const DELIVER: [u8; 4] = basic::Deliver::ID.to_be_bytes();
const BASIC: [u8; 2] = basic::CLASS_ID.to_be_bytes();

/// A delivery in the read buffer.
#[derive(Debug)]
pub(crate) struct WholeDelivery<'a> {
    pub(super) channel: u16,
    pub(super) consumer_tag: &'a [u8],
    /// As the broker counts.
    delivery_tag: u64,
    redelivered: bool,
    /// From the method's arguments to the end of the body.
    octets: &'a [u8],
    at: Layout,
    /// How many frames it has.
    pub(super) frames: usize,
    /// How many octets they take.
    pub(super) used: usize,
}

impl<'a> WholeDelivery<'a> {
    /// The delivery at the front of `buf`, if that is all there.
    #[inline]
    pub(crate) fn recognise(
        buf: &'a [u8],
        max_payload: usize,
        max_message_size: u64,
    ) -> Option<Self> {
        let head = buf.first_chunk::<ARGUMENTS_AT>()?;
        let &[FRAME_METHOD, c1, c0, s3, s2, s1, s0, ref id @ ..] = head else {
            return None;
        };
        if *id != DELIVER {
            return None;
        }
        let method_size = size([s3, s2, s1, s0], max_payload)?;
        let arguments = buf.get(ARGUMENTS_AT..)?;
        let (arguments, rest) = arguments.split_at_checked(method_size.checked_sub(id.len())?)?;
        let deliver = Deliver::decode(arguments)?;

        let (fixed, rest) = rest.split_first_chunk::<BEFORE_PROPERTIES>()?;
        let &[
            FRAME_END,
            FRAME_HEADER,
            h1,
            h0,
            s3,
            s2,
            s1,
            s0,
            i1,
            i0,
            _,
            _,
            b7,
            b6,
            b5,
            b4,
            b3,
            b2,
            b1,
            b0,
        ] = fixed
        else {
            return None;
        };
        if [h1, h0] != [c1, c0] || [i1, i0] != BASIC {
            return None;
        }
        let header_size = size([s3, s2, s1, s0], max_payload)?;
        let (properties, rest) = rest.split_at_checked(header_size.checked_sub(HEADER_FIXED)?)?;
        PropertiesRef::decode(properties).ok()?;
        let body_size = u64::from_be_bytes([b7, b6, b5, b4, b3, b2, b1, b0]);

        let properties_at = arguments.len() + BEFORE_PROPERTIES;
        let properties_end = properties_at + properties.len();
        let (body_at, body_len, frames, rest) = if body_size == 0 {
            (properties_end, 0, 2, rest)
        } else {
            let (fixed, rest) = rest.split_first_chunk::<BEFORE_BODY>()?;
            let &[FRAME_END, FRAME_BODY, f1, f0, s3, s2, s1, s0] = fixed else {
                return None;
            };
            let body_len = size([s3, s2, s1, s0], max_payload)?;
            let whole = body_len as u64 == body_size && body_size <= max_message_size;
            if !whole || [f1, f0] != [c1, c0] {
                return None;
            }
            (
                properties_end + BEFORE_BODY,
                body_len,
                3,
                rest.get(body_len..)?,
            )
        };
        if *rest.first()? != FRAME_END {
            return None;
        }
        let end = ARGUMENTS_AT + body_at + body_len;
        Some(Self {
            channel: u16::from_be_bytes([c1, c0]),
            consumer_tag: deliver.consumer_tag,
            delivery_tag: deliver.delivery_tag,
            redelivered: deliver.redelivered,
            octets: buf.get(ARGUMENTS_AT..end)?,
            at: Layout {
                exchange: deliver.exchange_at,
                routing_key: deliver.routing_key_at,
                properties: offset(properties_at),
                properties_end: offset(properties_end),
                body: offset(body_at),
            },
            frames,
            used: end + 1,
        })
    }

    /// The same in memory of its own.
    #[inline]
    pub(crate) fn copy(&self, numbering: Numbering) -> RawDelivery {
        let message = Incoming::new(self.octets.into(), self.at);
        let numbered = numbering.number(self.delivery_tag);
        RawDelivery::new(message, numbered, self.redelivered)
    }
}

/// The size of a payload, unless it is larger than accepted.
#[inline]
fn size(field: [u8; 4], max_payload: usize) -> Option<usize> {
    let size = usize::try_from(u32::from_be_bytes(field)).ok()?;
    (size <= max_payload).then_some(size)
}

/// The arguments of `basic.deliver`, and where two of them stand.
struct Deliver<'a> {
    consumer_tag: &'a [u8],
    delivery_tag: u64,
    redelivered: bool,
    exchange_at: u16,
    routing_key_at: u16,
}

impl<'a> Deliver<'a> {
    #[inline]
    fn decode(arguments: &'a [u8]) -> Option<Self> {
        let (&tag_len, rest) = arguments.split_first()?;
        let (consumer_tag, rest) = rest.split_at_checked(usize::from(tag_len))?;
        let (&[t7, t6, t5, t4, t3, t2, t1, t0, bits, exchange_len], rest) =
            rest.split_first_chunk::<10>()?;
        let (&routing_key_len, routing_key) =
            rest.get(usize::from(exchange_len)..)?.split_first()?;
        if routing_key.len() != usize::from(routing_key_len) {
            return None;
        }
        let exchange_at = 1 + u16::from(tag_len) + 9;
        Some(Self {
            consumer_tag,
            delivery_tag: u64::from_be_bytes([t7, t6, t5, t4, t3, t2, t1, t0]),
            redelivered: bits & 1 != 0,
            exchange_at,
            routing_key_at: exchange_at + 1 + u16::from(exchange_len),
        })
    }
}
