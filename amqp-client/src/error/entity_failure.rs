//! What of a connection could not be restored, and why.

use std::fmt;

use super::{ChannelError, Entity};

/// Something that was there before the connection was lost, could not be restored, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EntityFailure {
    /// What.
    pub entity: Entity,
    /// Why.
    pub cause: ChannelError,
}

impl EntityFailure {
    pub(crate) fn new(entity: Entity, cause: impl Into<ChannelError>) -> Self {
        let cause = cause.into();
        Self { entity, cause }
    }
}

impl fmt::Display for EntityFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.entity, self.cause)
    }
}
