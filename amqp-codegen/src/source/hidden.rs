//! Characters that are not seen, or that turn around what stands beside them.
//!
//! Texts of the inputs go into comments, literals and documents, where a reader has to see what the
//! compiler sees. Escapes (`\u202E`, `&#x202E;`) get such characters past every look at the file, so
//! values are checked, after the escapes were replaced.

use super::{Spanned, Text};
use crate::report::Faults;

/// Whether a character has no width, reorders a line, or ends one for some readers only. Control
/// characters are another matter: [`char::is_control`].
pub(crate) const fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}

/// The text with hidden and control characters written as Rust escapes.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) || character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Reports the first character of a text that is hidden or controls something.
pub(crate) fn check(value: &Spanned<String>, text: Text<'_>, faults: &mut Faults) {
    let is_space = |character| matches!(character, '\t' | '\n' | '\r');
    let is_bad =
        |character: char| is_hidden(character) || (character.is_control() && !is_space(character));
    report_first(value, text, is_bad, faults);
}

/// Reports the first hidden character of a value that goes over the wire, where control characters
/// have a meaning: `PLAIN` separates user and password by a zero.
pub(crate) fn check_value(value: &Spanned<String>, text: Text<'_>, faults: &mut Faults) {
    report_first(value, text, is_hidden, faults);
}

fn report_first(
    value: &Spanned<String>,
    text: Text<'_>,
    is_bad: impl Fn(char) -> bool,
    faults: &mut Faults,
) {
    let Some(character) = value.value.chars().find(|character| is_bad(*character)) else {
        return;
    };
    let number = u32::from(character);
    let written = [
        character.to_string(),
        format!("\\x{number:02x}"),
        format!("\\u{number:04x}"),
        format!("\\u{number:08x}"),
        format!("&#x{number:x};"),
        format!("&#{number};"),
    ];
    let places = written
        .iter()
        .filter_map(|word| text.find(value.span, word));
    faults.push(
        places.min().unwrap_or(value.span),
        format!("the invisible character U+{number:04X}"),
        "characters that a reader can see",
    );
}

#[cfg(test)]
mod tests {
    use super::{escaped, is_hidden};

    #[test]
    fn what_turns_text_around_or_has_no_width_is_hidden() {
        for hidden in [
            '\u{202E}', '\u{2066}', '\u{200D}', '\u{61C}', '\u{FEFF}', '\u{2028}',
        ] {
            assert!(is_hidden(hidden), "{hidden:?}");
        }
        for shown in [' ', '\t', '\n', 'é', '語', 'ع', '\u{301}', '🐇'] {
            assert!(!is_hidden(shown), "{shown:?}");
        }
    }

    #[test]
    fn escapes_are_those_of_rust() {
        assert_eq!(escaped("a\u{202E}b\nc é"), "a\\u{202e}b\\nc é");
    }
}
