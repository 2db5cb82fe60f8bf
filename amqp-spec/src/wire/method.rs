//! What every method has: an id, a name, and octets.
//!
//! The traits say at compile time which reply belongs to which request. They are implemented by
//! the generated structs; the set of methods is closed by the specification, but anyone who
//! generates code from an extension of it implements them for its methods as well.

use alloc::vec::Vec;

use super::{DecodeError, DecodeErrorKind, MethodId, Reader};

/// A method with its arguments, as a struct.
///
/// What `encode` writes and `decode` reads is the payload of a method frame: class id, method id
/// and arguments. [`crate::frame::encode_method`] puts the frame around it.
pub trait TypedMethod<'a>: Sized {
    /// Class id and method id.
    const ID: MethodId;

    /// The name in the specification: `queue.declare`.
    const NAME: &'static str;

    /// The number of octets that [`encode`](Self::encode) appends.
    fn encoded_len(&self) -> usize;

    /// Appends the arguments without the id.
    fn encode_arguments(&self, buf: &mut Vec<u8>);

    /// Reads the arguments, from behind the id. Octets that follow them are left alone.
    ///
    /// # Errors
    ///
    /// The octets end too early.
    fn decode_arguments(arguments: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Appends id and arguments.
    #[inline]
    fn encode(&self, buf: &mut Vec<u8>) {
        buf.reserve(self.encoded_len());
        buf.extend_from_slice(&Self::ID.to_be_bytes());
        self.encode_arguments(buf);
    }

    /// Reads a payload that must hold this method and nothing else.
    ///
    /// # Errors
    ///
    /// It is another method, the octets end too early, or octets are left.
    #[inline]
    fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let id = reader.method_id()?;
        if id != Self::ID {
            return Err(DecodeError::unexpected_method(Self::NAME, id));
        }
        let method = Self::decode_arguments(&mut reader)?;
        reader.finish(Self::NAME)?;
        Ok(method)
    }
}

/// A method that the peer answers.
pub trait Request {
    /// The method, or the choice of methods, that answers it.
    type Reply<'r>: Reply<'r>;
}

/// A method that answers a request, or an enum of all methods that answer one request.
pub trait Reply<'r>: Sized {
    /// The ids of the methods that can be decoded as this reply.
    const IDS: &'static [MethodId];

    /// Reads the payload of a method frame.
    ///
    /// # Errors
    ///
    /// The method is none of [`IDS`](Self::IDS), or its octets are malformed.
    fn decode_reply(payload: &'r [u8]) -> Result<Self, DecodeError>;
}

impl<'a> Reader<'a> {
    /// Reads the class id and method id at the start of a method frame's payload.
    ///
    /// # Errors
    ///
    /// Fewer than four octets are left.
    #[inline]
    pub fn method_id(&mut self) -> Result<MethodId, DecodeError> {
        self.u32("method id").map(MethodId::from_u32)
    }

    /// Checks that everything has been read.
    ///
    /// # Errors
    ///
    /// Octets are left.
    #[inline]
    pub fn finish(&self, what: &'static str) -> Result<(), DecodeError> {
        if self.rest().is_empty() {
            return Ok(());
        }
        Err(trailing(self.rest().len(), self.offset(), what))
    }
}

#[cold]
pub(super) fn trailing(count: usize, offset: usize, what: &'static str) -> DecodeError {
    DecodeError::new(what, offset, DecodeErrorKind::TrailingOctets { count })
}
