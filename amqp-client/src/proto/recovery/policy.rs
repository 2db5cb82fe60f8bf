//! What the program wants to happen when a connection is lost.

use std::fmt;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Entity, EntityFailure};

/// The least that [`Recovery::exclusive_for`] is by default, and what it is above the heartbeats.
const EXCLUSIVE_AT_LEAST: Duration = Duration::from_secs(10);

/// What happens when a connection is lost
/// ([`ConnectionOptions::recovery`](crate::ConnectionOptions::recovery)): by default it comes back
/// in place, with its channels, what was declared on them, and their consumers.
///
/// ```
/// use amqp_client::ConnectionOptions;
/// use amqp_client::options::{OnFailure, Recovery, Restore};
/// use std::time::Duration;
///
/// let recovery = Recovery::new()
///     .delays(Duration::from_millis(200)..=Duration::from_secs(30))
///     .give_up_after(Duration::from_secs(600))
///     .restore(Restore::Transient)
///     .keep(|entity| !entity.name().starts_with("tmp."))
///     .on_failure(|failure| match failure.entity.is_queue() {
///         true => OnFailure::Abort,
///         false => OnFailure::Skip,
///     });
/// let options = ConnectionOptions::default().recovery(recovery);
/// # assert!(options.validate().is_ok());
/// ```
///
/// Two are equal if they say the same; functions are the same if one is a clone of the other. URIs
/// and files leave functions out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovery {
    is_on: bool,
    from_the_start: bool,
    shortest_delay: Duration,
    longest_delay: Duration,
    /// `None`: any number.
    attempts: Option<u32>,
    /// `None`: never.
    give_up_after: Option<Duration>,
    patience: Duration,
    /// `None`: for ever.
    entity_patience: Option<Duration>,
    refused_for: Duration,
    /// `None`: by the heartbeat.
    exclusive_for: Option<Duration>,
    restore: Restore,
    keep: Option<Keep>,
    on_failure: Option<Judge>,
}

/// What of what was declared is declared again. Channels and consumers are restored always.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Restore {
    /// Everything, durable things included: what another client has deleted meanwhile is there
    /// again.
    #[default]
    All,
    /// What does not survive a restart of the broker or the end of the connection: what is not
    /// durable, exclusive queues and those that the broker names, and bindings that one of those is
    /// part of.
    Transient,
    /// Nothing.
    ConsumersOnly,
}

/// What becomes of a recovery if something cannot be restored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnFailure {
    /// It goes on without it, and the [report](crate::event::RecoveryReport) has it.
    #[default]
    Skip,
    /// The attempt has failed, and the next one begins in time.
    Abort,
}

impl Default for Recovery {
    fn default() -> Self {
        Self::new()
    }
}

impl Recovery {
    /// The connection comes back, for as long as it takes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            is_on: true,
            from_the_start: false,
            shortest_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(5),
            attempts: None,
            give_up_after: None,
            patience: Duration::from_secs(30),
            entity_patience: None,
            refused_for: Duration::from_secs(60),
            exclusive_for: None,
            restore: Restore::default(),
            keep: None,
            on_failure: None,
        }
    }

    /// A connection that is lost has ended.
    #[must_use]
    pub fn off() -> Self {
        Self {
            is_on: false,
            ..Self::new()
        }
    }

    /// How long to wait before an attempt: the shorter time before the first, doubled for each
    /// further one up to the longer. Of each, half to the whole is waited, by chance, so that the
    /// clients of a broker that comes back do not come all at once. Both above zero. Default: 0.5 s
    /// to 5 s.
    ///
    /// A connection that was open again and lived for less than 10 s is slowed: it does not begin
    /// anew with the shorter, and goes on doubling up to six times the longer (30 s by default),
    /// since each loss costs more than the wait. If both are the same, each delay is.
    #[must_use]
    pub fn delays(mut self, delays: RangeInclusive<Duration>) -> Self {
        (self.shortest_delay, self.longest_delay) = delays.into_inner();
        self
    }

    /// How many attempts there are, each of which tries all hosts once; at least 1. `None`: any
    /// number. Default: `None`.
    #[must_use]
    pub fn attempts(mut self, attempts: impl Into<Option<u32>>) -> Self {
        self.attempts = attempts.into();
        self
    }

    /// How long after the loss the last attempt begins at the latest. `None`: attempts go on for
    /// ever. Default: `None`.
    #[must_use]
    pub fn give_up_after(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.give_up_after = limit.into();
        self
    }

    /// How long a publish waits for the connection to come back, or a request
    /// [without a reply](crate::Channel::no_wait): it fails with
    /// [`ChannelError::Recovering`](crate::ChannelError::Recovering) then. Other requests wait for
    /// [`request_timeout`](crate::ConnectionOptions::request_timeout). Default: 30 s.
    #[must_use]
    pub fn patience(mut self, limit: Duration) -> Self {
        self.patience = limit;
        self
    }

    /// How long a queue or consumer is tried again that could not be restored for a reason that may
    /// pass, such as a node of the broker that is still starting, or a quorum queue without a
    /// majority. Nothing else waits for it; but RabbitMQ closes the connection each time such a
    /// quorum queue is tried, which is why that is done ever less often. `None`: for as long as it
    /// takes. Default: `None`.
    #[must_use]
    pub fn entity_patience(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.entity_patience = limit.into();
        self
    }

    /// For how long attempts go on that the broker refuses over the login or the virtual host:
    /// while it starts, it may not know its users yet. The time begins with the first of several
    /// refusals in a row. Zero takes the first for final. Default: 60 s.
    #[must_use]
    pub fn refused_for(mut self, limit: Duration) -> Self {
        self.refused_for = limit;
        self
    }

    /// For how long an exclusive queue is tried again that still belongs to the connection that was
    /// lost: the broker holds it until it has noticed the loss. Only what depends on that queue
    /// waits. `None`: three times the negotiated heartbeat and 10 s. Default: `None`.
    #[must_use]
    pub fn exclusive_for(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.exclusive_for = limit.into();
        self
    }

    /// What is declared again. Default: [`Restore::All`].
    #[must_use]
    pub fn restore(mut self, restore: Restore) -> Self {
        self.restore = restore;
        self
    }

    /// Asks this function of each exchange, queue, binding and consumer whether it is to be
    /// restored. What depends on something that is not is left out as well. It is called by what
    /// drives the connection and should be quick; if it panics, the thing is restored. Default:
    /// everything that [`restore`](Self::restore) names.
    #[must_use]
    pub fn keep(mut self, keep: impl Fn(&Entity) -> bool + Send + Sync + 'static) -> Self {
        self.keep = Some(Keep(Arc::new(keep)));
        self
    }

    /// Asks this function what becomes of the recovery if something cannot be restored. It is
    /// called by what drives the connection and should be quick; if it panics, the thing is
    /// skipped. Default: [`OnFailure::Skip`].
    #[must_use]
    pub fn on_failure(
        mut self,
        judge: impl Fn(&EntityFailure) -> OnFailure + Send + Sync + 'static,
    ) -> Self {
        self.on_failure = Some(Judge(Arc::new(judge)));
        self
    }

    /// Opens the first connection likewise: attempts go on as after a loss. Else it has the
    /// [`connection_attempts`](crate::ConnectionOptions::connection_attempts) of the options.
    #[must_use]
    pub fn from_the_start(mut self) -> Self {
        self.from_the_start = true;
        self
    }
}

impl Recovery {
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    #[allow(dead_code, reason = "only adapters that dial by themselves begin so")]
    pub(crate) fn is_from_the_start(&self) -> bool {
        self.is_on && self.from_the_start
    }

    /// On, if it was off, or off; all else stays as it is said.
    pub(crate) fn turned(mut self, on: bool) -> Self {
        self.is_on = on;
        self
    }

    /// Whether it is said that the first connection is opened likewise, be recovery on or off.
    pub(crate) fn wants_the_start(&self) -> bool {
        self.from_the_start
    }

    pub(crate) fn turned_from_the_start(mut self, on: bool) -> Self {
        self.from_the_start = on;
        self
    }

    pub(crate) fn shortest_delay(&self) -> Duration {
        self.shortest_delay
    }

    pub(crate) fn longest_delay(&self) -> Duration {
        self.longest_delay
    }

    /// What delays go up to where each loss costs more than the wait.
    pub(crate) fn slowed_delay(&self) -> Duration {
        const SLOWED: u32 = 6;
        match self.shortest_delay == self.longest_delay {
            true => self.longest_delay,
            false => self.longest_delay.saturating_mul(SLOWED),
        }
    }

    pub(crate) fn attempt_limit(&self) -> Option<u32> {
        self.attempts
    }

    pub(crate) fn outage_limit(&self) -> Option<Duration> {
        self.give_up_after
    }

    pub(crate) fn patience_limit(&self) -> Duration {
        self.patience
    }

    pub(crate) fn entity_patience_limit(&self) -> Option<Duration> {
        self.entity_patience
    }

    pub(crate) fn refusal_limit(&self) -> Duration {
        self.refused_for
    }

    /// For how long a queue may belong to the connection that was lost.
    pub(crate) fn exclusive_limit(&self, heartbeat: Duration) -> Duration {
        self.exclusive_for.unwrap_or_else(|| {
            let unnoticed = heartbeat.saturating_mul(3);
            unnoticed.saturating_add(EXCLUSIVE_AT_LEAST)
        })
    }

    /// The same, if the program has said it.
    pub(crate) fn chosen_exclusive_limit(&self) -> Option<Duration> {
        self.exclusive_for
    }

    pub(crate) fn restore_mode(&self) -> Restore {
        self.restore
    }

    /// Whether the program wants it restored.
    pub(crate) fn keeps(&self, entity: &Entity) -> bool {
        let Some(Keep(keep)) = &self.keep else {
            return true;
        };
        catch_unwind(AssertUnwindSafe(|| keep(entity))).unwrap_or(true)
    }

    /// What becomes of the recovery, since this cannot be restored.
    pub(crate) fn judge(&self, failure: &EntityFailure) -> OnFailure {
        let Some(Judge(judge)) = &self.on_failure else {
            return OnFailure::Skip;
        };
        catch_unwind(AssertUnwindSafe(|| judge(failure))).unwrap_or(OnFailure::Skip)
    }
}

/// A function of the program that says what is to be restored.
#[derive(Clone)]
struct Keep(Arc<dyn Fn(&Entity) -> bool + Send + Sync>);

/// A function of the program that says what becomes of a recovery.
#[derive(Clone)]
struct Judge(Arc<dyn Fn(&EntityFailure) -> OnFailure + Send + Sync>);

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keep")
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}

impl Eq for Keep {}

impl PartialEq for Keep {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Judge {}

impl PartialEq for Judge {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
