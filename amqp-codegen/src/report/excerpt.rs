//! From a byte range to a line, a column and a few words of context.
//!
//! Works on any bytes: text that is not UTF-8 is shown lossily, control characters are replaced, a
//! line of megabytes is cut to a window around the place.

use crate::source::Span;

/// The longest excerpt of a line, in characters.
const MAX_WIDTH: usize = 100;

/// How many characters of a cut line are shown before the marked text.
const LEAD: usize = 40;

/// No marker and no column needs more context than this many bytes of one line.
const MAX_SCANNED: usize = 4 * MAX_WIDTH;

/// A place in a file.
pub(super) struct Place {
    /// From 1.
    pub(super) line: usize,
    /// In characters, from 1.
    pub(super) column: usize,
    before: String,
    marked: String,
    after: String,
}

/// Finds the line and the column of a span.
pub(super) fn locate(text: &[u8], span: Span) -> Place {
    let start = span.start().min(text.len());
    let (head, tail) = text.split_at(start);
    let line = 1 + head.iter().filter(|&&byte| byte == b'\n').count();
    let line_start = head
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let mut before = head.get(line_start..).unwrap_or_default();
    if line == 1 {
        before = before.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(before);
    }
    let column = 1 + n_characters(before);
    let rest = tail.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
    let n_marked = span.end().saturating_sub(start).min(rest.len());
    let (marked, after) = rest.split_at(n_marked);
    Place {
        line,
        column,
        before: window_before(before),
        marked: window_after(marked, MAX_WIDTH - LEAD),
        after: window_after(after, MAX_WIDTH - LEAD),
    }
}

impl Place {
    /// `12 | the line` and below it `   |     ^^^^`.
    pub(super) fn excerpt(&self) -> String {
        let Self {
            line,
            before,
            marked,
            after,
            ..
        } = self;
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        let indent = " ".repeat(before.chars().count());
        let marker = "^".repeat(marked.chars().count().max(1));
        let shown: String = after
            .chars()
            .take(MAX_WIDTH.saturating_sub(indent.len() + marker.len()))
            .collect();
        let text = format!("{before}{marked}{shown}");
        format!(
            "{number} | {}\n{gutter} | {indent}{marker}",
            text.trim_end()
        )
    }
}

/// Characters as a reader counts them: every byte that does not continue a UTF-8 sequence.
fn n_characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}

/// The last characters of what stands before the place.
fn window_before(bytes: &[u8]) -> String {
    let tail = bytes
        .get(bytes.len().saturating_sub(MAX_SCANNED)..)
        .unwrap_or_default();
    let text = printable(tail);
    let n_chars = text.chars().count();
    if n_chars <= LEAD && tail.len() == bytes.len() {
        return text;
    }
    let kept: String = text.chars().skip(n_chars.saturating_sub(LEAD)).collect();
    format!("…{kept}")
}

/// The first characters of what stands at or after the place.
fn window_after(bytes: &[u8], width: usize) -> String {
    let head = bytes
        .get(..bytes.len().min(MAX_SCANNED))
        .unwrap_or_default();
    let text = printable(head);
    if text.chars().count() <= width && head.len() == bytes.len() {
        return text;
    }
    text.chars().take(width).collect::<String>() + "…"
}

/// One column for each character, none that moves the cursor.
fn printable(bytes: &[u8]) -> String {
    let visible = |character: char| match character {
        '\t' => ' ',
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    };
    String::from_utf8_lossy(bytes)
        .chars()
        .map(visible)
        .collect()
}
