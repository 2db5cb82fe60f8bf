//! What is wrong with a specification: every fault that was found, each with its place.
//!
//! The passes hand findings to [`Faults`] as byte ranges; [`Report`] is what the caller gets, with
//! lines, columns and excerpts worked out. A report never refers back to the input, so it can
//! outlive it. Hostile input cannot make it grow without bound: past [`MAX_FAULTS`] findings are
//! counted, not kept, and what quotes the input is cut to [`MAX_TEXT`].

use std::error::Error;
use std::fmt;

use crate::input::{Source, Span, escaped};

mod excerpt;

/// How many faults a report spells out. More are not read, and a megabyte of unknown elements must
/// not become a gigabyte of report.
const MAX_FAULTS: usize = 100;

/// How many octets of what was found, and of what was expected, a report spells out. Words of the
/// input are quoted there, which may have megabytes.
const MAX_TEXT: usize = 1000;

/// How many of them stand behind what was cut out.
const TAIL: usize = 100;

/// Everything that is wrong with the sources and overlays, ordered by file and place.
///
/// `Display` prints it in the manner of rustc, one paragraph for each fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    faults: Vec<Fault>,
    n_omitted: usize,
}

impl Report {
    /// The faults, by file (sources first, overlays last) and place.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many more faults there were than [`Report::faults`] holds; nearly always 0.
    #[must_use]
    pub fn n_omitted(&self) -> usize {
        self.n_omitted
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}\n")?;
        }
        match self.faults.len() + self.n_omitted {
            1 => f.write_str("1 fault"),
            n_faults if self.n_omitted == 0 => write!(f, "{n_faults} faults"),
            n_faults => write!(f, "{n_faults} faults, {} of them not shown", self.n_omitted),
        }
    }
}

impl Error for Report {}

/// One fault: where it is, what was found there, and what was expected instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    file: String,
    line: usize,
    column: usize,
    excerpt: String,
    found: String,
    expected: String,
    notes: Vec<String>,
}

impl Fault {
    /// The name of the file, as the caller gave it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// The line in question with its number, and below it a marker under the text in question.
    #[must_use]
    pub fn excerpt(&self) -> &str {
        &self.excerpt
    }

    /// What was found.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What was expected instead.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// Other places that matter, such as the first of two definitions.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            found,
            expected,
            ..
        } = self;
        let gutter = " ".repeat(line.to_string().len());
        writeln!(f, "error: {found}")?;
        writeln!(f, "{gutter}--> {file}:{line}:{column}")?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{}", self.excerpt)?;
        writeln!(f, "{gutter} |")?;
        write!(f, "{gutter} = expected: {expected}")?;
        for note in &self.notes {
            write!(f, "\n{gutter} = note: {note}")?;
        }
        Ok(())
    }
}

/// Collects findings while the passes run.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    findings: Vec<Finding>,
    n_omitted: usize,
}

#[derive(Debug)]
struct Finding {
    span: Span,
    found: String,
    expected: String,
    note: Option<(&'static str, Span)>,
}

impl Faults {
    /// Notes a fault.
    pub(crate) fn push(
        &mut self,
        span: Span,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.add(span, &found.into(), &expected.into(), None);
    }

    /// Notes a fault that another place explains: `label` introduces that place.
    pub(crate) fn push_beside(
        &mut self,
        span: Span,
        found: impl Into<String>,
        expected: impl Into<String>,
        note: (&'static str, Span),
    ) {
        self.add(span, &found.into(), &expected.into(), Some(note));
    }

    fn add(&mut self, span: Span, found: &str, expected: &str, note: Option<(&'static str, Span)>) {
        if self.findings.len() < MAX_FAULTS {
            self.findings.push(Finding {
                span,
                found: brief(found),
                expected: brief(expected),
                note,
            });
        } else {
            self.n_omitted += 1;
        }
    }

    /// Whether a fault was noted at this very place. Once faults are omitted, the answer is yes:
    /// there are enough.
    pub(crate) fn is_reported(&self, span: Span) -> bool {
        self.n_omitted > 0 || self.findings.iter().any(|finding| finding.span == span)
    }

    /// Whether none was found so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// The report on these inputs, which are in the order that spans number them.
    pub(crate) fn into_report(mut self, inputs: &[Source<'_>]) -> Report {
        self.findings.sort_by_key(|finding| finding.span);
        let faults = self
            .findings
            .into_iter()
            .map(|finding| finding.locate(inputs))
            .collect();
        Report {
            faults,
            n_omitted: self.n_omitted,
        }
    }
}

/// The text in one line that shows all its characters, without its middle if it is long.
fn brief(text: &str) -> String {
    let text = escaped(text);
    if text.len() <= MAX_TEXT {
        return text;
    }
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let head = (0..=MAX_TEXT - TAIL).rev().find(is_boundary);
    let tail = (text.len() - TAIL..=text.len()).find(is_boundary);
    let head = text.get(..head.unwrap_or_default()).unwrap_or_default();
    let tail = text.get(tail.unwrap_or_default()..).unwrap_or_default();
    let n_cut = text.len() - head.len() - tail.len();
    format!("{head} … {n_cut} octets … {tail}")
}

impl Finding {
    fn locate(self, inputs: &[Source<'_>]) -> Fault {
        let (name, text) = input(inputs, self.span);
        let place = excerpt::locate(text, self.span);
        let notes = self.note.map(|(label, span)| {
            let (name, text) = input(inputs, span);
            let place = excerpt::locate(text, span);
            format!("{label} at {name}:{}:{}", place.line, place.column)
        });
        Fault {
            file: name.to_owned(),
            line: place.line,
            column: place.column,
            excerpt: place.excerpt(),
            found: self.found,
            expected: self.expected,
            notes: notes.into_iter().collect(),
        }
    }
}

fn input<'a>(inputs: &[Source<'a>], span: Span) -> (&'a str, &'a [u8]) {
    inputs
        .get(span.file())
        .map_or(("", &[]), |input| (input.name(), input.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_lose_their_middle_between_characters() {
        let short = "ä".repeat(MAX_TEXT / 2);
        assert_eq!(brief(&short), short);
        for shift in 0..4 {
            let text = "x".repeat(shift) + &"€".repeat(1000);
            let brief = brief(&text);
            assert!(brief.len() <= MAX_TEXT + 30);
            assert!(
                brief.contains("€ … 2") && brief.contains("octets … €"),
                "{brief}"
            );
        }
    }
}
