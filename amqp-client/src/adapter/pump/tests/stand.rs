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

use crate::adapter::pump::{Next, Pump, Timer, Transport, Writes};
use crate::error::{ConnectionError, PublishError};
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

/// A connection over such a stream.
pub(super) struct Stand {
    pump: Pump<Scripted, Alarm>,
    pub(super) connection: Connection,
    script: Rc<RefCell<Script>>,
    woken: Arc<Flag>,
}

impl Stand {
    pub(super) fn open(writes: Writes) -> Self {
        Self::open_with(writes, &quiet(), 0)
    }

    /// Opened with these options and the heartbeat that the broker proposes, in seconds.
    pub(super) fn open_with(writes: Writes, options: &ConnectionOptions, heartbeat: u16) -> Self {
        let script = Rc::new(RefCell::new(Script::new()));
        let (core, connection) = Connection::with_core(options, now);
        let (stream, alarm) = (Scripted(Rc::clone(&script)), Alarm(Rc::clone(&script)));
        let mut stand = Self {
            pump: Pump::new(stream, alarm, writes, core),
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
