//! The attributes of a tag.

use super::characters;
use super::scan::{Refused, Scanner, refuse};
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
    scanner: &mut Scanner<'_>,
    closing: &str,
    faults: &mut Faults,
) -> Result<Vec<Attribute>, Refused> {
    let mut attributes: Vec<Attribute> = Vec::new();
    loop {
        let apart = scanner.skip_space();
        let rest = scanner.rest();
        if rest.starts_with(closing) || (closing == ">" && rest.starts_with("/>")) {
            return Ok(attributes);
        }
        let place = scanner.here();
        let Some(name) = scanner.try_name() else {
            let closing = if rest.starts_with('/') { "/>" } else { closing };
            let expected = format!("an attribute, or the end of the tag, `{closing}`");
            return scanner.unexpected(&expected, faults);
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
        let value = value(scanner, &name, faults)?;
        attributes.push(Attribute { name, value });
    }
}

/// `= "value"`, behind the name of an attribute.
fn value(
    scanner: &mut Scanner<'_>,
    name: &Spanned<String>,
    faults: &mut Faults,
) -> Result<Spanned<String>, Refused> {
    scanner.skip_space();
    if !scanner.rest().starts_with('=') {
        let found = format!("attribute `{}` without a value", name.value);
        return refuse(faults, name.span, found, "`=` and a value in quotes");
    }
    scanner.take(1);
    scanner.skip_space();
    let opening = scanner.here();
    let Some(quote) = scanner
        .rest()
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''))
    else {
        return unquoted(scanner, name, faults);
    };
    scanner.take(1);
    let text = scanner.text();
    let rest = scanner.rest();
    let end = rest.find([quote, '<']);
    let Some(end) = end.filter(|end| rest.get(*end..).is_some_and(|end| end.starts_with(quote)))
    else {
        let found = format!("a value of `{}` that is not closed", name.value);
        let expected = format!("`{quote}` behind the value, and `&lt;` for `<` in it");
        return refuse(faults, opening, found, expected);
    };
    let raw = scanner.take(end);
    scanner.take(1);
    let written = Spanned::new(raw, text.span_of(raw.as_bytes()));
    let value = characters::unescape(text, &written, faults)?;
    let value = Spanned::new(value, written.span);
    hidden::check(&value, text, faults);
    Ok(value)
}

fn unquoted<T>(
    scanner: &Scanner<'_>,
    name: &Spanned<String>,
    faults: &mut Faults,
) -> Result<T, Refused> {
    let rest = scanner.rest();
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
    refuse(faults, scanner.here(), found, expected)
}
