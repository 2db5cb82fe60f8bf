//! Which characters XML has, and where.

use super::refused::{Refused, refuse};
use crate::input::{Span, Spanned};
use crate::report::Faults;
use crate::source::Text;

/// Reports the first character that no XML document may hold.
pub(super) fn check(text: Text<'_>, faults: &mut Faults) -> Result<(), Refused> {
    let found = text.as_str().char_indices().find(|(_, c)| !is_xml(*c));
    let Some((at, c)) = found else {
        return Ok(());
    };
    let found = format!("a control character, U+{:04X}", u32::from(c));
    refuse(faults, text.character(at), found, "text")
}

/// What the references in a text mean. `written` is as it stands in the file. XML reads the line
/// breaks of an attribute's value as spaces, and references to them as line breaks.
pub(super) fn unescape(
    text: Text<'_>,
    written: &Spanned<&str>,
    faults: &mut Faults,
) -> Result<String, Refused> {
    let mut value = String::new();
    let mut rest = written.value;
    while let Some(at) = rest.find('&') {
        let (plain, reference) = rest.split_at(at);
        value.extend(plain.chars().map(spaced));
        let place = text.span_of(reference.as_bytes());
        let place = text.span(place.start(), place.start() + 1);
        let Some((name, behind)) = name(reference) else {
            let found = "`&` that begins no reference";
            return refuse(faults, place, found, "`&amp;`");
        };
        let place = text.span_of(name.as_bytes());
        value.extend(meaning(name, place, faults)?);
        rest = behind;
    }
    value.extend(rest.chars().map(spaced));
    Ok(value)
}

fn spaced(c: char) -> char {
    if is_space(c) { ' ' } else { c }
}

/// The name between `&` and `;`, and what is behind them.
fn name(reference: &str) -> Option<(&str, &str)> {
    let behind = reference.strip_prefix('&')?;
    let end = behind.find(|c| !(is_name(c) || c == '#'))?;
    let (name, behind) = behind.split_at(end);
    let is_named = name.starts_with(is_name_start) || name.starts_with('#');
    Some((name, behind.strip_prefix(';')?)).filter(|_| is_named)
}

/// `None` if it means nothing, which was reported.
fn meaning(name: &str, place: Span, faults: &mut Faults) -> Result<Option<char>, Refused> {
    match name {
        "lt" => return Ok(Some('<')),
        "gt" => return Ok(Some('>')),
        "amp" => return Ok(Some('&')),
        "quot" => return Ok(Some('"')),
        "apos" => return Ok(Some('\'')),
        _ => {}
    }
    let Some(number) = name.strip_prefix('#') else {
        let found = format!("unknown entity `{name}`");
        return refuse(faults, place, found, KNOWN);
    };
    let (digits, radix) = number
        .strip_prefix('x')
        .map_or((number, 10), |digits| (digits, 16));
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    let character = u32::from_str_radix(digits, radix).ok();
    let character = character.and_then(char::from_u32).filter(|c| is_xml(*c));
    match character {
        Some(_) if is_number => Ok(character),
        _ => {
            // The rest can be read, and be wrong for reasons of its own.
            let found = format!("`&{name};`, which is no character of XML");
            faults.push(place, found, "the number of a character");
            Ok(None)
        }
    }
}

const KNOWN: &str = "`&lt;`, `&gt;`, `&amp;`, `&quot;`, `&apos;` or a character reference";

fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// White space as XML has it.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Whether a name may begin with it.
pub(super) fn is_name_start(c: char) -> bool {
    matches!(c,
        ':' | 'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}'
        | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}'
        | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
        | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// Whether a name may hold it.
pub(super) fn is_name(c: char) -> bool {
    is_name_start(c)
        || matches!(c,
            '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}
