//! A broker that follows a script, for conversations that no real broker would hold.
//!
//! A [`Peer`] listens on a free port of the loopback interface and runs the script, a closure, on a
//! thread of its own. The script reads as the conversation: what the broker expects, what it sends.
//! If the client says something else, or nothing for a minute, the script panics with the
//! conversation so far, and [`Peer::join`] passes the panic on to the test.
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
mod received;
mod transcript;

pub use self::conversation::Conversation;
pub use self::received::{Received, ReceivedContent};

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    panic,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long the other side may take for anything. Only a script that is not followed waits so long,
/// and a busy machine never.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a listener looks whether a client has come.
const LOOK: Duration = Duration::from_millis(5);

/// A broker that follows a script.
#[derive(Debug)]
#[must_use = "the script's panics are lost unless it is joined"]
pub struct Peer {
    address: SocketAddr,
    thread: JoinHandle<()>,
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
        let thread = thread::spawn(move || script(listener));
        Ok(Self { address, thread })
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

    /// Waits for the end of the script, and panics if it did.
    pub fn join(self) {
        if let Err(cause) = self.thread.join() {
            panic::resume_unwind(cause);
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
