//! Characters that are not seen, or that turn around what stands beside them.

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
