//! Opening a connection: what is agreed on, and what is said when it does not work.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use amqp_client::error::{ConnectCause, Stage, Violation};
use amqp_client::{ChannelError, ConnectError, Connection, ConnectionError, ConnectionOptions};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use crate::support::run;

#[test]
fn limits_are_the_broker_s_unless_ours_are_lower() {
    run(async |site| {
        let limits = site.connect().await.limits();
        assert_eq!((limits.channel_max, limits.frame_max), (2047, 131_072));
        assert_eq!(limits.heartbeat, Duration::from_secs(60));

        let options = site.options().channel_max(0).frame_max(0);
        let limits = Connection::open_with(&options).await.unwrap().limits();
        assert_eq!((limits.channel_max, limits.frame_max), (2047, 131_072));

        let options = site.options().channel_max(u16::MAX).frame_max(u32::MAX);
        let limits = Connection::open_with(&options).await.unwrap().limits();
        assert_eq!((limits.channel_max, limits.frame_max), (2047, 131_072));

        let options = site.options().channel_max(7).frame_max(8192);
        let options = options.heartbeat(Duration::from_secs(5));
        let limits = Connection::open_with(&options).await.unwrap().limits();
        assert_eq!((limits.channel_max, limits.frame_max), (7, 8192));
        assert_eq!(limits.heartbeat, Duration::from_secs(5));
    });
}

#[test]
fn no_more_channels_are_opened_than_agreed() {
    run(async |site| {
        let options = site.options().channel_max(2);
        let connection = Connection::open_with(&options).await.unwrap();
        let first = connection.open_channel().await.unwrap();
        let _second = connection.open_channel().await.unwrap();
        let error = connection.open_channel().await.unwrap_err();
        assert!(matches!(
            error,
            ChannelError::ChannelLimit { channel_max: 2 }
        ));
        first.close().await.unwrap();
        connection.open_channel().await.unwrap();
    });
}

#[test]
fn the_broker_s_properties_can_be_read() {
    run(async |site| {
        let properties = site.connect().await.server_properties();
        let property = |name| properties.get(name).unwrap().unwrap();
        assert_eq!(property("product").as_str(), Some("RabbitMQ"));
        let version = site.management().version().unwrap();
        assert_eq!(property("version").as_str(), Some(version.as_str()));
        let capabilities = property("capabilities").as_table().unwrap();
        assert_eq!(
            capabilities.get("publisher_confirms").unwrap(),
            Some(true.into())
        );
    });
}

#[test]
fn the_broker_is_told_our_name() {
    run(async |site| {
        let options = site.options().connection_name("ledger 7");
        let connection = Connection::open_with(&options).await.unwrap();
        let path = format!("/api/vhosts/{}/connections", site.name());
        let listed = loop {
            let listed = site.management().get(&path).unwrap();
            if listed != "[]" {
                break listed;
            }
            tokio::task::yield_now().await;
        };
        assert!(
            listed.contains(r#""connection_name":"ledger 7""#),
            "{listed}"
        );
        assert!(listed.contains(r#""product":"amqp-client""#), "{listed}");
        connection.close().await.unwrap();
    });
}

#[test]
fn a_wrong_password_is_refused_at_the_login() {
    run(async |site| {
        let options = site.options().login("guest", "hunter2");
        let error = Connection::open_with(&options).await.unwrap_err();
        assert_eq!(error.stage(), Stage::Login);
        let close = broker_said(&error);
        assert_eq!(close.reply_code.0, 403);
        assert_eq!(close.method, None);
        let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For \
                    details see the broker logfile.";
        assert_eq!(close.reply_text, text);
        assert!(error.to_string().contains("while logging in: "), "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    });
}

#[test]
fn an_unknown_virtual_host_is_refused_at_the_open() {
    run(async |site| {
        let options = site.options().virtual_host("nosuch");
        let error = Connection::open_with(&options).await.unwrap_err();
        assert_eq!(error.stage(), Stage::Open);
        let close = broker_said(&error);
        assert_eq!(close.reply_code.0, 530);
        assert_eq!(close.reply_text, "NOT_ALLOWED - vhost nosuch not found");
        assert!(error.to_string().contains("virtual host"), "{error}");
    });
}

#[track_caller]
fn broker_said(error: &ConnectError) -> &amqp_client::error::BrokerClose {
    let ConnectCause::Connection(cause) = error.cause() else {
        panic!("{error:?}");
    };
    cause.broker_close().unwrap()
}

#[test]
fn a_refused_port_is_an_error_of_the_operating_system() {
    run(async |_| {
        // Bound and not listening: nobody else gets the port, and nobody answers on it.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        let error = Connection::open_with(&at(address)).await.unwrap_err();
        assert_eq!(error.stage(), Stage::Tcp);
        assert_eq!(error.address(), address.to_string());
        assert!(matches!(
            error.cause(),
            ConnectCause::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused
        ));
    });
}

#[test]
fn a_server_that_speaks_http_is_told_from_a_broker() {
    run(async |_| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut header = [0; 8];
            socket.read_exact(&mut header).await.unwrap();
            assert_eq!(&header, b"AMQP\x00\x00\x09\x01");
            let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
            socket.write_all(answer).await.unwrap();
            // Until the client has hung up.
            assert_eq!(socket.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        };
        let options = at(address);
        let (opened, ()) = tokio::join!(Connection::open_with(&options), server);
        let error = opened.unwrap_err();
        assert_eq!(error.stage(), Stage::Start);
        assert!(matches!(
            error.cause(),
            ConnectCause::Connection(ConnectionError::Protocol(_))
        ));
        assert!(error.to_string().contains("AMQP port"), "{error}");
    });
}

#[test]
fn a_server_that_refuses_our_protocol_is_told_from_one_that_breaks_it() {
    run(async |_| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(b"AMQP\x03\x01\x00\x00").await.unwrap();
            socket.read_to_end(&mut Vec::new()).await.unwrap();
        };
        let options = at(address);
        let (opened, ()) = tokio::join!(Connection::open_with(&options), server);
        let error = opened.unwrap_err();
        assert_eq!(error.stage(), Stage::Start);
        assert!(matches!(
            error.cause(),
            ConnectCause::Connection(ConnectionError::Protocol(violation))
                if matches!(&**violation, Violation::ProtocolHeader { octets } if octets == b"AMQP\x03\x01\x00\x00")
        ));
    });
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    run(async |_| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let limit = Duration::from_millis(150);
        let options = at(listener.local_addr().unwrap()).handshake_timeout(limit);
        let error = Connection::open_with(&options).await.unwrap_err();
        assert_eq!(error.stage(), Stage::Start);
        assert!(matches!(error.cause(), ConnectCause::Timeout(after) if *after == limit));
        assert!(error.to_string().contains("0.15 s"), "{error}");
    });
}

fn at(address: SocketAddr) -> ConnectionOptions {
    ConnectionOptions::default()
        .host(address.ip().to_string())
        .port(address.port())
}

#[test]
fn heartbeats_keep_an_idle_connection_alive() {
    run(async |site| {
        let options = site.options().heartbeat(Duration::from_secs(1));
        let tcp = TcpStream::connect(address_of(&site.url())).await.unwrap();
        let (came, mut reads) = mpsc::unbounded_channel();
        let stream = Tapped { stream: tcp, came };
        let connection = Connection::open_stream(stream, &options).await.unwrap();
        while reads.try_recv().is_ok() {}

        // The broker sends one every half second, and hangs up on a client that was silent for
        // three.
        let mut n_octets = 0;
        while n_octets < 8 * 8 {
            // A read may find several.
            n_octets += reads.recv().await.expect("the stream is gone");
            assert_eq!(n_octets % 8, 0, "something else than heartbeats came");
        }
        connection.open_channel().await.unwrap();
        connection.close().await.unwrap();
    });
}

/// Host and port of a URL with credentials.
fn address_of(url: &str) -> &str {
    let authority = url.split('/').nth(2).unwrap();
    authority.split('@').next_back().unwrap()
}

/// A stream that tells how much was read from it.
struct Tapped {
    stream: TcpStream,
    came: mpsc::UnboundedSender<usize>,
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = space.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, space))?;
        // Once the test is over nobody listens.
        let _ = self.came.send(space.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
