//! The values of parameters, read and written.

use std::path::PathBuf;
use std::time::Duration;

use crate::options::{ConnectionOptions, TlsOptions};
use crate::rounding::whole_millis;

pub(super) fn set<T>(option: &mut T, value: Option<T>) -> Option<()> {
    *option = value?;
    Some(())
}

/// Digits only: `u16::from_str` takes a plus sign as well.
pub(super) fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

pub(super) fn positive<N: std::str::FromStr + Default + PartialEq>(text: &str) -> Option<N> {
    number(text).filter(|number| *number != N::default())
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    text.parse().ok()
}

pub(super) fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

/// What a number means that stands there without a unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

impl Unit {
    /// A time, which may be zero: `15`, `15s`, `1.5s`, `500ms`.
    pub(super) fn any(self, text: &str) -> Option<Duration> {
        if let Some(number) = text.strip_suffix("ms") {
            Self::Milliseconds.bare(number)
        } else if let Some(number) = text.strip_suffix('s') {
            Self::Seconds.bare(number)
        } else {
            self.bare(text)
        }
    }

    /// A time that is not zero.
    pub(super) fn some(self, text: &str) -> Option<Duration> {
        self.any(text).filter(|time| !time.is_zero())
    }

    fn bare(self, text: &str) -> Option<Duration> {
        match self {
            Self::Seconds => any_seconds(text),
            Self::Milliseconds => number(text).map(Duration::from_millis),
        }
    }
}

/// A time of whole seconds, which may be zero.
pub(super) fn whole(text: &str) -> Option<Duration> {
    Unit::Seconds
        .any(text)
        .filter(|time| time.subsec_nanos() == 0)
}

/// A time of whole seconds, at least one.
pub(super) fn some_whole(text: &str) -> Option<Duration> {
    whole(text).filter(|time| !time.is_zero())
}

/// `2` or `0.25`, to the millisecond.
fn any_seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if part.len() > 3 {
        return None;
    }
    let millis: u64 = number(&format!("{part:0<3}"))?;
    let seconds = Duration::from_secs(number(whole)?);
    seconds.checked_add(Duration::from_millis(millis))
}

/// To the millisecond, rounded up.
pub(super) fn in_seconds(time: Duration) -> String {
    let millis = whole_millis(time);
    match millis % 1000 {
        0 => (millis / 1000).to_string(),
        part => format!("{}.{part:03}", millis / 1000),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "numbers and literals read better"
)]
pub(super) fn one<T: ToString>(value: T) -> Vec<String> {
    vec![value.to_string()]
}

pub(super) fn maybe(value: Option<impl ToString>) -> Vec<String> {
    value.map(one).unwrap_or_default()
}

pub(super) fn tls(
    options: &ConnectionOptions,
    write: fn(&TlsOptions) -> Vec<String>,
) -> Vec<String> {
    options.tls.as_ref().map(write).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_and_written_to_the_millisecond() {
        for (text, millis) in [("0", 0), ("2", 2000), ("0.25", 250), ("1.005", 1005)] {
            let time = any_seconds(text).unwrap();
            assert_eq!(time, Duration::from_millis(millis));
            assert_eq!(any_seconds(&in_seconds(time)), Some(time));
        }
        // Zero would be no time, or for ever.
        assert_eq!(in_seconds(Duration::from_micros(900)), "0.001");
        for text in ["", ".5", "-1", "1.0001", "1e3", "+1", "x", "1.x"] {
            assert_eq!(any_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn number_without_a_unit_is_in_the_unit_of_its_parameter() {
        let ms = Duration::from_millis;
        for unit in [Unit::Seconds, Unit::Milliseconds] {
            for (text, millis) in [("15s", 15_000), ("500ms", 500), ("1.5s", 1500), ("0s", 0)] {
                assert_eq!(unit.any(text), Some(ms(millis)), "{text}");
            }
            for text in [
                "", "s", "ms", "1.5ms", "1m", "1 s", "-1s", "1S", "15sms", "1e3s",
            ] {
                assert_eq!(unit.any(text), None, "{text}");
            }
            assert_eq!((unit.some("0"), unit.some("0ms")), (None, None));
        }
        assert_eq!(Unit::Seconds.some("15"), Some(ms(15_000)));
        assert_eq!(Unit::Milliseconds.some("15"), Some(ms(15)));
        assert_eq!(Unit::Milliseconds.some("1.5"), None);
        let longest = format!("{}s", u64::MAX);
        assert_eq!(
            Unit::Milliseconds.any(&longest),
            Some(Duration::from_secs(u64::MAX))
        );
        assert_eq!(
            Unit::Seconds.any(&format!("{}.999", u64::MAX)),
            Some(Duration::from_secs(u64::MAX) + ms(999))
        );
        assert_eq!(Unit::Seconds.any("18446744073709551616"), None);
    }
}
