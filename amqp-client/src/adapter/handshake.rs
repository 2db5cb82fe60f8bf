//! The last step on every way to the broker: AMQP over a stream.

use tokio::io::{AsyncRead, AsyncWrite};

use super::tokio::{Driver, Writes, now};
use crate::connection::Connection;
use crate::error::{ConnectCause, Stage};
use crate::options::ConnectionOptions;
use crate::proto::shared::place::Place;
use crate::proto::time::clock::Clock;

/// Speaks AMQP over a stream until the connection is open. The core keeps the time, for it knows
/// the stage.
pub(super) async fn shake_hands<S>(
    stream: S,
    writes: Writes,
    options: &ConnectionOptions,
    place: Place,
) -> Result<Connection, (Stage, ConnectCause)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (core, connection) = Connection::with_core_at(options, Clock::new(now), place);
    tokio::spawn(Driver::new(stream, writes, core));
    connection.opened_or_stage().await?;
    if options.has_expiring_credentials() {
        tokio::spawn(connection.renew_credentials(options, tokio::time::sleep));
    }
    Ok(connection)
}
