//! Deadlines by kind: what is set once, and looked at when its time has come.
//!
//! A deadline may be too early: what looks at it then sets the next one. What traffic moves all the
//! time is not here, but worked out when it is asked for (`heartbeat`, `write_timeout`).

use std::time::Instant;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DeadlineOf {
    /// The handshake: when to give up opening the connection.
    Handshake,
    /// The close exchange: when to give up writing it.
    LastWords,
    /// An alarm at the broker: when to give up a connection that is blocked.
    Alarm,
    /// Messages that are being fetched: when to look for one that has stalled.
    Fetching,
    /// Publishers that were called: when to look for one that does not come.
    Unclaimed,
    /// A shutdown: when to close the connection, whatever is left.
    Grace,
}

const N_KINDS: usize = 6;

/// The deadlines that are set.
#[derive(Debug, Default)]
pub(crate) struct Deadlines([Option<Instant>; N_KINDS]);

impl Deadlines {
    fn slot(&mut self, of: DeadlineOf) -> &mut Option<Instant> {
        let [handshake, last_words, alarm, fetching, unclaimed, grace] = &mut self.0;
        match of {
            DeadlineOf::Handshake => handshake,
            DeadlineOf::LastWords => last_words,
            DeadlineOf::Alarm => alarm,
            DeadlineOf::Fetching => fetching,
            DeadlineOf::Unclaimed => unclaimed,
            DeadlineOf::Grace => grace,
        }
    }

    pub(crate) fn set(&mut self, of: DeadlineOf, at: Instant) {
        *self.slot(of) = Some(at);
    }

    /// Sets a deadline, unless an earlier one of its kind is set.
    pub(crate) fn set_by(&mut self, of: DeadlineOf, at: Instant) {
        let slot = self.slot(of);
        *slot = Some(slot.map_or(at, |known| known.min(at)));
    }

    /// Sets a deadline, unless one of its kind is set.
    pub(crate) fn set_if_none(&mut self, of: DeadlineOf, at: Instant) {
        self.slot(of).get_or_insert(at);
    }

    pub(crate) fn clear(&mut self, of: DeadlineOf) {
        *self.slot(of) = None;
    }

    pub(crate) fn clear_all(&mut self) {
        *self = Self::default();
    }

    /// Whether a deadline has come; it is cleared then.
    pub(crate) fn take_expired(&mut self, of: DeadlineOf, now: Instant) -> bool {
        self.slot(of).take_if(|at| *at <= now).is_some()
    }

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_kind_has_its_own_deadline_and_the_earliest_counts() {
        let now = crate::tests::support::pair::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.earliest(), None);
        deadlines.set(DeadlineOf::Alarm, at(3));
        deadlines.set_by(DeadlineOf::Fetching, at(2));
        deadlines.set_by(DeadlineOf::Fetching, at(4));
        deadlines.set_if_none(DeadlineOf::Alarm, at(1));
        assert_eq!(deadlines.earliest(), Some(at(2)));

        assert!(!deadlines.take_expired(DeadlineOf::Fetching, at(1)));
        assert!(deadlines.take_expired(DeadlineOf::Fetching, at(2)));
        assert!(!deadlines.take_expired(DeadlineOf::Fetching, at(2)));
        assert_eq!(deadlines.earliest(), Some(at(3)));

        deadlines.clear(DeadlineOf::Alarm);
        assert_eq!(deadlines.earliest(), None);
    }
}
