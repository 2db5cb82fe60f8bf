//! Transactions: publishes and acknowledgements that wait for a commit.

use amqp_spec::tx;

use super::pending::Transaction;
use super::state::Channel;
use crate::memory::ports::Mail;
use crate::memory::refusal::Refusal;
use crate::memory::session::Context;
use crate::memory::texts;

impl Channel {
    pub(super) fn tx_select(&mut self, cx: &mut Context<'_>) -> Result<(), Refusal> {
        if self.is_confirming {
            return Err(texts::precondition("cannot switch from confirm to tx mode"));
        }
        if matches!(self.transaction, Transaction::None) {
            self.transaction = Transaction::new();
        }
        cx.output.method(self.number, &tx::SelectOk {});
        Ok(())
    }

    /// Messages first, then what was settled. While messages are on their way into queues, the
    /// commit is not answered.
    pub(super) fn tx_commit(&mut self, cx: &mut Context<'_>) -> Result<(), Refusal> {
        let before = std::mem::replace(&mut self.transaction, Transaction::Committing);
        let Transaction::Open { messages, settled } = before else {
            self.transaction = before;
            return Err(texts::precondition("channel is not transactional"));
        };
        let (mut waits, mut is_partial) = (false, false);
        for routed in messages {
            let enqueued = self.enqueue(routed, cx);
            waits |= enqueued.routed > 0;
            is_partial |= enqueued.refused > 0;
        }
        for (how, unacked) in settled {
            self.carry_out(how, unacked, cx);
        }
        if is_partial {
            return Err(texts::precondition("partial tx completion"));
        }
        if waits {
            cx.node.ports.post(self.key, Mail::Committed);
        } else {
            self.committed(cx);
        }
        Ok(())
    }

    pub(super) fn committed(&mut self, cx: &mut Context<'_>) {
        self.confirmed.clear();
        self.refused.clear();
        self.unconfirmed.clear();
        self.transaction = Transaction::new();
        if !self.is_closing() {
            cx.output.method(self.number, &tx::CommitOk {});
        }
    }

    pub(super) fn tx_rollback(&mut self, cx: &mut Context<'_>) -> Result<(), Refusal> {
        if !self.transaction.is_open() {
            return Err(texts::precondition("channel is not transactional"));
        }
        let mut unacked: Vec<_> = self.unacked.drain(..).collect();
        unacked.extend(self.transaction.give_up());
        unacked.sort_by_key(|unacked| unacked.tag);
        self.unacked = unacked.into();
        cx.output.method(self.number, &tx::RollbackOk {});
        Ok(())
    }
}
