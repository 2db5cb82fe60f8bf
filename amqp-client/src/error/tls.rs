//! What can go wrong with TLS. The types are there without the feature rustls too, so that
//! matching on errors does not depend on features.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::debug_is_text;

/// Why TLS could not be set up, the two sides did not agree on it, or it failed later on. Contains
/// no keys.
#[derive(Clone)]
#[non_exhaustive]
pub enum TlsError {
    /// TLS was asked for, and this program was built without it.
    NotBuilt,
    /// No provider of cryptography is built in, none was given, and the process has no default.
    NoProvider,
    /// There is no authority to trust: none was named, and the system has none.
    NoAuthorities,
    /// There is no authority to trust: none was named, and those of the system cannot be read.
    SystemAuthorities(Arc<dyn Error + Send + Sync>),
    /// What was asked for is not built into this program.
    MissingFeature {
        /// What was asked for: the name of a setter, or what is done unless something else is said.
        what: &'static str,
        /// The feature of this library that has it.
        feature: &'static str,
    },
    /// A file with certificates or keys could not be read.
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: Arc<io::Error>,
    },
    /// There is no certificate where one should be.
    NoCertificate {
        /// Where it was looked for.
        place: String,
        /// The labels of the first entries of PEM that are there instead; empty if there are none.
        found: String,
    },
    /// There is no private key where one should be.
    NoPrivateKey {
        /// Where it was looked for.
        place: String,
        /// The labels of the first entries of PEM that are there instead; empty if there are none.
        found: String,
    },
    /// Where certificates or keys should be is something that is not PEM.
    NotPem {
        /// Where it was found.
        place: String,
        /// What it is, and how to convert it.
        problem: &'static str,
    },
    /// One of the entries of a PEM text cannot be used. None is passed over.
    PemEntry {
        /// Where the text was found.
        place: String,
        /// Which entry it is, from 1.
        number: usize,
        /// The line it begins in, from 1.
        line: usize,
        /// What its first line calls it: `CERTIFICATE`, say; empty if that cannot be read.
        label: String,
        /// What is wrong with it, and how to convert it.
        problem: &'static str,
    },
    /// The private key is encrypted, and cannot be decrypted: no password was given, it is wrong,
    /// or the way of encryption is not supported.
    EncryptedKey {
        /// Where the key was found.
        place: String,
        /// What stands in the way.
        problem: &'static str,
    },
    /// The client certificate and its key cannot be used, or do not belong together.
    ClientIdentity(Arc<dyn Error + Send + Sync>),
    /// A certificate can only be checked against a host name or an IP address, and this is neither.
    ServerName(String),
    /// The broker's certificate was not accepted.
    Certificate {
        /// What is wrong with it.
        fault: CertificateFault,
        /// The details.
        error: Arc<dyn Error + Send + Sync>,
    },
    /// The broker demands a certificate of us, or did not accept ours.
    ClientCertificateRefused(Arc<dyn Error + Send + Sync>),
    /// The two sides have no version, cipher or other parameter in common.
    NothingInCommon(Arc<dyn Error + Send + Sync>),
    /// The broker has no certificate for the server name that was asked for (SNI).
    UnknownServerName(Arc<dyn Error + Send + Sync>),
    /// The broker ended TLS with another alert.
    Alert(Arc<dyn Error + Send + Sync>),
    /// What the server said is not TLS, from its first octet on.
    NotTls,
    /// The server speaks TLS, and something that came was not as it was sent, or cannot be read.
    Damaged(Arc<dyn Error + Send + Sync>),
    /// TLS failed in some other way.
    Handshake(Arc<dyn Error + Send + Sync>),
}

debug_is_text!(TlsError {
    NotBuilt,
    NoProvider,
    NoAuthorities,
    SystemAuthorities(error),
    MissingFeature { what, feature },
    File { path, error },
    NoCertificate { place, found },
    NoPrivateKey { place, found },
    NotPem { place, problem },
    PemEntry { place, number, line, label, problem },
    EncryptedKey { place, problem },
    ClientIdentity(error),
    ServerName(name),
    Certificate { fault, error },
    ClientCertificateRefused(error),
    NothingInCommon(error),
    UnknownServerName(error),
    Alert(error),
    NotTls,
    Damaged(error),
    Handshake(error),
});

/// What is wrong with a broker's certificate.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It is no longer valid.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It was made for other names than the one that was asked for.
    WrongName,
    /// No authority that is trusted has signed it.
    UnknownAuthority,
    /// It was withdrawn.
    Revoked,
    /// It names no host: browsers and libraries have long ceased to look at the common name.
    NoNames,
    /// It is for something other than a server (extended key usage).
    WrongPurpose,
    /// It is the certificate of an authority (CA:TRUE), which cannot be that of a server at the
    /// same time.
    IsAuthority,
    /// It is of version 1 of X.509, which cannot name hosts.
    Outdated,
    /// Something else.
    Other,
}

impl TlsError {
    /// Whether the broker ended it, rather than this side.
    pub(crate) fn is_of_broker(&self) -> bool {
        matches!(
            self,
            Self::ClientCertificateRefused(_)
                | Self::NothingInCommon(_)
                | Self::UnknownServerName(_)
                | Self::Alert(_)
        )
    }

    /// Whether trying again, or at another host, may succeed. Files are read again each time.
    pub(crate) fn is_retryable(&self) -> bool {
        !matches!(
            self,
            Self::NotBuilt
                | Self::NoProvider
                | Self::NoAuthorities
                | Self::SystemAuthorities(_)
                | Self::MissingFeature { .. }
                | Self::EncryptedKey { .. }
                | Self::ServerName(_)
        )
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt => f.write_str("TLS is not built in: enable the feature rustls"),
            Self::NoProvider => f.write_str(
                "no provider of cryptography: enable the feature rustls-ring, or give one",
            ),
            Self::NoAuthorities => f.write_str(
                "no certificate authority to trust: name a file, or install those of the system",
            ),
            Self::SystemAuthorities(error) => write!(
                f,
                "no certificate authority to trust: name a file; those of the system cannot be read: \
                 {error}"
            ),
            Self::MissingFeature { what, feature } => {
                write!(
                    f,
                    "{what} takes the feature {feature}, which is not built in"
                )
            }
            Self::File { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Self::NoCertificate { place, found } => {
                write!(f, "no PEM certificate in {place}")?;
                only(f, found)
            }
            Self::NoPrivateKey { place, found } => {
                write!(f, "no PEM private key in {place}")?;
                only(f, found)
            }
            Self::NotPem { place, problem } => write!(f, "{place} is not PEM: {problem}"),
            Self::PemEntry {
                place,
                number,
                line,
                label,
                problem,
            } => {
                write!(f, "entry {number} in {place} (line {line}")?;
                if !label.is_empty() {
                    write!(f, ", {label}")?;
                }
                write!(f, ") {problem}")
            }
            Self::EncryptedKey { place, problem } => {
                write!(f, "the private key in {place} is encrypted: {problem}")
            }
            Self::ClientIdentity(error) => write!(f, "the client certificate is no use: {error}"),
            Self::ServerName(name) => {
                write!(f, "{name:?} is neither a host name nor an IP address")
            }
            Self::Certificate { error, .. } => {
                write!(f, "the broker's certificate was not accepted: {error}")
            }
            Self::ClientCertificateRefused(error) => {
                write!(
                    f,
                    "the broker refused our certificate, or its absence: {error}"
                )
            }
            Self::NothingInCommon(error) => {
                write!(f, "the two sides of TLS have nothing in common: {error}")
            }
            Self::UnknownServerName(error) => {
                write!(f, "the broker does not know the server name: {error}")
            }
            Self::Alert(error) => write!(f, "the broker ended TLS: {error}"),
            Self::NotTls => f.write_str("the server's answer is not TLS"),
            Self::Damaged(error) => write!(f, "what came over TLS is damaged: {error}"),
            Self::Handshake(error) => write!(f, "TLS failed: {error}"),
        }
    }
}

fn only(f: &mut fmt::Formatter<'_>, found: &str) -> fmt::Result {
    match found {
        "" => Ok(()),
        found => write!(f, ", only {found}"),
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { error, .. } => error.source(),
            Self::SystemAuthorities(error)
            | Self::ClientIdentity(error)
            | Self::Certificate { error, .. }
            | Self::ClientCertificateRefused(error)
            | Self::NothingInCommon(error)
            | Self::UnknownServerName(error)
            | Self::Alert(error)
            | Self::Damaged(error)
            | Self::Handshake(error) => error.source(),
            _ => None,
        }
    }
}
