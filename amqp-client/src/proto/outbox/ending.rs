//! What is still queued when a channel or the connection ends.

use super::{Outbox, Parked};
use crate::proto::rope::{Kind, Rope};
use crate::proto::unsent::Unsent;

impl Outbox {
    /// Counts the publishes that are queued, or begun and not complete.
    pub(crate) fn count_unsent(&self, unsent: &mut Unsent) {
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
    pub(super) fn count_parked(&self, id: u16, unsent: &mut Unsent) {
        let channel = self.channels.get(usize::from(id));
        for parked in channel.into_iter().flat_map(|channel| &channel.parked) {
            count_parked(parked, unsent);
        }
    }

    /// The broker has closed the channel: takes out its messages, but for a large one that the
    /// adapter has begun to write, and returns the number of the last one that is sent. Those taken
    /// out may be published again without fear of a second copy.
    pub(super) fn drop_publishes(&mut self, id: u16) -> u64 {
        let mut unsent = Unsent::default();
        let mut found = false;
        let frames = self.small.frames();
        for frame in frames.filter(|frame| frame.channel == id && frame.kind != Kind::Other) {
            unsent.frame(&frame);
            found = true;
        }
        if found {
            // Not the last of the small lane any more, or not there.
            self.tail_ack = None;
            self.small.retain(&mut self.bodies, |frame| {
                frame.channel != id || frame.kind == Kind::Other
            });
            self.move_up();
        }
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
            channel.in_large = false;
        }
        channel.published.saturating_sub(unsent.of(id))
    }
}

fn count_parked(parked: &Parked, unsent: &mut Unsent) {
    match parked {
        Parked::Frames(frames) | Parked::Large { head: frames, .. } => {
            for frame in Rope::from(frames.clone()).frames() {
                unsent.frame(&frame);
            }
        }
        Parked::Request(..) => {}
    }
}
