//! How long to wait before something is tried again: ever longer, and never as long as others do.

use std::time::Duration;

/// Chance, from a seed on.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The shorter time, doubled this often, but no longer than the longer one: half of it, and of
    /// the other half a part by chance.
    pub(crate) fn delay(
        &mut self,
        (first, longest): (Duration, Duration),
        doubled: u32,
    ) -> Duration {
        let factor = 1_u32.checked_shl(doubled).unwrap_or(u32::MAX);
        let whole = first.saturating_mul(factor).min(longest);
        let half = whole / 2;
        half.saturating_add(part(whole - half, self.number()))
    }

    /// A number by chance (`SplitMix64`).
    fn number(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((number ^ (number >> 31)) >> 32).unwrap_or(u32::MAX)
    }
}

/// As much of a time as the number is of all that it could be.
fn part(time: Duration, number: u32) -> Duration {
    let nanos = u128::from(time.subsec_nanos()) + u128::from(time.as_secs()) * 1_000_000_000;
    let nanos = (nanos * u128::from(number)) >> 32;
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or_default();
    Duration::new(seconds, rest)
}
