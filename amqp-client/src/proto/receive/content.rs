//! Content that arrives piece by piece: method, header, then body frames.
//!
//! ```text
//! Idle ──deliver, get-ok, return──▶ Header ──header──▶ Body ──last body frame──▶ Idle
//!                                      ├──header of size 0──▶ Idle
//!                                      └──header of too large a size──▶ Skip ──last body frame──▶ Idle
//! ```
//!
//! Most messages never come here: when all their frames are at hand they are copied at once.
//! A size that the header announces is a claim; memory follows the octets that have really come.

use amqp_spec::basic;
use amqp_spec::frame::ContentHeader;
use amqp_spec::wire::{ShortStr, TypedMethod};

use crate::error::Violation;
use crate::message::numbered::Numbered;
use crate::message::{Incoming, Layout, offset};
use crate::proto::send::request::Slot;

/// What is reserved at once for an announced body, at most.
const TRUSTED: usize = 1024 * 1024;

/// The method that has announced the content.
#[derive(Debug)]
pub(crate) enum Announced {
    Delivery {
        consumer_tag: Box<[u8]>,
        numbered: Numbered,
        redelivered: bool,
    },
    Get {
        slot: Slot,
        payload: Vec<u8>,
        no_ack: bool,
    },
    Return,
}

/// The state of one channel's content.
#[derive(Debug, Default)]
pub(crate) enum Content {
    #[default]
    Idle,
    Header {
        by: Announced,
        raw: Vec<u8>,
        at: Layout,
    },
    Body {
        by: Announced,
        raw: Vec<u8>,
        at: Layout,
        remaining: u64,
    },
    /// A body that is not kept.
    Skip { remaining: u64 },
}

/// A message all of whose frames have come.
#[derive(Debug)]
pub(crate) struct Complete {
    pub(crate) by: Announced,
    pub(crate) message: Incoming,
}

impl Content {
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// The request whose message is under way.
    pub(crate) fn fetching(&self) -> Option<&Slot> {
        match self {
            Self::Header { by, .. } | Self::Body { by, .. } => match by {
                Announced::Get { slot, .. } => Some(slot),
                Announced::Delivery { .. } | Announced::Return => None,
            },
            Self::Idle | Self::Skip { .. } => None,
        }
    }

    pub(crate) fn fetching_mut(&mut self) -> Option<&mut Slot> {
        match self {
            Self::Header { by, .. } | Self::Body { by, .. } => match by {
                Announced::Get { slot, .. } => Some(slot),
                Announced::Delivery { .. } | Announced::Return => None,
            },
            Self::Idle | Self::Skip { .. } => None,
        }
    }

    /// The tag of the consumer whose delivery is under way.
    pub(super) fn consumer_tag(&self) -> Option<&[u8]> {
        match self {
            Self::Header { by, .. } | Self::Body { by, .. } => match by {
                Announced::Delivery { consumer_tag, .. } => Some(consumer_tag),
                Announced::Get { .. } | Announced::Return => None,
            },
            Self::Idle | Self::Skip { .. } => None,
        }
    }

    /// What has to come next.
    pub(crate) fn expected(&self) -> String {
        let of = |by: &Announced| match by {
            Announced::Delivery { .. } => basic::Deliver::NAME,
            Announced::Get { .. } => basic::GetOk::NAME,
            Announced::Return => basic::Return::NAME,
        };
        match self {
            Self::Idle => "a method".to_owned(),
            Self::Header { by, .. } => format!("the content header of {}", of(by)),
            Self::Body { by, .. } => format!("the content body of {}", of(by)),
            Self::Skip { .. } => "the rest of a content body".to_owned(),
        }
    }

    /// Whether this is a message of ours that comes back.
    pub(crate) fn is_return(&self) -> bool {
        matches!(
            self,
            Self::Header {
                by: Announced::Return,
                ..
            }
        )
    }

    /// Whether the body under way is not kept.
    pub(crate) fn is_skipped(&self) -> bool {
        matches!(self, Self::Skip { .. })
    }

    /// The method has come.
    pub(crate) fn announce(&mut self, by: Announced, arguments: &[u8], at: Layout) {
        *self = Self::Header {
            by,
            raw: arguments.to_vec(),
            at,
        };
    }

    /// The header has come.
    pub(crate) fn header(
        &mut self,
        channel: u16,
        header: &ContentHeader<'_>,
    ) -> Result<Option<Complete>, Violation> {
        let (by, mut raw, mut at) = self.take_announced(channel)?;
        let announced = usize::try_from(header.body_size).unwrap_or(usize::MAX);
        raw.reserve_exact(
            header
                .properties
                .len()
                .saturating_add(announced.min(TRUSTED)),
        );
        at.properties = offset(raw.len());
        raw.extend_from_slice(header.properties);
        at.properties_end = offset(raw.len());
        at.body = at.properties_end;
        if header.body_size == 0 {
            return Ok(Some(Complete {
                by,
                message: Incoming::new(raw.into_boxed_slice(), at),
            }));
        }
        *self = Self::Body {
            by,
            raw,
            at,
            remaining: header.body_size,
        };
        Ok(None)
    }

    /// The header has come, of a message whose body is not to be kept. Gives the rest of it.
    pub(crate) fn skip(
        &mut self,
        channel: u16,
        header: &ContentHeader<'_>,
    ) -> Result<(Announced, Incoming), Violation> {
        let (by, mut raw, mut at) = self.take_announced(channel)?;
        at.properties = offset(raw.len());
        raw.extend_from_slice(header.properties);
        at.properties_end = offset(raw.len());
        at.body = at.properties_end;
        *self = Self::Skip {
            remaining: header.body_size,
        };
        Ok((by, Incoming::new(raw.into_boxed_slice(), at)))
    }

    /// Out of place a header leaves everything as it is: a caller may wait for what was under way.
    fn take_announced(&mut self, channel: u16) -> Result<(Announced, Vec<u8>, Layout), Violation> {
        match std::mem::take(self) {
            Self::Header { by, raw, at } => Ok((by, raw, at)),
            other => {
                *self = other;
                Err(Violation::content(
                    channel,
                    "content header",
                    self.expected(),
                ))
            }
        }
    }

    /// A body frame has come, whole.
    pub(crate) fn body(
        &mut self,
        channel: u16,
        payload: &[u8],
    ) -> Result<Option<Complete>, Violation> {
        self.expect(channel, payload.len())?;
        self.append(payload);
        Ok(self.finish())
    }

    /// A body frame of this size has begun: checks that it belongs here.
    pub(crate) fn expect(&self, channel: u16, size: usize) -> Result<(), Violation> {
        match self {
            Self::Body { remaining, .. } | Self::Skip { remaining }
                if *remaining >= size as u64 =>
            {
                Ok(())
            }
            Self::Body { .. } | Self::Skip { .. } => Err(Violation::BodyTooLong { channel }),
            Self::Idle | Self::Header { .. } => {
                Err(Violation::content(channel, "content body", self.expected()))
            }
        }
    }

    /// Appends a piece of a body frame that was expected.
    pub(crate) fn append(&mut self, piece: &[u8]) {
        if let Some(raw) = self.space(piece.len()) {
            raw.extend_from_slice(piece);
        }
        self.appended(piece.len());
    }

    /// Where the next `n` octets of the body go; there is room for some of them at least.
    pub(crate) fn space(&mut self, n: usize) -> Option<&mut Vec<u8>> {
        let Self::Body { raw, remaining, .. } = self else {
            return None;
        };
        if raw.capacity() - raw.len() < n {
            // As much again as has come, and never more than will: the last growth is exact.
            let all = usize::try_from(*remaining).unwrap_or(usize::MAX);
            raw.reserve_exact(all.min(raw.len().max(n)));
        }
        Some(raw)
    }

    /// `n` octets have been appended.
    pub(crate) fn appended(&mut self, n: usize) {
        if let Self::Body { remaining, .. } | Self::Skip { remaining } = self {
            *remaining = remaining.saturating_sub(n as u64);
        }
    }

    /// The message, if a body frame was its last.
    pub(crate) fn finish(&mut self) -> Option<Complete> {
        let is_whole = matches!(
            self,
            Self::Body { remaining: 0, .. } | Self::Skip { remaining: 0 }
        );
        if !is_whole {
            return None;
        }
        match std::mem::take(self) {
            Self::Body { by, raw, at, .. } => Some(Complete {
                by,
                message: Incoming::new(raw.into_boxed_slice(), at),
            }),
            Self::Idle | Self::Header { .. } | Self::Skip { .. } => None,
        }
    }
}

/// Reads a content header and holds it against what the connection accepts.
#[inline]
pub(crate) fn check_header<'a>(
    channel: u16,
    payload: &'a [u8],
) -> Result<ContentHeader<'a>, Violation> {
    let header = ContentHeader::decode(payload).map_err(Violation::Decode)?;
    if header.class_id != basic::CLASS_ID {
        let found = format!("content header of class {}", header.class_id);
        let expected = format!("one of class {}", basic::CLASS_ID);
        return Err(Violation::content(channel, found, expected));
    }
    basic::PropertiesRef::decode(header.properties).map_err(Violation::Decode)?;
    Ok(header)
}

/// Where exchange and routing key stand behind the consumer tag, delivery tag and redelivered bit
/// of `basic.deliver`.
pub(crate) fn layout_of_deliver(deliver: &basic::Deliver<'_>) -> Layout {
    names_at(1 + deliver.consumer_tag.len() + 8 + 1, deliver.exchange)
}

/// The same for `basic.get-ok`: behind delivery tag and redelivered bit.
pub(crate) fn layout_of_get_ok(get_ok: &basic::GetOk<'_>) -> Layout {
    names_at(8 + 1, get_ok.exchange)
}

/// The same for `basic.return`: behind reply code and reply text.
pub(crate) fn layout_of_return(returned: &basic::Return<'_>) -> Layout {
    names_at(2 + 1 + returned.reply_text.len(), returned.exchange)
}

fn names_at(exchange_at: usize, exchange: ShortStr<'_>) -> Layout {
    let short = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
    Layout {
        exchange: short(exchange_at),
        routing_key: short(exchange_at + 1 + exchange.len()),
        ..Layout::default()
    }
}
