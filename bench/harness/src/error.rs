//! What can go wrong in a bench program: anything.

/// What a bench program may fail with.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
