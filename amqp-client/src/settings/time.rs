//! Times as files have them: `500ms`, `30s`, `1h`.
//!
//! A number without a unit is no time: seconds in one program are milliseconds in another.

use std::time::Duration;

/// What a time can be.
pub(super) const EXPECTED: &str =
    "a time with its unit, such as \"500ms\", \"30s\", \"15m\", \"1h\" or \"7d\"";

const SECOND: u128 = 1_000_000_000;

/// The units in nanoseconds, the largest first.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400 * SECOND),
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
];

/// A whole number and its unit.
pub(super) fn read(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(end)?;
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let nanos = digits.parse::<u128>().ok()?.checked_mul(*nanos)?;
    let seconds = u64::try_from(nanos / SECOND).ok()?;
    let rest = u32::try_from(nanos % SECOND).ok()?;
    Some(Duration::new(seconds, rest))
}

/// In the largest unit of which it is a whole number.
pub(crate) fn write(time: Duration) -> String {
    let nanos = time.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let fits = |(_, unit): &&(&str, u128)| nanos % unit == 0;
    let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("ns", 1));
    format!("{}{name}", nanos / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_numbers_of_one_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
        ] {
            let time = Duration::from_millis(millis);
            assert_eq!(read(text), Some(time));
            assert_eq!(write(time), text);
        }
        assert_eq!(write(Duration::from_secs(90)), "90s");
        assert_eq!(read("0ms"), Some(Duration::ZERO));
        for text in [
            "", "5", "s", "5 s", "5S", "5min", "1.5s", "-1s", "+1s", "1h30m", "1M", "٣s", "1e3s",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn longest_time_is_read_and_no_longer_one() {
        for time in [
            Duration::MAX,
            Duration::from_nanos(1),
            Duration::from_micros(1500),
        ] {
            assert_eq!(read(&write(time)), Some(time));
        }
        assert_eq!(read("18446744073709551616s"), None);
        assert_eq!(read(&format!("{}d", u128::MAX)), None);
        assert_eq!(read(&"9".repeat(100_000)), None);
    }
}
