//! Texts of others as they are shown: in one line, without what a terminal or a log obeys, and no
//! longer than needed.
//!
//! A peer chooses what it says: reasons, names, lists of mechanisms. What is kept of it is kept as
//! it came, in public fields; whatever shows it (`Display`, `Debug`, fields of `tracing`) goes
//! through this file.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

#[cfg(feature = "tracing")]
use amqp_spec::wire::ShortStr;

/// How many bytes a sentence takes.
const LINE: usize = 512;

/// How many bytes a name takes: every name of the protocol that has nothing to be escaped fits.
const NAME: usize = 256;

/// How many bytes a text takes that was put together of several.
pub(crate) const PAGE: usize = 4096;

/// A sentence of the peer. Line breaks become spaces.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches(['\r', '\n']);
    if is_short_and_plain(text, LINE) {
        return Cow::Borrowed(text);
    }
    // Not more than what can be shown of it.
    let lines: Vec<_> = beginning(text, LINE).lines().collect();
    Cow::Owned(escaped(&lines.join(" "), text.len(), LINE))
}

/// A name that somebody else chose, without quotes.
pub(crate) fn name(text: &str) -> Cow<'_, str> {
    if is_short_and_plain(text, NAME) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(escaped(beginning(text, NAME), text.len(), NAME))
}

/// A name as it came from the wire. What is not UTF-8 is replaced.
#[cfg(feature = "tracing")]
pub(crate) fn octets(name_of: ShortStr<'_>) -> String {
    name(&String::from_utf8_lossy(name_of.as_bytes())).into_owned()
}

/// A text of somebody else in quotes.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = fitting(self.0, NAME);
        write!(f, "{shown:?}")?;
        if shown.len() < self.0.len() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// As much of the text as takes `most` characters when it is escaped.
pub(crate) fn fitting(text: &str, most: usize) -> &str {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += c.escape_debug().count();
        if taken > most {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

/// Shows what may be long, cut at a page.
pub(crate) fn page(f: &mut fmt::Formatter<'_>, shown: &dyn fmt::Debug) -> fmt::Result {
    let alternate = f.alternate();
    let mut page = Page {
        f,
        left: PAGE - '…'.len_utf8(),
    };
    let result = match alternate {
        true => write!(page, "{shown:#?}"),
        false => write!(page, "{shown:?}"),
    };
    match result {
        Err(_) if page.left == 0 => f.write_str("…"),
        result => result,
    }
}

struct Page<'f, 'a> {
    f: &'f mut fmt::Formatter<'a>,
    left: usize,
}

impl fmt::Write for Page<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = whole_characters(text, self.left);
        self.f.write_str(fits)?;
        if fits.len() < text.len() {
            self.left = 0;
            return Err(fmt::Error);
        }
        self.left -= fits.len();
        Ok(())
    }
}

fn is_short_and_plain(text: &str, most: usize) -> bool {
    text.len() <= most && text.chars().all(is_plain)
}

/// Enough to be cut once more when it is escaped.
fn beginning(text: &str, most: usize) -> &str {
    whole_characters(text, most + 4)
}

/// As many whole characters as take `most` bytes.
fn whole_characters(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A text of `len` bytes, of which this is the beginning. Quotes and backslashes stand for
/// themselves.
fn escaped(beginning: &str, len: usize, most: usize) -> String {
    let mut shown = String::new();
    for c in beginning.chars() {
        let before = shown.len();
        if is_plain(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
        if shown.len() > most {
            shown.truncate(before);
            shown.push_str(&format!("… ({len} bytes)"));
            break;
        }
    }
    shown
}

/// Whether a character is shown as it is: no control character, none that turns the direction of a
/// line, breaks it or cannot be seen. `Debug` of text decides the same way.
fn is_plain(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\x7f' => false,
        // Behind another character, since an accent is escaped only where it has nothing to stand
        // on.
        _ => ['a', c]
            .iter()
            .collect::<String>()
            .escape_debug()
            .nth(1)
            .is_some_and(|shown| shown == c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal obeys, or what breaks or turns a line.
    const POISON: &str =
        "\r\u{1b}[2J\u{7}\0\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{feff}";

    #[test]
    fn texts_of_a_peer_are_escaped_where_a_terminal_would_obey() {
        let escaped =
            r"\r\u{1b}[2J\u{7}\0\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{feff}";
        assert_eq!(line(&format!("a{POISON}b")), format!("a{escaped}b"));
        assert_eq!(name(&format!("a{POISON}b")), format!("a{escaped}b"));
        let quoted = format!("{:?}", Quoted(POISON));
        assert_eq!(quoted, format!("\"{escaped}\""));
    }

    #[test]
    fn text_that_is_only_text_is_shown_as_it_is() {
        for text in [
            "",
            "no queue 'q' in \"/\" \\",
            "заказы",
            "e\u{301}",
            "คิว",
            "注文",
        ] {
            assert!(matches!(line(text), Cow::Borrowed(shown) if shown == text));
            assert!(matches!(name(text), Cow::Borrowed(shown) if shown == text));
        }
    }

    #[test]
    fn sentences_are_one_line_and_names_keep_their_breaks_apart() {
        assert_eq!(line("bad\nluck\r\nhere\n"), "bad luck here");
        assert_eq!(name("bad\nluck\n"), r"bad\nluck\n");
    }

    #[test]
    fn texts_of_a_peer_are_cut_at_a_length() {
        for part in ["x", "é", "\0", "\u{202e}", "\n", "\u{10ffff}"] {
            let long = part.repeat(100_000);
            let quoted = format!("{:?}", Quoted(&long));
            let shown = [line(&long), name(&long), quoted.into()];
            for (shown, most) in shown.into_iter().zip([LINE, NAME, NAME]) {
                let n_shown = shown.chars().count();
                assert!(n_shown < most + 32, "{n_shown} of {part:?}");
            }
        }
        let name_of_255 = "q".repeat(255);
        assert_eq!(name(&name_of_255), name_of_255);
        let cut = format!("{}… (257 bytes)", "q".repeat(256));
        assert_eq!(name(&"q".repeat(257)), cut);
    }

    #[test]
    fn what_is_put_together_is_cut_at_a_page() {
        struct Long;
        impl fmt::Debug for Long {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                page(f, &vec!["é"; 10_000])
            }
        }
        for shown in [format!("{Long:?}"), format!("{Long:#?}")] {
            assert!(shown.len() <= PAGE, "{}", shown.len());
            assert!(shown.ends_with('…'));
        }
    }
}
