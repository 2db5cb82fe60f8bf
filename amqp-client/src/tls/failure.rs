//! What rustls says, in our words.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error};

use crate::error::{CertificateFault, ConnectCause, ConnectionError, Stage, TlsError};

/// Why a handshake failed.
pub(super) fn of_handshake(error: io::Error) -> ConnectCause {
    match inner(&error) {
        Some(inner) => ConnectCause::Tls(translate(inner)),
        None => error.into(),
    }
}

/// With TLS 1.3 a client is done before the server has looked at its certificate: what the server
/// says of it looks like an error of the first read.
pub(crate) fn explain(failure: (Stage, ConnectCause)) -> (Stage, ConnectCause) {
    if let (_, ConnectCause::Connection(ConnectionError::Io(error))) = &failure {
        if let Some(inner) = inner(error) {
            return (Stage::Tls, ConnectCause::Tls(translate(inner)));
        }
    }
    failure
}

fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn translate(error: &Error) -> TlsError {
    let details = Arc::new(error.clone());
    match error {
        Error::InvalidCertificate(reason) => TlsError::Certificate {
            fault: fault(reason),
            error: details,
        },
        Error::InvalidMessage(_) => TlsError::NotTls,
        Error::AlertReceived(alert) if is_about_us(*alert) => {
            TlsError::ClientCertificateRefused(details)
        }
        Error::AlertReceived(_) => TlsError::Alert(details),
        _ => TlsError::Handshake(details),
    }
}

fn fault(reason: &CertificateError) -> CertificateFault {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateFault::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateFault::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::WrongName
        }
        CertificateError::UnknownIssuer => CertificateFault::UnknownAuthority,
        CertificateError::Revoked => CertificateFault::Revoked,
        _ => CertificateFault::Other,
    }
}

/// Alerts that speak of the certificate of whoever receives them (RFC 8446 §6.2).
fn is_about_us(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}
