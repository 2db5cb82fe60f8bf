//! What can go wrong with TLS. The types are there without the feature rustls too, so that
//! matching on errors does not depend on features.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why TLS could not be set up, the two sides did not agree on it, or it failed later on. Contains no
/// keys.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// TLS was asked for, and this program was built without it.
    NotBuilt,
    /// No provider of cryptography is built in, none was given, and the process has no default.
    NoProvider,
    /// There is no authority to trust: the system has none or they are not built in, and no file
    /// was given.
    NoAuthorities,
    /// A file with certificates or keys could not be read.
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: Arc<io::Error>,
    },
    /// What should be a certificate is none, or not in the form of PEM.
    NoCertificate {
        /// Where it was looked for.
        place: String,
    },
    /// What should be a private key is none, or not in the form of PEM.
    NoPrivateKey {
        /// Where it was looked for.
        place: String,
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
            Self::NotBuilt | Self::NoProvider | Self::EncryptedKey { .. }
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
                "no certificate authority to trust: name a file, or enable the feature \
                 rustls-native-roots",
            ),
            Self::File { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Self::NoCertificate { place } => write!(f, "no PEM certificate in {place}"),
            Self::NoPrivateKey { place } => write!(f, "no PEM private key in {place}"),
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

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(&**error),
            Self::ClientIdentity(error)
            | Self::Certificate { error, .. }
            | Self::ClientCertificateRefused(error)
            | Self::NothingInCommon(error)
            | Self::UnknownServerName(error)
            | Self::Alert(error)
            | Self::Damaged(error)
            | Self::Handshake(error) => Some(&**error),
            _ => None,
        }
    }
}
