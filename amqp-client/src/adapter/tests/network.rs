//! A network in memory: names with the addresses they have at the moment, addresses with what
//! becomes of those who connect.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amqp_spec::wire::{FieldTable, LongStr, ShortStr, TypedMethod};
use amqp_spec::{channel, connection, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::adapter::network::Network;
use crate::options::ConnectionOptions;

/// What becomes of those who connect to an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// Nothing listens; it takes this long to hear of that.
    Refused(Duration),
    /// No answer comes.
    Silence,
    /// Connected after so long, and then nothing is said.
    Mute(Duration),
    /// A broker answers after so long.
    Broker(Duration),
    /// A broker answers that refuses the login.
    WrongPassword,
    /// The stream ends as soon as it is there.
    Closed,
}

pub(super) const AT_ONCE: Duration = Duration::ZERO;

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// Tests say in which order hosts are tried, unless that is what they are about.
pub(super) fn options(hosts: &[&str]) -> ConnectionOptions {
    ConnectionOptions::default()
        .hosts(hosts.iter().map(|host| (*host, 5672)))
        .host_order(crate::options::HostOrder::Given)
        .heartbeat(Duration::ZERO)
}

#[derive(Clone)]
pub(super) struct Fake(Arc<State>);

struct State {
    start: Instant,
    /// The answers of the resolver, one after the other; the last one stays.
    names: Mutex<HashMap<String, VecDeque<Vec<SocketAddr>>>>,
    fates: Mutex<HashMap<SocketAddr, Fate>>,
    /// No name is resolved any more.
    stuck: AtomicBool,
    /// Brokers go away when this is notified.
    gone: Arc<Notify>,
    /// Who was connected to, and when.
    tried: Mutex<Vec<(u64, SocketAddr)>>,
    resolved: Mutex<Vec<String>>,
    seed: AtomicU64,
    /// How many connections brokers have opened.
    opened: Arc<AtomicU64>,
    /// Held by each end of a connection that is still open.
    alive: Arc<()>,
    /// Held while an address is being connected to.
    connecting: Arc<()>,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self(Arc::new(State {
            start: Instant::now(),
            names: Mutex::default(),
            fates: Mutex::default(),
            stuck: AtomicBool::new(false),
            gone: Arc::default(),
            tried: Mutex::default(),
            resolved: Mutex::default(),
            seed: AtomicU64::new(0),
            opened: Arc::default(),
            alive: Arc::default(),
            connecting: Arc::default(),
        }))
    }

    /// One more answer for a name.
    pub(super) fn name(self, name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| at(address)).collect();
        let mut names = self.0.names.lock().unwrap();
        names
            .entry(name.to_owned())
            .or_default()
            .push_back(addresses);
        drop(names);
        self
    }

    pub(super) fn fate(self, address: &str, fate: Fate) -> Self {
        self.becomes(address, fate);
        self
    }

    /// From now on.
    pub(super) fn becomes(&self, address: &str, fate: Fate) {
        self.0.fates.lock().unwrap().insert(at(address), fate);
    }

    /// From now on no name is resolved.
    pub(super) fn stick(&self) {
        self.0.stuck.store(true, Ordering::Relaxed);
    }

    /// Each broker that has answered goes away, and its stream ends.
    pub(super) fn cut(&self) {
        self.0.gone.notify_waiters();
    }

    /// A name with one address.
    pub(super) fn host(self, name: &str, address: &str, fate: Fate) -> Self {
        self.name(name, &[address]).fate(address, fate)
    }

    /// Milliseconds since the beginning, and the address that was connected to then.
    pub(super) fn tried(&self) -> Vec<(u64, SocketAddr)> {
        self.0.tried.lock().unwrap().clone()
    }

    pub(super) fn resolved(&self) -> Vec<String> {
        self.0.resolved.lock().unwrap().clone()
    }

    /// Until this many connections have been opened in all.
    pub(super) async fn has_opened(&self, n: u64) {
        while self.0.opened.load(Ordering::Relaxed) < n {
            tokio::time::sleep(ms(1)).await;
        }
        tokio::time::sleep(ms(1)).await;
    }

    /// How many connections are open.
    pub(super) fn n_open(&self) -> usize {
        Arc::strong_count(&self.0.alive) - 1
    }

    /// How many addresses are being connected to.
    pub(super) fn n_connecting(&self) -> usize {
        Arc::strong_count(&self.0.connecting) - 1
    }

    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_millis()).unwrap()
    }
}

impl Network for Fake {
    type Stream = DuplexStream;

    async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        self.0.resolved.lock().unwrap().push(host.to_owned());
        if host == "slow" || self.0.stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let mut names = self.0.names.lock().unwrap();
        let unknown = || io::Error::other("failed to lookup address information");
        let answers = names.get_mut(host).ok_or_else(unknown)?;
        let answer = answers.front().cloned().unwrap();
        if answers.len() > 1 {
            answers.pop_front();
        }
        Ok(answer)
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<DuplexStream> {
        let _connecting = Arc::clone(&self.0.connecting);
        self.0.tried.lock().unwrap().push((self.now(), address));
        let fate = self.0.fates.lock().unwrap()[&address];
        match fate {
            Fate::Silence => std::future::pending().await,
            Fate::Refused(delay) => {
                tokio::time::sleep(delay).await;
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            Fate::Mute(delay) => Ok(self.answer(delay, mute).await),
            Fate::Broker(delay) => Ok(self.answer(delay, broker).await),
            Fate::WrongPassword => Ok(self.answer(AT_ONCE, strict).await),
            Fate::Closed => Ok(self.answer(AT_ONCE, closed).await),
        }
    }

    fn random(&self) -> u64 {
        self.0.seed.fetch_add(1, Ordering::Relaxed)
    }
}

impl Fake {
    async fn answer<F>(&self, delay: Duration, script: impl FnOnce(Script) -> F) -> DuplexStream
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::time::sleep(delay).await;
        let (ours, theirs) = tokio::io::duplex(4096);
        let script = script(Script {
            stream: theirs,
            read: Vec::new(),
            opened: Arc::clone(&self.0.opened),
            _alive: Arc::clone(&self.0.alive),
        });
        let gone = Arc::clone(&self.0.gone);
        tokio::spawn(async move {
            tokio::select! {
                () = script => {}
                () = gone.notified() => {}
            }
        });
        ours
    }
}

async fn closed(_: Script) {}

async fn mute(mut peer: Script) {
    let mut rest = Vec::new();
    let _ = peer.stream.read_to_end(&mut rest).await;
}

async fn broker(mut peer: Script) {
    peer.log_in().await;
    let tune = connection::Tune {
        channel_max: 2047,
        frame_max: 131_072,
        heartbeat: 0,
    };
    peer.send(&tune).await;
    peer.until(connection::Open::NAME).await;
    peer.send(&connection::OpenOk {}).await;
    peer.opened.fetch_add(1, Ordering::Relaxed);
    peer.serve().await;
}

async fn strict(mut peer: Script) {
    peer.log_in().await;
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For \
                details see the broker logfile.";
    let close = connection::Close {
        reply_code: 403,
        reply_text: ShortStr::new(text.as_bytes()).unwrap(),
        ..Default::default()
    };
    peer.send(&close).await;
    peer.until("the end").await;
}

/// The broker's end of a stream.
struct Script {
    stream: DuplexStream,
    read: Vec<u8>,
    opened: Arc<AtomicU64>,
    _alive: Arc<()>,
}

impl Script {
    async fn log_in(&mut self) {
        let mut header = [0; 8];
        self.stream.read_exact(&mut header).await.unwrap();
        let properties = FieldTable::new();
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: properties.as_ref(),
            mechanisms: LongStr::literal("PLAIN"),
            locales: LongStr::literal("en_US"),
        };
        self.send(&start).await;
        self.until(connection::StartOk::NAME).await;
    }

    async fn send<'a, M: TypedMethod<'a>>(&mut self, method: &M) {
        self.send_on(0, method).await;
    }

    async fn send_on<'a, M: TypedMethod<'a>>(&mut self, number: u16, method: &M) {
        let mut octets = Vec::new();
        frame::encode_method(&mut octets, number, method, usize::MAX).unwrap();
        // A client that has gone does not listen.
        let _ = self.stream.write_all(&octets).await;
    }

    /// Reads until this method has come, or the stream has ended.
    async fn until(&mut self, name: &str) {
        while let Some((_, method)) = self.next().await {
            if method == name {
                return;
            }
        }
    }

    /// Opens what channels are asked for, and closes, until the stream has ended.
    async fn serve(&mut self) {
        while let Some((number, method)) = self.next().await {
            match method {
                channel::Open::NAME => self.send_on(number, &channel::OpenOk {}).await,
                connection::Close::NAME => self.send(&connection::CloseOk {}).await,
                connection::UpdateSecret::NAME => {
                    self.send(&connection::UpdateSecretOk {}).await;
                }
                _ => {}
            }
        }
    }

    /// The channel and the name of the next method, unless the stream has ended.
    async fn next(&mut self) -> Option<(u16, &'static str)> {
        loop {
            if let Some((found, used)) = frame::decode(&self.read, usize::MAX).unwrap() {
                let method = amqp_spec::Method::decode(found.payload).unwrap().name();
                let number = found.channel;
                self.read.drain(..used);
                return Some((number, method));
            }
            if self.stream.read_buf(&mut self.read).await.unwrap() == 0 {
                return None;
            }
        }
    }
}
