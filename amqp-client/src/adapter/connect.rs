//! Carries out what a [dialer](super::dial) decides, with tokio.
//!
//! What the dialer wants begun is a future, and all that are under way are polled together by the
//! task that waits for them: when that stops, every socket is closed. What an action has brought
//! (settings, credentials, a stream) is kept for the one that comes next. The handshake of AMQP is
//! left to whatever drives the core: it is handed the stream.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::dial::{Action, ActionId, Dialer, Failure, Outcome, Plan, Step};
use super::network::Network;
use super::tls;
use super::tokio::{Writes, far_future, now};
use super::wire::Wire;
use crate::error::{ConnectCause, ConnectError, ConnectionError, Stage, TlsError};
use crate::options::ConnectionOptions;
use crate::proto::shared::place::Place;

/// A connection that is being opened, or gets another stream.
pub(super) struct Dialing<N: Network> {
    network: N,
    options: Arc<ConnectionOptions>,
    dialer: Dialer,
    running: Vec<(ActionId, Running<N::Stream>)>,
    /// What is the same for all hosts of a round.
    settings: Option<tls::Settings>,
    /// The options with the credentials that were asked for.
    current: Option<Box<ConnectionOptions>>,
    stream: Option<(Wire<N::Stream>, Writes)>,
    /// The action that agrees on TLS, and whether the server has sent a record.
    heard: Option<(ActionId, tls::Record)>,
    /// The handshake that the caller sees to.
    shaking: Option<ActionId>,
    timer: Pin<Box<Sleep>>,
}

/// What has become of dialling.
pub(super) enum Progress<S> {
    /// AMQP is to be spoken over this stream, and [told](Dialing::shaken) what becomes of that.
    ShakeHands(Box<Connected<S>>),
    Opened,
    Failed(ConnectError),
}

/// A stream to a host.
pub(super) struct Connected<S> {
    pub(super) stream: Wire<S>,
    pub(super) writes: Writes,
    /// With the credentials that were asked for, and what is left of the time.
    pub(super) options: ConnectionOptions,
    pub(super) place: Place,
}

type Running<S> = Pin<Box<dyn Future<Output = Result<Done<S>, Failure>> + Send>>;

/// What an action has brought.
enum Done<S> {
    Settings(Option<tls::Settings>),
    Current(Box<ConnectionOptions>),
    Addresses(Vec<SocketAddr>),
    Stream(Wire<S>, Writes),
}

impl<N: Network> Dialing<N> {
    /// Nothing is tried yet, but time begins to run.
    pub(super) fn new(
        network: N,
        options: Arc<ConnectionOptions>,
        plan: Plan,
    ) -> Result<Self, ConnectError> {
        let address = plan.way.address(&options);
        let dialer = Dialer::new(&options, plan, now())?;
        // All that follows needs a runtime: without one tokio would panic.
        if Handle::try_current().is_err() {
            let cause = ConnectCause::NoRuntime;
            return Err(ConnectError::new(Stage::Options, address, cause));
        }
        Ok(Self {
            network,
            options,
            dialer,
            running: Vec::new(),
            settings: None,
            current: None,
            stream: None,
            heard: None,
            shaking: None,
            timer: Box::pin(tokio::time::sleep_until(far_future())),
        })
    }

    /// The same with a stream that is there already.
    pub(super) fn over(mut self, stream: N::Stream, writes: Writes) -> Self {
        self.stream = Some((Wire::Plain(stream), writes));
        self
    }

    /// Does what the dialer says until there is a stream, or none is to be had.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Progress<N::Stream>> {
        loop {
            match self.dialer.poll(now()) {
                Step::Begin(
                    id,
                    Action::ShakeHands {
                        address,
                        peer,
                        within,
                    },
                ) => {
                    self.shaking = Some(id);
                    match self.connected(Place { address, peer }, within) {
                        Some(connected) => return Poll::Ready(Progress::ShakeHands(connected)),
                        None => self.shaken(Err((Stage::Start, gone()))),
                    }
                }
                Step::Begin(id, action) => {
                    let running = self.begin(id, action);
                    self.running.push((id, running));
                }
                Step::Abandon(id) => self.running.retain(|(running, _)| *running != id),
                Step::Wait(until) => ready!(self.poll_wait(until, context)),
                Step::Opened => return Poll::Ready(Progress::Opened),
                Step::Failed(error) => return Poll::Ready(Progress::Failed(error)),
            }
        }
    }

    /// The handshake has ended over the stream that came last.
    pub(super) fn shaken(&mut self, outcome: Result<(), (Stage, ConnectCause)>) {
        let Some(id) = self.shaking.take() else {
            return;
        };
        let outcome = match outcome {
            Ok(()) => Outcome::Done,
            Err((stage, cause)) => Outcome::Failed(Failure {
                stage: Some(stage),
                ..failed(cause)
            }),
        };
        self.dialer.report(id, outcome, now());
    }

    /// The address of the host that was tried last, if one was.
    pub(super) fn last_tried(&self) -> Option<String> {
        self.dialer.last_tried()
    }

    fn connected(&mut self, place: Place, within: Duration) -> Option<Box<Connected<N::Stream>>> {
        let (stream, writes) = self.stream.take()?;
        let options = self.current.take()?.handshake_timeout(within);
        Some(Box::new(Connected {
            stream,
            writes,
            options,
            place,
        }))
    }

    fn begin(&mut self, id: ActionId, action: Action) -> Running<N::Stream> {
        let (network, options) = (self.network.clone(), Arc::clone(&self.options));
        match action {
            Action::ReadFiles => Box::pin(async move { read_files(&options).await }),
            Action::Ask => Box::pin(async move { ask(&options).await }),
            Action::Resolve { host, port } => Box::pin(async move {
                let resolved = network.resolve(&host, port).await;
                resolved.map(Done::Addresses).map_err(failed)
            }),
            Action::Connect(address) => Box::pin(async move {
                let connected = network.connect(address).await;
                connected.map(plain).map_err(failed)
            }),
            Action::ConnectLocal => Box::pin(async move {
                let connected = network.connect_local().await;
                connected.map(plain).map_err(failed)
            }),
            Action::Encrypt { host } => self.encrypt(id, &host),
            // The caller's.
            Action::ShakeHands { .. } => ended(failed(gone())),
        }
    }

    fn encrypt(&mut self, id: ActionId, host: &str) -> Running<N::Stream> {
        let Some((Wire::Plain(stream), _)) = self.stream.take() else {
            return ended(failed(gone()));
        };
        let session = match &self.settings {
            Some(settings) => tls::Session::with(settings, host),
            None => Err(TlsError::NotBuilt),
        };
        let session = match session {
            Ok(session) => session,
            Err(error) => return ended(failed(ConnectCause::Tls(error))),
        };
        let record = tls::Record::default();
        self.heard = Some((id, record.clone()));
        Box::pin(async move {
            let stream = tls::connect(session, stream, record).await;
            let stream = stream.map_err(failed)?;
            Ok(Done::Stream(
                Wire::Encrypted(Box::new(stream)),
                Writes::Exact,
            ))
        })
    }

    /// Waits until something that runs has ended, or until then, and reports.
    fn poll_wait(&mut self, until: Option<Instant>, context: &mut Context<'_>) -> Poll<()> {
        let ended = poll_running(&mut self.running, context);
        let heard = self.heard.take_if(|(_, record)| record.has_come());
        if let Some((id, _)) = heard {
            self.dialer.report(id, Outcome::Heard, now());
        }
        if let Poll::Ready(ended) = ended {
            for (id, result) in ended {
                self.report(id, result);
            }
            return Poll::Ready(());
        }
        let Some(until) = until else {
            return Poll::Pending;
        };
        self.timer.as_mut().reset(until.into());
        self.timer.as_mut().poll(context)
    }

    fn report(&mut self, id: ActionId, result: Result<Done<N::Stream>, Failure>) {
        let (done, outcome) = match result {
            Ok(mut done) => {
                let outcome = done.outcome();
                (Some(done), outcome)
            }
            Err(failure) => (None, Outcome::Failed(failure)),
        };
        if self.dialer.report(id, outcome, now()) {
            self.keep(done);
        }
    }

    /// Keeps it for the actions that follow.
    fn keep(&mut self, done: Option<Done<N::Stream>>) {
        match done {
            None | Some(Done::Addresses(_)) => {}
            Some(Done::Settings(settings)) => self.settings = settings,
            Some(Done::Current(options)) => self.current = Some(options),
            Some(Done::Stream(stream, writes)) => self.stream = Some((stream, writes)),
        }
    }
}

impl<S> Done<S> {
    fn outcome(&mut self) -> Outcome {
        match self {
            Self::Settings(_) | Self::Stream(..) => Outcome::Done,
            Self::Current(options) => Outcome::Credentials {
                clue: options.login_clue(),
            },
            Self::Addresses(addresses) => Outcome::Resolved(std::mem::take(addresses)),
        }
    }
}

/// What has ended, with its id.
type Ended<S> = Vec<(ActionId, Result<Done<S>, Failure>)>;

/// Everything that has ended by now, if anything has.
fn poll_running<S>(
    running: &mut Vec<(ActionId, Running<S>)>,
    context: &mut Context<'_>,
) -> Poll<Ended<S>> {
    let mut ended = Vec::new();
    running.retain_mut(|(id, action)| match action.as_mut().poll(context) {
        Poll::Pending => true,
        Poll::Ready(result) => {
            ended.push((*id, result));
            false
        }
    });
    match ended.is_empty() {
        true => Poll::Pending,
        false => Poll::Ready(ended),
    }
}

async fn read_files<S>(options: &ConnectionOptions) -> Result<Done<S>, Failure> {
    let Some(tls) = &options.tls else {
        return Ok(Done::Settings(None));
    };
    let hosts = options.addresses().map(|(host, _)| host);
    match tls::prepare(tls, hosts).await {
        Ok(settings) => Ok(Done::Settings(Some(settings))),
        Err(unprepared) => Err(Failure {
            is_final: !unprepared.may_pass,
            ..failed(ConnectCause::Tls(unprepared.error))
        }),
    }
}

async fn ask<S>(options: &ConnectionOptions) -> Result<Done<S>, Failure> {
    match options.with_current_credentials().await {
        Ok(current) => Ok(Done::Current(Box::new(current))),
        Err(error) => Err(failed(error.cause().clone())),
    }
}

fn plain<S>(socket: S) -> Done<S> {
    Done::Stream(Wire::Plain(socket), Writes::Exact)
}

fn failed(cause: impl Into<ConnectCause>) -> Failure {
    Failure::from(cause.into())
}

/// An action that has ended before it began.
fn ended<S: Send + 'static>(failure: Failure) -> Running<S> {
    Box::pin(std::future::ready(Err(failure)))
}

/// What an action needs was not brought by those before it, which the dialer's order rules out.
fn gone() -> ConnectCause {
    ConnectCause::Connection(ConnectionError::DriverGone)
}
