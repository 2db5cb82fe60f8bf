//! What listeners are told, and what becomes of those who do not listen.

use amqp_spec::wire::FieldTable;
use amqp_spec::{basic, channel, connection, field_table, queue};

use super::send_order::publish;
use crate::consume::QosScope;
use crate::error::{ChannelError, ConnectionError, Initiator, PublishError};
use crate::event::{Event, Events};
use crate::proto::observe::EVENTS;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Message};

/// The next event, which is there already.
#[track_caller]
fn next(events: &mut Events) -> Event {
    done(events.next()).expect("an event")
}

#[track_caller]
fn assert_silent(events: &mut Events) {
    Task::start(events.next()).pending();
}

fn flow(pair: &mut Pair, channel: u16, active: bool) {
    pair.says(channel, &channel::Flow { active });
}

fn mandatory(channel: &Channel, key: &str, body: &str) {
    done(channel.basic_publish_mandatory("", key, &Message::new(body.to_owned()))).unwrap();
}

#[test]
fn s10_alarm_and_its_end_are_told() {
    let mut pair = Pair::open();
    let mut events = pair.connection.events();
    let mut waiting = Task::start(events.next());
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
    assert!(matches!(
        waiting.ready(),
        Some(Event::Blocked { reason }) if &*reason == "low on memory"
    ));
    drop(waiting);
    pair.says(0, &connection::Unblocked {});
    assert!(matches!(next(&mut events), Event::Unblocked));
    assert_silent(&mut events);
}

#[test]
fn flow_is_told_when_it_changes() {
    let (mut pair, _channel) = Pair::with_channel();
    let mut events = pair.connection.events();
    for active in [true, false, false, true] {
        flow(&mut pair, 1, active);
    }
    for expected in [false, true] {
        assert!(matches!(
            next(&mut events),
            Event::ChannelFlow { channel: 1, active } if active == expected
        ));
    }
    assert_silent(&mut events);
}

/// A connection to a broker that says this of itself.
fn open_to(server: &FieldTable) -> Pair {
    let mut pair = Pair::new(&quiet());
    pair.feed(&wire::start_with(server, "PLAIN", (0, 9)));
    pair.feed(&wire::tune(2047, 131_072, 60));
    pair.feed(&wire::open_ok());
    pair.sent_octets();
    pair
}

#[track_caller]
fn limit(pair: &mut Pair, channel: &Channel, count: u16, scope: QosScope) {
    let mut limiting = Task::start(channel.basic_qos(count, scope));
    let global = match scope {
        QosScope::Channel => " global",
        QosScope::Consumer => "",
    };
    let expected = format!("{} basic.qos {count}{global}", channel.id());
    assert_eq!(pair.sent(), [expected]);
    pair.says(channel.id(), &basic::QosOk {});
    limiting.ready().unwrap();
}

#[test]
fn limit_of_a_channel_that_becomes_one_of_each_consumer_is_told_once() {
    let mut pair = open_to(&field_table! { "product" => "RabbitMQ", "version" => "4.3.6" });
    let (first, second) = (pair.channel(), pair.channel());
    let mut events = pair.connection.events();
    let mut waiting = Task::start(events.next());
    limit(&mut pair, &first, 10, QosScope::Consumer);
    // Without a limit it makes no difference.
    limit(&mut pair, &first, 0, QosScope::Channel);
    waiting.pending();
    for channel in [&first, &second] {
        let mut own = channel.events();
        // Told when it is asked for, whatever becomes of the future.
        drop(Task::start(channel.basic_qos(20, QosScope::Channel)));
        pair.sent();
        pair.says(channel.id(), &basic::QosOk {});
        limit(&mut pair, channel, 30, QosScope::Channel);
        let expected = channel.id();
        assert!(matches!(
            next(&mut own),
            Event::LimitPerConsumer { channel, prefetch_count: 20 } if channel == expected
        ));
        assert_silent(&mut own);
    }
    let told = waiting.ready();
    assert!(matches!(
        told,
        Some(Event::LimitPerConsumer { channel: 1, .. })
    ));
    drop(waiting);
    assert!(matches!(
        next(&mut events),
        Event::LimitPerConsumer { channel: 2, .. }
    ));
    assert_silent(&mut events);
}

#[test]
fn limit_of_a_channel_is_left_alone_where_it_is_one() {
    for server in [
        field_table! { "product" => "RabbitMQ", "version" => "3.10.8" },
        field_table! { "product" => "RabbitMQ", "version" => "4.2.9" },
        field_table! { "product" => "RabbitMQ" },
        // Nothing is known of others.
        field_table! { "product" => "LavinMQ", "version" => "4.3.0" },
        field_table! {},
    ] {
        let mut pair = open_to(&server);
        let channel = pair.channel();
        let mut events = pair.connection.events();
        limit(&mut pair, &channel, 10, QosScope::Channel);
        assert_silent(&mut events);
    }
}

#[test]
fn cancelled_consumers_are_told_with_who_cancelled_them() {
    let (mut pair, channel) = Pair::with_channel();
    let first = pair.consumer(&channel, "first");
    let _second = pair.consumer(&channel, "second");
    let mut events = pair.connection.events();
    let mut cancelling = Task::start(first.cancel());
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "first"));
    cancelling.ready().unwrap();
    let cancel = basic::Cancel {
        consumer_tag: wire::short("second"),
        no_wait: true,
    };
    pair.says(1, &cancel);
    for (tag, who) in [
        ("first", Initiator::Application),
        ("second", Initiator::Broker),
    ] {
        match next(&mut events) {
            Event::ConsumerCancelled {
                channel: 1,
                consumer_tag,
                by,
            } => {
                assert_eq!(consumer_tag.as_bytes(), tag.as_bytes());
                assert_eq!(by, who);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn channels_that_end_are_told_with_the_cause() {
    let (mut pair, first) = Pair::with_channel();
    let second = pair.channel();
    let mut events = pair.connection.events();
    let mut of_first = first.events();
    pair.feed(&wire::channel_close(1));
    let mut closing = Task::start(second.close());
    pair.sent();
    pair.says(2, &channel::CloseOk {});
    closing.ready().unwrap();
    for events in [&mut events, &mut of_first] {
        match next(events) {
            Event::ChannelClosed { channel: 1, cause } => {
                assert_eq!(cause.reply_code().unwrap().0, 404);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        next(&mut events),
        Event::ChannelClosed {
            channel: 2,
            cause: ChannelError::Closed
        }
    ));
    assert_silent(&mut events);
    assert!(done(of_first.next()).is_none());
}

#[test]
fn the_end_of_the_connection_is_the_last_event() {
    let (mut pair, channel) = Pair::with_channel();
    let mut events = pair.connection.events();
    let mut of_channel = channel.events();
    let mut returns = channel.returns();
    let mut waiting = Task::start(events.next());
    pair.eof();
    assert!(matches!(
        waiting.ready(),
        Some(Event::ConnectionClosed {
            cause: ConnectionError::EndOfStream
        })
    ));
    drop(waiting);
    assert!(done(events.next()).is_none());
    assert!(matches!(
        next(&mut of_channel),
        Event::ChannelClosed {
            channel: 1,
            cause: ChannelError::Connection(ConnectionError::EndOfStream)
        }
    ));
    assert!(done(of_channel.next()).is_none());
    assert!(done(returns.next()).is_none());
}

#[test]
fn who_listens_too_late_is_told_of_the_end() {
    let (mut pair, channel) = Pair::with_channel();
    pair.feed(&wire::channel_close(1));
    assert!(matches!(
        next(&mut channel.events()),
        Event::ChannelClosed { .. }
    ));
    assert!(done(channel.returns().next()).is_none());
    pair.eof();
    let mut events = pair.connection.events();
    assert!(matches!(next(&mut events), Event::ConnectionClosed { .. }));
    assert!(done(events.next()).is_none());
}

#[test]
fn events_of_other_channels_and_of_earlier_lives_are_not_told() {
    let (mut pair, first) = Pair::with_channel();
    let second = pair.channel();
    let mut of_second = second.events();
    flow(&mut pair, 1, false);
    assert_silent(&mut of_second);
    pair.feed(&wire::channel_close(1));
    pair.sent();
    let mut of_first = first.events();
    assert!(matches!(next(&mut of_first), Event::ChannelClosed { .. }));
    let _again = pair.channel();
    flow(&mut pair, 1, false);
    assert!(done(of_first.next()).is_none());
}

// What comes back

#[test]
fn message_published_as_mandatory_comes_back() {
    let (mut pair, channel) = Pair::with_channel();
    let mut events = pair.connection.events();
    let mut returns = channel.returns();
    mandatory(&channel, "nowhere", "body");
    assert_eq!(pair.sent()[0], "1 basic.publish nowhere mandatory");
    pair.feed(&wire::returned(1, "nowhere", b"body"));
    let message = done(returns.next()).unwrap();
    assert_eq!(message.reply_code.0, 312);
    assert_eq!(message.body(), b"body");
    assert_eq!(message.routing_key().as_bytes(), b"nowhere");
    assert_eq!(returns.missed(), 0);
    match next(&mut events) {
        Event::Returned {
            channel: 1,
            message,
        } => assert_eq!(message.body(), b"body"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn publisher_and_channel_get_their_own_returns_though_they_are_alike() {
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel().clone();
    let mut returns = channel.returns();
    mandatory(&channel, "nowhere", "body");
    let message = Message::new("body");
    let mut confirmation = done(publisher.mandatory().send("", "nowhere", &message)).unwrap();
    pair.sent();
    // Only the first comes back: the queue exists when the second is routed.
    pair.feed(&wire::returned(1, "nowhere", b"body"));
    pair.feed(&wire::ack(1, 2, true));
    assert!(done(returns.next()).is_some());
    done(&mut confirmation).unwrap();
}

#[test]
fn message_that_comes_back_to_a_confirmation_nobody_holds_is_told() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.mandatory();
    let mut returns = publisher.channel().returns();
    let message = Message::new("body");
    // Dropped before it comes back, after, and after the ack.
    drop(done(publisher.send("", "key", &message)).unwrap());
    pair.feed(&wire::returned(1, "key", b"body"));
    assert!(done(returns.next()).is_some());
    pair.feed(&wire::ack(1, 1, false));
    let confirmation = done(publisher.send("", "key", &message)).unwrap();
    pair.feed(&wire::returned(1, "key", b"body"));
    let mut waiting = Task::start(returns.next());
    drop(confirmation);
    assert!(waiting.ready().is_some());
    drop(waiting);
    pair.feed(&wire::ack(1, 2, false));
    let confirmation = done(publisher.send("", "key", &message)).unwrap();
    pair.feed(&wire::returned(1, "key", b"body"));
    pair.feed(&wire::ack(1, 3, false));
    drop(confirmation);
    assert!(done(returns.next()).is_some());
    assert_eq!(publisher.channel().shared().confirms().leftovers(), (0, 0));
}

#[test]
fn message_that_came_back_is_returned_although_its_channel_ends() {
    let (mut pair, publisher) = Pair::with_publisher();
    let message = Message::new("body");
    let mut confirmation = done(publisher.mandatory().send("", "key", &message)).unwrap();
    pair.sent();
    pair.feed(&wire::returned(1, "key", b"body"));
    pair.eof();
    assert!(matches!(
        done(&mut confirmation),
        Err(PublishError::Returned(_))
    ));
}

// Those who do not listen

#[test]
fn s16_listener_that_does_not_read_holds_nobody_up_and_is_told_what_it_missed() {
    let (mut pair, channel) = Pair::with_channel();
    let mut slow = pair.connection.events();
    let mut reader = pair.connection.events();
    for n in 0..EVENTS + 10 {
        flow(&mut pair, 1, n % 2 == 1);
        assert!(matches!(next(&mut reader), Event::ChannelFlow { .. }));
    }
    let mut purging = Task::start(channel.queue_purge("q"));
    pair.sent();
    pair.says(1, &queue::PurgeOk { message_count: 0 });
    purging.ready().unwrap();
    assert!(matches!(next(&mut slow), Event::Lagged { count: 10 }));
    for n in 10..EVENTS + 10 {
        match next(&mut slow) {
            Event::ChannelFlow { active, .. } => assert_eq!(active, n % 2 == 1),
            other => panic!("{other:?}"),
        }
    }
    assert_silent(&mut slow);
}

#[test]
fn s16_returned_messages_that_nobody_reads_take_bounded_memory() {
    let (mut pair, channel) = Pair::with_channel();
    let mut returns = channel.returns();
    let body = vec![b'.'; 1024 * 1024];
    for _ in 0..40 {
        pair.feed(&wire::returned(1, "key", &body));
    }
    // One that is larger than all that may wait is kept, alone.
    let mut n = 0;
    while let std::task::Poll::Ready(message) = Task::new(returns.next()).poll() {
        assert_eq!(message.unwrap().body().len(), body.len());
        n += 1;
    }
    assert_eq!((n, returns.missed()), (15, 25));
    let large = vec![b'.'; 20 * 1024 * 1024];
    pair.feed(&wire::returned(1, "key", &body));
    pair.feed(&wire::returned(1, "key", &large));
    assert_eq!(done(returns.next()).unwrap().body().len(), large.len());
    assert_eq!(returns.missed(), 26);
}

#[test]
fn s16_the_end_is_told_to_a_listener_that_has_missed_much() {
    let (mut pair, _channel) = Pair::with_channel();
    let mut events = pair.connection.events();
    for n in 0..2 * EVENTS {
        flow(&mut pair, 1, n % 2 == 1);
    }
    pair.eof();
    let mut last = None;
    while let Some(event) = done(events.next()) {
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::ConnectionClosed { .. })));
}

#[test]
fn listener_that_went_away_is_forgotten() {
    let (mut pair, channel) = Pair::with_channel();
    for _ in 0..100 {
        drop(pair.connection.events());
    }
    let mut events = pair.connection.events();
    flow(&mut pair, 1, false);
    assert!(matches!(next(&mut events), Event::ChannelFlow { .. }));
    drop(events);
    flow(&mut pair, 1, true);
    publish(&channel, "key", 10);
    assert_eq!(pair.sent().len(), 5);
}

#[test]
fn listener_keeps_no_connection_open() {
    let mut pair = Pair::open();
    let mut events = pair.connection.events();
    let other = Pair::open().connection;
    drop(std::mem::replace(&mut pair.connection, other));
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    pair.says(0, &connection::CloseOk {});
    assert!(matches!(
        next(&mut events),
        Event::ConnectionClosed {
            cause: ConnectionError::Closed
        }
    ));
}
