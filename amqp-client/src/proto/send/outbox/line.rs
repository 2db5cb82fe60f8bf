//! The line of a channel: what must wait behind a large body of its own, or behind a request that is
//! not answered yet, and what may pass.
//!
//! ```text
//! behind                             passes
//! a large body                       nothing: content may not be interrupted
//! basic.consume, unanswered          messages and settlements; channel.close, unless such stand before it
//! basic.cancel, unanswered           messages and settlements
//! tx.commit, tx.rollback             nothing: RabbitMQ ends the connection with 504
//! ```
//!
//! `connection.close` is of another channel: it waits for what was accepted, as long as that can
//! still be sent, and passes the requests that wait for a reply.

use super::{LargeBody, OutChannel, OutState, Outbox, Parked};
use crate::proto::send::request::{Barrier, Effect, Slot};

impl Outbox {
    pub(super) fn park(&mut self, id: u16, parked: Parked) {
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
        self.want(id);
    }

    /// Moves what need not wait any longer from the channel's line into the lanes.
    pub(super) fn release(&mut self, id: u16) {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        while let Some(parked) = channel.next_released(self.said_farewell) {
            self.tail_ack = None;
            match parked {
                Parked::Frames(frames) => {
                    self.aside -= frames.len();
                    self.answers.released(channel, frames.len());
                    self.small.buf().extend_from_slice(&frames);
                }
                Parked::Request(frames, mut slot) => {
                    self.aside -= frames.len();
                    self.small.buf().extend_from_slice(&frames);
                    slot.since = slot.since.max(self.now);
                    let end = self.handed + self.small.len() as u64;
                    slot.end = Some(end);
                    channel.add_in_flight(slot);
                    self.unwritten.push_back((end, id));
                }
                Parked::Large { head, body } => {
                    self.aside -= head.len();
                    self.heads += head.len();
                    self.small.buf().extend_from_slice(&head);
                    channel.held = true;
                    channel.parked_ran_until(self.now);
                    self.large.push_back(LargeBody {
                        channel: id,
                        body,
                        headed: false,
                    });
                }
            }
        }
    }

    /// Puts `connection.close` into the small lane, if nothing that was accepted before it has to be
    /// sent first. What stands behind a request whose time is up is not waited for.
    pub(super) fn say_farewell(&mut self) {
        if self.farewell.is_none() || !self.large.is_empty() {
            return;
        }
        for id in self.ids() {
            self.pass_requests(id);
        }
        let waits = !self.large.is_empty() || self.channels.iter().any(OutChannel::is_waited_for);
        if waits {
            return;
        }
        if let Some((frames, slot)) = self.farewell.take() {
            self.tail_ack = None;
            self.small.buf().extend_from_slice(&frames);
            self.said_farewell = true;
            self.await_reply(0, slot);
        }
    }

    /// Takes the requests out of a line that is stuck: what stands between them may then go.
    fn pass_requests(&mut self, id: u16) {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        if !channel.is_stuck() || channel.parked.is_empty() {
            return;
        }
        let (aside, passed) = channel.take_parked_requests(|_| true);
        self.aside -= aside;
        self.passed.extend(passed);
        self.release(id);
    }
}

impl OutChannel {
    /// Takes out what need not wait any longer.
    fn next_released(&mut self, said_farewell: bool) -> Option<Parked> {
        let first = self.parked.front()?;
        if self.held || said_farewell {
            return None;
        }
        if self.is_close_sent() {
            // Those that joined it have nothing to send.
            let joined = matches!(first, Parked::Request(_, slot) if slot.is_close());
            return if joined {
                self.parked.pop_front()
            } else {
                None
            };
        }
        let held = match first {
            Parked::Request(..) => self.barrier() != Barrier::Nothing,
            Parked::Frames(_) | Parked::Large { .. } => self.barrier() == Barrier::Everything,
        };
        if !held {
            return self.parked.pop_front();
        }
        let close = self.parked.iter().position(Parked::is_close)?;
        let passes = self.lets_a_close_pass(close);
        if passes {
            self.parked.remove(close)
        } else {
            None
        }
    }

    /// Whether our `channel.close` may go although the line is held up. RabbitMQ answers it behind a
    /// `basic.consume` that it has not answered. Those of the requests that it passes which wait for a
    /// reply learn that the channel is closed; what was accepted must be sent before it. `n` things
    /// stand before it.
    pub(super) fn lets_a_close_pass(&self, n: usize) -> bool {
        let mut before = self.parked.iter().take(n);
        self.waits_for_consume() && !self.held && before.all(Parked::may_be_passed)
    }

    /// The last request that was sent is a `basic.consume` that is not answered.
    pub(super) fn waits_for_consume(&self) -> bool {
        let last = self.in_flight.back();
        last.is_some_and(|slot| matches!(slot.effect, Effect::Consume(_)))
    }

    /// Our `channel.close` is on the wire, or next to it.
    fn is_close_sent(&self) -> bool {
        self.state == OutState::Closing && self.in_flight.iter().any(Slot::is_close)
    }

    /// The request that keeps the others back is not answered, and its time is up.
    pub(super) fn is_stuck(&self) -> bool {
        let last = self.in_flight.back();
        last.is_some_and(|slot| slot.barrier != Barrier::Nothing && slot.overdue)
    }

    /// Whether `connection.close` waits for what is parked here.
    fn is_waited_for(&self) -> bool {
        let mut parked = self.parked.iter();
        !self.is_stuck() && !self.is_close_sent() && !parked.all(Parked::may_be_passed)
    }

    /// Takes requests that wait for a reply out of the line; also says how many octets they were.
    pub(super) fn take_parked_requests(
        &mut self,
        wanted: impl Fn(&Slot) -> bool,
    ) -> (usize, Vec<Slot>) {
        let (mut octets, mut slots) = (0, Vec::new());
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Request(frames, slot) if slot.has_reply() && wanted(&slot) => {
                    octets += frames.len();
                    slots.push(slot);
                }
                // Two runs of frames are as good as one.
                parked => self.parked.push_back(parked),
            }
        }
        (octets, slots)
    }
}

impl Parked {
    /// Whether it belongs to messages, or to what else was accepted and has no reply.
    pub(super) fn is_message(&self) -> bool {
        !matches!(self, Self::Request(..))
    }

    fn is_close(&self) -> bool {
        matches!(self, Self::Request(_, slot) if slot.is_close())
    }

    /// Whether a close may pass it: a request whose caller learns that it was not sent. Messages,
    /// settlements and requests without a reply have been accepted.
    fn may_be_passed(&self) -> bool {
        matches!(self, Self::Request(_, slot) if slot.has_reply())
    }
}
