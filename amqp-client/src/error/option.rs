//! Why a connection is not opened with the options that it was given.

use std::fmt;

use super::debug_is_text;

/// An option has a value that it cannot have.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct OptionError {
    /// The option's name, which is that of its setter.
    pub option: &'static str,
    /// What it can be.
    pub expected: &'static str,
}

impl OptionError {
    pub(crate) fn new(option: &'static str, expected: &'static str) -> Self {
        Self { option, expected }
    }

    pub(crate) fn too_long(option: &'static str) -> Self {
        Self::new(option, "shorter: it does not fit its field")
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the option {} must be {}", self.option, self.expected)
    }
}

debug_is_text!(struct OptionError { option, expected });

impl std::error::Error for OptionError {}
