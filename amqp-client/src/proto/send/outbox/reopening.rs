//! A channel that the broker has closed, and that the program opens again.
//!
//! ```text
//! Open ──closed by the broker──▶ Free ──reopened──▶ Opening ──open-ok──▶ Open
//!                                  └──while there is no stream──▶ Lost, as one that is restored
//! ```
//!
//! It keeps its use of its number, and its numbers of publishes and deliveries. Everything that
//! makes it what it was is queued at once: `channel.open`, its modes, its own limits, and its
//! consumers in the order of their tags. What the program asks for from then on stands behind that.

use std::sync::Arc;
use std::task::Waker;

use amqp_spec::wire::{FieldTable, TypedMethod as _};
use amqp_spec::{basic, channel, confirm, tx};

use super::consumers::{Asked, NotStarted, OwnLimits};
use super::driver::Wake;
use super::order::Order;
use super::refused::Refused;
use super::restoring::LostRequests;
use super::transactions::Transactions;
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::request::Slot;
use crate::proto::shared::consumer::{ConsumerEnd, ConsumerQueue};

/// What a channel was that the broker has closed.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    pub(super) transactions: Option<Box<Transactions>>,
    pub(super) limits: OwnLimits,
    pub(super) consumers: Vec<(Arc<ConsumerQueue>, Asked)>,
    for_those_that_rest: bool,
}

impl Closed {
    pub(super) fn new(
        transactions: Option<Box<Transactions>>,
        limits: OwnLimits,
        consumers: Vec<(Arc<ConsumerQueue>, Asked)>,
    ) -> Self {
        Self {
            transactions,
            limits,
            consumers,
            for_those_that_rest: false,
        }
    }

    /// It is not the program that opens it again: of its consumers only those come back that wait
    /// for that, and they subscribe as others that the broker has cancelled.
    pub(crate) fn only_for_those_that_rest(&mut self) {
        self.for_those_that_rest = true;
    }

    /// Puts the payloads of `basic.consume` as they are to be sent now.
    pub(crate) fn put_consumers(&mut self, present: impl Fn(&ConsumerQueue, &[u8]) -> Vec<u8>) {
        for (queue, asked) in &mut self.consumers {
            asked.consume = present(queue, &asked.consume);
        }
    }
}

/// What is asked for when a channel is opened again.
#[derive(Clone, Debug)]
pub(crate) enum Reopens {
    Channel,
    ConfirmSelect,
    TxSelect,
    Limit,
    Consumer(Arc<ConsumerQueue>),
}

/// Whether a channel is opened again.
#[derive(Debug)]
pub(crate) enum Reopened {
    /// All that it takes is queued.
    Asked(Vec<Wake>),
    /// The answer to the broker's close stands behind the rest of a large body.
    NotYet,
    /// Its number is that of another channel, or is not used any more.
    Taken,
}

/// Opens channels again.
#[derive(Debug)]
pub(crate) struct Reopener<'o> {
    order: &'o mut Order,
}

impl<'o> Reopener<'o> {
    pub(crate) fn new(order: &'o mut Order) -> Self {
        Self { order }
    }

    /// Opens a channel again that the broker has closed, behind deliveries with numbers up to
    /// `delivered`; `slot` makes the slot of each request. Consumers that cannot be asked for end:
    /// their wakers are left to be called.
    pub(crate) fn reopen(
        &mut self,
        at: ChannelUse,
        channel_max: u16,
        (closed, delivered): (&mut Closed, u64),
        mut slot: impl FnMut(Reopens) -> Slot,
        wakers: &mut Vec<Waker>,
    ) -> Result<Reopened, Refused> {
        self.order.ending.check_open()?;
        let Some(channel) = self.order.channels.get_mut(at.channel) else {
            return Ok(Reopened::Taken);
        };
        if channel.is(at) && channel.is_being_finished() {
            return Ok(Reopened::NotYet);
        }
        let is_ours = channel.is(at) && channel.is_free();
        if !is_ours || self.take(at, channel_max).is_none() {
            return Ok(Reopened::Taken);
        }
        let mut wakes = Vec::new();
        let is_down = self.order.is_down;
        if let Some(channel) = self.order.channels.get_mut(at.channel) {
            if let Some(transactions) = &mut closed.transactions {
                transactions.lose(Vec::new(), &mut LostRequests::default());
            }
            channel.begin_again(closed.transactions.take());
            channel.consumers().set_own(closed.limits);
            if is_down {
                channel.open_later(slot(Reopens::Channel), &mut self.order.queue);
                wakes.push(self.order.queue.driver.wake_always());
            }
        }
        if !is_down {
            self.say_modes(at, closed, &mut slot, &mut wakes)?;
        }
        for (queue, asked) in closed.consumers.drain(..) {
            if closed.for_those_that_rest {
                self.let_subscribe(at, &queue, asked, delivered);
            } else if queue.begin_again(delivered) {
                if let Some(resubscription) = queue.resubscription() {
                    resubscription.asked_for();
                }
                self.consume(at, &queue, &asked, &mut slot, &mut wakes, wakers);
            }
        }
        Ok(Reopened::Asked(wakes))
    }

    fn take(&mut self, at: ChannelUse, channel_max: u16) -> Option<u16> {
        let id = Some(at.channel).filter(|&id| id <= channel_max)?;
        self.order.channels.take_id(channel_max, Some(id))
    }

    /// Queues what opens a channel and makes it what it was.
    fn say_modes(
        &mut self,
        at: ChannelUse,
        closed: &Closed,
        slot: &mut impl FnMut(Reopens) -> Slot,
        wakes: &mut Vec<Wake>,
    ) -> Result<(), Refused> {
        let order = &mut *self.order;
        let open = slot(Reopens::Channel);
        let queued = order.request(at, &channel::Open {}, open);
        wakes.push(queued.map_err(|(refused, _)| refused)?);
        let channel = order.channels.get_mut(at.channel);
        let modes = channel.map(|channel| channel.modes());
        let (confirms, transactions) = modes.unwrap_or_default();
        if confirms {
            let select = confirm::Select { no_wait: false };
            let queued = order.request(at, &select, slot(Reopens::ConfirmSelect));
            wakes.push(queued.map_err(|(refused, _)| refused)?);
        }
        if transactions {
            let queued = order.request(at, &tx::Select {}, slot(Reopens::TxSelect));
            wakes.push(queued.map_err(|(refused, _)| refused)?);
        }
        for qos in closed.limits.to_say().into_iter().flatten() {
            let queued = order.limit(at, &qos, slot(Reopens::Limit));
            wakes.push(queued.map_err(|(refused, _)| refused)?);
        }
        Ok(())
    }

    /// A consumer that rests waits from here on to subscribe; all others stay as they are.
    fn let_subscribe(
        &mut self,
        at: ChannelUse,
        queue: &Arc<ConsumerQueue>,
        asked: Asked,
        delivered: u64,
    ) {
        let channel = self.order.channels.get_mut(at.channel);
        if let Some(channel) = channel.filter(|_| queue.rests()) {
            if queue.begin_again(delivered) {
                channel.consumers().subscribe_later(queue, asked);
            }
        }
    }

    /// Asks for a consumer again; one that is refused here ends.
    fn consume(
        &mut self,
        at: ChannelUse,
        queue: &Arc<ConsumerQueue>,
        asked: &Asked,
        slot: &mut impl FnMut(Reopens) -> Slot,
        wakes: &mut Vec<Wake>,
        wakers: &mut Vec<Waker>,
    ) {
        let own = slot(Reopens::Consumer(Arc::clone(queue)));
        let started = match basic::Consume::decode(&asked.consume) {
            Ok(consume) => {
                let order = &mut *self.order;
                let limit = || slot(Reopens::Limit);
                order.consume(at, &consume, queue, asked.prefetch, own, limit)
            }
            Err(_) => Err(NotStarted::Refused(Refused::NotOpen)),
        };
        match started {
            Ok(more) => wakes.extend(more),
            // The connection is being shut down, or a broker agrees on smaller frames than before.
            Err(_) => queue.end(ConsumerEnd::Cancelled, wakers),
        }
    }
}

/// `basic.consume` as it is to be sent again: a stream is read on behind what was yielded.
pub(crate) fn read_on(consume: Vec<u8>, queue: &ConsumerQueue) -> Vec<u8> {
    let Some(offset) = queue.resume_offset() else {
        return consume;
    };
    let Ok(method) = basic::Consume::decode(&consume) else {
        return consume;
    };
    let mut arguments = FieldTable::new();
    for (name, value) in method.arguments.iter().flatten() {
        if name.as_bytes() != b"x-stream-offset" {
            arguments.insert(name, value);
        }
    }
    arguments.insert("x-stream-offset", i64::try_from(offset).unwrap_or(i64::MAX));
    let mut payload = Vec::new();
    basic::Consume {
        arguments: arguments.as_ref(),
        ..method
    }
    .encode(&mut payload);
    payload
}
