//! What cost an attempt, for a reason that may pass: it is set aside until everything else is back.
//!
//! ```text
//! in the plan ──541, or no answer twice in a row: the attempt is over──▶ aside ──everything else is back──▶ rests ──▶ tried
//!                                                                         ▲                                       │ │
//!                                                                         └────────541: the connection is lost────┘ └─▶ restored
//! ```
//!
//! RabbitMQ says 541 INTERNAL_ERROR of a quorum queue without a majority, and ends the connection
//! with it; often it says so only after half a minute, or later than is waited for. To ask again may
//! cost the connection again, which is why more time passes before each try.

use super::Recovery;
use super::rest::Rest;
use crate::error::{Entity, EntityFailure};

/// Something that is set aside.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    pub(super) failure: EntityFailure,
    pub(super) rest: Rest,
}

/// All that is set aside.
#[derive(Debug, Default)]
pub(crate) struct SetAside(Vec<Aside>);

impl SetAside {
    /// It has cost an attempt. False if it has done so for as long as the program wants to wait.
    pub(super) fn put(
        &mut self,
        failure: &EntityFailure,
        policy: &Recovery,
        now: std::time::Instant,
    ) -> bool {
        let known = self.0.iter().position(|one| one.covers(&failure.entity));
        let before = known.map(|at| self.0.swap_remove(at).rest);
        let rest = Rest::aside(before, policy, now);
        self.0.extend(rest.map(|rest| Aside {
            failure: failure.clone(),
            rest,
        }));
        rest.is_some()
    }

    /// It is back.
    pub(super) fn restored(&mut self, entity: &Entity) {
        self.0.retain(|one| !one.covers(entity));
    }

    /// Nothing is pending any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn all(&self) -> &[Aside] {
        &self.0
    }
}

impl Aside {
    /// Whether this is set aside with it: of one queue all consumers are.
    pub(super) fn covers(&self, entity: &Entity) -> bool {
        let failed = &self.failure.entity;
        match entity.is_consumer() && failed.is_consumer() {
            true => entity.name() == failed.name(),
            false => entity == failed,
        }
    }
}
