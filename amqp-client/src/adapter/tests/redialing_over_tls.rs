//! A connection over TLS that is lost: TLS is agreed on anew, and ends with the connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use amqp_testing::broker::{Authority, Identity};
use rustls::version;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::network::{ms, options};
use super::over_tls::serve;
use crate::TlsOptions;
use crate::adapter::network::Network;
use crate::adapter::opening::open_on;
use crate::connection::Connection;
use crate::error::ConnectionError;
use crate::tests::support::tls::server;

/// Held by each far end that is there.
#[derive(Default)]
struct FarEnds(Arc<()>);

/// A network with one host, whose broker speaks TLS until it falls silent.
#[derive(Clone)]
struct Host {
    identity: Arc<Identity>,
    n_connected: Arc<AtomicUsize>,
    silent: Arc<AtomicBool>,
    gone: Arc<Notify>,
    far_ends: Arc<FarEnds>,
}

impl Network for Host {
    type Stream = DuplexStream;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![([10, 0, 0, 1], 5671).into()])
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<DuplexStream> {
        self.n_connected.fetch_add(1, Ordering::Relaxed);
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let tls = server(&self.identity, None, &version::TLS13);
        let (silent, gone) = (self.silent.load(Ordering::Relaxed), Arc::clone(&self.gone));
        let alive = Arc::clone(&self.far_ends.0);
        tokio::spawn(async move {
            let _alive = alive;
            if silent {
                let _ = theirs.read_to_end(&mut Vec::new()).await;
                return;
            }
            tokio::select! {
                _ = serve(tls, theirs) => {}
                () = gone.notified() => {}
            }
        });
        Ok(ours)
    }
}

/// A connection over TLS, and its host.
async fn open() -> (Host, Connection) {
    let authority = Authority::new("test authority").unwrap();
    let host = Host {
        identity: Arc::new(authority.server(&["one"]).unwrap()),
        n_connected: Arc::default(),
        silent: Arc::default(),
        gone: Arc::default(),
        far_ends: Arc::default(),
    };
    let tls = TlsOptions::default().ca_pem(authority.certificate());
    let connection = open_on(&host, &options(&["one"]).tls(tls)).await.unwrap();
    (host, connection)
}

#[tokio::test(start_paused = true)]
async fn lost_connection_agrees_on_tls_anew() {
    let (host, connection) = open().await;
    for n in 2..4 {
        host.gone.notify_waiters();
        while host.n_connected.load(Ordering::Relaxed) < n {
            sleep(ms(10)).await;
        }
        connection.ready().await.unwrap();
        connection.open_channel().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn close_and_the_drop_of_all_handles_end_an_agreement_on_tls_at_once() {
    for closes in [true, false] {
        let (host, connection) = open().await;
        host.silent.store(true, Ordering::Relaxed);
        host.gone.notify_waiters();
        while host.n_connected.load(Ordering::Relaxed) < 2 {
            sleep(ms(10)).await;
        }
        sleep(ms(10)).await;
        assert_eq!(Arc::strong_count(&host.far_ends.0), 2);
        let since = tokio::time::Instant::now();
        if closes {
            connection.close().await.unwrap();
            let reason = connection.close_reason();
            assert!(matches!(reason, Some(ConnectionError::Closed)));
        } else {
            drop(connection);
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(tokio::time::Instant::now(), since);
        assert_eq!(Arc::strong_count(&host.far_ends.0), 1);
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    }
}
