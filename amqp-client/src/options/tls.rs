//! Whom to trust and who to be, with TLS. Plain data: no TLS library is needed to say it.

use std::fmt;
use std::path::{Path, PathBuf};
#[cfg(feature = "rustls-core")]
use std::sync::Arc;

#[cfg(feature = "rustls-core")]
use rustls::{ClientConfig, crypto::CryptoProvider};

use crate::sasl::Secret;

/// What TLS is to check and to show. Files are read at each attempt to connect, so that renewed
/// ones count from the next on.
///
/// Certificates and keys are PEM. A byte order mark, indentation, `\n` in place of newlines and
/// entries that follow each other in one line do no harm. Nothing that was named is passed over: an
/// entry that is damaged or of another kind is [an error](crate::error::TlsError) that says which
/// one it is and how to convert it.
///
/// ```
/// use amqp_client::{ConnectionOptions, TlsOptions};
///
/// let options: ConnectionOptions = "amqps://app:secret@broker.example/orders".parse()?;
/// let options = options.tls(TlsOptions::default().ca_file("/etc/orders/ca.pem"));
/// # Ok::<(), amqp_client::error::UriError>(())
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
pub struct TlsOptions {
    pub(crate) ca_files: Vec<PathBuf>,
    pub(crate) ca_pem: Vec<Vec<u8>>,
    /// Those named take the place of the system's, unless these are wanted as well.
    pub(crate) system_roots: bool,
    pub(crate) bundled_roots: bool,
    pub(crate) certificate_file: Option<PathBuf>,
    /// `None`: the key is in the file of the certificate.
    pub(crate) key_file: Option<PathBuf>,
    /// The certificate and its key themselves, in place of files.
    pub(crate) identity_pem: Option<(Secret, Secret)>,
    pub(crate) key_password: Option<Secret>,
    pub(crate) verify: Verify,
    pub(crate) server_name: ServerName,
    #[cfg(feature = "rustls-core")]
    pub(crate) brought: super::rustls::Brought,
}

/// Whether the broker has to prove its name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Verify {
    #[default]
    Peer,
    /// Any certificate is accepted.
    Nothing,
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

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ca_files: Vec<_> = self.ca_files.iter().map(|path| ShownAs(path)).collect();
        let ca_bytes: usize = self.ca_pem.iter().map(Vec::len).sum();
        let mut debug = f.debug_struct("TlsOptions");
        debug
            .field("ca_files", &ca_files)
            .field("ca_pem", &format_args!("<{ca_bytes} bytes>"))
            .field("system_roots", &self.system_roots)
            .field("bundled_roots", &self.bundled_roots)
            .field(
                "certificate_file",
                &self.certificate_file.as_deref().map(ShownAs),
            )
            .field("key_file", &self.key_file.as_deref().map(ShownAs))
            .field("identity_pem", &self.identity_pem)
            .field("key_password", &self.key_password)
            .field("verify", &self.verify)
            .field("server_name", &self.server_name);
        #[cfg(feature = "rustls-core")]
        debug.field("brought", &self.brought);
        debug.finish()
    }
}

/// A path, unless it is the text of a key that was taken for one.
struct ShownAs<'a>(&'a Path);

impl fmt::Debug for ShownAs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.to_string_lossy().contains("-----BEGIN ") {
            f.write_str("<the text of a file>")
        } else {
            self.0.fmt(f)
        }
    }
}

impl TlsOptions {
    /// The same as [`default`](Self::default): trusts what the system trusts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A file of certificates (PEM), of which one has to vouch for the broker's; in place of the
    /// authorities that the system trusts. May be called again for more.
    #[must_use]
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Self {
        self.ca_files.push(path.as_ref().to_owned());
        self
    }

    /// The same, with the certificates themselves (PEM).
    #[must_use]
    pub fn ca_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.ca_pem.push(pem.as_ref().to_vec());
        self
    }

    /// Trusts the authorities of the operating system, also if others are named. Takes the feature
    /// `rustls-native-roots`, which is part of `rustls`; without it, connecting is an error that
    /// says so. Default: they are trusted if none are named.
    #[must_use]
    pub fn system_roots(mut self) -> Self {
        self.system_roots = true;
        self
    }

    /// Trusts the authorities that Mozilla trusts, as they were when the program was built; for
    /// systems that have none of their own. Takes the feature `rustls-webpki-roots`; without it,
    /// connecting is an error that says so.
    #[must_use]
    pub fn bundled_roots(mut self) -> Self {
        self.bundled_roots = true;
        self
    }

    /// The files (PEM) of our own certificate, with those that vouch for it behind it, and of its
    /// key (the first one in it; PKCS #8, PKCS #1 or SEC 1): for brokers that want to know who
    /// connects.
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate_file: impl AsRef<Path>,
        key_file: impl AsRef<Path>,
    ) -> Self {
        self.certificate_file = Some(certificate_file.as_ref().to_owned());
        self.key_file = Some(key_file.as_ref().to_owned());
        self.identity_pem = None;
        self
    }

    /// The same, with certificate and key themselves (PEM); they take the place of files. Either
    /// may have both in it, so that both are kept as secrets.
    #[must_use]
    pub fn client_certificate_pem(
        mut self,
        certificate: impl Into<Secret>,
        key: impl Into<Secret>,
    ) -> Self {
        self.identity_pem = Some((certificate.into(), key.into()));
        self.certificate_file = None;
        self.key_file = None;
        self
    }

    /// The password that the key is encrypted with (PKCS #8: PBES2 with AES in its mode CBC, and
    /// PBKDF2 or scrypt, as `openssl pkcs8 -topk8` does). Takes the feature
    /// `rustls-encrypted-keys`. Default: none, for keys that are not encrypted.
    #[must_use]
    pub fn key_password(mut self, password: impl Into<Secret>) -> Self {
        self.key_password = Some(password.into());
        self
    }

    /// The name that the broker's certificate must be for, and that is asked for (SNI). Default:
    /// the host that is connected to.
    #[must_use]
    pub fn server_name(mut self, name: impl AsRef<str>) -> Self {
        self.server_name = ServerName::Is(name.as_ref().to_owned());
        self
    }

    /// Does not tell the server which name is asked for (no SNI). Its certificate must still be for
    /// the host that is connected to.
    #[must_use]
    pub fn without_server_name(mut self) -> Self {
        self.server_name = ServerName::NotSent;
        self
    }

    /// Takes any server that answers for the broker. Whatever sits in between can read the password
    /// and every message, and change them: for tests at most.
    #[must_use]
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.verify = Verify::Nothing;
        self
    }
}

#[cfg(feature = "rustls-core")]
impl TlsOptions {
    /// A configuration of rustls of one's own, for everything that cannot be said here. What was
    /// said about authorities, client certificates and verification does not apply then, and
    /// neither does [`without_server_name`](Self::without_server_name); the server name does.
    ///
    /// ```no_run
    /// use amqp_client::{ConnectionOptions, TlsOptions};
    /// # fn example(config: rustls::ClientConfig) {
    /// let tls = TlsOptions::default().rustls_config(config);
    /// let options = ConnectionOptions::default().tls(tls);
    /// # }
    /// ```
    #[must_use]
    pub fn rustls_config(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.brought.config = Some(config.into());
        self
    }

    /// The provider of cryptography. Default: the one that the program has installed for the whole
    /// process, or else that of ring (feature `rustls-ring`, which is part of `rustls`).
    ///
    /// For another one, that of AWS-LC say, take the features `rustls-core` and
    /// `rustls-native-roots` in place of `rustls`, depend on rustls with its feature `aws_lc_rs`,
    /// and give `rustls::crypto::aws_lc_rs::default_provider()` here. How many providers are
    /// compiled into the program does not matter.
    #[must_use]
    pub fn crypto_provider(mut self, provider: impl Into<Arc<CryptoProvider>>) -> Self {
        self.brought.provider = Some(provider.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_half_of_an_identity_is_shown() {
        let both = "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nhidden\n";
        let shown = format!(
            "{:#?}",
            TlsOptions::default().client_certificate_pem(both, both)
        );
        assert!(
            !shown.contains("hidden") && !shown.contains("104"),
            "{shown}"
        );
    }

    #[test]
    fn texts_are_not_shown_even_if_they_were_taken_for_paths() {
        let key = "-----BEGIN PRIVATE KEY-----\nhidden\n";
        let tls = TlsOptions::default()
            .ca_file(key)
            .ca_pem("c".repeat(10_000))
            .client_certificate("client.pem", key);
        let shown = format!("{tls:#?}");
        assert!(!shown.contains("hidden") && shown.len() < 1000, "{shown}");
        assert!(shown.contains("<10000 bytes>") && shown.contains("\"client.pem\""));
    }
}
