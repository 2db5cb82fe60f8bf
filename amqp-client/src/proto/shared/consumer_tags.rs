//! Consumer tags that are made up here.
//!
//! LavinMQ keys direct replies by the tag across the virtual host, so they carry a part of the
//! connection's own. They carry a number as well, which is never used again: a delivery with a
//! lower one than a channel began with is not for that use of the channel's id.

/// A tag that no other connection is likely to use: `ctag`, a number that is unique on this one,
/// and ten letters and digits of its own.
const PREFIX: &str = "ctag";

/// Letters and digits of the connection's own.
const OWN: usize = 10;

pub(crate) fn make_up(number: u64, mut seed: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut tag = format!("{PREFIX}{number}.");
    for _ in 0..OWN {
        let digit = usize::try_from(seed % 36).unwrap_or(0);
        tag.push(char::from(*DIGITS.get(digit).unwrap_or(&b'0')));
        seed /= 36;
    }
    tag
}

/// The number in a tag that was made up; `None` for one that the program has chosen.
pub(crate) fn number(tag: &[u8]) -> Option<u64> {
    let tag = std::str::from_utf8(tag).ok()?.strip_prefix(PREFIX)?;
    let (number, own) = tag.split_once('.')?;
    if own.len() != OWN {
        return None;
    }
    number.parse().ok()
}
