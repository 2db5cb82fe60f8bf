//! Connects another stream for a connection that has lost its own, with tokio.
//!
//! Rounds, hosts and times are a [dialer's](super::dial) and the core's; what is under way is owned
//! by the connection's task, and closed with it.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::connect::{Connected, Dialing, Progress};
use super::dial::{Plan, Way};
use super::network::Network;
use super::pump::{Dialed, Line, Redial};
use super::tokio::{REACTOR_LOOKS, Stream, now};
use super::wire::Wire;
use crate::connection::Connection;
use crate::error::{ConnectCause, ConnectError, ConnectionError, Stage};
use crate::handle::Handle;
use crate::options::ConnectionOptions;
use crate::proto::shared::place::Place;
use crate::proto::time::clock::Clock;

/// What it takes to connect other streams.
pub(super) struct Redialing<N: Network> {
    network: N,
    options: Arc<ConnectionOptions>,
    way: Way,
    /// The host that the last stream led to, or that was tried last since.
    last: Option<String>,
    round: Option<Result<Dialing<N>, ConnectError>>,
    /// The options of the handshake under way, and where it leads.
    shaking: Option<(ConnectionOptions, Place)>,
    connection: Weak<Handle>,
    /// A task renews the credentials.
    renews: bool,
}

impl<N: Network> Redialing<N> {
    pub(super) fn new(network: N, options: Arc<ConnectionOptions>, way: Way) -> Self {
        Self {
            network,
            options,
            way,
            last: None,
            round: None,
            shaking: None,
            connection: Weak::new(),
            renews: false,
        }
    }

    /// For this connection, which has no stream yet.
    pub(super) fn first_of(self, connection: &Connection) -> Self {
        Self {
            connection: connection.downgrade(),
            ..self
        }
    }

    /// For this connection, whose first stream leads there. Its caller sees to the renewal of these
    /// credentials.
    pub(super) fn of(
        self,
        connection: &Connection,
        options: &ConnectionOptions,
        place: Place,
    ) -> Self {
        Self {
            last: Some(place.address),
            connection: connection.downgrade(),
            renews: options.has_expiring_credentials(),
            ..self
        }
    }

    fn opened(&mut self, options: &ConnectionOptions) {
        if self.renews || !options.has_expiring_credentials() {
            return;
        }
        // Once the last handle has gone there is nothing to renew.
        let Some(handle) = self.connection.upgrade() else {
            return;
        };
        let renewal = Connection::of(&handle).renew_credentials(options, tokio::time::sleep);
        tokio::spawn(renewal);
        self.renews = true;
    }
}

impl<N: Network> Redial for Redialing<N> {
    type Transport = Stream<Wire<N::Stream>>;

    fn begin(&mut self, _: Instant) {
        let way = self.way.again(self.network.random());
        let plan = Plan::again(way, self.last.clone(), &self.options, REACTOR_LOOKS);
        let options = Arc::clone(&self.options);
        self.round = Some(Dialing::new(self.network.clone(), options, plan));
    }

    fn poll(&mut self, _: Instant, context: &mut Context<'_>) -> Poll<Dialed<Self::Transport>> {
        let gone = || {
            let cause = ConnectCause::Connection(ConnectionError::DriverGone);
            ConnectError::new(Stage::Options, self.options.address(), cause)
        };
        let progress = match self.round.as_mut() {
            Some(Ok(dialing)) => ready!(dialing.poll(context)),
            Some(Err(error)) => Progress::Failed(error.clone()),
            None => Progress::Failed(gone()),
        };
        let error = match progress {
            Progress::ShakeHands(connected) => {
                let Connected {
                    stream,
                    writes,
                    options,
                    place,
                } = *connected;
                let line = Line {
                    transport: Stream(stream),
                    writes,
                    options: options.to_core(Clock::new(now)),
                    place: place.clone(),
                };
                self.shaking = Some((options, place));
                return Poll::Ready(Dialed::Stream(Box::new(line)));
            }
            Progress::Opened => gone(),
            Progress::Failed(error) => error,
        };
        if let Some(Ok(dialing)) = self.round.take() {
            self.last = dialing.last_tried().or_else(|| self.last.take());
        }
        Poll::Ready(Dialed::Failed(error))
    }

    fn shaken(&mut self, outcome: Result<(), (Stage, ConnectCause)>, _: Instant) {
        let shaking = self.shaking.take();
        match (outcome, shaking) {
            (Ok(()), Some((options, place))) => {
                self.last = Some(place.address);
                self.round = None;
                self.opened(&options);
            }
            (outcome, _) => {
                if let Some(Ok(dialing)) = &mut self.round {
                    dialing.shaken(outcome);
                }
            }
        }
    }
}
