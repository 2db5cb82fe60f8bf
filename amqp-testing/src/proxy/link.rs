//! One connection through the proxy: its two sockets, and how it ends.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use socket2::SockRef;

use super::Direction;

/// How long a blocked write goes on before it looks whether the connection is over.
const WRITE_PATIENCE: Duration = Duration::from_millis(50);

/// The sockets of one connection.
///
/// There is one handle of each, so that dropping the link closes them: a reset is what the system
/// sends when the last handle of a socket that does not linger is closed.
#[derive(Debug)]
pub(super) struct Link {
    client: TcpStream,
    broker: TcpStream,
    is_over: AtomicBool,
}

impl Link {
    /// Connects to the broker on behalf of a client.
    pub(super) fn connect(client: TcpStream, broker: SocketAddr) -> io::Result<Self> {
        let broker = match TcpStream::connect_timeout(&broker, Duration::from_secs(10)) {
            Ok(broker) => broker,
            Err(error) => {
                reset_on_close(&client);
                return Err(error);
            }
        };
        for socket in [&client, &broker] {
            // What is forwarded leaves at once and in the pieces that were asked for.
            socket.set_nodelay(true)?;
            socket.set_write_timeout(Some(WRITE_PATIENCE))?;
        }
        Ok(Self {
            client,
            broker,
            is_over: AtomicBool::new(false),
        })
    }

    /// The socket from which octets come that travel in this direction.
    pub(super) fn source(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::ToBroker => &self.client,
            Direction::ToClient => &self.broker,
        }
    }

    /// The socket into which they go.
    pub(super) fn sink(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::ToBroker => &self.broker,
            Direction::ToClient => &self.client,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Ends the connection in good order, on both sides.
    pub(super) fn cut(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        for socket in [&self.client, &self.broker] {
            // Whatever has ended already needs no end.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Ends the connection with resets, sent as soon as the threads have let go of it.
    pub(super) fn reset(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        for socket in [&self.client, &self.broker] {
            reset_on_close(socket);
            // Wakes the thread that reads, without telling the other side anything.
            let _ = socket.shutdown(Shutdown::Read);
        }
    }
}

/// Lets the system send a reset instead of an orderly end when the socket is closed.
pub(super) fn reset_on_close(socket: &TcpStream) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
