//! Names, addresses and sockets, behind a seam: tests put a network of their own in their place.

use std::future::{Future, ready};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::options::TcpOptions;
use crate::rounding;

/// What connecting needs of a network. Each has some ways to a stream; what is asked of it is of
/// those. A clone is the same network: a connection keeps one, to be connected again.
pub(super) trait Network: Clone + Send + Sync + 'static {
    /// A stream of octets to a peer.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The addresses of a host, best first.
    fn resolve(
        &self,
        _host: &str,
        _port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        ready(no_such_way())
    }

    /// A stream to this address.
    fn connect(
        &self,
        _address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        ready(no_such_way())
    }

    /// A stream to the socket of this machine that was named.
    fn connect_local(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        ready(no_such_way())
    }

    /// A number that cannot be foreseen, for the order of several hosts.
    fn random(&self) -> u64 {
        0
    }
}

fn no_such_way<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The operating system's.
#[derive(Clone)]
pub(super) struct System(pub(super) TcpOptions);

impl Network for System {
    type Stream = TcpStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        set_options(&stream, &self.0)?;
        Ok(stream)
    }

    fn random(&self) -> u64 {
        // Each one is keyed anew.
        RandomState::new().build_hasher().finish()
    }
}

/// A socket of this machine.
#[cfg(unix)]
#[derive(Clone)]
pub(super) struct Local(pub(super) std::path::PathBuf);

#[cfg(unix)]
impl Network for Local {
    type Stream = tokio::net::UnixStream;

    async fn connect_local(&self) -> io::Result<Self::Stream> {
        tokio::net::UnixStream::connect(&self.0).await
    }
}

/// None at all: the program has brought the stream.
pub(super) struct Brought<S>(PhantomData<fn() -> S>);

impl<S> Clone for Brought<S> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<S> Default for Brought<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Network for Brought<S> {
    type Stream = S;
}

fn set_options(stream: &TcpStream, options: &TcpOptions) -> io::Result<()> {
    stream.set_nodelay(options.nodelay)?;
    let socket = SockRef::from(stream);
    let mut keepalive = TcpKeepalive::new();
    if let Some(idle) = options.keepalive_idle {
        keepalive = keepalive.with_time(rounding::to_seconds(idle));
    }
    if let Some(interval) = options.keepalive_interval {
        keepalive = keepalive.with_interval(rounding::to_seconds(interval));
    }
    if let Some(count) = options.keepalive_count {
        keepalive = keepalive.with_retries(count);
    }
    let wants_keepalive = options.keepalive_idle.is_some()
        || options.keepalive_interval.is_some()
        || options.keepalive_count.is_some();
    if wants_keepalive {
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(any(target_os = "android", target_os = "linux"))]
    if let Some(timeout) = options.user_timeout {
        socket.set_tcp_user_timeout(Some(rounding::to_millis(timeout)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn options_reach_the_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();

        let plain = TcpOptions::default();
        let stream = System(plain).connect(address).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(!socket.keepalive().unwrap());

        let options = TcpOptions::default()
            .nodelay(false)
            .keepalive_idle(Duration::from_secs(33))
            .keepalive_interval(Duration::from_secs(7))
            .keepalive_count(5)
            .user_timeout(Duration::from_millis(4321));
        let stream = System(options).connect(address).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(!socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap().as_secs(), 33);
        assert_eq!(socket.tcp_keepalive_interval().unwrap().as_secs(), 7);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 5);
        #[cfg(any(target_os = "android", target_os = "linux"))]
        assert_eq!(
            socket.tcp_user_timeout().unwrap(),
            Some(Duration::from_millis(4321))
        );
    }

    #[test]
    fn randomness_differs_from_call_to_call() {
        let options = TcpOptions::default();
        let network = System(options);
        assert_ne!(network.random(), network.random());
    }
}
