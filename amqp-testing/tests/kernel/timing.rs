//! What happens because time passes, or because something is short.

use std::time::Duration;

use amqp_spec::{connection, frame, queue};
use amqp_testing::memory::Like;

use super::support::{Broker, declare, tune_ok};

#[test]
fn heartbeats_are_sent_and_expected() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = broker.connect();
    client.start("guest", "guest");
    client.say(
        0,
        connection::TuneOk {
            heartbeat: 2,
            ..tune_ok()
        },
    );
    let virtual_host = amqp_spec::short_str!("/");
    client
        .say(0, connection::Open { virtual_host })
        .talk(&mut broker);
    for _ in 0..5 {
        broker.pass(Duration::from_secs(1));
        client.raw(&frame::HEARTBEAT);
        client.talk(&mut broker);
    }
    for _ in 0..4 {
        broker.pass(Duration::from_secs(1));
        assert_eq!(client.hear(&mut broker), ["heartbeat"]);
    }
    broker.pass(Duration::from_secs(1));
    assert_eq!(client.hear(&mut broker), ["heartbeat", "closed"]);
}

#[test]
fn a_stream_that_says_nothing_is_closed_after_ten_seconds() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let client = broker.connect();
    broker.pass(Duration::from_secs(9));
    assert!(!broker.kernel.is_closed(client.id));
    broker.pass(Duration::from_secs(1));
    assert!(broker.kernel.is_closed(client.id));
}

#[test]
fn a_client_that_goes_while_it_is_blocked_is_missed_when_the_alarm_ends() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let mut client = broker.client();
    let exclusive = queue::Declare {
        exclusive: true,
        ..declare("mine")
    };
    client.say(1, exclusive).talk(&mut broker);
    broker.kernel.block("disk");
    client.publish_to("", "mine", "held").talk(&mut broker);
    broker.kernel.disconnected(client.id, broker.now);
    assert!(broker.kernel.is_closed(client.id));
    broker.pass(Duration::from_secs(60));
    assert_eq!(broker.kernel.queues("/"), ["mine"]);
    broker.kernel.unblock();
    broker.pass(Duration::from_millis(35));
    assert_eq!(broker.kernel.queues("/"), [""; 0]);
    assert_eq!(broker.kernel.connections(), []);
}

#[test]
fn an_alarm_holds_back_those_who_publish() {
    let mut broker = Broker::new(Like::RabbitMq4_0);
    let (mut publisher, mut other) = (broker.client(), broker.client());
    publisher.declare("q").talk(&mut broker);
    other.consume("q", "t").talk(&mut broker);
    broker.kernel.block("memory");
    publisher.publish_to("", "q", "held").say(1, declare("q"));
    assert_eq!(publisher.talk(&mut broker), ["0: blocked low on memory"]);
    assert!(!broker.kernel.wants_octets(publisher.id));
    assert!(broker.kernel.connection(publisher.id).unwrap().is_blocked());
    let passive = queue::Declare {
        passive: true,
        ..declare("q")
    };
    assert_eq!(
        other.say(1, passive).talk(&mut broker),
        ["1: declare-ok q 0 1"]
    );
    broker.kernel.unblock();
    assert_eq!(
        publisher.hear(&mut broker),
        ["0: unblocked", "1: declare-ok q 0 1"]
    );
    assert_eq!(other.hear(&mut broker), ["1: deliver t 1 'held'"]);
}
