//! Blocked connections: a broker that is short of memory or disk takes no messages for a while.

use std::sync::Arc;

use super::Connection;
use crate::error::ConnectionError;
use crate::proto::shared::reading::Demand;
use crate::proto::wait::{Sleeper, Watch};

/// Alarms at the broker.
///
/// RabbitMQ announces an alarm (`connection.blocked`) to a connection that publishes while it is
/// short of memory or disk, at its first publish, and does not read that connection until the alarm
/// is over: publishes, requests and closes get no answer meanwhile. Deliveries go on. Connections
/// that only consume are neither told nor blocked, so that publishing and consuming on connections
/// of their own is worth a thought.
///
/// While the connection is blocked, publishes [wait or fail](crate::options::WhenBlocked),
/// settlements and requests are queued, the deadlines of requests stand still, heartbeats go on,
/// and [`close`](Connection::close) takes no longer than it may. With
/// [`blocked_connection_timeout`](crate::ConnectionOptions::blocked_connection_timeout) the
/// connection ends if the alarm takes longer.
impl Connection {
    /// Why the broker has blocked the connection, in its words (RabbitMQ: `low on memory`); `None`
    /// while it has not.
    #[must_use]
    pub fn blocked_reason(&self) -> Option<Arc<str>> {
        self.shared().outbox().room().blocked()
    }

    /// Waits until the connection is not blocked; ready at once if it is not.
    ///
    /// # Errors
    ///
    /// Why the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn unblocked(&self) -> Result<(), ConnectionError> {
        let connection = self.shared();
        // What unblocks has to be read.
        let _demand = Demand::new(connection);
        Watch::new(
            |ticket, context| {
                Sleeper::poll(context, |sleeper| {
                    connection.outbox().poll_unblocked(ticket, sleeper)
                })
            },
            |ticket| {
                let waker = connection.outbox().room_mut().forget_unblocked(ticket);
                drop(waker);
            },
        )
        .await
    }
}
