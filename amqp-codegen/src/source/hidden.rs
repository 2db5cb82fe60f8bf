//! No value of an input has characters that are not seen.
//!
//! Texts of the inputs go into comments, literals and documents, where a reader has to see what the
//! compiler sees. Escapes (`\u202E`, `&#x202E;`) get such characters past every look at the file,
//! so values are checked, after the escapes were replaced.

use super::Text;
use crate::input::{Spanned, is_hidden};
use crate::report::Faults;

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
