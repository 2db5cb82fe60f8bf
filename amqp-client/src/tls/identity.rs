//! Who we are: a client certificate and its key.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::trust;
use crate::error::TlsError;
use crate::options::TlsOptions;
use crate::secret::Secret;

/// Our certificate with those that vouch for it, and its key.
type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads what was configured, if it was.
pub(super) fn read(options: &TlsOptions) -> Result<Option<Chain>, TlsError> {
    let certificate: Secret;
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
            // The key may be in the same file.
            certificate = trust::read(path)?.into();
            key = trust::read(key_path)?.into();
            places = [path, key_path].map(|path| path.display().to_string());
        }
        (None, None) => return Ok(None),
    }
    let [certificate_place, key_place] = places;
    let chain = trust::certificates(certificate.expose(), &certificate_place)?;
    let password = options.key_password.as_ref();
    let key = private_key(key.expose(), &key_place, password)?;
    Ok(Some((chain, key)))
}

/// The first key of a PEM text: PKCS #8, encrypted or not, PKCS #1 (RSA) or SEC 1 (elliptic curves).
fn private_key(
    text: &[u8],
    place: &str,
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let encrypted = |problem| TlsError::EncryptedKey {
        place: place.to_owned(),
        problem,
    };
    // The way of OpenSSL before 1.0, with a weak derivation of the key.
    if position(text, b"Proc-Type: 4,ENCRYPTED").is_some() {
        return Err(encrypted(
            "in a way long outdated; convert it with openssl pkcs8 -topk8",
        ));
    }
    if let Some(start) = position(text, ENCRYPTED) {
        let password = password.ok_or_else(|| encrypted("no password was given"))?;
        let text = text.get(start..).unwrap_or_default();
        return decrypt(text, password).map_err(encrypted);
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|_| TlsError::NoPrivateKey {
        place: place.to_owned(),
    })
}

/// RFC 7468 §11.
const ENCRYPTED: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// Decrypts a key, of which the text begins with the first line.
#[cfg(feature = "rustls-encrypted-keys")]
fn decrypt(text: &[u8], password: &Secret) -> Result<PrivateKeyDer<'static>, &'static str> {
    use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};
    use rustls::pki_types::PrivatePkcs8KeyDer;

    const END: &[u8] = b"-----END ENCRYPTED PRIVATE KEY-----";
    const MALFORMED: &str = "and malformed";
    const NOT_DECRYPTED: &str =
        "its password is another one, or it is not encrypted with AES by PBES2 (RFC 8018)";
    let end = position(text, END).ok_or(MALFORMED)? + END.len();
    let text = std::str::from_utf8(text.get(..end).unwrap_or_default()).map_err(|_| MALFORMED)?;
    let (_, document) = SecretDocument::from_pem(text).map_err(|_| MALFORMED)?;
    let key = EncryptedPrivateKeyInfo::try_from(document.as_bytes())
        .and_then(|info| info.decrypt(password.expose()))
        .map_err(|_| NOT_DECRYPTED)?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

#[cfg(not(feature = "rustls-encrypted-keys"))]
fn decrypt(_: &[u8], _: &Secret) -> Result<PrivateKeyDer<'static>, &'static str> {
    Err("enable the feature rustls-encrypted-keys, or decrypt it with openssl pkey")
}

/// Where this begins.
fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PKCS8: &[u8] = include_bytes!("../../tests/keys/pkcs8.pem");
    const SEC1: &[u8] = include_bytes!("../../tests/keys/sec1.pem");
    const PKCS1: &[u8] = include_bytes!("../../tests/keys/pkcs1.pem");
    const PBKDF2: &[u8] = include_bytes!("../../tests/keys/encrypted-pbkdf2.pem");
    const OLD: &[u8] = include_bytes!("../../tests/keys/encrypted-old.pem");

    fn problem(text: &[u8], password: Option<&str>) -> &'static str {
        let password = password.map(Secret::from);
        match private_key(text, "key.pem", password.as_ref()) {
            Err(TlsError::EncryptedKey { problem, place }) if place == "key.pem" => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_of_all_forms_are_read() {
        let read = |text: &[u8]| private_key(text, "", None).unwrap();
        assert!(matches!(read(PKCS8), PrivateKeyDer::Pkcs8(_)));
        assert!(matches!(read(SEC1), PrivateKeyDer::Sec1(_)));
        assert!(matches!(read(PKCS1), PrivateKeyDer::Pkcs1(_)));
        // A password that is not needed does no harm.
        private_key(PKCS8, "", Some(&Secret::from("sw0rdfish"))).unwrap();
    }

    #[test]
    fn encrypted_key_needs_its_password() {
        assert_eq!(problem(PBKDF2, None), "no password was given");
        let outdated = problem(OLD, Some("x"));
        assert!(outdated.starts_with("in a way long outdated"), "{outdated}");
    }

    #[cfg(not(feature = "rustls-encrypted-keys"))]
    #[test]
    fn encrypted_key_needs_its_feature() {
        assert!(problem(PBKDF2, Some("sw0rdfish")).contains("rustls-encrypted-keys"));
    }

    #[cfg(feature = "rustls-encrypted-keys")]
    #[test]
    fn encrypted_keys_are_decrypted() {
        let plain = private_key(PKCS8, "", None).unwrap();
        let scrypt = include_bytes!("../../tests/keys/encrypted-scrypt.pem").as_slice();
        let behind_other_things = [b"a certificate, say\n", PBKDF2, b"and more\n"].concat();
        for text in [PBKDF2, scrypt, &behind_other_things] {
            let password = Secret::from("sw0rdfish");
            let key = private_key(text, "", Some(&password)).unwrap();
            assert_eq!(key.secret_der(), plain.secret_der());
        }
        let des3 = include_bytes!("../../tests/keys/encrypted-des3.pem");
        for (text, password) in [(PBKDF2, "other"), (scrypt, ""), (des3, "sw0rdfish")] {
            let problem = problem(text, Some(password));
            assert!(
                problem.starts_with("its password is another one"),
                "{problem}"
            );
        }
        assert_eq!(problem(ENCRYPTED, Some("sw0rdfish")), "and malformed");
    }
}
