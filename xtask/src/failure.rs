//! What a command returns when it did not do its work, and how arguments lead to it.

use std::{fmt::Display, io, path::Path};

use amqp_testing::BrokerError;

/// Why a command did not do its work, as a sentence for its user.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line was not understood.
    Usage(String),
    /// Something failed.
    Failed(String),
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// Returns a closure for `map_err` that names the file.
    pub(crate) fn file(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("failed to {doing} {}", path.display());
        move |error| Self::Failed(format!("{what}: {error}"))
    }

    /// Returns a closure for `map_err` that names the program.
    pub(crate) fn program(name: impl Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Failed(format!("failed to run {name}: {error}"))
    }

    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Usage(message) | Self::Failed(message) => message,
        }
    }
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// The next word of the command line, which names a command; `None` if there is none or help is
/// asked for.
pub(crate) fn command(
    arguments: &mut lexopt::Parser,
    help: &str,
) -> Result<Option<String>, Failure> {
    use lexopt::prelude::*;
    match arguments.next()? {
        Some(Value(word)) => Ok(Some(word.string()?)),
        Some(Short('h') | Long("help")) | None => Ok(None),
        Some(other) => Err(Failure::Usage(format!(
            "{}; see `{help}`",
            other.unexpected()
        ))),
    }
}
