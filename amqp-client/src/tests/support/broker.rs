//! RabbitMQ as `amqp-testing` plays it, read frame by frame, with what the tests need lying ready.
//!
//! There are the exchanges `x` and `y`, and queues to consume from, to fetch from and to publish to.
//! Each consumer finds two messages in its queue, and one more on its way when it is cancelled; in
//! `fetched` there is always one to fetch. A refusal fails the test: clients here do nothing that RabbitMQ objects to,
//! but for transactions on a channel with confirms, which keep a busy channel waiting and are
//! answered by hand.

use std::collections::VecDeque;
use std::time::Instant;

use amqp_spec::frame::{self, Frame, FrameKind};
use amqp_spec::wire::{LongStr, MethodId, TypedMethod};
use amqp_spec::{Method, basic, channel, connection, exchange, queue, tx};
use amqp_testing::memory::{ChannelView, Confirming, ConnectionId, Kernel, Like};

use super::wire;

const QUEUES: &[&str] = &["q", "fetched", "empty", "standing"];

/// Where messages are published to, and thrown away.
const SINKS: &[&str] = &["key", "k", "busy"];

/// Methods for which something is laid ready, or which are answered by hand.
const PREPARED: [Option<MethodId>; 6] = [
    Some(basic::Get::ID),
    Some(basic::Consume::ID),
    Some(basic::Cancel::ID),
    Some(tx::Select::ID),
    Some(tx::Commit::ID),
    Some(tx::Rollback::ID),
];

const CLOSES: [Option<MethodId>; 2] = [Some(channel::Close::ID), Some(connection::Close::ID)];

pub(crate) struct Broker {
    kernel: Kernel,
    now: Instant,
    client: ConnectionId,
    pub(crate) closed: bool,
    /// Frames on their way to the client.
    pub(crate) outgoing: VecDeque<Vec<u8>>,
}

impl Broker {
    /// With a client whose connection is open; the test has played its opening.
    pub(crate) fn new() -> Self {
        let mut broker = Self::with_start_said();
        broker.kernel.receive(broker.client, &opening(), broker.now);
        broker.kernel.take_output(broker.client);
        broker
    }

    /// With a client that has got `start`, by the test.
    pub(crate) fn with_start_said() -> Self {
        let now = Instant::now();
        let mut kernel = Kernel::new(Like::RabbitMq4_0, now);
        kernel.set_confirming(Confirming::Each);
        let client = kernel.connect(now);
        kernel.receive(client, &frame::PROTOCOL_HEADER, now);
        kernel.take_output(client);
        let mut broker = Self {
            kernel,
            now,
            client,
            closed: false,
            outgoing: VecDeque::new(),
        };
        broker.declare();
        broker
    }

    /// Whatever is missing of what is always there.
    fn declare(&mut self) {
        for name in ["x", "y"] {
            self.kernel.declare_exchange("/", name, "topic");
        }
        for name in QUEUES.iter().chain(SINKS) {
            self.kernel.declare_queue("/", name);
        }
    }

    /// Reads whole frames of the client's and queues the answers.
    pub(crate) fn read(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while let Some((frame, used)) = frame::decode(rest, usize::MAX).unwrap() {
            assert!(!self.closed, "something behind connection.close");
            let (octets, behind) = rest.split_at(used);
            rest = behind;
            let id = match frame.kind {
                FrameKind::Method => MethodId::peek(frame.payload),
                _ => None,
            };
            if PREPARED.contains(&id) && self.prepare(&frame) {
                continue;
            }
            self.kernel.receive(self.client, octets, self.now);
            self.say();
            match id {
                Some(connection::Close::ID) => self.closed = true,
                Some(exchange::Delete::ID | queue::Delete::ID) => self.declare(),
                None => SINKS.iter().for_each(|name| {
                    self.kernel.purge_queue("/", name);
                }),
                _ => {}
            }
        }
    }

    /// Lays ready what a method is to find; true if it is answered by that.
    fn prepare(&mut self, frame: &Frame<'_>) -> bool {
        let number = frame.channel;
        match Method::decode(frame.payload).unwrap() {
            Method::BasicGet(get) if get.queue == "fetched" => self.publish("fetched", "fetched"),
            Method::BasicConsume(consume) if !consume.queue.starts_with("amq.") => {
                let queue = consume.queue.to_string_lossy();
                let ready = self.kernel.queue("/", &queue).expect("a queue").ready();
                (ready..2).for_each(|_| self.publish(&queue, "delivered"));
            }
            Method::BasicCancel(cancel) => {
                let consumers = self.channel(number).consumers().to_vec();
                let found = consumers
                    .iter()
                    .find(|(tag, _)| cancel.consumer_tag == **tag);
                if let Some((_, queue)) = found {
                    self.publish(queue, "delivered");
                }
            }
            Method::TxSelect(_) => return self.answer(wire::method(number, &tx::SelectOk {})),
            Method::TxCommit(_) => return self.answer(wire::method(number, &tx::CommitOk {})),
            Method::TxRollback(_) => return self.answer(wire::method(number, &tx::RollbackOk {})),
            _ => {}
        }
        false
    }

    fn answer(&mut self, octets: Vec<u8>) -> bool {
        self.outgoing.push_back(octets);
        true
    }

    fn publish(&mut self, queue: &str, body: &str) {
        let properties = basic::Properties::new();
        let route = ("", queue);
        self.kernel
            .publish("/", route, &properties, body.as_bytes());
        self.say();
    }

    fn say(&mut self) {
        let octets = self.kernel.take_output(self.client);
        let mut rest = octets.as_slice();
        while let Some((frame, used)) = frame::decode(rest, usize::MAX).unwrap() {
            let id = MethodId::peek(frame.payload);
            if frame.kind == FrameKind::Method && CLOSES.contains(&id) {
                panic!("refused: {:?}", Method::decode(frame.payload));
            }
            let (octets, behind) = rest.split_at(used);
            self.outgoing.push_back(octets.to_vec());
            rest = behind;
        }
    }

    /// The numbers of the channels that are open.
    pub(crate) fn channels(&self) -> Vec<u16> {
        let connection = self.kernel.connection(self.client);
        connection.map_or(Vec::new(), |connection| connection.channels().to_vec())
    }

    /// What a channel has that is open.
    #[track_caller]
    pub(crate) fn channel(&self, number: u16) -> ChannelView {
        let channel = self.kernel.channel(self.client, number);
        channel.expect("an open channel")
    }
}

/// What a client says to `start`, until its connection is open.
fn opening() -> Vec<u8> {
    let start_ok = connection::StartOk {
        mechanism: wire::short("PLAIN"),
        response: LongStr::new(b"\0guest\0guest").unwrap(),
        ..connection::StartOk::default()
    };
    let tune_ok = connection::TuneOk {
        channel_max: 2047,
        frame_max: 131_072,
        heartbeat: 0,
    };
    let open = connection::Open {
        virtual_host: wire::short("/"),
    };
    [
        wire::method(0, &start_ok),
        wire::method(0, &tune_ok),
        wire::method(0, &open),
    ]
    .concat()
}
