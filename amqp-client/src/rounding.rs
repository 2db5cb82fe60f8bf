//! Times as the whole numbers that brokers, sockets and URIs take.
//!
//! Part of a unit counts as a whole one everywhere: zero has a meaning of its own (no limit, at
//! once, the system's default), and no other time may become that.

use std::time::Duration;

/// Rounded up; what does not fit is the largest number.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    let part = u64::from(time.subsec_nanos() > 0);
    time.as_secs().saturating_add(part)
}

/// Rounded up; what does not fit is the largest number.
pub(crate) fn whole_millis(time: Duration) -> u64 {
    let millis = time.as_nanos().div_ceil(1_000_000);
    u64::try_from(millis).unwrap_or(u64::MAX)
}

/// The time in whole seconds, rounded up.
#[cfg(any(test, feature = "tokio"))]
pub(crate) fn to_seconds(time: Duration) -> Duration {
    Duration::from_secs(whole_seconds(time))
}

/// The time in whole milliseconds, rounded up.
#[cfg(any(
    test,
    all(feature = "tokio", any(target_os = "android", target_os = "linux"))
))]
pub(crate) fn to_millis(time: Duration) -> Duration {
    Duration::from_millis(whole_millis(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_unit_is_a_whole_one_and_zero_alone_is_zero() {
        let cases = [
            (Duration::ZERO, 0, 0),
            (Duration::from_nanos(1), 1, 1),
            (Duration::from_micros(900), 1, 1),
            (Duration::from_millis(1), 1, 1),
            (Duration::from_micros(1_000_001), 2, 1001),
            (Duration::from_secs(60), 60, 60_000),
            (Duration::MAX, u64::MAX, u64::MAX),
        ];
        for (time, seconds, millis) in cases {
            assert_eq!((whole_seconds(time), whole_millis(time)), (seconds, millis));
        }
    }
}
