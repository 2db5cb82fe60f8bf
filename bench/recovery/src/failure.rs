//! What the driver may fail with: anything.

/// What the driver may fail with.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
