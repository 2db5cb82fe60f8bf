//! Where the core leaves deliveries and a consumer picks them up.
//!
//! ```text
//! Requested ──consume-ok──▶ Active ──cancel / channel end──▶ Ended
//! ```
//!
//! One lock on each side per batch: the core appends everything that one read brought, the consumer
//! takes everything that has come since. The core never waits for a consumer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use amqp_spec::wire::ShortString;

use super::incoming::Incoming;
use super::link::Link;
use super::sync::lock;
use crate::error::ChannelError;

/// Places for deliveries that are kept when nothing is in them: more than a few reads bring.
const KEEP: usize = 16 * 1024;

/// One delivery, not yet in the hands of the application.
#[derive(Debug)]
pub(crate) struct RawDelivery {
    pub(crate) message: Incoming,
    pub(crate) delivery_tag: u64,
    pub(crate) redelivered: bool,
    /// Which use of the channel id the tag belongs to.
    pub(crate) incarnation: u32,
}

/// Why a consumer receives nothing more.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The application cancelled it.
    Cancelled,
    /// The broker cancelled it: its queue was deleted, its node is gone, or its ack timeout passed.
    CancelledByBroker,
    /// The channel ended.
    Channel(ChannelError),
}

/// What core and consumer share.
#[derive(Debug)]
pub(crate) struct ConsumerQueue {
    pub(crate) tag: ShortString,
    pub(crate) no_ack: bool,
    link: Arc<Link>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    deliveries: VecDeque<RawDelivery>,
    /// What they occupy.
    octets: usize,
    waker: Option<Waker>,
    active: bool,
    end: Option<End>,
    /// Nobody will pick anything up any more.
    handle_gone: bool,
}

impl ConsumerQueue {
    pub(crate) fn new(tag: ShortString, no_ack: bool, link: Arc<Link>) -> Self {
        Self {
            tag,
            no_ack,
            link,
            state: Mutex::default(),
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
    /// in it.
    pub(crate) fn deliver(
        &self,
        batch: &mut VecDeque<RawDelivery>,
        octets: usize,
        wakers: &mut Vec<Waker>,
    ) {
        let mut state = self.state();
        if state.handle_gone || state.end.is_some() {
            return;
        }
        state.octets += octets;
        self.link.add_buffered(octets);
        if state.deliveries.is_empty() {
            std::mem::swap(&mut state.deliveries, batch);
        } else {
            state.deliveries.append(batch);
        }
        wakers.extend(state.waker.take());
    }

    /// A batch has been consumed.
    pub(crate) fn release(&self, octets: usize) {
        self.link.release_buffered(octets);
    }

    /// Nothing more will come.
    pub(crate) fn end(&self, end: End, wakers: &mut Vec<Waker>) {
        let mut state = self.state();
        if matches!(end, End::Channel(_)) && !self.no_ack {
            // The broker has taken these back and delivers them again.
            state.deliveries.clear();
            self.link
                .release_buffered(std::mem::take(&mut state.octets));
        }
        state.active = false;
        state.end.get_or_insert(end);
        wakers.extend(state.waker.take());
    }

    /// Takes all that has come, into the empty `into`, and says how many octets it occupies:
    /// [`release`](Self::release) them when it has been consumed. Or says why nothing more comes.
    pub(crate) fn poll_take(
        &self,
        into: &mut VecDeque<RawDelivery>,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, End>> {
        let mut state = self.state();
        if !state.deliveries.is_empty() {
            if into.capacity() > KEEP {
                *into = VecDeque::new();
            }
            std::mem::swap(&mut state.deliveries, into);
            return Poll::Ready(Ok(std::mem::take(&mut state.octets)));
        }
        if let Some(end) = &state.end {
            return Poll::Ready(Err(end.clone()));
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => state.waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// The handle goes away: gives back what it has not seen, and whether the broker must be told.
    pub(crate) fn abandon(&self) -> (VecDeque<RawDelivery>, bool) {
        let mut state = self.state();
        state.handle_gone = true;
        self.link
            .release_buffered(std::mem::take(&mut state.octets));
        (std::mem::take(&mut state.deliveries), state.active)
    }
}
