//! Points in time and decimal numbers.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;
#[cfg(feature = "std")]
use core::time::Duration;

#[cfg(feature = "std")]
use std::time::SystemTime;

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

#[cfg(feature = "std")]
impl Timestamp {
    /// The point in time, if the system has it: numbers that are milliseconds or mere noise may be
    /// further away than it can express.
    pub fn to_system_time(self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.0))
    }
}

/// As it is written: `-0.05` for a value of -5 and a scale of 2.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let digits = format!("{:0>1$}", self.value.unsigned_abs(), scale + 1);
        let (whole, rest) = digits.split_at(digits.len() - scale);
        let point = if scale == 0 { "" } else { "." };
        f.pad_integral(self.value >= 0, "", &[whole, point, rest].concat())
    }
}

impl From<u64> for Timestamp {
    fn from(seconds: u64) -> Self {
        Self(seconds)
    }
}
