//! What can only be said with rustls at hand: whose cryptography, whose configuration.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;

use super::TlsOptions;

/// Parts of rustls that the program brings along. Two of them are equal if they are the same object.
#[derive(Clone, Default)]
pub(crate) struct Brought {
    pub(crate) config: Option<Arc<ClientConfig>>,
    pub(crate) provider: Option<Arc<CryptoProvider>>,
}

impl PartialEq for Brought {
    fn eq(&self, other: &Self) -> bool {
        same(self.config.as_ref(), other.config.as_ref())
            && same(self.provider.as_ref(), other.provider.as_ref())
    }
}

fn same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

impl Eq for Brought {}

impl fmt::Debug for Brought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brought")
            .field("config", &self.config.is_some())
            .field("provider", &self.provider.is_some())
            .finish()
    }
}

impl TlsOptions {
    /// A configuration of rustls of one's own, for everything that cannot be said here. What was
    /// said about authorities, client certificates and verification does not apply then, and neither
    /// does [`without_server_name`](Self::without_server_name); the server name does.
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
    /// `rustls-native-roots` in place of `rustls`, depend on rustls with its feature `aws_lc_rs`, and
    /// give `rustls::crypto::aws_lc_rs::default_provider()` here. How many providers are compiled
    /// into the program does not matter.
    #[must_use]
    pub fn crypto_provider(mut self, provider: impl Into<Arc<CryptoProvider>>) -> Self {
        self.brought.provider = Some(provider.into());
        self
    }
}
