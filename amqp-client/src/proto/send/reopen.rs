//! The requests that open a channel again which the broker has closed: for the program, which asks
//! for it, or for consumers that outlive their channel.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use amqp_spec::{basic, channel, confirm, tx};

use super::outbox::{Closed, Refused, Reopened, Reopens};
use super::request::{Answer, Barrier, Effect, Slot};
use crate::error::About;
use crate::proto::shared::channel::ChannelShared;
use crate::proto::time::after;

/// Opens a channel again that was this when the broker closed it. Gives where the answers will be.
pub(crate) fn reopen(
    shared: &Arc<ChannelShared>,
    closed: &mut Closed,
    now: Instant,
    wakers: &mut Vec<Waker>,
) -> (Result<Reopened, Refused>, Vec<Arc<Answer>>) {
    let mut answers = Vec::new();
    let slot = |reopens| {
        let (slot, answer) = slot(shared, reopens, now);
        answers.push(answer);
        slot
    };
    let channel_max = shared.connection.limits().channel_max;
    let reopened = shared.reopen(channel_max, closed, slot, wakers);
    (reopened, answers)
}

/// The slot of a request that opens a channel again, and where its answer will be.
fn slot(shared: &Arc<ChannelShared>, reopens: Reopens, now: Instant) -> (Slot, Arc<Answer>) {
    let deadline = after(now, shared.connection.request_timeout);
    let about = match &reopens {
        Reopens::Consumer(queue) => About::queue(&queue.source),
        _ => About::default(),
    };
    let answer = Arc::new(Answer::new(about));
    let its = Arc::clone(&answer);
    // What a loss leaves of the modes is said again by what brings the channel back.
    let slot = match reopens {
        Reopens::Channel => Slot::new::<channel::Open>(its, now, deadline)
            .with_effect(Effect::OpenChannel(Arc::clone(shared))),
        Reopens::ConfirmSelect => {
            Slot::new::<confirm::Select>(its, now, deadline).with_effect(Effect::LimitConsumer)
        }
        Reopens::TxSelect => {
            Slot::new::<tx::Select>(its, now, deadline).with_effect(Effect::LimitConsumer)
        }
        Reopens::Limit => {
            Slot::new::<basic::Qos>(its, now, deadline).with_effect(Effect::LimitConsumer)
        }
        Reopens::Consumer(queue) => Slot::new::<basic::Consume<'_>>(its, now, deadline)
            .with_barrier(Barrier::Requests)
            .with_effect(Effect::Consume(queue)),
    };
    (slot, answer)
}
