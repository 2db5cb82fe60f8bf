//! Ends of channels and connections, and what crosses them.

use std::time::Duration;

use amqp_spec::{channel, connection, queue};
use amqp_testing::memory::Like;

use super::support::{BOTH, Broker, consume, declare};

fn missing() -> queue::Declare<'static> {
    queue::Declare {
        passive: true,
        ..declare("missing")
    }
}

const NOT_FOUND: &str = "1: close 404 NOT_FOUND - no queue 'missing' in vhost '/' (50.10)";

#[test]
fn a_closed_channel_ignores_everything_until_it_is_agreed() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        client
            .say(1, missing())
            .declare("q")
            .publish_to("", "q", "lost");
        assert_eq!(client.talk(&mut broker), [NOT_FOUND]);
        assert_eq!(
            client.say(1, channel::Close::default()).talk(&mut broker),
            ["1: close-ok"]
        );
        client
            .say(1, channel::CloseOk {})
            .say(1, channel::Open {})
            .declare("q");
        assert_eq!(
            client.talk(&mut broker),
            ["1: open-ok", "1: declare-ok q 0 0"]
        );
    }
}

#[test]
fn a_number_used_again_too_early_costs_the_connection() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        client
            .say(1, channel::Close::default())
            .say(1, channel::Open {});
        let expected = "0: close 504 CHANNEL_ERROR - second 'channel.open' seen (20.10)";
        assert_eq!(client.talk(&mut broker), [expected]);
        assert_eq!(
            client.say(0, connection::CloseOk {}).talk(&mut broker),
            ["closed"]
        );
    }
}

#[test]
fn a_consumer_cancelled_unseen_costs_the_connection_unless_its_channel_closes() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        let consumer_tag = amqp_spec::short_str!("t");
        let cancel = amqp_spec::basic::Cancel {
            consumer_tag,
            no_wait: false,
        };
        client.declare("q").talk(&mut broker);
        client
            .consume("q", "t")
            .say(1, cancel)
            .say(1, channel::Close::default());
        client.say(2, channel::Open {});
        assert_eq!(client.talk(&mut broker), ["2: open-ok"]);
        client.say(2, consume("q", "t")).say(2, cancel);
        let expected = ["2: consume-ok t", "0: close 541 INTERNAL_ERROR (0.0)"];
        assert_eq!(client.talk(&mut broker), expected);
    }
}

#[test]
fn deliveries_come_behind_the_close_of_a_channel() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        client
            .declare("q")
            .publish_to("", "q", "m")
            .talk(&mut broker);
        client.consume("q", "t").say(1, missing());
        assert_eq!(client.talk(&mut broker), [NOT_FOUND, "1: deliver t 1 'm'"]);
        let queue = broker.kernel.queue("/", "q").unwrap();
        assert_eq!(
            (queue.ready(), queue.unacked(), queue.consumers()),
            (1, 0, 0)
        );
        assert!(queue.messages()[0].is_redelivered());
    }
}

#[test]
fn a_connection_closes_with_everything_it_had() {
    for like in BOTH {
        let mut broker = Broker::new(like);
        let mut client = broker.client();
        let exclusive = queue::Declare {
            exclusive: true,
            ..declare("mine")
        };
        client
            .say(1, exclusive)
            .declare("q")
            .publish_to("", "q", "m")
            .consume("q", "t");
        client.talk(&mut broker);
        assert_eq!(broker.kernel.queue("/", "q").unwrap().unacked(), 1);
        client
            .say(0, connection::Close::default())
            .declare("ignored");
        assert_eq!(client.talk(&mut broker), ["0: close-ok"]);
        assert_eq!(broker.kernel.queues("/"), ["q"]);
        assert_eq!(broker.kernel.queue("/", "q").unwrap().bodies(), [b"m"]);
        assert!(!broker.kernel.is_closed(client.id), "the client goes first");
        broker.pass(Duration::from_secs(30));
        assert!(broker.kernel.is_closed(client.id));
    }
}

#[test]
fn exclusive_queues_outlive_a_lost_connection_a_little() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let (mut one, mut other) = (broker.client(), broker.client());
    let exclusive = queue::Declare {
        exclusive: true,
        ..declare("mine")
    };
    one.say(1, exclusive).talk(&mut broker);
    broker.kernel.disconnected(one.id, broker.now);
    let heard = other.say(1, exclusive).talk(&mut broker);
    assert!(
        heard[0].starts_with("1: close 405 RESOURCE_LOCKED - cannot obtain"),
        "{heard:?}"
    );
    let due = broker.kernel.deadline().unwrap();
    assert_eq!(due, broker.now + Duration::from_millis(35));
    broker.pass(Duration::from_millis(35));
    other
        .say(1, channel::CloseOk {})
        .say(1, channel::Open {})
        .say(1, exclusive);
    assert_eq!(
        other.talk(&mut broker),
        ["1: open-ok", "1: declare-ok mine 0 0"]
    );
}

#[test]
fn a_virtual_host_that_is_deleted_takes_its_connections_along() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    broker.kernel.add_vhost("v");
    let mut client = broker.connect();
    client
        .handshake("guest", "guest", "v")
        .declare("q")
        .consume("q", "t")
        .talk(&mut broker);
    let mut other = broker.client();
    assert!(broker.kernel.delete_vhost("v"));
    let expected = [
        "1: cancel t",
        "0: close 320 CONNECTION_FORCED - vhost 'v' is deleted (0.0)",
    ];
    assert_eq!(client.hear(&mut broker), expected);
    assert_eq!(
        other.declare("q").talk(&mut broker),
        ["1: declare-ok q 0 0"]
    );
    assert_eq!(broker.kernel.vhosts(), ["/"]);
}

#[test]
fn a_broker_closes_connections_for_reasons_of_its_own() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = broker.client();
    let text = "CONNECTION_FORCED - go away";
    broker.kernel.close_connection(client.id, 320, text);
    assert_eq!(
        client.hear(&mut broker),
        ["0: close 320 CONNECTION_FORCED - go away (0.0)"]
    );
    client.say(0, connection::Close::default());
    assert_eq!(client.talk(&mut broker), ["0: close-ok"]);
    let mut other = broker.client();
    broker.kernel.reset(other.id);
    assert_eq!(other.declare("q").talk(&mut broker), ["closed"]);
}
