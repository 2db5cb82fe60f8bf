//! Consumers: order, limits, and their ends.

use amqp_spec::{basic, channel, queue, short_str};
use amqp_testing::memory::Like;

use super::support::{BOTH, Broker, consume, declare};

fn qos(prefetch_count: u16, global: bool) -> basic::Qos {
    basic::Qos {
        prefetch_size: 0,
        prefetch_count,
        global,
    }
}

#[test]
fn what_a_queue_says_comes_behind_the_answers_to_what_arrived_together() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        client
            .declare("q")
            .publish_to("", "q", "m")
            .talk(&mut broker);
        client.consume("q", "t").say(1, qos(5, false)).declare("q");
        let expected = [
            "1: qos-ok",
            "1: declare-ok q 0 1",
            "1: consume-ok t",
            "1: deliver t 1 'm'",
        ];
        assert_eq!(client.talk(&mut broker), expected);
        let cancel = basic::Cancel {
            consumer_tag: short_str!("t"),
            no_wait: false,
        };
        client
            .publish_to("", "q", "late")
            .say(1, cancel)
            .say(1, qos(0, false));
        let expected = ["1: qos-ok", "1: deliver t 2 'late'", "1: cancel-ok t"];
        assert_eq!(client.talk(&mut broker), expected);
    }
}

#[test]
fn prefetch_is_per_consumer_or_for_the_channel() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        client.declare("q");
        for body in ["a", "b", "c", "d", "e"] {
            client.publish_to("", "q", body);
        }
        client.talk(&mut broker);
        client
            .say(1, qos(1, false))
            .consume("q", "t")
            .consume("q", "u");
        let heard = client.talk(&mut broker);
        assert_eq!(
            heard[1..],
            [
                "1: consume-ok t",
                "1: deliver t 1 'a'",
                "1: consume-ok u",
                "1: deliver u 2 'b'",
            ]
        );
        let ack = basic::Ack {
            delivery_tag: 2,
            multiple: false,
        };
        assert_eq!(client.say(1, ack).talk(&mut broker), ["1: deliver u 3 'c'"]);
        client.say(1, qos(2, true));
        assert_eq!(client.talk(&mut broker), ["1: qos-ok"]);
        let ack = basic::Ack {
            delivery_tag: 3,
            multiple: true,
        };
        let expected = ["1: deliver t 4 'd'", "1: deliver u 5 'e'"];
        assert_eq!(client.say(1, ack).talk(&mut broker), expected);
    }
}

#[test]
fn consumers_are_told_when_their_queue_is_gone() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let (mut one, mut other) = (broker.client(), broker.client());
        one.declare("q").consume("q", "t").talk(&mut broker);
        let delete = queue::Delete {
            queue: short_str!("q"),
            ..Default::default()
        };
        assert_eq!(other.say(1, delete).talk(&mut broker), ["1: delete-ok 0"]);
        assert_eq!(one.hear(&mut broker), ["1: cancel t"]);
        one.declare("q").consume("q", "t");
        assert_eq!(
            one.talk(&mut broker),
            ["1: declare-ok q 0 0", "1: consume-ok t"]
        );
    }
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = broker.client();
    client.say(
        1,
        queue::Declare {
            auto_delete: true,
            ..declare("q")
        },
    );
    client.consume("q", "t").consume("q", "u").talk(&mut broker);
    let cancel = |consumer_tag| basic::Cancel {
        consumer_tag,
        no_wait: false,
    };
    assert_eq!(
        client.say(1, cancel(short_str!("t"))).talk(&mut broker),
        ["1: cancel-ok t"]
    );
    assert_eq!(broker.kernel.queues("/"), ["q"]);
    client.say(1, channel::Close::default());
    assert_eq!(client.talk(&mut broker), ["1: close-ok"]);
    assert_eq!(broker.kernel.queues("/"), [""; 0]);
}

#[test]
fn tags_are_unique_on_a_channel_and_exclusive_consumers_alone() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let (mut one, mut other) = (broker.client(), broker.client());
        let exclusive = basic::Consume {
            exclusive: true,
            ..consume("q", "t")
        };
        one.declare("q").say(1, exclusive).talk(&mut broker);
        let text = "queue 'q' in vhost '/' in exclusive use";
        let expected = format!("1: close 403 ACCESS_REFUSED - {text} (60.20)");
        assert_eq!(other.consume("q", "t").talk(&mut broker), [expected]);
        let text = "attempt to reuse consumer tag 't'";
        let expected = format!("0: close 530 NOT_ALLOWED - {text} (60.20)");
        assert_eq!(one.consume("q", "t").talk(&mut broker), [expected]);
    }
}

#[test]
fn a_client_that_takes_nothing_is_given_no_more_until_it_does() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = broker.client();
    client.declare("q").consume("q", "t").talk(&mut broker);
    let body = "x".repeat(1 << 20);
    for _ in 0..20 {
        broker
            .kernel
            .publish("/", ("", "q"), &Default::default(), body.as_bytes());
    }
    assert!(!broker.kernel.wants_octets(client.id));
    client.declare("q");
    let mut n_deliveries = 0;
    let mut declared = false;
    for _ in 0..10 {
        for word in client.talk(&mut broker) {
            declared |= word.contains("declare-ok");
            n_deliveries += usize::from(word.contains("deliver"));
        }
    }
    assert!(declared && n_deliveries == 20, "{n_deliveries}");
    assert!(broker.kernel.wants_octets(client.id));
}
