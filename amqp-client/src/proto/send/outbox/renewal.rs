//! A channel that its publisher owns: when the broker closes it, it is opened anew in its place.
//!
//! ```text
//! Open ──closed by the broker──▶ Resting ──the next message──▶ Opening ──open-ok──▶ Open
//!   └──in the middle of a large body──▶ Finishing ──the rest is sent──▶ ┘
//! ```
//!
//! The channel keeps its number, its handles and its numbers of publishes. What had not been
//! written when the close was read stays in line, and is sent on the new channel before everything
//! else. While it rests messages are taken as always, and wait there. `channel.open` and
//! `confirm.select` leave with the first of them, no sooner than the [`Pace`] allows.
//!
//! It is opened anew only if it was in use: one that the broker closes before it has opened it ends
//! for good. So does one that has been used to consume or to fetch messages, whose deliveries would
//! be those of another channel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_spec::wire::{MethodId, TypedMethod as _};
use amqp_spec::{basic, channel, confirm};

use crate::proto::send::request::{Effect, Slot};
use crate::proto::time::after;
use crate::proto::time::pace::Pace;

/// How one channel is opened anew.
#[derive(Debug)]
pub(super) struct Renewal {
    pace: Pace,
    /// When it is to be opened, if it rests and that is wanted.
    due: Option<Instant>,
    /// It is not to be opened anew any more.
    over: bool,
    /// The program closes it.
    closing: bool,
    request_timeout: Duration,
}

impl Renewal {
    pub(super) fn new(now: Instant, request_timeout: Duration) -> Self {
        Self {
            pace: Pace::new(now),
            due: None,
            over: false,
            closing: false,
            request_timeout,
        }
    }

    /// What this request makes of the channel.
    pub(super) fn note_use(&mut self, request: MethodId) {
        self.over |= matches!(request, basic::Consume::ID | basic::Get::ID);
        self.closing |= request == channel::Close::ID;
    }

    /// The channel ends when the broker closes it, as others do.
    pub(super) fn give_up(&mut self) {
        self.over = true;
    }

    /// Whether it is to be opened anew.
    pub(super) fn goes_on(&self) -> bool {
        !self.over && !self.closing
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// When it is to be opened, if that is wanted.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Nothing waits for it any more.
    pub(super) fn put_off(&mut self) {
        self.due = None;
    }

    /// Something waits for it: when it is to be opened.
    pub(super) fn want(&mut self, now: Instant, has_messages: bool) -> Instant {
        let pace = &mut self.pace;
        let closing = self.closing;
        *self.due.get_or_insert_with(|| {
            if closing && !has_messages {
                // There is nothing to open it for.
                now
            } else {
                pace.wanted(now)
            }
        })
    }

    /// It is opened: the requests for it, which come with a deadline.
    pub(super) fn open(&mut self, now: Instant) -> [Slot; 2] {
        self.due = None;
        self.pace.opened(now);
        let deadline = after(now, self.request_timeout);
        // What comes before `select-ok` is of the channel before.
        [
            Slot::new::<channel::Open>(Arc::default(), now, deadline),
            Slot::new::<confirm::Select>(Arc::default(), now, deadline)
                .with_effect(Effect::RenewChannel),
        ]
    }
}
