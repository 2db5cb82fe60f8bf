//! Where in the text the parser is, and what it can look at and take from there.

use super::characters::{is_name, is_name_start, is_space};
use super::refused::{Refused, refuse};
use crate::input::{Span, Spanned};
use crate::report::Faults;
use crate::source::Text;

/// A place in the text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: Text<'a>,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: Text<'a>) -> Self {
        Self { text, at: 0 }
    }

    /// How far it has come.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// A name, if one begins here.
    pub(super) fn try_name(&mut self) -> Option<Spanned<&'a str>> {
        let rest = self.rest();
        if !rest.starts_with(is_name_start) {
            return None;
        }
        let len = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let start = self.at;
        let raw = self.take(len);
        Some(self.spanned(raw, start))
    }

    /// Reports the character that is next, or that the text ends here.
    pub(super) fn unexpected<T>(
        &mut self,
        expected: &str,
        faults: &mut Faults,
    ) -> Result<T, Refused> {
        let found = match self.rest().chars().next() {
            Some(c) if c.is_whitespace() => "white space within a tag".to_owned(),
            Some(c) => format!("`{c}` within a tag"),
            None => "a tag that is never closed".to_owned(),
        };
        let place = self.text.character(self.at);
        refuse(faults, place, found, expected)
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a str {
        self.text.as_str().get(self.at..).unwrap_or_default()
    }

    /// Goes on by that much, and no further than the end.
    pub(super) fn take(&mut self, len: usize) -> &'a str {
        let rest = self.rest();
        let taken = rest.get(..len).unwrap_or(rest);
        self.at += taken.len();
        taken
    }

    /// Whether there was any.
    pub(super) fn skip_space(&mut self) -> bool {
        let rest = self.rest();
        let len = rest.len() - rest.trim_start_matches(is_space).len();
        self.take(len);
        len > 0
    }

    /// The place of the character that is next.
    pub(super) fn here(&self) -> Span {
        self.text.character(self.at)
    }

    /// The text that is read.
    pub(super) fn text(&self) -> Text<'a> {
        self.text
    }

    pub(super) fn place(&self, start: usize, len: usize) -> Span {
        let start = self.text.start() + start;
        self.text.span(start, start + len)
    }

    pub(super) fn spanned(&self, raw: &'a str, start: usize) -> Spanned<&'a str> {
        Spanned::new(raw, self.place(start, raw.len()))
    }
}
