//! What certificates are refused for, and what is wrong on this side: told in words of its own,
//! once, and not tried again unless a file may have changed.

use std::sync::Arc;
use std::time::Duration;

use amqp_client::error::{CertificateFault, ConnectCause, Diagnosis, Stage, TlsError};
use amqp_client::{ConnectError, Connection, ConnectionOptions, TlsOptions};
use tokio_rustls::rustls::crypto::ring::{default_provider, sign::any_supported_type};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ServerConfig, version};

use crate::peer::soon;
use crate::tls::{
    Folder, Server, authority, chain, check_tls, check_tls_about_time, config, trusting,
};

const ROOT: &str = include_str!("../certificates/root.pem");
const INTERMEDIATE: &str = include_str!("../certificates/intermediate.pem");
const BEHIND_INTERMEDIATE: &str = include_str!("../certificates/behind-intermediate.pem");
const SELF_SIGNED: &str = include_str!("../certificates/self-signed.pem");
const TRUSTED: &str = include_str!("../certificates/trusted.pem");
const VERSION_1: &str = include_str!("../certificates/version-1.pem");

/// A server that shows the certificates of this text, whatever they are, with the key in it.
fn showing(pem: &str) -> ServerConfig {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let identity = CertifiedKey::new(chain(pem), any_supported_type(&key).unwrap());
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
}

#[tokio::test]
async fn certificates_that_cannot_be_a_server_s_are_told_for_what_they_are() {
    let server = Server::new().await;
    let refused = async |tls: &TlsOptions, config, fault, diagnosis| {
        let error = server.refuses(tls, config).await;
        let told = check_tls_about_time(&error, diagnosis);
        assert!(
            matches!(told, TlsError::Certificate { fault: told, .. } if told == fault),
            "{error:?}"
        );
    };
    let authority = authority();
    let tls = trusting(&authority);
    let without_names = authority.server(&[]).unwrap();
    refused(
        &tls,
        config(&without_names, None),
        CertificateFault::NoNames,
        Diagnosis::CertificateWithoutNames,
    )
    .await;
    let of_a_client = authority.client("localhost").unwrap();
    refused(
        &tls,
        config(&of_a_client, None),
        CertificateFault::WrongPurpose,
        Diagnosis::CertificateForAnotherPurpose,
    )
    .await;
    // Also where it is trusted.
    for tls in [tls, TlsOptions::default().ca_pem(SELF_SIGNED)] {
        refused(
            &tls,
            showing(SELF_SIGNED),
            CertificateFault::IsAuthority,
            Diagnosis::CertificateIsAuthority,
        )
        .await;
    }
    refused(
        &TlsOptions::default().ca_pem(ROOT),
        showing(VERSION_1),
        CertificateFault::Outdated,
        Diagnosis::CertificateOutdated,
    )
    .await;
}

#[tokio::test]
async fn broker_that_does_not_send_what_is_between_is_not_blamed_on_our_files_alone() {
    let server = Server::new().await;
    let tls = TlsOptions::default().ca_pem(ROOT);
    let error = server.refuses(&tls, showing(BEHIND_INTERMEDIATE)).await;
    check_tls_about_time(&error, Diagnosis::UnknownAuthority);
    assert!(
        error
            .to_string()
            .contains("the broker has to send the certificates between")
    );
    let complete = format!("{BEHIND_INTERMEDIATE}{INTERMEDIATE}");
    server.accepts(&tls, showing(&complete)).await;
    // Two authorities in one line: neither is lost.
    let glued = format!("{}{INTERMEDIATE}", ROOT.trim_end());
    let tls = TlsOptions::default().ca_pem(glued);
    server.accepts(&tls, showing(BEHIND_INTERMEDIATE)).await;
}

/// Two hosts and three rounds; a second round would come when the test has long failed.
fn options(tls: TlsOptions) -> ConnectionOptions {
    ConnectionOptions::default()
        .hosts([("localhost", 1), ("127.0.0.1", 1)])
        .connection_attempts(3)
        .retry_delay(Duration::from_secs(3600))
        .login("app", "hunter2")
        .tls(tls)
}

async fn fails(options: &ConnectionOptions) -> ConnectError {
    soon(Connection::open_with(options)).await.unwrap_err()
}

#[tokio::test]
async fn what_is_wrong_here_is_final_and_told_once() {
    let authority = authority();
    let client = authority.client("app").unwrap();
    let other = authority.client("other").unwrap();
    let good = trusting(&authority);
    let encrypted = include_str!("../keys/encrypted-pbkdf2.pem");
    let des3 = include_str!("../keys/encrypted-des3.pem");
    let identity = |certificate: &str, key: &str| {
        let tls = trusting(&authority);
        tls.client_certificate_pem(certificate, key)
    };
    let folder = Folder::new();
    let key_file = folder.write("key.pem", &client.key);
    for tls in [
        good.clone().server_name("two words"),
        good.clone().server_name(""),
        good.clone().ca_pem("noise"),
        good.clone().ca_pem(format!("{ROOT}{TRUSTED}")),
        identity("noise", &client.key),
        identity(&client.certificate, "noise"),
        identity(&client.certificate, &other.key),
        identity(&client.certificate, encrypted),
        identity(&client.certificate, des3).key_password("sw0rdfish"),
        // The text of a key where its path should be.
        good.clone().client_certificate(&key_file, &client.key),
    ] {
        let error = fails(&options(tls)).await;
        assert_eq!(error.stage(), Stage::Tls, "{error}");
        assert!(error.is_tls() && !error.is_retryable(), "{error}");
        assert_eq!(error.attempts().len(), 1, "{error}");
        let text = error.to_string();
        let begin = "cannot connect to localhost:1, 127.0.0.1:1 while agreeing on TLS: ";
        assert!(text.starts_with(begin) && !text.contains('\n'), "{text}");
        let key = client.key.lines().nth(1).unwrap();
        assert!(!format!("{error} {error:#?}").contains(key));
    }
    // One host of several that no certificate can name.
    let options = options(good).hosts([("localhost", 1), ("h\u{f6}st", 1)]);
    let error = fails(&options).await;
    assert!(!error.is_retryable() && error.attempts().len() == 1);
    assert!(matches!(
        error.cause(),
        ConnectCause::Tls(TlsError::ServerName(name)) if name == "h\u{f6}st"
    ));
}

#[tokio::test]
async fn file_that_is_missing_is_looked_for_in_each_round_and_told_once() {
    let tls = TlsOptions::default().ca_file("/nonexistent/ca.pem");
    let options = options(tls).retry_delay(Duration::ZERO);
    let error = fails(&options).await;
    assert!(error.is_retryable());
    assert_eq!(error.attempts().len(), 1, "{error}");
    check_tls(&error, None);
}

#[tokio::test]
async fn what_is_in_files_is_named_with_its_entry_or_its_form() {
    let folder = Folder::new();
    let ca = folder.write("ca.pem", &format!("{ROOT}{TRUSTED}"));
    let error = fails(&options(TlsOptions::default().ca_file(&ca)).connection_attempts(1)).await;
    let text = error
        .to_string()
        .replace(&ca.display().to_string(), "ca.pem");
    let document = crate::connecting::DOCUMENT;
    let told = text.split("on TLS: ").nth(1).unwrap();
    assert!(document.contains(&format!("on TLS: {told}`")), "{told}");
    assert!(error.is_retryable());

    let key = folder.write("key.pem", include_str!("../keys/pkcs8.pem"));
    let error = fails(&options(TlsOptions::default().ca_file(&key)).connection_attempts(1)).await;
    let text = error
        .to_string()
        .replace(&key.display().to_string(), "key.pem");
    let told = text.split("on TLS: ").nth(1).unwrap();
    assert!(document.contains(&format!("on TLS: {told}`")), "{told}");
}
