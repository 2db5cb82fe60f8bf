//! TLS with RabbitMQ: the broker that everybody shares, and one of our own that demands client
//! certificates and lets in whom they name.

use std::env;
use std::sync::Arc;

use amqp_client::error::{Diagnosis, Stage};
use amqp_client::sasl::AuthMechanism;
use amqp_client::{Connection, ConnectionOptions, Message, PublishError, QueueDeclare, TlsOptions};
use amqp_testing::{Broker, BrokerOptions, Proxy};
use tokio::runtime::Builder;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, version};

use crate::support::{
    Site, declare, endpoint, lasting, limited, ready, run, run_on_threads, until,
};

/// The shared broker's port for TLS, and the test's virtual host. Says so if there is none.
fn over_tls(site: &Site) -> Option<ConnectionOptions> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(url), Some(ca)) = (variable("AMQP_TEST_TLS_URL"), variable("AMQP_TEST_CA")) else {
        assert!(variable("CI").is_none(), "AMQP_TEST_TLS_URL is not set");
        eprintln!("not tested: AMQP_TEST_TLS_URL and AMQP_TEST_CA are not set");
        return None;
    };
    let options = lasting(&url);
    let options = options.tls(TlsOptions::default().ca_file(ca));
    Some(options.virtual_host(site.name()))
}

#[test]
fn s22_messages_of_every_size_pass_over_tls() {
    run_on_threads(async |site| {
        let Some(options) = over_tls(site) else {
            return;
        };
        let connection = Connection::open_with(&options).await.unwrap();
        let publisher = connection.open_publisher().await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        let queue = QueueDeclare::new("sizes");
        channel.queue_declare(queue).await.unwrap();
        let sizes = [0, 1, 16_383, 16_384, 131_064, 1_000_000, 9_000_000];
        for size in sizes {
            let octets: Vec<u8> = (0..size).map(|n: usize| n.to_le_bytes()[n % 2]).collect();
            let message = Message::new(octets);
            publisher.publish("", "sizes", &message).await.unwrap();
        }
        let mut consumer = channel.consume("sizes").no_ack().await.unwrap();
        for size in sizes {
            let delivery = consumer.next().await.unwrap().unwrap();
            assert_eq!(delivery.body().len(), size);
            let mut octets = delivery.body().iter().enumerate();
            assert!(octets.all(|(n, octet)| *octet == n.to_le_bytes()[n % 2]));
        }
        connection.close().await.unwrap();
    });
}

/// A line that is cut within what TLS has sent: the broker has routed what came whole.
#[test]
fn f8_line_below_tls_that_is_cut_has_carried_nothing_that_is_told_as_not_sent() {
    const N: usize = 1000;
    run(async |site| {
        let Some(options) = over_tls(site) else {
            return;
        };
        let url = env::var("AMQP_TEST_TLS_URL").unwrap();
        let proxy = Proxy::to_url(&url).unwrap();
        let address = proxy.address();
        let options = options.host(address.ip().to_string()).port(address.port());
        let other = site.connect().await;
        for cut_after in [1, 5000, 16_406, 40_000, 100_000] {
            proxy.heal();
            let before = proxy.to_broker().n_forwarded();
            let connection = Connection::open_with(&options).await.unwrap();
            let publisher = connection.open_publisher().await.unwrap();
            let queue = format!("q{cut_after}");
            declare(publisher.channel(), &queue).await;
            let mine = QueueDeclare::new("mine").exclusive();
            publisher.channel().queue_declare(mine).await.unwrap();
            let opened = proxy.to_broker().n_forwarded() - before;
            proxy.to_broker().cut_after(opened + cut_after);
            let message = Message::new(vec![b'.'; 100]);
            let mut confirmations = Vec::new();
            let (mut not_sent, mut confirmed) = (0, 0);
            for _ in 0..N {
                match publisher.send("", &queue, &message).await {
                    Ok(confirmation) => confirmations.push(confirmation),
                    Err(PublishError::NotSent(_)) => not_sent += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
            for confirmation in confirmations {
                match confirmation.await {
                    Ok(()) => confirmed += 1,
                    Err(PublishError::Uncertain(_)) => {}
                    Err(PublishError::NotSent(_)) => not_sent += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
            connection.closed().await;
            // The broker has done what it will when the queue of the connection is gone.
            let gone = async || {
                let asking = other.open_channel().await.unwrap();
                let passive = QueueDeclare::new("mine").passive();
                let error = asking.queue_declare(passive).await.unwrap_err();
                error.broker_close().unwrap().reply_code.0
            };
            until("the exclusive queue", 404, gone).await;
            let asking = other.open_channel().await.unwrap();
            let routed = ready(&asking, &queue).await;
            assert!(
                routed + not_sent <= N,
                "{cut_after}: {routed} + {not_sent} of {N}"
            );
            assert!(routed >= confirmed, "{cut_after}: {routed} < {confirmed}");
        }
    });
}

#[test]
fn s22_broker_that_cannot_prove_who_it_is_hears_no_password() {
    run(async |site| {
        let Some(options) = over_tls(site) else {
            return;
        };
        let of_the_system = options.clone().tls(TlsOptions::default());
        let error = Connection::open_with(&of_the_system).await.unwrap_err();
        assert_eq!(error.stage(), Stage::Tls);
        assert_eq!(
            error.diagnosis(),
            Some(Diagnosis::UnknownAuthority),
            "{error}"
        );
        let anybody = TlsOptions::default().danger_accept_any_certificate();
        let connection = Connection::open_with(&options.tls(anybody)).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn s18_ports_that_are_mixed_up_are_told() {
    run(async |site| {
        let Some(options) = over_tls(site) else {
            return;
        };
        let tls_url = env::var("AMQP_TEST_TLS_URL").unwrap();
        let plain_url = tls_url.replace("amqps://", "amqp://");
        let error = Connection::open(&plain_url).await.unwrap_err();
        assert_eq!(error.stage(), Stage::Start, "{error}");
        assert_eq!(error.diagnosis(), Some(Diagnosis::TlsExpected), "{error}");

        // An address of the other port, in the options for this one.
        let plain = site.options();
        let (host, port) = plain.address().rsplit_once(':').map(split).unwrap();
        let error = Connection::open_with(&options.host(host).port(port))
            .await
            .unwrap_err();
        assert_eq!(error.stage(), Stage::Tls, "{error}");
        assert_eq!(error.diagnosis(), Some(Diagnosis::TlsNotSpoken), "{error}");
    });
}

/// A node whose certificate may sign others, as `openssl req -x509` makes them, and that speaks TLS
/// 1.2 only.
#[test]
fn s22_certificate_of_an_authority_and_versions_that_differ_are_told() {
    if endpoint().is_none() {
        return;
    }
    let self_signed = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/certificates/self-signed.pem"
    );
    // The node may have a root of its own, without that file.
    let text = std::fs::read_to_string(self_signed).unwrap();
    let broker = BrokerOptions::new()
        .tls_with(&text, &text)
        .config("ssl_options.versions.1 = tlsv1.2")
        .start()
        .unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    limited(&runtime, async {
        let options = lasting(&broker.first().tls_url().unwrap());
        let told = async |tls| {
            let options = options.clone().tls(tls);
            let error = Connection::open_with(&options).await.unwrap_err();
            assert_eq!(error.stage(), Stage::Tls, "{error}");
            error.diagnosis()
        };
        let trusted = TlsOptions::default().ca_file(self_signed);
        assert_eq!(told(trusted).await, Some(Diagnosis::CertificateIsAuthority));
        let new = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let new = TlsOptions::default().rustls_config(new);
        assert_eq!(told(new).await, Some(Diagnosis::NoCommonTls));

        // Without any check it is a broker like others.
        let any = TlsOptions::default().danger_accept_any_certificate();
        let connection = Connection::open_with(&options.clone().tls(any)).await;
        connection.unwrap().close().await.unwrap();
    });
}

fn split((host, port): (&str, &str)) -> (String, u16) {
    (host.to_owned(), port.parse().unwrap())
}

/// A node that demands client certificates, and takes the common name for the user's.
fn strict_broker() -> Broker {
    BrokerOptions::new()
        .tls()
        .plugin("rabbitmq_auth_mechanism_ssl")
        .config("ssl_options.fail_if_no_peer_cert = true")
        .config("ssl_cert_login_from = common_name")
        .config("auth_mechanisms.1 = EXTERNAL")
        .config("auth_mechanisms.2 = PLAIN")
        .start()
        .unwrap()
}

#[test]
fn s22_client_certificate_is_demanded_and_says_who_connects() {
    if endpoint().is_none() {
        return;
    }
    let broker = strict_broker();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    limited(&runtime, async {
        let certificates = broker.certificates().unwrap();
        let url = broker.first().tls_url().unwrap();
        let options = lasting(&url);
        let options = options.login("nobody", "hunter2");
        let trusting = TlsOptions::default().ca_file(certificates.authority());

        // Nothing shown: refused by TLS, whichever of its versions the two have agreed on.
        let anonymous = options.clone().tls(trusting.clone());
        let error = Connection::open_with(&anonymous).await.unwrap_err();
        assert_eq!(error.stage(), Stage::Tls, "{error}");
        assert_eq!(
            error.diagnosis(),
            Some(Diagnosis::ClientCertificate),
            "{error}"
        );

        // Shown: TLS is content, and the password counts.
        let known = trusting.client_certificate(certificates.client(), certificates.client_key());
        let options = options.tls(known);
        let error = Connection::open_with(&options).await.unwrap_err();
        assert!(error.is_authentication_failure(), "{error}");
        let by_password = options.clone().login("guest", "guest");
        let connection = Connection::open_with(&by_password).await.unwrap();
        connection.close().await.unwrap();

        // The certificate is for `guest`.
        let external = options.auth_mechanisms([AuthMechanism::External]);
        let connection = Connection::open_with(&external).await.unwrap();
        connection.open_channel().await.unwrap();

        // A broker that is killed ends TLS without a farewell.
        broker.kill().unwrap();
        connection.closed().await;
        let error = Connection::open_with(&external).await.unwrap_err();
        assert_eq!(
            error.diagnosis(),
            Some(Diagnosis::NothingListens),
            "{error}"
        );
    });
}
