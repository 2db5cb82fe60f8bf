//! Options in files (feature `serde`).
//!
//! Keys are the names of the setters. Passwords, keys and URIs are read and never written; what a
//! program brings along, functions and objects, can neither be read nor written: most of it is an
//! error, the functions about recovery are left out.

mod hosts;
mod read;
mod recovery;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod write;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ConnectionOptions;
use crate::settings;

/// A URI, or a table of the setters as keys; see the guide's page on files. Options that are not
/// valid ([`validate`](ConnectionOptions::validate)) are refused.
impl<'de> Deserialize<'de> for ConnectionOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        settings::read(deserializer, read::options)
    }
}

/// What differs from the defaults, **without passwords**: neither the user's nor that of a key.
/// Fails if the options hold a certificate and key that are not in files
/// ([`client_certificate_pem`](crate::TlsOptions::client_certificate_pem)), or what no file can
/// say: a source of credentials, a mechanism or a rule of heartbeats of the program's own, parts of
/// rustls. The functions of a [`Recovery`](crate::options::Recovery) are left out: they decide what
/// a connection gets back, and not which one it is.
impl Serialize for ConnectionOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        settings::write(write::options(self), serializer)
    }
}
