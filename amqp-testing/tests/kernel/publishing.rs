//! Publishing: returns, confirms, refusals, and properties that change on their way.

use amqp_spec::basic::Properties;
use amqp_spec::wire::FieldArray;
use amqp_spec::{basic, channel, confirm, field_table, frame, queue, short_str, tx};
use amqp_testing::frames;
use amqp_testing::memory::{Confirming, Like};

use super::support::{BOTH, Broker, Client, declare};

fn confirming(broker: &mut Broker) -> Client {
    let mut client = broker.client();
    client
        .declare("q")
        .say(1, confirm::Select { no_wait: false });
    let expected = ["1: declare-ok q 0 0", "1: select-ok"];
    assert_eq!(client.talk(broker), expected);
    client
}

#[test]
fn confirms_are_grouped_given_singly_or_withheld() {
    for (how, expected) in [
        (Confirming::Grouped, vec!["1: ack up to 3"]),
        (Confirming::Each, vec!["1: ack 1", "1: ack 2", "1: ack 3"]),
        (Confirming::Withheld, vec![]),
    ] {
        let mut broker = Broker::new(Like::RabbitMq4_0);
        let mut client = confirming(&mut broker);
        broker.kernel.set_confirming(how);
        for _ in 0..3 {
            client.publish_to("", "q", "m");
        }
        assert_eq!(client.talk(&mut broker), expected);
        assert_eq!(broker.kernel.queue("/", "q").unwrap().ready(), 3);
    }
}

#[test]
fn withheld_confirms_come_when_they_are_no_longer_withheld() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = confirming(&mut broker);
    broker.kernel.set_confirming(Confirming::Withheld);
    client.publish_to("", "q", "a").talk(&mut broker);
    client.publish_to("", "q", "b").talk(&mut broker);
    broker.kernel.set_confirming(Confirming::Grouped);
    assert_eq!(client.hear(&mut broker), ["1: ack up to 2"]);
}

/// A queue that refuses a second message.
fn declare_full(client: &mut Client, broker: &mut Broker) {
    let arguments = field_table! { "x-max-length" => 1i32, "x-overflow" => "reject-publish" };
    let full = queue::Declare {
        arguments: arguments.as_ref(),
        ..declare("full")
    };
    client.say(1, full);
    assert_eq!(client.talk(broker), ["1: declare-ok full 0 0"]);
}

#[test]
fn what_a_full_queue_refuses_is_told_behind_what_was_taken() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = confirming(&mut broker);
        declare_full(&mut client, &mut broker);
        for (queue, body) in [("full", "a"), ("full", "b"), ("q", "c"), ("full", "d")] {
            client.publish_to("", queue, body);
        }
        let expected = ["1: ack up to 1", "1: ack 3", "1: nack 2", "1: nack 4"];
        assert_eq!(client.talk(&mut broker), expected);
        client.publish_to("", "full", "e");
        assert_eq!(client.talk(&mut broker), ["1: nack up to 5"]);
        assert_eq!(broker.kernel.queue("/", "full").unwrap().bodies(), [b"a"]);
    }
}

#[test]
fn a_transaction_of_which_a_part_is_refused_costs_its_channel() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        declare_full(&mut client, &mut broker);
        client.say(1, tx::Select {});
        client
            .publish_to("", "full", "a")
            .publish_to("", "full", "b")
            .say(1, tx::Commit {});
        let expected = [
            "1: select-ok",
            "1: close 406 PRECONDITION_FAILED - partial tx completion (90.20)",
        ];
        assert_eq!(client.talk(&mut broker), expected);
        assert_eq!(broker.kernel.queue("/", "full").unwrap().bodies(), [b"a"]);
    }
}

#[test]
fn unroutable_messages_come_back_before_their_confirm() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = confirming(&mut broker);
        client.publish("", "nowhere", &Properties::new(), "m", true);
        client.publish("", "nowhere", &Properties::new(), "n", false);
        client.publish("", "q", &Properties::new(), "o", true);
        let expected = ["1: return 312 'm'", "1: ack 1", "1: ack 2", "1: ack 3"];
        assert_eq!(client.talk(&mut broker), expected);
    }
}

#[test]
fn publishes_before_a_failing_one_are_stored_and_never_confirmed() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = confirming(&mut broker);
        client
            .publish_to("", "q", "stored")
            .publish_to("missing", "k", "refused");
        client.publish_to("", "q", "dropped");
        let expected = "1: close 404 NOT_FOUND - no exchange 'missing' in vhost '/' (60.40)";
        assert_eq!(client.talk(&mut broker), [expected]);
        assert_eq!(broker.kernel.queue("/", "q").unwrap().bodies(), [b"stored"]);
    }
}

#[test]
fn a_message_goes_to_cc_and_bcc_and_only_cc_is_seen() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        let (cc, bcc) = (
            FieldArray::from(vec!["cc"]),
            FieldArray::from(vec!["bcc", "to"]),
        );
        let headers = field_table! { "CC" => &cc, "BCC" => &bcc };
        let properties = Properties::new().headers(headers.as_ref());
        client.declare("to").declare("cc").declare("bcc");
        client
            .publish("", "to", &properties, "m", false)
            .talk(&mut broker);
        for name in ["to", "cc", "bcc"] {
            let queue = broker.kernel.queue("/", name).unwrap();
            assert_eq!(queue.bodies(), [b"m"], "{name}");
            let message = &queue.messages()[0];
            assert_eq!(message.routing_key(), "to");
            let headers = message.properties().headers().unwrap();
            assert_eq!(headers.as_bytes(), field_table! { "CC" => &cc }.as_bytes());
        }
    }
}

#[test]
fn versions_write_headers_differently() {
    let headers = field_table! { "z" => 1_i64, "a" => true, "z" => 2_i64 };
    let sorted = field_table! { "a" => true, "z" => 1_i64 };
    for (like, expected) in [(Like::RabbitMq3_10, &headers), (Like::RabbitMq4_0, &sorted)] {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        let properties = Properties::new().headers(headers.as_ref());
        client
            .declare("q")
            .publish("", "q", &properties, "m", false)
            .talk(&mut broker);
        let queue = broker.kernel.queue("/", "q").unwrap();
        let headers = queue.messages()[0].properties().headers().unwrap();
        assert_eq!(headers.as_bytes(), expected.as_bytes());
    }
}

#[test]
fn messages_are_refused_for_what_they_claim() {
    let refused = |like, properties: Properties| {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        let heard = client
            .publish("", "q", &properties, "m", false)
            .talk(&mut broker);
        heard.first().cloned().unwrap_or_default()
    };
    for like in BOTH {
        let text = "user_id property set to 'other' but authenticated user was 'guest'";
        let expected = format!("1: close 406 PRECONDITION_FAILED - {text} (60.40)");
        assert_eq!(
            refused(like, Properties::new().user_id(short_str!("other"))),
            expected
        );
        let text = "invalid expiration '1.5': {leftover_string,\".5\"}";
        let expected = format!("1: close 406 PRECONDITION_FAILED - {text} (60.40)");
        assert_eq!(
            refused(like, Properties::new().expiration(short_str!("1.5"))),
            expected
        );
        let text = "fast reply consumer does not exist";
        let expected = format!("1: close 406 PRECONDITION_FAILED - {text} (60.40)");
        let reply_to = Properties::new().reply_to(short_str!("amq.rabbitmq.reply-to"));
        assert_eq!(refused(like, reply_to), expected);
    }
    let text = "invalid message: {delivery_mode_unknown,3}";
    let expected = format!("1: close 406 PRECONDITION_FAILED - {text} (60.40)");
    assert_eq!(
        refused(Like::RabbitMq3_10, Properties::new().delivery_mode(3)),
        expected
    );
    assert_eq!(
        refused(Like::RabbitMq4_0, Properties::new().delivery_mode(3)),
        ""
    );
}

#[test]
fn a_body_in_many_frames_is_one_message_and_a_wrong_one_costs_the_connection() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = broker.client();
    let publish = basic::Publish {
        routing_key: short_str!("q"),
        ..Default::default()
    };
    let body = vec![b'.'; 300_000];
    let content = frames::content(1, &publish, &Properties::new(), &body, 4096);
    client.declare("q").raw(&content).talk(&mut broker);
    assert_eq!(broker.kernel.queue("/", "q").unwrap().bodies(), [&body[..]]);
    client
        .say(1, publish)
        .raw(&frames::header(1, &Properties::new(), 5))
        .declare("q");
    let text = "expected content body, got non content body frame instead";
    let expected = format!("0: close 505 UNEXPECTED_FRAME - {text} (60.40)");
    assert_eq!(client.talk(&mut broker), [expected]);
}

#[test]
fn surplus_octets_of_a_body_are_noticed_late() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = broker.client();
    let publish = basic::Publish {
        routing_key: short_str!("q"),
        ..Default::default()
    };
    client
        .say(1, publish)
        .raw(&frames::header(1, &Properties::new(), 2));
    let mut body = Vec::new();
    frame::encode_body(&mut body, 1, b"long", 4096);
    assert_eq!(client.raw(&body).talk(&mut broker), [""; 0]);
    let heard = client.declare("q").talk(&mut broker);
    assert!(heard[0].starts_with("0: close 505"), "{heard:?}");
}

#[test]
fn replies_go_straight_to_who_asked() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let (mut asker, mut server) = (broker.client(), broker.client());
    let queue = short_str!("amq.rabbitmq.reply-to");
    let consume = basic::Consume {
        queue,
        consumer_tag: short_str!("replies"),
        no_ack: true,
        ..basic::Consume::default()
    };
    server.declare("requests").talk(&mut broker);
    asker.say(1, consume);
    asker.publish(
        "",
        "requests",
        &Properties::new().reply_to(queue),
        "?",
        false,
    );
    assert_eq!(asker.talk(&mut broker), ["1: consume-ok replies"]);
    let requests = broker.kernel.queue("/", "requests").unwrap();
    let address = requests.messages()[0].properties().reply_to().unwrap();
    assert_eq!(address.len(), 91);
    let address = address.to_string_lossy().into_owned();
    server.publish("", &address, &Properties::new(), "!", true);
    assert_eq!(server.talk(&mut broker), ["1: return 312 '!'"]);
    assert_eq!(asker.hear(&mut broker), ["1: deliver replies 1 '!'"]);
    asker.say(1, channel::Close::default()).talk(&mut broker);
    server.publish_to("", &address, "too late");
    assert_eq!(server.talk(&mut broker), [""; 0]);
    server.publish_to("", "amq.rabbitmq.reply-to.bm9uZQ==.bm9uZQ==", "!");
    assert_eq!(
        server.talk(&mut broker),
        ["0: close 541 INTERNAL_ERROR (0.0)"]
    );
}

#[test]
fn a_transaction_is_seen_when_it_is_committed() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        client
            .declare("q")
            .say(1, tx::Select {})
            .publish_to("", "q", "a")
            .talk(&mut broker);
        assert_eq!(broker.kernel.queue("/", "q").unwrap().ready(), 0);
        assert_eq!(
            client.say(1, tx::Commit {}).talk(&mut broker),
            ["1: commit-ok"]
        );
        assert_eq!(broker.kernel.queue("/", "q").unwrap().bodies(), [b"a"]);
        client
            .publish_to("", "q", "b")
            .say(1, tx::Rollback {})
            .say(1, tx::Commit {});
        assert_eq!(client.talk(&mut broker), ["1: rollback-ok", "1: commit-ok"]);
        client
            .publish_to("", "q", "c")
            .say(1, tx::Commit {})
            .declare("q");
        let text = "unexpected command while processing 'tx.commit'";
        let expected = format!("0: close 504 CHANNEL_ERROR - {text} (50.10)");
        assert_eq!(client.talk(&mut broker), [expected]);
    }
}
