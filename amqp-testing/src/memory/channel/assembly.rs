//! From frames to methods with their contents, as `rabbit_command_assembler` puts them together.
//!
//! ```text
//!            method with content            header, body follows
//!   Method ───────────────────▶ Header ───────────────────────▶ Body
//!     ▲ ◀──────────────────────────┘ empty                        │ complete
//!     └───────────────────────────────────────────────────────────┘
//! ```

use amqp_spec::frame::ContentHeader;
use amqp_spec::wire::{MethodId, ShortString, TypedMethod};
use amqp_spec::{Method, ReplyCode, basic};

use crate::memory::decode::{self, Unreadable};
use crate::memory::refusal::Refusal;

/// A method that carries a content, while that arrives.
#[derive(Clone, Debug)]
pub(in crate::memory) enum Carrier {
    Publish(Publish),
    /// One that only a broker sends.
    Other(MethodId),
}

impl Carrier {
    pub(in crate::memory) const fn id(&self) -> MethodId {
        match self {
            Self::Publish(_) => basic::Publish::ID,
            Self::Other(id) => *id,
        }
    }
}

/// `basic.publish`, owned.
#[derive(Clone, Debug)]
pub(in crate::memory) struct Publish {
    pub(in crate::memory) exchange: ShortString,
    pub(in crate::memory) routing_key: ShortString,
    pub(in crate::memory) mandatory: bool,
    pub(in crate::memory) immediate: bool,
}

/// A content, complete.
#[derive(Debug, Default)]
pub(in crate::memory) struct Content {
    /// The encoded list, not yet looked at.
    pub(in crate::memory) properties: Vec<u8>,
    /// The body, or as much of it as is kept of one that is too large.
    pub(in crate::memory) body: Vec<u8>,
    /// How large the body was.
    pub(in crate::memory) size: u64,
}

/// What a frame completes.
#[derive(Debug)]
pub(in crate::memory) enum Fed<'a> {
    Nothing,
    Method(Method<'a>),
    Content(Carrier, Content),
}

/// A frame that does not belong here, and the method it belongs to or should have.
#[derive(Debug)]
pub(in crate::memory) struct Misfit {
    /// None where RabbitMQ fails.
    pub(in crate::memory) refusal: Option<Refusal>,
    pub(in crate::memory) method: Option<MethodId>,
}

/// The frames of one channel.
#[derive(Debug)]
pub(in crate::memory) enum Assembly {
    Method,
    Header(Carrier),
    Body {
        carrier: Carrier,
        content: Content,
        /// Goes below 0 if more arrives than was announced, and then never ends.
        left: i128,
    },
}

impl Assembly {
    pub(in crate::memory) const fn is_amid_content(&self) -> bool {
        !matches!(self, Self::Method)
    }

    pub(in crate::memory) fn method<'a>(&mut self, payload: &'a [u8]) -> Result<Fed<'a>, Misfit> {
        // What the method is decides nothing where it does not belong, unless there is none.
        if !matches!(self, Self::Method) {
            if !decode::is_known(payload) {
                return Err(Misfit {
                    refusal: None,
                    method: None,
                });
            }
            return Err(self.misfit());
        }
        let method = decode::method(payload).map_err(|unreadable| match unreadable {
            Unreadable::Fatal => Misfit {
                refusal: None,
                method: None,
            },
            Unreadable::Refused(refusal) => Misfit {
                refusal: Some(refusal),
                method: decode::id(payload),
            },
        })?;
        match method {
            Method::BasicPublish(publish) => {
                *self = Self::Header(Carrier::Publish(Publish {
                    exchange: publish.exchange.to_owned(),
                    routing_key: publish.routing_key.to_owned(),
                    mandatory: publish.mandatory,
                    immediate: publish.immediate,
                }));
                Ok(Fed::Nothing)
            }
            method if method.has_content() => {
                *self = Self::Header(Carrier::Other(method.id()));
                Ok(Fed::Nothing)
            }
            method => Ok(Fed::Method(method)),
        }
    }

    pub(in crate::memory) fn header<'a>(&mut self, payload: &[u8]) -> Result<Fed<'a>, Misfit> {
        let Self::Header(carrier) = self else {
            return Err(self.misfit());
        };
        let Ok(header) = ContentHeader::decode(payload) else {
            return Err(self.misfit());
        };
        if payload.get(2..4) != Some(&[0, 0]) {
            return Err(self.misfit());
        }
        let expected = carrier.id().class_id();
        if header.class_id != expected {
            let found = header.class_id;
            return Err(self.unexpected(format!(
                "expected content header for class {expected}, got one for class {found} instead"
            )));
        }
        let content = Content {
            properties: header.properties.to_vec(),
            body: Vec::new(),
            size: 0,
        };
        let carrier = carrier.clone();
        if header.body_size == 0 {
            *self = Self::Method;
            return Ok(Fed::Content(carrier, content));
        }
        *self = Self::Body {
            carrier,
            content,
            left: header.body_size.into(),
        };
        Ok(Fed::Nothing)
    }

    /// Keeps no more of a body than `keep` octets.
    pub(in crate::memory) fn body<'a>(
        &mut self,
        payload: &[u8],
        keep: u64,
    ) -> Result<Fed<'a>, Misfit> {
        let Self::Body {
            carrier,
            content,
            left,
        } = self
        else {
            return Err(self.misfit());
        };
        let (announced, length) = (*left, payload.len());
        *left -= i128::try_from(length).unwrap_or(i128::MAX);
        content.size += u64::try_from(length).unwrap_or(u64::MAX);
        if content.size <= keep {
            if content.body.is_empty() {
                // What is announced is not trusted beyond what has begun to arrive.
                let announced = usize::try_from(announced).unwrap_or(0);
                content.body.reserve(announced.min(2 * length));
            }
            content.body.extend_from_slice(payload);
        } else {
            content.body = Vec::new();
        }
        if *left != 0 {
            return Ok(Fed::Nothing);
        }
        let (carrier, content) = (carrier.clone(), std::mem::take(content));
        *self = Self::Method;
        Ok(Fed::Content(carrier, content))
    }

    /// What is said to a frame of another kind than the one that is due.
    fn misfit(&self) -> Misfit {
        match self {
            Self::Method => {
                self.unexpected("expected method frame, got non method frame instead".to_owned())
            }
            Self::Header(carrier) => {
                let class = carrier.id().class_id();
                self.unexpected(format!(
                    "expected content header for class {class}, got non content header frame \
                     instead"
                ))
            }
            Self::Body { .. } => self
                .unexpected("expected content body, got non content body frame instead".to_owned()),
        }
    }

    fn unexpected(&self, text: String) -> Misfit {
        let method = match self {
            Self::Method => None,
            Self::Header(carrier) | Self::Body { carrier, .. } => Some(carrier.id()),
        };
        Misfit {
            refusal: Some(Refusal::new(ReplyCode::UNEXPECTED_FRAME, text)),
            method,
        }
    }
}
