//! What is probably wrong when a connection cannot be opened.
//!
//! Brokers often do not say: they hang up. What they do at which stage tells the reason with some
//! certainty (see `docs/connect-errors.md`); this is where that knowledge is.

use std::fmt;
use std::io::{self, ErrorKind};

use amqp_spec::ReplyCode;

use super::Violation;
use super::{
    BrokerClose, CertificateFault, ConnectCause, ConnectionError, Entity, OverTls, Stage, TlsError,
};

/// What is probably wrong when a connection cannot be opened. Its text is a hint in a sentence.
///
/// ```
/// use amqp_client::error::Diagnosis;
/// use amqp_client::ConnectError;
///
/// fn is_password_wrong(error: &ConnectError) -> bool {
///     error.diagnosis() == Some(Diagnosis::WrongCredentials)
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Diagnosis {
    /// The host name is not known.
    UnknownHost,
    /// The host is there, and nothing listens on the port.
    NothingListens,
    /// No answer came from the host.
    NoAnswer,
    /// The server speaks another protocol than AMQP.
    NotAmqp,
    /// The server speaks HTTP.
    SpeaksHttp,
    /// The server speaks AMQP 1.0 and not AMQP 0-9-1.
    Amqp10,
    /// The broker speaks another version of AMQP, one before 0-9-1.
    AnotherVersion,
    /// What was sent came back, or the server named the very version that it was asked for: an
    /// echo, or something between the two that changes what is sent.
    SameVersion,
    /// The server expects TLS on this port.
    TlsExpected,
    /// The server does not speak TLS on this port: what it said is none, or it said nothing.
    TlsNotSpoken,
    /// The server speaks TLS and hung up before the two sides had agreed.
    TlsCutShort,
    /// The server speaks TLS, and what came is not what TLS says.
    TlsDamaged,
    /// The broker has no certificate for the server name that was asked for.
    UnknownServerName,
    /// The broker's certificate has expired.
    CertificateExpired,
    /// The broker's certificate is not valid yet.
    CertificateNotYetValid,
    /// The broker's certificate is for other names.
    CertificateForAnotherHost,
    /// The broker's certificate names no host at all.
    CertificateWithoutNames,
    /// The broker's certificate is not for servers.
    CertificateForAnotherPurpose,
    /// The broker shows the certificate of an authority.
    CertificateIsAuthority,
    /// The broker's certificate is of a version of X.509 that is too old.
    CertificateOutdated,
    /// The broker's certificate was signed by an authority that we do not trust, or what links the
    /// two is missing.
    UnknownAuthority,
    /// The broker did not like our certificate, or the lack of one.
    ClientCertificate,
    /// The two sides have no version or cipher of TLS in common.
    NoCommonTls,
    /// The server hung up before it said anything.
    HungUpAtStart,
    /// The server accepted the connection and said nothing.
    SilentAtStart,
    /// The two sides agreed on TLS, and the server hung up before it said anything.
    HungUpOverTls,
    /// The two sides agreed on TLS, and the server said nothing.
    SilentOverTls,
    /// There is no authentication mechanism that both sides have.
    NoCommonMechanism,
    /// The broker refused user or password.
    WrongCredentials,
    /// The broker refused user or password, and the password ends with a newline.
    NewlineInPassword,
    /// The broker hung up at the login.
    ProbablyWrongCredentials,
    /// What we have to say at the login is too large.
    LoginTooLarge,
    /// The virtual host does not exist.
    VirtualHostNotFound,
    /// There is no virtual host with an empty name, which a URI with nothing behind its last slash
    /// asks for.
    EmptyVirtualHost,
    /// The user may not enter the virtual host.
    VirtualHostRefused,
    /// The broker hung up at the opening of the virtual host.
    ProbablyVirtualHost,
    /// The virtual host exists and is not running.
    VirtualHostDown,
    /// As many connections as allowed are open already.
    ConnectionLimit,
    /// The broker is being stopped.
    BrokerStopping,
    /// The broker is there and does not go on.
    BrokerBusy,
}

impl Diagnosis {
    pub(super) fn of(stage: Stage, cause: &ConnectCause, over_tls: OverTls) -> Option<Self> {
        match cause {
            ConnectCause::Uri(_)
            | ConnectCause::Options(_)
            | ConnectCause::NoRuntime
            | ConnectCause::Credentials(_)
            | ConnectCause::Sasl(_)
            | ConnectCause::Restore(_)
            | ConnectCause::NotTried(_) => None,
            ConnectCause::Mechanism { .. } => Some(Self::NoCommonMechanism),
            ConnectCause::LoginTooLarge { .. } => Some(Self::LoginTooLarge),
            ConnectCause::Tls(error) => Self::of_tls(error),
            ConnectCause::Timeout(_) => Self::of_timeout(stage, over_tls),
            ConnectCause::Io(error) => Self::of_io(stage, error, over_tls),
            ConnectCause::Connection(ConnectionError::ClosedByBroker(close)) => {
                Self::of_close(stage, close)
            }
            ConnectCause::Connection(ConnectionError::Protocol(violation)) => {
                Self::of_violation(stage, violation, over_tls)
            }
            ConnectCause::Connection(ConnectionError::EndOfStream) => Self::of_end(stage, over_tls),
            ConnectCause::Connection(ConnectionError::Io(error)) if is_end(error) => {
                Self::of_end(stage, over_tls)
            }
            ConnectCause::Connection(_) => None,
        }
    }

    fn of_tls(error: &TlsError) -> Option<Self> {
        match error {
            TlsError::NotTls => Some(Self::TlsNotSpoken),
            TlsError::ClientCertificateRefused(_) => Some(Self::ClientCertificate),
            TlsError::NothingInCommon(_) => Some(Self::NoCommonTls),
            TlsError::UnknownServerName(_) => Some(Self::UnknownServerName),
            TlsError::Damaged(_) => Some(Self::TlsDamaged),
            TlsError::Certificate { fault, .. } => match fault {
                CertificateFault::Expired => Some(Self::CertificateExpired),
                CertificateFault::NotYetValid => Some(Self::CertificateNotYetValid),
                CertificateFault::WrongName => Some(Self::CertificateForAnotherHost),
                CertificateFault::UnknownAuthority => Some(Self::UnknownAuthority),
                CertificateFault::NoNames => Some(Self::CertificateWithoutNames),
                CertificateFault::WrongPurpose => Some(Self::CertificateForAnotherPurpose),
                CertificateFault::IsAuthority => Some(Self::CertificateIsAuthority),
                CertificateFault::Outdated => Some(Self::CertificateOutdated),
                CertificateFault::Revoked | CertificateFault::Other => None,
            },
            _ => None,
        }
    }

    fn of_timeout(stage: Stage, over_tls: OverTls) -> Option<Self> {
        match (stage, over_tls) {
            (Stage::Options | Stage::Resolve | Stage::Restore, _) => None,
            (Stage::Tcp, _) => Some(Self::NoAnswer),
            (Stage::Tls, OverTls::No) => Some(Self::TlsNotSpoken),
            (Stage::Start, OverTls::Agreed) => Some(Self::SilentOverTls),
            (Stage::Start, _) => Some(Self::SilentAtStart),
            (Stage::Tls | Stage::Login | Stage::Open, _) => Some(Self::BrokerBusy),
        }
    }

    fn of_io(stage: Stage, error: &io::Error, over_tls: OverTls) -> Option<Self> {
        match stage {
            Stage::Resolve => Some(Self::UnknownHost),
            Stage::Tls if is_end(error) => Self::of_end(stage, over_tls),
            Stage::Tcp => match error.kind() {
                ErrorKind::ConnectionRefused => Some(Self::NothingListens),
                ErrorKind::TimedOut
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable => Some(Self::NoAnswer),
                _ => None,
            },
            _ => None,
        }
    }

    /// What a broker says in words. RabbitMQ uses one code for many reasons, so that the text has
    /// to be looked at; where it says something new, the code alone decides.
    fn of_close(stage: Stage, close: &BrokerClose) -> Option<Self> {
        let text = close.reply_text.as_str();
        if close.reply_code == ReplyCode::CONNECTION_FORCED {
            return Some(Self::BrokerStopping);
        }
        if text.contains("limit") {
            return Some(Self::ConnectionLimit);
        }
        if text.contains("is down") {
            return Some(Self::VirtualHostDown);
        }
        match (stage, close.reply_code) {
            (Stage::Login, ReplyCode::ACCESS_REFUSED | ReplyCode::NOT_ALLOWED) => {
                Some(Self::WrongCredentials)
            }
            (Stage::Open, ReplyCode::NOT_FOUND) => Some(Self::of_no_virtual_host(close)),
            (Stage::Open, ReplyCode::NOT_ALLOWED) if text.contains("not found") => {
                Some(Self::of_no_virtual_host(close))
            }
            (Stage::Open, ReplyCode::NOT_ALLOWED | ReplyCode::ACCESS_REFUSED) => {
                Some(Self::VirtualHostRefused)
            }
            _ => None,
        }
    }

    fn of_no_virtual_host(close: &BrokerClose) -> Self {
        match &close.entity {
            Some(Entity::VirtualHost(name)) if name.is_empty() => Self::EmptyVirtualHost,
            _ => Self::VirtualHostNotFound,
        }
    }

    fn of_violation(stage: Stage, violation: &Violation, over_tls: OverTls) -> Option<Self> {
        match violation {
            _ if stage != Stage::Start => None,
            Violation::ProtocolHeader { octets } if octets.starts_with(b"AMQP") => {
                Some(match octets.get(4..) {
                    Some([_, 1, 0, 0]) => Self::Amqp10,
                    Some([0, 0, 9, 1]) => Self::SameVersion,
                    Some([_, _, _, _]) => Self::AnotherVersion,
                    _ => Self::NotAmqp,
                })
            }
            Violation::ProtocolVersion { .. } => Some(Self::AnotherVersion),
            // The first octet of an HTTP answer, and of a TLS alert.
            Violation::ProtocolHeader { octets } if octets.starts_with(b"H") => {
                Some(Self::SpeaksHttp)
            }
            Violation::ProtocolHeader { octets }
                if octets.starts_with(&[0x15]) && over_tls != OverTls::Agreed =>
            {
                Some(Self::TlsExpected)
            }
            _ => Some(Self::NotAmqp),
        }
    }

    fn of_end(stage: Stage, over_tls: OverTls) -> Option<Self> {
        match (stage, over_tls) {
            (Stage::Options | Stage::Resolve | Stage::Tcp | Stage::Restore, _) => None,
            (Stage::Tls, OverTls::No) => Some(Self::TlsNotSpoken),
            (Stage::Tls, _) => Some(Self::TlsCutShort),
            (Stage::Start, OverTls::Agreed) => Some(Self::HungUpOverTls),
            (Stage::Start, _) => Some(Self::HungUpAtStart),
            (Stage::Login, _) => Some(Self::ProbablyWrongCredentials),
            (Stage::Open, _) => Some(Self::ProbablyVirtualHost),
        }
    }

    /// Whether only a change of the options, or at the broker, helps: trying again or another node
    /// of the cluster does not. Where the broker hung up without a word the reason may pass.
    pub(super) fn is_final(self) -> bool {
        matches!(
            self,
            Self::NoCommonMechanism
                | Self::WrongCredentials
                | Self::NewlineInPassword
                | Self::LoginTooLarge
                | Self::VirtualHostNotFound
                | Self::EmptyVirtualHost
                | Self::VirtualHostRefused
        )
    }

    fn text(self) -> &'static str {
        match self {
            Self::UnknownHost => "is the host name right, and does the resolver work?",
            Self::NothingListens => {
                "is the broker running, and is this its port? A node in maintenance does not \
                 listen either"
            }
            Self::NoAnswer => {
                "the host is down or a firewall drops what is sent to it; is the address right?"
            }
            Self::NotAmqp => {
                "is this the AMQP port? 5672, and 5671 for TLS; what answered is no AMQP broker"
            }
            Self::SpeaksHttp => {
                "this is an HTTP server; the AMQP port is 5672, 15672 is that of the management"
            }
            Self::Amqp10 => "this server speaks another version of AMQP, probably only AMQP 1.0",
            Self::AnotherVersion => "a broker as old as that needs another client",
            Self::SameVersion => {
                "the server named the version that it was asked for and did not go on: is this the \
                 AMQP port, and does a proxy change what is sent?"
            }
            Self::TlsExpected => "this port expects TLS: use amqps://, or port 5672",
            Self::TlsNotSpoken => {
                "this port does not speak TLS: use amqp://, or port 5671 if the broker has TLS"
            }
            Self::TlsCutShort => {
                "the port does speak TLS; the broker is stopping or overloaded, or something in \
                 between hung up: see its log"
            }
            Self::TlsDamaged => {
                "the port does speak TLS; something in between changes what is sent, or one of the \
                 two sides has a fault"
            }
            Self::UnknownServerName => {
                "connect by a name that the broker has a certificate for, or set the server name to \
                 one"
            }
            Self::CertificateExpired => "the broker needs a new certificate; or our clock is wrong",
            Self::CertificateNotYetValid => "is our clock right?",
            Self::CertificateForAnotherHost => {
                "connect by a name that is in the certificate, or set the server name to one"
            }
            Self::CertificateWithoutNames => {
                "the broker needs a certificate with its host name as a subject alternative name; the \
                 common name does not count"
            }
            Self::CertificateForAnotherPurpose => {
                "the broker needs a certificate for servers (extended key usage serverAuth); this one \
                 is for something else"
            }
            Self::CertificateIsAuthority => {
                "the broker shows the certificate of an authority (CA:TRUE), as openssl req -x509 makes \
                 them; it needs one with CA:FALSE, or one that this authority has signed"
            }
            Self::CertificateOutdated => {
                "the broker needs a certificate of X.509 version 3 with its host name as a subject \
                 alternative name; openssl x509 -req makes version 1 unless given -extfile"
            }
            Self::UnknownAuthority => {
                "name the file of the authority that signed the broker's certificate; if it is named, \
                 the broker has to send the certificates between the two as well"
            }
            Self::ClientCertificate => {
                "the broker probably demands a client certificate, or did not accept ours"
            }
            Self::NoCommonTls => {
                "the two sides have no version or cipher in common, or the broker demands a client \
                 certificate"
            }
            Self::HungUpAtStart => {
                "does this port expect TLS, or a client certificate? A broker that is stopping or \
                 full hangs up here as well"
            }
            Self::SilentAtStart => {
                "is this the AMQP port, and without TLS? What listens there waits for something \
                 else"
            }
            Self::HungUpOverTls => {
                "does the broker demand a client certificate? One that is stopping or full hangs up \
                 here as well"
            }
            Self::SilentOverTls => {
                "is this the port for AMQP over TLS? What listens there waits for something else"
            }
            Self::NoCommonMechanism => "the broker must allow one of the mechanisms that we have",
            Self::WrongCredentials => "are user name and password right?",
            Self::NewlineInPassword => {
                "the password ends with a newline, as texts from files have one: trim it"
            }
            Self::ProbablyWrongCredentials => {
                "a broker that hangs up here has probably refused user name or password"
            }
            Self::LoginTooLarge => {
                "shorten the token or the client properties; RabbitMQ allows 4096 octets, from 4.1 \
                 on 8192"
            }
            Self::VirtualHostNotFound => "does the virtual host exist? The first one is named /",
            Self::EmptyVirtualHost => {
                "a URI that ends in / names the virtual host ''; leave the slash away, or write /%2f"
            }
            Self::VirtualHostRefused => "the user has no permissions in this virtual host",
            Self::ProbablyVirtualHost => {
                "a broker that hangs up here has probably refused the virtual host or our limits"
            }
            Self::VirtualHostDown => "the virtual host has failed at this node; see its log",
            Self::ConnectionLimit => {
                "the broker has as many connections as it allows this user or virtual host"
            }
            Self::BrokerStopping => "the broker is being stopped or in maintenance",
            Self::BrokerBusy => "the broker is there but does not answer; is it overloaded?",
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// RabbitMQ ends connections with a reset, and TLS reports an end without a farewell as an error.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
    )
}
