//! What rustls says, in our words.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, ExtendedKeyPurpose};

use crate::error::{CertificateFault, TlsError};
use crate::text;

/// What an error of a stream says, over which TLS is spoken by a [`Session`](super::Session) or, on
/// a stream that the program has brought, by rustls itself.
pub(crate) fn of_io(error: &io::Error) -> Option<TlsError> {
    let inner = error.get_ref()?;
    let ours = inner.downcast_ref().cloned();
    ours.or_else(|| inner.downcast_ref().map(translate))
}

pub(super) fn translate(error: &Error) -> TlsError {
    let details = Arc::new(bounded(error.clone()));
    match error {
        Error::InvalidCertificate(reason) => TlsError::Certificate {
            fault: fault(reason),
            error: details,
        },
        Error::InvalidMessage(_) | Error::DecryptError | Error::PeerSentOversizedRecord => {
            TlsError::Damaged(details)
        }
        Error::PeerIncompatible(_) => TlsError::NothingInCommon(details),
        Error::AlertReceived(alert) => of_alert(*alert, details),
        _ => TlsError::Handshake(details),
    }
}

/// The error, of which no more is shown than a page: what a certificate holds is the peer's to
/// choose.
fn bounded(mut error: Error) -> Error {
    const MOST: usize = 8;
    match &mut error {
        Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented, ..
        }) => {
            presented.truncate(MOST);
            for name in presented {
                *name = text::name(name).into_owned();
            }
        }
        Error::InvalidCertificate(CertificateError::InvalidPurposeContext {
            presented, ..
        }) => {
            presented.truncate(MOST);
            for purpose in presented {
                if let ExtendedKeyPurpose::Other(id) = purpose {
                    id.truncate(MOST * 2);
                }
            }
        }
        _ => {}
    }
    error
}

fn fault(reason: &CertificateError) -> CertificateFault {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateFault::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateFault::NotYetValid
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            CertificateFault::NoNames
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::WrongName
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            CertificateFault::WrongPurpose
        }
        CertificateError::UnknownIssuer => CertificateFault::UnknownAuthority,
        CertificateError::Revoked => CertificateFault::Revoked,
        CertificateError::Other(error) => of_webpki(&error.0.to_string()),
        _ => CertificateFault::Other,
    }
}

/// What rustls hands through from the library that looks at certificates, which is no dependency of
/// ours: its errors are told by their names.
fn of_webpki(error: &str) -> CertificateFault {
    match error {
        "CaUsedAsEndEntity" => CertificateFault::IsAuthority,
        "UnsupportedCertVersion" => CertificateFault::Outdated,
        _ => CertificateFault::Other,
    }
}

/// What an alert tells of us (RFC 8446 §6.2). Most tell nothing: whether it is the broker's own
/// trouble or something between, its log knows.
fn of_alert(alert: AlertDescription, details: Arc<Error>) -> TlsError {
    match alert {
        AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::CertificateRequired => TlsError::ClientCertificateRefused(details),
        AlertDescription::ProtocolVersion
        | AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity => TlsError::NothingInCommon(details),
        AlertDescription::UnrecognisedName => TlsError::UnknownServerName(details),
        _ => TlsError::Alert(details),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn certificate_of_a_hostile_peer_fills_no_log() {
        let expected = ServerName::try_from("broker.example").unwrap();
        let names = vec!["x\u{1b}[2J\r\n".repeat(1000); 1000];
        let purposes = vec![ExtendedKeyPurpose::Other(vec![1; 1000]); 1000];
        for reason in [
            CertificateError::NotValidForNameContext {
                expected: expected.to_owned(),
                presented: names,
            },
            CertificateError::InvalidPurposeContext {
                required: ExtendedKeyPurpose::ServerAuth,
                presented: purposes,
            },
        ] {
            let error = translate(&Error::InvalidCertificate(reason));
            let text = error.to_string();
            assert!(text.len() < 4096, "{}", text.len());
            assert!(!text.chars().any(char::is_control), "{text:?}");
            assert!(format!("{error:?}").len() < 8192);
        }
    }
}
