//! What is wrong with options from environment variables.

use std::fmt;

use super::debug_is_text;
use super::uri::UriError;

/// What is wrong with an environment variable. Never contains its value.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct EnvironmentError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with its URI, or with any of them ([`UriError::TrailingNewline`]); `None`: it
    /// is not UTF-8.
    pub cause: Option<UriError>,
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = self.variable;
        match &self.cause {
            None => write!(f, "the environment variable {variable} is not UTF-8"),
            Some(cause) => write!(f, "the environment variable {variable}: {cause}"),
        }
    }
}

debug_is_text!(struct EnvironmentError { variable, cause });

impl std::error::Error for EnvironmentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref()?.source()
    }
}
