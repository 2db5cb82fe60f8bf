//! A message on its way in: method arguments, properties and body in one allocation.
//!
//! The body is the tail of the allocation, so that it can be taken out without a copy. In the usual
//! case, all frames at hand, the octets between method and body come along as they stand on the
//! wire (end octets and frame headers in between): one copy is cheaper than three.

use amqp_spec::basic::PropertiesRef;
use amqp_spec::wire::{Reader, ShortStr};
use bytes::{Buf, Bytes};

use super::fingerprint::{Common, Fingerprint};
use super::shown::{Name, Shown};

/// Where things stand in the allocation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Layout {
    /// The length octet of the exchange's name.
    pub(crate) exchange: u16,
    /// The length octet of the routing key.
    pub(crate) routing_key: u16,
    /// The property list, from here…
    pub(crate) properties: u32,
    /// …to here.
    pub(crate) properties_end: u32,
    /// The body, from here to the end.
    pub(crate) body: u32,
}

/// An offset within the head of a message, which is no larger than a frame.
pub(crate) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A received message. Copies share its one piece of memory.
#[derive(Clone)]
pub(crate) struct Incoming {
    raw: Bytes,
    at: Layout,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("exchange", &Name(self.exchange()))
            .field("routing_key", &Name(self.routing_key()))
            .field("properties", &Shown(self.properties()))
            .field("body_len", &self.body().len())
            .finish()
    }
}

impl Incoming {
    /// `at` must describe `raw`; what does not fit reads as empty.
    #[inline]
    pub(crate) fn new(raw: Box<[u8]>, at: Layout) -> Self {
        let raw = raw.into();
        Self { raw, at }
    }

    /// The method's arguments, whole, and perhaps more behind them.
    pub(crate) fn arguments(&self) -> &[u8] {
        &self.raw
    }

    pub(crate) fn exchange(&self) -> ShortStr<'_> {
        self.short_str(self.at.exchange)
    }

    pub(crate) fn routing_key(&self) -> ShortStr<'_> {
        self.short_str(self.at.routing_key)
    }

    fn short_str(&self, at: u16) -> ShortStr<'_> {
        self.raw
            .get(usize::from(at)..)
            .and_then(|octets| Reader::new(octets).short_str("name").ok())
            .unwrap_or_default()
    }

    pub(crate) fn properties(&self) -> PropertiesRef<'_> {
        self.raw
            .get(self.at.properties as usize..self.at.properties_end as usize)
            .and_then(|octets| PropertiesRef::decode(octets).ok())
            .unwrap_or(PropertiesRef::EMPTY)
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.raw.get(self.at.body as usize..).unwrap_or_default()
    }

    /// Whether a stream has given it an offset.
    #[cold]
    pub(crate) fn has_offset(&self) -> bool {
        let headers = self.properties().headers().unwrap_or_default();
        matches!(headers.get("x-stream-offset"), Ok(Some(_)))
    }

    /// Its offset, if it comes from a stream.
    pub(crate) fn stream_offset(&self) -> Option<u64> {
        let headers = self.properties().headers()?;
        headers
            .get("x-stream-offset")
            .ok()?
            .and_then(|value| value.as_u64())
    }

    /// The body, without a copy: it keeps the message's one allocation alive.
    pub(crate) fn into_body(self) -> Bytes {
        let start = (self.at.body as usize).min(self.raw.len());
        let mut body = self.raw;
        body.advance(start);
        body
    }

    /// The same with another body.
    pub(crate) fn with_body(self, body: &[u8]) -> Self {
        let start = (self.at.body as usize).min(self.raw.len());
        let head = self.raw.get(..start).unwrap_or_default();
        Self {
            raw: [head, body].concat().into(),
            at: self.at,
        }
    }

    /// A message that came from nowhere: made by hand, as it would have been received.
    pub(crate) fn made(
        exchange: ShortStr<'_>,
        routing_key: ShortStr<'_>,
        properties: PropertiesRef<'_>,
        body: &[u8],
    ) -> Self {
        let mut raw = Vec::new();
        exchange.encode(&mut raw);
        let key_at = raw.len();
        routing_key.encode(&mut raw);
        let properties_at = raw.len();
        raw.extend_from_slice(properties.as_bytes());
        let properties_end = raw.len();
        raw.extend_from_slice(body);
        let at = Layout {
            exchange: 0,
            routing_key: u16::try_from(key_at).unwrap_or(u16::MAX),
            properties: offset(properties_at),
            properties_end: offset(properties_end),
            body: offset(properties_end),
        };
        Self::new(raw.into_boxed_slice(), at)
    }

    /// What tells this message from others that were published.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let (exchange, routing_key) = (self.exchange(), self.routing_key());
        Common::new(
            exchange.as_bytes(),
            routing_key.as_bytes(),
            self.properties(),
        )
        .with(self.body())
    }

    /// All of it but the body, with the body shared.
    pub(crate) fn body_shared(&self) -> Bytes {
        self.clone().into_body()
    }

    /// What it occupies in memory, about.
    pub(crate) fn footprint(&self) -> usize {
        self.raw.len() + size_of::<Self>() + 32
    }
}
