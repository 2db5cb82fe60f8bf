//! What is known of a connection.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::memory::channel::{Carrier, Channel, Content};
use crate::memory::ids::{ChannelKey, ConnectionId};
use crate::memory::output::Output;
use crate::memory::session::{Capabilities, Session};

use super::clock::Clock;

/// What frames may have before the client has agreed on more.
const FRAME_MAX_AT_FIRST: u32 = 4096;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Header,
    Starting,
    Tuning,
    Opening,
    Running,
    Closed,
    Silent,
    Ended,
}

#[derive(Debug)]
pub(in crate::memory) struct Connection {
    pub(super) phase: Phase,
    pub(super) session: Session,
    pub(super) clock: Clock,
    /// What has been received and not been read.
    pub(super) input: Vec<u8>,
    pub(in crate::memory) output: Output,
    /// The largest frame that is taken; 0 sets no limit.
    pub(super) frame_max: u32,
    pub(super) channel_max: u16,
    pub(in crate::memory) channels: BTreeMap<u16, Channel>,
    /// It speaks a protocol that is not modelled.
    pub(super) is_old: bool,
    /// It has published during an alarm, and is not read.
    pub(super) is_blocked: bool,
    /// Its stream has ended, which it will learn when it is read again.
    pub(super) is_abandoned: bool,
    /// The message that it has published then.
    pub(super) held: Option<(u16, Carrier, Content)>,
    /// What follows what was fatal to a channel is not heard.
    pub(super) is_deaf: bool,
    /// Channels whose mail waits for room.
    pub(super) stopped: Vec<ChannelKey>,
}
impl Connection {
    pub(in crate::memory) fn new(id: ConnectionId, now: Instant) -> Self {
        Self {
            phase: Phase::Header,
            session: Session {
                id,
                user: "".into(),
                vhost: "".into(),
                capabilities: Capabilities::default(),
            },
            clock: Clock::new(now),
            input: Vec::new(),
            output: Output::new(),
            frame_max: FRAME_MAX_AT_FIRST,
            channel_max: 0,
            channels: BTreeMap::new(),
            is_old: false,
            is_blocked: false,
            is_abandoned: false,
            held: None,
            is_deaf: false,
            stopped: Vec::new(),
        }
    }

    // What others see

    pub(in crate::memory) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    pub(in crate::memory) const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    pub(in crate::memory) fn wants_octets(&self) -> bool {
        !self.is_blocked && !self.output.is_full() && !self.has_ended()
    }

    pub(in crate::memory) const fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    pub(in crate::memory) const fn abandon(&mut self) {
        self.is_abandoned = true;
    }

    pub(in crate::memory) const fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    pub(in crate::memory) const fn session(&self) -> &Session {
        &self.session
    }

    pub(in crate::memory) fn channel_numbers(&self) -> Vec<u16> {
        self.channels.keys().copied().collect()
    }
}
