//! The end of reading: a fault behind which nothing can be trusted.

use crate::input::Span;
use crate::report::Faults;

/// A fault was reported, and nothing behind it can be trusted.
#[derive(Debug)]
pub(super) struct Refused;

/// Reports a fault.
pub(super) fn refuse<T>(
    faults: &mut Faults,
    place: Span,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> Result<T, Refused> {
    faults.push(place, found, expected);
    Err(Refused)
}
