//! Who vouches for the broker.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::TlsError;
use crate::options::TlsOptions;

/// The authorities that are trusted: those that were named, or else the system's.
pub(super) fn authorities(options: &TlsOptions) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for path in &options.ca_files {
        add(&mut roots, &read(path)?, &path.display().to_string())?;
    }
    for pem in &options.ca_pem {
        add(&mut roots, pem, "the authorities given")?;
    }
    if options.bundled_roots {
        add_bundled(&mut roots);
    }
    let is_named =
        !options.ca_files.is_empty() || !options.ca_pem.is_empty() || options.bundled_roots;
    if options.system_roots || !is_named {
        add_system(&mut roots);
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    Ok(roots)
}

/// Certificates that were named have to be usable, every one of them.
fn add(roots: &mut RootCertStore, pem: &[u8], place: &str) -> Result<(), TlsError> {
    let none = || TlsError::NoCertificate {
        place: place.to_owned(),
    };
    for certificate in certificates(pem, place)? {
        roots.add(certificate).map_err(|_| none())?;
    }
    Ok(())
}

/// All certificates of a PEM text; at least one.
pub(super) fn certificates(
    pem: &[u8],
    place: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::NoCertificate {
            place: place.to_owned(),
        }),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::File {
        path: path.to_owned(),
        error: Arc::new(error),
    })
}

/// What the system trusts. Some systems carry certificates that no library can read: they are left
/// out.
#[cfg(feature = "rustls-native-roots")]
fn add_system(roots: &mut RootCertStore) {
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
}

#[cfg(not(feature = "rustls-native-roots"))]
fn add_system(_: &mut RootCertStore) {}

#[cfg(feature = "rustls-webpki-roots")]
fn add_bundled(roots: &mut RootCertStore) {
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
}

#[cfg(not(feature = "rustls-webpki-roots"))]
fn add_bundled(_: &mut RootCertStore) {}

/// Believes everybody to be who they say. That they hold the key of the certificate that they show
/// is checked all the same.
#[derive(Debug)]
pub(super) struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl Anybody {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider }
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
