//! The documentation in an overlay.

use super::Target;
use super::plain::{self, Flaw};
use super::toml::{Table, Value};
use crate::input::{Span, Spanned};
use crate::report::Faults;

/// The documentation of one part of the specification.
#[derive(Debug)]
pub(crate) struct Doc {
    /// What it documents.
    pub(crate) target: Target,
    /// The place of the key.
    pub(crate) span: Span,
    /// Paragraphs, each one line of text; at least one.
    pub(crate) paragraphs: Vec<String>,
    /// Reply codes and when they occur, of methods alone.
    pub(crate) errors: Vec<(Spanned<u16>, String)>,
}

/// Adds the documentation that an overlay holds.
pub(super) fn read(root: &Table<'_>, docs: &mut Vec<Doc>, faults: &mut Faults) {
    for (class, table) in root.subtables("class", faults) {
        table.keys(&["doc"], faults);
        docs.extend(entry(
            Target::Class(class.value),
            class.span,
            &table,
            faults,
        ));
    }
    for (method, table) in root.subtables("method", faults) {
        table.keys(&["doc", "errors"], faults);
        if let Some((class, name)) = dotted(&method, faults) {
            docs.extend(entry(
                Target::Method(class, name),
                method.span,
                &table,
                faults,
            ));
        }
    }
    for (method, table) in root.subtables("field", faults) {
        if let Some((class, name)) = dotted(&method, faults) {
            let target = |field| Target::Field(class.clone(), name.clone(), field);
            each(&table, target, docs, faults);
        }
    }
    for (class, table) in root.subtables("property", faults) {
        each(
            &table,
            |name| Target::Property(class.value.clone(), name),
            docs,
            faults,
        );
    }
    for (key, target) in [
        ("constant", Target::Constant as fn(String) -> Target),
        ("domain", Target::Domain),
    ] {
        if let Some(table) = root.get(key).and_then(|(_, value)| value.table(faults)) {
            each(&table, target, docs, faults);
        }
    }
}

/// A table that documents one thing, with `doc` and perhaps `errors`.
fn entry(target: Target, span: Span, table: &Table<'_>, faults: &mut Faults) -> Option<Doc> {
    let errors = errors(table, faults);
    let Some((_, value)) = table.get("doc") else {
        if !table.is_misspelt("doc") {
            faults.push(span, format!("{target} without `doc`"), "a key `doc`");
        }
        return None;
    };
    let paragraphs = paragraphs(value, faults)?;
    Some(Doc {
        target,
        span,
        paragraphs,
        errors,
    })
}

/// A table whose keys are names and whose values are documentation.
fn each(
    table: &Table<'_>,
    target: impl Fn(String) -> Target,
    docs: &mut Vec<Doc>,
    faults: &mut Faults,
) {
    for (key, value) in table.members() {
        if let Some(paragraphs) = paragraphs(value, faults) {
            let target = target(key.value.clone());
            docs.push(Doc {
                target,
                span: key.span,
                paragraphs,
                errors: Vec::new(),
            });
        }
    }
}

/// Splits `queue.declare`.
fn dotted(name: &Spanned<String>, faults: &mut Faults) -> Option<(String, String)> {
    let parts = name.value.split_once('.');
    if parts.is_none() {
        let found = format!("a method called `{}`", name.value);
        faults.push(
            name.span,
            found,
            "class and method, such as \"queue.declare\"",
        );
    }
    parts.map(|(class, method)| (class.to_owned(), method.to_owned()))
}

/// Blank lines separate paragraphs; the lines of one are joined. All of it is plain text.
fn paragraphs(value: &Value<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let text = value.string(faults)?;
    if let Some(Flaw {
        place,
        found,
        expected,
    }) = plain::flaw(&text.value)
    {
        faults.push(value.place_in(&text.value, place), found, expected);
        return None;
    }
    let mut paragraphs = vec![String::new()];
    for line in text.value.lines() {
        let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
        match paragraphs.last_mut() {
            Some(last) if !words.is_empty() => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(&words);
            }
            _ => paragraphs.push(String::new()),
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    if paragraphs.is_empty() {
        faults.push(text.span, "empty documentation", "at least a sentence");
        return None;
    }
    Some(paragraphs)
}

fn errors(table: &Table<'_>, faults: &mut Faults) -> Vec<(Spanned<u16>, String)> {
    let table = table
        .get("errors")
        .and_then(|(_, value)| value.table(faults));
    let mut errors = Vec::new();
    // Spelled in one way only: "404" and "0404" are two keys to TOML and one code to us.
    let code = |key: &str| {
        let code = key.parse::<u16>().ok();
        code.filter(|code| code.to_string() == key)
    };
    for (key, value) in table.iter().flat_map(Table::members) {
        let Some(code) = code(&key.value) else {
            faults.push(
                key.span,
                format!("`{}`", key.value),
                "a reply code, such as 404",
            );
            continue;
        };
        if let Some(paragraphs) = paragraphs(value, faults) {
            errors.push((Spanned::new(code, key.span), paragraphs.join(" ")));
        }
    }
    errors.sort_by_key(|(code, _)| code.value);
    errors
}
