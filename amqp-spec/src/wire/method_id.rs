//! What tells on the wire which method it is.

use core::fmt;

/// The two numbers that stand for a method on the wire: class id and method id.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MethodId(u32);

impl MethodId {
    /// Puts the two numbers together.
    pub const fn new(class_id: u16, method_id: u16) -> Self {
        Self((class_id as u32) << 16 | method_id as u32)
    }

    /// Takes both in one number.
    #[inline]
    pub(super) const fn from_u32(id: u32) -> Self {
        Self(id)
    }

    /// The class: 50 for `queue.declare`.
    pub const fn class_id(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The method within its class: 10 for `queue.declare`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower half is what is asked for"
    )]
    pub const fn method_id(self) -> u16 {
        self.0 as u16
    }

    /// Both in one number, as the four octets at the start of a method frame's payload show it.
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// The four octets at the start of a method frame's payload.
    #[inline]
    pub const fn to_be_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// The id at the start of a method frame's payload, without a look at what follows.
    #[inline]
    pub fn peek(payload: &[u8]) -> Option<Self> {
        payload
            .first_chunk()
            .map(|id| Self(u32::from_be_bytes(*id)))
    }
}

impl fmt::Debug for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MethodId({}, {})", self.class_id(), self.method_id())
    }
}

impl fmt::Display for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.class_id(), self.method_id())
    }
}
