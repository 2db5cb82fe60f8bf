//! What a recovery has brought back, and what it has not.

use std::fmt;
use std::time::Duration;

use crate::error::EntityFailure;
use crate::text::page;

/// What has become of a connection that was lost and has come back.
#[derive(Clone)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// How many attempts it took, the one that succeeded included. Those of an earlier outage are
    /// counted in if the connection lived for less than 10 s in between.
    pub attempts: u32,
    /// How long it took, from the loss until everything was restored; from the first loss where
    /// attempts of several are counted.
    pub outage: Duration,
    /// How much has been restored.
    pub restored: Counts,
    /// What has not been restored, and why; each once. What was pending when everything else was
    /// back, and fails for good later, is told by
    /// [`Event::NotRestored`](crate::event::Event::NotRestored).
    pub skipped: Vec<EntityFailure>,
    /// Queues that the broker had named and now has named anew: the name of before, and that of
    /// now.
    pub renamed: Vec<(String, String)>,
    /// How many messages were sent again on the stream that is there now, before everything was
    /// restored: see [`Publisher::resend`](crate::Publisher::resend).
    pub resent: u64,
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.attempts == 1 { "" } else { "s" };
        write!(
            f,
            "recovered after {:.1} s in {} attempt{plural}: {}",
            self.outage.as_secs_f64(),
            self.attempts,
            self.restored
        )?;
        if !self.skipped.is_empty() {
            write!(f, "; {} not restored", self.skipped.len())?;
        }
        match self.resent {
            0 => Ok(()),
            1 => f.write_str("; 1 message sent again"),
            resent => write!(f, "; {resent} messages sent again"),
        }
    }
}

/// At most a page.
impl fmt::Debug for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        page(f, &Parts(self))
    }
}

struct Parts<'a>(&'a RecoveryReport);

impl fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts(report) = self;
        f.debug_struct("RecoveryReport")
            .field("attempts", &report.attempts)
            .field("outage", &report.outage)
            .field("restored", &report.restored)
            .field("skipped", &report.skipped)
            .field("renamed", &report.renamed)
            .field("resent", &report.resent)
            .finish()
    }
}

/// How many things of each kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Channels.
    pub channels: usize,
    /// Exchanges.
    pub exchanges: usize,
    /// Queues.
    pub queues: usize,
    /// Bindings of queues.
    pub bindings: usize,
    /// Bindings of exchanges to exchanges.
    pub exchange_bindings: usize,
    /// Consumers.
    pub consumers: usize,
}

/// What there is, as `2 channels, 1 queue`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.channels, "channel"),
            (self.exchanges, "exchange"),
            (self.queues, "queue"),
            (self.bindings, "binding"),
            (self.exchange_bindings, "exchange binding"),
            (self.consumers, "consumer"),
        ];
        let mut separator = "";
        for (n, kind) in kinds.into_iter().filter(|(n, _)| *n > 0) {
            let plural = if n == 1 { "" } else { "s" };
            write!(f, "{separator}{n} {kind}{plural}")?;
            separator = ", ";
        }
        match separator {
            "" => f.write_str("nothing"),
            _ => Ok(()),
        }
    }
}

/// What a loss of the connection took that no future and no consumer is told of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Lost {
    /// Messages of [`Channel::basic_publish`](crate::Channel::basic_publish) outside of confirm
    /// mode that had been accepted and were not written whole, those of a transaction included. What
    /// was written may be lost as well: the broker does not say.
    pub plain_publishes: u64,
    /// Deliveries without acknowledgements that had come in part: the broker does not send them
    /// again. What had come whole is still yielded. What was on its way besides is lost as well; how
    /// much that was only the broker knew.
    pub no_ack_unread: u64,
}
