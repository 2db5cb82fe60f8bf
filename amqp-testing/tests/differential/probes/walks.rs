//! Walks: operations drawn at random, each of which waits for what it causes.
//!
//! All requests go out on one channel, so that each queue hears them in their order. Consumers have
//! a channel for each queue, since nothing orders what two queues say. A queue that has been told
//! something is given a moment to hear of it, which is too short on a node that is busy.

use std::time::Duration;

use amqp_spec::wire::FieldTable;
use amqp_spec::{basic, channel, confirm, exchange, field_table, queue};

use crate::lab::{Client, Lab};
use crate::probe::Probe;
use crate::say::{
    ack, bind, bind_exchange, cancel, consume, declare, declare_with, delete, delete_exchange,
    durable, exchange, exclusive, get, mandatory, message, nack, passive, purge, recover, reject,
    take, unbind, unbind_exchange,
};

/// How many operations one walk has.
const N_STEPS: usize = 60;

const N_QUEUES: u16 = 3;

/// The types of the exchanges that a walk begins with.
const KINDS: &[&str] = &["direct", "topic", "fanout"];

/// The first channel of a consumer.
const CONSUMERS: u16 = 10;

/// Walks with these numbers. The number is all that decides what is drawn.
pub(crate) fn walks(numbers: std::ops::Range<u64>) -> Vec<Probe> {
    let walk = |number: u64| Probe {
        topic: "walks",
        // Probes live as long as the process.
        name: format!("walk_{number}").leak(),
        run: walk,
    };
    numbers.map(walk).collect()
}

fn walk(lab: &Lab) {
    let number = lab
        .name("")
        .trim_matches(|letter| !char::is_numeric(letter))
        .parse()
        .unwrap();
    let client = lab.confirming();
    for queue in 0..N_QUEUES {
        client.open_channel(CONSUMERS + queue);
    }
    let mut walk = Walk {
        lab,
        client,
        random: Random(number),
        n_publishes: 0,
        n_tags: 0,
        unsettled: Vec::new(),
    };
    walk.begin();
    for _ in 0..N_STEPS {
        walk.step();
    }
}

struct Walk<'a> {
    lab: &'a Lab,
    client: Client,
    random: Random,
    /// Since the channel was opened.
    n_publishes: u64,
    n_tags: u64,
    /// Tags that may not be settled yet, sorted.
    unsettled: Vec<u64>,
}

impl Walk<'_> {
    /// There is something of everything, so that few operations fail.
    fn begin(&mut self) {
        for (number, kind) in KINDS.iter().enumerate() {
            let (q, x) = (
                self.lab.name(&format!("q{number}")),
                self.lab.name(&format!("x{number}")),
            );
            self.client
                .call(1, &declare_with(&q, &Self::arguments(number)));
            self.client.call(1, &exchange(&x, kind));
            self.client.call(1, &bind(&q, &x, "a"));
        }
    }

    /// One queue drops what is too much, one refuses it.
    fn arguments(queue: usize) -> FieldTable {
        match queue {
            0 => field_table! { "x-max-length" => 3i32 },
            1 => field_table! { "x-max-length" => 4i32, "x-overflow" => "reject-publish" },
            _ => FieldTable::new(),
        }
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0 | 1 => self.declare(),
            2 | 3 => self.look(),
            4 => self.delete(),
            5 => self.purge(),
            6..=10 => self.bind(),
            11 | 12 => self.exchange(),
            13..=21 => self.publish(),
            22..=28 => self.get(),
            29..=34 => self.settle(),
            35 => self.recover(),
            _ => self.consume(),
        }
        if self.client.is_closed(1) {
            self.client.send(1, &channel::CloseOk {});
            self.client.open_channel(1);
            self.client.call(1, &confirm::Select::default());
            (self.n_publishes, self.n_tags) = (0, 0);
            self.unsettled.clear();
            self.let_queues_hear();
        }
    }

    fn queue(&mut self) -> (String, u16) {
        let number = self.random.below(u64::from(N_QUEUES));
        let number = u16::try_from(number).unwrap();
        (self.lab.name(&format!("q{number}")), CONSUMERS + number)
    }

    fn an_exchange(&mut self) -> String {
        let number = self.random.below(3);
        self.lab.name(&format!("x{number}"))
    }

    fn key(&mut self) -> &'static str {
        self.random.of(&["a", "a.b", "b", "a.#", "*.b", "#", ""])
    }

    fn declare(&mut self) {
        let (q, channel) = self.queue();
        let arguments = Self::arguments(usize::from(channel - CONSUMERS));
        // None that delete themselves: they take their time.
        let declared = match self.random.below(8) {
            0 => durable(&q),
            1 => exclusive(&q),
            2 => declare(&q),
            _ => declare_with(&q, &arguments),
        };
        self.client.call(1, &declared);
    }

    fn look(&mut self) {
        let (q, _) = self.queue();
        self.client.call(1, &passive(&q));
    }

    fn recover(&mut self) {
        self.client.call(1, &recover());
        self.unsettled.clear();
        self.let_queues_hear();
    }

    fn purge(&mut self) {
        let (q, _) = self.queue();
        self.client.call(1, &purge(&q));
    }

    fn delete(&mut self) {
        let (q, consumers) = self.queue();
        let deleted = queue::Delete {
            if_unused: self.random.below(2) == 0,
            if_empty: self.random.below(2) == 0,
            ..delete(&q)
        };
        let n_deleted = self.client.count(1, "queue.delete-ok");
        self.client.call(1, &deleted);
        if self.client.count(1, "queue.delete-ok") > n_deleted {
            // A consumer hears of it some time.
            self.client.wait_consumer_gone(consumers);
        }
    }

    fn bind(&mut self) {
        let ((q, _), x, y) = (self.queue(), self.an_exchange(), self.an_exchange());
        let key = self.key();
        match self.random.below(6) {
            0 => self.client.call(1, &unbind(&q, &x, key)),
            1 => self.client.call(1, &bind_exchange(&x, &y, key)),
            2 => self.client.call(1, &unbind_exchange(&x, &y, key)),
            _ => self.client.call(1, &bind(&q, &x, key)),
        }
    }

    fn exchange(&mut self) {
        let x = self.an_exchange();
        let kind = self.random.of(KINDS);
        match self.random.below(6) {
            0 => self.client.call(1, &delete_exchange(&x)),
            1 => {
                let deleted = exchange::Delete {
                    if_unused: true,
                    ..delete_exchange(&x)
                };
                self.client.call(1, &deleted);
            }
            2 => {
                let declared = exchange::Declare {
                    auto_delete: true,
                    ..exchange(&x, kind)
                };
                self.client.call(1, &declared);
            }
            _ => self.client.call(1, &exchange(&x, kind)),
        }
    }

    fn publish(&mut self) {
        self.n_publishes += 1;
        let body = self.n_publishes.to_string();
        let (to, key) = match self.random.below(2) {
            0 => (String::new(), self.queue().0),
            _ => (self.an_exchange(), self.key().to_owned()),
        };
        let octets = match self.random.below(3) {
            0 => mandatory(1, &to, &key, &body),
            _ => message(1, &to, &key, &body),
        };
        self.client.raw(&[octets]);
        self.client.wait_either(1, &["basic.ack", "basic.nack"]);
    }

    fn get(&mut self) {
        let (q, _) = self.queue();
        let is_settled = self.random.below(4) == 0;
        let fetch = if is_settled { take(&q) } else { get(&q) };
        let n_got = self.client.count(1, "basic.get-ok");
        self.client.call(1, &fetch);
        if self.client.count(1, "basic.get-ok") > n_got {
            self.n_tags += 1;
            if !is_settled {
                self.unsettled.push(self.n_tags);
            }
        }
    }

    fn settle(&mut self) {
        // Seldom one that is unknown.
        let tag = match self.random.below(12) {
            0 => self.random.below(self.n_tags + 2),
            _ if self.unsettled.is_empty() => return,
            _ => {
                let unsettled = self.unsettled.clone();
                self.random.of(&unsettled)
            }
        };
        let multiple = self.random.below(3) == 0;
        self.unsettled
            .retain(|other| *other != tag && (!multiple || *other > tag));
        let requeue = self.random.below(2) == 0;
        match self.random.below(3) {
            0 => self.client.send(1, &ack(tag, multiple)),
            1 => self.client.send(1, &nack(tag, multiple, requeue)),
            _ => self.client.send(1, &reject(tag, requeue)),
        }
        // Answered behind it, or not at all if the channel is closed.
        self.client.call(1, &crate::say::qos(0));
        self.let_queues_hear();
    }

    /// Questions about a queue overtake what it has been told.
    fn let_queues_hear(&self) {
        self.client.pause(Duration::from_millis(100));
    }

    /// Consumes from a queue, or no longer.
    fn consume(&mut self) {
        let (q, channel) = self.queue();
        if self.client.is_closed(channel) {
            self.client.send(channel, &channel::CloseOk {});
            self.client.open_channel(channel);
        }
        if self.random.below(3) == 0 {
            self.client.call(channel, &cancel("t"));
        } else if !self.client.has_consumer(channel) {
            let consumer = basic::Consume {
                no_ack: true,
                ..consume(&q, "t")
            };
            self.client.call(channel, &consumer);
        }
    }
}

/// Marsaglia's xorshift, from seeds that are far from each other.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        let mut x = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0 = self.0.wrapping_add(x | 1);
        (x >> 11) % n
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        let at = self.below(values.len() as u64);
        values[usize::try_from(at).unwrap()]
    }
}
