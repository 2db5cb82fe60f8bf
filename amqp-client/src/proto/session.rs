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

use super::config::CoreOptions;
use super::opening::handshake::Handshake;
use super::opening::outcome::Opening;
use super::phase::Phase;
use super::receive::Receive;
use super::send::writing::Writing;
use super::shared::connection::ConnectionShared;
use super::time::clocks::Clocks;
use super::turn::Turn;

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
}
