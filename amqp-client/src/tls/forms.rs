//! What certificates and keys come in that is not read here, and how to convert it.

use super::PemSource;

/// What was looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    Certificate,
    PrivateKey,
}

/// What an entry of PEM with this label is, among certificates.
pub(super) fn of_no_use(label: &str) -> &'static str {
    match label {
        "TRUSTED CERTIFICATE" => {
            "is in a form of OpenSSL's own; convert it with openssl x509 -in OLD -out NEW"
        }
        "PKCS7" | "CMS" => {
            "is PKCS #7; convert it with openssl pkcs7 -print_certs -in OLD -out NEW"
        }
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            "is the request for a certificate and not the certificate that an authority has made of it"
        }
        "X509 CRL" => {
            "is a list of certificates that were revoked; these are looked at only by a configuration \
             of rustls of one's own"
        }
        _ => "is neither a certificate nor a key",
    }
}

/// What a text without any entry of PEM is, where that can be told.
pub(super) fn of_another(
    text: &[u8],
    source: PemSource<'_>,
    wanted: Wanted,
) -> Option<&'static str> {
    match text {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, _, 0, ..] | [0, _, 0, _, ..] => {
            return Some("it is UTF-16; save it as plain text (UTF-8)");
        }
        [0xfe, 0xed, 0xfe, 0xed, ..] => {
            return Some(
                "it is a key store of Java; convert it with keytool -importkeystore -deststoretype \
                 pkcs12, and that with openssl pkcs12 -nodes -in OLD -out NEW",
            );
        }
        [0x30, rest @ ..] if is_binary(text) => return Some(of_der(rest, wanted)),
        _ => {}
    }
    let text = std::str::from_utf8(text).ok()?.trim();
    if text.is_empty() {
        Some("it is empty")
    } else if text.starts_with("MI") && text.len() > 64 && !text.contains("---") {
        Some("it is Base64 without the lines -----BEGIN …----- and -----END …----- around it")
    } else if matches!(source, PemSource::Given(_)) && is_like_a_path(text) {
        Some("it looks like the path of a file; those have a setter of their own")
    } else {
        None
    }
}

/// Of DER, behind its first octet.
fn of_der(rest: &[u8], wanted: Wanted) -> &'static str {
    // The length takes up to five octets, and behind it stands what tells the kinds apart.
    const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    const VERSION_3: &[u8] = b"\x02\x01\x03\x30";
    let is_next =
        |part: &[u8]| (0..=5).any(|n| rest.get(n..).unwrap_or_default().starts_with(part));
    if is_next(VERSION_3) {
        "it is PKCS #12; convert it with openssl pkcs12 -nodes -in OLD -out NEW"
    } else if is_next(SIGNED_DATA) {
        "it is PKCS #7; convert it with openssl pkcs7 -inform DER -print_certs -in OLD -out NEW"
    } else if wanted == Wanted::Certificate {
        "it is DER; convert it with openssl x509 -inform DER -in OLD -out NEW"
    } else {
        "it is DER; convert it with openssl pkey -inform DER -in OLD -out NEW"
    }
}

/// A text may begin with a `0` as well.
fn is_binary(text: &[u8]) -> bool {
    let is_control = |octet: &u8| !matches!(octet, b'\t' | b'\n' | b'\r' | b' '..);
    text.get(1).is_some_and(|length| *length > 0x7f) || text.iter().any(is_control)
}

fn is_like_a_path(text: &str) -> bool {
    let ends = [".pem", ".crt", ".cer", ".key", ".der"];
    text.len() < 4096
        && !text.contains('\n')
        && (text.contains(['/', '\\']) || ends.iter().any(|end| text.ends_with(end)))
}
