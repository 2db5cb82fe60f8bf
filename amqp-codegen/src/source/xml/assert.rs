//! Assertions about values.

use super::reader::Reader;
use super::tree::Element;
use crate::report::Faults;
use crate::source::list_for;

/// What each check needs: attributes, or elements called `value`. These are all that the published
/// files have.
const CHECKS: [(&str, &[&str]); 8] = [
    ("notnull", &[]),
    ("null", &[]),
    ("length", &["value"]),
    ("regexp", &["value"]),
    ("ne", &["value"]),
    ("enum", &[]),
    ("syntax", &["rule"]),
    ("le", &["method", "field"]),
];

/// An assertion in one line: `length 127`, `le tune.channel-max`, `notnull`.
pub(super) fn read(element: &Element, faults: &mut Faults) -> Option<String> {
    let mut reader = Reader::new(element, faults);
    reader.attributes(&["check", "value", "method", "field", "rule"], &["label"]);
    reader.children(&["value"], &[]);
    let check = reader.required_word("check")?;
    let known = CHECKS.iter().find(|(name, _)| *name == check.value);
    let Some((name, operands)) = known else {
        let names = CHECKS.map(|(name, _)| name);
        let found = format!("unknown check `{}`", check.value);
        let expected = list_for(&check.value, &names, &[]);
        reader.faults().push(check.span, found, expected);
        return None;
    };
    for operand in ["value", "rule", "method", "field"] {
        if operands.contains(&operand) {
            reader.required_word(operand);
        } else if let Some(word) = reader.word(operand) {
            let found = format!("`{operand}` of a check `{name}`");
            reader.faults().push(word.span, found, "no such operand");
        }
    }
    if *name == "length" {
        reader.integer("value", u32::MAX);
    }
    let values = reader.each("value", enumerator);
    if values.is_empty() == (*name == "enum") {
        let found = format!("a check `{name}` with {} elements `value`", values.len());
        let expected = "those of an `enum`, and of nothing else";
        reader.faults().push(check.span, found, expected);
    }
    let word = |operand| reader.word(operand).map(|word| word.value);
    let reference = match (word("method"), word("field")) {
        (Some(method), Some(field)) => Some(format!("{method}.{field}")),
        (one, other) => one.or(other),
    };
    let words = [Some(check.value), word("value"), word("rule"), reference];
    let words: Vec<String> = words.into_iter().flatten().chain(values).collect();
    Some(words.join(" "))
}

fn enumerator(element: &Element, faults: &mut Faults) -> Option<String> {
    let mut reader = Reader::new(element, faults);
    reader.attributes(&["name"], &["label"]);
    reader.children(&[], &[]);
    reader.name().map(|name| name.value)
}
