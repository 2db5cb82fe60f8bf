//! What becomes of messages that were delivered or fetched.

use amqp_spec::{basic, channel, short_str};
use amqp_testing::memory::Like;

use super::support::{BOTH, Broker, Client};

fn get() -> basic::Get<'static> {
    basic::Get {
        queue: short_str!("q"),
        no_ack: false,
    }
}

fn with_messages(broker: &mut Broker, bodies: &[&str]) -> Client {
    let mut client = broker.client();
    client.declare("q");
    for body in bodies {
        client.publish_to("", "q", body);
    }
    client.talk(broker);
    client
}

#[test]
fn what_is_given_back_comes_again_in_its_order() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = with_messages(&mut broker, &["a", "b", "c", "d"]);
        client.say(1, get()).say(1, get()).say(1, get());
        let expected = [
            "1: get-ok 1, 3 left 'a'",
            "1: get-ok 2, 2 left 'b'",
            "1: get-ok 3, 1 left 'c'",
        ];
        assert_eq!(client.talk(&mut broker), expected);
        client.say(
            1,
            basic::Ack {
                delivery_tag: 2,
                multiple: false,
            },
        );
        client.say(
            1,
            basic::Nack {
                delivery_tag: 0,
                multiple: true,
                requeue: true,
            },
        );
        client.talk(&mut broker);
        let queue = broker.kernel.queue("/", "q").unwrap();
        assert_eq!(queue.bodies(), [b"a", b"c", b"d"]);
        assert_eq!((queue.ready(), queue.unacked()), (3, 0));
        assert_eq!(
            client.say(1, get()).talk(&mut broker),
            ["1: get-ok 4 again, 2 left 'a'"]
        );
    }
}

#[test]
fn unknown_tags_close_the_channel() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = with_messages(&mut broker, &["a"]);
        let ack = |delivery_tag, multiple| basic::Ack {
            delivery_tag,
            multiple,
        };
        assert_eq!(client.say(1, ack(0, true)).talk(&mut broker), [""; 0]);
        client
            .say(1, get())
            .say(1, ack(1, false))
            .say(1, ack(1, false));
        let expected = [
            "1: get-ok 1, 0 left 'a'",
            "1: close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60.80)",
        ];
        assert_eq!(client.talk(&mut broker), expected);
    }
}

#[test]
fn recover_gives_everything_back() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = with_messages(&mut broker, &["a", "b"]);
        client.consume("q", "t").talk(&mut broker);
        client.say(1, basic::Recover { requeue: true });
        let expected = [
            "1: recover-ok",
            "1: deliver t 3 again 'a'",
            "1: deliver t 4 again 'b'",
        ];
        assert_eq!(client.talk(&mut broker), expected);
        let heard = client
            .say(1, basic::Recover { requeue: false })
            .talk(&mut broker);
        assert_eq!(
            heard,
            ["0: close 540 NOT_IMPLEMENTED - requeue=false (60.110)"]
        );
    }
}

#[test]
fn a_channel_that_goes_gives_back_what_it_had() {
    let mut broker = Broker::new(Like::RabbitMq3_10);
    let mut client = with_messages(&mut broker, &["a", "b", "c"]);
    client.say(1, get()).consume("q", "t").talk(&mut broker);
    let queue = broker.kernel.queue("/", "q").unwrap();
    assert_eq!(
        (queue.ready(), queue.unacked(), queue.consumers()),
        (0, 3, 1)
    );
    client.say(1, channel::Close::default()).talk(&mut broker);
    let queue = broker.kernel.queue("/", "q").unwrap();
    assert_eq!(
        (queue.bodies(), queue.unacked()),
        (vec![&b"a"[..], b"b", b"c"], 0)
    );
}
