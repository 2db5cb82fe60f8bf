//! The outbox: the one place where everything that is sent gets its place in line.
//!
//! Callers encode their frames straight into a shared buffer under one short lock; the adapter
//! swaps the buffer for its spare and writes it in one go. What must agree with the order on the
//! wire is decided under the same lock: whether a channel is open, which number a publish has,
//! which reply is expected next, what follows a large body.
//!
//! ```text
//! lane "small":  buf ──────────────────────────────▶ swap ─▶ one write
//! lane "large":  large bodies, frame by frame ─────▶ vectored write, between two swaps
//! parked:        frames of one channel that must wait, either behind a large body of that channel
//!                or behind an unanswered request that allows nothing after it
//! ```
//!
//! Order within a channel never changes; channels pass each other freely. It does not know sockets,
//! clocks or tasks: a [`Waker`] is all it has of the adapter.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::task::Waker;
use std::time::Instant;

use amqp_spec::frame::{self, FrameTooLarge};
use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{basic, channel, confirm, connection, constants};
use bytes::Bytes;

use super::request::{Barrier, Slot};
use super::rope::Rope;
use crate::error::ConnectionError;
use crate::message::Body;

/// Bodies from this size on are not copied, if they were handed over.
const ZERO_COPY: usize = 16 * 1024;

/// Bodies from this size on travel in the large lane, if they take more than one frame.
const LARGE: usize = 64 * 1024;

/// How many waiting publishers one swap wakes: enough to fill a buffer, too few for a stampede.
const WAKE_PER_SWAP: usize = 64;

/// Why a publish or a settlement did not enter the outbox.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The connection has ended.
    Connection(ConnectionError),
    /// The channel is not open, or not the one that the caller means. The channel knows why.
    NotOpen,
    /// A method or header frame does not fit the negotiated size. Nothing was queued.
    TooLarge(FrameTooLarge),
}

impl From<FrameTooLarge> for Refused {
    fn from(error: FrameTooLarge) -> Self {
        Self::TooLarge(error)
    }
}

/// What to do once the lock is released: wakers are never called under it.
#[derive(Debug, Default)]
#[must_use = "somebody waits to be woken"]
pub(crate) struct Wake(Option<Waker>);

impl Wake {
    /// Wakes the adapter, if it sleeps.
    pub(crate) fn now(self) {
        if let Some(waker) = self.0 {
            waker.wake();
        }
    }
}

/// Everything that waits to be sent, and what its order decides.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Complete frames in wire order.
    small: Rope,
    /// Large bodies under way, at most one per channel; the front is served next.
    large: VecDeque<LargeBody>,
    /// Octets of `large` and of all that is parked.
    aside: usize,
    /// By channel id; grows to the highest id in use.
    channels: Vec<OutChannel>,
    /// The negotiated limits of the connection, as far as sending goes.
    frame_max: usize,
    high_water: usize,
    /// The adapter's waker; it is asleep only if `idle`.
    driver: Option<Waker>,
    idle: bool,
    /// Publishers above the high-water mark, by ticket.
    waiters: BTreeMap<u64, Waker>,
    next_ticket: u64,
    /// The last 21 octets of `buf` are an ack that a following one may be merged with.
    tail_ack: Option<TailAck>,
    /// The earliest deadline of any request; may be too early, never too late.
    deadline: Option<Instant>,
    /// Why nothing can be sent any more.
    closed: Option<ConnectionError>,
    /// `connection.close` was asked for: nothing more is accepted.
    closing: bool,
    /// Our `connection.close`, until everything accepted before it is in the small lane.
    farewell: Option<(Vec<u8>, Slot)>,
}

#[derive(Clone, Copy, Debug)]
struct TailAck {
    channel: u16,
    tag: u64,
}

/// The sending side of one channel.
#[derive(Debug, Default)]
struct OutChannel {
    /// Which use of the id this is; a handle of an earlier use is stale.
    incarnation: u32,
    state: OutState,
    /// Publishes are numbered: `confirm.select` was sent.
    confirming: bool,
    /// The number of the last publish.
    published: u64,
    /// Mandatory publishes that may come back: number, and what tells their returned message.
    mandatory: VecDeque<(u64, u64)>,
    /// How many deliveries were settled, and the highest tag of them. Equal means that everything up
    /// to that tag is settled, since tags start at 1 and have no gaps.
    settled: u64,
    max_settled: u64,
    /// Requests on the wire, the oldest first.
    in_flight: VecDeque<Slot>,
    /// Whether a body of this channel is in the large lane.
    in_large: bool,
    /// What must wait, in order. Not empty ⇒ everything new of this channel goes behind it.
    parked: VecDeque<Parked>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum OutState {
    #[default]
    Free,
    Opening,
    Open,
    Closing,
}

#[derive(Debug)]
enum Parked {
    Frames(Vec<u8>),
    Request(Vec<u8>, Slot),
    Large { head: Vec<u8>, body: Bytes },
}

impl Parked {
    fn len(&self) -> usize {
        match self {
            Self::Frames(frames) | Self::Request(frames, _) => frames.len(),
            Self::Large { head, body } => head.len() + body.len(),
        }
    }
}

/// A body in the large lane.
#[derive(Debug)]
pub(crate) struct LargeBody {
    pub(crate) channel: u16,
    /// What is still to be sent.
    pub(crate) body: Bytes,
    /// Its method and header have been taken by the adapter.
    pub(crate) headed: bool,
}

/// Appends one body frame without copying its payload.
fn append_body_frame(rope: &mut Rope, channel: u16, payload: Bytes) {
    let [c1, c0] = channel.to_be_bytes();
    // A frame's payload is limited by `frame_max`, which has 32 bits.
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let [s3, s2, s1, s0] = len.to_be_bytes();
    let head = [constants::FRAME_BODY, c1, c0, s3, s2, s1, s0];
    rope.buf().extend_from_slice(&head);
    rope.insert(payload);
    rope.buf().push(constants::FRAME_END);
}

/// The length of an ack's frame.
const ACK_LEN: usize = 21;

impl OutChannel {
    fn accepts(&self, at: At) -> bool {
        self.incarnation == at.incarnation
            && matches!(self.state, OutState::Open | OutState::Opening)
    }

    fn is_free(&self) -> bool {
        self.state == OutState::Free
    }

    /// Whether a frame may go straight to the small lane.
    fn is_direct(&self) -> bool {
        !self.in_large
            && self.parked.is_empty()
            && self
                .in_flight
                .back()
                .is_none_or(|slot| slot.barrier != Barrier::Everything)
    }

    fn number_publish(&mut self) -> u64 {
        if self.confirming {
            self.published += 1;
        }
        self.published
    }
}

/// Names one use of one channel id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct At {
    pub(crate) channel: u16,
    pub(crate) incarnation: u32,
}

/// What a publish puts in front of its body, ready to be encoded under the lock.
pub(crate) trait Head {
    /// Appends the method frame and the header frame for a body of this size, or nothing.
    fn encode(
        &self,
        buf: &mut Vec<u8>,
        channel: u16,
        body_size: usize,
        frame_max: usize,
    ) -> Result<(), FrameTooLarge>;
}

/// How a delivery is settled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Settlement {
    Ack,
    Nack { requeue: bool },
    Reject { requeue: bool },
}

/// What the adapter is to write next.
#[derive(Debug)]
pub(crate) enum Lane {
    /// Nothing; the adapter will be woken.
    Empty,
    /// The spare now holds what was queued.
    Small,
    /// Nothing is queued, yet publishers that wait have just been woken: ask again soon.
    Again,
}

impl Outbox {
    pub(crate) fn new(frame_max: usize, high_water: usize) -> Self {
        Self {
            small: Rope::default(),
            large: VecDeque::new(),
            aside: 0,
            // Channel 0 carries the connection's own methods.
            channels: vec![OutChannel {
                state: OutState::Open,
                ..OutChannel::default()
            }],
            frame_max,
            high_water,
            driver: None,
            idle: false,
            waiters: BTreeMap::new(),
            next_ticket: 0,
            tail_ack: None,
            deadline: None,
            closed: None,
            closing: false,
            farewell: None,
        }
    }

    pub(crate) fn set_frame_max(&mut self, frame_max: usize) {
        self.frame_max = frame_max;
    }

    pub(crate) fn frame_max(&self) -> usize {
        self.frame_max
    }

    /// Octets that wait to be written.
    pub(crate) fn queued(&self) -> usize {
        self.small.len() + self.aside
    }

    /// The earliest deadline of a request, or a time before it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    // ── Admission ───────────────────────────────────────────────────────────────────────────

    /// Whether there is room below the high-water mark. If not, `waker` is called when there may
    /// be, and `ticket` keeps the caller's place in line.
    pub(crate) fn admit(&mut self, ticket: &mut Option<u64>, waker: &Waker) -> bool {
        if self.queued() < self.high_water || self.closed.is_some() {
            if let Some(ticket) = ticket.take() {
                self.waiters.remove(&ticket);
            }
            return true;
        }
        let ticket = *ticket.get_or_insert_with(|| {
            self.next_ticket += 1;
            self.next_ticket
        });
        self.waiters.insert(ticket, waker.clone());
        false
    }

    /// Gives up a place in line.
    pub(crate) fn forget_waiter(&mut self, ticket: u64) {
        self.waiters.remove(&ticket);
    }

    // ── What callers send ───────────────────────────────────────────────────────────────────

    /// Queues one message whole and returns its number on the channel (0 without
    /// `confirm.select`), or queues nothing.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        at: At,
        head: &impl Head,
        body: &Body<'_>,
    ) -> Result<(u64, Wake), Refused> {
        let frame_max = self.frame_max;
        let octets = body.as_slice();
        let direct = self.channel(at)?.is_direct();
        if direct && octets.len() < ZERO_COPY {
            self.tail_ack = None;
            let buf = self.small.buf();
            head.encode(buf, at.channel, octets.len(), frame_max)?;
            frame::encode_body(buf, at.channel, octets, frame_max);
        } else if direct && octets.len() <= self.max_payload() {
            self.publish_uncopied(at, head, body)?;
        } else {
            self.publish_aside(at, head, body)?;
        }
        let number = self.channel(at)?.number_publish();
        Ok((number, self.wake()))
    }

    /// Queues a message whose body is one frame, which need not be copied if it was handed over.
    fn publish_uncopied(
        &mut self,
        at: At,
        head: &impl Head,
        body: &Body<'_>,
    ) -> Result<(), Refused> {
        let frame_max = self.frame_max;
        let octets = body.as_slice();
        self.tail_ack = None;
        head.encode(self.small.buf(), at.channel, octets.len(), frame_max)?;
        match body.shared() {
            Some(body) => append_body_frame(&mut self.small, at.channel, body),
            None => frame::encode_body(self.small.buf(), at.channel, octets, frame_max),
        }
        Ok(())
    }

    /// Queues a message that is large, or that must wait behind something of its channel.
    #[cold]
    fn publish_aside(&mut self, at: At, head: &impl Head, body: &Body<'_>) -> Result<(), Refused> {
        let frame_max = self.frame_max;
        let octets = body.as_slice();
        let mut frames = Vec::new();
        head.encode(&mut frames, at.channel, octets.len(), frame_max)?;
        let parked = if octets.len() >= LARGE {
            Parked::Large {
                head: frames,
                body: body.to_shared(),
            }
        } else {
            frame::encode_body(&mut frames, at.channel, octets, frame_max);
            Parked::Frames(frames)
        };
        self.park(at.channel, parked);
        self.release(at.channel);
        Ok(())
    }

    /// Queues a method that expects no reply.
    pub(crate) fn send<'m, M: TypedMethod<'m>>(
        &mut self,
        at: At,
        method: &M,
    ) -> Result<Wake, Refused> {
        let frame_max = self.frame_max;
        if self.channel(at)?.is_direct() {
            self.tail_ack = None;
            frame::encode_method(self.small.buf(), at.channel, method, frame_max)?;
        } else {
            let mut frames = Vec::new();
            frame::encode_method(&mut frames, at.channel, method, frame_max)?;
            self.park(at.channel, Parked::Frames(frames));
        }
        Ok(self.wake())
    }

    /// Queues a method that expects a reply. On a refusal the slot comes back unanswered.
    pub(crate) fn request<'m, M: TypedMethod<'m>>(
        &mut self,
        at: At,
        method: &M,
        slot: Slot,
    ) -> Result<Wake, (Refused, Slot)> {
        let frame_max = self.frame_max;
        let mut frames = Vec::new();
        let encoded = frame::encode_method(&mut frames, at.channel, method, frame_max);
        let channel = match self.channel(at) {
            Ok(channel) => channel,
            Err(refused) => return Err((refused, slot)),
        };
        if let Err(error) = encoded {
            return Err((error.into(), slot));
        }
        if M::ID == channel::Close::ID {
            channel.state = OutState::Closing;
        } else if M::ID == confirm::Select::ID {
            // Publishes behind it on the wire are numbered, whenever the reply comes.
            channel.confirming = true;
        }
        let sooner = self
            .deadline
            .is_none_or(|deadline| slot.deadline < deadline);
        if sooner {
            self.deadline = Some(slot.deadline);
        }
        self.park(at.channel, Parked::Request(frames, slot));
        self.release(at.channel);
        // An adapter that is busy writing still has to hear of an earlier deadline.
        Ok(if sooner {
            self.wake_always()
        } else {
            self.wake()
        })
    }

    /// Settles one delivery that was handed out exactly once, so that no tag is counted twice.
    ///
    /// Consecutive acks at the very end of the outbox are merged into one `multiple` when everything
    /// up to the highest tag is settled: what the broker sees means the same, and nothing overtakes
    /// anything, for the merged frame is the last one queued.
    #[inline]
    pub(crate) fn settle(
        &mut self,
        at: At,
        tag: u64,
        settlement: Settlement,
    ) -> Result<Wake, Refused> {
        let tail = self.tail_ack;
        let channel = self.channel(at)?;
        channel.settled += 1;
        channel.max_settled = channel.max_settled.max(tag);
        let contiguous = channel.settled == channel.max_settled;
        let direct = channel.is_direct();
        if settlement != Settlement::Ack || !direct {
            return self.settle_plainly(at, tag, settlement);
        }
        let merged = tail.filter(|tail| contiguous && tail.channel == at.channel);
        let ack = match merged {
            Some(tail) => {
                let buf = self.small.buf();
                buf.truncate(buf.len().saturating_sub(ACK_LEN));
                basic::Ack {
                    delivery_tag: tail.tag.max(tag),
                    multiple: true,
                }
            }
            None => basic::Ack {
                delivery_tag: tag,
                multiple: false,
            },
        };
        self.small
            .buf()
            .extend_from_slice(&ack.to_frame(at.channel));
        self.tail_ack = Some(TailAck {
            channel: at.channel,
            tag: ack.delivery_tag,
        });
        Ok(self.wake())
    }

    #[cold]
    fn settle_plainly(
        &mut self,
        at: At,
        delivery_tag: u64,
        settlement: Settlement,
    ) -> Result<Wake, Refused> {
        match settlement {
            Settlement::Ack => self.send(
                at,
                &basic::Ack {
                    delivery_tag,
                    multiple: false,
                },
            ),
            Settlement::Nack { requeue } => self.send(
                at,
                &basic::Nack {
                    delivery_tag,
                    multiple: false,
                    requeue,
                },
            ),
            Settlement::Reject { requeue } => self.send(
                at,
                &basic::Reject {
                    delivery_tag,
                    requeue,
                },
            ),
        }
    }

    /// Tags were or will be settled by number: the count of settled ones means nothing from here on.
    pub(crate) fn stop_merging_acks(&mut self, at: At) -> Result<(), Refused> {
        let channel = self.channel(at)?;
        // A count above any tag never equals one.
        channel.settled = u64::MAX / 2;
        Ok(())
    }

    /// Queues `connection.close` behind everything accepted so far; nothing is accepted after it.
    pub(crate) fn close_connection(
        &mut self,
        method: &connection::Close<'_>,
        slot: Slot,
    ) -> Result<Wake, (Refused, Slot)> {
        if let Err(refused) = self.check_open() {
            return Err((refused, slot));
        }
        let mut frames = Vec::new();
        if let Err(error) = frame::encode_method(&mut frames, 0, method, self.frame_max) {
            return Err((error.into(), slot));
        }
        self.deadline = Some(
            self.deadline
                .map_or(slot.deadline, |soonest| soonest.min(slot.deadline)),
        );
        self.closing = true;
        self.farewell = Some((frames, slot));
        Ok(self.wake_always())
    }

    // ── Channels ────────────────────────────────────────────────────────────────────────────

    /// Takes the lowest free channel id and queues `channel.open` for it.
    ///
    /// `None` if `channel_max` channels are open. `slot` is told which id it is.
    pub(crate) fn open_channel(
        &mut self,
        channel_max: u16,
        slot: impl FnOnce(At) -> Slot,
    ) -> Result<Option<Wake>, Refused> {
        self.check_open()?;
        let free = (1..=channel_max).find(|&id| {
            self.channels
                .get(usize::from(id))
                .is_none_or(OutChannel::is_free)
        });
        let Some(id) = free else { return Ok(None) };
        if self.channels.len() <= usize::from(id) {
            self.channels
                .resize_with(usize::from(id) + 1, OutChannel::default);
        }
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return Ok(None);
        };
        let incarnation = channel.incarnation.wrapping_add(1);
        *channel = OutChannel {
            incarnation,
            state: OutState::Opening,
            ..OutChannel::default()
        };
        let at = At {
            channel: id,
            incarnation,
        };
        let wake = self
            .request(at, &channel::Open {}, slot(at))
            .map_err(|(refused, _)| refused)?;
        Ok(Some(wake))
    }

    /// `channel.open-ok` has come.
    pub(crate) fn channel_opened(&mut self, id: u16) {
        if let Some(channel) = self.channels.get_mut(usize::from(id))
            && channel.state == OutState::Opening
        {
            channel.state = OutState::Open;
        }
    }

    /// The broker has closed the channel: queues `channel.close-ok`, after which the id is free.
    /// Returns the requests that will have no reply.
    pub(crate) fn channel_closed_by_broker(&mut self, id: u16) -> (Vec<Slot>, Wake) {
        let ours_pending = self
            .channels
            .get(usize::from(id))
            .is_some_and(|c| c.state == OutState::Closing);
        let mut slots = self.clear_channel(id);
        self.tail_ack = None;
        let close_ok = channel::CloseOk {}.to_frame(id);
        self.small.buf().extend_from_slice(&close_ok);
        if let Some(channel) = self.channels.get_mut(usize::from(id)) {
            if ours_pending {
                // Both sides closed at once: the broker will still answer ours, so that the id is
                // not free before that close-ok has come.
                let close = slots.iter().position(|slot| slot.is_close());
                if let Some(close) = close {
                    channel.in_flight.push_back(slots.remove(close));
                }
            } else {
                channel.state = OutState::Free;
            }
        }
        (slots, self.wake())
    }

    /// `channel.close-ok` has come: the id is free. Returns the requests that will have no reply.
    pub(crate) fn channel_closed(&mut self, id: u16) -> Vec<Slot> {
        let slots = self.clear_channel(id);
        if let Some(channel) = self.channels.get_mut(usize::from(id)) {
            channel.state = OutState::Free;
        }
        slots
    }

    /// Drops what was to be sent on the channel and hands back the requests.
    fn clear_channel(&mut self, id: u16) -> Vec<Slot> {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return Vec::new();
        };
        let mut slots: Vec<Slot> = mem::take(&mut channel.in_flight).into();
        for parked in mem::take(&mut channel.parked) {
            self.aside -= parked.len();
            if let Parked::Request(_, slot) = parked {
                slots.push(slot);
            }
        }
        channel.in_large = false;
        // The rest of a large body is not sent: the broker discards it anyway, and frames are whole.
        let aside = &mut self.aside;
        self.large.retain(|large| {
            let keep = large.channel != id;
            if !keep {
                *aside -= large.body.len();
            }
            keep
        });
        slots
    }

    /// Takes the request that waits longest on the channel, if the reply is one of its.
    pub(crate) fn take_request(&mut self, id: u16, reply: MethodId) -> Option<Slot> {
        let channel = self.channels.get_mut(usize::from(id))?;
        if !channel.in_flight.front()?.expects.contains(&reply) {
            return None;
        }
        let slot = channel.in_flight.pop_front();
        self.release(id);
        slot
    }

    /// The number of the last publish on the channel.
    pub(crate) fn published(&self, id: u16) -> u64 {
        self.channels
            .get(usize::from(id))
            .map_or(0, |channel| channel.published)
    }

    /// Remembers that the last publish may come back. `resolved` says which ones cannot any more.
    pub(crate) fn expect_return(&mut self, at: At, fingerprint: u64, resolved: u64) {
        let Ok(channel) = self.channel(at) else {
            return;
        };
        while channel
            .mandatory
            .front()
            .is_some_and(|&(number, _)| number <= resolved)
        {
            channel.mandatory.pop_front();
        }
        let number = channel.published;
        channel.mandatory.push_back((number, fingerprint));
    }

    /// Finds the publish that a returned message belongs to. The broker returns in the order of
    /// publishing; of messages that are alike to the letter the first is taken.
    pub(crate) fn claim_returned(&mut self, id: u16, fingerprint: u64) -> Option<u64> {
        let mandatory = &mut self.channels.get_mut(usize::from(id))?.mandatory;
        let at = mandatory
            .iter()
            .position(|&(_, print)| print == fingerprint)?;
        mandatory.remove(at).map(|(number, _)| number)
    }

    /// Looks at the requests of a channel that have been sent and not been answered.
    pub(crate) fn requests(&self, id: u16) -> impl Iterator<Item = &Slot> {
        self.channels
            .get(usize::from(id))
            .into_iter()
            .flat_map(|channel| &channel.in_flight)
    }

    // ── Deadlines ───────────────────────────────────────────────────────────────────────────

    /// Visits every request whose time is up, and sets the next deadline.
    pub(crate) fn expire(&mut self, now: Instant, mut expired: impl FnMut(u16, &Slot)) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        let mut next: Option<Instant> = None;
        for (id, channel) in (0_u16..).zip(&self.channels) {
            let parked = channel.parked.iter().filter_map(|parked| match parked {
                Parked::Request(_, slot) => Some(slot),
                Parked::Frames(_) | Parked::Large { .. } => None,
            });
            let farewell = self
                .farewell
                .iter()
                .filter(|_| id == 0)
                .map(|(_, slot)| slot);
            for slot in channel.in_flight.iter().chain(parked).chain(farewell) {
                if slot.answer.is_settled() {
                    continue;
                }
                if slot.deadline <= now {
                    expired(id, slot);
                } else {
                    next = Some(next.map_or(slot.deadline, |next| next.min(slot.deadline)));
                }
            }
        }
        self.deadline = next;
    }

    // ── What the core sends ─────────────────────────────────────────────────────────────────

    /// Queues octets as they are: the protocol header, heartbeats, the handshake.
    pub(crate) fn push_raw(&mut self, octets: &[u8]) {
        self.tail_ack = None;
        self.small.buf().extend_from_slice(octets);
    }

    /// Ends everything: nothing can be sent from here on, but for what the close exchange needs.
    /// Returns the requests that will have no reply, and all who wait.
    pub(crate) fn close(&mut self, cause: &ConnectionError) -> (Vec<Slot>, Vec<Waker>) {
        if self.closed.is_none() {
            self.closed = Some(cause.clone());
        }
        let ids = 0..u16::try_from(self.channels.len()).unwrap_or(u16::MAX);
        let mut slots: Vec<Slot> = ids.flat_map(|id| self.clear_channel(id)).collect();
        slots.extend(self.farewell.take().map(|(_, slot)| slot));
        self.small.clear(0);
        self.tail_ack = None;
        self.deadline = None;
        let mut wakers: Vec<Waker> = mem::take(&mut self.waiters).into_values().collect();
        wakers.extend(self.driver.take());
        (slots, wakers)
    }

    // ── The adapter's side ──────────────────────────────────────────────────────────────────

    /// Exchanges the queued octets for the empty `spare`.
    ///
    /// With nothing to send the waker is kept and called at the next entry. `wakers` receives the
    /// publishers that may go on; call them once the lock is released.
    pub(crate) fn swap(
        &mut self,
        spare: &mut Rope,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Lane {
        self.keep_driver(waker);
        if self.aside == 0
            && let Some((frames, slot)) = self.farewell.take()
            && let Some(connection) = self.channels.first_mut()
        {
            self.small.buf().extend_from_slice(&frames);
            connection.in_flight.push_back(slot);
        }
        for large in &mut self.large {
            large.headed = true;
        }
        let empty = self.small.is_empty();
        if !empty {
            mem::swap(&mut self.small, spare);
            self.tail_ack = None;
        }
        let woken = wakers.len();
        while wakers.len() - woken < WAKE_PER_SWAP {
            let Some((_, waiter)) = self.waiters.pop_first() else {
                break;
            };
            wakers.push(waiter);
        }
        if !empty {
            self.idle = false;
            Lane::Small
        } else if wakers.len() > woken || !self.large.is_empty() {
            self.idle = false;
            Lane::Again
        } else {
            self.idle = true;
            Lane::Empty
        }
    }

    /// Appends some frames of the large body that is next in turn: up to `n_frames` if nothing else
    /// waits, else one.
    ///
    /// Only to be called behind [`swap`](Self::swap), with the rope that it filled: the body's method
    /// and header are in there.
    pub(crate) fn take_large(&mut self, n_frames: usize, rope: &mut Rope) {
        let Some(next) = self.large.iter().position(|large| large.headed) else {
            return;
        };
        let Some(mut large) = self.large.remove(next) else {
            return;
        };
        let n_frames = if self.large.is_empty() { n_frames } else { 1 };
        let quantum = self.max_payload();
        for _ in 0..n_frames {
            let chunk = large.body.split_to(quantum.min(large.body.len()));
            if chunk.is_empty() {
                break;
            }
            self.aside -= chunk.len();
            append_body_frame(rope, large.channel, chunk);
        }
        let id = large.channel;
        if !large.body.is_empty() {
            self.large.push_back(large);
        } else if let Some(channel) = self.channels.get_mut(usize::from(id)) {
            channel.in_large = false;
            self.release(id);
        }
    }

    /// The most that one body frame can carry.
    fn max_payload(&self) -> usize {
        self.frame_max.saturating_sub(frame::OVERHEAD).max(1)
    }

    /// Whether anybody waits for a reply.
    pub(crate) fn has_requests(&self) -> bool {
        self.farewell.is_some()
            || self
                .channels
                .iter()
                .any(|channel| !channel.in_flight.is_empty())
    }

    /// Whether `connection.close` was asked for.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Nothing more will be written.
    pub(crate) fn discard(&mut self) {
        self.small.clear(0);
    }

    fn keep_driver(&mut self, waker: &Waker) {
        match &mut self.driver {
            Some(driver) => driver.clone_from(waker),
            None => self.driver = Some(waker.clone()),
        }
    }

    fn wake(&mut self) -> Wake {
        if !mem::take(&mut self.idle) {
            return Wake(None);
        }
        Wake(self.driver.clone())
    }

    /// Wakes the adapter even if it is busy.
    pub(crate) fn wake_always(&mut self) -> Wake {
        self.idle = false;
        Wake(self.driver.clone())
    }

    /// Everything that is queued or waits, in words.
    #[cfg(test)]
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut leftovers = Vec::new();
        let mut note = |what: &str, n: usize| {
            if n > 0 {
                leftovers.push(format!("{what}: {n}"));
            }
        };
        note("octets in the small lane", self.small.len());
        note("octets aside", self.aside);
        note("large bodies", self.large.len());
        note("publishers that wait", self.waiters.len());
        note("connection.close", usize::from(self.farewell.is_some()));
        for (id, channel) in self.channels.iter().enumerate() {
            note(
                &format!("requests on channel {id}"),
                channel.in_flight.len(),
            );
            note(&format!("parked on channel {id}"), channel.parked.len());
        }
        leftovers
    }

    /// How many channel ids are in use.
    #[cfg(test)]
    pub(crate) fn channels_in_use(&self) -> usize {
        let channels = self.channels.iter().skip(1);
        channels.filter(|channel| !channel.is_free()).count()
    }

    // ── Parking ─────────────────────────────────────────────────────────────────────────────

    fn park(&mut self, id: u16, parked: Parked) {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        self.aside += parked.len();
        if let (Parked::Frames(frames), Some(Parked::Frames(last))) =
            (&parked, channel.parked.back_mut())
        {
            last.extend_from_slice(frames);
        } else {
            channel.parked.push_back(parked);
        }
    }

    /// Moves what need not wait any longer from the channel's line into the lanes.
    fn release(&mut self, id: u16) {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        while !channel.in_large {
            let barrier = channel
                .in_flight
                .back()
                .map_or(Barrier::Nothing, |slot| slot.barrier);
            let held = match channel.parked.front() {
                None => true,
                Some(Parked::Request(..)) => barrier != Barrier::Nothing,
                Some(Parked::Frames(_) | Parked::Large { .. }) => barrier == Barrier::Everything,
            };
            if held {
                return;
            }
            self.tail_ack = None;
            match channel.parked.pop_front() {
                None => return,
                Some(Parked::Frames(frames)) => {
                    self.aside -= frames.len();
                    self.small.buf().extend_from_slice(&frames);
                }
                Some(Parked::Request(frames, slot)) => {
                    self.aside -= frames.len();
                    self.small.buf().extend_from_slice(&frames);
                    channel.in_flight.push_back(slot);
                }
                Some(Parked::Large { head, body }) => {
                    self.aside -= head.len();
                    self.small.buf().extend_from_slice(&head);
                    channel.in_large = true;
                    self.large.push_back(LargeBody {
                        channel: id,
                        body,
                        headed: false,
                    });
                }
            }
        }
    }

    fn check_open(&self) -> Result<(), Refused> {
        match &self.closed {
            Some(error) => Err(Refused::Connection(error.clone())),
            None if self.closing => Err(Refused::Connection(ConnectionError::closed_by_us())),
            None => Ok(()),
        }
    }

    #[inline]
    fn channel(&mut self, at: At) -> Result<&mut OutChannel, Refused> {
        self.check_open()?;
        match self.channels.get_mut(usize::from(at.channel)) {
            Some(channel) if channel.accepts(at) => Ok(channel),
            _ => Err(Refused::NotOpen),
        }
    }
}
