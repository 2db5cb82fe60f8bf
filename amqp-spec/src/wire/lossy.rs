//! Octets shown to a human: as text where they are text.

use alloc::string::String;
use core::fmt::{self, Write as _};

/// How many octets of one string `Debug` shows. A log line must stay a line, whatever is in a
/// header.
const MAX_SHOWN: usize = 256;

/// Shows octets as text. `Debug` quotes and escapes the text, shows what is not UTF-8 as `\xNN`
/// and stops after 256 octets; `Display` shows all, with U+FFFD for what is not UTF-8, and fills up
/// to the width that is asked for.
pub(super) struct Lossy<'a>(pub(super) &'a [u8]);

impl fmt::Debug for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..MAX_SHOWN).unwrap_or(self.0);
        f.write_char('"')?;
        for chunk in shown.utf8_chunks() {
            write!(f, "{}", chunk.valid().escape_debug())?;
            for octet in chunk.invalid() {
                write!(f, "\\x{octet:02x}")?;
            }
        }
        f.write_char('"')?;
        if shown.len() < self.0.len() {
            write!(f, "… ({} octets)", self.0.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.0))
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn debug_escapes_what_is_not_text() {
        assert_eq!(format!("{:?}", Lossy(b"a\"\n\xffz")), r#""a\"\n\xffz""#);
        assert_eq!(format!("{:?}", Lossy("é".as_bytes())), "\"é\"");
    }

    #[test]
    fn debug_of_a_long_string_is_cut() {
        let shown = format!("{:?}", Lossy(&[b'x'; 300]));
        assert_eq!(shown.len(), 2 + MAX_SHOWN + "… (300 octets)".len());
    }

    #[test]
    fn display_replaces_what_is_not_text() {
        assert_eq!(format!("{}", Lossy(b"a\xffz")), "a\u{fffd}z");
        assert_eq!(
            format!("{:>6}|{:<4}|", Lossy(b"a\xffz"), Lossy(b"z")),
            "   a\u{fffd}z|z   |"
        );
    }
}
