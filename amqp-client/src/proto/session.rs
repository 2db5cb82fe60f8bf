//! What ends with a stream: one value, which is replaced as a whole.
//!
//! ```text
//! Core ── Session      handshake, what is read and written, times, whether reading goes on
//!      ├─ DriverSeat   who is woken
//!      └─ Outside      ─▶ what handles share with the core: outlives the stream
//! ```
//!
//! What a stream leaves in the shared state is ended by the outbox, where callers meet it
//! ([`Outbox::disconnect`](super::send::outbox::Outbox::disconnect)).

use std::sync::Arc;
use std::time::Instant;

use amqp_spec::frame;

use super::config::CoreOptions;
use super::opening::handshake::Handshake;
use super::opening::outcome::Opening;
use super::outside::Outside;
use super::phase::Phase;
use super::receive::{Receive, standstill};
use super::send::writing::Writing;
use super::shared::connection::ConnectionShared;
use super::shutdown;
use super::time::clocks::Clocks;
use super::time::heartbeat::Due;
use super::turn::{Pause, Turn};
use crate::error::ConnectionError;

/// One stream, from the protocol header to its end.
pub(super) struct Session {
    pub(super) phase: Phase,
    pub(super) handshake: Handshake,
    pub(super) receive: Receive,
    pub(super) writing: Writing,
    pub(super) clocks: Clocks,
    pub(super) turn: Turn,
}

impl Session {
    /// Begins on a stream that has just been connected. `opening` is where the caller of `open`
    /// waits.
    pub(super) fn new(
        options: CoreOptions,
        connection: &Arc<ConnectionShared>,
        opening: Arc<Opening>,
        now: Instant,
    ) -> Self {
        connection.outbox().begin_stream(now);
        let validity = options.login.credentials.validity();
        connection.logins.begin(validity);
        Self {
            phase: Phase::Opening,
            handshake: Handshake::new(options.login, options.handshake_timeout, opening),
            receive: Receive::new(
                Arc::clone(connection),
                options.max_message_size,
                options.inbound_limit,
            ),
            writing: Writing::new(now),
            clocks: Clocks::new(
                options.handshake_timeout,
                options.write_timeout,
                options.blocked_connection_timeout,
                now,
            ),
            turn: Turn::default(),
        }
    }

    /// Does what the heartbeats call for; why the connection is lost if the peer is dead.
    pub(super) fn heartbeat(&mut self, outside: &Outside, now: Instant) -> Option<ConnectionError> {
        if self.turn.pause().is_some() {
            self.clocks.on_read(now);
        }
        match self.clocks.heartbeat_due(now) {
            Due::Nothing => None,
            Due::Send => {
                self.rest(outside);
                outside.outbox().order_mut().push_raw(&frame::HEARTBEAT);
                None
            }
            Due::PeerDead { silence } => {
                outside.shared().trace.heartbeat_missed(silence);
                Some(ConnectionError::HeartbeatTimeout(silence))
            }
        }
    }

    /// Nothing was written for a while: memory that was needed then is given back. What is still
    /// busy has it again after a few turns.
    fn rest(&mut self, outside: &Outside) {
        self.receive.rest();
        self.writing.rest();
        outside.outbox().order_mut().rest();
    }

    /// Why the connection is lost if the peer has taken nothing for too long.
    pub(super) fn stalled(&mut self, outside: &Outside, now: Instant) -> Option<ConnectionError> {
        let slow_consumers = self.turn.pause() == Some(Pause::Consumers);
        if slow_consumers || outside.outbox().room().blocked().is_some() {
            self.clocks.forgive_stall(now);
            return None;
        }
        self.clocks.stalled(now).map(ConnectionError::WriteTimeout)
    }

    /// Does what is next if the connection is being shut down.
    #[inline]
    pub(super) fn wind_up(&mut self, outside: &mut Outside) {
        let asked = outside.shared().shutdown.asked();
        if let Some(asked) = asked.filter(|_| self.phase == Phase::Open) {
            shutdown::wind_up(asked, self.receive.channels(), &mut self.clocks, outside);
        }
    }

    /// The stream is over: hands over what has come. Gives what is left, if the connection is being
    /// shut down.
    pub(super) fn hand_over(&mut self, outside: &mut Outside) -> Option<shutdown::Left> {
        self.receive.channels_mut().hand_over(outside);
        outside.shared().shutdown.asked()?;
        Some(shutdown::left(self.receive.channels(), outside))
    }

    /// Decides whether reading goes on: not while consumers hold too much, unless something is
    /// waited for that has to be read; nor while the broker takes none of the answers that it asks
    /// for.
    pub(super) fn decide_whether_to_read(&mut self, outside: &mut Outside) {
        if self.phase == Phase::Ended {
            return;
        }
        let shared = outside.shared();
        let takes_more = outside.reads_all() || shared.reading.look();
        let pause = if !takes_more {
            Some(Pause::Consumers)
        } else if self.writing.owes_too_much(shared) {
            Some(Pause::Answers)
        } else {
            None
        };
        self.turn.set_pause(pause);
        let stopped = pause == Some(Pause::Consumers);
        standstill::tell(stopped, self.receive.channels(), outside);
    }
}
