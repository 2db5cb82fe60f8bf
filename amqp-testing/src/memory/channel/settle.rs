//! Acknowledging, rejecting, and giving back.

use amqp_spec::basic;

use super::pending::{Settling, Unacked};
use super::state::Channel;
use crate::memory::refusal::Refusal;
use crate::memory::session::Context;
use crate::memory::texts;

impl Channel {
    pub(super) fn ack(&mut self, ack: basic::Ack, cx: &mut Context<'_>) -> Result<(), Refusal> {
        self.settle(Settling::Done, (ack.delivery_tag, ack.multiple), cx)
    }

    pub(super) fn nack(&mut self, nack: basic::Nack, cx: &mut Context<'_>) -> Result<(), Refusal> {
        let how = rejected(nack.requeue);
        self.settle(how, (nack.delivery_tag, nack.multiple), cx)
    }

    pub(super) fn reject(
        &mut self,
        reject: basic::Reject,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        self.settle(rejected(reject.requeue), (reject.delivery_tag, false), cx)
    }

    /// Settles one message, or all up to it; tag 0 means all there are.
    fn settle(
        &mut self,
        how: Settling,
        (tag, multiple): (u64, bool),
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let unacked = self.collect(tag, multiple)?;
        if let Some(unacked) = self.transaction.settle(how, unacked) {
            self.carry_out(how, unacked, cx);
        }
        Ok(())
    }

    fn collect(&mut self, tag: u64, multiple: bool) -> Result<Vec<Unacked>, Refusal> {
        if multiple && tag == 0 {
            return Ok(self.unacked.drain(..).collect());
        }
        let at = self.unacked.partition_point(|unacked| unacked.tag < tag);
        if self
            .unacked
            .get(at)
            .is_none_or(|unacked| unacked.tag != tag)
        {
            return Err(texts::unknown_delivery_tag(tag));
        }
        if multiple {
            return Ok(self.unacked.drain(..=at).collect());
        }
        Ok(self.unacked.remove(at).into_iter().collect())
    }

    pub(super) fn carry_out(&self, how: Settling, unacked: Vec<Unacked>, cx: &mut Context<'_>) {
        let key = self.key;
        let taken: Vec<_> = unacked.into_iter().map(|unacked| unacked.taken).collect();
        let Ok((vhost, ports)) = cx.parts() else {
            return;
        };
        match how {
            Settling::Done => vhost.settle(key, &taken, ports),
            Settling::Requeue => vhost.give_back(key, &taken, ports),
        }
    }

    pub(super) fn recover(&mut self, requeue: bool, cx: &mut Context<'_>) -> Result<(), Refusal> {
        if !requeue {
            return Err(texts::not_implemented("requeue=false"));
        }
        let unacked = self.unacked.drain(..).collect();
        self.carry_out(Settling::Requeue, unacked, cx);
        Ok(())
    }
}

/// Nothing is dead-lettered here, so that what is not requeued is gone.
const fn rejected(requeue: bool) -> Settling {
    match requeue {
        true => Settling::Requeue,
        false => Settling::Done,
    }
}
