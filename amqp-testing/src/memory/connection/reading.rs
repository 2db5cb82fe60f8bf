//! From octets to frames, and from frames to what they are for.

use std::time::Instant;

use amqp_spec::{connection, constants};

use crate::memory::decode;
use crate::memory::faults;
use crate::memory::node::Node;
use crate::memory::refusal::Refusal;

use super::cut::{self, Cut, HEAD};
use super::handshake::{self, Answer};
use super::state::{Connection, Phase};

impl Connection {
    pub(in crate::memory) fn receive(&mut self, octets: &[u8], node: &mut Node, now: Instant) {
        if !octets.is_empty() {
            self.clock.heard();
        }
        if matches!(self.phase, Phase::Silent | Phase::Ended) {
            return;
        }
        if self.input.is_empty() {
            let used = self.read(octets, node, now);
            self.input
                .extend_from_slice(octets.get(used..).unwrap_or_default());
        } else {
            self.input.extend_from_slice(octets);
            self.read_input(node, now);
        }
        self.is_deaf = false;
        if matches!(self.phase, Phase::Silent | Phase::Ended) {
            self.input = Vec::new();
        }
    }

    /// Reads what has been received, as far as that is possible now.
    pub(in crate::memory) fn read_input(&mut self, node: &mut Node, now: Instant) {
        if self.input.is_empty() {
            return;
        }
        let mut input = std::mem::take(&mut self.input);
        let used = self.read(&input, node, now);
        input.drain(..used.min(input.len()));
        self.input = input;
    }

    /// Reads whole frames, and says how many octets they had.
    pub(super) fn read(&mut self, octets: &[u8], node: &mut Node, now: Instant) -> usize {
        let mut at = 0;
        while self.wants_octets() {
            let rest = octets.get(at..).unwrap_or_default();
            match self.phase {
                Phase::Header => match rest.first_chunk() {
                    Some(header) => {
                        at += header.len();
                        self.begin(*header, node);
                    }
                    None => return at,
                },
                Phase::Silent | Phase::Ended => return octets.len(),
                _ => match cut::cut(rest, self.frame_max) {
                    Cut::Incomplete => return at,
                    Cut::Fault(refusal) => {
                        self.broken(&refusal, node, now);
                        return octets.len();
                    }
                    Cut::Frame {
                        kind,
                        channel,
                        payload,
                    } => {
                        at += payload.len() + HEAD + 1;
                        self.frame((kind, channel, payload), node, now);
                    }
                },
            }
        }
        at
    }

    pub(super) fn begin(&mut self, header: [u8; 8], node: &Node) {
        match handshake::answer(header, node.like) {
            Answer::Start { major, minor } => {
                self.phase = Phase::Starting;
                self.is_old = major != 0;
                let server_properties = handshake::server_properties(node.like, major);
                let start = connection::Start {
                    version_major: major,
                    version_minor: minor,
                    server_properties: server_properties.as_ref(),
                    mechanisms: handshake::mechanisms(node.like),
                    ..connection::Start::default()
                };
                self.output.method(0, &start);
            }
            Answer::Refused(header) => {
                self.output.raw(&header);
                self.phase = Phase::Ended;
            }
        }
    }

    /// Octets that are no frames: nothing is read any more.
    pub(super) fn broken(&mut self, refusal: &Refusal, node: &mut Node, now: Instant) {
        if matches!(self.phase, Phase::Running | Phase::Opening) {
            self.fail(refusal, None, node, now);
        }
        self.fall_silent(now);
    }

    pub(super) fn fall_silent(&mut self, now: Instant) {
        self.phase = Phase::Silent;
        self.clock.fall_silent(now);
    }

    pub(super) fn frame(
        &mut self,
        (kind, number, payload): (u8, u16, &[u8]),
        node: &mut Node,
        now: Instant,
    ) {
        if self.is_deaf {
            return;
        }
        let is_method = kind == constants::FRAME_METHOD && payload.len() >= 4;
        // That of other channels is looked at where it is read.
        if number == 0 && is_method && !decode::is_known(payload) {
            return self.end(node, now);
        }
        match (number, self.phase) {
            (0, Phase::Closed) if is_method => self.farewell(payload, node, now),
            (_, Phase::Closed) => {}
            (0, _) if is_method => self.method0(payload, node, now),
            (0, _) if kind == constants::FRAME_HEARTBEAT && payload.is_empty() => {}
            (_, Phase::Running) if number != 0 => {
                self.channel_frame((kind, number, payload), node, now);
            }
            _ => {
                let refusal = match cut::is_well_formed(kind, payload) || number != 0 {
                    true => faults::unexpected(kind, payload),
                    false => faults::unknown(kind, payload),
                };
                self.fail(&refusal, None, node, now);
            }
        }
    }
}
