//! Which of two places that contradict each other is to blame.

use crate::input::Span;

/// A place and the words that introduce it in a note.
type Note = (Span, &'static str);

/// Of two places that contradict each other, the one to report and the other one as its note. The
/// one in the later file is to blame: a correction rather than what it corrects, an extension
/// rather than what it extends; within one file the first of the two.
pub(super) fn culprit(first: Note, second: Note) -> (Span, (&'static str, Span)) {
    if second.0.file() > first.0.file() {
        (second.0, (first.1, first.0))
    } else {
        (first.0, (second.1, second.0))
    }
}
