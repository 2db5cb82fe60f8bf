//! The line of a channel: what must wait behind a large body of its own, or behind a request that
//! is not answered yet, and what may pass.
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

use std::collections::VecDeque;
use std::time::Instant;

use amqp_spec::frame::FrameTooLarge;
use bytes::Bytes;

use super::overdue::Judge;
use super::repeatable::{method_frame, payload_of, waits_for_next_stream};
use super::requests::Requests;
use crate::proto::send::request::{Barrier, Slot};
use crate::proto::send::rope::{FrameRole, Rope};
use crate::proto::send::unwritten::Unwritten;

/// What waits in a line.
#[derive(Debug)]
pub(super) enum Parked {
    Frames(Vec<u8>),
    Request(Vec<u8>, Slot),
    Large { head: Vec<u8>, body: Bytes },
}

/// What has been taken out of a line for a moment.
#[derive(Debug)]
pub(crate) struct LineRest(VecDeque<Parked>);

/// The sums over the lines of all channels. Only lines change them.
#[derive(Debug, Default)]
pub(super) struct Parking {
    octets: usize,
    /// Octets that are answers to the broker (see [`owed`](super::owed)).
    answers: usize,
}

impl Parking {
    #[inline]
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    pub(super) fn answers(&self) -> usize {
        self.answers
    }
}

/// What must wait, in order. While anything does, everything new of the channel goes behind it.
#[derive(Debug, Default)]
pub(super) struct Line {
    parked: VecDeque<Parked>,
    /// Octets of what is parked that are answers to the broker; at most all of them.
    answers: u32,
    /// Nothing of this channel may enter the lanes: a body of it is in the large lane, or it is
    /// being opened anew.
    held: bool,
}

impl Line {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.parked.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.parked.len()
    }

    #[inline]
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    pub(super) fn set_held(&mut self, held: bool) {
        self.held = held;
    }

    pub(super) fn push(&mut self, parked: Parked, parking: &mut Parking) {
        parking.octets += parked.len();
        if let (Parked::Frames(frames), Some(Parked::Frames(last))) =
            (&parked, self.parked.back_mut())
        {
            last.extend_from_slice(frames);
        } else {
            self.parked.push_back(parked);
        }
    }

    /// A request that waits for its turn without anything to send.
    pub(super) fn push_silent(&mut self, slot: Slot) {
        self.parked.push_back(Parked::Request(Vec::new(), slot));
    }

    /// Takes out what need not wait any longer behind these requests; `closes` says that our
    /// `channel.close` is one of them.
    pub(super) fn next_released(
        &mut self,
        requests: &Requests,
        closes: bool,
        parking: &mut Parking,
    ) -> Option<Parked> {
        let first = self.parked.front()?;
        if self.held {
            return None;
        }
        let next = if closes {
            // Those that joined it have nothing to send.
            matches!(first, Parked::Request(_, slot) if slot.is_close()).then_some(0)
        } else {
            let held = match first {
                Parked::Request(..) => requests.barrier() != Barrier::Nothing,
                Parked::Frames(_) | Parked::Large { .. } => {
                    requests.barrier() == Barrier::Everything
                }
            };
            if held {
                let close = self.parked.iter().position(Parked::is_close);
                close.filter(|&close| self.lets_a_close_pass(close, requests))
            } else {
                Some(0)
            }
        };
        let parked = self.parked.remove(next?)?;
        parking.octets -= parked.len();
        Some(parked)
    }

    /// Octets of the line have moved to the small lane; says how many of them are answers. Which of
    /// them are is not known; they count as such while there are any, so that none is counted that
    /// is not there.
    pub(super) fn take_answers(&mut self, octets: usize, parking: &mut Parking) -> usize {
        let answers = u32::try_from(octets).unwrap_or(u32::MAX).min(self.answers);
        self.answers -= answers;
        parking.answers -= answers as usize;
        answers as usize
    }

    /// Octets of answers have been parked.
    pub(super) fn add_answers(&mut self, octets: usize, parking: &mut Parking) {
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        let octets = octets.min(u32::MAX - self.answers);
        self.answers += octets;
        parking.answers += octets as usize;
    }

    /// Whether our `channel.close` may go although the line is held up, with the first `n` things
    /// of the line before it. RabbitMQ answers it behind a `basic.consume` that it has not
    /// answered. Those of the requests that it passes which wait for a reply learn that the channel
    /// is closed; what was accepted must be sent before it.
    pub(super) fn lets_a_close_pass(&self, n: usize, requests: &Requests) -> bool {
        let mut before = self.parked.iter().take(n);
        requests.waits_for_consume() && !self.held && before.all(Parked::may_be_passed)
    }

    /// Whether there is anything that `connection.close` may not pass.
    pub(super) fn has_accepted(&self) -> bool {
        !self.parked.iter().all(Parked::may_be_passed)
    }

    pub(super) fn has_messages(&self) -> bool {
        self.parked.iter().any(Parked::is_message)
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = &Slot> {
        self.parked.iter().filter_map(|parked| match parked {
            Parked::Request(_, slot) => Some(slot),
            Parked::Frames(_) | Parked::Large { .. } => None,
        })
    }

    pub(super) fn requests_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.parked.iter_mut().filter_map(|parked| match parked {
            Parked::Request(_, slot) => Some(slot),
            Parked::Frames(_) | Parked::Large { .. } => None,
        })
    }

    /// Takes requests that wait for a reply out of the line.
    pub(super) fn take_requests(
        &mut self,
        wanted: impl Fn(&Slot) -> bool,
        parking: &mut Parking,
    ) -> Vec<Slot> {
        let mut slots = Vec::new();
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Request(frames, slot) if slot.has_reply() && wanted(&slot) => {
                    parking.octets -= frames.len();
                    slots.push(slot);
                }
                // Two runs of frames are as good as one.
                parked => self.parked.push_back(parked),
            }
        }
        slots
    }

    /// Throws everything away, but for the requests; bodies are left to be dropped.
    pub(super) fn clear(&mut self, parking: &mut Parking, dropped: &mut Vec<Bytes>) -> Vec<Slot> {
        self.drop_answers(parking);
        let mut slots = Vec::new();
        for parked in std::mem::take(&mut self.parked) {
            parking.octets -= parked.len();
            match parked {
                Parked::Request(_, slot) => slots.push(slot),
                Parked::Large { body, .. } => dropped.push(body),
                Parked::Frames(_) => {}
            }
        }
        slots
    }

    /// The stream is gone, and another follows: throws messages and settlements away, and keeps the
    /// requests that are to be sent on the next. The others are returned.
    pub(super) fn disconnect(
        &mut self,
        parking: &mut Parking,
        dropped: &mut Vec<Bytes>,
    ) -> Vec<Slot> {
        self.drop_answers(parking);
        let mut slots = Vec::new();
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Request(frames, slot) if waits_for_next_stream(&slot) => {
                    self.parked.push_back(Parked::Request(frames, slot));
                    continue;
                }
                Parked::Request(frames, slot) => {
                    parking.octets -= frames.len();
                    slots.push(slot);
                }
                Parked::Large { head, body } => {
                    parking.octets -= head.len() + body.len();
                    dropped.push(body);
                }
                Parked::Frames(frames) => parking.octets -= frames.len(),
            }
        }
        slots
    }

    /// The channel is lost once more on the same stream: throws settlements away, which were of
    /// deliveries that have gone back, and messages that are to be sent again.
    pub(super) fn drop_frames(&mut self, parking: &mut Parking, dropped: &mut Vec<Bytes>) {
        self.drop_answers(parking);
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                request @ Parked::Request(..) => self.parked.push_back(request),
                Parked::Frames(frames) => parking.octets -= frames.len(),
                Parked::Large { head, body } => {
                    parking.octets -= head.len() + body.len();
                    dropped.push(body);
                }
            }
        }
    }

    /// Says requests anew, by their payloads, where `translate` has other words for them.
    pub(super) fn translate(
        &mut self,
        id: u16,
        translate: impl Fn(&[u8]) -> Option<Vec<u8>>,
        parking: &mut Parking,
    ) {
        for parked in &mut self.parked {
            let Parked::Request(frame, slot) = parked else {
                continue;
            };
            let Some(payload) = payload_of(frame).and_then(&translate) else {
                continue;
            };
            parking.octets -= frame.len();
            *frame = method_frame(id, &payload);
            parking.octets += frame.len();
            if slot.sent.is_some() {
                slot.sent = Some(payload.into());
            }
        }
    }

    /// Takes out the requests that are larger than a frame may be.
    pub(super) fn take_too_large(
        &mut self,
        frame_max: usize,
        parking: &mut Parking,
    ) -> Vec<(FrameTooLarge, Slot)> {
        let mut too_large = Vec::new();
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Request(frame, slot) if frame.len() > frame_max => {
                    parking.octets -= frame.len();
                    let size = frame.len();
                    too_large.push((FrameTooLarge { size, frame_max }, slot));
                }
                parked => self.parked.push_back(parked),
            }
        }
        too_large
    }

    /// Goes in front of everything.
    pub(super) fn push_front(&mut self, parked: Parked, parking: &mut Parking) {
        parking.octets += parked.len();
        self.parked.push_front(parked);
    }

    /// Takes out what is in it from the first message on; it is to be [put back](Self::put_back).
    pub(super) fn take_messages(&mut self) -> LineRest {
        let first = self.parked.iter().position(Parked::is_message);
        LineRest(self.parked.split_off(first.unwrap_or(self.parked.len())))
    }

    /// What was taken out goes behind what is there.
    pub(super) fn put_back(&mut self, rest: LineRest) {
        self.parked.extend(rest.0);
    }

    /// Keeps the messages alone, behind these that were queued before; returns the requests.
    pub(super) fn keep_messages(
        &mut self,
        id: u16,
        before: [Option<Parked>; 2],
        parking: &mut Parking,
    ) -> Vec<Slot> {
        self.drop_answers(parking);
        let mut requests = Vec::new();
        let mut kept = VecDeque::new();
        for parked in before.into_iter().flatten() {
            parking.octets += parked.len();
            kept.push_back(parked);
        }
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Request(frames, slot) => {
                    parking.octets -= frames.len();
                    requests.push(slot);
                }
                Parked::Frames(frames) => {
                    parking.octets -= frames.len();
                    let messages = Rope::from(frames).copy(|frame| frame.is_of_message(id));
                    parking.octets += messages.len();
                    if !messages.is_empty() {
                        kept.push_back(Parked::Frames(messages));
                    }
                }
                large @ Parked::Large { .. } => kept.push_back(large),
            }
        }
        self.parked = kept;
        requests
    }

    fn drop_answers(&mut self, parking: &mut Parking) {
        parking.answers -= std::mem::take(&mut self.answers) as usize;
    }

    /// Shows the publishes in it.
    pub(super) fn count_unsent(&self, unsent: &mut Unwritten) {
        for parked in &self.parked {
            match parked {
                Parked::Frames(frames) | Parked::Large { head: frames, .. } => {
                    for frame in Rope::from(frames.clone()).frames() {
                        unsent.frame(&frame);
                    }
                }
                Parked::Request(..) => {}
            }
        }
    }

    /// What stood before the requests in it has left by now.
    pub(super) fn stood_still_until(&mut self, now: Instant) {
        self.requests_mut()
            .for_each(|slot| slot.stood_still_until(now));
    }

    /// The same, for those behind which something has left `before` already.
    pub(super) fn stood_still_since(&mut self, before: Instant, now: Instant) {
        for slot in self.requests_mut().filter(|slot| before > slot.since) {
            slot.stood_still_until(now);
        }
    }

    /// The time of the requests in it has run until now.
    pub(super) fn ran_until(&mut self, now: Instant) {
        self.requests_mut().for_each(|slot| slot.ran_until(now));
    }

    /// Visits the requests whose time is up; `leaving` says whether they are behind octets that
    /// are. True if some are not to be sent any more.
    pub(super) fn expire(
        &mut self,
        id: u16,
        leaving: bool,
        judge: &mut Judge<impl FnMut(u16, &Slot)>,
    ) -> bool {
        let mut drops = false;
        for slot in self.requests_mut() {
            if slot.overdue || !slot.has_reply() {
                continue;
            }
            judge.judge(id, slot, leaving, true);
            drops |= slot.overdue && !slot.keeps_its_place();
        }
        drops
    }
}

impl Parked {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Frames(frames) | Self::Request(frames, _) => frames.len(),
            Self::Large { head, body } => head.len() + body.len(),
        }
    }

    /// Whether it belongs to messages, or to what else was accepted and has no reply.
    fn is_message(&self) -> bool {
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

/// Where the last message begins.
pub(super) fn last_publish(frames: &[u8]) -> usize {
    let rope = Rope::from(frames.to_vec());
    let mut start = 0;
    let mut last = 0;
    for frame in rope.frames() {
        if frame.kind == FrameRole::Publish {
            last = start;
        }
        start = frame.end;
    }
    last
}
