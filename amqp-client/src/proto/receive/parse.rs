//! Parsing what was read.
//!
//! ```text
//! read ──▶ whole deliveries, confirms, contents: gathered, and handed over once per read
//!     └──▶ all other methods, messages that were fetched or came back: yielded, one by one
//! ```
//!
//! [`Receive`] owns what that needs: the read buffer, the channels, the large body under way. The
//! bulk of all traffic stays within [`Receive::next`]; what is rare is the core's to dispatch
//! ([`crate::proto::dispatch`]).

use std::ops::Range;
use std::sync::Arc;

use amqp_spec::basic;
use amqp_spec::frame::{self, Frame, FrameError, FrameKind};
use amqp_spec::wire::{MethodId, Reader, TypedMethod};
use bytes::buf::Limit;

use super::channels::InChannels;
use super::content::{self, Announced, Complete};
use super::large_body::{LargeBody, Taken};
use super::read_buffer::ReadBuffer;
use super::whole_delivery::WholeDelivery;
use super::{late, oversized};
use crate::error::Violation;
use crate::message::RawDelivery;
use crate::proto::outside::Outside;
use crate::proto::shared::connection::ConnectionShared;

/// Larger payloads are not accepted. Smaller ones are, whatever was negotiated: RabbitMQ ignores
/// `frame_max` for the methods and headers that it sends.
const MAX_PAYLOAD: usize = 1024 * 1024;

/// What is parsed in one turn of the driver, in frames. What one read brings of deliveries and
/// confirms is less, however small they are.
const MOST_WORK: usize = 32 * 1024;

/// What a frame costs, in frames: a rare method wakes tasks, tells listeners and subscribers, and
/// may have to be answered.
fn cost(frame: &Frame<'_>) -> usize {
    const RARE: usize = 64;
    match (frame.kind, MethodId::peek(frame.payload)) {
        (FrameKind::Method, Some(basic::Deliver::ID | basic::Ack::ID | basic::Nack::ID)) => 1,
        (FrameKind::Method, _) => RARE,
        _ => 1,
    }
}

/// Whether these octets tell another protocol: a protocol header, or an alert of TLS, which is
/// shorter.
fn is_enough(octets: &[u8]) -> bool {
    const ALERT: u8 = 0x15;
    const ALERT_LEN: usize = 7;
    let enough = match octets.first() {
        Some(&ALERT) => ALERT_LEN,
        _ => frame::PROTOCOL_HEADER.len(),
    };
    octets.len() >= enough
}

/// The receiving side of a connection.
pub(crate) struct Receive {
    input: ReadBuffer,
    large: LargeBody,
    channels: InChannels,
    /// Larger bodies are skipped.
    max_message_size: u64,
    /// `connection.start` has come: what is read is AMQP.
    greeted: bool,
    /// Frames parsed in this read.
    frames: usize,
    /// What parsing has cost in this turn, in frames.
    work: usize,
    /// Parsing has stopped because of that, and goes on in the next turn.
    more: bool,
}

/// What has been read and not been parsed.
pub(crate) struct Unparsed<'a> {
    octets: &'a [u8],
    used: usize,
}

/// What comes rarely, and is the core's to dispatch.
pub(crate) enum Rare<'a> {
    Method(Frame<'a>),
    /// A message that was fetched, or has come back, is complete.
    Message(u16, Complete),
}

impl<'a> Unparsed<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { octets, used: 0 }
    }

    /// How many octets have been parsed.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.octets.get(self.used..).unwrap_or_default()
    }
}

impl Receive {
    pub(crate) fn new(
        connection: Arc<ConnectionShared>,
        max_message_size: u64,
        inbound_limit: usize,
    ) -> Self {
        Self {
            input: ReadBuffer::new(),
            large: LargeBody::default(),
            channels: InChannels::new(connection, inbound_limit),
            max_message_size: match max_message_size {
                0 => u64::MAX,
                limit => limit,
            },
            greeted: false,
            frames: 0,
            work: 0,
            more: false,
        }
    }

    #[inline]
    pub(crate) fn channels(&self) -> &InChannels {
        &self.channels
    }

    #[inline]
    pub(crate) fn channels_mut(&mut self) -> &mut InChannels {
        &mut self.channels
    }

    /// Where the stream is read into; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        let limit = self.large.read_limit();
        let space = self.input.space();
        let n = space.len().min(limit);
        space.get_mut(..n).unwrap_or_default()
    }

    /// `n` octets have been read into the space.
    #[inline]
    pub(crate) fn filled(&mut self, n: usize) {
        self.input.filled(n);
    }

    /// Where the stream may be read into instead while a large message arrives.
    pub(crate) fn body_space(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        if !self.input.is_empty() {
            return None;
        }
        self.large.space(&mut self.channels)
    }

    /// Whether a large message arrives.
    pub(crate) fn is_amid_large_body(&self) -> bool {
        self.large.is_under_way()
    }

    /// `n` octets have been read into the space of the body.
    pub(crate) fn body_filled(&mut self, n: usize) {
        self.large.filled(n, &mut self.channels);
    }

    /// Gives memory back that is not in use.
    pub(crate) fn rest(&mut self) {
        self.input.rest();
    }

    /// The handshake has begun: what is read is AMQP.
    pub(crate) fn set_greeted(&mut self) {
        self.greeted = true;
    }

    /// Begins a turn: whether parsing has stopped in the last one, and is to go on.
    #[inline]
    pub(crate) fn begin_turn(&mut self) -> bool {
        self.work = 0;
        std::mem::take(&mut self.more)
    }

    /// Whether parsing goes on in the next turn.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Takes out the memory to be parsed, and where in it that is; give it back with
    /// [`end_parsing`](Self::end_parsing).
    #[inline]
    pub(crate) fn begin_parsing(&mut self) -> (Vec<u8>, Range<usize>) {
        self.large.begin_parsing();
        self.input.take()
    }

    /// Gives the memory back, of which `used` octets have been parsed.
    #[inline]
    pub(crate) fn end_parsing(&mut self, memory: Vec<u8>, used: usize, outside: &Outside) {
        let frames = std::mem::take(&mut self.frames);
        outside.shared().totals.frames_received.add(frames);
        self.input.put_back(memory, used);
    }

    /// Whether parsing has cost as much as it may in one turn; then it goes on in the next.
    #[inline]
    pub(crate) fn has_had_enough(&mut self) -> bool {
        self.more |= self.work >= MOST_WORK;
        self.more
    }

    /// Parses up to the next that is rare; `None` if there is none for now.
    pub(crate) fn next<'a>(
        &mut self,
        unparsed: &mut Unparsed<'a>,
        outside: &mut Outside,
    ) -> Result<Option<Rare<'a>>, Violation> {
        if self.large.is_under_way() {
            let taken = self.large.go_on(unparsed.rest(), &mut self.channels)?;
            if let Some(rare) = self.taken(taken, unparsed, outside)? {
                return Ok(Some(rare));
            }
        }
        loop {
            let rest = unparsed.rest();
            let whole = WholeDelivery::recognise(rest, MAX_PAYLOAD, self.max_message_size);
            if let Some(whole) = whole.filter(|whole| self.channels.take_whole(whole)) {
                self.frames += whole.frames;
                unparsed.used += whole.used;
                continue;
            }
            let (frame, used) = match frame::decode(rest, MAX_PAYLOAD) {
                Ok(Some(decoded)) => decoded,
                Ok(None) => {
                    let taken = self.large.begin(rest, &mut self.channels)?;
                    return self.taken(taken, unparsed, outside);
                }
                // Another protocol is told by its first octets, however they are split.
                Err(_) if !self.greeted && !is_enough(rest) => return Ok(None),
                Err(error) => return Err(self.no_frame(rest, error)),
            };
            unparsed.used += used;
            self.frames += 1;
            self.work += cost(&frame);
            let rare = self.frame(frame, outside)?;
            if rare.is_some() {
                return Ok(rare);
            }
            if self.has_had_enough() {
                return Ok(None);
            }
        }
    }

    #[inline]
    fn frame<'a>(
        &mut self,
        frame: Frame<'a>,
        outside: &mut Outside,
    ) -> Result<Option<Rare<'a>>, Violation> {
        match frame.kind {
            FrameKind::Method => match MethodId::peek(frame.payload) {
                Some(basic::Ack::ID) => self.ack(&frame, outside)?,
                Some(basic::Nack::ID) => self.nack(&frame, outside)?,
                Some(basic::Deliver::ID) => self.deliver(&frame, outside)?,
                _ => return Ok(Some(Rare::Method(frame))),
            },
            FrameKind::Header => return self.header(&frame, outside),
            FrameKind::Body => return self.body(&frame, outside),
            FrameKind::Heartbeat => {}
        }
        Ok(None)
    }

    /// What is no frame is another protocol, if nothing came before it.
    #[cold]
    fn no_frame(&self, octets: &[u8], error: FrameError) -> Violation {
        match error {
            FrameError::ProtocolHeader | FrameError::UnknownKind(_) if !self.greeted => {
                Violation::protocol_header(octets)
            }
            // Amid a conversation it is an octet like any other that begins no frame.
            FrameError::ProtocolHeader => Violation::Frame(FrameError::UnknownKind(b'A')),
            error => Violation::Frame(error),
        }
    }

    /// The beginning of another protocol, of which nothing more will come.
    #[cold]
    pub(crate) fn cut_short(&mut self) -> Option<Violation> {
        if self.greeted || self.input.is_empty() {
            return None;
        }
        let (memory, range) = self.input.take();
        let octets = memory.get(range).unwrap_or_default();
        let violation = match frame::decode(octets, MAX_PAYLOAD) {
            Ok(_) => None,
            Err(error) => Some(self.no_frame(octets, error)),
        };
        self.input.put_back(memory, 0);
        violation
    }

    #[inline]
    fn ack(&mut self, frame: &Frame<'_>, outside: &mut Outside) -> Result<(), Violation> {
        let ack = basic::Ack::decode(frame.payload).map_err(Violation::Decode)?;
        let answer = (ack.delivery_tag, ack.multiple, false);
        self.channels.confirmed(frame.channel, answer, outside)
    }

    fn nack(&mut self, frame: &Frame<'_>, outside: &mut Outside) -> Result<(), Violation> {
        let nack = basic::Nack::decode(frame.payload).map_err(Violation::Decode)?;
        let answer = (nack.delivery_tag, nack.multiple, true);
        self.channels.confirmed(frame.channel, answer, outside)
    }

    /// A delivery begins whose frames are not all at hand.
    fn deliver(&mut self, frame: &Frame<'_>, outside: &mut Outside) -> Result<(), Violation> {
        let arguments = frame.payload.get(4..).unwrap_or_default();
        let mut reader = Reader::new(arguments);
        let deliver = basic::Deliver::decode_arguments(&mut reader).map_err(Violation::Decode)?;
        let Some(channel) = self.channels.of_frame(frame.channel)? else {
            return Ok(());
        };
        channel.check_not_amid_content(basic::Deliver::NAME)?;
        let by = Announced::Delivery {
            consumer_tag: deliver.consumer_tag.as_bytes().into(),
            numbered: channel.numbering().number(deliver.delivery_tag),
            redelivered: deliver.redelivered,
        };
        let layout = content::layout_of_deliver(&deliver);
        channel.announce(by, arguments, layout);
        // Confirms that follow are looked at anew: they may not stand within the content.
        self.channels.hand_over_confirms(outside);
        Ok(())
    }

    fn header<'a>(
        &mut self,
        frame: &Frame<'_>,
        outside: &mut Outside,
    ) -> Result<Option<Rare<'a>>, Violation> {
        let (id, limit) = (frame.channel, self.max_message_size);
        let channels = &mut self.channels;
        if channels.of_frame(id)?.is_none() {
            return Ok(None);
        }
        let header = content::check_header(id, frame.payload)?;
        if oversized::is_oversized(id, header.body_size, limit, channels, outside)? {
            oversized::skip(id, &header, limit, channels, outside)?;
            return Ok(None);
        }
        let Some(channel) = channels.of_frame(id)? else {
            return Ok(None);
        };
        let complete = channel.content.header(id, &header)?;
        self.complete(id, complete, outside)
    }

    fn body<'a>(
        &mut self,
        frame: &Frame<'_>,
        outside: &mut Outside,
    ) -> Result<Option<Rare<'a>>, Violation> {
        let Some(channel) = self.channels.of_frame(frame.channel)? else {
            return Ok(None);
        };
        let complete = channel.content.body(frame.channel, frame.payload)?;
        self.complete(frame.channel, complete, outside)
    }

    /// Part of a large body frame has been taken.
    fn taken<'a>(
        &mut self,
        taken: Taken,
        unparsed: &mut Unparsed<'_>,
        outside: &mut Outside,
    ) -> Result<Option<Rare<'a>>, Violation> {
        unparsed.used += taken.used;
        let Some(channel) = taken.ended else {
            return Ok(None);
        };
        self.frames += 1;
        self.complete(channel, taken.complete, outside)
    }

    /// A delivery that is complete is gathered; other messages are rare.
    fn complete<'a>(
        &mut self,
        id: u16,
        complete: Option<Complete>,
        outside: &mut Outside,
    ) -> Result<Option<Rare<'a>>, Violation> {
        let Some(Complete { by, message }) = complete else {
            return Ok(None);
        };
        let Announced::Delivery {
            consumer_tag: tag,
            numbered,
            redelivered,
        } = by
        else {
            return Ok(Some(Rare::Message(id, Complete { by, message })));
        };
        let channels = &mut self.channels;
        let delivery = RawDelivery::new(message, numbered, redelivered);
        if let Some(delivery) = channels.gather(id, &tag, delivery) {
            late::deliver(id, &tag, delivery, channels, outside);
        }
        Ok(None)
    }
}
