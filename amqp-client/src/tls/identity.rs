//! Who we are: a client certificate and its key.

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::trust;
use crate::error::TlsError;
use crate::options::TlsOptions;

/// Our certificate with those that vouch for it, and its key.
type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads what was configured, if it was.
pub(super) fn read(options: &TlsOptions) -> Result<Option<Chain>, TlsError> {
    let certificate;
    let key;
    let places;
    match (&options.identity_pem, &options.certificate_file) {
        (Some((certificate_pem, key_pem)), _) => {
            certificate = certificate_pem.clone();
            key = key_pem.clone();
            places = ["the client certificate given", "the key given"].map(str::to_owned);
        }
        (None, Some(path)) => {
            let key_path = options.key_file.as_ref().unwrap_or(path);
            certificate = trust::read(path)?;
            key = trust::read(key_path)?.into();
            places = [path, key_path].map(|path| path.display().to_string());
        }
        (None, None) => return Ok(None),
    }
    let [certificate_place, key_place] = places;
    let chain = trust::certificates(&certificate, &certificate_place)?;
    let key = private_key(key.expose(), &key_place)?;
    Ok(Some((chain, key)))
}

/// The first key of a PEM text: PKCS #8, PKCS #1 (RSA) or SEC 1 (elliptic curves).
fn private_key(text: &[u8], place: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    // RFC 1421 is the old way of OpenSSL, RFC 7468 the new one.
    if contains(text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || contains(text, b"Proc-Type: 4,ENCRYPTED")
    {
        return Err(TlsError::EncryptedKey {
            place: place.to_owned(),
            problem: "decrypt it first, for example with openssl pkey",
        });
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|_: pem::Error| TlsError::NoPrivateKey {
        place: place.to_owned(),
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
