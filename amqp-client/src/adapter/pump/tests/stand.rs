//! A stream and a timer that follow a script and tell what was asked of them.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use amqp_spec::wire::TypedMethod;
use amqp_spec::{channel, confirm};
use bytes::BufMut;

use crate::adapter::pump::{Dialed, Line, Next, Pump, Redial, Timer, Transport, Writes};
use crate::error::{ConnectCause, ConnectError, ConnectionError, PublishError, Stage};
use crate::proto::recovery::Recovery;
use crate::proto::shared::place::Place;
use crate::proto::time::clock::Clock;
use crate::tests::support::pair::{Pair, now, quiet};
use crate::tests::support::task::{Flag, Task, done};
use crate::tests::support::wire;
use crate::{Channel, Confirmation, Connection, ConnectionOptions, Message, Publisher};

/// How long the timer of these tests says that the stream takes to be current.
pub(super) const LOOK: Duration = Duration::from_millis(1);

/// What the stream is to do, and was asked for.
pub(super) struct Script {
    /// What each read gives, one after the other.
    pub(super) inbound: VecDeque<Result<Vec<u8>, ErrorKind>>,
    /// What each read gives from then on; empty: there is nothing to read.
    pub(super) endless: Vec<u8>,
    /// The most that each write takes, one after the other; all that it is offered from then on.
    pub(super) takes: VecDeque<usize>,
    /// Nothing is taken.
    pub(super) full: bool,
    pub(super) write_error: Option<ErrorKind>,
    /// What was written does not leave.
    pub(super) held: bool,
    pub(super) flush_error: Option<ErrorKind>,
    /// Everything that was asked of the stream, in words.
    calls: Vec<String>,
    /// What the timer has been set to.
    pub(super) set: Vec<Instant>,
    /// How much has been read.
    pub(super) octets: usize,
    /// What becomes of dialling, poll for poll: a stream to this host, or a round that has failed.
    pub(super) dialed: VecDeque<Option<&'static str>>,
}

impl Script {
    fn new() -> Self {
        Self {
            inbound: VecDeque::new(),
            endless: Vec::new(),
            takes: VecDeque::new(),
            full: false,
            write_error: None,
            held: false,
            flush_error: None,
            calls: Vec::new(),
            set: Vec::new(),
            octets: 0,
            dialed: VecDeque::new(),
        }
    }

    /// Reads into a space of this length.
    fn read(&mut self, space: usize) -> Poll<io::Result<Vec<u8>>> {
        let octets = match self.inbound.pop_front() {
            Some(Ok(mut octets)) => {
                let rest = octets.split_off(octets.len().min(space));
                if !rest.is_empty() {
                    self.inbound.push_front(Ok(rest));
                }
                octets
            }
            Some(Err(kind)) => return Poll::Ready(Err(kind.into())),
            None if self.endless.is_empty() => {
                self.calls.push("read nothing".to_owned());
                return Poll::Pending;
            }
            None => self.endless[..self.endless.len().min(space)].to_vec(),
        };
        self.calls.push(format!("read {}", octets.len()));
        self.octets += octets.len();
        Poll::Ready(Ok(octets))
    }

    fn write(&mut self, offered: usize) -> Poll<io::Result<usize>> {
        if let Some(kind) = self.write_error {
            self.calls.push(format!("fail to write {offered}"));
            return match kind {
                ErrorKind::WriteZero => Poll::Ready(Ok(0)),
                kind => Poll::Ready(Err(kind.into())),
            };
        }
        if self.full {
            self.calls.push("write nothing".to_owned());
            return Poll::Pending;
        }
        let n = self.takes.pop_front().unwrap_or(offered).min(offered);
        self.calls.push(format!("write {n} of {offered}"));
        Poll::Ready(Ok(n))
    }

    fn let_through(&mut self, what: &str) -> Poll<io::Result<()>> {
        self.calls.push(what.to_owned());
        match self.flush_error {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None if self.held => Poll::Pending,
            None => Poll::Ready(Ok(())),
        }
    }
}

struct Scripted(Rc<RefCell<Script>>);

impl Transport for Scripted {
    fn poll_read(&mut self, _: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().read(space.len()).map_ok(|octets| {
            space[..octets.len()].copy_from_slice(&octets);
            octets.len()
        })
    }

    fn poll_read_buf(
        &mut self,
        _: &mut Context<'_>,
        space: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        let read = self.0.borrow_mut().read(space.remaining_mut());
        read.map_ok(|octets| {
            space.put_slice(&octets);
            octets.len()
        })
    }

    fn poll_write(&mut self, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().write(octets.len())
    }

    fn poll_write_vectored(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        self.0.borrow_mut().write(offered)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().let_through("flush")
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().let_through("close")
    }

    fn explain(error: io::Error) -> ConnectionError {
        ConnectionError::Io(error.into())
    }
}

struct Alarm(Rc<RefCell<Script>>);

impl Timer for Alarm {
    const STREAM_IS_CURRENT: Duration = LOOK;

    fn set(&mut self, at: Instant, _: &mut Context<'_>) -> Poll<()> {
        self.0.borrow_mut().set.push(at);
        if at <= now() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// What dials, as the script says.
struct Dials(Rc<RefCell<Script>>);

impl Redial for Dials {
    type Transport = Scripted;

    fn begin(&mut self, _: Instant) {
        self.0.borrow_mut().calls.push("begin".to_owned());
    }

    fn poll(&mut self, _: Instant, _: &mut Context<'_>) -> Poll<Dialed<Scripted>> {
        let mut script = self.0.borrow_mut();
        match script.dialed.pop_front() {
            None => {
                script.calls.push("dial".to_owned());
                Poll::Pending
            }
            Some(Some(address)) => {
                script.calls.push(format!("reach {address}"));
                Poll::Ready(Dialed::Stream(Box::new(Line {
                    transport: Scripted(Rc::clone(&self.0)),
                    writes: Writes::Exact,
                    options: quiet().to_core(Clock::new(now)),
                    place: Place {
                        address: address.to_owned(),
                        peer: None,
                    },
                })))
            }
            Some(None) => {
                script.calls.push("fail".to_owned());
                let cause = ConnectCause::from(io::Error::from(ErrorKind::ConnectionRefused));
                let error = ConnectError::new(Stage::Tcp, "one:5672", cause);
                Poll::Ready(Dialed::Failed(error))
            }
        }
    }

    fn shaken(&mut self, outcome: Result<(), (Stage, ConnectCause)>, _: Instant) {
        let outcome = match outcome {
            Ok(()) => "opened".to_owned(),
            Err((stage, cause)) => format!("not opened while {stage}: {cause}"),
        };
        self.0.borrow_mut().calls.push(outcome);
    }
}

/// A connection over such a stream.
pub(super) struct Stand {
    pump: Pump<Scripted, Alarm, Dials>,
    pub(super) connection: Connection,
    script: Rc<RefCell<Script>>,
    woken: Arc<Flag>,
}

impl Stand {
    pub(super) fn open(writes: Writes) -> Self {
        Self::open_with(writes, &quiet(), 0)
    }

    /// One that is dialled again when its stream is lost.
    pub(super) fn recovering(writes: Writes) -> Self {
        Self::open_by(writes, &quiet().recovery(Recovery::new()), 0)
    }

    /// The broker opens the connection on the present stream.
    pub(super) fn reopens(&mut self) {
        let tune = wire::tune(2047, 131_072, 0);
        for octets in [wire::start("PLAIN"), tune, wire::open_ok()] {
            self.send(octets);
            self.settle();
        }
    }

    /// Opened with these options and the heartbeat that the broker proposes, in seconds.
    pub(super) fn open_with(writes: Writes, options: &ConnectionOptions, heartbeat: u16) -> Self {
        let options = options.clone().recovery(Recovery::off());
        Self::open_by(writes, &options, heartbeat)
    }

    fn open_by(writes: Writes, options: &ConnectionOptions, heartbeat: u16) -> Self {
        let script = Rc::new(RefCell::new(Script::new()));
        let place = Place {
            address: options.address(),
            peer: None,
        };
        let (core, connection) = Connection::with_core_at(options, Clock::new(now), place);
        let (stream, alarm) = (Scripted(Rc::clone(&script)), Alarm(Rc::clone(&script)));
        let mut stand = Self {
            pump: Pump::new(stream, alarm, writes, core, Dials(Rc::clone(&script))),
            connection,
            script,
            woken: Arc::default(),
        };
        let tune = wire::tune(2047, 131_072, heartbeat);
        for octets in [wire::start("PLAIN"), tune, wire::open_ok()] {
            stand.settle();
            stand.send(octets);
        }
        stand.settle();
        done(stand.connection.opened()).unwrap();
        stand
    }

    pub(super) fn script(&self) -> RefMut<'_, Script> {
        self.script.borrow_mut()
    }

    /// What the timer has been set to.
    pub(super) fn set(&self) -> Ref<'_, Vec<Instant>> {
        Ref::map(self.script.borrow(), |script| &script.set)
    }

    /// Takes a turn.
    pub(super) fn turn(&mut self) -> Next {
        self.woken.take();
        let waker = Waker::from(Arc::clone(&self.woken));
        self.pump.turn(now(), &mut Context::from_waker(&waker))
    }

    /// Takes a turn, in which these calls are made.
    #[track_caller]
    pub(super) fn turn_makes(&mut self, calls: &[&str]) -> Next {
        self.calls();
        let next = self.turn();
        assert_eq!(self.calls(), calls);
        next
    }

    /// Takes turns until one is not due at once.
    #[track_caller]
    pub(super) fn settle(&mut self) -> Next {
        self.turn_until(|stand, next| next != Next::AtOnce && !stand.woken.is_set())
    }

    /// Takes turns until this is so.
    #[track_caller]
    pub(super) fn turn_until(&mut self, mut is_so: impl FnMut(&Self, Next) -> bool) -> Next {
        for _ in 0..1000 {
            let next = self.turn();
            if is_so(self, next) {
                return next;
            }
        }
        panic!("a turn is due again and again");
    }

    /// What has been asked of the stream since the last look.
    pub(super) fn calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.script().calls)
    }

    /// How much has been written since the last look.
    pub(super) fn written(&mut self) -> usize {
        let calls = self.calls();
        let writes = calls.iter().filter_map(|call| call.strip_prefix("write "));
        let octets = writes.filter_map(|write| write.split_once(" of ")?.0.parse::<usize>().ok());
        octets.sum()
    }

    /// The broker sends this, for one read.
    pub(super) fn send(&mut self, octets: Vec<u8>) {
        self.script().inbound.push_back(Ok(octets));
    }

    pub(super) fn says<'m>(&mut self, channel: u16, method: &impl TypedMethod<'m>) {
        self.send(wire::method(channel, method));
    }

    pub(super) fn channel(&mut self) -> Channel {
        let connection = self.connection.clone();
        let mut opening = Task::start(async move { connection.open_channel().await });
        self.settle();
        self.says(1, &channel::OpenOk {});
        self.settle();
        opening.ready().unwrap()
    }

    pub(super) fn publisher(&mut self) -> Publisher {
        let mut selecting = Task::start(Publisher::new(self.channel()));
        self.settle();
        self.says(1, &confirm::SelectOk {});
        self.settle();
        self.calls();
        selecting.ready().unwrap()
    }

    /// Time passes in which no turn is taken.
    pub(super) fn wait(duration: Duration) {
        Pair::sleep(duration);
    }

    /// Why the connection has ended, if it has.
    pub(super) fn end(&self) -> Option<String> {
        Some(self.connection.close_reason()?.to_string())
    }
}

/// Queues messages with bodies of this size.
pub(super) fn send(publisher: &Publisher, n: usize, size: usize) -> Vec<Confirmation> {
    let message = Message::new(vec![b'.'; size]);
    let send = |_| done(publisher.send("", "k", &message)).unwrap();
    (0..n).map(send).collect()
}

/// What became of messages, in a letter each: ok, uncertain, not sent.
pub(super) fn fates(confirmations: Vec<Confirmation>) -> String {
    let fate = |confirmation| match done(confirmation) {
        Ok(()) => 'o',
        Err(PublishError::Uncertain(_)) => 'u',
        Err(PublishError::NotSent(_)) => 'n',
        Err(other) => panic!("{other}"),
    };
    confirmations.into_iter().map(fate).collect()
}
