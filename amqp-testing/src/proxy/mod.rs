//! A proxy that lets a network fail on demand.
//!
//! A [`Proxy`] listens on a free port of the loopback interface and passes octets on to a broker.
//! For each direction it can be told to hold them back, lose them, delay them, let them through
//! slowly or in small pieces, to spoil one of them, or to end the connection at an exact place in
//! the stream. It knows nothing of AMQP.
//!
//! ```no_run
//! use std::time::Duration;
//! use amqp_testing::{Broker, BrokerOptions, Proxy};
//!
//! let broker = Broker::start(&BrokerOptions::new())?;
//! let proxy = Proxy::to_url(&broker.url())?;
//! // … a client connects to `proxy.url()` …
//! proxy.to_client().delay(Duration::from_millis(50));
//! proxy.to_broker().stall();
//! proxy.reset();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod direction;
mod lane;
mod link;
mod pump;

use std::{
    io, mem,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub use self::direction::Direction;
pub use self::lane::Lane;
use self::link::{Link, reset_on_close};

/// How long ending a connection may take.
const END: Duration = Duration::from_secs(30);

/// How long a listener that cannot accept waits before it tries again.
const PAUSE: Duration = Duration::from_millis(10);

/// A proxy between clients and a broker. Dropping it ends its connections and stops listening.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// The user information of the broker's URL, which is that of ours as well.
    credentials: String,
}

/// What the threads of the proxy and its owner have in common.
#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    to_broker: Arc<Lane>,
    to_client: Arc<Lane>,
    /// The connections; those whose threads have ended are gone.
    links: Mutex<Vec<Weak<Link>>>,
    n_accepted: AtomicUsize,
    is_refusing: AtomicBool,
    is_closed: AtomicBool,
}

impl Proxy {
    /// Starts a proxy to this address.
    ///
    /// # Errors
    ///
    /// The system does not let us listen.
    pub fn to(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(target));
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept_all(listener.incoming()));
        Ok(Self {
            shared,
            address,
            credentials: "guest:guest".to_owned(),
        })
    }

    /// Starts a proxy to the broker of an AMQP URL.
    ///
    /// # Errors
    ///
    /// The URL names no host and port, or the system does not let us listen.
    pub fn to_url(url: &str) -> io::Result<Self> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let default = ("guest:guest", authority);
        let (credentials, address) = authority.rsplit_once('@').unwrap_or(default);
        let target = address
            .to_socket_addrs()?
            .next()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut proxy = Self::to(target)?;
        credentials.clone_into(&mut proxy.credentials);
        Ok(proxy)
    }

    /// Where the proxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the proxy listens, as an AMQP URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://{}@{}", self.credentials, self.address)
    }

    /// What happens to octets on their way from clients to the broker.
    #[must_use]
    pub fn to_broker(&self) -> &Lane {
        &self.shared.to_broker
    }

    /// What happens to octets on their way from the broker to clients.
    #[must_use]
    pub fn to_client(&self) -> &Lane {
        &self.shared.to_client
    }

    /// How many connections were accepted so far, whatever became of them.
    #[must_use]
    pub fn n_accepted(&self) -> usize {
        self.shared.n_accepted.load(Ordering::SeqCst)
    }

    /// Ends all connections in good order: both sides read the end of the stream.
    pub fn cut(&self) {
        self.shared.end_all(Link::cut);
    }

    /// Ends all connections with a reset, which throws away what is still on its way.
    pub fn reset(&self) {
        self.shared.end_all(Link::reset);
    }

    /// From now on, resets new connections as soon as they are made.
    pub fn refuse(&self) {
        self.shared.is_refusing.store(true, Ordering::SeqCst);
    }

    /// Passes everything on again as it comes, in both directions, and connects again.
    pub fn heal(&self) {
        self.to_broker().heal();
        self.to_client().heal();
        self.shared.is_refusing.store(false, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        // The thread that accepts wakes up for this connection and ends.
        let _ = TcpStream::connect(self.address);
        self.cut();
    }
}

impl Shared {
    fn new(target: SocketAddr) -> Self {
        Self {
            target,
            to_broker: Arc::new(Lane::new(Direction::ToBroker)),
            to_client: Arc::new(Lane::new(Direction::ToClient)),
            links: Mutex::default(),
            n_accepted: AtomicUsize::new(0),
            is_refusing: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    fn accept_all(&self, clients: impl Iterator<Item = io::Result<TcpStream>>) {
        for client in clients {
            let Ok(client) = client else {
                if self.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                // Nothing can be accepted for now: as a rule because too many files are open.
                thread::sleep(PAUSE);
                continue;
            };
            // Held until the connection is in the list: who ends all connections or drops the
            // proxy does not miss one that is being made.
            let mut links = self.links();
            if self.is_closed.load(Ordering::SeqCst) {
                return;
            }
            self.n_accepted.fetch_add(1, Ordering::SeqCst);
            if self.is_refusing.load(Ordering::SeqCst) {
                reset_on_close(&client);
                continue;
            }
            // A broker that cannot be reached looks to the client like one that hangs up.
            if let Ok(link) = Link::connect(client, self.target) {
                links.retain(|link| link.strong_count() > 0);
                links.push(self.forward(link));
            }
        }
    }

    fn forward(&self, link: Link) -> Weak<Link> {
        let link = Arc::new(link);
        pump::start(&link, &self.to_broker);
        pump::start(&link, &self.to_client);
        Arc::downgrade(&link)
    }

    /// Ends all connections, and waits until the threads have let go of them: only then are the
    /// sockets closed.
    fn end_all(&self, end: impl Fn(&Link)) {
        let links = mem::take(&mut *self.links());
        links
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|link| end(&link));
        self.to_broker.wake();
        self.to_client.wake();
        let deadline = Instant::now() + END;
        while links.iter().any(|link| link.strong_count() > 0) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn links(&self) -> MutexGuard<'_, Vec<Weak<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_proxy_ends_although_nothing_can_be_accepted() {
        let shared = Shared::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let mut n_failures = 0;
        shared.accept_all(std::iter::repeat_with(|| {
            n_failures += 1;
            let is_over = n_failures == 3;
            shared.is_closed.store(is_over, Ordering::SeqCst);
            Err(io::ErrorKind::Other.into())
        }));
        assert_eq!((n_failures, shared.n_accepted.into_inner()), (3, 0));
    }
}
