//! Documentation comments: wrapping, and the sentences that the model implies.

use proc_macro2::TokenStream;
use quote::quote;

use super::layout::{self, FieldView};
use crate::input::is_hidden;
use crate::model::{Class, Direction, Docs, Method, Role, Specification, WireType};

/// The column at which comments end.
pub(super) const COLUMNS: usize = 100;

/// What stands for a credential where a struct is shown. It does not tell the length, which would
/// narrow down a password.
pub(super) const SECRET: &str = "<secret>";

/// Breaks a paragraph into lines of at most `width` characters.
///
/// Never before a word that would mean something else at the start of a Markdown line.
pub(super) fn wrap(paragraph: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut columns = 0;
    for word in words(paragraph) {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if columns + 1 + length <= width || starts_markup(&word) => {
                line.push(' ');
                line.push_str(&word);
                columns += 1 + length;
            }
            _ => {
                lines.push(word);
                columns = length;
            }
        }
    }
    lines
}

/// Splits at white space, but not inside a code span.
fn words(paragraph: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut in_code = false;
    for part in paragraph.split_whitespace() {
        match words.last_mut() {
            Some(word) if in_code => {
                word.push(' ');
                word.push_str(part);
            }
            _ => words.push(part.to_owned()),
        }
        in_code ^= part.matches('`').count() % 2 == 1;
    }
    words
}

/// A text between backquotes. One that would not come out of Markdown as it is, or not be seen,
/// stands there as a Rust literal.
pub(super) fn code(text: &str) -> String {
    let is_edge = text.is_empty() || text.starts_with(' ') || text.ends_with(' ');
    let is_odd = |character: char| {
        let is_other_space = character.is_whitespace() && character != ' ';
        character == '`' || character.is_control() || is_hidden(character) || is_other_space
    };
    // In the cell of a table, the backslash would be taken for one that is not shown.
    let has_escaped_bar = text.contains("\\|");
    if !is_edge && !text.contains(is_odd) && !text.contains("  ") && !has_escaped_bar {
        return format!("`{text}`");
    }
    let mut literal = String::with_capacity(text.len());
    let mut after_space = true;
    for character in text.chars() {
        match character {
            '"' | '\\' => literal.extend(['\\', character]),
            // Several spaces would become one, and the last might end a line.
            ' ' if after_space => literal.push_str("\\u{20}"),
            '|' if has_escaped_bar => literal.push_str("\\u{7c}"),
            odd if is_odd(odd) => literal.extend(odd.escape_unicode()),
            other => literal.push(other),
        }
        after_space = character == ' ';
    }
    format!("`\"{literal}\"`")
}

fn starts_markup(word: &str) -> bool {
    let number = word.trim_end_matches(['.', ')']);
    word.starts_with(['#', '>', '-', '+', '*', '|', '=', '_', ':'])
        || (number.len() < word.len() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A list of paragraphs as documentation comment, for something indented by `indent` columns.
///
/// A paragraph that starts with `* ` is one entry of a list; entries stand close together.
pub(super) fn comment<S: AsRef<str>>(paragraphs: &[S], indent: usize) -> TokenStream {
    let width = COLUMNS - indent - "/// ".len();
    let mut lines: Vec<String> = Vec::new();
    let mut in_list = false;
    for paragraph in paragraphs {
        let paragraph = paragraph.as_ref();
        let entry = paragraph.strip_prefix("* ");
        let continues_list = in_list && entry.is_some();
        if !lines.is_empty() && !continues_list {
            lines.push(String::new());
        }
        in_list = entry.is_some();
        match entry {
            None => lines.extend(wrap(paragraph, width).iter().map(|line| format!(" {line}"))),
            Some(entry) => {
                for (index, line) in wrap(entry, width - 2).iter().enumerate() {
                    lines.push(format!(" {} {line}", if index == 0 { "*" } else { " " }));
                }
            }
        }
    }
    quote!(#(#[doc = #lines])*)
}

/// A method's documentation: what the overlay says, its errors, and the facts.
pub(super) fn method(
    specification: &Specification,
    class: &Class,
    method: &Method,
    indent: usize,
) -> TokenStream {
    let mut paragraphs = paragraphs(specification, &method.docs);
    paragraphs.push(facts(class, method));
    comment(&paragraphs, indent)
}

/// What the overlay says, with the errors as a section.
pub(super) fn paragraphs(specification: &Specification, docs: &Docs) -> Vec<String> {
    let mut paragraphs = docs.paragraphs.clone();
    if !docs.errors.is_empty() {
        paragraphs.push("# Errors".to_owned());
        paragraphs.extend(errors(specification, docs));
    }
    paragraphs
}

/// The errors as entries of a list.
pub(super) fn errors(specification: &Specification, docs: &Docs) -> Vec<String> {
    let entry = |(code, text): &(u16, String)| {
        let constants = &specification.constants;
        match constants
            .iter()
            .find(|constant| constant.value == u32::from(*code))
        {
            Some(constant) => format!("* {code} `{}`: {text}", constant.name.spec),
            None => format!("* {code}: {text}"),
        }
    };
    docs.errors.iter().map(entry).collect()
}

/// `queue.declare` (50, 10), who sends it, what answers it.
fn facts(class: &Class, method: &Method) -> String {
    let link = |id: u16| layout::find(class, id).map(|method| link(&method.name.camel));
    let mut facts = format!(
        "`{}.{}` ({}, {}), sent by {}",
        class.name,
        method.name,
        class.id,
        method.id,
        sender(method.direction)
    );
    let answers: Vec<_> = match &method.role {
        Role::Request(replies) => replies.iter().filter_map(link).collect(),
        Role::Reply(requests) => requests.iter().copied().filter_map(link).collect(),
        Role::OneWay => Vec::new(),
    };
    match &method.role {
        Role::Request(_) => facts.push_str(&format!(", answered by {}", either(&answers))),
        Role::Reply(_) if !answers.is_empty() => {
            facts.push_str(&format!(", answers {}", either(&answers)));
        }
        Role::Reply(_) | Role::OneWay => {}
    }
    if method.content {
        facts.push_str(", followed by content");
    }
    if method.deprecated {
        facts.push_str(", deprecated");
    }
    facts.push('.');
    facts
}

/// Names that the prelude gives to something that is no type, so that a link to the struct has to
/// say which it means.
const AMBIGUOUS: &[&str] = &[
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Eq",
    "Err",
    "Hash",
    "None",
    "Ok",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Some",
];

/// A link to the struct of a method.
pub(super) fn link(name: &str) -> String {
    if AMBIGUOUS.contains(&name) {
        format!("[`{name}`](struct@{name})")
    } else {
        format!("[`{name}`]")
    }
}

/// The peer that sends a method.
pub(super) fn sender(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "the client",
        Direction::ServerToClient => "the server",
        Direction::Both => "either peer",
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn either(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [name] => name.clone(),
        [names @ .., last] => format!("{} or {last}", names.join(", ")),
    }
}

/// A field's documentation, or its type if there is none; its default; whether it is a secret.
pub(super) fn field(
    specification: &Specification,
    field: &FieldView<'_>,
    indent: usize,
) -> TokenStream {
    let mut paragraphs = paragraphs(specification, field.docs);
    if paragraphs.is_empty() {
        paragraphs.push(wire_fact(field.wire, field.domain));
    }
    paragraphs.extend(
        field
            .default
            .as_ref()
            .map(|default| format!("Defaults to {}.", code(default))),
    );
    if field.secret {
        paragraphs.push(format!("Secret: `Debug` shows `{SECRET}` in its place."));
    }
    comment(&paragraphs, indent)
}

/// The wire type in words, and the domain that a field was declared with.
pub(super) fn wire_fact(wire: WireType, domain: Option<&str>) -> String {
    let article = if wire == WireType::Octet { "An" } else { "A" };
    match domain {
        Some(domain) => format!("{article} `{}` of domain `{domain}`.", wire.as_str()),
        None => format!("{article} `{}`.", wire.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::{code, wrap};

    #[test]
    fn code_is_one_span_that_shows_everything() {
        for (text, span) in [
            ("PLAIN", "`PLAIN`"),
            ("a\\b \"c\" | <d> [e] */", "`a\\b \"c\" | <d> [e] */`"),
            ("", "`\"\"`"),
            ("\0guest\0", "`\"\\u{0}guest\\u{0}\"`"),
            ("a`b\"", "`\"a\\u{60}b\\\"\"`"),
            ("a  b ", "`\"a \\u{20}b \"`"),
            (" a\nb", "`\"\\u{20}a\\u{a}b\"`"),
            ("a\\|b", "`\"a\\\\\\u{7c}b\"`"),
            ("\u{202E}", "`\"\\u{202e}\"`"),
        ] {
            assert_eq!(code(text), span);
        }
    }

    #[test]
    fn no_line_begins_with_markup() {
        for word in ["#", "-", "*", "1.", "===", ":--|--", "___", "|"] {
            assert_eq!(wrap(&format!("aaaa {word}"), 6), [format!("aaaa {word}")]);
        }
    }
}
