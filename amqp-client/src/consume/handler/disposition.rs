//! What handlers say of their messages, and what is made of it.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::jobs::Panic;
use crate::message::Settlement;
use crate::text::line;

/// What becomes of a message that was handled. One that was read from a stream is acknowledged,
/// whatever is said: see [`Consume::offset`](crate::consume::Consume::offset).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Disposition {
    /// Done: the broker may forget it (`basic.ack`).
    Ack,
    /// Back to its queue, to be delivered again, here or elsewhere, soon and as often as this is
    /// said (`basic.reject`, which counts towards the delivery limit of a quorum queue).
    Requeue,
    /// Not again: the broker dead-letters it, or drops it if the queue dead-letters nothing
    /// (`basic.reject`).
    Reject,
    /// [`Requeue`](Self::Requeue) the first time, [`Reject`](Self::Reject) if it has been delivered
    /// before: a message that cannot be handled does not go round for ever. One that was under way
    /// when a connection broke counts as delivered before, too.
    Retry,
}

impl Disposition {
    /// What is meant for this message.
    pub(super) fn decide(self, redelivered: bool) -> Self {
        match self {
            Self::Retry if redelivered => Self::Reject,
            Self::Retry => Self::Requeue,
            disposition => disposition,
        }
    }

    pub(super) fn settlement(self) -> Settlement {
        match self {
            Self::Ack => Settlement::Ack,
            Self::Requeue | Self::Retry => Settlement::Reject { requeue: true },
            Self::Reject => Settlement::Reject { requeue: false },
        }
    }
}

/// What a handler may end with.
///
/// | output | meaning |
/// |---|---|
/// | `()` | [`Disposition::Ack`] |
/// | [`Disposition`] | what it says |
/// | `Ok(…)` | what is in it: one of the above |
/// | `Err(…)` | reported, and settled as [`on_failure`](super::HandlerRun::on_failure) says |
///
/// Errors are those that `?` turns into a `Box<dyn Error + Send + Sync>`.
pub trait IntoDisposition {
    /// What becomes of the message, or why it could not be handled.
    ///
    /// # Errors
    ///
    /// It could not be handled.
    fn into_disposition(self) -> Result<Disposition, Box<dyn Error + Send + Sync>>;
}

impl IntoDisposition for () {
    fn into_disposition(self) -> Result<Disposition, Box<dyn Error + Send + Sync>> {
        Ok(Disposition::Ack)
    }
}

impl IntoDisposition for Disposition {
    fn into_disposition(self) -> Result<Disposition, Box<dyn Error + Send + Sync>> {
        Ok(self)
    }
}

impl<T: IntoDisposition, E: Into<Box<dyn Error + Send + Sync>>> IntoDisposition for Result<T, E> {
    fn into_disposition(self) -> Result<Disposition, Box<dyn Error + Send + Sync>> {
        self.map_err(Into::into)?.into_disposition()
    }
}

/// A failure that says itself what becomes of its message, whatever
/// [`on_failure`](super::HandlerRun::on_failure) says of others.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) disposition: Disposition,
    pub(crate) cause: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)
    }
}

impl Error for Decided {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

/// Why a message could not be handled, and what becomes of it, if that is said.
#[derive(Debug)]
pub(super) struct HandlingFailure {
    pub(super) cause: FailureCause,
    pub(super) disposition: Option<Disposition>,
}

impl HandlingFailure {
    pub(super) fn panic(panic: &Panic) -> Self {
        Self {
            cause: FailureCause::panic(panic),
            disposition: None,
        }
    }

    pub(super) fn error(error: Box<dyn Error + Send + Sync>) -> Self {
        let (cause, disposition) = match error.downcast::<Decided>() {
            Ok(decided) => (decided.cause, Some(decided.disposition)),
            Err(error) => (error, None),
        };
        let cause = FailureCause::Error(Arc::from(cause));
        Self { cause, disposition }
    }
}

/// A message that could not be handled; see [`HandlerRun::report`](super::HandlerRun::report).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandlerFailure {
    /// The number of the delivery on its channel.
    pub delivery_tag: u64,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// What has become of it.
    pub settled: Disposition,
    /// What happened.
    pub cause: FailureCause,
}

/// Why a message could not be handled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FailureCause {
    /// The handler panicked.
    Panic {
        /// With which words; empty if it was none.
        message: String,
    },
    /// The handler returned an error.
    Error(Arc<dyn Error + Send + Sync>),
}

impl FailureCause {
    fn panic(panic: &Panic) -> Self {
        let panic: &(dyn Any + Send) = &**panic;
        let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (None, Some(text)) => text.clone(),
            (None, None) => String::new(),
        };
        Self::Panic { message }
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { message } => write!(f, "handler panicked: {}", line(message)),
            Self::Error(error) => write!(f, "{error}"),
        }
    }
}

impl fmt::Display for HandlerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.settled {
            Disposition::Ack => "acknowledged",
            Disposition::Requeue | Disposition::Retry => "requeued",
            Disposition::Reject => "rejected",
        };
        write!(f, "delivery {} {what}: {}", self.delivery_tag, self.cause)
    }
}

impl Error for HandlerFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            FailureCause::Panic { .. } => None,
            FailureCause::Error(error) => error.source(),
        }
    }
}
