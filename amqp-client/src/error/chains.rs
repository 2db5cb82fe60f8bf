//! The rule that errors of this workspace keep about their causes: the text of an error is whole, and
//! `source` has only what the text has not shown. Reporters print a text and then each source below
//! it, and would say everything twice otherwise.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use amqp_spec::frame::{FrameError, FrameTooLarge};
use amqp_spec::wire::{DecodeError, MethodId, ShortStr};

use super::about::Provoker;
use super::{
    ArgumentError, BrokerClose, CertificateFault, ChannelError, ConnectCause, ConnectError,
    ConnectionError, PublishError, Stage, TlsError, Violation,
};
use crate::consumer::ConsumeError;
use crate::handler::{FailureCause, HandlerFailure, Settle};
use crate::options::OptionError;
use crate::rpc::RpcError;
use crate::sasl::SaslError;
use crate::unconfirmed::Unconfirmed;
use crate::uri::{EnvironmentError, UriError};

/// What code that is not ours fails with. It leaves its own cause to `source`.
#[derive(Debug)]
struct Foreign;

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer from the token server")
    }
}

impl Error for Foreign {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&Deepest)
    }
}

#[derive(Debug)]
struct Deepest;

impl fmt::Display for Deepest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the disk is full")
    }
}

impl Error for Deepest {}

/// A cause that has one of its own, within an error of the system.
fn foreign_io() -> Arc<io::Error> {
    Arc::new(io::Error::other(Foreign))
}

fn connection_errors() -> Vec<ConnectionError> {
    let close = BrokerClose::new(0, 320, b"bye", MethodId::new(0, 0), &Provoker::default());
    let after = Duration::from_secs(1);
    vec![
        ConnectionError::Closed,
        ConnectionError::ClosedByBroker(Arc::new(close)),
        Violation::Frame(FrameError::UnknownKind(7)).into(),
        Violation::Decode(DecodeError::unknown_method(60, 99)).into(),
        Violation::UnknownChannel { channel: 7 }.into(),
        ConnectionError::HeartbeatTimeout(after),
        ConnectionError::Io(Arc::new(io::ErrorKind::BrokenPipe.into())),
        ConnectionError::Io(foreign_io()),
        ConnectionError::EndOfStream,
        ConnectionError::CloseTimeout,
        ConnectionError::WriteTimeout(after),
        ConnectionError::DriverGone,
    ]
}

fn channel_errors() -> Vec<ChannelError> {
    let close = BrokerClose::new(1, 404, b"gone", MethodId::new(0, 0), &Provoker::default());
    let too_long = ShortStr::new(&[b'.'; 256]).unwrap_err();
    let too_large = FrameTooLarge {
        size: 9000,
        frame_max: 4096,
    };
    let of_connection = connection_errors();
    let mut errors: Vec<ChannelError> = of_connection.into_iter().map(Into::into).collect();
    errors.extend([
        ChannelError::ClosedByBroker(Arc::new(close)),
        ChannelError::Closed,
        ChannelError::TooLong(too_long),
        ChannelError::FrameTooLarge(too_large),
        ChannelError::Invalid(ArgumentError::DeliveryTagZero),
    ]);
    errors
}

fn tls_errors() -> Vec<TlsError> {
    vec![
        TlsError::NotBuilt,
        TlsError::File {
            path: "ca.pem".into(),
            error: foreign_io(),
        },
        TlsError::ClientIdentity(Arc::new(Foreign)),
        TlsError::Certificate {
            fault: CertificateFault::Other,
            error: Arc::new(Foreign),
        },
        TlsError::ClientCertificateRefused(Arc::new(Foreign)),
        TlsError::Alert(Arc::new(Foreign)),
        TlsError::Handshake(Arc::new(Foreign)),
    ]
}

fn connect_causes() -> Vec<ConnectCause> {
    let mut causes = vec![
        ConnectCause::Uri(UriError::Port),
        ConnectCause::Options(OptionError::new("hosts", "at least one")),
        ConnectCause::Credentials(Arc::new(Foreign)),
        ConnectCause::Io(foreign_io()),
        ConnectCause::Sasl(SaslError::Nul),
        ConnectCause::Sasl(SaslError::Other(Arc::new(Foreign))),
        ConnectCause::Timeout(Duration::from_secs(1)),
    ];
    causes.extend(tls_errors().into_iter().map(ConnectCause::Tls));
    causes.extend(
        connection_errors()
            .into_iter()
            .map(ConnectCause::Connection),
    );
    causes
}

/// One of each, with every cause that it can have.
fn errors() -> Vec<Box<dyn Error>> {
    let mut errors: Vec<Box<dyn Error>> = Vec::new();
    for error in connection_errors() {
        errors.push(Box::new(error));
    }
    for error in tls_errors() {
        errors.push(Box::new(error));
    }
    for error in channel_errors() {
        errors.push(Box::new(PublishError::NotSent(error.clone())));
        errors.push(Box::new(PublishError::Uncertain(error.clone())));
        errors.push(Box::new(ConsumeError::Channel(error.clone())));
        errors.push(Box::new(RpcError::NotSent(error.clone())));
        let consuming = ConsumeError::Channel(error.clone());
        errors.push(Box::new(RpcError::Uncertain(consuming)));
        errors.push(Box::new(Unconfirmed {
            nacked: 0,
            returned: 0,
            not_sent: 1,
            uncertain: 0,
            failures: Vec::new(),
            cause: Some(error.clone()),
        }));
        errors.push(Box::new(error));
    }
    for cause in connect_causes() {
        let error = ConnectError::new(Stage::Options, "localhost", cause);
        errors.push(Box::new(error));
    }
    for cause in [Some(UriError::Port), None] {
        errors.push(Box::new(EnvironmentError {
            variable: "AMQP_URL",
            cause,
        }));
    }
    for violation in [
        Violation::Frame(FrameError::UnknownKind(7)),
        Violation::Decode(DecodeError::unknown_method(60, 99)),
    ] {
        errors.push(Box::new(violation));
    }
    errors.push(Box::new(SaslError::Other(Arc::new(Foreign))));
    errors.push(Box::new(HandlerFailure {
        delivery_tag: 1,
        redelivered: false,
        settled: Settle::Reject,
        cause: FailureCause::Error(Box::new(Foreign)),
    }));
    errors
}

/// What a reporter prints.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect()
}

#[test]
fn no_error_says_again_what_the_one_above_it_has_said() {
    for error in errors() {
        let chain = chain(&*error);
        for pair in chain.windows(2) {
            assert!(!pair[0].contains(&pair[1]), "{chain:#?}");
        }
    }
}

#[test]
fn what_code_of_others_leaves_to_its_source_is_still_found() {
    let of_others = Foreign.to_string();
    let mut n_found = 0;
    for error in errors() {
        let chain = chain(&*error);
        if chain[0].contains(&of_others) {
            assert_eq!(chain[1..], [Deepest.to_string()], "{chain:#?}");
            n_found += 1;
        }
    }
    assert_ne!(n_found, 0);
}
