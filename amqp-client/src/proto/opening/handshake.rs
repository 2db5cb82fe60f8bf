//! The opening of a connection, up to `connection.open-ok` (AMQP 0-9-1 §2.2.4).
//!
//! ```text
//! protocol header ▶   ◀ start   start-ok ▶   [◀ secure   secure-ok ▶]   ◀ tune
//!                                                    tune-ok, open ▶   ◀ open-ok
//! ```
//!
//! A [`Handshake`] takes the methods of the broker and gives steps: what is to be sent, what has
//! been agreed on, that the connection is open. It changes nothing but itself and the outcome that
//! the caller of `open` waits for.
//!
//! `connection.close` is not answered before `connection.open` (RabbitMQ), so that giving up means
//! closing the socket.

use std::sync::Arc;
use std::time::Duration;

use amqp_spec::wire::{LongStr, ShortStr, TableRef, TypedMethod};
use amqp_spec::{Method, connection, constants, frame};
use zeroize::Zeroizing;

use super::outcome::Opening;
use super::tuning::negotiate;
use crate::error::{About, ConnectCause, OptionError, Stage, Subject, Violation};
use crate::proto::broker_version::rabbitmq_version;
use crate::proto::config::{Limits, Login};
use crate::sasl::{AuthMechanism, Credentials, SaslExchange};

/// The opening of one connection.
pub(crate) struct Handshake {
    login: Login,
    /// How long it may take.
    timeout: Duration,
    awaited: Awaited,
    /// The login under way.
    exchange: Option<Box<dyn SaslExchange>>,
    /// How long our part of it may be.
    login_limit: usize,
    /// Where the caller waits.
    outcome: Arc<Opening>,
}

/// Which method of the broker is awaited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Awaited {
    Start,
    Tune,
    OpenOk,
}

impl Awaited {
    fn name(self) -> &'static str {
        match self {
            Self::Start => connection::Start::NAME,
            Self::Tune => connection::Tune::NAME,
            Self::OpenOk => connection::OpenOk::NAME,
        }
    }
}

/// What a method of the broker has come to.
pub(crate) enum Step {
    /// This frame is sent, and no copy of it stays behind.
    Answer(Zeroizing<Vec<u8>>),
    /// These limits hold from now on, under which these frames are sent.
    Tuned {
        limits: Limits,
        frames: [Vec<u8>; 2],
    },
    /// The connection is open.
    Opened,
    /// The handshake has failed, which the caller has been told. Nothing more is said.
    GivenUp,
}

impl Handshake {
    pub(crate) fn new(login: Login, timeout: Duration, outcome: Arc<Opening>) -> Self {
        Self {
            login,
            timeout,
            awaited: Awaited::Start,
            exchange: None,
            // Before tuning, only the smallest frame may be sent.
            login_limit: constants::FRAME_MIN_SIZE as usize,
            outcome,
        }
    }

    /// Where the caller of `open` waits.
    pub(crate) fn outcome(&self) -> Arc<Opening> {
        Arc::clone(&self.outcome)
    }

    pub(crate) fn login(&self) -> &Login {
        &self.login
    }

    /// What `connection.open` is about.
    pub(crate) fn about_open(&self) -> About {
        About::virtual_host(&self.login.virtual_host)
    }

    /// How far it is, or was when it ended.
    pub(crate) fn stage(&self) -> Stage {
        match self.awaited {
            Awaited::Start => Stage::Start,
            Awaited::Tune => Stage::Login,
            Awaited::OpenOk => Stage::Open,
        }
    }

    /// The connection has ended; only the first cause is told.
    pub(crate) fn fail(&self, cause: ConnectCause) {
        self.outcome.fail(self.stage(), cause);
    }

    /// Its time is up.
    pub(crate) fn time_out(&self) {
        self.fail(ConnectCause::Timeout(self.timeout));
    }

    /// A method has come on channel 0. `all_taken` tells whether the broker has taken everything
    /// that was to be sent before.
    pub(crate) fn method(
        &mut self,
        method: &Method<'_>,
        all_taken: bool,
    ) -> Result<Step, Violation> {
        match (self.awaited, method) {
            (Awaited::Start, Method::ConnectionStart(start)) => self.start(start),
            (Awaited::Tune, Method::ConnectionSecure(secure)) => self.secure(secure, all_taken),
            (Awaited::Tune, Method::ConnectionTune(tune)) => self.tune(tune),
            (Awaited::OpenOk, Method::ConnectionOpenOk(_)) => Ok(Step::Opened),
            (awaited, _) => Err(Violation::UnexpectedMethod {
                method: method.name(),
                channel: 0,
                expected: awaited.name().into(),
            }),
        }
    }

    /// Chooses a mechanism, and logs in.
    fn start(&mut self, start: &connection::Start<'_>) -> Result<Step, Violation> {
        let (major, minor) = (start.version_major, start.version_minor);
        if (major, minor) != (0, 9) {
            return Err(Violation::ProtocolVersion { major, minor });
        }
        self.outcome
            .set_server_properties(start.server_properties.to_owned());
        self.login_limit = login_limit(start.server_properties);
        let answer = self.start_ok(start);
        Ok(self.go_on(answer.map(Step::Answer), Awaited::Tune))
    }

    fn start_ok(
        &mut self,
        start: &connection::Start<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, ConnectCause> {
        let mechanism = choose(start, &self.login.mechanisms)?;
        let mut exchange = mechanism.begin(&self.login.credentials);
        let response = exchange.respond(None).map_err(ConnectCause::Sasl)?;
        let name =
            ShortStr::new(mechanism.name().as_bytes()).map_err(too_long("auth_mechanism"))?;
        let locale = ShortStr::new(self.login.locale.as_bytes()).map_err(too_long("locale"))?;
        let start_ok = connection::StartOk {
            client_properties: self.login.client_properties.as_ref(),
            mechanism: name,
            response: LongStr::new(response.expose()).map_err(too_long("password"))?,
            locale,
        };
        let answer = self.secret(&start_ok)?;
        self.exchange = Some(exchange);
        Ok(answer)
    }

    /// The mechanism knows the answer, or gives up.
    fn secure(
        &mut self,
        secure: &connection::Secure<'_>,
        all_taken: bool,
    ) -> Result<Step, Violation> {
        let exchange = match &mut self.exchange {
            // A broker that asks on without having read the last answer would have us queue without
            // bound.
            Some(exchange) if all_taken => exchange,
            _ => {
                return Err(Violation::UnexpectedMethod {
                    method: connection::Secure::NAME,
                    channel: 0,
                    expected: "nothing before the last answer is read".into(),
                });
            }
        };
        let response = exchange.respond(Some(secure.challenge.as_bytes()));
        let answer = response.map_err(ConnectCause::Sasl).and_then(|response| {
            let response = LongStr::new(response.expose()).map_err(too_long("password"))?;
            self.secret(&connection::SecureOk { response })
        });
        Ok(self.go_on(answer.map(Step::Answer), Awaited::Tune))
    }

    /// Agrees on limits, and opens the virtual host.
    fn tune(&mut self, tune: &connection::Tune) -> Result<Step, Violation> {
        let (limits, tune_ok) = negotiate(&self.login, tune)?;
        self.exchange = None;
        self.login.credentials = Credentials::new("", "");
        let frames = self.open(&limits, &tune_ok);
        let step = frames.map(|frames| Step::Tuned { limits, frames });
        Ok(self.go_on(step, Awaited::OpenOk))
    }

    /// `tune-ok` has no reply, so that `open` follows at once.
    fn open(
        &self,
        limits: &Limits,
        tune_ok: &connection::TuneOk,
    ) -> Result<[Vec<u8>; 2], ConnectCause> {
        let virtual_host = Subject::Nothing
            .short("virtual_host", &self.login.virtual_host)
            .map_err(too_long("virtual_host"))?;
        let frame_max = usize::try_from(limits.frame_max).unwrap_or(usize::MAX);
        let (mut tuned, mut open) = (Vec::new(), Vec::new());
        frame::encode_method(&mut tuned, 0, tune_ok, frame_max)
            .and_then(|()| {
                let method = connection::Open { virtual_host };
                frame::encode_method(&mut open, 0, &method, frame_max)
            })
            .map_err(too_long("virtual_host"))?;
        Ok([tuned, open])
    }

    /// Awaits the next answer, or gives up without a word.
    fn go_on(&mut self, step: Result<Step, ConnectCause>, next: Awaited) -> Step {
        match step {
            Ok(step) => {
                self.awaited = next;
                step
            }
            Err(cause) => {
                // What follows has begun with this answer.
                let stage = match next {
                    Awaited::Start | Awaited::Tune => Stage::Login,
                    Awaited::OpenOk => Stage::Open,
                };
                self.outcome.fail(stage, cause);
                Step::GivenUp
            }
        }
    }

    /// Encodes a method of the login, and leaves no copy of it behind.
    fn secret<'m, M: TypedMethod<'m>>(
        &self,
        method: &M,
    ) -> Result<Zeroizing<Vec<u8>>, ConnectCause> {
        let size = method.encoded_len();
        if size > self.login_limit {
            // RabbitMQ would hang up after a while, and not say why.
            return Err(ConnectCause::LoginTooLarge {
                size,
                limit: self.login_limit,
            });
        }
        // All at once: growing would leave copies behind.
        let mut octets = Zeroizing::new(Vec::with_capacity(size + frame::OVERHEAD));
        frame::encode_method(&mut octets, 0, method, size + frame::OVERHEAD)
            .map_err(too_long("password"))?;
        Ok(octets)
    }

    /// Whether nothing of what it logged in with is left.
    #[cfg(test)]
    pub(crate) fn has_forgotten_credentials(&self) -> bool {
        self.login.credentials == Credentials::new("", "") && self.exchange.is_none()
    }
}

/// What is said of an option that does not fit its field.
fn too_long<E>(option: &'static str) -> impl FnOnce(E) -> ConnectCause {
    move |_| ConnectCause::Options(OptionError::too_long(option))
}

/// The first of our mechanisms that the broker offers.
fn choose(
    start: &connection::Start<'_>,
    ours: &[AuthMechanism],
) -> Result<AuthMechanism, ConnectCause> {
    let offered = start.mechanisms.as_bytes();
    let is_offered = |mechanism: &&AuthMechanism| {
        let mut names = offered.split(|&octet| octet == b' ');
        names.any(|name| name == mechanism.name().as_bytes())
    };
    if let Some(mechanism) = ours.iter().find(is_offered) {
        return Ok(mechanism.clone());
    }
    let wanted: Vec<_> = ours.iter().map(AuthMechanism::name).collect();
    Err(ConnectCause::Mechanism {
        offered: String::from_utf8_lossy(offered).into_owned(),
        wanted: wanted.join(" "),
    })
}

/// How long our part of the login may be, in octets of a frame's payload. RabbitMQ takes 4096, and
/// 8192 from 4.1 on, and drops what is longer in silence. Of others nothing is known: they are
/// asked to take what a frame may have later.
fn login_limit(server: TableRef<'_>) -> usize {
    match rabbitmq_version(server) {
        None => 128 * 1024,
        Some(version) if version < (4, 1) => 4096,
        Some(_) => 8192,
    }
}
