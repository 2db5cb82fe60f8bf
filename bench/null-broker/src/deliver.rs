//! Deliveries: prebuilt blocks of them, and how many of them may be on their way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bench_wire::{Arguments, content, method};

/// Small messages are written so many bytes at a time.
const BLOCK_LEN: usize = 256 * 1024;

/// What a queue's name asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Plan {
    messages: u64,
    size: usize,
    delay: Duration,
}

impl Plan {
    /// Reads `deliver-<messages>-<bytes>[-<milliseconds>]`.
    pub(crate) fn from_queue(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let mut numbers = name.strip_prefix("deliver-")?.split('-');
        let plan = Self {
            messages: numbers.next()?.parse().ok()?,
            size: numbers.next()?.parse().ok()?,
            delay: Duration::from_millis(numbers.next().unwrap_or("0").parse().ok()?),
        };
        numbers.next().is_none().then_some(plan)
    }
}

/// One consumer and what is still to be delivered to it.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) tag: Vec<u8>,
    pub(crate) no_ack: bool,
    left: u64,
    not_before: Option<Instant>,
    block: Vec<u8>,
    message_len: usize,
    tag_offset: usize,
}

impl Consumer {
    pub(crate) fn new(
        channel: u16,
        tag: Vec<u8>,
        queue: &[u8],
        no_ack: bool,
        frame_max: usize,
        extra_delay: Duration,
    ) -> Self {
        let nothing = Plan {
            messages: 0,
            size: 0,
            delay: Duration::ZERO,
        };
        let plan = Plan::from_queue(queue).unwrap_or(nothing);
        let mut message = Vec::new();
        let deliver = Arguments::new()
            .short(&tag)
            .u64(0)
            .u8(0)
            .short(b"")
            .short(b"bench-perf");
        method(&mut message, channel, 60, 60, &deliver);
        content(&mut message, channel, &vec![b'x'; plan.size], frame_max);
        let delay = plan.delay + extra_delay;
        Self {
            left: plan.messages,
            not_before: (!delay.is_zero()).then(|| Instant::now() + delay),
            message_len: message.len(),
            // The frame header, the class and method numbers, and the consumer tag come first.
            tag_offset: 7 + 4 + 1 + tag.len(),
            block: message.repeat((BLOCK_LEN / message.len()).max(1)),
            tag,
            no_ack,
        }
    }

    /// How many messages the next write may carry, given what the channel allows.
    pub(crate) fn ready(&self, credit: u64) -> u64 {
        let credit = if self.no_ack { u64::MAX } else { credit };
        self.left
            .min(credit)
            .min((self.block.len() / self.message_len) as u64)
    }

    /// Waits until the first delivery may leave.
    pub(crate) fn wait_until_due(&mut self) {
        if let Some(due) = self.not_before.take() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    /// The bytes of the next `messages` deliveries, the first of which has this delivery tag.
    pub(crate) fn deliveries(&mut self, messages: u64, first_tag: u64) -> &[u8] {
        self.left -= messages;
        let bytes = &mut self.block[..messages as usize * self.message_len];
        for (message, tag) in bytes.chunks_exact_mut(self.message_len).zip(first_tag..) {
            message[self.tag_offset..self.tag_offset + 8].copy_from_slice(&tag.to_be_bytes());
        }
        bytes
    }
}

/// The deliveries of a channel that have not been settled, kept only while a prefetch limit needs
/// them. The limit is one per channel, which is simpler than a broker's and the same for the one
/// consumer that the bench uses.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    prefetch: u64,
    /// The delivery tag of `settled[0]`.
    base: u64,
    /// Whether each delivery from `base` on was settled; the first one never is.
    settled: VecDeque<bool>,
    outstanding: u64,
}

impl Unsettled {
    pub(crate) fn set_prefetch(&mut self, prefetch: u16, next_tag: u64) {
        self.prefetch = prefetch.into();
        self.base = next_tag;
        self.settled.clear();
        self.outstanding = 0;
    }

    /// How many more messages may be delivered.
    pub(crate) fn credit(&self) -> u64 {
        if self.prefetch == 0 {
            u64::MAX
        } else {
            self.prefetch.saturating_sub(self.outstanding)
        }
    }

    pub(crate) fn delivered(&mut self, messages: u64, no_ack: bool) {
        if self.prefetch == 0 {
            return;
        }
        self.settled.extend((0..messages).map(|_| no_ack));
        if !no_ack {
            self.outstanding += messages;
        }
        self.advance();
    }

    pub(crate) fn settle(&mut self, tag: u64, multiple: bool) {
        if self.prefetch == 0 {
            return;
        }
        // Tag 0 with `multiple` means everything.
        let until = if tag == 0 {
            self.settled.len() as u64
        } else {
            (tag + 1).saturating_sub(self.base)
        };
        let until = (until as usize).min(self.settled.len());
        let from = if multiple { 0 } else { until.saturating_sub(1) };
        for settled in self.settled.range_mut(from..until) {
            self.outstanding -= u64::from(!*settled);
            *settled = true;
        }
        self.advance();
    }

    fn advance(&mut self) {
        while self.settled.front() == Some(&true) {
            self.settled.pop_front();
            self.base += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_name_carries_the_plan() {
        let plan = Plan::from_queue(b"deliver-1000-16-50").unwrap();
        assert_eq!(plan.messages, 1000);
        assert_eq!(plan.size, 16);
        assert_eq!(plan.delay, Duration::from_millis(50));
        assert_eq!(
            Plan::from_queue(b"deliver-7-9").unwrap().delay,
            Duration::ZERO
        );
        assert_eq!(Plan::from_queue(b"deliver-7-9-1-1"), None);
        assert_eq!(Plan::from_queue(b"orders"), None);
    }

    #[test]
    fn credit_counts_each_settled_delivery_once() {
        let mut unsettled = Unsettled::default();
        unsettled.set_prefetch(10, 1);
        unsettled.delivered(10, false);
        assert_eq!(unsettled.credit(), 0);
        unsettled.settle(3, false);
        unsettled.settle(3, false);
        assert_eq!(unsettled.credit(), 1);
        unsettled.settle(5, true);
        assert_eq!(unsettled.credit(), 5);
        unsettled.settle(0, true);
        assert_eq!(unsettled.credit(), 10);
    }

    #[test]
    fn acknowledgement_of_an_unknown_tag_gives_no_credit() {
        let mut unsettled = Unsettled::default();
        unsettled.set_prefetch(2, 1);
        unsettled.delivered(2, false);
        unsettled.settle(1, true);
        unsettled.settle(1, false);
        assert_eq!(unsettled.credit(), 1);
    }
}
