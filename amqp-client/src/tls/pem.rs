//! The entries of a PEM text (RFC 7468), each with its place in it.
//!
//! What was named is used or is an error: an entry that is damaged, or of a kind that is of no use
//! here, is told with its number, its line and what to do about it. So lines are not relied upon:
//! files that were joined without a newline, indented, begun with a byte order mark, or put into a
//! variable with `\n` in place of newlines have the same entries as before. Text between entries is
//! ignored, as openssl writes it, unless it looks like an entry.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::forms::{self, Wanted};
use super::{Fault, PemSource};
use crate::error::TlsError;

const DASHES: &[u8] = b"-----";
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// Longer than any label in use.
const MOST_LABEL: usize = 48;

/// One entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// From 1.
    number: usize,
    /// The line it begins in, from 1.
    line: usize,
    /// Empty if it cannot be read.
    pub(super) label: &'a str,
    /// What is between its first line and its last.
    pub(super) body: &'a [u8],
    /// Why it cannot be taken apart.
    problem: Option<&'static str>,
}

impl Entry<'_> {
    /// What is wrong with it.
    pub(super) fn fault(&self, source: PemSource<'_>, problem: &'static str) -> Fault {
        source.fault(TlsError::PemEntry {
            place: source.to_string(),
            number: self.number,
            line: self.line,
            label: self.label.to_owned(),
            problem,
        })
    }

    /// What is encoded in it, which has to be one whole element of DER.
    pub(super) fn decode(&self, source: PemSource<'_>) -> Result<Zeroizing<Vec<u8>>, Fault> {
        if let Some(problem) = self.problem {
            return Err(self.fault(source, problem));
        }
        let der = base64(self.body).ok_or_else(|| self.fault(source, "is not Base64"))?;
        if is_whole(&der) {
            Ok(der)
        } else {
            Err(self.fault(source, "is cut off or damaged"))
        }
    }
}

/// A certificate, and the entry that it is from.
pub(super) type Certificate<'a> = (Entry<'a>, CertificateDer<'static>);

/// All certificates of a text, at least one.
pub(super) fn certificates<'a>(
    text: &'a [u8],
    source: PemSource<'_>,
) -> Result<Vec<Certificate<'a>>, Fault> {
    let entries = entries(text);
    let mut found = Vec::new();
    for entry in &entries {
        match entry.label {
            "CERTIFICATE" | "X509 CERTIFICATE" | "X.509 CERTIFICATE" | "" => {
                let der = entry.decode(source)?;
                found.push((*entry, CertificateDer::from(der.to_vec())));
            }
            // Keys and what belongs to them may be in the same file.
            label if label.ends_with(" KEY") || label.ends_with(" PARAMETERS") => {}
            label => return Err(entry.fault(source, forms::of_no_use(label))),
        }
    }
    if found.is_empty() {
        return Err(none(text, &entries, source, Wanted::Certificate));
    }
    Ok(found)
}

/// The first private key of a text.
pub(super) fn private_key<'a>(text: &'a [u8], source: PemSource<'_>) -> Result<Entry<'a>, Fault> {
    let entries = entries(text);
    for entry in &entries {
        if entry.label.is_empty() {
            // It may be the key.
            entry.decode(source)?;
        } else if entry.label.ends_with("PRIVATE KEY") {
            return Ok(*entry);
        }
    }
    Err(none(text, &entries, source, Wanted::PrivateKey))
}

/// There is nothing of what was wanted: what there is instead.
fn none(text: &[u8], entries: &[Entry<'_>], source: PemSource<'_>, wanted: Wanted) -> Fault {
    let place = source.to_string();
    if entries.is_empty() {
        if let Some(problem) = forms::of_another(text, source, wanted) {
            return source.fault(TlsError::NotPem { place, problem });
        }
    }
    let mut labels: Vec<_> = entries.iter().map(|entry| entry.label).collect();
    labels.dedup();
    labels.truncate(3);
    let found = labels.join(", ");
    source.fault(match wanted {
        Wanted::Certificate => TlsError::NoCertificate { place, found },
        Wanted::PrivateKey => TlsError::NoPrivateKey { place, found },
    })
}

fn entries(text: &[u8]) -> Vec<Entry<'_>> {
    let mut reader = Reader {
        rest: text,
        line: 1,
        entries: Vec::new(),
    };
    while reader.entry() {}
    reader.entries
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Of the first octet of the rest.
    line: usize,
    entries: Vec<Entry<'a>>,
}

impl<'a> Reader<'a> {
    /// Reads up to the end of the next entry. False if there is none.
    fn entry(&mut self) -> bool {
        let begin = position(self.rest, BEGIN);
        let outside_line = self.line;
        let outside = self.take(begin.unwrap_or(self.rest.len()));
        if let Some(at) = malformed_line(outside) {
            let line = outside_line + n_breaks(outside.get(..at).unwrap_or_default());
            let problem = "has a line that begins or ends it and is malformed: those are \
                           -----BEGIN …----- and -----END …-----, with five dashes each";
            self.push(line, "", &[], Some(problem));
        }
        if begin.is_none() {
            return false;
        }
        let line = self.line;
        self.take(BEGIN.len());
        let Some(label) = self.label() else {
            self.push(
                line,
                "",
                &[],
                Some("has a first line that does not end with five dashes"),
            );
            return true;
        };
        let end = position(self.rest, DASHES);
        let body = self.take(end.unwrap_or(self.rest.len()));
        let last_line = [END, label.as_bytes(), DASHES].concat();
        let problem = if end.is_none() {
            Some("has no line that ends it")
        } else if self.rest.starts_with(&last_line) {
            self.take(last_line.len());
            None
        } else if self.rest.starts_with(BEGIN) {
            Some("has no line that ends it: another entry begins before")
        } else {
            self.take(DASHES.len());
            Some("is not ended by the line that belongs to its first")
        };
        self.push(line, label, body, problem);
        true
    }

    /// The label of the entry that begins here, without the dashes behind it.
    fn label(&mut self) -> Option<&'a str> {
        let end = position(self.rest, DASHES)?;
        let label = self.rest.get(..end)?;
        let is_plain = |octet: &u8| matches!(octet, b' '..=b'~') && *octet != b'\\';
        if label.len() > MOST_LABEL || !label.iter().all(is_plain) {
            return None;
        }
        let label = std::str::from_utf8(label).ok()?;
        self.take(end + DASHES.len());
        Some(label)
    }

    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(n).unwrap_or((self.rest, &[]));
        self.line += n_breaks(taken);
        self.rest = rest;
        taken
    }

    fn push(&mut self, line: usize, label: &'a str, body: &'a [u8], problem: Option<&'static str>) {
        self.entries.push(Entry {
            number: self.entries.len() + 1,
            line,
            label,
            body,
            problem,
        });
    }
}

/// Where something stands that should begin or end an entry, and does not: too few dashes, those of
/// a word processor, small letters.
fn malformed_line(outside: &[u8]) -> Option<usize> {
    const WORDS: [&[u8]; 2] = [b"BEGIN ", b"END "];
    const LIKE_DASHES: [&str; 5] = ["--", "\u{2011}", "\u{2013}", "\u{2014}", "\u{2212}"];
    let is_word = |text: &[u8]| {
        let begins = |word: &&[u8]| {
            let part = text.get(..word.len());
            part.is_some_and(|part| part.eq_ignore_ascii_case(word))
        };
        WORDS.iter().any(begins)
    };
    (0..outside.len()).find(|&at| {
        let (before, text) = outside.split_at_checked(at).unwrap_or_default();
        let is_dash = |dash: &&str| before.ends_with(dash.as_bytes());
        is_word(text) && LIKE_DASHES.iter().any(is_dash)
    })
}

fn n_breaks(text: &[u8]) -> usize {
    text.iter().filter(|octet| **octet == b'\n').count()
}

/// Where this begins.
pub(super) fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// Decodes Base64 in a time that does not depend on what it says: it may be a key. The decoder is
/// that of `pki_types`, which takes whole entries.
fn base64(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const FIRST: &[u8] = b"-----BEGIN PRIVATE KEY-----\n";
    const LAST: &[u8] = b"\n-----END PRIVATE KEY-----\n";
    let mut text = Zeroizing::new(Vec::with_capacity(FIRST.len() + body.len() + LAST.len()));
    text.extend_from_slice(FIRST);
    let mut octets = body.iter();
    while let Some(octet) = octets.next() {
        match octet {
            octet if octet.is_ascii_whitespace() => {}
            // A newline as programming languages and JSON write it.
            b'\\' => match octets.next() {
                Some(b'n' | b'r' | b't') => {}
                _ => return None,
            },
            octet => text.push(*octet),
        }
    }
    text.extend_from_slice(LAST);
    let decoded = PrivatePkcs8KeyDer::from_pem_slice(&text).ok()?;
    Some(Zeroizing::new(decoded.secret_pkcs8_der().to_vec()))
}

/// Whether this is one SEQUENCE of DER and nothing else, as all that is read here is.
fn is_whole(der: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = der else {
        return false;
    };
    let (length, content) = match *first {
        first @ 0..=0x7f => (usize::from(first), rest),
        first @ 0x81..=0x84 => {
            let n = usize::from(first & 0x7f);
            let Some((length, content)) = rest.split_at_checked(n) else {
                return false;
            };
            let length = length.iter().fold(0_usize, |length, octet| {
                length
                    .saturating_mul(256)
                    .saturating_add(usize::from(*octet))
            });
            (length, content)
        }
        _ => return false,
    };
    content.len() == length
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = include_str!("../../tests/certificates/root.pem");
    const INTERMEDIATE: &str = include_str!("../../tests/certificates/intermediate.pem");
    const KEY: &str = include_str!("../../tests/keys/pkcs8.pem");

    /// The numbers of certificates in texts that are fine.
    fn n_certificates(text: impl AsRef<[u8]>) -> usize {
        let found = certificates(text.as_ref(), PemSource::Given("text"));
        found.map_err(|fault| fault.error).unwrap().len()
    }

    fn fault(text: impl AsRef<[u8]>) -> String {
        let found = certificates(text.as_ref(), PemSource::Given("text"));
        found.map_err(|fault| fault.error).unwrap_err().to_string()
    }

    #[test]
    fn no_entry_is_lost_however_the_text_is_laid_out() {
        let both = format!("{ROOT}{INTERMEDIATE}");
        assert_eq!(n_certificates(&both), 2);
        let glued = format!("{}{}", ROOT.trim_end(), INTERMEDIATE.trim_end());
        assert!(glued.contains("----------"));
        assert_eq!(n_certificates(&glued), 2);
        assert_eq!(n_certificates(format!("\u{feff}{both}")), 2);
        assert_eq!(n_certificates(format!("{ROOT}\u{feff}{INTERMEDIATE}")), 2);
        assert_eq!(n_certificates(both.replace('\n', "\r\n")), 2);
        assert_eq!(n_certificates(both.replace('\n', "\r")), 2);
        assert_eq!(n_certificates(both.replace('\n', "\n    ")), 2);
        assert_eq!(n_certificates(both.replace('\n', "\\n")), 2);
        assert_eq!(n_certificates(both.replace('\n', "\\r\\n")), 2);
        assert_eq!(n_certificates(both.replace('\n', " ")), 2);
        assert_eq!(
            n_certificates(both.replace("CERTIFICATE", "X509 CERTIFICATE")),
            2
        );
        let explained = format!("Issuer: CN = root, the high-end one\n{ROOT}# END\n{INTERMEDIATE}");
        assert_eq!(n_certificates(explained), 2);
        assert_eq!(n_certificates(format!("{KEY}{ROOT}")), 1);
    }

    #[test]
    fn entry_that_cannot_be_used_is_told_by_number_line_and_what_it_is() {
        let lines = ROOT.lines().count();
        let at = |text: &str| format!("entry 2 in text (line {}, CERTIFICATE) {text}", lines + 1);
        let second = |changed: &str| fault(format!("{ROOT}{changed}"));
        let cut = |n: usize| INTERMEDIATE.get(..n).unwrap();
        assert_eq!(second(cut(300)), at("has no line that ends it"));
        assert_eq!(
            second(&format!("{}{ROOT}", cut(300))),
            at("has no line that ends it: another entry begins before")
        );
        assert_eq!(
            second(&INTERMEDIATE.replace("END CERTIFICATE", "END CERTIFICAT")),
            at("is not ended by the line that belongs to its first")
        );
        let second_line = INTERMEDIATE.lines().nth(1).unwrap();
        assert_eq!(
            second(&INTERMEDIATE.replace(second_line, "")),
            at("is cut off or damaged")
        );
        assert_eq!(
            second(&INTERMEDIATE.replace(second_line, "Proc-Type: 4,ENCRYPTED")),
            at("is not Base64")
        );
        for (from, to) in [
            ("-----BEGIN", "----BEGIN"),
            ("-----BEGIN", "\u{2014}BEGIN"),
            ("-----BEGIN CERTIFICATE", "-----Begin Certificate"),
        ] {
            let text = second(&INTERMEDIATE.replace(from, to));
            let begin = format!("entry 2 in text (line {}) has a line that", lines + 1);
            assert!(text.starts_with(&begin), "{text}");
        }
        let text = second(&INTERMEDIATE.replace("CERTIFICATE-----", "CERTIFICATE----"));
        assert!(text.ends_with("does not end with five dashes"), "{text}");
    }

    #[test]
    fn entry_of_another_kind_is_told_with_what_to_do() {
        let trusted = include_str!("../../tests/certificates/trusted.pem");
        let text = fault(format!("{ROOT}{trusted}"));
        assert!(text.contains(", TRUSTED CERTIFICATE)"), "{text}");
        assert!(text.contains("openssl x509 -in"), "{text}");
        for label in ["PKCS7", "CERTIFICATE REQUEST", "X509 CRL", "SOMETHING ELSE"] {
            let text = fault(ROOT.replace("CERTIFICATE", label));
            assert!(text.starts_with("entry 1 in text (line 1, "), "{text}");
            assert!(text.contains(label), "{text}");
        }
        assert_eq!(fault(KEY), "no PEM certificate in text, only PRIVATE KEY");
    }

    #[test]
    fn text_that_is_not_pem_is_told_for_what_it_is() {
        let der = certificates(ROOT.as_bytes(), PemSource::Given("text"));
        let der = der.map_err(|fault| fault.error).unwrap().remove(0).1;
        let utf_16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let lines: Vec<_> = ROOT.lines().collect();
        let bare = lines.get(1..lines.len() - 1).unwrap().join("\n");
        let pkcs12 = b"\x30\x82\x09\x5f\x02\x01\x03\x30\x82\x09\x15";
        for (text, part) in [
            (der.to_vec(), "openssl x509 -inform DER"),
            (pkcs12.to_vec(), "openssl pkcs12"),
            (b"\xfe\xed\xfe\xed\x00\x00".to_vec(), "keytool"),
            (utf_16(&format!("\u{feff}{ROOT}")), "UTF-16"),
            (utf_16(ROOT), "UTF-16"),
            (b" \n".to_vec(), "empty"),
            (bare.into_bytes(), "Base64"),
            (b"/etc/ssl/ca.pem".to_vec(), "path"),
        ] {
            let told = fault(&text);
            assert!(told.contains(part), "{told}");
        }
        assert_eq!(fault("noise, nothing else"), "no PEM certificate in text");
    }

    #[test]
    fn first_private_key_counts_and_what_may_be_one_is_not_passed_over() {
        let source = PemSource::Given("text");
        let first = |text: &str| {
            let key = private_key(text.as_bytes(), source);
            key.map(|entry| entry.label.to_owned())
                .map_err(|fault| fault.error.to_string())
        };
        let encrypted = include_str!("../../tests/keys/encrypted-pbkdf2.pem");
        assert_eq!(
            first(&format!("{ROOT}{KEY}{encrypted}")).unwrap(),
            "PRIVATE KEY"
        );
        assert_eq!(
            first(&format!("{encrypted}{KEY}")).unwrap(),
            "ENCRYPTED PRIVATE KEY"
        );
        let told = first(&format!("{}{KEY}", encrypted.replacen("-----", "----", 1)));
        assert!(
            told.unwrap_err()
                .starts_with("entry 1 in text (line 1) has")
        );
        assert_eq!(
            first(ROOT).unwrap_err(),
            "no PEM private key in text, only CERTIFICATE"
        );
        assert!(first("0 keys").unwrap_err().starts_with("no PEM"));
        assert!(
            first("0\u{1}")
                .unwrap_err()
                .contains("openssl pkey -inform DER")
        );
    }

    #[test]
    fn der_is_whole_or_it_is_not() {
        assert!(is_whole(&[0x30, 0]));
        assert!(is_whole(&[0x30, 0x81, 1, 7]));
        for der in [
            [].as_slice(),
            &[0x30],
            &[0x30, 1],
            &[0x30, 0, 0],
            &[0x31, 0],
            &[0x30, 0x80],
            &[0x30, 0x82, 0],
            &[0x30, 0x84, 255, 255, 255, 255],
        ] {
            assert!(!is_whole(der), "{der:?}");
        }
    }
}
