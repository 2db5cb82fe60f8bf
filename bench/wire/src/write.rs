//! Building frames.

use crate::{FRAME_END, FRAME_OVERHEAD, kind};

/// Appends one frame.
pub fn frame(out: &mut Vec<u8>, kind: u8, channel: u16, payload: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(payload);
    out.push(FRAME_END);
}

/// Appends one method frame.
pub fn method(out: &mut Vec<u8>, channel: u16, class: u16, method: u16, arguments: &Arguments) {
    let mut payload = Vec::with_capacity(4 + arguments.0.len());
    payload.extend_from_slice(&class.to_be_bytes());
    payload.extend_from_slice(&method.to_be_bytes());
    payload.extend_from_slice(&arguments.0);
    frame(out, kind::METHOD, channel, &payload);
}

/// Appends the header and the body frames of a transient message: delivery mode 1 and no other
/// property.
pub fn content(out: &mut Vec<u8>, channel: u16, body: &[u8], frame_max: usize) {
    const DELIVERY_MODE_PRESENT: u16 = 1 << 12;
    let header = Arguments::new()
        .u16(60)
        .u16(0)
        .u64(body.len() as u64)
        .u16(DELIVERY_MODE_PRESENT)
        .u8(1);
    frame(out, kind::HEADER, channel, &header.0);
    for piece in body.chunks(frame_max - FRAME_OVERHEAD) {
        frame(out, kind::BODY, channel, piece);
    }
}

/// The arguments of a method, in the order in which they are added.
#[derive(Clone, Debug, Default)]
pub struct Arguments(pub Vec<u8>);

impl Arguments {
    /// No arguments yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one octet, or eight bits.
    #[must_use]
    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    /// Adds a short integer.
    #[must_use]
    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Adds a long integer.
    #[must_use]
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Adds a long long integer.
    #[must_use]
    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Adds a short string; what does not fit into 255 bytes is cut off.
    #[must_use]
    pub fn short(mut self, value: &[u8]) -> Self {
        let value = &value[..value.len().min(255)];
        self.0.push(value.len() as u8);
        self.0.extend_from_slice(value);
        self
    }

    /// Adds a long string, or a table that is already encoded.
    #[must_use]
    pub fn long(mut self, value: &[u8]) -> Self {
        self.0
            .extend_from_slice(&(value.len() as u32).to_be_bytes());
        self.0.extend_from_slice(value);
        self
    }

    /// Adds a table entry whose value is a long string. Entries are collected first and then
    /// added to the method with [`Arguments::long`].
    #[must_use]
    pub fn text_entry(self, key: &str, value: &str) -> Self {
        self.short(key.as_bytes()).u8(b'S').long(value.as_bytes())
    }

    /// Adds a table entry whose value is `true`.
    #[must_use]
    pub fn true_entry(self, key: &str) -> Self {
        self.short(key.as_bytes()).u8(b't').u8(1)
    }

    /// Adds a table entry whose value is a table that is already encoded.
    #[must_use]
    pub fn table_entry(self, key: &str, table: &Self) -> Self {
        self.short(key.as_bytes()).u8(b'F').long(&table.0)
    }
}
