//! What the core and the handles of one channel share.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use super::confirms::Confirms;
use super::connection::ConnectionShared;
use super::consumer::{ConsumerEnd, ConsumerQueue};
use super::gone_back::LockedGoneBack;
use super::last_queue::LastQueue;
use super::lost::Loss;
use super::yielded::Yielded;
use crate::error::ChannelError;
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::outbox::{Closed, Refused, Reopened, Reopener, Reopens};
use crate::proto::send::request::Slot;
use crate::proto::wait;
use crate::proto::wait::LockedLatch;
use crate::proto::wait::sync::lock;

/// One channel, as seen by its handles and by the core.
#[derive(Debug)]
pub(crate) struct ChannelShared {
    pub(crate) at: ChannelUse,
    pub(crate) connection: Arc<ConnectionShared>,
    confirms: Mutex<Confirms>,
    /// Why the channel ended.
    pub(crate) end: LockedLatch<ChannelError>,
    /// What only some channels need.
    seldom: OnceLock<Box<Seldom>>,
    /// A limit of the whole channel was asked for, and became one of each consumer.
    limit_per_consumer: AtomicBool,
    /// The highest number of what was delivered, in whichever life.
    delivered: AtomicU64,
    /// What of it has gone back.
    gone_back: LockedGoneBack,
    /// Tags that are made up for consumers of this use of the channel have at least this number.
    pub(crate) consumer_tags_from: u64,
    /// It is a recovery's own, of which the program does not hear.
    pub(crate) is_internal: bool,
}

/// What channels need on which queues are declared, or that are consumed from.
#[derive(Debug, Default)]
struct Seldom {
    last_queue: LastQueue,
    yielded: Yielded,
    /// What it was when the broker closed it, once all has been told.
    closed: Mutex<Option<Box<Closed>>>,
}

impl ChannelShared {
    pub(crate) fn new(at: ChannelUse, connection: Arc<ConnectionShared>) -> Self {
        Self {
            at,
            consumer_tags_from: connection.consumer_tags_from(),
            connection,
            confirms: Mutex::default(),
            end: LockedLatch::default(),
            seldom: OnceLock::new(),
            limit_per_consumer: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
            gone_back: LockedGoneBack::default(),
            is_internal: false,
        }
    }

    /// One of a recovery's own.
    pub(crate) fn internal(at: ChannelUse, connection: Arc<ConnectionShared>) -> Self {
        Self {
            is_internal: true,
            ..Self::new(at, connection)
        }
    }

    fn seldom(&self) -> &Seldom {
        self.seldom.get_or_init(Box::default)
    }

    /// What an empty name of a queue stands for.
    pub(crate) fn last_queue(&self) -> &LastQueue {
        &self.seldom().last_queue
    }

    /// What it has yielded to the program.
    pub(crate) fn yielded(&self) -> &Yielded {
        &self.seldom().yielded
    }

    /// Its consumers whose handles are there.
    pub(crate) fn consumers(&self) -> Vec<Arc<ConsumerQueue>> {
        let seldom = self.seldom.get();
        seldom.map_or_else(Vec::new, |seldom| seldom.yielded.consumers())
    }

    /// Its consumers that wait for it to be opened again.
    pub(crate) fn resting_consumers(&self) -> impl Iterator<Item = Arc<ConsumerQueue>> {
        self.consumers().into_iter().filter(|queue| queue.rests())
    }

    /// It is not opened again for those.
    pub(crate) fn end_resting(&self, end: &ConsumerEnd, wakers: &mut Vec<Waker>) {
        for queue in self.consumers() {
            queue.end_rest(end.clone(), wakers);
        }
    }

    /// The confirms, to be looked at.
    #[inline]
    pub(crate) fn look_at_confirms(&self) -> impl Deref<Target = Confirms> {
        lock(&self.confirms)
    }

    pub(crate) fn confirms(&self) -> ConfirmsGuard<'_> {
        let confirms = lock(&self.confirms);
        ConfirmsGuard {
            demanded: confirms.has_waiter(),
            confirms,
            demand: NewDemand {
                connection: &self.connection,
                due: false,
            },
        }
    }

    /// Nobody will ask what became of this publish. If its message has come back, whoever listens
    /// gets it.
    pub(crate) fn abandon(&self, number: u64) {
        let (returned, waker) = self.confirms().abandon(number);
        drop(waker);
        if let Some(message) = returned {
            let mut wakers = Vec::new();
            self.connection.returned(self.at, *message, &mut wakers);
            wait::wake_all(&mut wakers);
        }
    }

    /// The channel is over, and every later call is told why.
    pub(crate) fn set_ended(&self, cause: &ChannelError) {
        self.end.set_quietly(cause.clone());
    }

    /// The same, and all that wait for the end, or for a confirm of one of the `published`, learn
    /// why.
    pub(crate) fn end(&self, loss: Loss, published: u64, wakers: &mut Vec<Waker>) {
        self.end.set(loss.cause.clone(), wakers);
        self.gone_back(u64::MAX, wakers);
        let mut confirms = self.confirms();
        let (acked, nacked) = confirms.answered();
        let concluded = acked + nacked + confirms.n_lost();
        confirms.end(loss, published, wakers);
        let bodies = confirms.take_dropped();
        drop(confirms);
        drop(bodies);
        self.connection.totals.answered_before.add_u64(concluded);
    }

    /// The broker has closed it, and all have been told: this is what it was.
    pub(crate) fn set_closed(&self, closed: Box<Closed>) {
        *lock(&self.seldom().closed) = Some(closed);
    }

    /// What it was, for the one that opens it again.
    pub(crate) fn take_closed(&self) -> Option<Box<Closed>> {
        lock(&self.seldom().closed).take()
    }

    /// Opens it again, as [`Reopener::reopen`]. Publishes that come from then on find it open, as
    /// do those who wait for its end.
    pub(crate) fn reopen(
        &self,
        channel_max: u16,
        closed: &mut Closed,
        slot: impl FnMut(Reopens) -> Slot,
        wakers: &mut Vec<Waker>,
    ) -> Result<Reopened, Refused> {
        let delivered = self.delivered();
        let mut confirms = self.confirms();
        let mut outbox = self.connection.outbox();
        let mut reopener = Reopener::new(outbox.order_mut());
        let reopened = reopener.reopen(self.at, channel_max, (closed, delivered), slot, wakers)?;
        if matches!(reopened, Reopened::Asked(_)) {
            let published = outbox.channels().published(self.at.channel);
            confirms.begin_again(published);
            self.gone_back.begin_again(delivered);
            self.end.clear();
            // They count as published once more.
            self.connection.totals.lost.add_u64(published);
        }
        Ok(reopened)
    }

    /// Publishes up to this number will not be answered, and the channel goes on.
    pub(crate) fn renew(&self, loss: Loss, upto: u64, wakers: &mut Vec<Waker>) {
        let mut confirms = self.confirms();
        let before = confirms.n_lost();
        confirms.renew(loss, upto, wakers);
        let lost = confirms.n_lost() - before;
        // Those at a limit keep their places.
        let published = self
            .connection
            .outbox()
            .channels()
            .published(self.at.channel);
        if confirms.call_room(published, wakers) {
            self.connection.outbox().room_mut().note_called();
        }
        let bodies = confirms.take_dropped();
        drop(confirms);
        drop(bodies);
        self.connection.totals.lost.add_u64(lost);
    }

    /// The stream is lost, and another is to follow: publishes up to this number will not be
    /// answered, and the channel goes on. Publishers at a limit wait for that at the gate.
    pub(crate) fn lose_stream(&self, loss: Loss, upto: u64, wakers: &mut Vec<Waker>) {
        let mut confirms = self.confirms();
        let before = confirms.n_lost();
        confirms.renew(loss, upto, wakers);
        confirms.call_limited(wakers);
        let lost = confirms.n_lost() - before;
        let bodies = confirms.take_dropped();
        drop(confirms);
        drop(bodies);
        self.connection.totals.lost.add_u64(lost);
    }

    /// Queues what was published before, is not answered and is to be sent again: in front of what
    /// waits in the channel's line if that has messages, behind its requests. Says how much.
    pub(crate) fn send_again(&self, wakers: &mut Vec<Waker>) -> u64 {
        let mut confirms = self.confirms();
        let mut outbox = self.connection.outbox();
        let Some(line) = outbox.order_mut().begin_again(self.at) else {
            return 0;
        };
        let before = confirms.n_lost();
        let n = confirms.send_again(
            |message| outbox.order_mut().publish_again(self.at, message),
            wakers,
        );
        outbox.order_mut().end_again(self.at, line);
        // What does not fit any more leaves room.
        let published = outbox.channels().published(self.at.channel);
        if confirms.call_room(published, wakers) {
            outbox.room_mut().note_called();
        }
        let lost = confirms.n_lost() - before;
        let bodies = confirms.take_dropped();
        drop(outbox);
        drop(confirms);
        drop(bodies);
        self.connection.totals.lost.add_u64(lost);
        self.connection.totals.resent.add_u64(n);
        n
    }

    /// A place in line for a publish that had this number, and goes on.
    pub(crate) fn place_of(&self, number: u64) -> Option<u64> {
        let outbox = self.connection.outbox();
        outbox.room().place_of(self.at.channel, number)
    }

    /// Why the channel ended, if it has.
    pub(crate) fn ended(&self) -> Option<ChannelError> {
        self.end.get()
    }

    /// The highest number of what was delivered.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Something was delivered; only the core says so.
    pub(crate) fn set_delivered(&self, delivery_tag: u64) {
        self.delivered.store(delivery_tag, Ordering::Relaxed);
    }

    /// Deliveries up to this number have gone back to the broker: those who wait for that are
    /// called.
    pub(crate) fn gone_back(&self, delivery_tag: u64, wakers: &mut Vec<Waker>) {
        self.gone_back.raise(delivery_tag, wakers);
    }

    /// Waits until this delivery has gone back.
    pub(crate) fn poll_gone_back(
        &self,
        delivery_tag: u64,
        ticket: &mut Option<u64>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        self.gone_back.poll(delivery_tag, ticket, context)
    }

    /// A task waits no longer for a delivery to go back.
    pub(crate) fn forget_gone_back(&self, ticket: u64) {
        self.gone_back.forget(ticket);
    }

    /// How many wait for deliveries to go back.
    #[cfg(test)]
    pub(crate) fn n_waiting_for_lost(&self) -> usize {
        self.gone_back.n_waiting()
    }

    /// Whether a limit of the channel becomes one of each consumer for the first time.
    pub(crate) fn is_first_limit_per_consumer(&self) -> bool {
        !self.limit_per_consumer.swap(true, Ordering::Relaxed)
    }

    /// Puts the outbox's refusal into the caller's words.
    pub(crate) fn explain(&self, refused: Refused) -> ChannelError {
        // What has ended the channel was another operation.
        let ended = || self.ended().map(|error| error.for_bystander());
        match refused {
            Refused::Connection(error) => {
                ended().unwrap_or_else(|| ChannelError::Connection(error.for_bystander()))
            }
            Refused::NotOpen => ended().unwrap_or(ChannelError::Closed),
            Refused::TooLarge(error) => error.into(),
            Refused::Blocked(reason) => ChannelError::Blocked { reason },
            Refused::Recovering(lost) => self.connection.recovering_from(*lost),
            Refused::TransactionLost => ChannelError::TransactionLost,
        }
    }
}

/// The confirms of a channel, locked. When they are unlocked, what waits for them counts as a
/// demand, or does so no longer.
#[derive(Debug)]
pub(crate) struct ConfirmsGuard<'a> {
    /// Whether anything waited before.
    demanded: bool,
    confirms: MutexGuard<'a, Confirms>,
    /// Behind the lock, for fields are dropped in this order.
    demand: NewDemand<'a>,
}

#[derive(Debug)]
struct NewDemand<'a> {
    connection: &'a ConnectionShared,
    due: bool,
}

impl Deref for ConfirmsGuard<'_> {
    type Target = Confirms;

    #[inline]
    fn deref(&self) -> &Confirms {
        &self.confirms
    }
}

impl DerefMut for ConfirmsGuard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Confirms {
        &mut self.confirms
    }
}

impl Drop for ConfirmsGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        match (self.demanded, self.confirms.has_waiter()) {
            (false, true) => self.demand.due = true,
            (true, false) => self.demand.connection.end_demand(),
            (false, false) | (true, true) => {}
        }
    }
}

impl Drop for NewDemand<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.due {
            self.connection.demand();
        }
    }
}
