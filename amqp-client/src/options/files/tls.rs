//! Whom to trust and who to be, with TLS.

use std::path::Path;

use amqp_spec::wire::{FieldArray, FieldTable, FieldValue};

use crate::options::{ConnectionOptions, ServerName, TlsOptions, Verify};
use crate::settings::{Entry, Fault};

pub(super) const KEYS: [&str; 12] = [
    "ca_files",
    "ca_pem",
    "system_roots",
    "bundled_roots",
    "certificate_file",
    "key_file",
    "certificate_pem",
    "key_pem",
    "key_password",
    "server_name",
    "without_server_name",
    "danger_accept_any_certificate",
];

/// True, or a table of what differs from the defaults, or from what the URI says.
pub(super) fn read(options: &mut ConnectionOptions, entry: &Entry<'_>) -> Result<(), Fault> {
    match entry.value().as_bool() {
        Some(false) if options.tls.is_some() => {
            return Err(entry.fault("is false, and the URI begins with amqps://"));
        }
        Some(false) => {}
        Some(true) => {
            options.tls.get_or_insert_default();
        }
        None => read_table(options.tls.get_or_insert_default(), entry)?,
    }
    Ok(())
}

fn read_table(tls: &mut TlsOptions, file: &Entry<'_>) -> Result<(), Fault> {
    let entries = file
        .entries()
        .map_err(|_| file.must_be("true, false or a table"))?;
    let mut pem = (None, None);
    for entry in &entries {
        match entry.name() {
            "ca_files" => {
                let files = texts(entry)?;
                tls.ca_files = files.into_iter().map(Into::into).collect();
            }
            "ca_pem" => {
                let texts = texts(entry)?;
                tls.ca_pem = texts.into_iter().map(Into::into).collect();
            }
            "system_roots" => tls.system_roots = entry.boolean()?,
            "bundled_roots" => tls.bundled_roots = entry.boolean()?,
            "certificate_file" => tls.certificate_file = Some(entry.text()?.into()),
            "key_file" => tls.key_file = Some(entry.text()?.into()),
            "certificate_pem" => pem.0 = Some(entry.text()?),
            "key_pem" => pem.1 = Some(entry.text()?),
            "key_password" => tls.key_password = Some(entry.text()?.into()),
            "server_name" => tls.server_name = ServerName::Is(entry.text()?.to_owned()),
            "without_server_name" if entry.boolean()? => tls.server_name = ServerName::NotSent,
            "danger_accept_any_certificate" if entry.boolean()? => tls.verify = Verify::Nothing,
            "without_server_name" | "danger_accept_any_certificate" => {}
            _ => return Err(entry.unknown(KEYS.into_iter())),
        }
    }
    check(file, &entries)?;
    match pem {
        (None, None) => {}
        (Some(certificate), Some(key)) => {
            *tls = tls.clone().client_certificate_pem(certificate, key);
        }
        _ => return Err(file.fault("has certificate_pem or key_pem without the other")),
    }
    Ok(())
}

/// Two keys for one thing.
fn check(file: &Entry<'_>, entries: &[Entry<'_>]) -> Result<(), Fault> {
    let said = |name: &str| {
        let mut entries = entries.iter();
        entries.any(|entry| entry.name() == name && entry.value().as_bool() != Some(false))
    };
    for (one, other) in [
        ("certificate_file", "certificate_pem"),
        ("key_file", "key_pem"),
        ("server_name", "without_server_name"),
    ] {
        if said(one) && said(other) {
            return Err(file.fault(format!("has both {one} and {other}")));
        }
    }
    Ok(())
}

/// One text, or a list of them.
fn texts<'a>(entry: &Entry<'a>) -> Result<Vec<&'a str>, Fault> {
    match entry.text() {
        Ok(text) => Ok(vec![text]),
        Err(_) => entry.list()?.iter().map(Entry::text).collect(),
    }
}

/// What differs from the defaults, without secrets. A certificate and key that are not in files
/// cannot be left out like a password: the options would log in as another, or not at all.
pub(super) fn write(tls: &TlsOptions) -> Result<FieldValue, Fault> {
    if tls.identity_pem.is_some() {
        let problem = "has a key in it, which is not written; name files in its place";
        return Err(Fault::new("tls.client_certificate_pem", problem));
    }
    let mut file = FieldTable::new();
    let mut files = FieldArray::new();
    for path in &tls.ca_files {
        files.push(written("tls.ca_files", path)?);
    }
    let mut pems = FieldArray::new();
    for pem in &tls.ca_pem {
        pems.push(public("tls.ca_pem", pem)?);
    }
    for (key, list) in [("ca_files", files), ("ca_pem", pems)] {
        if !list.is_empty() {
            file.insert(key, list);
        }
    }
    for (key, path) in [
        ("certificate_file", &tls.certificate_file),
        ("key_file", &tls.key_file),
    ] {
        if let Some(path) = path {
            file.insert(key, written(&format!("tls.{key}"), path)?);
        }
    }
    if let ServerName::Is(name) = &tls.server_name {
        file.insert("server_name", name);
    }
    for (key, is_set) in [
        ("system_roots", tls.system_roots),
        ("bundled_roots", tls.bundled_roots),
        (
            "without_server_name",
            tls.server_name == ServerName::NotSent,
        ),
        (
            "danger_accept_any_certificate",
            tls.verify == Verify::Nothing,
        ),
    ] {
        if is_set {
            file.insert(key, true);
        }
    }
    refuse_brought(tls)?;
    Ok(match file.is_empty() {
        true => true.into(),
        false => file.into(),
    })
}

/// A path, unless it is the text of a key that was taken for one.
fn written<'a>(key: &str, path: &'a Path) -> Result<&'a str, Fault> {
    let text = path.to_str();
    let text = text.ok_or_else(|| Fault::new(key, "is not UTF-8, and cannot be written"))?;
    match text.contains("-----BEGIN ") {
        true => Err(Fault::new(key, "is the text of a file, not its path")),
        false => Ok(text),
    }
}

/// Certificates, unless a key is among them.
fn public<'a>(key: &str, pem: &'a [u8]) -> Result<&'a str, Fault> {
    let text = std::str::from_utf8(pem).ok();
    let text = text.ok_or_else(|| Fault::new(key, "is not UTF-8, and cannot be written"))?;
    match text.contains("PRIVATE KEY") {
        true => Err(Fault::new(
            key,
            "has a private key in it, which is not written",
        )),
        false => Ok(text),
    }
}

#[cfg(feature = "rustls-core")]
fn refuse_brought(tls: &TlsOptions) -> Result<(), Fault> {
    let cannot = |key| {
        Err(Fault::new(
            key,
            "cannot be written: it is an object of the program",
        ))
    };
    match (&tls.brought.config, &tls.brought.provider) {
        (Some(_), _) => cannot("tls.rustls_config"),
        (None, Some(_)) => cannot("tls.crypto_provider"),
        (None, None) => Ok(()),
    }
}

#[cfg(not(feature = "rustls-core"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "there is nothing that could be brought along"
)]
fn refuse_brought(_: &TlsOptions) -> Result<(), Fault> {
    Ok(())
}
