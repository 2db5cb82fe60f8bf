//! Client keys that a password protects (PKCS #8, RFC 5958 §3).

use pkcs8::pkcs5::Error as Pkcs5;
use pkcs8::{EncryptedPrivateKeyInfo, Error};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::pem::position;
use crate::sasl::Secret;

const WRONG: &str = "its password is another one, or the key is damaged";
const MALFORMED: &str = "and malformed";

macro_rules! by {
    ($way:literal) => {
        concat!(
            "with ",
            $way,
            ", which is not read here; convert it with openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD \
             -out NEW"
        )
    };
}

const OTHER: &str = by!("something other than PBES2 with AES in its mode CBC and PBKDF2 or scrypt");

/// Ways of encryption that are not read here, by the identifiers of objects in DER that give them
/// away.
const NOT_READ: &[(&[u8], &str)] = &[
    (
        b"\x06\x08\x2a\x86\x48\x86\xf7\x0d\x03\x07",
        by!("Triple DES"),
    ),
    (b"\x06\x05\x2b\x0e\x03\x02\x07", by!("DES")),
    (b"\x06\x08\x2a\x86\x48\x86\xf7\x0d\x03\x02", by!("RC2")),
    // pkcs-12PbeIds: RC4, Triple DES and RC2.
    (
        b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01",
        by!("a cipher of PKCS #12"),
    ),
    // Those of PBES1; PBES2 itself is 13.
    (
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x01",
        by!("PBES1"),
    ),
    (
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x03",
        by!("PBES1"),
    ),
    (
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x04",
        by!("PBES1"),
    ),
    (
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x06",
        by!("PBES1"),
    ),
    (
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0a",
        by!("PBES1"),
    ),
    (
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0b",
        by!("PBES1"),
    ),
    (
        b"\x06\x0b\x2a\x83\x08\x8c\x9a\x4b\x3d\x01\x01\x01",
        by!("Camellia"),
    ),
];

/// Decrypts a key, or tells what stands in the way. The password is only blamed where the way of
/// encryption is one that is read.
pub(super) fn decrypt(
    der: &[u8],
    password: &Secret,
) -> Result<PrivateKeyDer<'static>, &'static str> {
    let info = EncryptedPrivateKeyInfo::try_from(der).map_err(|_| unreadable(der))?;
    match info.decrypt(password.expose()) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
        Err(Error::EncryptedPrivateKey(
            Pkcs5::AlgorithmParametersInvalid { .. }
            | Pkcs5::NoPbes1CryptSupport
            | Pkcs5::UnsupportedAlgorithm { .. },
        )) => Err(named(der).unwrap_or(OTHER)),
        // The padding is wrong, or, with one wrong password in 256, what comes out is no key.
        Err(_) => Err(WRONG),
    }
}

/// What a parser that knows the ways that are read could not take apart.
fn unreadable(der: &[u8]) -> &'static str {
    const AN_OBJECT: u8 = 0x06;
    let has_algorithm = head(der).contains(&AN_OBJECT);
    named(der).unwrap_or(if has_algorithm { OTHER } else { MALFORMED })
}

fn named(der: &[u8]) -> Option<&'static str> {
    let is_in = |id: &[u8]| position(head(der), id).is_some();
    let found = NOT_READ.iter().find(|(id, _)| is_in(id));
    found.map(|(_, text)| *text)
}

/// The algorithm and its parameters stand in front of what is encrypted.
fn head(der: &[u8]) -> &[u8] {
    der.get(..128).unwrap_or(der)
}
