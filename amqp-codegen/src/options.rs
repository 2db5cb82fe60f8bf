//! What reading can be told.

/// How strictly [`parse`](crate::parse) reads.
#[derive(Clone, Debug, Default)]
pub struct ParseOptions {
    pub(crate) require_docs: bool,
}

impl ParseOptions {
    /// The defaults: documentation is welcome, not required.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether every class, method, field, property and constant must be documented by an overlay.
    #[must_use]
    pub fn require_docs(mut self, require_docs: bool) -> Self {
        self.require_docs = require_docs;
        self
    }
}
