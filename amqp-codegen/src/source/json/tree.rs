//! From text to JSON values that know their places.
//!
//! serde_json checks the syntax of the whole file in one pass without recursion; after that a value
//! is a slice of the text, and is taken apart only as far as it is asked for. So nesting costs
//! nothing: whatever is nested deeper than a specification is refused where it begins.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::input::{Span, Spanned};
use crate::report::Faults;
use crate::source::document::MAX_DEPTH;
use crate::source::{Text, hidden, straight, value};

/// More members than any object has. Finding duplicates takes quadratic time, so there is an end to
/// it.
const MAX_MEMBERS: usize = 32;

/// More items than any array has, and few enough that comparing all with all takes no time.
const MAX_ITEMS: usize = 4096;

/// A value of any kind, as its slice of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    raw: &'a str,
    text: Text<'a>,
}

/// An object, with its members in order. No two have the same key.
#[derive(Debug)]
pub(super) struct Object<'a> {
    what: &'static str,
    span: Span,
    members: Vec<(Spanned<String>, Node<'a>)>,
}

/// Checks the syntax; `None` if the text is not one JSON value.
pub(super) fn parse<'a>(text: Text<'a>, faults: &mut Faults) -> Option<Node<'a>> {
    check_depth(text, faults)?;
    match serde_json::from_str::<&RawValue>(text.as_str()) {
        Ok(raw) => Some(Node {
            raw: raw.get(),
            text,
        }),
        Err(error) => {
            let at = offset(text.as_str(), error.line(), error.column());
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            let place = text.character(at);
            let next = text.as_str().get(place.start() - text.start()..);
            let (found, expected) = match next.and_then(|next| next.chars().next()) {
                Some('/') => (
                    "a comment within JSON".to_owned(),
                    "no comment, or one in front of the whole file".to_owned(),
                ),
                Some(c) => straight(c).map_or_else(
                    || (format!("malformed JSON: {message}"), "JSON".to_owned()),
                    |straight| (format!("a typographic `{c}`"), format!("`{straight}`")),
                ),
                None => (format!("malformed JSON: {message}"), "JSON".to_owned()),
            };
            faults.push(place, found, expected);
            None
        }
    }
}

/// Brackets that nest too deeply are reported where they do, before anything else looks at them.
fn check_depth(text: Text<'_>, faults: &mut Faults) -> Option<()> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.as_str().bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            let at = text.start() + at;
            let expected = format!("at most {MAX_DEPTH} levels");
            faults.push(text.span(at, at + 1), "values nested too deeply", expected);
            return None;
        }
    }
    Some(())
}

/// The byte that serde_json means by line and column. It counts columns in bytes, from 1; a column
/// of 0 is the line break itself.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let lines = text.split_inclusive('\n').take(line.saturating_sub(1));
    let line_start: usize = lines.map(str::len).sum();
    (line_start + column.saturating_sub(1)).min(text.len())
}

impl<'a> Node<'a> {
    /// Its place.
    pub(super) fn span(&self) -> Span {
        self.text.span_of(self.raw.as_bytes())
    }

    /// Its text.
    pub(super) fn raw(&self) -> &'a str {
        self.raw
    }

    /// Takes it for an object.
    pub(super) fn object(&self, what: &'static str, faults: &mut Faults) -> Option<Object<'a>> {
        let members = self.parse::<Members<'a>>(what, "an object", faults)?.0;
        let mut object = Object {
            what,
            span: self.span(),
            members: Vec::new(),
        };
        if members.len() > MAX_MEMBERS {
            let found = format!("{what} of {} members", members.len());
            faults.push(self.span(), found, format!("at most {MAX_MEMBERS}"));
            return None;
        }
        for (key, raw) in members {
            let key = Self {
                raw: key.get(),
                text: self.text,
            }
            .string("a key", faults)?;
            let earlier = object
                .members
                .iter()
                .find(|(other, _)| other.value == key.value);
            if let Some((first, _)) = earlier {
                faults.push_beside(
                    key.span,
                    format!("key `{}` twice in {what}", key.value),
                    "every key once",
                    ("first given", first.span),
                );
                continue;
            }
            object.members.push((
                key,
                Self {
                    raw: raw.get(),
                    text: self.text,
                },
            ));
        }
        Some(object)
    }

    /// Takes it for an array.
    pub(super) fn array(&self, what: &str, faults: &mut Faults) -> Option<Vec<Self>> {
        let items = self.parse::<Vec<&'a RawValue>>(what, "an array", faults)?;
        if items.len() > MAX_ITEMS {
            let found = format!("{what} of {} items", items.len());
            faults.push(self.span(), found, format!("at most {MAX_ITEMS}"));
            return None;
        }
        Some(
            items
                .into_iter()
                .map(|raw| Self {
                    raw: raw.get(),
                    text: self.text,
                })
                .collect(),
        )
    }

    /// Takes it for a string.
    pub(super) fn string(&self, what: &str, faults: &mut Faults) -> Option<Spanned<String>> {
        let string = self.parse::<String>(what, "a string", faults)?;
        let between_quotes = self.raw.get(1..self.raw.len() - 1).unwrap_or(self.raw);
        let string = Spanned::new(string, self.text.span_of(between_quotes.as_bytes()));
        hidden::check_value(&string, self.text, faults);
        Some(string)
    }

    fn parse<T: Deserialize<'a>>(
        &self,
        what: &str,
        expected: &str,
        faults: &mut Faults,
    ) -> Option<T> {
        let value = serde_json::from_str(self.raw).ok();
        if value.is_none() {
            faults.push(
                self.span(),
                format!("{what} that is not {expected}"),
                expected,
            );
        }
        value
    }
}

impl<'a> Object<'a> {
    /// What it was taken for.
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    /// Its place.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// Whether it has no members.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Reports keys that are neither known nor to be ignored.
    pub(super) fn keys(&self, known: &[&str], ignored: &[&str], faults: &mut Faults) {
        for (key, _) in &self.members {
            let is_known = known.iter().chain(ignored).any(|word| *word == key.value);
            if !is_known {
                let found = format!("unknown key `{}` in {}", key.value, self.what);
                faults.push(key.span, found, value::list_for(&key.value, known, ignored));
            }
        }
    }

    /// A member's value.
    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        let mut members = self.members.iter();
        members
            .find(|(name, _)| name.value == key)
            .map(|(_, node)| *node)
    }

    /// Reports a key that is not there.
    pub(super) fn required(&self, key: &str, faults: &mut Faults) {
        let others: Vec<&str> = self.members.iter().map(|(name, _)| &*name.value).collect();
        if self.get(key).is_none() && value::nearest(key, &others).is_none() {
            let found = format!("{} without `{key}`", self.what);
            faults.push(self.span, found, format!("a key `{key}`"));
        }
    }

    /// The string under `name`, which must be there.
    pub(super) fn name(&self, faults: &mut Faults) -> Option<Spanned<String>> {
        self.required("name", faults);
        let name = self.get("name")?.string("a name", faults)?;
        value::name(name, faults)
    }

    /// A number, if there is one.
    pub(super) fn integer<T>(&self, key: &str, max: T, faults: &mut Faults) -> Option<Spanned<T>>
    where
        T: Copy + fmt::Display + PartialOrd + TryFrom<u64>,
    {
        let node = self.get(key)?;
        let what = format!("`{key}` of {}", self.what);
        value::integer(node.raw, node.span(), &what, max, faults)
    }

    /// A mark that is `true` or absent; `false` is taken for absent.
    pub(super) fn flag(&self, key: &str, faults: &mut Faults) -> bool {
        self.mark(key, faults).is_some_and(|mark| mark.value)
    }

    /// A mark that is `true` or `false`, with the place of its value, if there is one.
    pub(super) fn mark(&self, key: &str, faults: &mut Faults) -> Option<Spanned<bool>> {
        let node = self.get(key)?;
        if !matches!(node.raw, "true" | "false") {
            faults.push(
                node.span(),
                format!("`{key}` = {}", node.raw),
                "`true` or `false`",
            );
        }
        Some(Spanned::new(node.raw == "true", node.span()))
    }

    /// Reads every item of the array under that key; none if there is no such key.
    pub(super) fn each<T>(
        &self,
        key: &'static str,
        faults: &mut Faults,
        read: impl Fn(Node<'a>, &mut Faults) -> Option<T>,
    ) -> Vec<T> {
        let what = format!("`{key}` of {}", self.what);
        let items = self
            .get(key)
            .and_then(|node| node.array(&what, faults))
            .unwrap_or_default();
        items
            .into_iter()
            .filter_map(|item| read(item, faults))
            .collect()
    }
}

/// Keys and values as slices. A map type would lose the places of the keys, and duplicates.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Slices;

        impl<'de> Visitor<'de> for Slices {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Slices)
    }
}
