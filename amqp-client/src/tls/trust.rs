//! Who vouches for the broker.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{Fault, PemSource, pem};
use crate::error::TlsError;
use crate::options::TlsOptions;

/// The authorities that are trusted: those that were named, or else the system's.
pub(super) fn authorities(options: &TlsOptions) -> Result<RootCertStore, Fault> {
    if let Some(error) = missing_feature(options, BUILT) {
        return Err(error.into());
    }
    let mut roots = RootCertStore::empty();
    for path in &options.ca_files {
        add(&mut roots, &read(path)?, PemSource::File(path))?;
    }
    for pem in &options.ca_pem {
        add(&mut roots, pem, PemSource::Given("the authorities given"))?;
    }
    if options.bundled_roots {
        add_bundled(&mut roots);
    }
    let unreadable = wants_system(options)
        .then(|| add_system(&mut roots))
        .flatten();
    match (roots.is_empty(), unreadable) {
        (false, _) => Ok(roots),
        (true, None) => Err(TlsError::NoAuthorities.into()),
        (true, Some(error)) => Err(TlsError::SystemAuthorities(error).into()),
    }
}

fn wants_system(options: &TlsOptions) -> bool {
    let is_named =
        !options.ca_files.is_empty() || !options.ca_pem.is_empty() || options.bundled_roots;
    options.system_roots || !is_named
}

/// Which collections of authorities this program can have.
#[derive(Clone, Copy, Debug)]
struct Built {
    system: bool,
    bundled: bool,
}

const BUILT: Built = Built {
    system: cfg!(feature = "rustls-native-roots"),
    bundled: cfg!(feature = "rustls-webpki-roots"),
};

/// What was asked for, or is the default, and is not built in.
fn missing_feature(options: &TlsOptions, built: Built) -> Option<TlsError> {
    let missing = |what, feature| Some(TlsError::MissingFeature { what, feature });
    if options.bundled_roots && !built.bundled {
        missing("bundled_roots", "rustls-webpki-roots")
    } else if options.system_roots && !built.system {
        missing("system_roots", "rustls-native-roots")
    } else if wants_system(options) && !built.system {
        let what = "trusting the authorities of the system, since none are named,";
        missing(what, "rustls-native-roots")
    } else {
        None
    }
}

/// Certificates that were named have to be usable, every one of them.
fn add(roots: &mut RootCertStore, text: &[u8], source: PemSource<'_>) -> Result<(), Fault> {
    for (entry, certificate) in pem::certificates(text, source)? {
        roots
            .add(certificate)
            .map_err(|_| entry.fault(source, "is no certificate of an authority, or damaged"))?;
    }
    Ok(())
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let source = PemSource::File(path);
    // Of a key that took the place of its path nothing is to be seen.
    if path.to_string_lossy().contains("-----BEGIN ") {
        return Err(TlsError::NotPem {
            place: "the path of a file".to_owned(),
            problem: "it is the text of one; that has a setter of its own, ca_pem or \
                      client_certificate_pem",
        }
        .into());
    }
    fs::read(path).map_err(|error| {
        source.fault(TlsError::File {
            path: path.to_owned(),
            error: Arc::new(error),
        })
    })
}

/// What the system trusts. Some systems carry certificates that no library can read: they are left
/// out. The result is the first thing that could not be read.
#[cfg(feature = "rustls-native-roots")]
fn add_system(roots: &mut RootCertStore) -> Option<Arc<dyn Error + Send + Sync>> {
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    let error = found.errors.into_iter().next()?;
    Some(Arc::new(error))
}

#[cfg(not(feature = "rustls-native-roots"))]
fn add_system(_: &mut RootCertStore) -> Option<Arc<dyn Error + Send + Sync>> {
    None
}

#[cfg(feature = "rustls-webpki-roots")]
fn add_bundled(roots: &mut RootCertStore) {
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
}

#[cfg(not(feature = "rustls-webpki-roots"))]
fn add_bundled(_: &mut RootCertStore) {}

/// Accepts any certificate. That the server holds the key of the one that it shows is checked all
/// the same.
#[derive(Debug)]
pub(super) struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl AnyCertificate {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider }
    }
}

impl ServerCertVerifier for AnyCertificate {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collection_that_is_not_built_in_is_told_with_its_feature() {
        let told = |options: &TlsOptions, system, bundled| {
            let missing = missing_feature(options, Built { system, bundled });
            missing.map(|error| error.to_string()).unwrap_or_default()
        };
        let plain = TlsOptions::default();
        let named = TlsOptions::default().ca_file("ca.pem");
        let bundled = "bundled_roots takes the feature rustls-webpki-roots, which is not built in";
        assert_eq!(told(&plain.clone().bundled_roots(), true, false), bundled);
        assert_eq!(told(&named.clone().bundled_roots(), true, false), bundled);
        let system = "system_roots takes the feature rustls-native-roots, which is not built in";
        assert_eq!(told(&plain.clone().system_roots(), false, true), system);
        assert_eq!(told(&named.clone().system_roots(), false, true), system);
        let default = told(&plain, false, true);
        assert!(default.ends_with("the feature rustls-native-roots, which is not built in"));
        assert!(default.starts_with("trusting the authorities of the system"));
        for (options, system, bundled) in [
            (named.clone(), false, false),
            (plain.clone(), true, false),
            (plain.bundled_roots(), false, true),
            (named.system_roots().bundled_roots(), true, true),
        ] {
            assert_eq!(told(&options, system, bundled), "");
        }
    }
}
