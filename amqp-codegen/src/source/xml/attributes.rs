//! The attributes of a tag.

use super::characters;
use super::cursor::Cursor;
use super::refused::{Refused, refuse};
use crate::input::Spanned;
use crate::report::Faults;
use crate::source::{hidden, straight};

/// More attributes than any element has. Finding duplicates takes quadratic time, so there is an
/// end to it.
const MAX_ATTRIBUTES: usize = 32;

/// An attribute.
#[derive(Debug)]
pub(super) struct Attribute {
    /// Its name.
    pub(super) name: Spanned<String>,
    /// Its value, references replaced.
    pub(super) value: Spanned<String>,
}

/// Reads attributes up to `closing` (or, where that is `>`, up to `/>`), which is left to the
/// caller. No two of them have the same name.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    closing: &str,
    faults: &mut Faults,
) -> Result<Vec<Attribute>, Refused> {
    let mut attributes: Vec<Attribute> = Vec::new();
    loop {
        let apart = cursor.skip_space();
        let rest = cursor.rest();
        if rest.starts_with(closing) || (closing == ">" && rest.starts_with("/>")) {
            return Ok(attributes);
        }
        let place = cursor.here();
        let Some(name) = cursor.try_name() else {
            let closing = if rest.starts_with('/') { "/>" } else { closing };
            let expected = format!("an attribute, or the end of the tag, `{closing}`");
            return cursor.unexpected(&expected, faults);
        };
        if !apart {
            let found = format!("attribute `{}` without white space", name.value);
            return refuse(faults, place, found, "white space in front of it");
        }
        if attributes.len() == MAX_ATTRIBUTES {
            let expected = format!("at most {MAX_ATTRIBUTES}");
            return refuse(faults, name.span, "too many attributes", expected);
        }
        let earlier = attributes
            .iter()
            .find(|other| other.name.value == name.value);
        if let Some(earlier) = earlier {
            let note = ("first given", earlier.name.span);
            let found = format!("attribute `{}` given twice", name.value);
            faults.push_beside(name.span, found, "each one once", note);
            return Err(Refused);
        }
        let name = Spanned::new(name.value.to_owned(), name.span);
        let value = value(cursor, &name, faults)?;
        attributes.push(Attribute { name, value });
    }
}

/// `= "value"`, behind the name of an attribute.
fn value(
    cursor: &mut Cursor<'_>,
    name: &Spanned<String>,
    faults: &mut Faults,
) -> Result<Spanned<String>, Refused> {
    cursor.skip_space();
    if !cursor.rest().starts_with('=') {
        let found = format!("attribute `{}` without a value", name.value);
        return refuse(faults, name.span, found, "`=` and a value in quotes");
    }
    cursor.take(1);
    cursor.skip_space();
    let opening = cursor.here();
    let Some(quote) = cursor
        .rest()
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''))
    else {
        return unquoted(cursor, name, faults);
    };
    cursor.take(1);
    let text = cursor.text();
    let rest = cursor.rest();
    let end = rest.find([quote, '<']);
    let Some(end) = end.filter(|end| rest.get(*end..).is_some_and(|end| end.starts_with(quote)))
    else {
        let found = format!("a value of `{}` that is not closed", name.value);
        let expected = format!("`{quote}` behind the value, and `&lt;` for `<` in it");
        return refuse(faults, opening, found, expected);
    };
    let raw = cursor.take(end);
    cursor.take(1);
    let written = Spanned::new(raw, text.span_of(raw.as_bytes()));
    let value = characters::unescape(text, &written, faults)?;
    let value = Spanned::new(value, written.span);
    hidden::check(&value, text, faults);
    Ok(value)
}

fn unquoted<T>(
    cursor: &Cursor<'_>,
    name: &Spanned<String>,
    faults: &mut Faults,
) -> Result<T, Refused> {
    let rest = cursor.rest();
    let (found, expected) = match rest.chars().next() {
        Some(c) if straight(c).is_some_and(|c| c != "-") => {
            let found = format!("a value of `{}` in typographic quotes: `{c}`", name.value);
            (found, "straight quotes: `\"`")
        }
        None | Some('>' | '/' | '<') => {
            let found = format!("attribute `{}` without a value", name.value);
            (found, "a value in quotes")
        }
        Some(_) => {
            let found = format!("a value of `{}` without quotes", name.value);
            (found, "a value in quotes")
        }
    };
    refuse(faults, cursor.here(), found, expected)
}
