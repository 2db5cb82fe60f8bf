//! What can be wrong with octets that were received, and with a string that is to be sent.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use super::MethodId;

/// Octets that are not what the protocol says should be there.
///
/// The message names what was being read in the words of the specification, the position at which
/// it went wrong, and why: `queue.declare-ok.message-count at octet 10: 4 octets needed, 2 left`.
/// Positions count from the start of what was decoded: the payload of a method, a list of
/// properties, or the contents of one field table.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DecodeError {
    what: &'static str,
    property: Option<u16>,
    offset: usize,
    kind: DecodeErrorKind,
}

/// The ways in which decoding fails.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The octets end inside the value.
    UnexpectedEnd {
        /// How many octets the value takes from here on, as far as that is known.
        needed: usize,
        /// How many octets there are.
        left: usize,
    },
    /// Octets are left after the last value.
    TrailingOctets {
        /// How many are left.
        count: usize,
    },
    /// No method of the specification has this id.
    UnknownMethod {
        /// The class id and method id that were found.
        id: MethodId,
    },
    /// A known method, but not one that can be here.
    UnexpectedMethod {
        /// The class id and method id that were found.
        found: MethodId,
    },
    /// A field value whose tag neither the specification nor RabbitMQ knows. As nothing tells the
    /// length of such a value, nothing behind it can be read either.
    UnknownTag {
        /// The tag octet.
        tag: u8,
    },
    /// Tables and arrays are nested deeper than the reader allows.
    TooDeep,
    /// No value, but what stands in the place of one that AMQP cannot carry: the table was built by
    /// this program. See [`ToValue`](super::ToValue).
    NotRepresentable(NotRepresentable),
}

impl DecodeError {
    /// A method id that no method of the specification has.
    #[cold]
    pub const fn unknown_method(class_id: u16, method_id: u16) -> Self {
        let id = MethodId::new(class_id, method_id);
        Self::new("method", 0, DecodeErrorKind::UnknownMethod { id })
    }

    /// The method `found` where only `expected` is possible.
    #[cold]
    pub const fn unexpected_method(expected: &'static str, found: MethodId) -> Self {
        Self::new(expected, 0, DecodeErrorKind::UnexpectedMethod { found })
    }

    #[cold]
    pub(crate) const fn new(what: &'static str, offset: usize, kind: DecodeErrorKind) -> Self {
        Self {
            what,
            property: None,
            offset,
            kind,
        }
    }

    /// The same error, said of the property at `index` of its class.
    #[cold]
    pub(super) const fn in_property(mut self, index: u16) -> Self {
        self.property = Some(index);
        self
    }

    /// What was being read, in the words of the specification: `queue.declare-ok.message-count`.
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// The position among the properties of its class (from 0) of the property being read.
    pub const fn property(&self) -> Option<u16> {
        self.property
    }

    /// The position of the octet at which reading stopped.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What was wrong.
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        if let Some(index) = self.property {
            write!(f, ", property {}", u32::from(index) + 1)?;
        }
        write!(f, " at octet {}: {}", self.offset, self.kind)
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedEnd { needed, left } => {
                write!(f, "{needed} octets needed, {left} left")
            }
            Self::TrailingOctets { count } => write!(f, "{count} octets too many"),
            Self::UnknownMethod { id } => write!(f, "no method has the id {id}"),
            Self::UnexpectedMethod { found } => write!(f, "found the method with the id {found}"),
            Self::UnknownTag { tag } => {
                write!(
                    f,
                    "unknown field value tag '{}' ({tag:#04x})",
                    tag.escape_ascii()
                )
            }
            Self::TooDeep => f.write_str("nested too deep"),
            Self::NotRepresentable(why) => f.write_str(why.as_str()),
        }
    }
}

impl Error for DecodeError {}

/// A string with more octets than its type on the wire can hold.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TooLong {
    len: usize,
    max: usize,
}

impl TooLong {
    #[cold]
    pub(super) const fn new(len: usize, max: usize) -> Self {
        Self { len, max }
    }

    /// The number of octets of the string. Octets, not characters.
    #[expect(
        clippy::len_without_is_empty,
        reason = "the length of what was refused, never empty"
    )]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The largest number of octets that would have been accepted.
    pub const fn max(&self) -> usize {
        self.max
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a string of {} octets where at most {} are possible",
            self.len, self.max
        )
    }
}

impl Error for TooLong {}

/// What AMQP cannot carry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum NotRepresentable {
    /// An integer above 2⁶³ - 1.
    Integer,
    /// A point in time before 1970.
    Time,
    /// A name of more than 255 octets.
    Name,
}

/// A sentence of its own: "a value is an integer above …".
impl fmt::Display for NotRepresentable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value {}", self.as_str())
    }
}

impl Error for NotRepresentable {}

impl NotRepresentable {
    /// What is wrong, said of a value: "is an integer above …".
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "is an integer above 9223372036854775807, the largest of AMQP",
            Self::Time => "is a time before 1970, when AMQP's begin",
            Self::Name => "has a name of more than 255 octets",
        }
    }

    /// The tag of no value.
    pub(super) const TAG: u8 = 0;

    /// Appends what stands in the place of a value.
    #[cold]
    pub(super) fn encode(self, buf: &mut Vec<u8>) {
        let code = match self {
            Self::Integer => 1,
            Self::Time => 2,
            Self::Name => 3,
        };
        buf.extend_from_slice(&[Self::TAG, code]);
    }

    /// What the octet behind the tag stands for.
    pub(super) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Integer),
            2 => Some(Self::Time),
            3 => Some(Self::Name),
            _ => None,
        }
    }
}
