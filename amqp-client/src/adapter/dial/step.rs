//! What a dialer asks of its adapter, and what the adapter reports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::error::{ConnectCause, ConnectError, LoginClue, Stage};

/// What the adapter is to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Begin this, and report under the id what becomes of it. Told once.
    Begin(ActionId, Action),
    /// Stop this, unless it has ended meanwhile: whatever it brings is of no use any more. Told
    /// once.
    Abandon(ActionId),
    /// Nothing until something is reported, or until then, whichever comes first.
    Wait(Option<Instant>),
    /// The connection is open. Nothing else follows.
    Opened,
    /// It cannot be opened. Nothing else follows.
    Failed(ConnectError),
}

/// Which action a report is about. No two actions of a dialer share one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct ActionId(pub(super) u64);

/// Something that takes time, or may fail for reasons of the outside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Read certificates and keys, which are the same for all hosts, before any broker's clock
    /// starts to run. Reported with [`Outcome::Done`].
    ReadFiles,
    /// Ask for current credentials, before that clock starts to run as well. Reported with
    /// [`Outcome::Credentials`].
    Ask,
    /// Resolve a name. Reported with [`Outcome::Resolved`].
    Resolve { host: String, port: u16 },
    /// Connect to this address. Reported with [`Outcome::Done`].
    Connect(SocketAddr),
    /// Connect to the socket of this machine that was named. Reported with [`Outcome::Done`].
    ConnectLocal,
    /// Agree on TLS over the stream that has won. Reported with [`Outcome::Heard`] when the first
    /// record has come, and with [`Outcome::Done`].
    Encrypt { host: String },
    /// Speak AMQP over the stream until the connection is open. It ends by itself when this time is
    /// over, since the core knows how far it came. Reported with [`Outcome::Done`].
    ShakeHands {
        address: String,
        peer: Option<SocketAddr>,
        within: Duration,
    },
}

/// What has become of an action. One that the action cannot have changes nothing.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    /// There are credentials.
    Credentials {
        /// Why they may be refused.
        clue: LoginClue,
    },
    /// The addresses of the host, best first.
    Resolved(Vec<SocketAddr>),
    /// The server has sent a record of TLS. The action goes on; may be reported again.
    Heard,
    Failed(Failure),
}

/// Why an action failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: ConnectCause,
    /// How far the handshake came; of other actions it is known.
    pub(crate) stage: Option<Stage>,
    /// Trying again is no use, whatever the cause.
    pub(crate) is_final: bool,
}

impl From<ConnectCause> for Failure {
    fn from(cause: ConnectCause) -> Self {
        Self {
            cause,
            stage: None,
            is_final: false,
        }
    }
}
