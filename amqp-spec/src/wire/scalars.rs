//! Points in time and decimal numbers.

use alloc::vec::Vec;

/// A point in time: seconds since 1970-01-01T00:00:00Z.
///
/// Some clients send milliseconds here. The number is kept as it came.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(pub u64);

/// A decimal number: `value` divided by ten to the power of `scale`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Decimal {
    /// The number of digits behind the decimal point.
    pub scale: u8,
    /// The digits. Some clients take them for an unsigned number.
    pub value: i32,
}

impl Timestamp {
    /// Appends the eight octets.
    #[inline]
    pub fn encode(self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(&self.0.to_be_bytes());
    }
}

impl From<u64> for Timestamp {
    fn from(seconds: u64) -> Self {
        Self(seconds)
    }
}
