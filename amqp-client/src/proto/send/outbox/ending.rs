//! What is still queued when a channel or the connection ends.

use super::{Outbox, Parked};
use crate::proto::send::request::Slot;
use crate::proto::send::rope::{Kind, Rope};
use crate::proto::send::unwritten::Unwritten;

impl Outbox {
    /// Counts the publishes that are queued, or begun and not complete.
    pub(crate) fn count_unsent(&self, unsent: &mut Unwritten) {
        for frame in self.small.frames() {
            unsent.frame(&frame);
        }
        for large in &self.large {
            unsent.rest(large.channel);
        }
        for parked in self.channels.iter().flat_map(|channel| &channel.parked) {
            count_parked(parked, unsent);
        }
    }

    /// Counts those that are parked on one channel.
    pub(super) fn count_parked(&self, id: u16, unsent: &mut Unwritten) {
        let channel = self.channels.get(usize::from(id));
        for parked in channel.into_iter().flat_map(|channel| &channel.parked) {
            count_parked(parked, unsent);
        }
    }

    /// The broker has closed the channel: takes out its messages, but for a large one that the
    /// adapter has begun to write, and returns the number of the last one that is sent. Those taken
    /// out may be published again without fear of a second copy.
    pub(super) fn drop_publishes(&mut self, id: u16) -> u64 {
        let mut unsent = Unwritten::default();
        self.drop_small(id, &mut unsent);
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return 0;
        };
        for parked in &channel.parked {
            count_parked(parked, &mut unsent);
        }
        let begun = self
            .large
            .iter()
            .position(|large| large.channel == id && !large.headed);
        if let Some(large) = begun.and_then(|begun| self.large.remove(begun)) {
            // Its method and header were in the small lane.
            self.aside -= large.body.len();
            self.bodies.push(large.body);
            channel.held = false;
        }
        channel.published.saturating_sub(unsent.of(id))
    }

    /// Takes the messages of a channel out of the small lane.
    fn drop_small(&mut self, id: u16, unsent: &mut Unwritten) {
        let mut found = false;
        for frame in self.small.frames().filter(|frame| frame.is_of_message(id)) {
            unsent.frame(&frame);
            found = true;
        }
        if found {
            // Not the last of the small lane any more, or not there.
            self.tail_ack = None;
            self.small
                .retain(&mut self.bodies, |frame| !frame.is_of_message(id));
            self.move_up();
        }
    }

    /// The same as [`drop_publishes`](Self::drop_publishes), for a channel that is opened anew: what is
    /// taken out is parked there, in order and in front of what is parked already. What does not belong
    /// to messages is dropped; the requests are returned.
    pub(super) fn keep_publishes(&mut self, id: u16) -> (u64, Vec<Slot>) {
        let mut unsent = Unwritten::default();
        let frames = self.small.copy(|frame| frame.is_of_message(id));
        self.drop_small(id, &mut unsent);
        let large = self
            .large
            .iter()
            .position(|large| large.channel == id && !large.headed);
        let large = large.and_then(|large| self.large.remove(large));
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return (0, Vec::new());
        };
        for parked in &channel.parked {
            count_parked(parked, &mut unsent);
        }
        let sent = channel.published.saturating_sub(unsent.of(id));
        let mut requests = Vec::new();
        let mut kept = std::collections::VecDeque::new();
        let mut frames = frames;
        if let Some(large) = large {
            // Its method and header are the last of them.
            channel.held = false;
            let head = frames.split_off(last_publish(&frames));
            self.aside += head.len();
            let body = large.body;
            kept.push_back(Parked::Large { head, body });
        }
        if !frames.is_empty() {
            self.aside += frames.len();
            kept.push_front(Parked::Frames(frames));
        }
        for parked in std::mem::take(&mut channel.parked) {
            match parked {
                Parked::Request(frames, slot) => {
                    self.aside -= frames.len();
                    requests.push(slot);
                }
                Parked::Frames(frames) => {
                    self.aside -= frames.len();
                    let messages = Rope::from(frames).copy(|frame| frame.is_of_message(id));
                    self.aside += messages.len();
                    if !messages.is_empty() {
                        kept.push_back(Parked::Frames(messages));
                    }
                }
                large @ Parked::Large { .. } => kept.push_back(large),
            }
        }
        channel.parked = kept;
        (sent, requests)
    }
}

/// Where the last message begins.
fn last_publish(frames: &[u8]) -> usize {
    let rope = Rope::from(frames.to_vec());
    let mut start = 0;
    let mut last = 0;
    for frame in rope.frames() {
        if frame.kind == Kind::Publish {
            last = start;
        }
        start = frame.end;
    }
    last
}

fn count_parked(parked: &Parked, unsent: &mut Unwritten) {
    match parked {
        Parked::Frames(frames) | Parked::Large { head: frames, .. } => {
            for frame in Rope::from(frames.clone()).frames() {
                unsent.frame(&frame);
            }
        }
        Parked::Request(..) => {}
    }
}
