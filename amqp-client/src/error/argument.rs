//! What is wrong with a call before anything is sent.

use std::fmt;

use super::{Entity, Subject, debug_is_text};

/// A call that the broker would refuse, or would not take as it is meant. Nothing was sent; the
/// channel is still usable.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum ArgumentError {
    /// Two options that exclude each other: `x-queue-type: quorum` and `exclusive`.
    #[non_exhaustive]
    Contradiction {
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
        /// The queue or exchange that the call was about.
        entity: Option<Box<Entity>>,
    },
    /// An option that means nothing, or not what it says, without another.
    #[non_exhaustive]
    Missing {
        /// The option that is there.
        option: &'static str,
        /// The one that is not.
        needs: &'static str,
        /// The queue or exchange that the call was about.
        entity: Option<Box<Entity>>,
    },
    /// An argument with a value that it cannot have.
    #[non_exhaustive]
    Value {
        /// The argument: `x-expires`.
        argument: &'static str,
        /// What it can be.
        expected: &'static str,
        /// The queue or exchange that the call was about.
        entity: Option<Box<Entity>>,
    },
    /// A header or an argument with a value that AMQP cannot carry: an integer above 2⁶³ - 1, a
    /// time before 1970, a name of more than 255 octets in a table; or one over which RabbitMQ ends
    /// the connection: NaN, infinity, a decimal number in a message's headers, or what cannot be
    /// read.
    #[non_exhaustive]
    Field {
        /// The name of the header or argument; of what is nested in one the way to it, as
        /// `order.lines[2].price`. Each name up to 64 characters.
        name: Box<str>,
        /// What is wrong with its value.
        problem: &'static str,
        /// The queue or exchange that the call was about.
        entity: Option<Box<Entity>>,
    },
    /// Delivery tag 0, which is no delivery's. With `multiple` it stands for all of them.
    DeliveryTagZero,
}

impl ArgumentError {
    pub(crate) fn contradiction(one: &'static str, other: &'static str) -> Self {
        let entity = None;
        Self::Contradiction { one, other, entity }
    }

    pub(crate) fn missing(option: &'static str, needs: &'static str) -> Self {
        let entity = None;
        Self::Missing {
            option,
            needs,
            entity,
        }
    }

    pub(crate) fn value(argument: &'static str, expected: &'static str) -> Self {
        let entity = None;
        Self::Value {
            argument,
            expected,
            entity,
        }
    }

    pub(crate) fn field(path: &str, problem: &'static str) -> Self {
        /// Characters that show where even a value is that is nested deep.
        const SHOWN: usize = 256;
        Self::Field {
            name: path.chars().take(SHOWN).collect(),
            problem,
            entity: None,
        }
    }

    /// Says what the call was about.
    pub(crate) fn about(mut self, subject: Subject<'_>) -> Self {
        match &mut self {
            Self::Contradiction { entity, .. }
            | Self::Missing { entity, .. }
            | Self::Value { entity, .. }
            | Self::Field { entity, .. } => *entity = subject.entity().map(Box::new),
            Self::DeliveryTagZero => {}
        }
        self
    }

    /// The queue or exchange that the call was about, if it was about one with a name.
    #[must_use]
    pub fn entity(&self) -> Option<&Entity> {
        match self {
            Self::Contradiction { entity, .. }
            | Self::Missing { entity, .. }
            | Self::Value { entity, .. }
            | Self::Field { entity, .. } => entity.as_deref(),
            Self::DeliveryTagZero => None,
        }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contradiction { one, other, .. } => write!(f, "{one} excludes {other}"),
            Self::Missing { option, needs, .. } => write!(f, "{option} needs {needs}"),
            Self::Value {
                argument, expected, ..
            } => write!(f, "{argument} must be {expected}"),
            Self::Field { name, problem, .. } => write!(f, "{name:?} {problem}"),
            Self::DeliveryTagZero => f.write_str("delivery tag 0 is no delivery's"),
        }?;
        match self.entity() {
            Some(entity) => write!(f, " ({entity})"),
            None => Ok(()),
        }
    }
}

debug_is_text!(ArgumentError {
    Contradiction { one, other, entity },
    Missing { option, needs, entity },
    Value { argument, expected, entity },
    Field { name, problem, entity },
    DeliveryTagZero,
});

impl std::error::Error for ArgumentError {}
