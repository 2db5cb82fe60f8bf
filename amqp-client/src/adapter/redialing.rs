//! Connects another stream for a connection that has lost its own, with tokio.
//!
//! Rounds, hosts and times are a [dialer's](super::dial) and the core's; what is under way is owned
//! by the connection's task, and closed with it.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::connect::{Connected, Dialing, Progress};
use super::dial::{Plan, Way};
use super::network::Network;
use super::pump::{Dialed, Line, Redial};
use super::tokio::{REACTOR_LOOKS, Stream, now};
use super::wire::Wire;
use crate::error::{ConnectCause, ConnectError, ConnectionError, Stage};
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
    /// Where the handshake under way leads.
    shaking: Option<Place>,
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
        }
    }

    /// Whose first stream leads there.
    pub(super) fn behind(self, place: Place) -> Self {
        Self {
            last: Some(place.address),
            ..self
        }
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
                self.shaking = Some(place);
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
            (Ok(()), Some(place)) => {
                self.last = Some(place.address);
                self.round = None;
            }
            (outcome, _) => {
                if let Some(Ok(dialing)) = &mut self.round {
                    dialing.shaken(outcome);
                }
            }
        }
    }
}
