//! How both sides agree on heartbeats.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::rounding;

/// How long either side may be silent; a peer counts as dead after twice the time.
///
/// The broker proposes a time, RabbitMQ 60 s; what the client answers holds for both, be it longer,
/// shorter or none. Times are rounded up to whole seconds, up to 65535.
///
/// ```
/// use amqp_client::options::Heartbeat;
/// use amqp_client::ConnectionOptions;
/// use std::time::Duration;
///
/// let options = ConnectionOptions::default();
/// let fixed = options.clone().heartbeat(Duration::from_secs(20)); // whatever the broker says
/// let theirs = options.clone().heartbeat(Heartbeat::Server);
/// let half = options.heartbeat(Heartbeat::negotiate(|proposed| proposed / 2));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Heartbeat {
    /// What the broker proposes; none if it proposes none.
    Server,
    /// None in either direction: a broker that falls silent is never noticed.
    Off,
    /// This time, whatever the broker proposes.
    Fixed(Duration),
    /// This time, or the broker's if that is shorter; this time also if the broker proposes none.
    AtMost(Duration),
    /// What a function makes of the broker's proposal; see [`negotiate`](Self::negotiate).
    Negotiate(HeartbeatRule),
}

impl Heartbeat {
    /// Decides when the broker's proposal is there: `rule` is given it, zero if it proposes none,
    /// and returns the time to agree on, zero for none. It must not block.
    pub fn negotiate(rule: impl Fn(Duration) -> Duration + Send + Sync + 'static) -> Self {
        Self::Negotiate(HeartbeatRule(Arc::new(rule)))
    }

    /// What to answer to a proposal, in seconds.
    pub(crate) fn agree(&self, proposed: u16) -> u16 {
        let theirs = Duration::from_secs(u64::from(proposed));
        match self {
            Self::Server => proposed,
            Self::Off => 0,
            Self::Fixed(ours) => whole_seconds(*ours),
            Self::AtMost(ours) if proposed == 0 => whole_seconds(*ours),
            Self::AtMost(ours) => whole_seconds(*ours).min(proposed),
            Self::Negotiate(HeartbeatRule(rule)) => whole_seconds(rule(theirs)),
        }
    }
}

/// Zero turns heartbeats off.
impl From<Duration> for Heartbeat {
    fn from(interval: Duration) -> Self {
        if interval.is_zero() {
            Self::Off
        } else {
            Self::Fixed(interval)
        }
    }
}

/// Part of a second is a second: zero would turn heartbeats off.
fn whole_seconds(interval: Duration) -> u16 {
    u16::try_from(rounding::whole_seconds(interval)).unwrap_or(u16::MAX)
}

/// A function that decides on the heartbeat. Two are equal if one is a clone of the other.
#[derive(Clone)]
pub struct HeartbeatRule(Arc<dyn Fn(Duration) -> Duration + Send + Sync>);

impl fmt::Debug for HeartbeatRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeartbeatRule")
    }
}

impl Eq for HeartbeatRule {}

impl PartialEq for HeartbeatRule {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn each_way_of_agreeing_answers_each_proposal() {
        let half = Heartbeat::negotiate(|proposed| proposed / 2);
        let cases = [
            (Heartbeat::Server, [0, 1, 60, 65535]),
            (Heartbeat::Off, [0, 0, 0, 0]),
            (Heartbeat::Fixed(seconds(20)), [20, 20, 20, 20]),
            (Heartbeat::AtMost(seconds(20)), [20, 1, 20, 20]),
            (half, [0, 1, 30, 32768]),
        ];
        for (heartbeat, expected) in cases {
            let agreed = [0, 1, 60, 65535].map(|proposed| heartbeat.agree(proposed));
            assert_eq!(agreed, expected, "{heartbeat:?}");
        }
    }

    #[test]
    fn part_of_a_second_is_a_second_and_ages_are_cut() {
        let agreed = |interval| Heartbeat::from(interval).agree(60);
        assert_eq!(agreed(Duration::ZERO), 0);
        assert_eq!(agreed(Duration::from_millis(1)), 1);
        assert_eq!(agreed(Duration::from_millis(1001)), 2);
        assert_eq!(agreed(Duration::MAX), u16::MAX);
    }
}
