//! What is wrong with a file of settings.

use std::fmt;

use crate::text::name;

/// What is wrong, and at which key. Never contains a value.
#[derive(Debug)]
pub(crate) struct Fault {
    /// With those around it: `tcp.keepalive_idle`. Empty for the whole.
    key: String,
    problem: String,
}

impl Fault {
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }

    /// The same, of what stands at this key, which was not known before.
    pub(crate) fn at(self, key: &str) -> Self {
        let key = match self.key.as_str() {
            "" => key.to_owned(),
            inner => inner.to_owned(),
        };
        Self { key, ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => f.write_str(&self.problem),
            key => write!(f, "{}: {}", name(key), self.problem),
        }
    }
}
