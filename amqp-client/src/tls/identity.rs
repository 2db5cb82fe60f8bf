//! Who we are: a client certificate and its key.

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

#[cfg(feature = "rustls-encrypted-keys")]
use super::decrypt::decrypt;
use super::{Fault, PemSource, pem, trust};
use crate::error::TlsError;
use crate::options::TlsOptions;
use crate::sasl::Secret;

/// Our certificate with those that vouch for it, and its key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) is_from_files: bool,
}

/// Reads what was configured, if it was.
pub(super) fn read(options: &TlsOptions) -> Result<Option<Identity>, Fault> {
    let password = options.key_password.as_ref();
    match (&options.identity_pem, &options.certificate_file) {
        (Some((certificate, key)), _) => {
            let sources = ["the client certificate given", "the key given"].map(PemSource::Given);
            identity(certificate, key, sources, password)
        }
        (None, Some(path)) => {
            // The key may be in the same file.
            let key_path = options.key_file.as_ref().unwrap_or(path);
            let certificate = trust::read(path)?.into();
            let key = trust::read(key_path)?.into();
            let sources = [path, key_path].map(|path| PemSource::File(path));
            identity(&certificate, &key, sources, password)
        }
        (None, None) => return Ok(None),
    }
    .map(Some)
}

fn identity(
    certificate: &Secret,
    key: &Secret,
    [certificate_source, key_source]: [PemSource<'_>; 2],
    password: Option<&Secret>,
) -> Result<Identity, Fault> {
    let certificates = pem::certificates(certificate.expose(), certificate_source)?;
    let chain = certificates.into_iter();
    Ok(Identity {
        chain: chain.map(|(_, certificate)| certificate).collect(),
        key: private_key(key.expose(), key_source, password)?,
        is_from_files: matches!(certificate_source, PemSource::File(_)),
    })
}

/// The first key of a PEM text: PKCS #8, encrypted or not, PKCS #1 (RSA) or SEC 1 (elliptic
/// curves).
fn private_key(
    text: &[u8],
    source: PemSource<'_>,
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, Fault> {
    let entry = pem::private_key(text, source)?;
    let encrypted = |problem| TlsError::EncryptedKey {
        place: source.to_string(),
        problem,
    };
    let is_outdated = || pem::position(entry.body, b"Proc-Type: 4,ENCRYPTED").is_some();
    match entry.label {
        "ENCRYPTED PRIVATE KEY" => {
            let key = entry.decode(source)?;
            let password = password.ok_or_else(|| encrypted("no password was given"))?;
            Ok(decrypt(&key, password).map_err(encrypted)?)
        }
        // The way of OpenSSL before 1.0, with a weak derivation of the key.
        "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" if is_outdated() => Err(encrypted(
            "in a way long outdated; convert it with openssl pkcs8 -topk8 -in OLD -out NEW",
        )
        .into()),
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(entry.decode(source)?.to_vec()).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(entry.decode(source)?.to_vec()).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(entry.decode(source)?.to_vec()).into()),
        "OPENSSH PRIVATE KEY" => Err(entry.fault(
            source,
            "is in the form of OpenSSH; convert a copy of it with ssh-keygen -p -m PKCS8 -f COPY",
        )),
        _ => Err(entry.fault(
            source,
            "is a key of a kind that is not read; convert it with openssl pkey -in OLD -out NEW",
        )),
    }
}

#[cfg(not(feature = "rustls-encrypted-keys"))]
fn decrypt(_: &[u8], _: &Secret) -> Result<PrivateKeyDer<'static>, &'static str> {
    Err("enable the feature rustls-encrypted-keys, or decrypt it with openssl pkey")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PKCS8: &[u8] = include_bytes!("../../tests/keys/pkcs8.pem");
    const SEC1: &[u8] = include_bytes!("../../tests/keys/sec1.pem");
    const PKCS1: &[u8] = include_bytes!("../../tests/keys/pkcs1.pem");
    const PBKDF2: &[u8] = include_bytes!("../../tests/keys/encrypted-pbkdf2.pem");
    const OLD: &[u8] = include_bytes!("../../tests/keys/encrypted-old.pem");

    fn key(text: &[u8], password: Option<&str>) -> Result<PrivateKeyDer<'static>, TlsError> {
        let password = password.map(Secret::from);
        let source = PemSource::Given("key.pem");
        private_key(text, source, password.as_ref()).map_err(|fault| fault.error)
    }

    fn problem(text: &[u8], password: Option<&str>) -> &'static str {
        match key(text, password) {
            Err(TlsError::EncryptedKey { problem, place }) if place == "key.pem" => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_of_all_forms_are_read() {
        let read = |text: &[u8]| key(text, None).unwrap();
        assert!(matches!(read(PKCS8), PrivateKeyDer::Pkcs8(_)));
        assert!(matches!(read(SEC1), PrivateKeyDer::Sec1(_)));
        assert!(matches!(read(PKCS1), PrivateKeyDer::Pkcs1(_)));
        // A password that is not needed does no harm.
        key(PKCS8, Some("sw0rdfish")).unwrap();
    }

    #[test]
    fn first_key_of_several_is_taken() {
        let plain = read_with(&[PKCS8, PBKDF2, OLD], None);
        assert_eq!(plain, key(PKCS8, None).unwrap());
        let sec1 = read_with(&[SEC1, PKCS1], None);
        assert!(matches!(sec1, PrivateKeyDer::Sec1(_)));
        let both = [PBKDF2, PKCS8].concat();
        assert_eq!(problem(&both, None), "no password was given");
    }

    fn read_with(texts: &[&[u8]], password: Option<&str>) -> PrivateKeyDer<'static> {
        key(&texts.concat(), password).unwrap()
    }

    #[test]
    fn key_of_another_form_is_told_with_how_to_convert_it() {
        let named = |label: &str| {
            let text = String::from_utf8_lossy(PKCS8).replace("PRIVATE KEY", label);
            key(text.as_bytes(), None).unwrap_err().to_string()
        };
        assert!(named("OPENSSH PRIVATE KEY").contains("ssh-keygen"));
        assert!(named("DSA PRIVATE KEY").contains("openssl pkey"));
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
        let plain = key(PKCS8, None).unwrap();
        let scrypt = include_bytes!("../../tests/keys/encrypted-scrypt.pem").as_slice();
        // The default of RFC 8018, where no function is named.
        let sha1 = include_bytes!("../../tests/keys/encrypted-sha1.pem").as_slice();
        let behind_other_things = [b"a certificate, say\n", PBKDF2, b"and more\n"].concat();
        for text in [PBKDF2, scrypt, sha1, &behind_other_things] {
            let key = key(text, Some("sw0rdfish")).unwrap();
            assert_eq!(key.secret_der(), plain.secret_der());
        }
        for (text, password) in [(PBKDF2, "other"), (scrypt, ""), (sha1, "Sw0rdfish")] {
            assert_eq!(
                problem(text, Some(password)),
                "its password is another one, or the key is damaged"
            );
        }
    }

    #[cfg(feature = "rustls-encrypted-keys")]
    #[test]
    fn way_of_encryption_that_is_not_read_is_named_and_no_password_blamed() {
        let des3 = include_bytes!("../../tests/keys/encrypted-des3.pem").as_slice();
        let pbes1 = include_bytes!("../../tests/keys/encrypted-pbes1.pem");
        let camellia = include_bytes!("../../tests/keys/encrypted-camellia.pem");
        for (text, way) in [
            (des3, "with Triple DES, "),
            (pbes1, "with a cipher of PKCS #12, "),
            (camellia, "with Camellia, "),
        ] {
            for password in ["sw0rdfish", "other"] {
                let problem = problem(text, Some(password));
                assert!(problem.starts_with(way), "{problem}");
                assert!(problem.contains("openssl pkcs8 -topk8"), "{problem}");
            }
        }
        let other =
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----";
        assert_eq!(problem(other, Some("sw0rdfish")), "and malformed");
    }
}
