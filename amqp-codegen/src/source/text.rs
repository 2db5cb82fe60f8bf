//! The text of one input: bytes that were found to be UTF-8, of a bearable size, not empty.

use crate::input::{MAX_LEN, Source, Span};
use crate::report::Faults;

/// A text with its place among the inputs. A byte order mark is not part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    file: usize,
    name: &'a str,
    /// How many bytes of the file stand before the text: 3 if there is a byte order mark.
    start: usize,
    text: &'a str,
}

impl<'a> Text<'a> {
    /// Checks size and encoding of input number `file`.
    pub(crate) fn new(file: usize, source: &Source<'a>, faults: &mut Faults) -> Option<Self> {
        let bytes = source.text();
        if bytes.len() > MAX_LEN {
            faults.push(
                Span::new(file, 0, 1),
                format!("a file of {} octets", bytes.len()),
                format!("at most {MAX_LEN}: specifications are small"),
            );
            return None;
        }
        let stripped = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let start = bytes.len() - stripped.len();
        let text = match std::str::from_utf8(stripped) {
            Ok(text) => text,
            Err(error) => {
                let at = start + error.valid_up_to();
                let end = error.error_len().map_or(bytes.len(), |len| at + len);
                let found = bytes.get(at..end).unwrap_or_default();
                faults.push(
                    Span::new(file, at, end),
                    format!("octets that are not UTF-8: {}", hex(found)),
                    "text in UTF-8",
                );
                return None;
            }
        };
        if text.trim_start().is_empty() {
            let found = if text.is_empty() {
                "an empty file"
            } else {
                "a file of nothing but space"
            };
            faults.push(
                Span::new(file, start, start),
                found,
                "a specification or an overlay",
            );
            return None;
        }
        Some(Self {
            file,
            name: source.name(),
            start,
            text,
        })
    }

    /// The name of the file.
    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    /// The number of the input.
    pub(crate) fn file(&self) -> usize {
        self.file
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &'a str {
        self.text
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The offset of the text in the file.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Offsets in the file to a span.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    /// The first place of a word within another place, whatever its case.
    pub(crate) fn find(&self, within: Span, word: &str) -> Option<Span> {
        let start = within.start().checked_sub(self.start)?;
        let written = self
            .text
            .get(start..within.end().checked_sub(self.start)?)?;
        let at = written.to_ascii_lowercase().find(word)?;
        let start = within.start() + at;
        Some(self.span(start, start + word.len()))
    }

    /// What is behind that many bytes of it.
    pub(crate) fn behind(&self, len: usize) -> Self {
        let len = len.min(self.text.len());
        Self {
            start: self.start + len,
            text: self.text.get(len..).unwrap_or_default(),
            ..*self
        }
    }

    /// The place of the character that the byte at `at`, counted in the text, belongs to.
    pub(crate) fn character(&self, at: usize) -> Span {
        let is_boundary = |at: &usize| self.text.is_char_boundary(*at);
        let start = (0..=at.min(self.text.len())).rev().find(is_boundary);
        let start = start.unwrap_or_default();
        let character = self.text.get(start..).and_then(|rest| rest.chars().next());
        let len = character.map_or(0, char::len_utf8);
        self.span(self.start + start, self.start + start + len)
    }

    /// The place of a slice of this text. A slice of anything else has no place: the answer is
    /// then the beginning of the file.
    pub(crate) fn span_of(&self, slice: &[u8]) -> Span {
        let base = self.text.as_ptr().addr();
        let offset = slice.as_ptr().addr().checked_sub(base);
        let offset = offset
            .filter(|offset| offset + slice.len() <= self.text.len())
            .unwrap_or(0);
        self.span(self.start + offset, self.start + offset + slice.len())
    }
}

fn hex(octets: &[u8]) -> String {
    octets
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect::<Vec<_>>()
        .join(" ")
}
