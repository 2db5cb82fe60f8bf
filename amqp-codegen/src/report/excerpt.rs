//! From a byte range to a line, a column and a few words of context.
//!
//! Works on any bytes: text that is not UTF-8 is shown lossily, control characters and those that
//! are not seen are replaced, a line of megabytes is cut to a window around the place.

use crate::input::{Span, is_hidden};

/// How many characters of a line are shown before the marked text.
const MAX_BEFORE: usize = 72;

/// How many characters are shown of the marked text, and how many behind it.
const MAX_AFTER: usize = 48;

/// No excerpt needs more context than this many bytes in either direction.
const MAX_SCANNED: usize = 4 * MAX_BEFORE;

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
    let head = String::from_utf8_lossy(head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head));
    let line_start = head.rfind('\n').map_or(0, |at| at + 1);
    let before = head.get(line_start..).unwrap_or_default();

    let is_cut = tail.len() > MAX_SCANNED;
    let tail = tail.get(..boundary(tail, MAX_SCANNED)).unwrap_or(tail);
    let rest = tail.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let is_cut = is_cut && rest.len() == tail.len();
    let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
    let n_marked = boundary(rest, span.end().saturating_sub(start));
    let (marked, after) = rest.split_at(n_marked);
    Place {
        line: 1 + head.matches('\n').count(),
        column: 1 + before.chars().count(),
        before: last(before),
        marked: first(marked, false),
        after: first(after, is_cut),
    }
}

/// The end of the text, or of the character that the octet in front of `at` belongs to.
fn boundary(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let is_continuation = |octet: &&u8| (**octet & 0xC0) == 0x80;
    at.min(text.len()) + rest.iter().take(3).take_while(is_continuation).count()
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
        let text = format!("{before}{marked}{after}");
        format!(
            "{number} | {}\n{gutter} | {indent}{marker}",
            text.trim_end()
        )
    }
}

/// What stands before the place, cut at its beginning.
fn last(text: &str) -> String {
    let n_chars = text.chars().count();
    let kept = text
        .chars()
        .skip(n_chars.saturating_sub(MAX_BEFORE))
        .map(visible);
    if n_chars > MAX_BEFORE {
        "…".chars().chain(kept).collect()
    } else {
        kept.collect()
    }
}

/// What stands at or behind the place, cut at its end.
fn first(bytes: &[u8], is_cut: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut kept: String = text.chars().take(MAX_AFTER).map(visible).collect();
    if is_cut || text.chars().nth(MAX_AFTER).is_some() {
        kept.push('…');
    }
    kept
}

/// One column for each character, and none that moves the cursor.
fn visible(character: char) -> char {
    match character {
        '\t' => ' ',
        control if control.is_control() || is_hidden(control) => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::locate;
    use crate::input::Span;

    #[track_caller]
    fn check(text: &[u8], start: usize, end: usize, place: (usize, usize), excerpt: &str) {
        let found = locate(text, Span::new(0, start, end));
        assert_eq!((found.line, found.column), place);
        assert_eq!(found.excerpt(), excerpt);
    }

    #[test]
    fn columns_count_characters() {
        check(
            "a\nüü bad".as_bytes(),
            7,
            10,
            (2, 4),
            "2 | üü bad\n  |    ^^^",
        );
    }

    #[test]
    fn characters_are_shown_whole() {
        let quote = "a “b”".as_bytes();
        check(quote, 2, 3, (1, 3), "1 | a “b”\n  |   ^");
        for shift in 0..4 {
            let text = "x".repeat(shift) + &"€".repeat(200);
            let excerpt = locate(text.as_bytes(), Span::new(0, 0, 600)).excerpt();
            assert!(!excerpt.contains(char::REPLACEMENT_CHARACTER), "{excerpt}");
        }
    }

    #[test]
    fn carriage_return_is_not_shown() {
        check(b"one\r\ntwo\r\n", 5, 8, (2, 1), "2 | two\n  | ^^^");
    }

    #[test]
    fn byte_order_mark_takes_no_column() {
        check(b"\xEF\xBB\xBFbad", 3, 6, (1, 1), "1 | bad\n  | ^^^");
    }

    #[test]
    fn end_of_file_is_a_place() {
        check(b"", 0, 0, (1, 1), "1 | \n  | ^");
        check(b"a\n", 2, 2, (2, 1), "2 | \n  | ^");
        check(b"a", 9, 12, (1, 2), "1 | a\n  |  ^");
    }

    #[test]
    fn marker_ends_with_the_line() {
        check(b"{ a,\n b }", 0, 9, (1, 1), "1 | { a,\n  | ^^^^");
    }

    #[test]
    fn control_characters_and_tabs_keep_their_columns() {
        check(b"\t\x1B[bad", 3, 6, (1, 4), "1 |  \u{FFFD}[bad\n  |    ^^^");
    }

    #[test]
    fn long_lines_are_cut_on_both_sides() {
        let text = "x".repeat(5_000) + "bad" + &"y".repeat(5_000);
        let found = locate(text.as_bytes(), Span::new(0, 5_000, 5_003));
        let (x, y) = ("x".repeat(72), "y".repeat(48));
        let line = format!("1 | …{x}bad{y}…\n  | {}^^^", " ".repeat(73));
        assert_eq!((found.column, found.excerpt()), (5_001, line));
    }
}
