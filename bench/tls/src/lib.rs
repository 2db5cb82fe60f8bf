//! What the two programs of the TLS bench share, so that they differ in nothing but the protocol:
//! one configuration of rustls, which trusts the null broker's certificate and nothing else.

use std::sync::Arc;

use bench_harness::Error;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, version};

/// Names the file with the certificate that the null broker wrote (`--tls`).
pub const CERTIFICATE: &str = "BENCH_CERTIFICATE";

/// A configuration whose only root is the null broker's certificate.
pub fn config() -> Result<Arc<ClientConfig>, Error> {
    let path = std::env::var_os(CERTIFICATE).ok_or("BENCH_CERTIFICATE must name a file")?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(std::fs::read(path)?))?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The name that the certificate is for.
pub const SERVER_NAME: &str = "localhost";

/// The same, as rustls wants it.
pub fn server_name() -> Result<ServerName<'static>, Error> {
    Ok(ServerName::try_from(SERVER_NAME)?)
}
