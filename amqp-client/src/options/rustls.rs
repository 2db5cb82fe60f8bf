//! Parts of rustls that the program brings along: whose cryptography, whose configuration.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;

/// What is brought along. Two of them are equal if they are the same object.
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
