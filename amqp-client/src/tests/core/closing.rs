//! The end of a connection, from either side, at any time.

use std::time::Duration;

use amqp_spec::wire::{LongStr, TypedMethod};
use amqp_spec::{ReplyCode, connection, frame};

use crate::error::{ChannelError, ConnectionError, ConsumeError};
use crate::tests::handles::send_order::{assert_contents_whole, publish};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Connection, Message, QueueDeclare};

type Closing = Task<'static, Result<(), ConnectionError>>;

fn close(connection: &Connection) -> Closing {
    let connection = connection.clone();
    Task::start(async move { connection.close().await })
}

#[test]
fn close_by_us_is_done_when_the_broker_answers() {
    let (mut pair, channel) = Pair::with_channel();
    let mut closing = close(&pair.connection);
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    assert!(!pair.core.is_finished());
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
    assert!(pair.core.is_finished());
    assert_eq!(pair.sent(), [""; 0]);
    assert!(matches!(
        channel.close_reason(),
        Some(ChannelError::Connection(ConnectionError::Closed))
    ));
}

#[test]
fn connection_tells_whether_it_is_open_and_why_it_ended() {
    let mut pair = Pair::open();
    assert!(pair.connection.is_open());
    assert!(pair.connection.close_reason().is_none());
    let mut closing = close(&pair.connection);
    assert!(!pair.connection.is_open());
    assert!(pair.connection.close_reason().is_none());
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
    assert!(!pair.connection.is_open());
    assert!(matches!(
        pair.connection.close_reason(),
        Some(ConnectionError::Closed)
    ));
}

#[test]
fn close_may_have_a_code_and_a_text_of_up_to_255_bytes() {
    let mut pair = Pair::open();
    let connection = pair.connection.clone();
    let text = "maintenance ".to_owned() + &"x".repeat(243);
    let told = text.clone();
    let mut closing = Task::start(async move {
        connection
            .close_with(ReplyCode::CONNECTION_FORCED, &text)
            .await
    });
    let octets = pair.sent_octets();
    let (frame, _) = frame::decode(&octets, usize::MAX).unwrap().unwrap();
    let close = connection::Close::decode(frame.payload).unwrap();
    assert_eq!((close.reply_code, told.len()), (320, 255));
    assert_eq!(close.reply_text.as_bytes(), told.as_bytes());
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
}

#[test]
fn close_with_a_text_that_does_not_fit_is_refused_and_closes_nothing() {
    let (mut pair, channel) = Pair::with_channel();
    let text = "ü".repeat(128);
    let code = ReplyCode::CONNECTION_FORCED;
    for refused in [
        done(pair.connection.close_with(code, &text)),
        done(channel.close_with(code, &text)),
    ] {
        let Err(ChannelError::TooLong(error)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((error.argument, error.len), ("reply_text", 256));
    }
    assert_eq!(pair.sent(), [""; 0]);
    assert!(pair.connection.is_open() && channel.is_open());
}

#[test]
fn s17_any_number_of_closes_are_one() {
    let mut pair = Pair::open();
    let mut closings: Vec<_> = (0..100).map(|_| close(&pair.connection)).collect();
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    pair.says(0, &connection::CloseOk {});
    for closing in &mut closings {
        closing.ready().unwrap();
    }
    done(pair.connection.close()).unwrap();
}

#[test]
fn close_that_was_polled_once_goes_on_without_its_caller() {
    let mut pair = Pair::open();
    drop(close(&pair.connection));
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    pair.says(0, &connection::CloseOk {});
    assert!(matches!(pair.end(), ConnectionError::Closed));
}

#[test]
fn everything_accepted_before_a_close_is_written_first() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(usize::MAX));
    let first = pair.channel();
    let second = pair.channel();
    publish(&first, "large", 3_000_000);
    publish(&first, "behind", 10);
    publish(&second, "small", 10);
    publish(&second, "large", 1_000_000);
    let mut closing = close(&pair.connection);
    let refused = done(first.basic_publish("", "late", &Message::new("late")));
    assert!(matches!(
        refused,
        Err(ChannelError::Connection(ConnectionError::Closed))
    ));
    let sent = pair.sent();
    assert_contents_whole(&sent);
    let publishes = sent.iter().filter(|line| line.contains("basic.publish"));
    assert_eq!(publishes.count(), 4);
    assert_eq!(sent.last().unwrap(), "0 connection.close 200");
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
}

#[test]
fn close_waits_for_what_is_held_back() {
    let (mut pair, channel) = Pair::with_channel();
    let mut committing = Task::start(channel.tx_commit());
    publish(&channel, "held back", 10);
    let mut closing = close(&pair.connection);
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    pair.says(1, &amqp_spec::tx::CommitOk {});
    committing.ready().unwrap();
    let sent = pair.sent();
    assert_eq!(sent[0], "1 basic.publish held back");
    assert_eq!(sent[3], "0 connection.close 200");
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
}

#[test]
fn requests_before_a_close_are_still_answered() {
    let (mut pair, channel) = Pair::with_channel();
    let mut answered = Task::start(channel.queue_declare(QueueDeclare::new("a")));
    let mut unanswered = Task::start(channel.queue_declare(QueueDeclare::new("b")));
    let mut closing = close(&pair.connection);
    pair.sent();
    pair.feed(&wire::declare_ok(1, "a"));
    assert_eq!(answered.ready().unwrap().name, "a");
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
    assert!(matches!(
        unanswered.ready(),
        Err(ChannelError::Connection(ConnectionError::Closed))
    ));
}

#[test]
fn broker_that_does_not_answer_a_close_is_left_after_a_while() {
    let mut pair = Pair::open_with(&quiet().close_timeout(Duration::from_secs(3)));
    let mut closing = close(&pair.connection);
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    pair.advance(Duration::from_millis(2_999));
    closing.pending();
    pair.advance(Duration::from_millis(1));
    assert!(matches!(
        closing.ready(),
        Err(ConnectionError::CloseTimeout { .. })
    ));
    assert!(pair.core.is_finished());
}

#[test]
fn close_that_cannot_even_be_written_is_left_after_a_while() {
    let (mut pair, channel) = Pair::with_channel();
    let _committing = Task::start(channel.tx_commit());
    publish(&channel, "held back", 10);
    let mut closing = close(&pair.connection);
    pair.sent();
    pair.advance(Duration::from_secs(5));
    assert!(matches!(
        closing.ready(),
        Err(ConnectionError::CloseTimeout { .. })
    ));
    assert!(pair.core.is_finished());
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
}

#[test]
fn close_by_the_broker_is_answered_and_told_to_everybody() {
    let mut pair = Pair::open();
    let publisher = pair.publisher();
    let channel = publisher.channel().clone();
    let mut consumer = pair.consumer(&channel, "tag");
    let message = Message::new("x");
    let mut confirmed = Task::start(publisher.publish("", "key", &message));
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("q")));
    let mut delivered = Task::start(consumer.next());
    let connection = pair.connection.clone();
    let mut opening = Task::start(connection.open_channel());
    let mut closed = Task::start(connection.closed());
    pair.sent();
    pair.feed(&wire::connection_close());
    assert_eq!(pair.sent(), ["0 connection.close-ok"]);
    assert!(pair.core.is_finished());
    let causes = [
        confirmed.ready().unwrap_err().to_string(),
        declaring.ready().unwrap_err().to_string(),
        match delivered.ready() {
            Some(Err(ConsumeError::Channel(error))) => error.to_string(),
            other => panic!("{other:?}"),
        },
        opening.ready().unwrap_err().to_string(),
        closed.ready().to_string(),
        done(connection.close()).unwrap_err().to_string(),
        done(connection.open_channel()).unwrap_err().to_string(),
        done(publisher.send("", "key", &message))
            .unwrap_err()
            .to_string(),
        done(channel.close()).unwrap_err().to_string(),
        channel.close_reason().unwrap().to_string(),
    ];
    for cause in causes {
        let said = "connection closed by the broker: 320 CONNECTION_FORCED - go away";
        assert!(cause.ends_with(said), "{cause}");
    }
    pair.assert_idle();
}

#[test]
fn f9_closes_that_cross_end_once() {
    let mut pair = Pair::open();
    let mut closing = close(&pair.connection);
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    pair.feed(&wire::connection_close());
    assert_eq!(pair.sent(), ["0 connection.close-ok"]);
    match closing.ready() {
        Err(ConnectionError::ClosedByBroker(close)) => assert_eq!(close.reply_code.0, 320),
        other => panic!("{other:?}"),
    }
    assert!(pair.core.is_finished());
}

#[test]
fn close_by_the_broker_amid_a_large_body_leaves_whole_frames() {
    let (mut pair, channel) = Pair::with_channel();
    publish(&channel, "large", 4_000_000);
    assert!(pair.write_once());
    pair.feed(&wire::connection_close());
    let octets = pair.sent_octets();
    let (frames, rest) = wire::frames(&octets);
    assert!(rest.is_empty());
    let last = frames.last().map(wire::describe).unwrap();
    assert_eq!(last, "0 connection.close-ok");
    assert!(octets.len() < 4_000_000);
    assert!(pair.core.is_finished());
}

#[test]
fn last_words_that_cannot_be_written_are_given_up() {
    let mut pair = Pair::open();
    let octets = wire::connection_close();
    pair.core.read_space()[..octets.len()].copy_from_slice(&octets);
    pair.core
        .read_done(octets.len(), crate::tests::support::pair::now());
    // The stream takes nothing more.
    assert!(!pair.core.is_finished());
    let deadline = pair.core.deadline().expect("a limit");
    Pair::sleep(deadline - crate::tests::support::pair::now());
    pair.core.handle_timeout(crate::tests::support::pair::now());
    assert!(pair.core.is_finished());
    assert_eq!(pair.core.deadline(), None);
    assert!(matches!(pair.end(), ConnectionError::ClosedByBroker(_)));
}

#[test]
fn close_ok_for_no_close_is_a_violation() {
    let mut pair = Pair::open();
    pair.says(0, &connection::CloseOk {});
    assert!(matches!(pair.end(), ConnectionError::Protocol(_)));
}

#[test]
fn nothing_is_read_behind_the_end() {
    let (mut pair, channel) = Pair::with_channel();
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("q")));
    pair.sent();
    pair.feed(&[wire::connection_close(), wire::declare_ok(1, "q")].concat());
    assert_eq!(declaring.ready().unwrap_err().reply_code().unwrap().0, 320);
    assert!(!pair.wants_read());
}

#[test]
fn what_was_read_before_the_end_counts() {
    let (mut pair, channel) = Pair::with_channel();
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("q")));
    let mut second = Task::start(channel.queue_declare(QueueDeclare::new("r")));
    pair.sent();
    pair.feed(&wire::declare_ok(1, "q"));
    pair.eof();
    assert_eq!(declaring.ready().unwrap().name, "q");
    assert!(matches!(
        second.ready(),
        Err(ChannelError::Connection(ConnectionError::EndOfStream))
    ));
}

#[test]
fn dropping_the_last_handle_closes() {
    let (mut pair, channel) = Pair::with_channel();
    // The pair's own handle goes; the channel keeps the connection open.
    pair.connection = Pair::open().connection;
    assert_eq!(pair.sent(), [""; 0]);
    drop(channel);
    assert_eq!(
        pair.sent(),
        ["1 channel.close 200", "0 connection.close 200"]
    );
    pair.says(1, &amqp_spec::channel::CloseOk {});
    pair.says(0, &connection::CloseOk {});
    assert!(pair.core.is_finished());
}

#[test]
fn f18_core_that_is_dropped_leaves_nobody_waiting() {
    let mut pair = Pair::open();
    let publisher = pair.publisher();
    let message = Message::new("x");
    let connection = pair.connection.clone();
    let mut confirmed = Task::start(publisher.publish("", "key", &message));
    let mut purging = Task::start(publisher.channel().queue_purge("q"));
    let mut opening = Task::start(connection.open_channel());
    let mut closing = close(&connection);
    drop(pair);
    assert!(confirmed.ready().is_err());
    assert!(matches!(
        purging.ready(),
        Err(ChannelError::Connection(ConnectionError::DriverGone))
    ));
    assert!(opening.ready().is_err());
    assert!(matches!(closing.ready(), Err(ConnectionError::DriverGone)));
    let late = done(connection.open_channel());
    assert!(matches!(
        late,
        Err(ChannelError::Connection(ConnectionError::DriverGone))
    ));
}

#[test]
fn blocked_and_unblocked_are_taken_note_of() {
    let (mut pair, channel) = Pair::with_channel();
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
    pair.says(0, &connection::Unblocked {});
    assert!(channel.close_reason().is_none());
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn methods_of_the_opening_are_violations_afterwards() {
    let challenge = LongStr::new(b"?").unwrap();
    for octets in [
        wire::start("PLAIN"),
        wire::tune(0, 0, 0),
        wire::open_ok(),
        wire::method(0, &connection::Secure { challenge }),
    ] {
        let mut pair = Pair::open();
        pair.feed(&octets);
        assert!(matches!(pair.end(), ConnectionError::Protocol(_)));
        assert_eq!(pair.sent(), ["0 connection.close 505"]);
    }
}

#[test]
fn ended_connection_has_no_deadline_but_that_of_its_last_words() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(100));
    let channel = pair.channel();
    publish(&channel, "first", 100);
    let message = Message::new(vec![b'.'; 100]);
    let waiting = Task::start(channel.basic_publish("", "second", &message));
    // There is room for it now: it is called, and does not come.
    assert_eq!(pair.sent().len(), 3);
    assert!(waiting.is_due());
    pair.write_limit = 0;
    pair.feed(&wire::declare_ok(1, "q"));
    pair.show_and_take_nothing();
    pair.advance(Duration::from_secs(2));
    assert!(!pair.core.is_finished(), "the close may still be taken");
    pair.advance(Duration::from_secs(1));
    assert!(pair.core.is_finished());
}
