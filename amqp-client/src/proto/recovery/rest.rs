//! How long something rests that was refused for a reason that may pass, before it is tried again.

use std::time::{Duration, Instant};

use super::Recovery;
use super::passing::Passing;
use crate::proto::time::after;

/// The first rest of what still belongs to the connection that was lost: RabbitMQ notices the end of
/// a stream within 2 to 46 ms.
const EXCLUSIVE: Duration = Duration::from_millis(50);

/// The longest of those.
const EXCLUSIVE_AT_MOST: Duration = Duration::from_secs(2);

/// So long the gates wait for what belongs to the connection that was lost.
const GRACE: Duration = Duration::from_secs(1);

/// Something that is tried again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    /// When it was refused first.
    since: Instant,
    tries: u32,
    passing: Passing,
    /// When it is tried next.
    pub(super) until: Instant,
}

impl Rest {
    /// It has been refused, after `before`; `None` if it is not tried any more.
    pub(super) fn after(
        before: Option<Self>,
        passing: Passing,
        policy: &Recovery,
        exclusive_limit: Duration,
        now: Instant,
    ) -> Option<Self> {
        let (since, tries) = before.map_or((now, 0), |rest| (rest.since, rest.tries + 1));
        let (first, longest, limit) = match passing {
            Passing::Exclusive => (EXCLUSIVE, EXCLUSIVE_AT_MOST, Some(exclusive_limit)),
            Passing::OutOfReach => (
                policy.shortest_delay(),
                policy.longest_delay(),
                policy.entity_patience_limit(),
            ),
        };
        let factor = 1_u32.checked_shl(tries).unwrap_or(u32::MAX);
        let until = after(now, first.saturating_mul(factor).min(longest));
        let end = limit.map(|limit| after(since, limit));
        if end.is_some_and(|end| now >= end) {
            return None;
        }
        Some(Self {
            since,
            tries,
            passing,
            until: end.map_or(until, |end| until.min(end)),
        })
    }

    /// Whether it is likely to be over in a moment, for which everything else waits.
    pub(super) fn is_short(&self, now: Instant) -> bool {
        self.passing == Passing::Exclusive && now < after(self.since, GRACE)
    }
}
