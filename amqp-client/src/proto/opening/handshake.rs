//! The opening of a connection, up to `connection.open-ok` (AMQP 0-9-1 §2.2.4).
//!
//! ```text
//! protocol header ▶   ◀ start   start-ok ▶   [◀ secure   secure-ok ▶]   ◀ tune
//!                                                    tune-ok, open ▶   ◀ open-ok
//! ```
//!
//! `connection.close` is not answered before `connection.open` (RabbitMQ), so that giving up means
//! closing the socket.

use std::time::{Duration, Instant};

use amqp_spec::wire::{LongStr, ShortStr, TableRef, TypedMethod};
use amqp_spec::{connection, constants, frame};
use zeroize::Zeroizing;

use crate::error::{ConnectCause, ConnectionError, OptionError, Stage, Subject, Violation};
use crate::proto::broker_version::rabbitmq_version;
use crate::proto::config::{Limits, Login};
use crate::proto::core::{Core, Phase};
use crate::proto::dispatch::methods::queue;
use crate::sasl::{AuthMechanism, Credentials};

/// Which answer is awaited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Start,
    Tune,
    OpenOk,
}

impl Step {
    /// What the broker has to say.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Start => connection::Start::NAME,
            Self::Tune => connection::Tune::NAME,
            Self::OpenOk => connection::OpenOk::NAME,
        }
    }
}

/// Below this RabbitMQ from 4.1 on refuses to work, and does not say so.
const FRAME_MAX_FLOOR: u32 = 8192;

/// More is never agreed on: a frame is held whole before it is parsed, and keeps the frames of other
/// channels waiting. Not above what the core accepts.
const FRAME_MAX_CEILING: u32 = 1024 * 1024;

impl Core {
    /// `connection.start` has come: choose a mechanism, and log in.
    pub(crate) fn start(&mut self, start: &connection::Start<'_>) -> Result<(), Violation> {
        let (major, minor) = (start.version_major, start.version_minor);
        if (major, minor) != (0, 9) {
            return Err(Violation::ProtocolVersion { major, minor });
        }
        self.opening
            .set_server_properties(start.server_properties.to_owned());
        self.login_limit = login_limit(start.server_properties);
        let answered = self.start_ok(start);
        self.go_on(answered, Step::Tune);
        Ok(())
    }

    fn start_ok(&mut self, start: &connection::Start<'_>) -> Result<(), ConnectCause> {
        let mechanism = choose(start, &self.login.mechanisms)?;
        let mut exchange = mechanism.begin(&self.login.credentials);
        let response = exchange.respond(None).map_err(ConnectCause::Sasl)?;
        let too_long = |option| move |_| ConnectCause::Options(OptionError::too_long(option));
        let name =
            ShortStr::new(mechanism.name().as_bytes()).map_err(too_long("auth_mechanism"))?;
        let locale = ShortStr::new(self.login.locale.as_bytes()).map_err(too_long("locale"))?;
        let start_ok = connection::StartOk {
            client_properties: self.login.client_properties.as_ref(),
            mechanism: name,
            response: LongStr::new(response.expose()).map_err(too_long("password"))?,
            locale,
        };
        self.queue_secret(&start_ok)?;
        self.exchange = Some(exchange);
        Ok(())
    }

    /// `connection.secure` has come: the mechanism knows the answer, or gives up.
    pub(crate) fn secure(&mut self, secure: &connection::Secure<'_>) -> Result<(), Violation> {
        let exchange = match &mut self.exchange {
            // Who asks on without having heard the last answer would have us queue without bound.
            Some(exchange) if self.transmit.is_empty() && self.shared.outbox().queued() == 0 => {
                exchange
            }
            _ => {
                return Err(Violation::UnexpectedMethod {
                    method: connection::Secure::NAME,
                    channel: 0,
                    expected: "nothing before the last answer is read".into(),
                });
            }
        };
        let response = exchange.respond(Some(secure.challenge.as_bytes()));
        let answered = response.map_err(ConnectCause::Sasl).and_then(|response| {
            let response = LongStr::new(response.expose())
                .map_err(|_| ConnectCause::Options(OptionError::too_long("password")))?;
            self.queue_secret(&connection::SecureOk { response })
        });
        self.go_on(answered, Step::Tune);
        Ok(())
    }

    /// Awaits the next answer, or gives up without a word.
    fn go_on(&mut self, answered: Result<(), ConnectCause>, next: Step) {
        match answered {
            Ok(()) => {
                if let Phase::Opening { step } = &mut self.phase {
                    *step = next;
                }
            }
            Err(cause) => {
                // What follows has begun with this answer.
                let stage = match next {
                    Step::Start | Step::Tune => Stage::Login,
                    Step::OpenOk => Stage::Open,
                };
                self.opening.fail(stage, cause);
                self.lost(ConnectionError::Closed);
            }
        }
    }

    /// Queues a method of the login, and leaves no copy of it behind.
    fn queue_secret<'m, M: TypedMethod<'m>>(&self, method: &M) -> Result<(), ConnectCause> {
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
            .map_err(|_| ConnectCause::Options(OptionError::too_long("password")))?;
        self.shared.outbox().push_secret(octets);
        Ok(())
    }

    /// `connection.tune` has come: agree, and open the virtual host.
    pub(crate) fn tune(&mut self, tune: &connection::Tune, now: Instant) -> Result<(), Violation> {
        let (limits, tune_ok) = negotiate(&self.login, tune)?;
        self.exchange = None;
        self.login.credentials = Credentials::new("", "");
        self.shared.set_limits(limits);
        self.clocks.start_heartbeat(limits.heartbeat, now);
        // `tune-ok` has no reply, so that `open` follows at once.
        let sent = Subject::Nothing
            .short("virtual_host", &self.login.virtual_host)
            .and_then(|host| {
                queue(&self.shared, &tune_ok)?;
                queue(&self.shared, &connection::Open { virtual_host: host })
            });
        let too_long = |_| ConnectCause::Options(OptionError::too_long("virtual_host"));
        self.go_on(sent.map_err(too_long), Step::OpenOk);
        Ok(())
    }

    /// `connection.open-ok` has come.
    pub(crate) fn open_ok(&mut self) {
        self.phase = Phase::Open;
        self.clocks.opened();
        self.shared.trace.opened(self.shared.limits());
        self.opening.succeed();
    }
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
/// 8192 from 4.1 on, and drops what is longer in silence. Of others nothing is known: they are asked
/// to take what a frame may have later.
fn login_limit(server: TableRef<'_>) -> usize {
    match rabbitmq_version(server) {
        None => 128 * 1024,
        Some(version) if version < (4, 1) => 4096,
        Some(_) => 8192,
    }
}

/// Agrees on limits: zero means "no limit" from either side, else the lower one holds; for frames
/// ours is the ceiling then.
///
/// RabbitMQ refuses zero for what it has limited itself, without a word, so that the answer is
/// never zero where the proposal was not.
fn negotiate(
    login: &Login,
    tune: &connection::Tune,
) -> Result<(Limits, connection::TuneOk), Violation> {
    let ours = match login.frame_max {
        0 => FRAME_MAX_CEILING,
        frame_max => frame_max.clamp(FRAME_MAX_FLOOR, FRAME_MAX_CEILING),
    };
    let frame_max = lower(ours, tune.frame_max);
    if frame_max < constants::FRAME_MIN_SIZE {
        return Err(Violation::Tuning { frame_max });
    }
    let heartbeat = login.heartbeat.agree(tune.heartbeat);
    let tune_ok = connection::TuneOk {
        channel_max: lower(login.channel_max, tune.channel_max),
        frame_max,
        heartbeat,
    };
    let limits = Limits {
        // No limit from either side leaves the range of the number.
        channel_max: match tune_ok.channel_max {
            0 => u16::MAX,
            channel_max => channel_max,
        },
        frame_max,
        heartbeat: Duration::from_secs(u64::from(heartbeat)),
    };
    Ok((limits, tune_ok))
}

fn lower<N: Copy + Default + Ord>(ours: N, theirs: N) -> N {
    if ours == N::default() {
        theirs
    } else if theirs == N::default() {
        ours
    } else {
        ours.min(theirs)
    }
}
