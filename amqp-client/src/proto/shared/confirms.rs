//! Publisher confirms of one channel.
//!
//! A publish costs nothing here: its number is assigned in the outbox. This side knows that
//! everything below `base` is resolved, and keeps a slot only for numbers that somebody asked
//! about or that were answered out of order.
//!
//! ```text
//! number:   … base-1 │ base  base+1 …  base+slots.len()  …  last published
//!           resolved │ Unknown · Acked · Waiting · Abandoned   │ no slot: unresolved, nobody asks
//! ```
//!
//! A `multiple` acknowledgement costs the slots it resolves: amortised, constant work per message.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Poll, Waker};

use amqp_spec::frame::FrameTooLarge;
use bytes::Bytes;

pub(crate) use super::at_limit::Limits;
use super::at_limit::{AtLimit, Taken};
use super::failures::Failures;
pub(crate) use super::failures::{Failure, Noted};
use super::kept::{Kept, KeptMessage};
use super::lost::{Fate, Loss, Lost, LostCounts};
use crate::error::ChannelError;
use crate::message::Incoming;
use crate::proto::wait::{Sleeper, Waiters};

/// What the broker's numbers count from while some of them stand for messages that were sent again:
/// nothing, so that they are looked up.
const LOOKED_UP: u64 = u64::MAX;

/// Slots whose memory is kept when none is needed.
const KEEP: usize = 4096;

/// What the broker said of one message.
#[derive(Debug)]
pub(crate) enum ConfirmOutcome {
    /// `basic.ack`.
    Acked,
    /// `basic.nack`.
    Nacked,
    /// `basic.return`, then `basic.ack`.
    Returned(Box<Incoming>),
    /// Nothing, and it will say nothing more.
    Lost(Fate, ChannelError),
}

/// The state of one number from `base` on.
#[derive(Debug)]
enum ConfirmSlot {
    /// Not answered, and nobody waits.
    Unknown,
    /// Not answered; call this when it is.
    Waiting(Waker),
    /// Not answered, and nobody will ask.
    Abandoned,
    /// Answered ahead of `base`.
    Resolved,
}

/// The confirms of one channel.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    /// Every number up to this one is resolved; numbers start at 1.
    resolved: u64,
    /// Slots for the numbers right above `resolved`; the first is never `Resolved`.
    slots: VecDeque<ConfirmSlot>,
    /// How many slots are `Resolved`.
    ahead: u64,
    /// How many slots are `Waiting`.
    waiting: usize,
    /// What the broker's numbers count from: it begins anew with each life of the channel. Or
    /// [`LOOKED_UP`].
    base: u64,
    /// How many numbers were refused.
    nacked: u64,
    /// How many numbers were never answered, of those that are resolved.
    n_lost: u64,
    /// What most channels never need.
    extra: Option<Box<Extra>>,
    /// Why nothing more will be answered.
    ended: Option<Arc<Loss>>,
}

/// What is needed once something fails, or somebody waits for more than one answer.
#[derive(Debug, Default)]
struct Extra {
    /// Outcomes that are not plain acks, until they are asked for; and in which round of failures
    /// they were noted.
    notable: BTreeMap<u64, (ConfirmOutcome, u64)>,
    /// Numbers that came back and have not been answered.
    returned: BTreeSet<u64>,
    /// What has no answer and never gets one.
    lost: Lost,
    /// What failed and has not been told, for those who wait for all.
    failures: Failures,
    /// Who waits for all up to a number.
    all: Waiters<u64>,
    /// Publishers that wait until fewer than a limit are unanswered, or less is kept.
    room: AtLimit,
    /// What is sent again if it is not answered.
    kept: Option<Box<Kept>>,
}

impl Extra {
    /// Every number up to this one is answered.
    fn resolved(&mut self, resolved: u64, wakers: &mut Vec<Waker>) {
        if !self.returned.is_empty() {
            self.returned = self.returned.split_off(&(resolved + 1));
        }
        while self.all.first().is_some_and(|(upto, ..)| upto <= resolved) {
            self.all.call_first(wakers);
        }
    }
}

impl Confirms {
    /// An answer from the broker. Answers for numbers never published, or already answered, change
    /// nothing that anybody can see.
    pub(crate) fn settle(
        &mut self,
        number: u64,
        multiple: bool,
        nack: bool,
        published: u64,
        wakers: &mut Vec<Waker>,
    ) {
        // With `multiple`, 0 means everything so far. How much that is at the broker it does not
        // say, and no broker is known to send it.
        let count = number;
        let mut number = if multiple && number == 0 {
            published
        } else {
            number.saturating_add(self.base)
        };
        if number > published || number <= self.resolved {
            match self.look_up(count).filter(|&known| known <= published) {
                Some(known) => number = known,
                None => return,
            }
        }
        let offset = number - self.resolved - 1;
        if multiple {
            for step in 0..=offset {
                self.resolve_front(nack, wakers);
                if self.slots.is_empty() && !nack {
                    // No slot beyond: nobody asked about the rest.
                    self.resolved += offset - step;
                    break;
                }
            }
        } else if offset == 0 {
            self.resolve_front(nack, wakers);
        } else if let Some(slot) = self.slot(offset) {
            let before = std::mem::replace(slot, ConfirmSlot::Resolved);
            self.ahead += u64::from(!matches!(before, ConfirmSlot::Resolved));
            self.conclude(number, before, nack, wakers);
        }
        self.move_up();
        if self.slots.is_empty() && self.slots.capacity() > KEEP {
            self.slots = VecDeque::new();
        }
        if let Some(extra) = &mut self.extra {
            extra.resolved(self.resolved, wakers);
            if extra.kept.is_some() {
                self.forget_kept(number);
            }
        }
    }

    /// The front is never resolved: what was answered ahead of it moves below the line.
    #[inline]
    fn move_up(&mut self) {
        while let Some(ConfirmSlot::Resolved) = self.slots.front() {
            self.slots.pop_front();
            self.ahead -= 1;
            self.resolved += 1;
        }
    }

    /// What a number of the broker's stands for, if that has to be looked up and not all up to it are
    /// answered.
    #[cold]
    fn look_up(&self, count: u64) -> Option<u64> {
        let kept = self.kept().filter(|_| self.base == LOOKED_UP)?;
        let number = kept.number_of(count)?;
        (number > self.resolved).then_some(number)
    }

    fn kept(&self) -> Option<&Kept> {
        self.extra.as_ref()?.kept.as_deref()
    }

    fn kept_mut(&mut self) -> Option<&mut Kept> {
        self.extra.as_mut()?.kept.as_deref_mut()
    }

    /// This number is answered, and need not be kept any more.
    fn forget_kept(&mut self, number: u64) {
        let (resolved, looked_up) = (self.resolved, self.base == LOOKED_UP);
        if let Some(kept) = self.kept_mut() {
            kept.answered(number, resolved);
            if let (base, true) = kept.base() {
                self.base = if looked_up { base } else { self.base };
            }
        }
    }

    fn take_notable(&mut self, number: u64) -> Option<ConfirmOutcome> {
        let (outcome, _) = self.extra.as_mut()?.notable.remove(&number)?;
        Some(outcome)
    }

    /// Tells what is notable of a number; those who wait for all are not told once more.
    fn tell_notable(&mut self, number: u64) -> Option<ConfirmOutcome> {
        let extra = self.extra.as_mut()?;
        if let Some((fate, error)) = extra.lost.tell(number) {
            return Some(ConfirmOutcome::Lost(fate, error));
        }
        let (outcome, round) = extra.notable.remove(&number)?;
        match &outcome {
            ConfirmOutcome::Nacked => extra.failures.told(number, Failure::Nacked, round),
            ConfirmOutcome::Returned(_) => extra.failures.told(number, Failure::Returned, round),
            ConfirmOutcome::Acked | ConfirmOutcome::Lost(..) => {}
        }
        Some(outcome)
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Resolves the number right above `resolved`.
    fn resolve_front(&mut self, nack: bool, wakers: &mut Vec<Waker>) {
        let before = self.slots.pop_front().unwrap_or(ConfirmSlot::Unknown);
        self.resolved += 1;
        self.ahead -= u64::from(matches!(before, ConfirmSlot::Resolved));
        self.conclude(self.resolved, before, nack, wakers);
    }

    fn conclude(&mut self, number: u64, before: ConfirmSlot, nack: bool, wakers: &mut Vec<Waker>) {
        if matches!(before, ConfirmSlot::Resolved) {
            return;
        }
        self.nacked += u64::from(nack);
        // What came back is in no queue, whether that is called an ack or a nack.
        let returned = self.extra.as_mut();
        let returned = returned.is_some_and(|extra| extra.returned.remove(&number));
        let nack = nack && !returned;
        if nack {
            self.extra().failures.push(number, Failure::Nacked);
        }
        match before {
            ConfirmSlot::Abandoned => {
                self.take_notable(number);
                return;
            }
            // One task that waits for many is called once.
            // The one that is dropped is not the last of its task.
            ConfirmSlot::Waiting(waker) => {
                self.waiting -= 1;
                if !wakers.last().is_some_and(|last| last.will_wake(&waker)) {
                    wakers.push(waker);
                }
            }
            ConfirmSlot::Unknown | ConfirmSlot::Resolved => {}
        }
        if nack {
            let extra = self.extra();
            let round = extra.failures.round();
            extra
                .notable
                .insert(number, (ConfirmOutcome::Nacked, round));
        }
    }

    /// The slot at this offset above `resolved`, made if it is not there yet.
    fn slot(&mut self, offset: u64) -> Option<&mut ConfirmSlot> {
        let index = usize::try_from(offset).ok()?;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || ConfirmSlot::Unknown);
        }
        self.slots.get_mut(index)
    }

    /// The broker returned this message; its ack is still to come. It comes back from here if
    /// no caller is going to ask for it.
    pub(crate) fn returned(
        &mut self,
        number: u64,
        message: Box<Incoming>,
    ) -> Option<Box<Incoming>> {
        if number > self.resolved && self.extra().returned.insert(number) {
            self.extra().failures.push(number, Failure::Returned);
            if let Some(kept) = self.kept_mut() {
                // It is in no queue, and to say so once is enough.
                kept.forget(number);
            }
        }
        let abandoned = number
            .checked_sub(self.resolved + 1)
            .and_then(|offset| usize::try_from(offset).ok())
            .is_some_and(|index| matches!(self.slots.get(index), Some(ConfirmSlot::Abandoned)));
        if number > self.resolved && !abandoned {
            let extra = self.extra();
            let round = extra.failures.round();
            let returned = ConfirmOutcome::Returned(message);
            extra.notable.insert(number, (returned, round));
            return None;
        }
        Some(message)
    }

    /// Nothing more will be answered, of `published` numbers.
    pub(crate) fn end(&mut self, mut loss: Loss, published: u64, wakers: &mut Vec<Waker>) {
        if self.ended.is_some() {
            return;
        }
        let mut given_up = Vec::new();
        if let Some(kept) = self.kept_mut() {
            kept.look_up(&mut loss);
            given_up = kept.lose(&loss, published, false);
        }
        let loss = Arc::new(loss);
        self.ended = Some(Arc::clone(&loss));
        self.lose(&loss, published, &given_up, wakers);
        self.call_waiting(wakers);
    }

    /// The channel is opened again, and so many numbers have been published, all of which are told:
    /// the next one is the first that may be answered.
    pub(crate) fn begin_again(&mut self, published: u64) {
        self.ended = None;
        self.base = published;
        if let Some(extra) = &mut self.extra {
            extra.lost.forget_oldest();
        }
    }

    /// What was published up to this one, of the last use of the channel, will not be answered, but
    /// for what is kept and sent again; what comes behind it goes on.
    pub(crate) fn renew(&mut self, mut loss: Loss, mut upto: u64, wakers: &mut Vec<Waker>) {
        let mut given_up = Vec::new();
        self.base = upto;
        if let Some(kept) = self.kept_mut() {
            upto = kept.last_sent(upto);
            kept.look_up(&mut loss);
            given_up = kept.lose(&loss, upto, true);
            let (base, is_straight) = kept.base();
            self.base = if is_straight { base } else { LOOKED_UP };
        }
        let loss = Arc::new(loss);
        self.lose(&loss, upto, &given_up, wakers);
        let resolved = self.resolved;
        if let Some(extra) = &mut self.extra {
            extra.lost.forget_oldest();
            extra.resolved(resolved, wakers);
        }
    }

    /// What is not answered up to this number is lost, but for what is sent again; of what is given
    /// up more is known than the loss tells.
    fn lose(
        &mut self,
        loss: &Arc<Loss>,
        upto: u64,
        given_up: &[(u64, Fate)],
        wakers: &mut Vec<Waker>,
    ) {
        // Those that wait for all up to some number are not to be told of others.
        let extra = self.extra.as_ref();
        let ends: BTreeSet<u64> =
            extra.map_or_else(BTreeSet::new, |extra| extra.all.keys().collect());
        let again = self.kept().and_then(|kept| kept.first_again(upto));
        let first = again.map_or(upto, |first| first - 1);
        let mut lose = |this: &mut Self, number: u64, slot: ConfirmSlot| {
            let apart = ends.contains(&(number - 1));
            this.lose_one(number, slot, apart, loss, given_up, wakers);
        };
        while self.resolved < first {
            let slot = self.slots.pop_front().unwrap_or(ConfirmSlot::Unknown);
            self.resolved += 1;
            match slot {
                ConfirmSlot::Resolved => self.ahead -= 1,
                slot => lose(self, self.resolved, slot),
            }
        }
        for number in first + 1..=upto {
            let is_kept = self.kept().is_some_and(|kept| kept.is_sent_again(number));
            let offset = number - self.resolved - 1;
            let slot = self.slot(offset).filter(|_| !is_kept);
            let slot = slot.map(|slot| std::mem::replace(slot, ConfirmSlot::Resolved));
            if let Some(slot) = slot.filter(|slot| !matches!(slot, ConfirmSlot::Resolved)) {
                self.ahead += 1;
                lose(self, number, slot);
            }
        }
    }

    fn lose_one(
        &mut self,
        number: u64,
        slot: ConfirmSlot,
        apart: bool,
        loss: &Arc<Loss>,
        given_up: &[(u64, Fate)],
        wakers: &mut Vec<Waker>,
    ) {
        let is_asked = !matches!(slot, ConfirmSlot::Abandoned);
        if let ConfirmSlot::Waiting(waker) = slot {
            self.waiting -= 1;
            wakers.push(waker);
        }
        self.n_lost += 1;
        let extra = self.extra();
        // What has come back is in no queue, whatever followed.
        if !extra.returned.remove(&number) {
            match given_up.binary_search_by_key(&number, |(number, _)| *number) {
                Ok(at) => {
                    let fate = given_up.get(at).map_or(Fate::Uncertain, |&(_, fate)| fate);
                    extra.lost.push_as(fate, number, is_asked, apart, loss);
                }
                Err(_) => extra.lost.push(number, is_asked, apart, loss),
            }
        }
    }

    // What is sent again

    /// Keeps a message that has just been published, to send it again if it is not answered.
    pub(crate) fn keep(&mut self, number: u64, message: Box<KeptMessage>) {
        if number > self.resolved && self.ended.is_none() {
            let kept = self.extra().kept.get_or_insert_default();
            kept.push(number, message);
        }
    }

    /// Has everything queued that is to be sent again, in order. Returns how much that is; what does
    /// not fit into a frame any more is given up.
    pub(crate) fn send_again(
        &mut self,
        queue: impl FnMut(&KeptMessage) -> Result<(), FrameTooLarge>,
        wakers: &mut Vec<Waker>,
    ) -> u64 {
        let Some(kept) = self.kept_mut() else {
            return 0;
        };
        let (n, unfit) = kept.send_again(queue);
        for (number, fate, error) in unfit {
            let loss = Arc::new(Loss::plain(&error.into(), u64::MAX));
            let offset = number.checked_sub(self.resolved + 1);
            let slot = offset.and_then(|offset| self.slot(offset));
            if let Some(slot) = slot.map(|slot| std::mem::replace(slot, ConfirmSlot::Resolved)) {
                self.ahead += 1;
                self.lose_one(number, slot, false, &loss, &[(number, fate)], wakers);
            }
            self.move_up();
            self.forget_kept(number);
        }
        let resolved = self.resolved;
        if let Some(extra) = &mut self.extra {
            extra.resolved(resolved, wakers);
        }
        n
    }

    /// What was queued to be sent again has been dropped, all of it: it is to be queued once more.
    pub(crate) fn not_sent_again(&mut self) {
        if let Some(kept) = self.kept_mut() {
            kept.wait_again();
        }
    }

    /// Bodies that need not be kept any more, to be dropped once the lock is released.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn take_dropped(&mut self) -> Vec<Bytes> {
        let kept = self.kept_mut();
        kept.map_or_else(Vec::new, Kept::take_dropped)
    }

    /// How many octets are kept.
    #[cfg(test)]
    pub(crate) fn kept_octets(&self) -> usize {
        self.kept().map_or(0, Kept::octets)
    }

    /// Calls everything that waits for an answer, to look at something else and wait again.
    pub(crate) fn call_waiting(&mut self, wakers: &mut Vec<Waker>) {
        if let Some(extra) = &mut self.extra {
            extra.all.call_all(wakers);
            extra.room.call_all(wakers);
        }
        self.waiting = 0;
        for slot in &mut self.slots {
            if matches!(slot, ConfirmSlot::Waiting(_)) {
                if let ConfirmSlot::Waiting(waker) = std::mem::replace(slot, ConfirmSlot::Unknown) {
                    wakers.push(waker);
                }
            }
        }
    }

    /// Whether this number was acknowledged, and no number has anything more to say.
    #[inline]
    pub(crate) fn is_plainly_acked(&self, number: u64) -> bool {
        let extra = self.extra.as_ref();
        number <= self.resolved
            && extra.is_none_or(|extra| extra.notable.is_empty() && number > extra.lost.last())
    }

    /// Asks about one number.
    pub(crate) fn poll(&mut self, number: u64, sleeper: &mut Sleeper<'_>) -> Poll<ConfirmOutcome> {
        if self.is_resolved(number) {
            return Poll::Ready(self.tell_notable(number).unwrap_or(ConfirmOutcome::Acked));
        }
        if let Some(loss) = &self.ended {
            let fate = Fate::Uncertain;
            return Poll::Ready(ConfirmOutcome::Lost(fate, loss.error(fate)));
        }
        let offset = number - self.resolved - 1;
        let Some(slot) = self.slot(offset) else {
            return Poll::Pending;
        };
        if matches!(slot, ConfirmSlot::Waiting(known) if sleeper.is_called_by(known)) {
            return Poll::Pending;
        }
        if let Some(waker) = sleeper.take_clone() {
            match std::mem::replace(slot, ConfirmSlot::Waiting(waker)) {
                ConfirmSlot::Waiting(known) => sleeper.discard(Some(known)),
                ConfirmSlot::Unknown | ConfirmSlot::Abandoned | ConfirmSlot::Resolved => {
                    self.waiting += 1;
                }
            }
        }
        Poll::Pending
    }

    /// Forgets a number whose outcome will not be asked for. Gives the message if it has come back,
    /// and the waker of the task that has waited, which is to be dropped once the lock is released.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn abandon(&mut self, number: u64) -> (Option<Box<Incoming>>, Option<Waker>) {
        let returned = match self.take_notable(number) {
            Some(ConfirmOutcome::Returned(message)) => Some(message),
            Some(ConfirmOutcome::Acked | ConfirmOutcome::Nacked | ConfirmOutcome::Lost(..))
            | None => None,
        };
        if let Some(extra) = &mut self.extra {
            extra.lost.abandon(number);
        }
        let offset = number.checked_sub(self.resolved + 1);
        let slot = offset.and_then(|offset| self.slot(offset));
        let Some(slot @ (ConfirmSlot::Unknown | ConfirmSlot::Waiting(_))) = slot else {
            return (returned, None);
        };
        let ConfirmSlot::Waiting(waker) = std::mem::replace(slot, ConfirmSlot::Abandoned) else {
            return (returned, None);
        };
        self.waiting -= 1;
        (returned, Some(waker))
    }

    /// Whether anybody waits for an answer.
    pub(crate) fn has_waiter(&self) -> bool {
        let extra = self.extra.as_ref();
        self.waiting > 0
            || extra.is_some_and(|extra| !extra.all.is_empty() || !extra.room.is_empty())
    }

    // All of them

    /// Ready when every number up to this one is answered, or none will be any more.
    pub(crate) fn poll_all(
        &mut self,
        upto: u64,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) -> Poll<()> {
        if self.resolved >= upto || self.ended.is_some() {
            return Poll::Ready(());
        }
        self.extra().all.wait_at(upto, (), ticket, sleeper);
        Poll::Pending
    }

    /// Whoever waited for all does so no longer.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn forget_all(&mut self, upto: u64, ticket: u64) -> Option<Waker> {
        self.extra().all.remove(upto, ticket)
    }

    /// The highest number that is known of here.
    pub(crate) fn highest(&self) -> u64 {
        self.resolved + self.slots.len() as u64
    }

    /// What failed and has not been told; of what will not be answered, that up to this number.
    pub(crate) fn take_failures(&mut self, upto: u64) -> (Noted, LostCounts) {
        let extra = self.extra.as_mut();
        extra.map_or_else(Default::default, |extra| {
            (extra.failures.take(), extra.lost.tell_up_to(upto))
        })
    }

    /// How many numbers up to this one have neither an answer nor come back, and may still get one.
    pub(crate) fn unanswered(&self, upto: u64) -> u64 {
        let returned = self.extra.as_ref().map(|extra| &extra.returned);
        // What has come back is told as that.
        let came_back = |number: &u64| returned.is_some_and(|returned| returned.contains(number));
        let open = (self.resolved + 1..=upto)
            .filter(|number| !self.is_resolved(*number) && !came_back(number));
        open.count() as u64
    }

    // Not too many

    /// How many of so many published numbers have no answer.
    pub(crate) fn outstanding(&self, published: u64) -> u64 {
        published.saturating_sub(self.resolved + self.ahead)
    }

    /// Whether one more may be published; if not, the task is called when it may. Who has a ticket
    /// has to [`forget_room`](Self::forget_room).
    pub(crate) fn admit(
        &mut self,
        published: u64,
        limits: Limits,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) -> bool {
        let taken = self.taken(published);
        // Those who come too late are told so by the outbox.
        if self.ended.is_some() {
            return true;
        }
        match &mut self.extra {
            None if limits.admit(taken) => true,
            _ => self.extra().room.admit(limits, taken, ticket, sleeper),
        }
    }

    fn taken(&self, published: u64) -> Taken {
        Taken {
            outstanding: self.outstanding(published),
            kept: self.kept().map_or(0, Kept::octets),
        }
    }

    /// How many publishers wait for others to be answered, or have been called and have not come.
    pub(crate) fn n_publishers(&self) -> usize {
        self.extra.as_ref().map_or(0, |extra| extra.room.len())
    }

    /// Whether a publisher waits for others to be answered.
    pub(crate) fn is_in_line(&self, ticket: u64) -> bool {
        let extra = self.extra.as_ref();
        extra.is_some_and(|extra| extra.room.contains(ticket))
    }

    /// A publisher goes away, or has what it waited for.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn forget_room(&mut self, ticket: u64) -> Option<Waker> {
        self.extra().room.remove(ticket)
    }

    /// Calls as many publishers as there is room for, those who have waited longest first. True if
    /// some were called.
    pub(crate) fn call_room(&mut self, published: u64, wakers: &mut Vec<Waker>) -> bool {
        let taken = self.taken(published);
        let extra = self.extra.as_mut();
        let room = extra.map(|extra| &mut extra.room);
        room.filter(|room| !room.is_empty())
            .is_some_and(|room| room.call(taken, wakers))
    }

    /// Keeps no place any more for those who were called before the last time and have not come.
    /// True if any have been called: others may have those places, and some may be kept still.
    pub(crate) fn expire_called(&mut self) -> bool {
        let extra = self.extra.as_mut();
        extra.is_some_and(|extra| extra.room.expire_called())
    }

    /// Calls all who wait for others to be answered, to wait for something else.
    pub(crate) fn call_limited(&mut self, wakers: &mut Vec<Waker>) {
        if let Some(extra) = &mut self.extra {
            extra.room.call_all(wakers);
        }
    }

    /// Publishing fails from here on: those who wait for room are to hear of it.
    pub(crate) fn refuse_room(&mut self, wakers: &mut Vec<Waker>) {
        if let Some(extra) = &mut self.extra {
            extra.room.refuse(wakers);
        }
    }

    /// How many slots and notable outcomes are kept.
    #[cfg(test)]
    pub(crate) fn leftovers(&self) -> (usize, usize) {
        let notable = self.extra.as_ref().map_or(0, |extra| extra.notable.len());
        (self.slots.len(), notable)
    }

    /// Whether this number has been answered.
    pub(crate) fn is_resolved(&self, number: u64) -> bool {
        match number.checked_sub(self.resolved + 1) {
            None => true,
            Some(offset) => usize::try_from(offset)
                .is_ok_and(|index| matches!(self.slots.get(index), Some(ConfirmSlot::Resolved))),
        }
    }

    /// How many numbers were acknowledged, and how many refused.
    pub(crate) fn answered(&self) -> (u64, u64) {
        let answered = self.resolved + self.ahead - self.n_lost;
        (answered - self.nacked, self.nacked)
    }

    /// How many will never be answered.
    pub(crate) fn n_lost(&self) -> u64 {
        self.n_lost
    }

    /// Every number up to this one is resolved.
    pub(crate) fn resolved(&self) -> u64 {
        self.resolved
    }
}
