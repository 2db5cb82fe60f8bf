//! The last step on every way to the broker: current credentials, then AMQP over a stream.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::budget::{Budget, within};
use super::tokio::{Driver, Writes, now};
use crate::connection::Connection;
use crate::error::{ConnectCause, Stage};
use crate::handle::Destination;
use crate::options::ConnectionOptions;
use crate::proto::time::clock::Clock;

/// Checks that the options can be worked with, and asks for credentials before the broker's clock
/// starts to run.
pub(super) async fn prepare(
    options: &ConnectionOptions,
    budget: &Budget,
) -> Result<ConnectionOptions, (Stage, ConnectCause)> {
    let failed = |cause| (Stage::Options, cause);
    options
        .validate()
        .map_err(|error| failed(ConnectCause::Options(error)))?;
    let step = budget.step(options.connect_timeout);
    match within(step.deadline, options.with_current_credentials()).await {
        Ok(asked) => asked.map_err(|error| failed(error.cause().clone())),
        Err(_) => Err(failed(ConnectCause::Timeout(step.limit))),
    }
}

/// Speaks AMQP over a stream until the connection is open.
pub(super) async fn shake_hands<S>(
    stream: S,
    writes: Writes,
    options: &ConnectionOptions,
    budget: &Budget,
    place: Destination,
) -> Result<Connection, (Stage, ConnectCause)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // The core keeps the time here, for it knows the stage.
    let step = budget.step(options.handshake_timeout);
    let left = step.deadline.saturating_duration_since(Instant::now());
    let limited;
    let options = if left < options.handshake_timeout {
        limited = options.clone().handshake_timeout(left);
        &limited
    } else {
        options
    };
    let (core, connection) = Connection::with_core_at(options, Clock::new(now), place);
    tokio::spawn(Driver::new(stream, writes, core));
    match connection.opened_or_stage().await {
        Ok(()) => {
            if options.has_expiring_credentials() {
                tokio::spawn(connection.renew_credentials(options, tokio::time::sleep));
            }
            Ok(connection)
        }
        Err((stage, ConnectCause::Timeout(_))) => Err((stage, ConnectCause::Timeout(step.limit))),
        Err(failure) => Err(failure),
    }
}
