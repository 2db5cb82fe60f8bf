//! Exchanges, queues and bindings.

use amqp_spec::wire::FieldTable;
use amqp_spec::{channel, exchange, field_table, queue, short_str};
use amqp_testing::memory::{Destination, Like};

use super::support::{BOTH, Broker, Client, declare};

/// What a method is refused with on a fresh channel.
#[track_caller]
fn refused<'m>(like: Like, method: impl amqp_spec::wire::TypedMethod<'m>) -> String {
    let mut broker = Broker::new(like);
    let mut client = broker.client();
    client.declare("q").talk(&mut broker);
    let heard = client.say(1, method).talk(&mut broker);
    let [only] = heard.try_into().unwrap();
    only
}

#[test]
fn names_of_the_broker_cannot_be_declared() {
    for like in BOTH {
        let reserved = refused(like, declare("amq.x"));
        let text = "queue name 'amq.x' contains reserved prefix 'amq.*'";
        assert_eq!(
            reserved,
            format!("1: close 403 ACCESS_REFUSED - {text} (50.10)")
        );
        let delete = exchange::Delete {
            exchange: short_str!("amq.topic"),
            ..Default::default()
        };
        let text = "deletion of system exchange 'amq.topic' in vhost '/' not allowed";
        let expected = format!("1: close 403 ACCESS_REFUSED - {text} (40.20)");
        assert_eq!(refused(like, delete), expected);
    }
}

#[test]
fn a_declaration_that_differs_is_refused_by_the_first_difference() {
    for like in BOTH {
        let text = "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but \
                    current is 'false'";
        let durable = queue::Declare {
            durable: true,
            auto_delete: true,
            ..declare("q")
        };
        let expected = format!("1: close 406 PRECONDITION_FAILED - {text} (50.10)");
        assert_eq!(refused(like, durable), expected);
    }
    let arguments = field_table! { "x-max-length" => 4 };
    let limited = queue::Declare {
        arguments: arguments.as_ref(),
        ..declare("q")
    };
    let text = "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received the value '4' \
                of type 'signedint' but current is none";
    let expected = format!("1: close 406 PRECONDITION_FAILED - {text} (50.10)");
    assert_eq!(refused(Like::RabbitMq4_0, limited), expected);
}

#[test]
fn arguments_that_are_wrong_and_those_that_are_not_modelled_are_refused() {
    let new = |arguments: &FieldTable| {
        let declare = queue::Declare {
            arguments: arguments.as_ref(),
            ..declare("new")
        };
        refused(Like::RabbitMq4_0, declare)
    };
    let text = "invalid arg 'x-message-ttl' for queue 'new' in vhost '/': \"expected integer, got \
                longstr\"";
    let expected = format!("1: close 406 PRECONDITION_FAILED - {text} (50.10)");
    assert_eq!(new(&field_table! { "x-message-ttl" => "1000" }), expected);
    let expected = "0: close 540 NOT_IMPLEMENTED - not modelled by amqp_testing::memory, test it \
                    with amqp_testing::Broker: queue argument x-message-ttl (50.10)";
    assert_eq!(new(&field_table! { "x-message-ttl" => 1000 }), expected);
    let expected = "1: close 406 PRECONDITION_FAILED - invalid property 'non-durable' for queue \
                    'new' in vhost '/' (50.10)";
    assert_eq!(new(&field_table! { "x-queue-type" => "quorum" }), expected);
}

#[test]
fn exchange_types_that_do_not_exist_close_what_each_version_closes() {
    let declare = exchange::Declare {
        exchange: short_str!("x"),
        type_: short_str!("foo"),
        ..exchange::Declare::default()
    };
    assert_eq!(
        refused(Like::RabbitMq3_10, declare),
        "0: close 503 COMMAND_INVALID - invalid exchange type 'foo' (40.10)"
    );
    assert_eq!(
        refused(Like::RabbitMq4_0, declare),
        "1: close 406 PRECONDITION_FAILED - invalid exchange type 'foo' (40.10)"
    );
}

#[test]
fn the_empty_name_is_the_queue_declared_last() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = broker.client();
    let purge = queue::Purge::default();
    let heard = client.say(1, purge).talk(&mut broker);
    assert_eq!(
        heard,
        ["1: close 404 NOT_FOUND - no previously declared queue (50.30)"]
    );
    client.say(1, channel::CloseOk {}).say(1, channel::Open {});
    client.say(1, declare("")).talk(&mut broker);
    let names = broker.kernel.queues("/");
    assert!(
        names[0].starts_with("amq.gen-") && names[0].len() == 30,
        "{names:?}"
    );
    client.declare("q").publish_to("", "q", "m").say(1, purge);
    assert_eq!(
        client.talk(&mut broker),
        ["1: declare-ok q 0 0", "1: purge-ok 1"]
    );
}

#[test]
fn deleting_what_is_missing_is_fine_and_conditions_are_kept() {
    let mut broker = Broker::new(Like::RabbitMq3_10);
    let mut client = broker.client();
    let delete = |queue, if_unused, if_empty| queue::Delete {
        queue,
        if_unused,
        if_empty,
        no_wait: false,
    };
    client.say(1, delete(short_str!("missing"), true, true));
    client
        .declare("q")
        .publish_to("", "q", "m")
        .say(1, delete(short_str!("q"), true, true));
    let text = "queue 'q' in vhost '/' not empty";
    let expected = [
        "1: delete-ok 0".to_owned(),
        "1: declare-ok q 0 0".to_owned(),
        format!("1: close 406 PRECONDITION_FAILED - {text} (50.40)"),
    ];
    assert_eq!(client.talk(&mut broker), expected);
    client.say(1, channel::CloseOk {}).say(1, channel::Open {});
    client.say(1, delete(short_str!("q"), true, false));
    assert_eq!(client.talk(&mut broker), ["1: open-ok", "1: delete-ok 1"]);
}

fn exchange(client: &mut Client, name: &'static str, kind: &'static str) {
    client.say(
        1,
        exchange::Declare {
            exchange: amqp_spec::wire::ShortStr::new(name.as_bytes()).unwrap(),
            type_: amqp_spec::wire::ShortStr::new(kind.as_bytes()).unwrap(),
            auto_delete: true,
            ..exchange::Declare::default()
        },
    );
}

#[test]
fn exchanges_that_go_by_themselves_take_others_along() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = broker.client();
    exchange(&mut client, "first", "fanout");
    exchange(&mut client, "second", "topic");
    client.declare("q");
    let (source, destination) = (short_str!("first"), short_str!("second"));
    client.say(
        1,
        exchange::Bind {
            source,
            destination,
            ..Default::default()
        },
    );
    let bind = queue::Bind {
        queue: short_str!("q"),
        exchange: destination,
        routing_key: short_str!("a.#"),
        ..queue::Bind::default()
    };
    client
        .say(1, bind)
        .publish_to("first", "a.b", "m")
        .publish_to("first", "b", "lost");
    client.talk(&mut broker);
    assert_eq!(broker.kernel.queue("/", "q").unwrap().bodies(), [b"m"]);
    let bindings: Vec<_> = broker
        .kernel
        .bindings("/")
        .iter()
        .map(|it| (it.source().to_owned(), it.destination().clone()))
        .collect();
    let expected = [
        (
            "first".to_owned(),
            Destination::Exchange("second".to_owned()),
        ),
        ("second".to_owned(), Destination::Queue("q".to_owned())),
    ];
    assert_eq!(bindings, expected);
    assert_eq!(
        broker.kernel.exchange("/", "second").unwrap().kind(),
        "topic"
    );
    broker.kernel.delete_queue("/", "q");
    let left = broker.kernel.exchanges("/");
    assert!(
        !left.contains(&"first") && !left.contains(&"second"),
        "{left:?}"
    );
}

#[test]
fn messages_without_a_binding_go_to_the_alternate_exchange() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = broker.client();
    let arguments = field_table! { "alternate-exchange" => "amq.fanout" };
    client.declare("q").say(
        1,
        exchange::Declare {
            exchange: short_str!("x"),
            type_: short_str!("direct"),
            arguments: arguments.as_ref(),
            ..exchange::Declare::default()
        },
    );
    let bind = queue::Bind {
        queue: short_str!("q"),
        exchange: short_str!("amq.fanout"),
        ..queue::Bind::default()
    };
    client
        .say(1, bind)
        .publish_to("x", "nowhere", "m")
        .talk(&mut broker);
    assert_eq!(broker.kernel.queue("/", "q").unwrap().bodies(), [b"m"]);
}

#[test]
fn what_is_declared_past_all_connections_is_what_a_client_would_declare() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        assert!(broker.kernel.declare_queue("/", "q"));
        assert!(broker.kernel.bind_queue("/", "q", ("amq.direct", "key")));
        let mut client = broker.client();
        client.say(1, declare("q"));
        client.publish_to("amq.direct", "key", "m");
        assert_eq!(client.talk(&mut broker), ["1: declare-ok q 0 0"]);
        let arguments = |broker: &Broker, name| {
            let queue = broker.kernel.queue("/", name).unwrap();
            queue.arguments().clone()
        };
        assert_eq!(broker.kernel.queue("/", "q").unwrap().bodies(), [b"m"]);
        client.say(1, declare("r")).talk(&mut broker);
        assert_eq!(arguments(&broker, "q"), arguments(&broker, "r"));
        for (vhost, queue) in [("nowhere", "s"), ("/", "r")] {
            assert!(!broker.kernel.declare_queue(vhost, queue));
        }
        for (queue, exchange) in [("q", ""), ("q", "nowhere"), ("nowhere", "amq.direct")] {
            assert!(!broker.kernel.bind_queue("/", queue, (exchange, "key")));
        }
    }
}
