//! Keeps the fragments that a hand-written document quotes equal to the files they come from.
//!
//! A document says with a comment which fragment the code block behind it shows:
//!
//! ````text
//! <!-- snippet: spec/overlay.toml: [method."basic.ack"] -->
//! ```toml
//! ```
//! ````
//!
//! The part behind the file is how the fragment's first line starts. Where that would be found
//! too early, what has to be passed first stands before it, separated by `>`. A fragment goes on to
//! the line that closes it, and has its documentation and attributes before it. Without that part
//! the fragment is the whole file.

use std::error::Error;
use std::fmt;

/// The start of a line that names a fragment.
const MARK: &str = "<!-- snippet: ";

/// A fragment that a document asks for and that is not there.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MissingSnippet {
    /// The line of the document, from 1.
    pub line: usize,
    /// The fragment as the document names it.
    pub name: String,
}

impl fmt::Display for MissingSnippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: no snippet `{}`, or no code block for it",
            self.line, self.name
        )
    }
}

impl Error for MissingSnippet {}

/// Renews the fragments in a document. `read` gives the text of a file that the document names.
///
/// # Errors
///
/// The first fragment whose file, first line or last line is not found, or that has no code block.
pub fn refresh_snippets(
    document: &str,
    mut read: impl FnMut(&str) -> Option<String>,
) -> Result<String, MissingSnippet> {
    let mut refreshed = String::with_capacity(document.len());
    let mut lines = document.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        push_line(&mut refreshed, line);
        let Some(name) = line
            .strip_prefix(MARK)
            .and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        let missing = || MissingSnippet {
            line: index + 1,
            name: name.to_owned(),
        };
        let snippet = match name.split_once(": ") {
            Some((path, place)) => read(path).and_then(|text| find(&text, path, place)),
            None => read(name),
        };
        let snippet = snippet.ok_or_else(missing)?;

        let fence = lines
            .next()
            .map(|(_, line)| line)
            .filter(|line| line.starts_with("```"));
        push_line(&mut refreshed, fence.ok_or_else(missing)?);
        refreshed.push_str(&snippet);
        let closing = lines
            .by_ref()
            .map(|(_, line)| line)
            .find(|line| *line == "```");
        push_line(&mut refreshed, closing.ok_or_else(missing)?);
    }
    Ok(refreshed)
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The fragment without the indentation of its first line.
fn find(text: &str, path: &str, place: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut first = 0;
    for (index, start) in place.split(" > ").enumerate() {
        first += usize::from(index > 0);
        let behind = lines.get(first..)?;
        first += behind
            .iter()
            .position(|line| line.trim_start().starts_with(start))?;
    }
    let indent = indent(lines.get(first)?);
    let last = last_line(&lines, first, indent, path)?;
    let before = lines.get(..first)?.iter().rev();
    let n_docs = before
        .take_while(|line| is_prelude(line, indent, path))
        .count();

    let mut snippet = String::new();
    for line in lines.get(first - n_docs..=last)? {
        push_line(&mut snippet, line.get(indent..).unwrap_or_default());
    }
    Some(snippet)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Documentation and attributes of a Rust item.
fn is_prelude(line: &str, indentation: usize, path: &str) -> bool {
    let text = line.trim_start();
    path.ends_with(".rs")
        && indent(line) == indentation
        && (text.starts_with("///") || text.starts_with("#["))
}

/// The line that ends what begins on line `first`.
fn last_line(lines: &[&str], first: usize, indentation: usize, path: &str) -> Option<usize> {
    let start = lines.get(first)?;
    let behind = || lines.iter().enumerate().skip(first + 1);
    if path.ends_with(".toml") {
        // A table goes on to the next one; blank lines and comments between them are not part of
        // it.
        let next = behind().find(|(_, line)| line.starts_with('['));
        let end = next.map_or(lines.len(), |(index, _)| index);
        let table = lines.get(..end)?;
        return table
            .iter()
            .rposition(|line| !line.is_empty() && !line.starts_with('#'));
    }
    if path.ends_with(".json") {
        // Objects share lines there, so that only the braces tell where one ends.
        let mut depth = 0_i32;
        let mut closes = |line: &str| {
            depth += i32::try_from(line.matches('{').count()).unwrap_or_default();
            depth -= i32::try_from(line.matches('}').count()).unwrap_or_default();
            depth <= 0
        };
        let mut lines = lines.iter().enumerate().skip(first);
        return lines.find(|(_, line)| closes(line)).map(|(index, _)| index);
    }
    let (whole, closing): (&[&str], &[&str]) = if path.ends_with(".xml") {
        (&["/>"], &["</"])
    } else {
        (&[";", "}", ","], &["}", "]", ")"])
    };
    if whole.iter().any(|end| start.ends_with(end)) {
        return Some(first);
    }
    let closes = |line: &str| {
        indent(line) == indentation && closing.iter().any(|end| line.trim_start().starts_with(end))
    };
    behind()
        .find(|(_, line)| closes(line))
        .map(|(index, _)| index)
}
