//! Every error, with texts of a peer wherever one has any.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use amqp_spec::frame::{self, FrameError};
use amqp_spec::wire::{MethodId, TypedMethod as _};
use amqp_spec::{basic, queue};

use super::{POISON, SECRET, debug, display, error, long, peers};
use crate::connection::{ShutdownReport, State};
use crate::consume::{FailureCause, HandlerEnd, HandlerFailure};
use crate::error::{About, Provoker};
use crate::error::{
    BrokerClose, CertificateFault, ConnectCause, Entity, EntityFailure, EnvironmentError,
    FrameOverflow, NameTooLong, OptionError, OversizedMessage, SlowConsumer, Stage, TlsError,
    UriError, Violation,
};
use crate::event::{Counts, Event, Lost, RecoveryReport};
use crate::message::{Death, DeathOrigin, DeathReason};
use crate::publish::{FailedPublish, Resend, Unconfirmed};
use crate::sasl::{SaslError, UnknownMechanism};
use crate::tests::support::pair::quiet;
use crate::{
    ChannelError, ConnectError, ConnectionError, ConnectionOptions, ConsumeError, Disposition,
    PublishError, rpc,
};

fn close_of(text: &str, method: MethodId) -> BrokerClose {
    let about = Provoker::of(&About::queue(text));
    BrokerClose::read(1, 404, text.as_bytes(), method, &about).0
}

fn shared(text: &str) -> Arc<dyn Error + Send + Sync> {
    Arc::from(Box::<dyn Error + Send + Sync>::from(text))
}

/// Every way in which a connection ends.
fn ends() -> Vec<ConnectionError> {
    let text = peers();
    let decode = queue::Declare::decode(&[]).unwrap_err();
    let frames: [FrameError; 2] = [
        frame::decode(&[0x1b; 8], 4096).unwrap_err(),
        frame::decode(&[1, 0, 0, 0xff, 0xff, 0xff, 0xff], 4096).unwrap_err(),
    ];
    let mut violations = vec![
        Violation::Decode(decode),
        Violation::protocol_header(POISON.as_bytes()),
        Violation::BodyTooLong { channel: 1 },
        Violation::Tuning { frame_max: 1 },
    ];
    violations.extend(frames.map(Violation::Frame));
    for violation in &violations {
        error(violation);
    }
    let close = Arc::new(close_of(&text, queue::Declare::ID));
    let mut ends: Vec<ConnectionError> = violations.into_iter().map(Into::into).collect();
    ends.extend([
        ConnectionError::Closed,
        ConnectionError::ClosedByBroker(close),
        ConnectionError::HeartbeatTimeout(Duration::MAX),
        ConnectionError::Io(Arc::new(io::Error::other(peers()))),
        ConnectionError::Tls(Arc::new(TlsError::NotTls)),
        ConnectionError::EndOfStream,
        ConnectionError::NotRecovered {
            lost: Arc::new(ConnectionError::EndOfStream),
            last: Some(ConnectError::new(
                Stage::Tcp,
                peers(),
                io::Error::other(peers()).into(),
            )),
            attempts: u32::MAX,
        },
        ConnectionError::CloseTimeout {
            unwritten_bytes: 1,
            unwritten_messages: 1,
        },
        ConnectionError::BlockedTimeout {
            reason: text.into(),
            after: Duration::MAX,
        },
        ConnectionError::WriteTimeout(Duration::MAX),
        ConnectionError::DriverGone,
    ]);
    ends
}

/// Every way in which an operation of a channel fails.
fn failures() -> Vec<ChannelError> {
    let text = peers();
    let too_large = frame::encode_method(&mut Vec::new(), 1, &queue::DeleteOk::default(), 9);
    let name = NameTooLong::new("queue", &long());
    error(&name);
    error(&FrameOverflow::from(too_large.unwrap_err()));
    let field = crate::error::ArgumentError::field(&text, "is nothing");
    error(&field);
    let oversized = OversizedMessage {
        delivery_tag: 1,
        size: 2,
        limit: 1,
        queue: text.clone(),
        routing_key: text.clone(),
        lost: true,
    };
    display(&oversized);
    let slow = SlowConsumer {
        channel: 1,
        consumer_tag: text.clone(),
        queue: text.clone(),
        bytes: 1,
    };
    debug(&slow);
    let mut failures: Vec<ChannelError> = ends().into_iter().map(Into::into).collect();
    failures.extend([
        ChannelError::ClosedByBroker(Arc::new(close_of(&text, basic::Publish::ID))),
        ChannelError::Closed,
        ChannelError::Timeout {
            method: "basic.get",
        },
        ChannelError::BlockedTimeout {
            reason: text.clone().into(),
        },
        ChannelError::ReadingStopped {
            method: "basic.get",
            by: Arc::new(slow),
        },
        name.into(),
        too_large.unwrap_err().into(),
        field.into(),
        ChannelError::ConsumerTagInUse {
            consumer_tag: text.clone(),
        },
        ChannelError::Recovering {
            after: Duration::from_secs(30),
            lost: Box::new(ConnectionError::EndOfStream),
        },
        ChannelError::Blocked {
            reason: text.into(),
        },
        ChannelError::TransactionLost,
        ChannelError::MessageTooLarge(Arc::new(oversized)),
    ]);
    failures
}

/// Every cause for which a connection is not opened, but for those of TLS.
fn causes() -> Vec<ConnectCause> {
    let with_secret = format!("amqp://app:{SECRET}@{POISON}:5672/x?y={POISON}");
    let uri = with_secret.parse::<ConnectionOptions>().unwrap_err();
    let option = quiet().locale("x".repeat(256)).validate().unwrap_err();
    error::<OptionError>(&option);
    let sasl = [
        SaslError::Nul,
        SaslError::Challenge,
        SaslError::Other(shared(&peers())),
    ];
    let mut causes: Vec<ConnectCause> = ends().into_iter().map(ConnectCause::Connection).collect();
    causes.extend(sasl.map(|cause| {
        error(&cause);
        ConnectCause::Sasl(cause)
    }));
    causes.extend([
        ConnectCause::Uri(uri),
        ConnectCause::Options(option),
        ConnectCause::NoRuntime,
        ConnectCause::Credentials(shared(&peers())),
        ConnectCause::Io(Arc::new(io::Error::other(peers()))),
        ConnectCause::Tls(TlsError::Certificate {
            fault: CertificateFault::Expired,
            error: shared("expired"),
        }),
        ConnectCause::Mechanism {
            offered: long(),
            wanted: "PLAIN".to_owned(),
        },
        ConnectCause::LoginTooLarge { size: 2, limit: 1 },
        ConnectCause::Timeout(Duration::MAX),
        ConnectCause::NotTried(Duration::MAX),
    ]);
    causes
}

/// What TLS may fail over. The names in it are those of our own files.
fn of_tls() -> Vec<TlsError> {
    let place = "ca.pem".to_owned();
    let found = "CERTIFICATE REQUEST".to_owned();
    vec![
        TlsError::NotBuilt,
        TlsError::NoProvider,
        TlsError::NoAuthorities,
        TlsError::SystemAuthorities(shared("no such file")),
        TlsError::File {
            path: "/ca.pem".into(),
            error: Arc::new(io::ErrorKind::NotFound.into()),
        },
        TlsError::NoCertificate {
            place: place.clone(),
            found: found.clone(),
        },
        TlsError::NoPrivateKey { place, found },
        TlsError::ClientIdentity(shared("another key")),
        TlsError::ServerName(peers()),
        TlsError::NotTls,
    ]
}

/// What is told of a recovery.
fn recovering() {
    let cause = ChannelError::Timeout {
        method: "queue.declare",
    };
    let entities = [
        Entity::Binding {
            queue: peers(),
            exchange: peers(),
            routing_key: peers(),
        },
        Entity::ExchangeBinding {
            destination: peers(),
            source: peers(),
            routing_key: peers(),
        },
        Entity::Consumer {
            channel: 1,
            consumer_tag: peers(),
            queue: peers(),
        },
        Entity::Channel(1),
    ];
    let mut skipped = Vec::new();
    for entity in entities {
        display::<Entity>(&entity);
        let cause = cause.clone();
        let failure = EntityFailure { entity, cause };
        display::<EntityFailure>(&failure);
        let restoring = ConnectCause::Restore(Arc::new(failure.clone()));
        both(&ConnectError::new(Stage::Restore, peers(), restoring));
        skipped.push(failure);
    }
    let report = RecoveryReport {
        attempts: u32::MAX,
        outage: Duration::MAX,
        restored: Counts::default(),
        skipped: skipped.into_iter().cycle().take(1024).collect(),
        renamed: vec![(peers(), peers()); 1024],
        resent: u64::MAX,
    };
    display::<RecoveryReport>(&report);
    display::<Counts>(&report.restored);
    debug(&[Lost::default()]);
    debug(&[Resend::up_to(1).mark_with("x")]);
    for end in ends() {
        let left = ShutdownReport {
            cause: Some(end.clone()),
            ..ShutdownReport::default()
        };
        display::<ShutdownReport>(&left);
        debug::<State>(&State::Closed(end.clone()));
        both(&ConsumeError::NotRestored(end.into()));
    }
}

/// An error, and what it is collected in.
fn both<E: Clone + Error + Into<crate::Error> + 'static>(value: &E) {
    error(value);
    error::<crate::Error>(&value.clone().into());
}

pub(crate) fn errors() {
    for end in ends() {
        both(&end);
    }
    for failure in failures() {
        both(&failure);
        both(&PublishError::NotSent(failure.clone()));
        both(&rpc::Error::Refused(failure.clone()));
        let consuming = ConsumeError::Channel(failure.clone());
        both(&consuming);
        debug(&HandlerEnd::Failed(consuming));
        debug(&Event::ChannelClosed {
            channel: 1,
            cause: failure.clone(),
        });
        let failed = FailedPublish {
            sequence_number: 1,
            returned: true,
        };
        both(&Unconfirmed {
            nacked: 0,
            returned: 1024,
            refused: 0,
            not_sent: 0,
            uncertain: 1,
            failures: vec![failed; 1024],
            cause: Some(failure),
        });
    }
    for cause in causes()
        .into_iter()
        .chain(of_tls().into_iter().map(ConnectCause::Tls))
    {
        display(&cause);
        let connecting = ConnectError::new(Stage::Login, peers(), cause);
        display::<crate::error::Attempt>(connecting.furthest());
        both(&connecting);
    }
    let attempt = |cause| crate::error::Attempt::new(Stage::Login, peers(), cause);
    let many = causes().into_iter().cycle().take(64).map(attempt);
    both(&ConnectError::of_all(many.collect()));
    for entity in [
        Entity::Queue,
        Entity::Exchange,
        Entity::VirtualHost,
        Entity::User,
    ] {
        display(&entity(peers()));
    }
    recovering();
    both(&UnknownMechanism(peers()));
    for uri in [
        "",
        "amqp://{}",
        "amqp://a:{}@h:x",
        "amqp://a:{}#@h",
        "amqp://h/?{}=1",
        "amqp://{}@[h",
    ] {
        for inner in [
            SECRET.to_owned(),
            format!("{SECRET}{POISON}"),
            format!("a:{SECRET} x"),
        ] {
            let Err(cause) = uri.replace("{}", &inner).parse::<ConnectionOptions>() else {
                continue;
            };
            // Names of parameters are what was typed where no secret belongs.
            if matches!(cause, UriError::UnknownParameter { .. }) {
                continue;
            }
            both(&cause);
            let variable = "AMQP_URL";
            both(&EnvironmentError {
                variable,
                cause: Some(cause),
            });
        }
    }
    let reason = DeathReason::Other(long());
    debug(&Death {
        queue: long(),
        reason: reason.clone(),
        count: 1,
        exchange: long(),
        routing_keys: vec![long(); 100],
        time: None,
        original_expiration: None,
    });
    debug(&DeathOrigin {
        queue: long(),
        reason,
        exchange: long(),
    });
    error(&HandlerFailure {
        delivery_tag: 1,
        redelivered: false,
        settled: Disposition::Reject,
        cause: FailureCause::Panic { message: peers() },
    });
}
