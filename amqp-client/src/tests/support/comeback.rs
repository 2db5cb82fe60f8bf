//! A client that recovers and RabbitMQ as `amqp-testing` plays it, over one stream after the other.

use std::future::Future;
use std::io;
use std::task::Poll;
use std::time::Duration;

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
    /// What the broker has said and the client has not read.
    unread: Vec<u8>,
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
        let mut this = Self {
            pair,
            kernel,
            client,
            options,
            budget: None,
            unread: Vec::new(),
        };
        this.run();
        assert!(this.pair.core.is_open());
        this
    }

    /// Carries octets there and back until both are silent. False if the broker had said as many
    /// frames before as it may.
    pub(crate) fn run(&mut self) -> bool {
        loop {
            self.kernel.advance(now());
            let sent = self.pair.written_octets();
            self.kernel.receive(self.client, &sent, now());
            self.kernel.take_output_into(self.client, &mut self.unread);
            if sent.is_empty() && self.unread.is_empty() {
                return true;
            }
            if !self.hand_over() {
                return false;
            }
        }
    }

    /// The client reads what the broker has said, frame by frame if that is counted.
    fn hand_over(&mut self) -> bool {
        let Some(budget) = &mut self.budget else {
            let unread = std::mem::take(&mut self.unread);
            self.pair.feed(&unread);
            return true;
        };
        let (frames, rest) = wire::raw_frames(&self.unread);
        let rest = rest.to_vec();
        for frame in frames {
            if *budget == 0 {
                self.unread.clear();
                return false;
            }
            *budget -= 1;
            self.pair.feed(&frame);
        }
        self.unread = rest;
        true
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
        self.kernel.disconnected(self.client, now());
        self.pair.core.lost(reset());
        drop(self.pair.take_written());
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
