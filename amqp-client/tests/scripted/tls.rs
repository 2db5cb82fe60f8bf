//! TLS against servers in this process, with certificates made for each test.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use amqp_client::error::{ConnectCause, Diagnosis, Stage, TlsError};
use amqp_client::{ConnectError, Connection, ConnectionOptions, TlsOptions};
use amqp_spec::connection;
use amqp_testing::broker::{Authority, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, version};

use crate::connecting::{DOCUMENT, check};
use crate::peer::{Peer, soon};
use crate::wire;

/// A folder of one test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("amqp-client-tls-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn authority() -> Authority {
    Authority::new("test authority").unwrap()
}

pub(crate) fn localhost(authority: &Authority) -> Identity {
    authority.server(&["localhost", "127.0.0.1"]).unwrap()
}

pub(crate) fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect()
}

pub(crate) fn roots(authority: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain(&authority.certificate()));
    Arc::new(roots)
}

/// A server that shows this certificate, and demands one of that authority if it is given.
pub(crate) fn config(identity: &Identity, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(roots(authority), provider)
                .build()
                .unwrap(),
        ),
    };
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    builder
        .with_single_cert(chain(&identity.certificate), key)
        .unwrap()
}

pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    pub(crate) fn options(&self, tls: TlsOptions) -> ConnectionOptions {
        ConnectionOptions::default()
            .host("localhost")
            .port(self.port)
            .login("app", "hunter2")
            .heartbeat(Duration::ZERO)
            .tls(tls)
    }

    pub(crate) async fn accept(&self) -> TcpStream {
        // The client may try the other family first, where nobody listens.
        self.listener.accept().await.unwrap().0
    }

    /// Lets one client in, as a broker; tells the server name that was asked for, if TLS came
    /// about.
    async fn serve(&self, config: ServerConfig) -> Option<Option<String>> {
        let tcp = self.accept().await;
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(tcp).await.ok()?;
        let name = stream.get_ref().1.server_name().map(str::to_owned);
        let (mut near, mut peer) = Peer::pair(64 * 1024);
        let broker = async move {
            peer.expect_header().await;
            peer.send(&wire::start("PLAIN")).await;
            peer.expect("0 connection.start-ok PLAIN").await;
            peer.send(&wire::tune(2047, 131_072, 60)).await;
            peer.next().await;
            peer.expect("0 connection.open /").await;
            peer.send(&wire::open_ok()).await;
            peer.expect("0 connection.close 200").await;
            peer.say(0, &connection::CloseOk {}).await;
            peer.expect_end().await;
        };
        let pump = tokio::io::copy_bidirectional(&mut stream, &mut near);
        let ((), pumped) = tokio::join!(broker, pump);
        // An end without a farewell would be an error.
        pumped.unwrap();
        Some(name)
    }

    /// Connects, closes, and tells the server name that was asked for.
    pub(crate) async fn accepts(&self, tls: &TlsOptions, config: ServerConfig) -> Option<String> {
        let options = self.options(tls.clone());
        self.accepts_with(&options, config).await
    }

    async fn accepts_with(
        &self,
        options: &ConnectionOptions,
        config: ServerConfig,
    ) -> Option<String> {
        let client = async {
            let connection = Connection::open_with(options).await.unwrap();
            connection.close().await.unwrap();
        };
        let ((), name) = soon(async { tokio::join!(client, self.serve(config)) }).await;
        name.expect("TLS")
    }

    pub(crate) async fn refuses(&self, tls: &TlsOptions, config: ServerConfig) -> ConnectError {
        let options = self.options(tls.clone());
        let handshake = async {
            let tcp = self.accept().await;
            let accepted = TlsAcceptor::from(Arc::new(config)).accept(tcp).await;
            if let Ok(mut stream) = accepted {
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        };
        let opening = Connection::open_with(&options);
        let (opened, ()) = soon(async { tokio::join!(opening, handshake) }).await;
        opened.unwrap_err()
    }

    /// What becomes of a client with TLS at a server without.
    pub(crate) async fn answers(&self, octets: Option<&[u8]>) -> ConnectError {
        let options = self.options(TlsOptions::default());
        let server = async {
            let mut tcp = self.accept().await;
            tcp.read_exact(&mut [0; 16]).await.unwrap();
            if let Some(octets) = octets {
                tcp.write_all(octets).await.unwrap();
                let _ = tcp.read_to_end(&mut Vec::new()).await;
            }
        };
        let opening = Connection::open_with(&options);
        let (opened, ()) = soon(async { tokio::join!(opening, server) }).await;
        opened.unwrap_err()
    }

    async fn not_even_tried(&self, tls: TlsOptions) -> TlsError {
        let options = self.options(tls);
        let error = soon(Connection::open_with(&options)).await.unwrap_err();
        check_tls(&error, None)
    }
}

/// Checks an error of TLS against the document, and returns it.
#[track_caller]
pub(crate) fn check_tls(error: &ConnectError, diagnosis: impl Into<Option<Diagnosis>>) -> TlsError {
    check(error, Stage::Tls, diagnosis);
    assert!(error.is_tls());
    match error.cause() {
        ConnectCause::Tls(error) => error.clone(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn trusting(authority: &Authority) -> TlsOptions {
    TlsOptions::default().ca_pem(authority.certificate())
}

#[tokio::test]
async fn broker_is_trusted_if_an_authority_that_was_named_vouches_for_it() {
    let authority = authority();
    let identity = localhost(&authority);
    let server = Server::new().await;
    let folder = Folder::new();
    let file = folder.write("ca.pem", &authority.certificate());

    let by_file = TlsOptions::default().ca_file(file);
    server.accepts(&by_file, config(&identity, None)).await;
    let by_octets = trusting(&authority);
    server.accepts(&by_octets, config(&identity, None)).await;
    let among_others = TlsOptions::default()
        .ca_pem(Authority::new("another").unwrap().certificate() + &authority.certificate())
        .system_roots();
    server.accepts(&among_others, config(&identity, None)).await;
}

#[tokio::test]
async fn server_name_is_the_host_s_unless_told_otherwise() {
    let authority = authority();
    let identity = authority
        .server(&["localhost", "127.0.0.1", "rabbit.example"])
        .unwrap();
    let server = Server::new().await;
    let tls = trusting(&authority);

    let name = server.accepts(&tls, config(&identity, None)).await;
    assert_eq!(name.as_deref(), Some("localhost"));
    let other = tls.clone().server_name("rabbit.example");
    let name = server.accepts(&other, config(&identity, None)).await;
    assert_eq!(name.as_deref(), Some("rabbit.example"));
    let none = tls.clone().without_server_name();
    assert_eq!(server.accepts(&none, config(&identity, None)).await, None);
    // An address is no name (RFC 6066 §3).
    let by_address = server.options(tls).host("127.0.0.1").port(server.port);
    let name = server
        .accepts_with(&by_address, config(&identity, None))
        .await;
    assert_eq!(name, None);
}

#[tokio::test]
async fn certificates_that_are_not_accepted() {
    let authority = authority();
    let server = Server::new().await;
    let tls = trusting(&authority);
    let refused = async |identity: &Identity, tls: &TlsOptions, diagnosis| {
        let error = server.refuses(tls, config(identity, None)).await;
        let passes = diagnosis == Diagnosis::CertificateNotYetValid;
        assert_eq!(error.is_retryable(), passes, "{error}");
        let TlsError::Certificate { fault, .. } = check_tls_about_time(&error, diagnosis) else {
            panic!("{error:?}");
        };
        fault
    };
    use amqp_client::error::CertificateFault::{Expired, UnknownAuthority, WrongName};

    let expired = authority.expired_server(&["localhost"]).unwrap();
    let fault = refused(&expired, &tls, Diagnosis::CertificateExpired).await;
    assert_eq!(fault, Expired);

    let other_name = authority.server(&["rabbit.example"]).unwrap();
    let fault = refused(&other_name, &tls, Diagnosis::CertificateForAnotherHost).await;
    assert_eq!(fault, WrongName);

    let identity = localhost(&authority);
    let other_tls = tls.server_name("elsewhere.example");
    let fault = refused(&identity, &other_tls, Diagnosis::CertificateForAnotherHost).await;
    assert_eq!(fault, WrongName);

    let stranger = Authority::new("stranger").unwrap();
    for tls in [trusting(&stranger), TlsOptions::default()] {
        let fault = refused(&identity, &tls, Diagnosis::UnknownAuthority).await;
        assert_eq!(fault, UnknownAuthority);
    }
}

/// Messages about certificates have times and names in them: only their beginnings are documented.
#[track_caller]
pub(crate) fn check_tls_about_time(error: &ConnectError, diagnosis: Diagnosis) -> TlsError {
    assert_eq!(error.diagnosis(), Some(diagnosis), "{error}");
    assert_eq!(error.stage(), Stage::Tls);
    assert!(error.to_string().ends_with(&format!("({diagnosis})")));
    assert!(DOCUMENT.contains(&format!("({diagnosis})`")), "{diagnosis}");
    let ConnectCause::Tls(error) = error.cause() else {
        panic!("{error:?}");
    };
    error.clone()
}

#[tokio::test]
async fn verification_can_be_turned_off_by_a_name_that_says_so() {
    let authority = authority();
    let server = Server::new().await;
    let tls = TlsOptions::default().danger_accept_any_certificate();
    let expired = authority.expired_server(&["rabbit.example"]).unwrap();
    server.accepts(&tls, config(&expired, None)).await;
    for version in [&version::TLS12, &version::TLS13] {
        let provider = Arc::new(default_provider());
        let key = PrivateKeyDer::from_pem_slice(expired.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain(&expired.certificate), key)
            .unwrap();
        server.accepts(&tls, config).await;
    }
}

#[tokio::test]
async fn client_shows_its_certificate_if_it_has_one() {
    let authority = authority();
    let identity = localhost(&authority);
    let client = authority.client("app").unwrap();
    let server = Server::new().await;
    let folder = Folder::new();
    let tls = trusting(&authority);

    let certificate = folder.write("client.pem", &client.certificate);
    let key = folder.write("client-key.pem", &client.key);
    let by_files = tls.clone().client_certificate(&certificate, &key);
    server
        .accepts(&by_files, config(&identity, Some(&authority)))
        .await;

    let key = client.key.as_str();
    let by_octets = tls
        .clone()
        .client_certificate_pem(client.certificate.clone(), key);
    server
        .accepts(&by_octets, config(&identity, Some(&authority)))
        .await;
    assert!(!format!("{by_octets:?}").contains(key.lines().nth(1).unwrap()));

    let both = folder.write("both.pem", &(client.certificate.clone() + &client.key));
    let one_file = tls.clone().client_certificate(&both, &both);
    server
        .accepts(&one_file, config(&identity, Some(&authority)))
        .await;
}

#[tokio::test]
async fn client_certificate_that_is_missing_or_refused() {
    let authority = authority();
    let identity = localhost(&authority);
    let server = Server::new().await;
    let tls = trusting(&authority);

    let error = server
        .refuses(&tls, config(&identity, Some(&authority)))
        .await;
    let error = check_tls(&error, Diagnosis::ClientCertificate);
    assert!(matches!(error, TlsError::ClientCertificateRefused(_)));

    let stranger = Authority::new("stranger").unwrap().client("app").unwrap();
    let tls = tls.client_certificate_pem(stranger.certificate, stranger.key);
    let error = server
        .refuses(&tls, config(&identity, Some(&authority)))
        .await;
    assert_eq!(
        error.diagnosis(),
        Some(Diagnosis::ClientCertificate),
        "{error}"
    );
    assert_eq!(error.stage(), Stage::Tls);
}

/// S22, F26: neither side has to be restarted for a new certificate.
#[tokio::test]
async fn files_are_read_again_at_each_attempt() {
    let [before, after] = ["before", "after"].map(|name| Authority::new(name).unwrap());
    let server = Server::new().await;
    let folder = Folder::new();
    let write = |authority: &Authority| {
        let client = authority.client("app").unwrap();
        folder.write("ca.pem", &authority.certificate());
        folder.write("client.pem", &client.certificate);
        folder.write("client-key.pem", &client.key);
    };
    let path = |name: &str| folder.0.join(name);
    let tls = TlsOptions::default()
        .ca_file(path("ca.pem"))
        .client_certificate(path("client.pem"), path("client-key.pem"));

    write(&before);
    let old = || config(&localhost(&before), Some(&before));
    let new = || config(&localhost(&after), Some(&after));
    server.accepts(&tls, old()).await;
    let error = server.refuses(&tls, new()).await;
    assert_eq!(
        error.diagnosis(),
        Some(Diagnosis::UnknownAuthority),
        "{error}"
    );
    write(&after);
    server.accepts(&tls, new()).await;
}

#[tokio::test]
async fn server_that_does_not_speak_tls() {
    let server = Server::new().await;
    // RabbitMQ 3.10 and 4.0 at the port for plain AMQP, and a web server.
    for answer in [
        b"AMQP\x00\x00\x09\x01".as_slice(),
        b"AMQP\x03\x01\x00\x00",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ] {
        let error = server.answers(Some(answer)).await;
        assert!(error.is_incompatible_protocol(), "{error}");
        assert!(matches!(
            check_tls(&error, Diagnosis::TlsNotSpoken),
            TlsError::NotTls
        ));
    }
    let error = server.answers(None).await;
    assert_eq!(error.stage(), Stage::Tls);
    assert_eq!(error.diagnosis(), Some(Diagnosis::TlsNotSpoken), "{error}");
}

#[tokio::test]
async fn server_that_does_not_answer_tls_is_given_up() {
    let server = Server::new().await;
    let limit = Duration::from_millis(200);
    let options = server
        .options(TlsOptions::default())
        .handshake_timeout(limit);
    let opening = Connection::open_with(&options);
    let listening = async {
        let mut tcp = server.accept().await;
        // Until the client has hung up.
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    };
    let (opened, ()) = soon(async { tokio::join!(opening, listening) }).await;
    let error = opened.unwrap_err();
    assert_eq!(error.stage(), Stage::Tls);
    assert_eq!(error.diagnosis(), Some(Diagnosis::TlsNotSpoken), "{error}");
    assert!(error.is_timeout());
}

#[tokio::test]
async fn handshake_that_is_dropped_closes_the_socket() {
    let server = Server::new().await;
    let options = server.options(TlsOptions::default());
    let mut opening = Box::pin(Connection::open_with(&options));
    let mut tcp = soon(async {
        tokio::select! {
            opened = &mut opening => panic!("{opened:?}"),
            tcp = server.accept() => tcp,
        }
    })
    .await;
    drop(opening);
    let _ = soon(tcp.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn files_that_are_no_use_are_named() {
    let server = Server::new().await;
    let folder = Folder::new();
    let authority = authority();
    let client = authority.client("app").unwrap();
    let tls = trusting(&authority);
    let at = |error: &TlsError, name: &str| {
        let text = error.to_string();
        assert!(text.contains(name), "{text}");
    };

    let missing = tls.clone().ca_file(Path::new("/nonexistent/ca.pem"));
    let error = server.not_even_tried(missing).await;
    assert!(matches!(&error, TlsError::File { path, .. } if path.ends_with("ca.pem")));

    let noise = folder.write("noise.pem", "this is no certificate");
    let error = server.fails_to_prepare(tls.clone().ca_file(&noise)).await;
    assert!(matches!(error, TlsError::NoCertificate { .. }));
    at(&error, "noise.pem");

    let certificate = folder.write("client.pem", &client.certificate);
    let key = folder.write("client-key.pem", &client.key);
    let error = server
        .fails_to_prepare(tls.clone().client_certificate(&noise, &key))
        .await;
    assert!(matches!(error, TlsError::NoCertificate { .. }));
    let error = server
        .fails_to_prepare(tls.clone().client_certificate(&certificate, &noise))
        .await;
    assert!(matches!(error, TlsError::NoPrivateKey { .. }));
    at(&error, "noise.pem");

    let other = authority.client("other").unwrap();
    let error = server
        .not_even_tried(
            tls.clone()
                .client_certificate_pem(client.certificate.clone(), other.key),
        )
        .await;
    assert!(matches!(error, TlsError::ClientIdentity(_)));

    let encrypted = include_str!("../keys/encrypted-pbkdf2.pem");
    let error = server
        .not_even_tried(tls.client_certificate_pem(client.certificate, encrypted))
        .await;
    assert!(matches!(error, TlsError::EncryptedKey { .. }));
}

impl Server {
    async fn fails_to_prepare(&self, tls: TlsOptions) -> TlsError {
        let options = self.options(tls);
        match soon(Connection::open_with(&options))
            .await
            .unwrap_err()
            .cause()
        {
            ConnectCause::Tls(error) => error.clone(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn host_that_no_certificate_can_name_is_an_error() {
    let options = ConnectionOptions::default().host("h\u{f6}st");
    let options = options.tls(TlsOptions::default());
    let error = soon(Connection::open_with(&options)).await.unwrap_err();
    assert!(matches!(
        error.cause(),
        ConnectCause::Tls(TlsError::ServerName(name)) if name == "h\u{f6}st"
    ));
}

#[tokio::test]
async fn configuration_of_one_s_own_is_used() {
    let authority = authority();
    let server = Server::new().await;
    let identity = localhost(&authority);
    let mut config_of_ours = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_root_certificates(roots(&authority))
        .with_no_client_auth();
    config_of_ours.enable_sni = false;
    let tls = TlsOptions::default().rustls_config(config_of_ours);
    assert_eq!(tls, tls.clone());
    let name = server.accepts(&tls, config(&identity, None)).await;
    assert_eq!(name, None);
}

#[tokio::test]
async fn provider_of_one_s_own_is_used() {
    let authority = authority();
    let server = Server::new().await;
    let identity = localhost(&authority);
    let mut provider = default_provider();
    let tls = trusting(&authority).crypto_provider(provider.clone());
    server.accepts(&tls, config(&identity, None)).await;
    // Nothing can be agreed on without ciphers.
    provider.cipher_suites.clear();
    let tls = trusting(&authority).crypto_provider(provider);
    let error = server.fails_to_prepare(tls).await;
    assert!(matches!(error, TlsError::Handshake(_)), "{error}");
}
