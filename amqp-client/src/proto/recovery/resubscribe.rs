//! What a program wants to happen when the broker cancels a consumer.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::ArgumentError;

/// What happens when the broker cancels a consumer
/// ([`Consume::resubscribe`](crate::consume::Consume::resubscribe)): it is asked for again, ever
/// less often, until the broker has started it.
///
/// ```
/// use amqp_client::consume::Resubscribe;
/// use std::time::Duration;
///
/// let resubscribe = Resubscribe::new()
///     .delays(Duration::from_secs(1)..=Duration::from_secs(60))
///     .attempts(20);
/// # let _ = resubscribe;
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resubscribe {
    shortest_delay: Duration,
    longest_delay: Duration,
    /// `None`: any number.
    attempts: Option<u32>,
    also_when_channel_closes: bool,
}

impl Default for Resubscribe {
    fn default() -> Self {
        Self::new()
    }
}

impl Resubscribe {
    /// It is asked for again for as long as it takes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shortest_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(30),
            attempts: None,
            also_when_channel_closes: false,
        }
    }

    /// How long to wait before an attempt: the shorter time before the first, doubled for each
    /// further one up to the longer. Of each, half to the whole is waited, by chance. A consumer
    /// that the broker cancels again within 10 s does not begin anew with the shorter. Both above
    /// zero, or `consume` is refused with [`ChannelError::Invalid`](crate::ChannelError::Invalid).
    /// Default: 0.5 s to 30 s.
    #[must_use]
    pub fn delays(mut self, delays: RangeInclusive<Duration>) -> Self {
        (self.shortest_delay, self.longest_delay) = delays.into_inner();
        self
    }

    /// How many attempts there are, at least 1; those before a consumer that lived for less than
    /// 10 s count on. When the last has been refused, the consumer ends with
    /// [`ConsumeError::NotRestored`](crate::ConsumeError::NotRestored) and its cause. `None`: any
    /// number. Default: `None`.
    #[must_use]
    pub fn attempts(mut self, attempts: impl Into<Option<u32>>) -> Self {
        self.attempts = attempts.into();
        self
    }

    /// The consumer also comes back when the broker closes its channel, for an error of whichever
    /// operation on it: the channel is opened again by itself, after such a delay, as by
    /// [`Channel::reopen`](crate::Channel::reopen) but with those consumers alone that say this. The
    /// rest of the program sees what it sees without it: what was under way on the channel ends with
    /// its error, calls are refused until it is open again, and deliveries of before are
    /// [`Settled::Stale`](crate::consume::Settled::Stale) then.
    ///
    /// The consumer ends nevertheless when the program closes the channel, or when another channel
    /// has got its number meanwhile. Default: it ends with the channel's error.
    #[must_use]
    pub fn also_when_channel_closes(mut self) -> Self {
        self.also_when_channel_closes = true;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ArgumentError> {
        if self.shortest_delay.is_zero() || self.longest_delay < self.shortest_delay {
            let expected = "above zero, the shorter first";
            return Err(ArgumentError::value("resubscribe delays", expected));
        }
        match self.attempts {
            Some(0) => Err(ArgumentError::value("resubscribe attempts", "at least 1")),
            _ => Ok(()),
        }
    }

    pub(crate) fn delay_range(&self) -> (Duration, Duration) {
        (self.shortest_delay, self.longest_delay)
    }

    pub(crate) fn outlives_the_channel(&self) -> bool {
        self.also_when_channel_closes
    }

    pub(crate) fn attempt_limit(&self) -> Option<u32> {
        self.attempts
    }
}
