//! Taking frames apart.

use crate::{FRAME_END, FRAME_OVERHEAD};

/// The seven bytes before a payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrameHeader {
    /// The kind of frame.
    pub kind: u8,
    /// The channel it belongs to.
    pub channel: u16,
    /// How many bytes of payload follow.
    pub payload_len: usize,
}

impl FrameHeader {
    /// Reads the header at the start of `bytes`; `None` if it is not complete.
    #[must_use]
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [kind, c0, c1, l0, l1, l2, l3] = *bytes.first_chunk()?;
        Some(Self {
            kind,
            channel: u16::from_be_bytes([c0, c1]),
            payload_len: u32::from_be_bytes([l0, l1, l2, l3]) as usize,
        })
    }
}

/// One whole frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The kind of frame.
    pub kind: u8,
    /// The channel it belongs to.
    pub channel: u16,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `bytes` and says how long it was; `None` if it is not
    /// complete.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let header = FrameHeader::parse(bytes)?;
        let len = header.payload_len + FRAME_OVERHEAD;
        let payload = bytes.get(FRAME_OVERHEAD - 1..len - 1)?;
        let end = *bytes.get(len - 1)?;
        debug_assert_eq!(end, FRAME_END, "lost the place in the stream");
        Some((
            Self {
                kind: header.kind,
                channel: header.channel,
                payload,
            },
            len,
        ))
    }

    /// The class and method numbers of a method frame.
    #[must_use]
    pub fn method(&self) -> Option<(u16, u16)> {
        let mut fields = Fields(self.payload);
        Some((fields.u16()?, fields.u16()?))
    }

    /// The arguments of a method frame.
    #[must_use]
    pub fn arguments(&self) -> Fields<'a> {
        Fields(self.payload.get(4..).unwrap_or_default())
    }
}

/// Fields that are still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// The next octet.
    pub fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    /// The next short integer.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next long integer.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next long long integer.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next short string.
    pub fn short(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.take(len.into())
    }

    /// The next long string or table.
    pub fn long(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }
}
