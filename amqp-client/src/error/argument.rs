//! What is wrong with a call before anything is sent.

use std::fmt;

/// A call that the broker would refuse, or would not take as it is meant. Nothing was sent; the
/// channel is still usable.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ArgumentError {
    /// Two options that exclude each other: `x-queue-type: quorum` and `exclusive`.
    Contradiction {
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// An option that means nothing, or not what it says, without another.
    Missing {
        /// The option that is there.
        option: &'static str,
        /// The one that is not.
        needs: &'static str,
    },
    /// An argument with a value that it cannot have.
    Value {
        /// The argument: `x-expires`.
        argument: &'static str,
        /// What it can be.
        expected: &'static str,
    },
    /// Delivery tag 0, which is no delivery's. With `multiple` it stands for all of them.
    DeliveryTagZero,
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contradiction { one, other } => write!(f, "{one} excludes {other}"),
            Self::Missing { option, needs } => write!(f, "{option} needs {needs}"),
            Self::Value { argument, expected } => write!(f, "{argument} must be {expected}"),
            Self::DeliveryTagZero => f.write_str("delivery tag 0 is no delivery's"),
        }
    }
}

impl std::error::Error for ArgumentError {}
