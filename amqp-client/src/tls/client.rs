//! One handshake: from options to a stream that is encrypted.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, BufWriter};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Fault, failure, identity, trust};
use crate::error::{ConnectCause, TlsError};
use crate::options::{self, TlsOptions};

/// A client of TLS, ready to shake hands with one host.
pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

/// As many octets of records leave in one system call: what the connection's task writes in one
/// turn, which it ends by flushing, and what TLS adds to it. Otherwise each record would be a call
/// of its own, for it is offered one at a time.
const RECORDS: usize = 72 * 1024;

impl TlsClient {
    /// Reads the files and puts the configuration together.
    ///
    /// # Cancel safety
    ///
    /// Files may still be read after the future is dropped; nothing else happens.
    pub(crate) async fn prepare<'a>(
        options: &TlsOptions,
        mut hosts: impl Iterator<Item = &'a str>,
    ) -> Result<Settings, Fault> {
        let name = match &options.server_name {
            options::ServerName::Host | options::ServerName::NotSent => None,
            options::ServerName::Is(name) => Some(server_name(name)?),
        };
        if name.is_none() {
            hosts.try_for_each(|host| server_name(host).map(drop))?;
        }
        if let Some(config) = &options.brought.config {
            return Ok(Settings {
                config: Arc::clone(config),
                name,
            });
        }
        let options = options.clone();
        // Files may lie on a disk that is slow or a network that is gone.
        let config = tokio::task::spawn_blocking(move || configure(&options))
            .await
            .map_err(|error| TlsError::Handshake(Arc::new(error)))??;
        Ok(Settings {
            config: Arc::new(config),
            name,
        })
    }

    /// Shakes hands over a stream.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the stream is closed.
    pub(crate) async fn connect<S>(self, stream: S) -> Result<TlsStream<BufWriter<S>>, ConnectCause>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = BufWriter::with_capacity(RECORDS, stream);
        TlsConnector::from(self.config)
            .connect(self.server_name, stream)
            .await
            .map_err(failure::of_handshake)
    }
}

/// What is the same for all hosts of one attempt.
pub(crate) struct Settings {
    config: Arc<ClientConfig>,
    /// The name that certificates have to be for, if it is not the host's.
    name: Option<ServerName<'static>>,
}

impl Settings {
    pub(crate) fn client(&self, host: &str) -> Result<TlsClient, TlsError> {
        Ok(TlsClient {
            config: Arc::clone(&self.config),
            server_name: match &self.name {
                Some(name) => name.clone(),
                None => server_name(host)?,
            },
        })
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))
}

fn configure(options: &TlsOptions) -> Result<ClientConfig, Fault> {
    let provider = provider(options)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Handshake(Arc::new(error)))?;
    let builder = match options.verify {
        options::Verify::Peer => builder.with_root_certificates(trust::authorities(options)?),
        options::Verify::Nobody => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust::Anybody::new(provider))),
    };
    let mut config = match identity::read(options)? {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain, identity.key)
            .map_err(|error| Fault {
                error: TlsError::ClientIdentity(Arc::new(error)),
                may_pass: identity.is_from_files,
            })?,
    };
    config.enable_sni = options.server_name != options::ServerName::NotSent;
    Ok(config)
}

/// Never left to rustls: it panics if two are built in and none is the process's default.
fn provider(options: &TlsOptions) -> Result<Arc<CryptoProvider>, TlsError> {
    let given = options.brought.provider.clone();
    given
        .or_else(|| CryptoProvider::get_default().cloned())
        .or_else(built_in)
        .ok_or(TlsError::NoProvider)
}

#[cfg(feature = "rustls-ring")]
fn built_in() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(feature = "rustls-ring"))]
fn built_in() -> Option<Arc<CryptoProvider>> {
    None
}
