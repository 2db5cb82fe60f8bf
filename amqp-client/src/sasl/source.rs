//! Where credentials that do not last come from.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::mechanism::Credentials;

/// Why there are no credentials.
pub(crate) type Failure = Arc<dyn Error + Send + Sync>;

type Asking = Pin<Box<dyn Future<Output = Result<Credentials, Failure>> + Send>>;

/// A function that is asked for credentials. Two are equal if one is a clone of the other.
#[derive(Clone)]
pub(crate) struct CredentialSource(Arc<dyn Fn() -> Asking + Send + Sync>);

impl CredentialSource {
    pub(crate) fn new<S, F, E>(source: S) -> Self
    where
        S: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Credentials, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(Arc::new(move || {
            let asking = source();
            Box::pin(async move { asking.await.map_err(|error| Failure::from(error.into())) })
        }))
    }

    pub(crate) async fn ask(&self) -> Result<Credentials, Failure> {
        (self.0)().await
    }
}

impl fmt::Debug for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialSource")
    }
}

impl Eq for CredentialSource {}

impl PartialEq for CredentialSource {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
