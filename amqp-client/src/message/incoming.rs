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

/// A received message.
#[derive(Clone)]
pub(crate) struct Incoming {
    raw: Box<[u8]>,
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

    /// The body, without a copy: it keeps the message's one allocation alive.
    pub(crate) fn into_body(self) -> Bytes {
        let start = (self.at.body as usize).min(self.raw.len());
        let mut body = Bytes::from(self.raw);
        body.advance(start);
        body
    }

    /// The same with another body.
    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        let mut raw = std::mem::take(&mut self.raw).into_vec();
        raw.truncate(self.at.body as usize);
        raw.extend_from_slice(body);
        self.raw = raw.into_boxed_slice();
        self
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

    /// What it occupies in memory, about.
    pub(crate) fn footprint(&self) -> usize {
        self.raw.len() + size_of::<Self>() + 32
    }
}
