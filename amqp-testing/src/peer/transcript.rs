//! What was said in a conversation, to be told when a script is not followed.

use std::{collections::VecDeque, fmt};

/// How much of a conversation is kept, to be told when a script is not followed.
const KEPT_LINES: usize = 500;

/// What was said, as far as it is kept: the last lines.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    pub(super) lines: VecDeque<String>,
    n_forgotten: u64,
}

impl Transcript {
    pub(super) fn push(&mut self, line: String) {
        if self.lines.len() == KEPT_LINES {
            self.lines.pop_front();
            self.n_forgotten += 1;
        }
        self.lines.push_back(line);
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n_forgotten > 0 {
            write!(f, "\n  ({} lines before)", self.n_forgotten)?;
        }
        self.lines
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}
