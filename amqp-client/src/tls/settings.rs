//! From options to what a session is made from: reads the files, and puts the configuration of
//! rustls together.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;

use super::{Fault, identity, trust};
use crate::error::TlsError;
use crate::options::{self, TlsOptions};

/// What is the same for all hosts of one attempt.
pub(crate) struct Settings {
    config: Arc<ClientConfig>,
    /// The name that certificates have to be for, if it is not the host's.
    name: Option<ServerName<'static>>,
}

impl Settings {
    /// Reads the files and puts the configuration together. All hosts have to have names that
    /// certificates can be for.
    pub(crate) fn new<'a>(
        options: &TlsOptions,
        hosts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Fault> {
        let name = match &options.server_name {
            options::ServerName::Host | options::ServerName::NotSent => None,
            options::ServerName::Is(name) => Some(server_name(name)?),
        };
        if name.is_none() {
            hosts
                .into_iter()
                .try_for_each(|host| server_name(host).map(drop))?;
        }
        let config = match &options.brought.config {
            Some(config) => Arc::clone(config),
            None => Arc::new(configure(options)?),
        };
        Ok(Self { config, name })
    }

    /// What a session with one of the hosts is made from.
    pub(super) fn for_host(
        &self,
        host: &str,
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>), TlsError> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => server_name(host)?,
        };
        Ok((Arc::clone(&self.config), name))
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
        options::Verify::Nothing => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust::AnyCertificate::new(provider))),
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
