//! Channels opening and closing, from either side and from both at once.

use amqp_spec::channel;

use super::send_order::publish;
use crate::error::{ChannelError, ConnectionError, Initiator, Violation};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Message, QueueDeclare};

#[test]
fn close_by_the_broker_is_answered_and_told_to_everybody() {
    let (mut pair, channel) = Pair::with_channel();
    let mut a = Task::start(channel.queue_declare(QueueDeclare::new("nosuch")));
    let mut b = Task::start(channel.queue_purge("q"));
    pair.sent();
    pair.feed(&wire::channel_close(1));
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
    let causes = [
        a.ready().unwrap_err(),
        b.ready().unwrap_err(),
        channel.close_reason().unwrap(),
        done(channel.queue_purge("q")).unwrap_err(),
        done(channel.basic_publish("", "key", &Message::new("late"))).unwrap_err(),
        done(channel.close()).unwrap_err(),
    ];
    for cause in causes {
        let close = cause.broker_close().unwrap();
        assert_eq!(close.reply_code.0, 404);
        assert_eq!(close.reply_text, "NOT_FOUND - no queue 'nosuch'");
        assert_eq!(
            cause.to_string(),
            "channel 1 closed by the broker: 404 NOT_FOUND - no queue 'nosuch' \
             (answering queue.declare of queue 'nosuch')"
        );
    }
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
}

#[test]
fn close_of_one_channel_leaves_others_alone() {
    let (mut pair, first) = Pair::with_channel();
    let second = pair.channel();
    let mut purging = Task::start(second.queue_purge("q"));
    pair.sent();
    pair.feed(&wire::channel_close(1));
    assert!(first.close_reason().is_some());
    purging.pending();
    pair.says(2, &amqp_spec::queue::PurgeOk { message_count: 1 });
    assert_eq!(purging.ready().unwrap(), 1);
}

#[test]
fn reply_text_need_not_be_utf8() {
    let (mut pair, channel) = Pair::with_channel();
    let close = channel::Close {
        reply_code: 404,
        reply_text: amqp_spec::wire::ShortStr::new(b"NOT_FOUND - '\xc3").unwrap(),
        class_id: 0,
        method_id: 0,
    };
    pair.says(1, &close);
    let ended = channel.close_reason().unwrap();
    let close = ended.broker_close().unwrap();
    assert_eq!(close.reply_text, "NOT_FOUND - '\u{fffd}");
    assert_eq!(close.method, None);
}

#[test]
fn close_by_us_is_done_when_the_broker_answers() {
    let (mut pair, channel) = Pair::with_channel();
    let mut closing = Task::start(channel.close());
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    // Asking again sends nothing again, and is done when the first is.
    let mut again = Task::start(channel.close());
    again.pending();
    assert!(!channel.is_open());
    assert!(matches!(
        done(channel.queue_purge("q")),
        Err(ChannelError::Closed)
    ));
    assert_eq!(pair.sent(), [""; 0]);
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    again.ready().unwrap();
    done(channel.close()).unwrap();
    assert!(matches!(channel.close_reason(), Some(ChannelError::Closed)));
    drop((closing, again));
    drop(channel);
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
}

#[test]
fn requests_before_a_close_are_answered_first() {
    let (mut pair, channel) = Pair::with_channel();
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("q")));
    let mut closing = Task::start(channel.close());
    assert_eq!(pair.sent(), ["1 queue.declare q", "1 channel.close 200"]);
    pair.feed(&wire::declare_ok(1, "q"));
    declaring.ready().unwrap();
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
}

#[test]
fn request_the_broker_never_answers_ends_with_the_channel() {
    // RabbitMQ answers consume and close in one segment with close-ok alone.
    let (mut pair, channel) = Pair::with_channel();
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("q")));
    let mut closing = Task::start(channel.close());
    pair.sent();
    pair.says(1, &channel::CloseOk {});
    assert!(declaring.ready().is_err());
    assert!(closing.ready().is_ok());
}

#[test]
fn dropping_the_last_handle_closes() {
    let (mut pair, channel) = Pair::with_channel();
    let clone = channel.clone();
    drop(channel);
    assert_eq!(pair.sent(), [""; 0]);
    drop(clone);
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    pair.says(1, &channel::CloseOk {});
    pair.assert_idle();
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 0);
}

#[test]
fn closes_that_cross_end_once_and_free_the_id_when_both_are_answered() {
    let (mut pair, channel) = Pair::with_channel_of(2);
    let mut closing = Task::start(channel.close());
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    pair.feed(&wire::channel_close(1));
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
    // Why it ended is known.
    let error = closing.ready().unwrap_err();
    assert!(matches!(error, ChannelError::ClosedByBroker(_)), "{error}");
    // The broker still owes its answer: until then the id must not be used.
    assert_eq!(pair.channel().id(), 2);
    pair.sent();
    pair.says(1, &channel::CloseOk {});
    assert_eq!(pair.channel().id(), 1);
}

#[test]
fn f9_second_close_of_a_channel_is_a_violation_crossed_or_amid_a_large_body() {
    for crossed in [false, true] {
        let (mut pair, channel) = Pair::with_channel();
        let _closing = crossed.then(|| Task::start(channel.close()));
        if !crossed {
            pair.write_limit = 1000;
            publish(&channel, "key", 1_000_000);
        }
        pair.sent_octets();
        pair.feed(&wire::channel_close(1));
        assert!(channel.close_reason().unwrap().broker_close().is_some());
        assert!(pair.connection.is_open());
        pair.feed(&wire::channel_close(1));
        let end = pair.end();
        let ConnectionError::Protocol(violation) = end else {
            panic!("{end:?}");
        };
        assert_eq!(*violation, Violation::UnknownChannel { channel: 1 });
    }
}

#[test]
fn closes_that_cross_free_the_id_when_the_answer_is_overdue() {
    let (mut pair, channel) = Pair::with_channel_of(1);
    let mut closing = Task::start(channel.close());
    pair.feed(&wire::channel_close(1));
    closing.ready().unwrap_err();
    assert_eq!(pair.sent(), ["1 channel.close 200", "1 channel.close-ok"]);
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 1);
    pair.advance(quiet().request_timeout);
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 0);
    assert_eq!(pair.channel().id(), 1);
}

/// The broker has not answered a close that its own has crossed, and the id is used again.
fn overdue() -> (Pair, Task<'static, Result<Channel, ChannelError>>) {
    let (mut pair, channel) = Pair::with_channel_of(1);
    let mut closing = Task::start(channel.close());
    pair.feed(&wire::channel_close(1));
    closing.ready().unwrap_err();
    pair.advance(quiet().request_timeout);
    pair.sent();
    let connection = pair.connection.clone();
    let opening = Task::start(async move { connection.open_channel().await });
    assert_eq!(pair.sent(), ["1 channel.open"]);
    (pair, opening)
}

#[test]
fn f9_answer_to_a_close_that_comes_after_all_does_no_harm_once() {
    // RabbitMQ's old and new channel answer each for itself: either may be first.
    for late_by in [0, 1] {
        let (mut pair, mut opening) = overdue();
        let mut answers = [
            wire::method(1, &channel::CloseOk {}),
            wire::method(1, &channel::OpenOk {}),
        ];
        answers.rotate_left(late_by);
        pair.feed(&answers.concat());
        let channel = opening.ready().unwrap();
        assert!(channel.is_open());
        let mut purging = Task::start(channel.queue_purge("q"));
        assert_eq!(pair.sent(), ["1 queue.purge q"]);
        pair.says(1, &amqp_spec::queue::PurgeOk { message_count: 0 });
        purging.ready().unwrap();
        // One more is owed to nobody.
        pair.says(1, &channel::CloseOk {});
        assert_eq!(pair.end().initiator(), Initiator::Library);
    }
}

#[test]
fn f9_answer_that_comes_after_all_stands_for_that_to_the_next_close() {
    let (mut pair, mut opening) = overdue();
    pair.says(1, &channel::OpenOk {});
    let channel = opening.ready().unwrap();
    let mut closing = Task::start(channel.close());
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    let channel = pair.channel();
    assert_eq!(channel.id(), 1);
    pair.says(1, &channel::CloseOk {});
    assert!(channel.is_open());
}

#[test]
fn close_that_was_never_sent_is_not_waited_for() {
    // Our close is held back behind the cancel; the broker closes for another reason.
    let (mut pair, channel) = Pair::with_channel_of(1);
    let consumer = pair.consumer(&channel, "tag");
    let cancelling = Task::start(consumer.cancel());
    let mut closing = Task::start(channel.close());
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    pair.feed(&wire::channel_close(1));
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
    assert!(closing.ready().is_err());
    drop(cancelling);
    pair.assert_idle();
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 0);
    assert_eq!(pair.channel().id(), 1);
}

#[test]
fn id_is_free_once_close_ok_has_been_sent_or_received() {
    let (mut pair, channel) = Pair::with_channel_of(1);
    pair.feed(&wire::channel_close(1));
    // The next open leaves behind the close-ok.
    let connection = pair.connection.clone();
    let _opening = Task::start(async move { connection.open_channel().await });
    assert_eq!(pair.sent(), ["1 channel.close-ok", "1 channel.open"]);
    drop(channel);
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn limit_of_channels_is_told_and_lasts_no_longer_than_needed() {
    let mut pair = Pair::open_tuned(&quiet(), (2, 131_072, 0));
    let first = pair.channel();
    let _second = pair.channel();
    match done(pair.connection.open_channel()) {
        Err(ChannelError::ChannelLimit { channel_max }) => assert_eq!(channel_max, 2),
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.sent(), [""; 0]);
    let mut closing = Task::start(first.close());
    pair.sent();
    // Not before it is answered.
    assert!(done(pair.connection.open_channel()).is_err());
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    assert_eq!(pair.channel().id(), 1);
}

#[test]
fn s12_ids_are_used_again_and_again() {
    let mut pair = Pair::open_tuned(&quiet(), (8, 131_072, 0));
    let _kept = pair.channel();
    let mut open = Vec::new();
    for n in 0..100_000 {
        let channel = pair.channel();
        assert!((2..=8).contains(&channel.id()));
        open.push(channel);
        if open.len() < 7 {
            continue;
        }
        // One of them ends, in one way or another.
        let channel = open.remove(n % 7);
        let id = channel.id();
        match n % 5 {
            0 => {
                pair.feed(&wire::channel_close(id));
                assert_eq!(pair.sent(), [format!("{id} channel.close-ok")]);
            }
            1 => {
                drop(channel);
                assert_eq!(pair.sent(), [format!("{id} channel.close 200")]);
                pair.says(id, &channel::CloseOk {});
            }
            2 => {
                // Crossing.
                drop(channel);
                pair.feed(&wire::channel_close(id));
                pair.says(id, &channel::CloseOk {});
                assert_eq!(pair.sent().len(), 2);
            }
            3 => {
                let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("nosuch")));
                pair.sent();
                pair.feed(&wire::channel_close(id));
                assert_eq!(declaring.ready().unwrap_err().reply_code().unwrap().0, 404);
                pair.sent();
            }
            _ => {
                publish(&channel, "key", 10);
                let mut closing = Task::start(channel.close());
                assert_eq!(pair.sent().len(), 4);
                pair.says(id, &channel::CloseOk {});
                closing.ready().unwrap();
            }
        }
    }
    drop(open);
    pair.sent();
    assert!(pair.core.is_open());
}

#[test]
fn broker_that_refuses_to_open_a_channel_is_heard() {
    let mut pair = Pair::open_tuned(&quiet(), (1, 131_072, 0));
    let connection = pair.connection.clone();
    let mut opening = Task::start(async move { connection.open_channel().await });
    pair.sent();
    pair.feed(&wire::channel_close(1));
    assert_eq!(opening.ready().unwrap_err().reply_code().unwrap().0, 404);
    drop(opening);
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
    assert_eq!(pair.channel().id(), 1);
}

#[test]
fn close_ok_for_no_close_is_a_violation() {
    let (mut pair, channel) = Pair::with_channel();
    pair.says(1, &channel::CloseOk {});
    assert_eq!(pair.end().initiator(), Initiator::Library);
    assert!(channel.close_reason().is_some());
}

#[test]
fn successor_of_a_closed_channel_has_its_number_if_that_is_free() {
    let (mut pair, channel) = Pair::with_channel();
    assert!(matches!(
        done(channel.successor()),
        Err(ChannelError::IdInUse { id: 1 })
    ));
    pair.feed(&wire::channel_close(1));
    let old = channel.clone();
    let mut opening = Task::start(async move { old.successor().await });
    assert_eq!(pair.sent(), ["1 channel.close-ok", "1 channel.open"]);
    pair.says(1, &channel::OpenOk {});
    let next = opening.ready().unwrap();
    assert_eq!(next.id(), 1);
    assert!(channel.close_reason().is_some() && next.close_reason().is_none());
    // A channel that comes too late gets another number.
    let old = channel.clone();
    let mut opening = Task::start(async move { old.successor().await });
    assert_eq!(pair.sent(), ["2 channel.open"]);
    pair.says(2, &channel::OpenOk {});
    assert_eq!(opening.ready().unwrap().id(), 2);
    // The end of the old one does not end the new one.
    drop(channel);
    assert_eq!(pair.sent(), ["2 channel.close 200"]);
    assert!(next.is_open());
}
