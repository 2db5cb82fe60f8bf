//! Many tasks on one channel against a broker that answers at random: each publish must get the
//! outcome that the broker gave the message of that body, however numbers were assigned meanwhile.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use amqp_client::amqp_spec::basic::PropertiesRef;
use amqp_client::{Confirmation, Message, PublishError, Publisher};
use amqp_spec::frame::{self, FrameKind};
use amqp_spec::{Method, confirm};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::peer::{Peer, options};
use crate::wire;

/// A million where code is optimised; a quarter of it takes long enough where it is not.
const PUBLISHES: u64 = if cfg!(debug_assertions) {
    250_000
} else {
    1_000_000
};
const TASKS: u64 = 64;
const EACH: u64 = PUBLISHES / TASKS;

const NOTHING: u8 = 0;
const ACKED: u8 = 1;
const NACKED: u8 = 2;
const RETURNED: u8 = 3;

/// What the broker has said, by the number in the body.
#[derive(Clone)]
struct Shadow(Arc<Vec<AtomicU8>>);

/// Added once a publish has been told what the broker said of it.
const TOLD: u8 = 16;

impl Shadow {
    fn new() -> Self {
        Self(Arc::new((0..PUBLISHES).map(|_| NOTHING.into()).collect()))
    }

    fn of(&self, id: u64) -> u8 {
        self.0[usize::try_from(id).unwrap()].load(Ordering::SeqCst)
    }

    fn set(&self, id: u64, outcome: u8) {
        let before = self.0[usize::try_from(id).unwrap()].swap(outcome, Ordering::SeqCst);
        assert_eq!(before, NOTHING, "message {id} was answered twice");
    }

    fn told(&self, id: u64) {
        self.0[usize::try_from(id).unwrap()].fetch_or(TOLD, Ordering::SeqCst);
    }

    fn count(&self, outcome: u8) -> u64 {
        (0..PUBLISHES).filter(|&id| self.of(id) == outcome).count() as u64
    }
}

/// The same numbers every time, for each seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit
    }
}

/// The broker.
struct Broker {
    stream: DuplexStream,
    read: Vec<u8>,
    shadow: Shadow,
    random: Random,
    published: u64,
    /// The message that is being received is mandatory.
    mandatory: bool,
    /// By publish number: the number in the body, and whether it may come back.
    unanswered: BTreeMap<u64, (u64, bool)>,
}

impl Broker {
    /// Until the client ends the stream.
    async fn run(mut self) {
        loop {
            // Answers do not wait for more to be published, for the publishers wait for them.
            let wait = self.unanswered.is_empty();
            let polled = {
                let mut reading = pin!(self.stream.read_buf(&mut self.read));
                poll_fn(|context| match reading.as_mut().poll(context) {
                    Poll::Pending if wait => Poll::Pending,
                    Poll::Pending => Poll::Ready(None),
                    Poll::Ready(n) => Poll::Ready(Some(n.unwrap())),
                })
                .await
            };
            if polled == Some(0) {
                return;
            }
            self.take_frames();
            let mut answers = Vec::new();
            for _ in 0..self.random.below(40) {
                self.answer(&mut answers);
            }
            self.stream.write_all(&answers).await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    fn take_frames(&mut self) {
        let mut at = 0;
        while let Some((frame, used)) = frame::decode(&self.read[at..], usize::MAX).unwrap() {
            match frame.kind {
                FrameKind::Method => match Method::decode(frame.payload).unwrap() {
                    Method::BasicPublish(publish) => self.mandatory = publish.mandatory,
                    other => panic!("{} is not expected", other.name()),
                },
                FrameKind::Header | FrameKind::Heartbeat => {}
                FrameKind::Body => {
                    self.published += 1;
                    let id = u64::from_be_bytes(frame.payload.try_into().unwrap());
                    let published = (id, self.mandatory);
                    self.unanswered.insert(self.published, published);
                }
            }
            at += used;
        }
        self.read.drain(..at);
    }

    /// Answers one message, or several.
    fn answer(&mut self, answers: &mut Vec<u8>) {
        let window = self.unanswered.len().min(100) as u64;
        if window == 0 {
            return;
        }
        let nth = usize::try_from(self.random.below(window)).unwrap();
        let (&number, &(id, mandatory)) = self.unanswered.iter().nth(nth).unwrap();
        if mandatory && self.random.below(2) == 0 {
            answers.extend(wire::returned(1, "key", &id.to_be_bytes()));
            self.shadow.set(id, RETURNED);
            self.unanswered.remove(&number);
            answers.extend(match self.random.below(10) {
                0 => wire::nack(1, number, false),
                _ => wire::ack(1, number, false),
            });
            return;
        }
        let (&first, _) = self.unanswered.first_key_value().unwrap();
        match self.random.below(20) {
            0..=5 => self.say(number..=number, ACKED),
            6..=10 => {
                answers.extend(wire::ack(1, first, false));
                return self.say(first..=first, ACKED);
            }
            11..=15 => {
                answers.extend(wire::ack(1, number, true));
                return self.say(0..=number, ACKED);
            }
            16 => {
                answers.extend(wire::nack(1, number, true));
                return self.say(0..=number, NACKED);
            }
            17 => {
                // For what has been answered, or was never published.
                answers.extend(wire::nack(1, u64::MAX / 2, false));
                answers.extend(wire::nack(1, first - 1, false));
                return;
            }
            _ => {
                answers.extend(wire::nack(1, number, false));
                return self.say(number..=number, NACKED);
            }
        }
        answers.extend(wire::ack(1, number, false));
    }

    fn say(&mut self, numbers: std::ops::RangeInclusive<u64>, outcome: u8) {
        let numbers: Vec<u64> = self.unanswered.range(numbers).map(|(&n, _)| n).collect();
        for number in numbers {
            let (id, _) = self.unanswered.remove(&number).unwrap();
            self.shadow.set(id, outcome);
        }
    }
}

fn check(id: u64, outcome: &Result<(), PublishError>, shadow: &Shadow) {
    let told = match outcome {
        Ok(()) => ACKED,
        Err(PublishError::Nacked) => NACKED,
        Err(PublishError::Returned(message)) => {
            assert_eq!(message.body(), id.to_be_bytes(), "somebody else's message");
            RETURNED
        }
        Err(other) => panic!("{other}"),
    };
    assert_eq!(told, shadow.of(id), "message {id}");
    shadow.told(id);
}

/// One of the tasks: publishes in every way, looks at outcomes in any order, and at some not at
/// all.
async fn publish(task: u64, publisher: Publisher, shadow: Shadow) {
    let mut random = Random(task.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let channel = publisher.channel().clone();
    let publisher = match task % 3 {
        0 => publisher.max_outstanding(200),
        _ => publisher,
    };
    let mandatory = publisher.clone().mandatory();
    let none = PropertiesRef::EMPTY;
    let plain = channel.prepare("", "key", none).unwrap();
    let prepared = publisher.prepare("", "key", none).unwrap();
    let prepared_mandatory = mandatory.prepare("", "key", none).unwrap();
    let mut kept: Vec<(u64, Confirmation)> = Vec::new();
    for id in task * EACH..(task + 1) * EACH {
        let body = id.to_be_bytes();
        let message = Message::new(body.to_vec());
        let sent = match random.below(10) {
            0 => {
                channel.basic_publish("", "key", &message).await.unwrap();
                continue;
            }
            1 => {
                plain.publish(&body).await.unwrap();
                continue;
            }
            2 | 3 => mandatory.send("", "key", message).await,
            4 => prepared_mandatory.send(&body).await,
            5 | 6 => prepared.send(&body).await,
            7 => {
                let outcome = publisher.publish("", "key", message).await;
                check(id, &outcome, &shadow);
                continue;
            }
            _ => publisher.send("", "key", message).await,
        };
        kept.push((id, sent.unwrap()));
        while kept.len() > 50 {
            let at = usize::try_from(random.below(50)).unwrap();
            let (id, confirmation) = kept.swap_remove(at);
            if random.below(10) > 0 {
                check(id, &confirmation.await, &shadow);
            }
        }
    }
    for (id, confirmation) in kept {
        check(id, &confirmation.await, &shadow);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s6_outcomes_of_many_tasks_equal_a_shadow_of_what_the_broker_said() {
    let (ours, mut peer) = Peer::pair(256 * 1024);
    let connection = peer.open(ours, &options()).await;
    let channel = peer.channel(&connection).await;
    let selecting = tokio::spawn(Publisher::new(channel));
    peer.expect("1 confirm.select").await;
    peer.say(1, &confirm::SelectOk {}).await;
    let publisher = selecting.await.unwrap().unwrap();
    let shadow = Shadow::new();
    let broker = Broker {
        stream: peer.into_stream(),
        read: Vec::new(),
        shadow: shadow.clone(),
        random: Random(99),
        published: 0,
        mandatory: false,
        unanswered: BTreeMap::new(),
    };
    let broker = tokio::spawn(broker.run());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(publish(task, publisher.clone(), shadow.clone())))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // What no publish was told is told now, and nothing else.
    let failed = publisher.wait_for_confirms().await.unwrap_err();
    assert_eq!(shadow.count(NOTHING), PUBLISHES % TASKS);
    assert_eq!(failed.nacked, shadow.count(NACKED));
    assert_eq!(failed.returned, shadow.count(RETURNED));
    publisher.wait_for_confirms().await.unwrap();
    assert_eq!((failed.uncertain, failed.not_sent), (0, 0));
    assert_eq!(publisher.outstanding(), 0);
    let expected = TASKS * EACH + 1;
    assert_eq!(publisher.next_sequence_number(), Some(expected));
    for outcome in [ACKED, NACKED, RETURNED] {
        assert!(
            shadow.count(outcome) + shadow.count(outcome | TOLD) > PUBLISHES / 50,
            "hardly any {outcome}"
        );
    }
    broker.abort();
}
