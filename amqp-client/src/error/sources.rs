//! What is told once: no error repeats in its sources what its own text shows.

use std::error::Error;
use std::io;
use std::sync::Arc;

use amqp_spec::wire::TypedMethod as _;
use amqp_spec::{frame, queue};

use super::about::{About, Provoker};
use super::{
    ArgumentError, BrokerClose, ChannelError, ConnectCause, ConnectError, ConnectionError,
    ConsumeError, NameTooLong, PublishError, Stage, TlsError, Violation,
};
use crate::consume::handler::{Disposition, FailureCause, HandlerFailure};
use crate::error::{EnvironmentError, UriError};
use crate::rpc;
use crate::sasl::SaslError;

/// An error that is not ours, and does not show its own source.
#[derive(Clone, Debug)]
struct Foreign(&'static str, Option<Box<Self>>);

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Foreign {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|inner| inner as _)
    }
}

fn foreign() -> Foreign {
    let root = Foreign("the cable is cut", None);
    Foreign("the network is gone", Some(Box::new(root)))
}

fn shared() -> Arc<dyn Error + Send + Sync> {
    Arc::new(foreign())
}

fn io_error() -> Arc<io::Error> {
    Arc::new(io::Error::other(foreign()))
}

/// The texts of an error and its sources, as `anyhow` prints them.
fn told(error: &(dyn Error + 'static)) -> Vec<String> {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.map(ToString::to_string).collect()
}

/// The text holds everything that is known here, and the sources only what is not in it; the same
/// where the error is collected.
#[track_caller]
fn collected<E: Clone + Error + Into<crate::Error> + 'static>(
    error: &E,
    own: &[&str],
    behind: &[&str],
) {
    told_once(error, own, behind);
    told_once(&error.clone().into(), own, behind);
}

/// The same of an error that stands for itself.
#[track_caller]
fn told_once(error: &(dyn Error + 'static), own: &[&str], behind: &[&str]) {
    let told = told(error);
    let [text, sources @ ..] = &told[..] else {
        panic!("nothing is told");
    };
    for part in own {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(sources, behind, "{text}");
    for source in sources {
        assert!(!text.contains(source), "{told:?}");
    }
}

/// Each kind of end of a connection, and what is behind its text.
fn ends() -> Vec<(ConnectionError, &'static str, &'static [&'static str])> {
    let text = b"NOT_FOUND - no queue 'q'";
    let about = Provoker::of(&About::queue("q"));
    let (close, _) = BrokerClose::read(0, 404, text, queue::Bind::ID, &about);
    let malformed = queue::Declare::decode(&[]).unwrap_err();
    let frame = frame::decode(&[9; 8], 4096).unwrap_err();
    let root: &[&str] = &["the cable is cut"];
    vec![
        (ConnectionError::Io(io_error()), "the network is gone", root),
        (
            ConnectionError::ClosedByBroker(Arc::new(close)),
            "no queue",
            &[],
        ),
        (Violation::Decode(malformed).into(), "octet", &[]),
        (Violation::Frame(frame).into(), "frame", &[]),
        (ConnectionError::EndOfStream, "ended the stream", &[]),
    ]
}

#[test]
fn ends_of_connections_are_told_once_whatever_carries_them() {
    for (end, own, behind) in ends() {
        collected(&end, &[own], behind);
        let cause = ConnectCause::Connection(end.clone());
        let connecting = ConnectError::new(Stage::Open, "localhost", cause);
        collected(&connecting, &["localhost", own], behind);
        let lost = end.clone();
        let channel = ChannelError::Connection(end);
        collected(&channel, &[own], behind);
        collected(&rpc::Error::Lost(lost), &[own], behind);
        let consuming = ConsumeError::Channel(channel.clone());
        collected(&consuming, &[own], behind);
        collected(&PublishError::Uncertain(channel.clone()), &[own], behind);
        collected(&PublishError::NotSent(channel.clone()), &[own], behind);
        collected(&PublishError::Refused(channel.clone()), &[own], behind);
        collected(&rpc::Error::Refused(channel.clone()), &[own], behind);
        collected(&rpc::Error::NotSent(consuming.clone()), &[own], behind);
        collected(&rpc::Error::Uncertain(consuming), &[own], behind);
        let unconfirmed = crate::publish::Unconfirmed {
            nacked: 0,
            returned: 0,
            refused: 0,
            not_sent: 0,
            uncertain: 1,
            failures: Vec::new(),
            cause: Some(channel),
        };
        collected(&unconfirmed, &["1 uncertain", own], behind);
    }
}

#[test]
fn what_was_wrong_here_is_collected() {
    let long = "q".repeat(256);
    let too_large = frame::encode_method(&mut Vec::new(), 1, &queue::DeleteOk::default(), 9);
    let errors: [(ChannelError, &str); 3] = [
        (NameTooLong::new("queue", &long).into(), "256 bytes"),
        (
            ArgumentError::value("x-expires", "at least 1").into(),
            "x-expires",
        ),
        (too_large.unwrap_err().into(), "9"),
    ];
    for (error, own) in errors {
        collected(&error, &[own], &[]);
        collected(&PublishError::NotSent(error), &[own], &[]);
    }
    let variable = EnvironmentError {
        variable: "AMQP_URL",
        cause: Some(UriError::Port),
    };
    collected(&variable, &["AMQP_URL", &UriError::Port.to_string()], &[]);
}

#[test]
fn causes_of_others_are_shown_and_their_sources_follow() {
    let own = &["the network is gone"];
    let behind = &["the cable is cut"];
    let tls = [
        TlsError::ClientIdentity(shared()),
        TlsError::ClientCertificateRefused(shared()),
        TlsError::Alert(shared()),
        TlsError::Handshake(shared()),
        TlsError::File {
            path: "/ca.pem".into(),
            error: io_error(),
        },
    ];
    let causes = [
        ConnectCause::Credentials(shared()),
        ConnectCause::Io(io_error()),
        ConnectCause::Sasl(SaslError::Other(shared())),
    ];
    for error in &tls {
        collected(error, own, behind);
    }
    for cause in causes
        .into_iter()
        .chain(tls.into_iter().map(ConnectCause::Tls))
    {
        collected(
            &ConnectError::new(Stage::Tls, "localhost", cause),
            own,
            behind,
        );
    }
    collected(&SaslError::Other(shared()), own, behind);
    let failure = HandlerFailure {
        delivery_tag: 7,
        redelivered: false,
        settled: Disposition::Reject,
        cause: FailureCause::Error(Arc::new(foreign())),
    };
    told_once(&failure, &["delivery 7 rejected", own[0]], behind);
}
