//! First connections: opened while the caller waits, each attempt with a core of its own, so that
//! each has its own error; or begun with no stream at all, by the connection's task.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::connect::{Connected, Dialing, Progress};
use super::dial::{Plan, Rounds, Way};
use super::driver::Driver;
use super::network::Network;
use super::redialing::Redialing;
use super::tokio::{REACTOR_LOOKS, now};
use crate::connection::Connection;
use crate::error::{ConnectCause, ConnectError, ConnectionError, Stage};
use crate::options::ConnectionOptions;
use crate::proto::time::clock::Clock;

/// Opens a connection over this network.
pub(super) async fn open_on<N: Network>(
    network: &N,
    options: &ConnectionOptions,
) -> Result<Connection, ConnectError> {
    let way = Way::Network {
        seed: network.random(),
    };
    open_by(network, options, way, Rounds::of(options)).await
}

/// A connection over this network that is opened by its own task.
pub(super) fn start_on<N: Network>(network: &N, options: &ConnectionOptions) -> Connection {
    let way = Way::Network {
        seed: network.random(),
    };
    start_by(network, options, way)
}

/// Opens a connection in this way, and goes on in it when a stream is lost.
pub(super) async fn open_by<N: Network>(
    network: &N,
    options: &ConnectionOptions,
    way: Way,
    rounds: Rounds,
) -> Result<Connection, ConnectError> {
    if options.recovery.is_from_the_start() {
        return is_ready(start_by(network, options, way)).await;
    }
    let options = Arc::new(options.clone());
    let plan = Plan::first(way.clone(), rounds, &options, REACTOR_LOOKS);
    let dialing = Dialing::new(network.clone(), Arc::clone(&options), plan)?;
    let redialing = || Redialing::new(network.clone(), Arc::clone(&options), way.clone());
    open(dialing, redialing).await
}

/// A connection that is opened in this way by its own task, as after a loss.
pub(super) fn start_by<N: Network>(
    network: &N,
    options: &ConnectionOptions,
    way: Way,
) -> Connection {
    let options = Arc::new(options.clone());
    let address = way.address(&options);
    let clock = Clock::new(now);
    let (mut core, connection) = Connection::with_waiting_core(&options, clock, address.clone());
    match Handle::try_current() {
        Ok(runtime) => {
            if options.credential_source.is_some() {
                runtime.spawn(connection.renew_credentials(&options, tokio::time::sleep));
            }
            let redialing = Redialing::new(network.clone(), options, way);
            runtime.spawn(Driver::waiting(core, redialing));
        }
        Err(_) => {
            let error = ConnectError::new(Stage::Options, address, ConnectCause::NoRuntime);
            core.not_connected(error, now());
        }
    }
    connection
}

/// The connection once it is open; else why it could not be opened.
async fn is_ready(connection: Connection) -> Result<Connection, ConnectError> {
    match connection.ready().await {
        Ok(()) => Ok(connection),
        Err(ConnectionError::NotRecovered {
            last: Some(last), ..
        }) => Err(last),
        Err(other) => {
            let cause = ConnectCause::Connection(other);
            Err(ConnectError::new(Stage::Open, connection.address(), cause))
        }
    }
}

/// Does what the dialer says until a connection is open.
///
/// # Cancel safety
///
/// All sockets are closed.
pub(super) async fn open<N: Network>(
    mut dialing: Dialing<N>,
    redialing: impl Fn() -> Redialing<N>,
) -> Result<Connection, ConnectError> {
    let mut opened = None;
    loop {
        match poll_fn(|context| dialing.poll(context)).await {
            Progress::ShakeHands(connected) => {
                let outcome = shake_hands(*connected, redialing()).await;
                dialing.shaken(outcome.map(|connection| opened = Some(connection)));
            }
            Progress::Opened => {
                // It was, or there would be no such progress.
                let gone = ConnectCause::Connection(ConnectionError::DriverGone);
                let lost = || ConnectError::new(Stage::Open, "the broker", gone);
                return opened.ok_or_else(lost);
            }
            Progress::Failed(error) => return Err(error),
        }
    }
}

/// Speaks AMQP over a stream until the connection is open. The core keeps the time, for it knows
/// the stage.
async fn shake_hands<N: Network>(
    connected: Connected<N::Stream>,
    redialing: Redialing<N>,
) -> Result<Connection, (Stage, ConnectCause)> {
    let Connected {
        stream,
        writes,
        options,
        place,
    } = connected;
    let clock = Clock::new(now);
    let (core, connection) = Connection::with_core_at(&options, clock, place.clone());
    let redialing = redialing.behind(place);
    tokio::spawn(Driver::new(stream, writes, core, redialing));
    connection.opened_or_stage().await?;
    if options.credential_source.is_some() {
        tokio::spawn(connection.renew_credentials(&options, tokio::time::sleep));
    }
    Ok(connection)
}
