//! What was not confirmed, of many messages at once.

use std::fmt;

use crate::error::{BrokerClose, ChannelError, Outcome};
use crate::error::{answers_for_the_broker, text_and_sources};
use crate::proto::shared::confirms::{Confirms, Failure};

/// What was not confirmed of the messages that
/// [`Publisher::wait_for_confirms`](crate::Publisher::wait_for_confirms) waited for.
#[derive(Clone)]
#[non_exhaustive]
pub struct Unconfirmed {
    /// How many the broker nacked (`basic.nack`).
    pub nacked: u64,
    /// How many came back, since no queue was bound for them.
    pub returned: u64,
    /// How many the broker closed the channel for
    /// ([`PublishError::Refused`](crate::PublishError::Refused)).
    pub refused: u64,
    /// How many certainly did not reach a queue, since the channel or the connection ended before.
    pub not_sent: u64,
    /// How many may have been routed, or not: the channel or the connection ended before the broker
    /// answered, or the [confirm timeout](crate::Publisher::confirm_timeout) passed.
    pub uncertain: u64,
    /// Those that were nacked or came back, one by one, in the order in which they were published;
    /// if there were more than 1024, the 1024 whose answers came first.
    pub failures: Vec<FailedPublish>,
    /// Why the broker did not answer, if some are uncertain or were not sent.
    pub cause: Option<ChannelError>,
}

/// A message that was not confirmed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FailedPublish {
    /// Its number on the channel, from 1; see
    /// [`Confirmation::sequence_number`](crate::Confirmation::sequence_number).
    pub sequence_number: u64,
    /// Whether it came back, rather than being nacked. The message itself is with its
    /// [`Confirmation`](crate::Confirmation), or with [`Channel::returns`](crate::Channel::returns)
    /// if that was dropped.
    pub returned: bool,
}

impl FailedPublish {
    /// A message that was not confirmed, for tests: see [`Unconfirmed::new`].
    #[must_use]
    pub fn new(sequence_number: u64, returned: bool) -> Self {
        Self {
            sequence_number,
            returned,
        }
    }
}

impl Unconfirmed {
    /// What could be left unconfirmed, for tests of what a program makes of it: these messages,
    /// nacked or returned. The other fields can be set.
    ///
    /// ```
    /// use amqp_client::publish::{FailedPublish, Unconfirmed};
    /// use amqp_client::ConnectionError;
    ///
    /// let mut error = Unconfirmed::new([FailedPublish::new(7, false), FailedPublish::new(9, true)]);
    /// assert_eq!((error.nacked, error.returned), (1, 1));
    /// error.uncertain = 3;
    /// error.cause = Some(ConnectionError::EndOfStream.into());
    /// ```
    pub fn new(failures: impl IntoIterator<Item = FailedPublish>) -> Self {
        let failures: Vec<_> = failures.into_iter().collect();
        let returned = failures.iter().filter(|failed| failed.returned).count();
        let nacked = failures.len() - returned;
        Self {
            nacked: u64::try_from(nacked).unwrap_or(u64::MAX),
            returned: u64::try_from(returned).unwrap_or(u64::MAX),
            refused: 0,
            not_sent: 0,
            uncertain: 0,
            failures,
            cause: None,
        }
    }

    /// Takes what has been noted of failures and not been told; `Ok` if there is nothing to report.
    pub(crate) fn take(
        confirms: &mut Confirms,
        upto: u64,
        given_up: Option<ChannelError>,
    ) -> Result<(), Self> {
        let (noted, lost) = confirms.take_failures(upto);
        let unanswered = confirms.unanswered(upto);
        let failed = |(sequence_number, failure)| FailedPublish {
            sequence_number,
            returned: failure == Failure::Returned,
        };
        let unconfirmed = Self {
            nacked: noted.nacked,
            returned: noted.returned,
            refused: lost.refused,
            not_sent: lost.not_sent,
            uncertain: lost.uncertain + unanswered,
            failures: noted.first.into_iter().map(failed).collect(),
            cause: lost.cause.or_else(|| given_up.filter(|_| unanswered > 0)),
        };
        if unconfirmed.counts().iter().all(|&(n, _)| n == 0) {
            return Ok(());
        }
        Err(unconfirmed)
    }

    fn counts(&self) -> [(u64, &'static str); 5] {
        [
            (self.nacked, "nacked"),
            (self.returned, "returned"),
            (self.refused, "refused"),
            (self.not_sent, "not sent"),
            (self.uncertain, "uncertain"),
        ]
    }
}

answers_for_the_broker!(Unconfirmed);

impl Unconfirmed {
    /// What the broker said when it closed the channel or the connection, if that is why some are
    /// uncertain or were not sent.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        self.cause.as_ref()?.broker_close()
    }

    /// Whether some are uncertain or were not sent because a time was up: see
    /// [`ChannelError::is_timeout`].
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.cause.as_ref().is_some_and(ChannelError::is_timeout)
    }

    /// Whether publishing all of them again may succeed without a change to the program: none came
    /// back, the broker closed the channel for none, and what kept the others may pass. Those whose
    /// outcome is unknown may then be in their queues twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let unreadable = self.uncertain > 0
            && self
                .broker_close()
                .is_some_and(BrokerClose::is_unreadable_message);
        let passes = self.cause.as_ref().is_none_or(ChannelError::is_retryable);
        self.returned == 0 && self.refused == 0 && passes && !unreadable
    }

    /// What became of the messages: of several outcomes the one that matters most.
    /// [`Unknown`](Outcome::Unknown) if one is uncertain, else [`Rejected`](Outcome::Rejected) if
    /// the broker has refused one, else [`NotSent`](Outcome::NotSent).
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.nacked + self.returned + self.refused {
            _ if self.uncertain > 0 => Outcome::Unknown,
            0 => Outcome::NotSent,
            _ => Outcome::Rejected,
        }
    }
}

/// The text and what is behind it, for `main` and `unwrap`; the parts with `{:#?}`, of the failures
/// the first 16.
impl fmt::Debug for Unconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// How many failures are shown.
        const SHOWN: usize = 16;
        if !f.alternate() {
            return text_and_sources(f, self);
        }
        let n_shown = self.failures.len().min(SHOWN);
        let mut debug = f.debug_struct("Unconfirmed");
        debug
            .field("nacked", &self.nacked)
            .field("returned", &self.returned)
            .field("refused", &self.refused)
            .field("not_sent", &self.not_sent)
            .field("uncertain", &self.uncertain)
            .field(
                "failures",
                &self.failures.get(..n_shown).unwrap_or_default(),
            )
            .field("cause", &self.cause);
        if n_shown < self.failures.len() {
            debug.finish_non_exhaustive()
        } else {
            debug.finish()
        }
    }
}

impl fmt::Display for Unconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not all messages are confirmed:")?;
        let mut separator = " ";
        for (n, what) in self.counts() {
            if n > 0 {
                write!(f, "{separator}{n} {what}")?;
                separator = ", ";
            }
        }
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Unconfirmed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref()?.source()
    }
}
