//! How long something rests that was refused for a reason that may pass, before it is tried again.

use std::time::{Duration, Instant};

use super::Recovery;
use super::passing::Passing;
use crate::error::EntityFailure;
use crate::proto::time::after;

/// The first rest of what still belongs to the connection that was lost: RabbitMQ notices the end of
/// a stream within 2 to 46 ms.
const EXCLUSIVE: Duration = Duration::from_millis(50);

/// The longest of those.
const EXCLUSIVE_AT_MOST: Duration = Duration::from_secs(2);

/// So long the gates wait for what belongs to the connection that was lost.
const GRACE: Duration = Duration::from_secs(1);

/// So many times the delay of a connection that is slowed passes at most before what cost the
/// connection is tried once more.
const COSTLY_AT_MOST: u32 = 10;

/// Something that is tried again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    /// When it was refused first.
    since: Instant,
    tries: u32,
    passing: Passing,
    /// How long it rests before it is tried once more.
    delay: Duration,
    /// When that is; `None` if it rests until everything else is back, and as long again.
    until: Option<Instant>,
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
        let (since, tries) = counted(before, now);
        let (first, longest, limit) = match passing {
            Passing::Exclusive => (EXCLUSIVE, EXCLUSIVE_AT_MOST, Some(exclusive_limit)),
            Passing::OutOfReach => (
                policy.shortest_delay(),
                policy.longest_delay(),
                policy.entity_patience_limit(),
            ),
            Passing::Costly => return Self::aside(before, policy, now),
        };
        let factor = 1_u32.checked_shl(tries).unwrap_or(u32::MAX);
        let delay = first.saturating_mul(factor).min(longest);
        let until = after(now, delay);
        let end = limit.map(|limit| after(since, limit));
        if end.is_some_and(|end| now >= end) {
            return None;
        }
        Some(Self {
            since,
            tries,
            passing,
            delay,
            until: Some(end.map_or(until, |end| until.min(end))),
        })
    }

    /// To ask for it cost the connection, or had no answer: it is not asked for before everything
    /// else is back. `None` if it is not tried any more.
    pub(super) fn aside(before: Option<Self>, policy: &Recovery, now: Instant) -> Option<Self> {
        let (since, tries) = counted(before, now);
        let factor = 1_u32.checked_shl(tries).unwrap_or(u32::MAX);
        let delay = policy.slowed_delay();
        let limit = policy.entity_patience_limit();
        let is_over = limit.is_some_and(|limit| now >= after(since, limit));
        (!is_over).then_some(Self {
            since,
            tries,
            passing: Passing::Costly,
            delay: delay.saturating_mul(factor.min(COSTLY_AT_MOST)),
            until: None,
        })
    }

    /// The broker has cancelled it, and it is tried again after this delay; one that was cancelled
    /// before the stream was lost, so that not everything else is back, rests until then and as
    /// long again.
    pub(super) fn cancelled(
        before: Option<Self>,
        delay: Duration,
        now: Instant,
        is_back: bool,
    ) -> Self {
        let (since, tries) = counted(before, now);
        Self {
            since,
            tries,
            passing: Passing::OutOfReach,
            delay,
            until: is_back.then(|| after(now, delay)),
        }
    }

    /// Everything else is back.
    pub(super) fn begin(&mut self, now: Instant) {
        self.until.get_or_insert_with(|| after(now, self.delay));
    }

    /// When it is to be looked at: it is tried, or nothing waits for it any more.
    fn times(&self) -> impl Iterator<Item = Instant> {
        let is_exclusive = self.passing == Passing::Exclusive;
        let grace = is_exclusive.then(|| after(self.since, GRACE));
        [self.until, grace].into_iter().flatten()
    }

    /// Whether it is to be tried now.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether it is likely to be over in a moment, for which everything else waits.
    pub(super) fn is_short(&self, now: Instant) -> bool {
        self.passing == Passing::Exclusive && now < after(self.since, GRACE)
    }
}

/// Something that rests: why, and whether the program has been told.
#[derive(Debug)]
pub(super) struct Resting {
    pub(super) rest: Rest,
    /// `None` if it has not been refused: the broker has cancelled it.
    failure: Option<EntityFailure>,
    is_told: bool,
}

impl Resting {
    pub(super) fn new(rest: Rest, failure: EntityFailure) -> Self {
        Self {
            rest,
            failure: Some(failure),
            is_told: false,
        }
    }

    /// The broker has cancelled it, which the program has been told.
    pub(super) fn cancelled(rest: Rest) -> Self {
        Self {
            rest,
            failure: None,
            is_told: false,
        }
    }

    /// It has been refused once more.
    pub(super) fn again(&mut self, rest: Rest, failure: EntityFailure) {
        (self.rest, self.failure) = (rest, Some(failure));
    }

    pub(super) fn failure(&self) -> Option<&EntityFailure> {
        self.failure.as_ref()
    }

    /// What the program is to be told now: that it is pending. Not what is likely to be over in a
    /// moment.
    pub(super) fn tell(&mut self, now: Instant) -> Option<EntityFailure> {
        if self.is_told || self.rest.is_short(now) {
            return None;
        }
        let failure = self.failure.clone()?;
        self.is_told = true;
        Some(failure)
    }

    /// Whether the program knows that it is not there.
    pub(super) fn is_told(&self) -> bool {
        self.is_told || self.failure.is_none()
    }

    /// When it is to be looked at.
    pub(super) fn times(&self) -> impl Iterator<Item = Instant> {
        self.rest.times()
    }
}

/// Since when it has been tried, and how often.
fn counted(before: Option<Rest>, now: Instant) -> (Instant, u32) {
    before.map_or((now, 0), |rest| (rest.since, rest.tries.saturating_add(1)))
}
