//! TLS nodes and certificates, judged by rustls.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

use amqp_testing::broker::{Authority, Identity};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

use crate::support::{LONG, options};

#[test]
fn tls_is_served_with_certificates_of_the_broker() {
    let Some(options) = options() else { return };
    let broker = options.tls().start().unwrap();
    let certificates = broker.certificates().unwrap();
    let url = broker.first().tls_url().unwrap();
    let (_, address) = url.split_once('@').unwrap();
    let identity = (certificates.client(), certificates.client_key());
    let [authority, certificate, key] =
        [certificates.authority(), identity.0, identity.1].map(|path| fs::read(path).unwrap());

    for client in [None, Some((certificate.as_slice(), key.as_slice()))] {
        let config = Arc::new(client_config(&authority, client));
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(config, name).unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        stream.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
        let mut frame = [0; 11];
        stream.read_exact(&mut frame).unwrap();
        assert_eq!(frame[7..], [0, 10, 0, 10], "not connection.start");
    }
}

#[test]
fn certificates_are_good_for_their_purpose_only() {
    let authority = Authority::new("test authority").unwrap();
    let other = Authority::new("another authority").unwrap();
    let server = authority.server(&["localhost", "127.0.0.1"]).unwrap();
    let client = authority.client("guest").unwrap();

    handshake(&authority, &server, "localhost", Some(&client)).unwrap();
    handshake(&authority, &server, "127.0.0.1", Some(&client)).unwrap();
    let refusal = |authority: &Authority, server: &Identity, name: &str, client| {
        handshake(authority, server, name, client).unwrap_err()
    };
    let stranger = refusal(&other, &server, "localhost", None);
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    let wrong_name = refusal(&authority, &server, "example.org", None);
    assert!(wrong_name.contains("NotValidForName"), "{wrong_name}");
    let expired = authority.expired_server(&["localhost"]).unwrap();
    let late = refusal(&authority, &expired, "localhost", None);
    assert!(late.contains("Expired"), "{late}");
    let anonymous = refusal(&authority, &server, "localhost", None);
    assert!(anonymous.contains("NoCertificatesPresented"), "{anonymous}");
    let server_as_client = refusal(&authority, &server, "localhost", Some(&server));
    assert!(
        server_as_client.contains("InvalidPurpose"),
        "{server_as_client}"
    );
}

/// A handshake in memory between a client that trusts `authority` and a server that insists on a
/// certificate of the same.
fn handshake(
    authority: &Authority,
    server: &Identity,
    name: &str,
    client: Option<&Identity>,
) -> Result<(), String> {
    let authority = authority.certificate().into_bytes();
    let client = client.map(|it| (it.certificate.as_bytes(), it.key.as_bytes()));
    let client = Arc::new(client_config(&authority, client));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();

    let verifier = WebPkiClientVerifier::builder(Arc::new(roots(&authority)))
        .build()
        .unwrap();
    let server = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            chain(server.certificate.as_bytes()),
            key(server.key.as_bytes()),
        )
        .unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();

    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        if !wire.is_empty() {
            server.read_tls(&mut wire.as_slice()).unwrap();
            server
                .process_new_packets()
                .map_err(|error| format!("{error:?}"))?;
        }
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        if !wire.is_empty() {
            client.read_tls(&mut wire.as_slice()).unwrap();
            client
                .process_new_packets()
                .map_err(|error| format!("{error:?}"))?;
        }
    }
    Ok(())
}

fn client_config(authority: &[u8], identity: Option<(&[u8], &[u8])>) -> ClientConfig {
    let config = ClientConfig::builder().with_root_certificates(roots(authority));
    match identity {
        Some((certificate, pem)) => config
            .with_client_auth_cert(chain(certificate), key(pem))
            .unwrap(),
        None => config.with_no_client_auth(),
    }
}

fn roots(authority: &[u8]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    chain(authority)
        .into_iter()
        .for_each(|certificate| roots.add(certificate).unwrap());
    roots
}

fn chain(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .map(Result::unwrap)
        .collect()
}

fn key(pem: &[u8]) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(pem).unwrap()
}
