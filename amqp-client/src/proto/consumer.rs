//! Where the core leaves deliveries and a consumer picks them up.
//!
//! ```text
//! Requested ──consume-ok──▶ Active ──cancel / channel end──▶ Ended
//! ```
//!
//! One lock on each side per batch: the core appends everything that one read brought, the consumer
//! takes everything that has come since. The core never waits for a consumer: one with
//! acknowledgements is bounded by its prefetch; one without holds up the reading of the socket, or,
//! if that was asked for, is ended when it holds too much.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use amqp_spec::wire::ShortString;

use super::incoming::Incoming;
use super::link::Link;
use super::sync::lock;
use super::tags::Tags;
use super::wait::{Latch, Sleeper};
use crate::error::ChannelError;

/// Places for deliveries that are kept when nothing is in them: more than a few reads bring.
const KEEP: usize = 16 * 1024;

/// One delivery, not yet in the hands of the application.
#[derive(Debug)]
pub(crate) struct RawDelivery {
    pub(crate) message: Incoming,
    pub(crate) delivery_tag: u64,
    /// Which use of the channel id the tag belongs to.
    pub(crate) incarnation: u32,
    /// A number, not a `bool`: in the values that a `bool` does not have, the compiler would tell
    /// `None` and errors from deliveries. It would then move deliveries in pieces that overlap, and the
    /// processor would wait for each.
    redelivered: u8,
}

impl RawDelivery {
    #[inline]
    pub(crate) fn new(
        message: Incoming,
        delivery_tag: u64,
        redelivered: bool,
        incarnation: u32,
    ) -> Self {
        Self {
            message,
            delivery_tag,
            incarnation,
            redelivered: u8::from(redelivered),
        }
    }

    pub(crate) fn redelivered(&self) -> bool {
        self.redelivered != 0
    }
}

/// Why a consumer receives nothing more.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The application cancelled it.
    Cancelled,
    /// The broker cancelled it: its queue was deleted, its node is gone, or its ack timeout passed.
    CancelledByBroker,
    /// It held more than it was allowed to; so it was cancelled.
    TooSlow,
    /// The channel ended.
    Channel(ChannelError),
}

/// What core and consumer share.
#[derive(Debug)]
pub(crate) struct ConsumerQueue {
    pub(crate) tag: ShortString,
    pub(crate) no_ack: bool,
    /// More octets than these end it.
    limit: usize,
    link: Arc<Link>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    deliveries: VecDeque<RawDelivery>,
    /// What they occupy.
    octets: usize,
    /// What the batch occupies that the consumer works on.
    taken: usize,
    waker: Option<Waker>,
    active: bool,
    /// Why nothing more comes; besides the consumer itself, others wait for it.
    end: Latch<End>,
    /// `basic.cancel` was queued, or the end came first.
    cancelling: bool,
    /// Where the tag is reserved, until another consumer may have it.
    tags: Option<Arc<Tags>>,
    /// Nobody will pick anything up any more.
    handle_gone: bool,
}

impl ConsumerQueue {
    /// `tags` is where the tag has been reserved.
    pub(crate) fn new(
        tag: ShortString,
        no_ack: bool,
        limit: usize,
        link: Arc<Link>,
        tags: Arc<Tags>,
    ) -> Self {
        let state = State {
            tags: Some(tags),
            ..State::default()
        };
        Self {
            tag,
            no_ack,
            limit,
            link,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// `consume-ok` has come. False if nobody wants the consumer any more.
    pub(crate) fn activate(&self) -> bool {
        let mut state = self.state();
        state.active = true;
        !state.handle_gone
    }

    /// Hands over a batch that occupies so many octets. It comes back empty; what nobody wants stays
    /// in it. True if that was too much and the consumer is to be cancelled.
    pub(crate) fn deliver(
        &self,
        batch: &mut Vec<RawDelivery>,
        octets: usize,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let mut state = self.state();
        if state.handle_gone || state.end.is_set() {
            return false;
        }
        if state.octets + state.taken > self.limit {
            state.end.set(End::TooSlow, wakers);
            wakers.extend(state.waker.take());
            return !std::mem::replace(&mut state.cancelling, true);
        }
        state.octets += octets;
        self.link.add_buffered(octets);
        if state.deliveries.is_empty() {
            // The memory changes hands, in both directions.
            let memory = std::mem::take(&mut state.deliveries);
            state.deliveries = std::mem::replace(batch, memory.into()).into();
        } else {
            state.deliveries.extend(batch.drain(..));
        }
        wakers.extend(state.waker.take());
        false
    }

    /// A batch has been consumed.
    pub(crate) fn release(&self, octets: usize) {
        if octets > 0 && self.limit != usize::MAX {
            self.state().taken = 0;
        }
        self.link.release_buffered(octets);
    }

    /// Nothing more will come.
    pub(crate) fn end(&self, end: End, wakers: &mut Vec<Waker>) {
        let mut state = self.state();
        let mut dropped = (VecDeque::new(), 0);
        if matches!(end, End::Channel(_)) && !self.no_ack {
            // The broker has taken these back and delivers them again.
            dropped = state.take_all();
        }
        state.active = false;
        state.cancelling = true;
        state.end.set(end, wakers);
        wakers.extend(state.waker.take());
        let tags = state.tags.take();
        drop(state);
        self.link.release_buffered(dropped.1);
        if let Some(tags) = tags {
            tags.give_up(&self.tag);
        }
    }

    /// Whether `basic.cancel` is still to be sent; from here on it is not.
    pub(crate) fn begin_cancel(&self) -> bool {
        !std::mem::replace(&mut self.state().cancelling, true)
    }

    /// `basic.cancel` has its place in line: what is sent behind it may use the tag again.
    pub(crate) fn give_up_tag(&self) {
        let tags = self.state().tags.take();
        if let Some(tags) = tags {
            tags.give_up(&self.tag);
        }
    }

    /// Waits for the end: of what was sent to it, not of what it has yielded.
    pub(crate) fn poll_end(
        &self,
        ticket: &mut Option<u64>,
        context: &mut Context<'_>,
    ) -> Poll<End> {
        // Until the broker has answered, more may come.
        Sleeper::poll(context, |sleeper| self.state().end.poll(ticket, sleeper))
    }

    /// Whoever waited for the end does so no longer.
    pub(crate) fn forget_watcher(&self, ticket: u64) {
        let waker = self.state().end.forget(ticket);
        drop(waker);
    }

    /// How many deliveries wait to be taken.
    pub(crate) fn len(&self) -> usize {
        self.state().deliveries.len()
    }

    /// Takes all that has come, into the empty `into`, and says how many octets it occupies:
    /// [`release`](Self::release) them when it has been consumed. Or says why nothing more comes.
    pub(crate) fn poll_take(
        &self,
        into: &mut VecDeque<RawDelivery>,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, End>> {
        Sleeper::poll(context, |sleeper| self.take_or_wait(into, sleeper))
    }

    #[inline]
    fn take_or_wait(
        &self,
        into: &mut VecDeque<RawDelivery>,
        sleeper: &mut Sleeper<'_>,
    ) -> Poll<Result<usize, End>> {
        let mut state = self.state();
        if !state.deliveries.is_empty() {
            if into.capacity() > KEEP {
                *into = VecDeque::new();
            }
            std::mem::swap(&mut state.deliveries, into);
            state.taken = std::mem::take(&mut state.octets);
            return Poll::Ready(Ok(state.taken));
        }
        if let Some(end) = state.end.get() {
            return Poll::Ready(Err(end.clone()));
        }
        sleeper.wait_in(&mut state.waker);
        Poll::Pending
    }

    /// The handle goes away: gives back what it has not seen, and whether the broker is still to be
    /// told.
    pub(crate) fn abandon(&self) -> (VecDeque<RawDelivery>, bool) {
        let mut state = self.state();
        state.handle_gone = true;
        let tell = state.active && !state.cancelling;
        let (deliveries, octets) = state.take_all();
        let waker = state.waker.take();
        drop(state);
        drop(waker);
        self.link.release_buffered(octets);
        (deliveries, tell)
    }
}

impl State {
    /// What nobody has taken, and how many octets it occupies: to be released once the lock is.
    fn take_all(&mut self) -> (VecDeque<RawDelivery>, usize) {
        let octets = std::mem::take(&mut self.octets);
        (std::mem::take(&mut self.deliveries), octets)
    }
}
