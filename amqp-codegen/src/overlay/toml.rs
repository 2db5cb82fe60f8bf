//! Checked access to TOML that keeps the places.

use std::ops::Range;

use ::toml::Spanned as TomlSpanned;
use ::toml::de::{DeTable, DeValue};

use crate::input::{Span, Spanned};
use crate::report::Faults;
use crate::source::{Text, hidden, list_for, nearest, straight};

/// A table of an overlay.
#[derive(Clone, Debug)]
pub(super) struct Table<'a> {
    span: Span,
    members: Vec<(Spanned<String>, Value<'a>)>,
}

/// A value of an overlay.
#[derive(Clone, Debug)]
pub(super) struct Value<'a> {
    text: Text<'a>,
    span: Span,
    value: DeValue<'a>,
}

/// Parses a document; `None` if it is not TOML.
pub(super) fn parse<'a>(text: Text<'a>, faults: &mut Faults) -> Option<Table<'a>> {
    let (root, errors) = DeTable::parse_recoverable(text.as_str());
    let mut last_line = None;
    for error in &errors {
        let range = error.span().unwrap_or_default();
        let head = text
            .as_str()
            .get(..text.character(range.start).start() - text.start());
        let line = head.map(|head| head.matches('\n').count());
        // What follows on a line follows from the first error on it.
        if last_line.is_none() || last_line != line {
            report(text, range, error.message(), faults);
        }
        last_line = line;
    }
    let span = text.span(text.start(), text.start());
    errors
        .is_empty()
        .then(|| Table::new(text, span, root.into_inner()))
}

/// Reports an error of the parser, whole characters of it, and what to type if a character only
/// looks like a part of TOML.
fn report(text: Text<'_>, range: Range<usize>, message: &str, faults: &mut Faults) {
    let start = text.character(range.start);
    let end = text.character(range.end.max(range.start + 1) - 1).end();
    let place = text.span(start.start(), end.max(start.start()));
    let rest = text
        .as_str()
        .get(start.start() - text.start()..)
        .unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let looks = line
        .char_indices()
        .find_map(|(at, c)| Some((at, c, straight(c)?)));
    match looks {
        Some((at, c, straight)) => {
            let place = text.character(start.start() - text.start() + at);
            faults.push(
                place,
                format!("a typographic `{c}`"),
                format!("`{straight}`"),
            );
        }
        None => faults.push(place, format!("malformed TOML: {message}"), "TOML"),
    }
}

impl<'a> Table<'a> {
    fn new(text: Text<'a>, span: Span, table: DeTable<'a>) -> Self {
        let member = |(key, value): (TomlSpanned<std::borrow::Cow<'a, str>>, _)| {
            let range = key.span();
            let span = text.span(text.start() + range.start, text.start() + range.end);
            (
                Spanned::new(key.into_inner().into_owned(), span),
                Value::new(text, value),
            )
        };
        let members = table.into_iter().map(member).collect();
        Self { span, members }
    }

    /// Its members.
    pub(super) fn members(&self) -> &[(Spanned<String>, Value<'a>)] {
        &self.members
    }

    /// Reports keys that are not known.
    pub(super) fn keys(&self, known: &[&str], faults: &mut Faults) {
        for (key, _) in &self.members {
            if !known.contains(&key.value.as_str()) {
                faults.push(
                    key.span,
                    format!("unknown key `{}`", key.value),
                    list_for(&key.value, known, &[]),
                );
            }
        }
    }

    /// Whether a key is nearly this one, which is reported as such.
    pub(super) fn is_misspelt(&self, key: &str) -> bool {
        let mut members = self.members.iter();
        members.any(|(other, _)| nearest(&other.value, &[key]).is_some())
    }

    /// A member with its key.
    pub(super) fn get(&self, key: &str) -> Option<&(Spanned<String>, Value<'a>)> {
        self.members.iter().find(|(name, _)| name.value == key)
    }

    /// The tables under the keys of the table under `key`; none if there is no such key.
    pub(super) fn subtables(&self, key: &str, faults: &mut Faults) -> Vec<(Spanned<String>, Self)> {
        let Some((_, value)) = self.get(key) else {
            return Vec::new();
        };
        if matches!(value.value, DeValue::Array(_)) {
            let expected = format!("`[{key}.NAME]`: each once, with its name");
            faults.push(
                value.span,
                format!("`{key}` as an array of tables"),
                expected,
            );
            return Vec::new();
        }
        let table = value.table(faults);
        let members = table.map(|table| table.members).unwrap_or_default();
        let subtable = |(name, value): (Spanned<String>, Value<'a>)| {
            if matches!(value.value, DeValue::Table(_)) {
                return value.table(faults).map(|table| (name, table));
            }
            let found = format!("`{}` in `[{key}]`", name.value);
            let expected = format!("a table with a name, `[{key}.NAME]`");
            faults.push(name.span, found, expected);
            None
        };
        members.into_iter().filter_map(subtable).collect()
    }

    /// The tables in the array under `key`, in their order; none if there is no such key.
    pub(super) fn tables(&self, key: &str, faults: &mut Faults) -> Vec<Self> {
        let Some((_, value)) = self.get(key) else {
            return Vec::new();
        };
        if matches!(value.value, DeValue::Table(_)) {
            let expected = format!("`[[{key}]]`, for there may be several");
            faults.push(value.span, format!("`{key}` as a single table"), expected);
            return Vec::new();
        }
        let items = value.array(faults).unwrap_or_default();
        items.iter().filter_map(|item| item.table(faults)).collect()
    }

    /// A string that must be there.
    pub(super) fn required_string(
        &self,
        key: &str,
        faults: &mut Faults,
    ) -> Option<Spanned<String>> {
        let Some((_, value)) = self.get(key) else {
            if !self.is_misspelt(key) {
                faults.push(
                    self.span,
                    format!("an entry without `{key}`"),
                    format!("a key `{key}`"),
                );
            }
            return None;
        };
        value.string(faults)
    }

    /// Reports an entry that does not say why it is there.
    pub(super) fn reason(&self, faults: &mut Faults) {
        let reason = self.required_string("reason", faults);
        if let Some(Spanned { value, span }) = reason {
            if value.trim().is_empty() {
                faults.push(span, "an empty reason", "the reason, in words");
            }
        }
    }
}

impl<'a> Value<'a> {
    fn new(text: Text<'a>, value: TomlSpanned<DeValue<'a>>) -> Self {
        let range = value.span();
        let span = text.span(text.start() + range.start, text.start() + range.end);
        Self {
            text,
            span,
            value: value.into_inner(),
        }
    }

    /// Its place.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// What it is, to look at.
    pub(super) fn get(&self) -> &DeValue<'a> {
        &self.value
    }

    /// Reports that it is not what it should be.
    pub(super) fn unexpected(&self, expected: &str, faults: &mut Faults) {
        let mut article = "a";
        let kind = self.value.type_str();
        if kind.starts_with(['a', 'i']) {
            article = "an";
        }
        faults.push(self.span, format!("{article} {kind}"), expected);
    }

    /// Takes it for a table.
    pub(super) fn table(&self, faults: &mut Faults) -> Option<Table<'a>> {
        if let DeValue::Table(table) = &self.value {
            return Some(Table::new(self.text, self.span, table.clone()));
        }
        self.unexpected("a table", faults);
        None
    }

    /// Takes it for an array.
    pub(super) fn array(&self, faults: &mut Faults) -> Option<Vec<Self>> {
        if let DeValue::Array(array) = &self.value {
            let items = array.clone().into_iter();
            return Some(items.map(|item| Value::new(self.text, item)).collect());
        }
        self.unexpected("an array", faults);
        None
    }

    /// Takes it for a string.
    pub(super) fn string(&self, faults: &mut Faults) -> Option<Spanned<String>> {
        let string = self.any_string();
        match &string {
            Some(string) => hidden::check(string, self.text, faults),
            None => self.unexpected("a string", faults),
        }
        string
    }

    /// Takes it for a string that goes over the wire, if it is one.
    pub(super) fn wire_string(&self, faults: &mut Faults) -> Option<Spanned<String>> {
        let string = self.any_string();
        if let Some(string) = &string {
            hidden::check_value(string, self.text, faults);
        }
        string
    }

    fn any_string(&self) -> Option<Spanned<String>> {
        match &self.value {
            DeValue::String(string) => Some(Spanned::new(string.clone().into_owned(), self.span)),
            _ => None,
        }
    }

    /// The place of a part of the string that it is. Where escapes hide the part, its first octets
    /// are looked for, and in the end the string stands for it.
    pub(super) fn place_in(&self, string: &str, part: Range<usize>) -> Span {
        let (first, len) = (part.start, part.len());
        if let Some(whole) = self.text.find(self.span, &string.to_ascii_lowercase()) {
            let start = whole.start() + first;
            return self.text.span(start, start + len);
        }
        let word = string.get(part).unwrap_or_default().to_ascii_lowercase();
        self.text.find(self.span, &word).unwrap_or(self.span)
    }

    /// Takes it for a number from 0 to 2³²−1.
    pub(super) fn integer(&self, faults: &mut Faults) -> Option<Spanned<u32>> {
        if let DeValue::Integer(integer) = &self.value {
            if let Ok(number) = u32::from_str_radix(integer.as_str(), integer.radix()) {
                return Some(Spanned::new(number, self.span));
            }
        }
        self.unexpected("an integer from 0 to 4294967295", faults);
        None
    }

    /// Takes it for a boolean.
    pub(super) fn boolean(&self, faults: &mut Faults) -> Option<bool> {
        if let DeValue::Boolean(boolean) = self.value {
            return Some(boolean);
        }
        self.unexpected("a boolean", faults);
        None
    }
}
