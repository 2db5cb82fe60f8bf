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

mod channels;
mod consumers;
mod ending;
mod exchanges;
mod gate;
mod ids;
mod lanes;
mod leaving;
mod line;
mod mandatory;
mod overdue;
mod owed;
mod renewal;
mod room;
mod sending;
mod settled;
mod transaction;

pub(crate) use self::consumers::{NotStarted, Prefetch};
pub(crate) use self::leaving::Progress;
pub(crate) use self::overdue::{GivenUp, Overdue};
pub(crate) use self::sending::{LARGE, ZERO_COPY};

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use amqp_spec::frame::{self, FrameTooLarge};
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::error::ConnectionError;
use crate::proto::channel_use::ChannelUse;
use crate::proto::observe::Queued;
use crate::proto::send::request::{Barrier, Slot, after};
use crate::proto::send::rope::Rope;
use crate::proto::send::unwritten::Unwritten;
use crate::proto::wait;

/// Why a publish or a settlement did not enter the outbox.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The connection has ended.
    Connection(ConnectionError),
    /// The channel is not open, or not the one that the caller means. The channel knows why.
    NotOpen,
    /// A method or header frame does not fit the negotiated size. Nothing was queued.
    TooLarge(FrameTooLarge),
    /// The broker takes no messages, and the publisher does not want to wait.
    Blocked(Arc<str>),
    /// The delivery has gone back to the broker.
    Stale,
}

impl From<FrameTooLarge> for Refused {
    fn from(error: FrameTooLarge) -> Self {
        Self::TooLarge(error)
    }
}

/// What to do once the lock is released: wakers are never called under it.
#[derive(Debug, Default)]
#[must_use = "somebody waits to be woken"]
pub(crate) struct Wake(Option<Arc<Waker>>);

impl Wake {
    /// Wakes the adapter, if it sleeps.
    #[inline]
    pub(crate) fn now(self) {
        if let Some(waker) = self.0 {
            wait::wake_by_ref(&waker);
        }
    }

    /// The adapter is in the middle of a turn of its own, and writes at the end of it. A task that woke
    /// itself in each of its turns would keep tokio from running those that wait for the reactor.
    pub(crate) fn not_amid_a_turn(self) {}
}

/// Everything that waits to be sent, and what its order decides.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Complete frames in wire order.
    small: Rope,
    /// Large bodies under way, at most one per channel; the front is served next.
    large: VecDeque<LargeBody>,
    /// Octets of large bodies that have been taken since anybody sent anything else.
    large_alone: usize,
    /// Bodies that are never sent. Their memory may be the program's own, and dropping them its code:
    /// so they wait here until the lock is released.
    bodies: Vec<Bytes>,
    /// Octets of `small` that are methods and headers of large bodies.
    heads: usize,
    /// Octets of `large` and of all that is parked.
    aside: usize,
    /// Octets that the adapter has taken since the connection began.
    handed: u64,
    /// Requests that are not known to be written: the position behind each, and its channel; in order.
    unwritten: VecDeque<(u64, u16)>,
    /// The latest time that the core told.
    now: Instant,
    /// Of all these, what the broker has made us say.
    answers: owed::Answers,
    /// By channel id; grows to the highest id in use.
    channels: Vec<OutChannel>,
    ids: ids::Ids,
    /// The negotiated limits of the connection, as far as sending goes.
    frame_max: usize,
    high_water: usize,
    /// What the octets in the small lane are held against: `high_water` less what is kept for those
    /// who have been called, or zero while the gate is shut for any channel or there is a line.
    mark: usize,
    /// The same for those aside.
    mark_aside: usize,
    gate: gate::Gate,
    /// The gate is shut for at least one channel.
    shut: bool,
    /// The adapter's waker; it is asleep only if `idle`.
    driver: Option<Arc<Waker>>,
    idle: bool,
    /// Publishers that wait, by ticket: above the high-water mark those for the small lane, and those
    /// for what is aside, so that neither has to wait for the other; then those at the gate.
    lines: [room::Line; 3],
    /// Publishers have been called that may not have come.
    unclaimed: bool,
    last_ticket: u64,
    /// The last 21 octets of `buf` are an ack that a following one may be merged with.
    tail_ack: Option<TailAck>,
    /// The earliest deadline of any request; may be too early, never too late.
    deadline: Option<Instant>,
    counts: Queued,
    /// Why nothing can be sent any more.
    closed: Option<ConnectionError>,
    /// `connection.close` was asked for: nothing more is accepted.
    closing: bool,
    /// Our `connection.close`, until everything accepted before it is in the small lane.
    farewell: Option<(Vec<u8>, Slot)>,
    /// It is in the small lane: nothing of any channel may follow.
    said_farewell: bool,
    farewell_len: usize,
    /// When it has to be written at the latest.
    close_by: Option<Instant>,
    /// Requests that it has passed, and that are never sent.
    passed: Vec<Slot>,
}

/// How many requests without a reply are remembered per channel.
const MOST_UNANSWERED: usize = 16;

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
    /// When the id became free; means something only if it is.
    freed: u64,
    /// The answer to a close of an earlier use of the id was overdue, and may still come.
    close_ok_owed: bool,
    /// The broker has asked for no more content (`channel.flow`).
    stopped: bool,
    /// Publishes are numbered: `confirm.select` was sent.
    confirming: bool,
    /// The number of the last publish.
    published: u64,
    /// Mandatory publishes that may come back.
    mandatory: Option<Box<mandatory::Mandatory>>,
    /// The size of the largest of them, and of those that nothing waits for.
    largest_mandatory: usize,
    /// Where they went; `None` while all of them went to the default exchange.
    exchanges: Option<Box<exchanges::Exchanges>>,
    /// How many deliveries were settled, and the highest tag of them. Equal means that everything up
    /// to that tag is settled, since tags start at 1 and have no gaps.
    settled: u64,
    max_settled: u64,
    /// The deliveries that were settled in the present transaction, if the channel has transactions.
    transaction: Option<Vec<u64>>,
    /// Some without a reply are not among them any more.
    forgot: bool,
    /// Requests on the wire, the oldest first.
    in_flight: VecDeque<Slot>,
    /// Nothing of this channel may enter the lanes: a body of it is in the large lane, or it is being
    /// opened anew.
    held: bool,
    /// What must wait, in order. Not empty ⇒ everything new of this channel goes behind it.
    parked: VecDeque<Parked>,
    /// Octets of what is parked that are answers to the broker; at most all of them.
    parked_answers: usize,
    /// Most channels publish, and have none.
    consumers: Option<Box<consumers::Consumers>>,
    /// Deliveries up to this number have gone back to the broker (`basic.recover`).
    recovered: u64,
    /// For a channel that a publisher owns.
    renewal: Option<Box<renewal::Renewal>>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum OutState {
    #[default]
    Free,
    Opening,
    Open,
    Closing,
    /// Both sides have closed it at once. The broker answers our close as well, and the id is not
    /// free before; RabbitMQ 4 loses that answer now and then, so that one day it is free anyway.
    Crossed,
    /// The broker has closed it, in the middle of a large body of ours. RabbitMQ discards the rest,
    /// but counts it: with `channel.close-ok` amid content it closes the connection with 505.
    Finishing,
    /// The broker has closed it, and it is opened anew in its place for the next publish.
    Resting,
    /// Closed by us without a word: the request that our close must not pass was not answered. The
    /// broker may still have it open, so that the id is not used again, unless it closes it too.
    GivenUp,
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

impl OutChannel {
    #[inline]
    fn accepts(&self, at: ChannelUse) -> bool {
        self.incarnation == at.incarnation
            && matches!(self.state, OutState::Open | OutState::Opening)
    }

    fn is_free(&self) -> bool {
        self.state == OutState::Free
    }

    /// Whether a frame may go straight to the small lane.
    #[inline]
    fn is_direct(&self) -> bool {
        !self.held
            && self.parked.is_empty()
            && self
                .in_flight
                .back()
                .is_none_or(|slot| slot.barrier != Barrier::Everything)
    }

    /// Whether a request may go straight to the small lane.
    fn takes_request(&self) -> bool {
        !self.held && self.parked.is_empty() && self.barrier() == Barrier::Nothing
    }

    /// What the last request that was sent keeps back until it is answered.
    fn barrier(&self) -> Barrier {
        let last = self.in_flight.back();
        last.map_or(Barrier::Nothing, |slot| slot.barrier)
    }

    /// Every request that is not answered, sent or parked.
    fn slots(&mut self) -> impl Iterator<Item = &mut Slot> {
        let parked = self.parked.iter_mut().filter_map(|parked| match parked {
            Parked::Request(_, slot) => Some(slot),
            Parked::Frames(_) | Parked::Large { .. } => None,
        });
        self.in_flight.iter_mut().chain(parked)
    }

    /// A request is on its way.
    fn add_in_flight(&mut self, slot: Slot) {
        self.in_flight.push_back(slot);
        // Those without a reply serve to explain errors only; a program that never waits for one must
        // not fill the memory with them.
        let unanswered = self
            .in_flight
            .iter()
            .rev()
            .take_while(|slot| !slot.has_reply());
        let n_unanswered = unanswered.count();
        if n_unanswered > MOST_UNANSWERED {
            self.in_flight.remove(self.in_flight.len() - n_unanswered);
            self.forgot = true;
        }
    }

    /// What is settled is not known to stay settled from here on, so no two acks may become one: a
    /// count above any tag never equals one.
    fn never_merge(&mut self) {
        let before = std::mem::replace(&mut self.settled, u64::MAX / 2);
        let consumers = self.consumers.get_or_insert_default();
        let highest = self.max_settled;
        let settled = &mut consumers.settled;
        settled.get_or_insert_with(|| settled::Settled::after(before, highest));
    }

    /// One delivery is settled, or all up to it; how many that are.
    fn count_settled(&mut self, tag: u64, multiple: bool) -> u64 {
        let consumers = self.consumers.as_mut();
        match consumers.and_then(|consumers| consumers.settled.as_mut()) {
            Some(settled) if multiple => settled.all_up_to(tag),
            Some(settled) => settled.one(tag),
            None => 1,
        }
    }

    #[inline]
    fn number_publish(&mut self, head: &impl Head) -> u64 {
        if self.confirming {
            self.published += 1;
            let exchange = head.exchange();
            if exchanges::Exchanges::differs(self.exchanges.as_deref(), exchange) {
                self.change_exchange(exchange);
            }
        }
        self.published
    }

    #[cold]
    fn change_exchange(&mut self, exchange: &[u8]) {
        let number = self.published;
        let exchanges = self.exchanges.get_or_insert_default();
        exchanges.change(number, exchange);
    }
}

/// What a publish puts in front of its body, ready to be encoded under the lock.
pub(crate) trait Head {
    /// The exchange that it goes to.
    fn exchange(&self) -> &[u8];

    /// Appends the method frame and the header frame for a body of this size, or nothing.
    fn encode(
        &self,
        buf: &mut Vec<u8>,
        channel: u16,
        body_size: usize,
        frame_max: usize,
    ) -> Result<(), FrameTooLarge>;

    /// Appends the whole message, or nothing.
    #[inline]
    fn encode_with_body(
        &self,
        buf: &mut Vec<u8>,
        channel: u16,
        body: &[u8],
        frame_max: usize,
    ) -> Result<(), FrameTooLarge> {
        self.encode(buf, channel, body.len(), frame_max)?;
        frame::encode_body(buf, channel, body, frame_max);
        Ok(())
    }
}

/// What the adapter is to write next.
#[derive(Debug)]
pub(crate) enum Lane {
    /// Nothing; the adapter will be woken.
    Empty,
    /// The spare now holds what was queued.
    Small,
    /// Nothing is queued, yet there is more to do: large bodies, or publishers to be called. Ask again
    /// soon.
    Again,
}
impl Outbox {
    pub(crate) fn new(frame_max: usize, high_water: usize, now: Instant) -> Self {
        Self {
            small: Rope::default(),
            large: VecDeque::new(),
            large_alone: 0,
            bodies: Vec::new(),
            heads: 0,
            aside: 0,
            answers: owed::Answers::default(),
            // Channel 0 carries the connection's own methods.
            channels: vec![OutChannel {
                state: OutState::Open,
                ..OutChannel::default()
            }],
            ids: ids::Ids::default(),
            frame_max,
            // With no room at all nothing could ever be published.
            high_water: high_water.max(1),
            mark: high_water.max(1),
            mark_aside: high_water.max(1),
            shut: false,
            gate: gate::Gate::default(),
            driver: None,
            idle: false,
            lines: Default::default(),
            unclaimed: false,
            last_ticket: 0,
            tail_ack: None,
            deadline: None,
            counts: Queued::default(),
            closed: None,
            closing: false,
            farewell: None,
            said_farewell: false,
            farewell_len: 0,
            close_by: None,
            handed: 0,
            unwritten: VecDeque::new(),
            now,
            passed: Vec::new(),
        }
    }

    pub(crate) fn set_frame_max(&mut self, frame_max: usize) {
        self.frame_max = frame_max;
    }

    /// Octets that wait to be written.
    pub(crate) fn queued(&self) -> usize {
        self.small.len() + self.aside
    }

    /// The earliest deadline of a request, or a time before it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Queues octets as they are: the protocol header, heartbeats, the handshake.
    pub(crate) fn push_raw(&mut self, octets: &[u8]) {
        self.tail_ack = None;
        self.counts.frames += 1;
        self.small.buf().extend_from_slice(octets);
    }

    /// Queues a frame of which no copy stays behind.
    pub(crate) fn push_secret(&mut self, frame: Zeroizing<Vec<u8>>) {
        self.tail_ack = None;
        self.counts.frames += 1;
        self.small.push_secret(frame);
    }

    /// Ends everything: nothing can be sent from here on, but for what the close exchange needs.
    /// Returns the requests that will have no reply, and all who wait; `unsent` has been shown what
    /// the adapter has not written, and is shown what is dropped here.
    pub(crate) fn close(
        &mut self,
        cause: &ConnectionError,
        unsent: &mut Unwritten,
    ) -> (Vec<Slot>, Vec<Waker>) {
        if self.closed.is_none() {
            self.closed = Some(cause.clone());
        }
        self.count_unsent(unsent);
        let ids = self.ids();
        let mut slots: Vec<Slot> = ids.flat_map(|id| self.clear_channel(id)).collect();
        slots.extend(self.farewell.take().map(|(_, slot)| slot));
        slots.append(&mut self.passed);
        self.unwritten.clear();
        self.bodies
            .extend(self.large.drain(..).map(|large| large.body));
        self.aside = 0;
        self.clear_small();
        self.answers.taken();
        self.tail_ack = None;
        self.deadline = None;
        let mut wakers = Vec::new();
        for line in &mut self.lines {
            line.call_all(&mut wakers);
        }
        self.close_gate(&mut wakers);
        (slots, wakers)
    }

    fn clear_small(&mut self) {
        self.small.let_go(&mut self.bodies);
        self.small.clear(0);
    }

    /// Bodies that are never sent, to be dropped once the lock is released.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn take_bodies(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.bodies)
    }

    /// The ids of all channels that there have been, from that of the connection on. They are counted
    /// as `usize`: the last is 65535, and its successor is no id.
    fn ids(&self) -> impl Iterator<Item = u16> + use<> {
        (0..self.channels.len()).map_while(|id| u16::try_from(id).ok())
    }

    /// Whether the connection takes anything more.
    #[inline]
    fn accepts_anything(&self) -> bool {
        self.closed.is_none() && !self.closing
    }

    fn check_open(&self) -> Result<(), Refused> {
        match &self.closed {
            Some(error) => Err(Refused::Connection(error.clone())),
            None if self.closing => Err(Refused::Connection(ConnectionError::closed_by_us())),
            None => Ok(()),
        }
    }

    #[inline]
    fn channel(&mut self, at: ChannelUse) -> Result<&mut OutChannel, Refused> {
        self.check_open()?;
        match self.channels.get_mut(usize::from(at.channel)) {
            Some(channel) if channel.accepts(at) || channel.is_renewed(at) => Ok(channel),
            _ => Err(Refused::NotOpen),
        }
    }
}
