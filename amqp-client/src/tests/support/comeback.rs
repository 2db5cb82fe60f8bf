//! A client that recovers and RabbitMQ as `amqp-testing` plays it, over one stream after the other.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::task::Poll;
use std::time::Duration;

use amqp_spec::frame::FrameKind;
use amqp_spec::wire::{LongStr, MethodId};
use amqp_spec::{Method, basic, channel, connection, frame};
use amqp_testing::memory::{ConnectionId, Kernel, Like};

use super::pair::{Pair, now, quiet};
use super::task::Task;
use super::wire;
use crate::ConnectionOptions;
use crate::error::ConnectionError;
use crate::proto::Sequel;
use crate::proto::recovery::{Recovery, State};
use crate::proto::shared::place::Place;
use crate::proto::time::clock::Clock;

/// Both ends, and the stream between them.
pub(crate) struct Comeback {
    pub(crate) pair: Pair,
    pub(crate) kernel: Kernel,
    pub(crate) client: ConnectionId,
    pub(crate) options: ConnectionOptions,
    /// Frames that the broker may still say before the stream is lost.
    pub(crate) budget: Option<usize>,
    /// What the broker says to methods, in place of what it would say.
    pub(crate) script: Script,
    /// Channels whose close the client has not answered.
    closing: BTreeSet<u16>,
    /// Channels that the broker does not get on with.
    stuck: BTreeSet<u16>,
    /// What the broker has said and the client has not read.
    unread: Vec<u8>,
}

/// What the broker makes of a method.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Play {
    /// What it always does.
    Usual,
    /// Nothing at all.
    Silence,
    /// Nothing, and nothing to what comes behind it on its channel.
    Stuck,
    /// It closes the channel over it.
    CloseChannel(u16, &'static str),
    /// It closes the channel, and does not say over what.
    CloseWithoutBlame(u16, &'static str),
    /// It closes the connection over it.
    CloseConnection(u16, &'static str),
}

pub(crate) type Script = Box<dyn FnMut(u16, &Method<'_>) -> Play>;

/// Nothing unusual.
pub(crate) fn usual() -> Script {
    Box::new(|_, _| Play::Usual)
}

pub(crate) fn reset() -> ConnectionError {
    ConnectionError::Io(io::Error::from(io::ErrorKind::ConnectionReset).into())
}

fn place() -> Place {
    Place {
        address: "memory".into(),
        peer: None,
    }
}

impl Comeback {
    /// An open connection.
    pub(crate) fn new() -> Self {
        Self::with(quiet().recovery(Recovery::new()))
    }

    pub(crate) fn with(options: ConnectionOptions) -> Self {
        let mut kernel = Kernel::new(Like::RabbitMq4_0, now());
        let client = kernel.connect(now());
        let pair = Pair::recovering(&options);
        Self::of(pair, kernel, client, options, true)
    }

    /// A connection that waits for its first stream.
    pub(crate) fn waiting(options: ConnectionOptions) -> Self {
        let mut kernel = Kernel::new(Like::RabbitMq4_0, now());
        let client = kernel.connect(now());
        let pair = Pair::waiting(&options);
        Self::of(pair, kernel, client, options, false)
    }

    fn of(
        pair: Pair,
        kernel: Kernel,
        client: ConnectionId,
        options: ConnectionOptions,
        opens: bool,
    ) -> Self {
        let mut this = Self {
            pair,
            kernel,
            client,
            options,
            budget: None,
            script: usual(),
            closing: BTreeSet::new(),
            stuck: BTreeSet::new(),
            unread: Vec::new(),
        };
        if opens {
            this.run();
            assert!(this.pair.core.is_open());
        }
        this
    }

    /// Carries octets there and back until both are silent. False if the broker had said as many
    /// frames before as it may.
    pub(crate) fn run(&mut self) -> bool {
        loop {
            self.kernel.advance(now());
            let sent = self.pair.written_octets();
            self.receive(&sent);
            self.kernel.take_output_into(self.client, &mut self.unread);
            let unread = self.unread.len();
            if sent.is_empty() && unread == 0 {
                return true;
            }
            if !self.hand_over() {
                return false;
            }
            if sent.is_empty() && self.unread.len() == unread {
                // It does not read.
                return true;
            }
        }
    }

    /// The broker reads what the client has sent.
    fn receive(&mut self, sent: &[u8]) {
        let header = if sent.starts_with(b"AMQP") { 8 } else { 0 };
        let (header, sent) = sent.split_at(header);
        self.kernel.receive(self.client, header, now());
        let (frames, rest) = wire::raw_frames(sent);
        assert!(rest.is_empty());
        for octets in frames {
            let (frame, _) = frame::decode(&octets, usize::MAX).unwrap().unwrap();
            let number = frame.channel;
            if self.stuck.contains(&number) {
                continue;
            }
            if frame.kind != FrameKind::Method {
                self.kernel.receive(self.client, &octets, now());
                continue;
            }
            let method = Method::decode(frame.payload).unwrap();
            if self.closing.contains(&number) {
                if matches!(method, Method::ChannelCloseOk(_)) {
                    self.closing.remove(&number);
                }
                continue;
            }
            match (self.script)(number, &method) {
                Play::Usual => self.kernel.receive(self.client, &octets, now()),
                Play::Silence => {}
                Play::Stuck => {
                    self.stuck.insert(number);
                }
                Play::CloseChannel(code, text) => {
                    self.close_channel(number, (code, text), method.id());
                }
                Play::CloseWithoutBlame(code, text) => {
                    self.close_channel(number, (code, text), MethodId::new(0, 0));
                }
                Play::CloseConnection(code, text) => {
                    self.kernel.take_output_into(self.client, &mut self.unread);
                    let close = connection::Close {
                        reply_code: code,
                        reply_text: wire::short(text),
                        class_id: method.id().class_id(),
                        method_id: method.id().method_id(),
                    };
                    self.unread.extend(wire::method(0, &close));
                    self.kernel.disconnected(self.client, now());
                    return;
                }
            }
        }
    }

    /// The broker closes a channel over this method.
    pub(crate) fn close_channel(&mut self, number: u16, (code, text): (u16, &str), over: MethodId) {
        self.kernel.take_output_into(self.client, &mut self.unread);
        let ours = wire::method(
            number,
            &channel::Close {
                reply_code: 200,
                ..channel::Close::default()
            },
        );
        self.kernel.receive(self.client, &ours, now());
        drop(self.kernel.take_output(self.client));
        let close = channel::Close {
            reply_code: code,
            reply_text: wire::short(text),
            class_id: over.class_id(),
            method_id: over.method_id(),
        };
        self.unread.extend(wire::method(number, &close));
        self.closing.insert(number);
    }

    /// Connects another stream, and has everything restored on it but what is pending.
    #[track_caller]
    pub(crate) fn come_back_pending(&mut self) {
        self.connect();
        assert!(self.run());
        for _ in 0..5 {
            self.pass(Duration::from_millis(400));
        }
        let state = self.pair.connection.state();
        assert!(matches!(state, State::Open { .. }), "{state:?}");
    }

    /// Runs a future to its end that needs no stream.
    #[track_caller]
    pub(crate) fn done_while_down<T: 'static>(
        &mut self,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        let mut task = Task::new(future);
        for _ in 0..10 {
            if let Poll::Ready(output) = task.run() {
                return output;
            }
            self.pair.advance(Duration::ZERO);
        }
        panic!("it does not end")
    }

    /// Another connection consumes from this queue.
    pub(crate) fn other_consumer(&mut self, queue: &str) -> ConnectionId {
        let other = self.kernel.connect(now());
        let consume = basic::Consume {
            queue: wire::short(queue),
            ..basic::Consume::default()
        };
        let mut octets = frame::PROTOCOL_HEADER.to_vec();
        let start_ok = connection::StartOk {
            mechanism: wire::short("PLAIN"),
            response: LongStr::new(b"\0guest\0guest").unwrap(),
            locale: wire::short("en_US"),
            ..connection::StartOk::default()
        };
        octets.extend(wire::method(0, &start_ok));
        let tune_ok = connection::TuneOk {
            channel_max: 10,
            frame_max: 131_072,
            heartbeat: 0,
        };
        octets.extend(wire::method(0, &tune_ok));
        let open = connection::Open {
            virtual_host: wire::short("/"),
        };
        octets.extend(wire::method(0, &open));
        octets.extend(wire::method(1, &channel::Open {}));
        octets.extend(wire::method(1, &consume));
        self.kernel.receive(other, &octets, now());
        drop(self.kernel.take_output(other));
        other
    }

    /// Time passes on both sides.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = now() + duration;
        while now() < end {
            let left = end - now();
            let next = self.pair.core.deadline().unwrap_or(end).max(now());
            self.pair.advance(left.min(next - now()));
            self.run();
        }
    }

    /// The client reads what the broker has said, frame by frame if that is counted.
    fn hand_over(&mut self) -> bool {
        let Some(budget) = &mut self.budget else {
            let mut read = 0;
            while read < self.unread.len() && self.pair.wants_read() {
                read += self.pair.read_once(&self.unread[read..]);
            }
            drop(self.unread.drain(..read));
            self.pair.feed(&[]);
            return true;
        };
        let (frames, _) = wire::raw_frames(&self.unread);
        let mut read = 0;
        for frame in frames {
            if *budget == 0 {
                break;
            }
            *budget -= 1;
            read += frame.len();
            self.pair.feed(&frame);
        }
        self.unread.drain(..read);
        self.unread.is_empty()
    }

    /// Runs a future to its end.
    #[track_caller]
    pub(crate) fn done<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> T {
        let mut task = Task::new(future);
        for _ in 0..100 {
            self.run();
            if let Poll::Ready(output) = task.run() {
                return output;
            }
        }
        panic!("it does not end")
    }

    /// The stream is reset: each side learns of it.
    pub(crate) fn lose(&mut self) {
        self.unread.clear();
        self.closing.clear();
        self.stuck.clear();
        self.kernel.disconnected(self.client, now());
        self.pair.core.lost(reset());
        drop(self.pair.take_written());
    }

    /// The client learns that the stream is gone, and the broker does not: it keeps what is
    /// exclusive for the connection, which is given.
    pub(crate) fn lose_unnoticed(&mut self) -> ConnectionId {
        self.unread.clear();
        self.closing.clear();
        self.stuck.clear();
        self.pair.core.lost(reset());
        drop(self.pair.take_written());
        self.client
    }

    /// The broker notices that a connection is gone.
    pub(crate) fn notice(&mut self, lost: ConnectionId) {
        self.kernel.disconnected(lost, now());
    }

    /// When the next stream is to be connected.
    #[track_caller]
    pub(crate) fn wait_to_redial(&mut self) {
        let Sequel::Redial { at } = self.pair.core.sequel() else {
            panic!("over: {:?}", self.pair.connection.state());
        };
        self.pair
            .advance((at - now()).max(Duration::from_millis(40)));
        self.kernel.advance(now());
    }

    /// Connects another stream; nothing has been said on it.
    #[track_caller]
    pub(crate) fn connect(&mut self) {
        self.wait_to_redial();
        self.closing.clear();
        self.stuck.clear();
        self.client = self.kernel.connect(now());
        let options = self.options.to_core(Clock::new(now));
        self.pair.core.connected(options, place(), now());
    }

    /// Connects another stream, and has everything restored on it.
    #[track_caller]
    pub(crate) fn come_back(&mut self) {
        self.connect();
        assert!(self.run());
        self.assert_open();
    }

    #[track_caller]
    pub(crate) fn assert_open(&self) {
        let state = self.pair.connection.state();
        assert!(matches!(state, State::Open { pending: 0, .. }), "{state:?}");
    }

    /// What the broker has, in words.
    pub(crate) fn model(&self) -> Vec<String> {
        let mut model = Vec::new();
        for name in self.kernel.exchanges("/") {
            if !name.starts_with("amq.") && !name.is_empty() {
                model.push(format!("exchange {name}"));
            }
        }
        for name in self.kernel.queues("/") {
            let queue = self.kernel.queue("/", name).unwrap();
            let name = if name.starts_with("amq.gen") {
                "?"
            } else {
                name
            };
            let consumers = queue.consumers();
            model.push(format!("queue {name}: {consumers:?}"));
        }
        for binding in self.kernel.bindings("/") {
            model.push(without_made_up_names(&format!("{binding:?}")));
        }
        let connection = self.kernel.connection(self.client);
        for number in connection.map_or(Vec::new(), |one| one.channels().to_vec()) {
            let channel = self.kernel.channel(self.client, number).unwrap();
            let consumers = channel.consumers();
            let consumers = format!("{consumers:?}");
            model.push(format!(
                "channel {number}: {}",
                without_made_up_names(&consumers)
            ));
        }
        model.sort();
        model
    }
}

/// The same text with the names that the broker has made up taken out.
fn without_made_up_names(text: &str) -> String {
    let mut parts = text.split("amq.gen-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "amq.gen" + &part[22..])
}
