//! A broker that follows a script, for conversations that no real broker would hold.
//!
//! A [`Peer`] listens on a free port of the loopback interface and runs the script, a closure, on a
//! thread of its own. The script reads as the conversation: what the broker expects, what it sends.
//! If the client says something else, or nothing for a minute, the script panics with the
//! conversation so far, and [`Peer::finished`] and [`Peer::join`] pass the panic on to the test: the
//! first to async tests, the second to those that block.
//!
//! ```
//! use amqp_spec::{Method, queue, short_str};
//! use amqp_testing::Peer;
//! # fn client(url: &str) {
//! #     use std::io::Write;
//! #     let address = url.strip_prefix("amqp://guest:guest@").unwrap();
//! #     let mut socket = std::net::TcpStream::connect(address).unwrap();
//! #     socket.write_all(&amqp_spec::frame::PROTOCOL_HEADER).unwrap();
//! #     let declare = queue::Declare { queue: short_str!("orders"), ..Default::default() };
//! #     socket.write_all(&amqp_testing::frames::method(1, &declare)).unwrap();
//! # }
//!
//! let peer = Peer::start(|listener| {
//!     let mut client = listener.accept();
//!     client.expect_protocol_header();
//!     let request = client.expect(1, "queue.declare");
//!     let Method::QueueDeclare(declare) = request.method() else { unreachable!() };
//!     assert_eq!(declare.queue, "orders");
//!     client.send(1, &queue::DeclareOk { queue: declare.queue, ..Default::default() });
//! })?;
//! client(&peer.url());
//! peer.join();
//! # Ok::<(), std::io::Error>(())
//! ```

#![expect(
    clippy::panic,
    reason = "a script that is not followed fails the test that it is part of"
)]

mod conversation;
mod ending;
mod received;
mod transcript;

pub use self::conversation::Conversation;
pub use self::received::{Received, ReceivedContent};

use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    panic,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use self::ending::Ending;

/// How long the other side may take for anything. Only a script that is not followed waits so long,
/// and a busy machine never.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a listener looks whether a client has come.
const LOOK: Duration = Duration::from_millis(5);

/// A broker that follows a script.
///
/// Dropped without [`finished`](Self::finished) or [`join`](Self::join), it panics if the script
/// has panicked by then, unless the thread is panicking already; a script that still runs is left
/// to itself, and what becomes of it is not told.
#[derive(Debug)]
#[must_use = "how a script ends is only told to a test that waits for its end"]
pub struct Peer {
    address: SocketAddr,
    ending: Arc<Ending>,
    /// `None` once its end has been told.
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Listens on a free port and runs the script on another thread.
    ///
    /// # Errors
    ///
    /// The system does not let us listen.
    pub fn start(script: impl FnOnce(Listener) + Send + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        // So that waiting for a client can have an end.
        listener.set_nonblocking(true)?;
        let listener = Listener {
            listener,
            patience: PATIENCE,
        };
        let ending = Arc::<Ending>::default();
        let told = ending.told_when_dropped();
        let thread = thread::spawn(move || {
            let _told = told;
            script(listener);
        });
        Ok(Self {
            address,
            ending,
            thread: Some(thread),
        })
    }

    /// Where the peer listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the peer listens, as a URL for a client.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}", self.address)
    }

    /// Waits for the end of the script, and panics if it did. For async tests: it waits on any
    /// runtime, and lets the client go on meanwhile.
    ///
    /// ```
    /// # async fn example(connection_attempt: impl Future<Output = ()>) -> std::io::Result<()> {
    /// let broker = amqp_testing::Peer::start(|listener| {
    ///     listener.accept().expect_protocol_header();
    /// })?;
    /// connection_attempt.await;
    /// broker.finished().await;
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the peer is dropped with it.
    pub async fn finished(mut self) {
        poll_fn(|context| self.ending.poll(context)).await;
        // Nothing is left to the thread but to end.
        self.tell();
    }

    /// Blocks the thread until the end of the script, and panics if it did.
    ///
    /// Not for async code: on a runtime of one thread, that of `#[tokio::test]`, the client says
    /// nothing while this blocks, and a script that waits for it fails after a minute. Await
    /// [`finished`](Self::finished) there.
    pub fn join(mut self) {
        self.tell();
    }

    fn tell(&mut self) {
        let joined = self.thread.take().map(JoinHandle::join);
        if let Some(Err(cause)) = joined {
            panic::resume_unwind(cause);
        }
    }
}

impl Drop for Peer {
    /// Panics if the script has, and no panic is under way.
    fn drop(&mut self) {
        if self.ending.is_told() && !thread::panicking() {
            self.tell();
        }
    }
}

/// The script's side of a [`Peer`]: where clients come in.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    patience: Duration,
}

impl Listener {
    /// Waits for a client to connect, for a minute at most.
    ///
    /// # Panics
    ///
    /// If none comes, or the system does not let us accept.
    #[must_use]
    pub fn accept(&self) -> Conversation<TcpStream> {
        let accept = || {
            let socket = self.wait_for_client()?;
            // Some systems hand the listener's mode on.
            socket.set_nonblocking(false)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.set_write_timeout(Some(PATIENCE))?;
            io::Result::Ok(socket)
        };
        Conversation::over(accept().unwrap_or_else(|error| panic!("no client came: {error}")))
    }

    fn wait_for_client(&self) -> io::Result<TcpStream> {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.listener.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    thread::sleep(LOOK);
                }
                accepted => return accepted.map(|(socket, _)| socket),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_never_comes_is_not_waited_for_without_end() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let patience = Duration::ZERO;
        let listener = Listener { listener, patience };
        let waiting = panic::AssertUnwindSafe(|| drop(listener.accept()));
        let cause = panic::catch_unwind(waiting).unwrap_err();
        let message = cause.downcast_ref::<String>().unwrap();
        assert!(message.contains("no client came"), "{message}");
    }
}
