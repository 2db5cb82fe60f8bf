//! Carries out what a [dialer](super::dial) decides, with tokio.
//!
//! What the dialer wants begun is a future, and all that are under way are polled together by the
//! one that the caller awaits: when that is dropped, every socket is closed. What an action has
//! brought (settings, credentials, a stream) is kept for the one that comes next.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::time::timeout_at;

use super::dial::{Action, ActionId, Dialer, Failure, Outcome, Plan, Rounds, Step, Way};
use super::handshake::shake_hands;
use super::network::Network;
use super::tls;
use super::tokio::{REACTOR_LOOKS, Writes, now};
use crate::connection::Connection;
use crate::error::{ConnectCause, ConnectError, ConnectionError, Stage, TlsError};
use crate::options::ConnectionOptions;
use crate::proto::shared::place::Place;

/// Opens a connection over this network.
pub(super) async fn open_on<N: Network>(
    network: &N,
    options: &ConnectionOptions,
) -> Result<Connection, ConnectError> {
    let seed = network.random();
    let way = Way::Network { seed };
    Dialing::new(network, options, way, Rounds::of(options))?
        .open()
        .await
}

/// A connection that is being opened.
pub(super) struct Dialing<'a, N: Network> {
    network: &'a N,
    options: &'a ConnectionOptions,
    dialer: Dialer,
    running: Vec<(ActionId, Running<'a, N::Stream>)>,
    /// What is the same for all hosts of a round.
    settings: Option<tls::Settings>,
    /// The options with the credentials that were asked for.
    current: Option<Box<ConnectionOptions>>,
    stream: Option<Stream<N::Stream>>,
    /// The action that agrees on TLS, and whether the server has sent a record.
    heard: Option<(ActionId, tls::Record)>,
    connection: Option<Connection>,
}

type Running<'a, S> = Pin<Box<dyn Future<Output = Result<Done<S>, Failure>> + Send + 'a>>;

/// What an action has brought.
enum Done<S> {
    Settings(Option<tls::Settings>),
    Current(Box<ConnectionOptions>),
    Addresses(Vec<SocketAddr>),
    Stream(Stream<S>),
    Connection(Connection),
}

enum Stream<S> {
    Plain(S, Writes),
    /// TLS has it; what is left to do is the handshake of AMQP.
    Encrypted(Handshake<S>),
}

type Handshake<S> =
    Box<dyn FnOnce(ConnectionOptions, Place) -> Running<'static, S> + Send + 'static>;

impl<'a, N: Network> Dialing<'a, N> {
    /// Nothing is tried yet, but time begins to run.
    pub(super) fn new(
        network: &'a N,
        options: &'a ConnectionOptions,
        way: Way,
        rounds: Rounds,
    ) -> Result<Self, ConnectError> {
        let address = way.address(options);
        let plan = Plan {
            way,
            rounds,
            look: REACTOR_LOOKS,
        };
        let dialer = Dialer::new(options, plan, now())?;
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
            connection: None,
        })
    }

    /// The same with a stream that is there already.
    pub(super) fn over(mut self, stream: N::Stream, writes: Writes) -> Self {
        self.stream = Some(Stream::Plain(stream, writes));
        self
    }

    /// Does what the dialer says until that is done.
    ///
    /// # Cancel safety
    ///
    /// All sockets are closed.
    pub(super) async fn open(mut self) -> Result<Connection, ConnectError> {
        loop {
            match self.dialer.poll(now()) {
                Step::Begin(id, action) => {
                    let running = self.begin(id, action);
                    self.running.push((id, running));
                }
                Step::Abandon(id) => self.running.retain(|(running, _)| *running != id),
                Step::Wait(until) => self.wait(until).await,
                Step::Opened => {
                    let lost = || ConnectError::new(Stage::Open, self.options.address(), gone());
                    return self.connection.take().ok_or_else(lost);
                }
                Step::Failed(error) => return Err(error),
            }
        }
    }

    fn begin(&mut self, id: ActionId, action: Action) -> Running<'a, N::Stream> {
        let (network, options) = (self.network, self.options);
        match action {
            Action::ReadFiles => Box::pin(read_files(options)),
            Action::Ask => Box::pin(ask(options)),
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
            Action::ShakeHands {
                address,
                peer,
                within,
            } => self.shake_hands(Place { address, peer }, within),
        }
    }

    fn encrypt(&mut self, id: ActionId, host: &str) -> Running<'a, N::Stream> {
        let Some(Stream::Plain(stream, _)) = self.stream.take() else {
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
            let handshake: Handshake<N::Stream> = Box::new(|options, place| {
                Box::pin(speak_amqp(stream, Writes::Exact, options, place))
            });
            Ok(Done::Stream(Stream::Encrypted(handshake)))
        })
    }

    fn shake_hands(&mut self, place: Place, within: Duration) -> Running<'a, N::Stream> {
        let (Some(options), Some(stream)) = (self.current.take(), self.stream.take()) else {
            return ended(failed(gone()));
        };
        let options = options.handshake_timeout(within);
        match stream {
            Stream::Plain(stream, writes) => Box::pin(speak_amqp(stream, writes, options, place)),
            Stream::Encrypted(handshake) => handshake(options, place),
        }
    }

    /// Waits until something that runs has ended, or until then, and reports.
    async fn wait(&mut self, until: Option<Instant>) {
        let running = &mut self.running;
        let ended = poll_fn(|context| poll_running(running, context));
        let ended = match until {
            None => ended.await,
            Some(until) => timeout_at(until.into(), ended).await.unwrap_or_default(),
        };
        let heard = self.heard.take_if(|(_, record)| record.has_come());
        if let Some((id, _)) = heard {
            self.dialer.report(id, Outcome::Heard, now());
        }
        for (id, result) in ended {
            self.report(id, result);
        }
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
            Some(Done::Stream(stream)) => self.stream = Some(stream),
            Some(Done::Connection(connection)) => self.connection = Some(connection),
        }
    }
}

impl<S> Done<S> {
    fn outcome(&mut self) -> Outcome {
        match self {
            Self::Settings(_) | Self::Stream(_) | Self::Connection(_) => Outcome::Done,
            Self::Current(options) => Outcome::Credentials {
                newline_in_password: options.has_newline_in_password(),
            },
            Self::Addresses(addresses) => Outcome::Resolved(std::mem::take(addresses)),
        }
    }
}

/// What has ended, with its id.
type Ended<S> = Vec<(ActionId, Result<Done<S>, Failure>)>;

/// Everything that has ended by now, if anything has.
fn poll_running<S>(
    running: &mut Vec<(ActionId, Running<'_, S>)>,
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

async fn speak_amqp<T, S>(
    stream: T,
    writes: Writes,
    options: ConnectionOptions,
    place: Place,
) -> Result<Done<S>, Failure>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match shake_hands(stream, writes, &options, place).await {
        Ok(connection) => Ok(Done::Connection(connection)),
        Err((stage, cause)) => Err(Failure {
            stage: Some(stage),
            ..failed(cause)
        }),
    }
}

fn plain<S>(socket: S) -> Done<S> {
    Done::Stream(Stream::Plain(socket, Writes::Exact))
}

fn failed(cause: impl Into<ConnectCause>) -> Failure {
    Failure::from(cause.into())
}

/// An action that has ended before it began.
fn ended<'a, S: Send + 'a>(failure: Failure) -> Running<'a, S> {
    Box::pin(std::future::ready(Err(failure)))
}

/// What an action needs was not brought by those before it, which the dialer's order rules out.
fn gone() -> ConnectCause {
    ConnectCause::Connection(ConnectionError::DriverGone)
}
