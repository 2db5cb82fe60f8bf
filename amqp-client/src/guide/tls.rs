//! TLS: encrypted connections to a broker that proves who it is, and to which we prove who we are.
//!
//! Enable the feature `rustls`, and write `amqps` in place of `amqp`:
//!
//! ```toml
//! amqp-client = { path = "where/this/is/amqp-client", features = ["rustls"] }
//! ```
//!
//! ```no_run
//! use amqp_client::Connection;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connection = Connection::open("amqps://app:secret@broker.example/orders").await?;
//! # Ok(()) }
//! ```
//!
//! The port is then 5671 unless said otherwise. The broker's certificate has to be for the host
//! that is connected to, and signed by an authority that the operating system trusts. There is no
//! way to forget it: without the feature, `amqps` is an error that names the feature.
//!
//! # An authority of one's own
//!
//! ```no_run
//! use amqp_client::{Connection, ConnectionOptions, TlsOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options: ConnectionOptions = "amqps://app:secret@broker.example/orders".parse()?;
//! let tls = TlsOptions::default().ca_file("/etc/orders/ca.pem");
//! let connection = Connection::open_with(&options.tls(tls)).await?;
//! # Ok(()) }
//! ```
//!
//! Authorities that are [named](crate::TlsOptions::ca_file) take the place of the system's;
//! [`system_roots`](crate::TlsOptions::system_roots) adds those again. Files are read at each
//! attempt, so that renewed ones count from the next on. Every certificate in them has to be
//! usable: one that is damaged, or in a form that is not read, is an error that names it.
//!
//! # Showing who we are (mutual TLS)
//!
//! ```
//! use amqp_client::TlsOptions;
//!
//! let tls = TlsOptions::default()
//!     .ca_file("/etc/orders/ca.pem")
//!     .client_certificate("/etc/orders/client.pem", "/etc/orders/client-key.pem");
//! ```
//!
//! [`client_certificate_pem`](crate::TlsOptions::client_certificate_pem) takes the certificates
//! themselves, [`key_password`](crate::TlsOptions::key_password) what the key is encrypted with
//! (with the feature `rustls-encrypted-keys`).
//!
//! # Another name
//!
//! Through a tunnel or a load balancer the certificate may be for another name than the one that is
//! connected to: [`server_name`](crate::TlsOptions::server_name) says for which. It is also the one
//! that is asked for (SNI).
//!
//! # Not checking
//!
//! [`danger_accept_any_certificate`](crate::TlsOptions::danger_accept_any_certificate) believes any
//! server that answers, and sends it the password. To try something out, an authority of one's own
//! is three `openssl` commands and the better habit.
//!
//! # When it fails
//!
//! [`ConnectError`](crate::ConnectError) is then at [`Stage::Tls`](crate::error::Stage::Tls), and
//! its [diagnosis](crate::error::Diagnosis) tells what is probably wrong:
//!
//! | diagnosis | what to look at |
//! |---|---|
//! | `UnknownAuthority` | the file given to `ca_file`, or the system's authorities; the intermediate certificates, which the broker has to send |
//! | `CertificateForAnotherHost` | the host in the URI; `server_name` |
//! | `CertificateWithoutNames`, `CertificateOutdated` | the certificate: it needs the host as a subject alternative name |
//! | `CertificateForAnotherPurpose` | the certificate: its extended key usage has to have `serverAuth` |
//! | `CertificateIsAuthority` | the certificate: `CA:TRUE` is for authorities only |
//! | `CertificateExpired`, `CertificateNotYetValid` | the certificate; the clocks |
//! | `ClientCertificate` | the broker wants a certificate of ours, or does not trust its authority |
//! | `TlsNotSpoken` | the port: 5672 is without TLS; only said if the server has sent no TLS at all |
//! | `TlsCutShort`, `BrokerBusy` | the broker's log and its load: it hung up or fell silent amid TLS |
//! | `TlsDamaged` | what is in between: what came was changed on the way |
//! | `UnknownServerName` | the host in the URI; `server_name` |
//! | `TlsExpected` | (without TLS) the port: 5671 is with TLS |
//! | `NoCommonTls` | versions and ciphers; we speak TLS 1.2 and 1.3 |
//!
//! TLS that fails later on ends the connection with [`ConnectionError::Tls`](crate::ConnectionError::Tls);
//! [`is_tls`](crate::ConnectionError::is_tls) asks for it.
//!
//! # Which cryptography, which authorities
//!
//! | feature | what it adds |
//! |---|---|
//! | `rustls` | `rustls-ring` and `rustls-native-roots`: what most want |
//! | `rustls-ring` | the cryptography of *ring* |
//! | `rustls-native-roots` | the authorities that the operating system trusts |
//! | `rustls-webpki-roots` | those that Mozilla trusts, built into the program; asked for by [`bundled_roots`](crate::TlsOptions::bundled_roots) |
//! | `rustls-encrypted-keys` | client keys that are encrypted ([`key_password`](crate::TlsOptions::key_password)) |
//! | `rustls-core` | TLS without any of these: for another provider of cryptography, or a whole `rustls::ClientConfig` of one's own |
//!
//! The provider of cryptography is the one given to
//! `TlsOptions::crypto_provider`, or else the one that the program has
//! installed for the whole process, or else that of *ring*. How many are compiled into the program
//! does not matter, and none is installed by us.
//!
//! # Without a runtime
//!
//! `tls::Session`, which the features add, is TLS without input and output, for an event loop of
//! one's own. No feature that begins with `rustls` brings tokio along.
//!
//! # Other implementations
//!
//! [`Connection::open_stream`](crate::Connection::open_stream) takes any stream, one of
//! `tokio-native-tls` for instance.
