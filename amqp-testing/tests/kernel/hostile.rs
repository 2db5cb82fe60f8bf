//! Octets that are no conversation: nothing makes the broker panic, and nothing makes it keep much.

use std::time::Duration;

use amqp_spec::basic::Properties;
use amqp_spec::{basic, channel, confirm, connection, exchange, queue, short_str, tx};
use amqp_testing::frames::{self, RawFrame};

use super::support::{BOTH, Broker, consume, declare};

/// SplitMix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

/// Frames of a client that uses everything, each by itself.
fn conversation() -> Vec<Vec<u8>> {
    let mut said = Vec::new();
    let queue = short_str!("q");
    for channel in [1, 2] {
        let publish = basic::Publish {
            routing_key: queue,
            mandatory: true,
            ..Default::default()
        };
        said.extend([
            frames::method(channel, &channel::Open {}),
            frames::method(channel, &declare("q")),
            frames::method(
                channel,
                &queue::Declare {
                    exclusive: true,
                    ..declare("mine")
                },
            ),
            frames::method(
                channel,
                &exchange::Declare {
                    exchange: short_str!("x"),
                    type_: short_str!("topic"),
                    ..Default::default()
                },
            ),
            frames::method(
                channel,
                &queue::Bind {
                    queue,
                    exchange: short_str!("x"),
                    routing_key: short_str!("#"),
                    ..Default::default()
                },
            ),
            frames::method(
                channel,
                &basic::Qos {
                    prefetch_count: 3,
                    global: true,
                    ..Default::default()
                },
            ),
            frames::method(channel, &consume("q", "t")),
            frames::content(
                channel,
                &publish,
                &Properties::new().delivery_mode(2),
                b"body",
                4096,
            ),
            frames::method(channel, &confirm::Select { no_wait: false }),
            frames::content(channel, &publish, &Properties::new(), &[7; 9000], 4096),
            frames::method(
                channel,
                &basic::Ack {
                    delivery_tag: 1,
                    multiple: true,
                },
            ),
            frames::method(
                channel,
                &basic::Nack {
                    delivery_tag: 2,
                    multiple: false,
                    requeue: true,
                },
            ),
            frames::method(channel, &basic::Recover { requeue: true }),
            frames::method(
                channel,
                &basic::Get {
                    queue,
                    no_ack: false,
                },
            ),
            frames::method(channel, &tx::Select {}),
            frames::method(channel, &tx::Commit {}),
            frames::method(
                channel,
                &basic::Cancel {
                    consumer_tag: short_str!("t"),
                    no_wait: false,
                },
            ),
            frames::method(
                channel,
                &queue::Delete {
                    queue,
                    ..Default::default()
                },
            ),
            frames::method(channel, &channel::CloseOk {}),
            frames::method(channel, &channel::Close::default()),
        ]);
    }
    said.push(amqp_spec::frame::HEARTBEAT.to_vec());
    said.push(RawFrame::new(7, 1, b"unknown").encode());
    said.push(frames::method(0, &connection::Close::default()));
    said
}

/// Sends octets in pieces of any size, and takes what comes.
fn send(broker: &mut Broker, octets: &[u8], random: &mut Random) {
    let client = if random.below(4) == 0 {
        broker.connect()
    } else {
        broker.client()
    };
    let mut rest = octets;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(1 + random.below(rest.len()));
        broker.kernel.receive(client.id, piece, broker.now);
        rest = behind;
        if random.below(3) > 0 {
            broker.kernel.take_output(client.id);
        }
    }
    if random.below(2) == 0 {
        broker.pass(Duration::from_millis(random.next() % 40_000));
    }
    broker.kernel.take_output(client.id);
    broker.kernel.disconnected(client.id, broker.now);
}

#[test]
fn no_octets_make_it_panic() {
    let said = conversation();
    for like in BOTH {
        let mut broker = Broker::new(like);
        for seed in 0..1500 {
            let mut random = Random(seed);
            let mut octets = Vec::new();
            for _ in 0..random.below(60) {
                let mut frame = said[random.below(said.len())].clone();
                // A third of the frames is damaged somewhere behind its size.
                if random.below(3) == 0 && frame.len() > 8 {
                    let at = 7 + random.below(frame.len() - 7);
                    frame[at] = random.next() as u8;
                }
                octets.extend(frame);
            }
            if random.below(10) == 0 {
                octets.extend((0..random.below(300)).map(|_| random.next() as u8));
            }
            send(&mut broker, &octets, &mut random);
        }
        broker.pass(Duration::from_secs(60));
        assert_eq!(broker.kernel.connections().len(), 0);
        for name in broker.kernel.queues("/") {
            let queue = broker.kernel.queue("/", name).unwrap();
            assert!(!queue.is_exclusive(), "{name} has no owner");
            assert_eq!((queue.unacked(), queue.consumers()), (0, 0), "{name}");
        }
    }
}

#[test]
fn a_body_that_is_announced_large_is_kept_no_further_than_the_limit() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut limits = broker.kernel.limits();
        limits.max_message_size = 100_000;
        broker.kernel.set_limits(limits);
        let mut client = broker.client();
        let publish = basic::Publish {
            routing_key: short_str!("q"),
            ..Default::default()
        };
        let content = frames::content(1, &publish, &Properties::new(), &[0; 150_000], 131_072);
        let text = "message size 150000 is larger than configured max size 100000";
        let expected = format!("1: close 406 PRECONDITION_FAILED - {text} (60.40)");
        assert_eq!(client.raw(&content).talk(&mut broker), [expected]);
        let mut client = broker.client();
        client
            .say(1, publish)
            .raw(&frames::header(1, &Properties::new(), u64::MAX));
        assert_eq!(client.talk(&mut broker), [""; 0]);
    }
}

#[test]
fn broken_frames_are_answered_once_and_then_nothing_is_read() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        let frame = RawFrame::new(3, 1, b"").size(131_073).encode();
        let text = "type 3, all octets = <<>>: {frame_too_large,131073,131064}";
        let expected = format!("0: close 501 FRAME_ERROR - {text} (0.0)");
        assert_eq!(client.raw(&frame).talk(&mut broker), [expected]);
        client.say(0, connection::Close::default());
        assert_eq!(client.talk(&mut broker), [""; 0]);
        broker.pass(Duration::from_secs(3));
        assert_eq!(client.hear(&mut broker), ["closed"]);

        let mut client = broker.client();
        let frame = RawFrame::new(1, 1, [0, 20, 0, 10, 0]).end(0).encode();
        let text = "type 1, all octets = <<0,20,0,10,0>>: {invalid_frame_end_marker,0}";
        let expected = format!("0: close 501 FRAME_ERROR - {text} (0.0)");
        assert_eq!(client.raw(&frame).talk(&mut broker), [expected]);

        let mut client = broker.client();
        let unknown = RawFrame::new(1, 1, [0, 99, 0, 10]).encode();
        assert_eq!(client.raw(&unknown).talk(&mut broker), ["closed"]);
    }
}
