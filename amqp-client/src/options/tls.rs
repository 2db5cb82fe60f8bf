//! Whom to trust and who to be, with TLS. Plain data: no TLS library is needed to say it.

use std::path::PathBuf;

use crate::secret::Secret;

/// What TLS is to check and to show. Files are read at each attempt to connect, so that renewed ones
/// count from the next on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsOptions {
    pub(crate) ca_files: Vec<PathBuf>,
    pub(crate) ca_pem: Vec<Vec<u8>>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) key_password: Option<Secret>,
    pub(crate) verify: Verify,
    pub(crate) server_name: ServerName,
}

/// Whether the broker has to prove who it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Verify {
    #[default]
    Peer,
    /// Whoever answers is believed.
    Nobody,
}

/// The name that the certificate must be for, which is also what is asked for (SNI).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum ServerName {
    /// The host that is connected to.
    #[default]
    Host,
    Is(String),
    /// The host's, which is not told to the server.
    NotSent,
}

impl TlsOptions {
    /// A file of certificates (PEM), of which one has to vouch for the broker's; in place of the
    /// roots that are trusted otherwise. May be called again for more.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_files.push(path.into());
        self
    }

    /// The same, with the certificates themselves (PEM).
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem.push(pem.into());
        self
    }

    /// The files (PEM) of our own certificate, with those that vouch for it behind it, and of its
    /// key: for brokers that want to know who connects.
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate_file: impl Into<PathBuf>,
        key_file: impl Into<PathBuf>,
    ) -> Self {
        self.certificate_file = Some(certificate_file.into());
        self.key_file = Some(key_file.into());
        self
    }

    /// What the file of the key is encrypted with.
    #[must_use]
    pub fn key_password(mut self, password: impl Into<Secret>) -> Self {
        self.key_password = Some(password.into());
        self
    }

    /// The name that the broker's certificate must be for, and that is asked for (SNI). Default: the
    /// host that is connected to.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = ServerName::Is(name.into());
        self
    }

    /// Does not tell the server which name is asked for (no SNI). Its certificate must still be for
    /// the host that is connected to.
    #[must_use]
    pub fn without_server_name(mut self) -> Self {
        self.server_name = ServerName::NotSent;
        self
    }

    /// Believes whoever answers to be the broker. Anybody in between can read the password and every
    /// message, and change them: for tests at most.
    #[must_use]
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.verify = Verify::Nobody;
        self
    }
}
