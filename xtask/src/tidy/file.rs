//! What the rules look at, and what they find.

use std::{fmt, path::Path};

/// A broken rule, where it is broken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    pub(super) path: String,
    /// Counted from 1; 0 for the whole file.
    pub(super) line: usize,
    pub(super) message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// A file of ours, with its path relative to the repository.
#[derive(Debug)]
pub(super) struct File<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
}

impl File<'_> {
    pub(super) fn fault(&self, line: usize, message: impl Into<String>) -> Fault {
        Fault {
            path: self.path.to_owned(),
            line,
            message: message.into(),
        }
    }

    /// The lines with their numbers, counted from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    pub(super) fn has_extension(&self, extension: &str) -> bool {
        Path::new(self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }
}
