//! What goes back at once when a connection is shut down, and what is waited for.

use std::cell::Cell;
use std::future::{IntoFuture, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use amqp_spec::basic;

use super::{assert_over, closed, closed_clean, counts, deliver, given_back, next, shut_down};
use crate::consume::{HandlerEnd, Multiple, Settled, StreamOffset};
use crate::error::{ChannelError, ConnectionError};
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Consumer, Requeue};

fn consuming() -> (Pair, Channel, Consumer) {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "c");
    (pair, channel, consumer)
}

#[test]
fn what_was_not_yielded_goes_back_at_once_and_what_is_in_hand_is_settled_on_the_same_channel() {
    let (mut pair, _channel, mut consumer) = consuming();
    deliver(&mut pair, "c", 1..=4);
    let [first, second] = [next(&mut consumer), next(&mut consumer)];
    // Two are in the batch that the consumer works on, three have not been taken.
    deliver(&mut pair, "c", 5..=7);
    assert_eq!(consumer.buffered_count(), 5);

    let mut task = shut_down(&pair);
    let mut expected = vec!["1 basic.cancel c".to_owned()];
    expected.extend(given_back(3..=7));
    assert_eq!(pair.sent(), expected);
    assert_over(&mut consumer);
    assert_eq!(consumer.buffered_count(), 0);

    // What crosses the cancel goes back, too.
    deliver(&mut pair, "c", [8]);
    assert_eq!(pair.sent(), given_back([8]));
    pair.feed(&wire::cancel_ok(1, "c"));
    task.pending();
    assert_eq!(pair.sent(), [""; 0]);

    assert_eq!(first.ack().unwrap(), Settled::Queued);
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    task.pending();
    assert_eq!(second.nack(Requeue::No).unwrap(), Settled::Queued);
    assert_eq!(pair.sent(), ["1 basic.nack 2", "0 connection.close 200"]);
    closed_clean(&mut pair, task);
}

#[test]
fn consumers_that_share_a_channel_give_back_what_is_theirs() {
    let (mut pair, channel) = Pair::with_channel();
    let mut a = pair.consumer(&channel, "a");
    let mut b = pair.consumer(&channel, "b");
    let octets: Vec<u8> = (1..=8)
        .flat_map(|n| wire::delivery(1, if n % 3 == 0 { "b" } else { "a" }, n, b"m"))
        .collect();
    pair.feed(&octets);
    // 1 2 4 5 7 8, and 3 6.
    let held = [next(&mut a), next(&mut a), next(&mut b)];
    assert_eq!(held.each_ref().map(|one| one.delivery_tag()), [1, 2, 3]);
    let task = shut_down(&pair);
    let sent = pair.sent();
    // Neither waits for the other.
    assert_eq!(sent[..2], ["1 basic.cancel a", "1 basic.cancel b"]);
    assert_eq!(sent[2..], given_back([4, 5, 7, 8, 6]));
    pair.feed(&wire::cancel_ok(1, "a"));
    pair.feed(&wire::cancel_ok(1, "b"));
    for delivery in held {
        delivery.ack().unwrap();
    }
    let sent = pair.sent();
    assert_eq!(sent.last().unwrap(), "0 connection.close 200", "{sent:?}");
    closed_clean(&mut pair, task);
}

#[test]
fn nothing_goes_back_to_a_stream() {
    let (mut pair, channel) = Pair::with_channel();
    let consume = channel.consume("s").tag("c").offset(StreamOffset::First);
    let mut starting = Task::start(consume.into_future());
    pair.sent();
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, "c"));
    let mut consumer = starting.ready().unwrap();
    let message = |n| {
        let headers = crate::field_table! { "x-stream-offset" => 1_i64 };
        let properties = basic::Properties::new().headers(headers.as_ref());
        let body = [
            wire::method(1, &wire::deliver("c", n)),
            wire::header_with(1, 1, properties.as_ref()),
            wire::body(1, b"m", 4096),
        ];
        body.concat()
    };
    pair.feed(&[message(1), message(2)].concat());
    let held = next(&mut consumer);
    pair.feed(&message(3));
    let task = shut_down(&pair);
    let sent = pair.sent();
    assert_eq!(sent, ["1 basic.cancel c", "1 basic.ack 2", "1 basic.ack 3"]);
    assert_over(&mut consumer);
    pair.feed(&wire::cancel_ok(1, "c"));
    held.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1", "0 connection.close 200"]);
    closed_clean(&mut pair, task);
}

#[test]
fn consumer_without_acknowledgements_yields_what_has_come_and_is_not_waited_for() {
    let (mut pair, channel) = Pair::with_channel();
    let mut starting = Task::start(channel.consume("q").tag("c").no_ack().into_future());
    pair.sent();
    pair.feed(&wire::consume_ok(1, "c"));
    let mut consumer = starting.ready().unwrap();
    deliver(&mut pair, "c", 1..=2);
    let mut task = shut_down(&pair);
    assert_eq!(pair.sent(), ["1 basic.cancel c"]);
    deliver(&mut pair, "c", [3]);
    task.pending();
    pair.feed(&wire::cancel_ok(1, "c"));
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    closed_clean(&mut pair, task);
    let mut numbers = Vec::new();
    while let Some(delivery) = done(consumer.next()) {
        numbers.push(delivery.unwrap().delivery_tag());
    }
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn what_needs_no_acknowledgement_is_told_from_what_does_on_one_channel() {
    let (mut pair, channel, mut consumer) = consuming();
    let mut starting = Task::start(channel.consume("q").tag("auto").no_ack().into_future());
    pair.sent();
    pair.feed(&wire::consume_ok(1, "auto"));
    let automatic = starting.ready().unwrap();
    deliver(&mut pair, "auto", 1..=3);
    deliver(&mut pair, "c", [4]);
    let mut getting = Task::start(channel.basic_get_no_ack("q"));
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(5), b"m"));
    assert!(getting.ready().unwrap().is_some());
    let mut getting = Task::start(channel.basic_get("q"));
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(6), b"m"));
    let fetched = getting.ready().unwrap().unwrap().delivery;
    let held = next(&mut consumer);
    let mut task = shut_down(&pair);
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "auto"));
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "c"));
    held.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 4"]);
    task.pending();
    fetched.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 6", "0 connection.close 200"]);
    closed_clean(&mut pair, task);
    drop(automatic);
}

/// `multiple` covers what needs no acknowledgement, and does not settle it: what is behind it is
/// waited for, whichever kind came first.
#[test]
fn several_settled_at_once_are_those_that_need_it() {
    for (needless, first) in [(1..=3, 4), (5..=7, 3)] {
        let (mut pair, channel, mut consumer) = consuming();
        let mut starting = Task::start(channel.consume("q").tag("auto").no_ack().into_future());
        pair.sent();
        pair.feed(&wire::consume_ok(1, "auto"));
        let automatic = starting.ready().unwrap();
        let mut held = Vec::new();
        for n in 1..=9 {
            let is_needless = needless.contains(&n);
            deliver(&mut pair, if is_needless { "auto" } else { "c" }, [n]);
            if !is_needless {
                held.push(next(&mut consumer));
            }
        }
        let before = pair.connection.counters().acked;
        channel.basic_ack(first, Multiple::Yes).unwrap();
        channel.basic_ack(8, Multiple::Yes).unwrap();
        // Six of nine need it, and the last of them is left.
        assert_eq!(pair.connection.counters().acked - before, 5);
        let mut task = shut_down(&pair);
        pair.sent();
        for tag in ["auto", "c"] {
            pair.feed(&wire::cancel_ok(1, tag));
        }
        task.pending();
        pair.advance(super::GRACE);
        assert_eq!(pair.sent(), ["0 connection.close 200"]);
        let report = closed(&mut pair, task);
        assert_eq!(counts(&report), [1, 0, 0]);
        drop((held, automatic));
    }
}

/// In one read, which hands over the one kind behind the other.
#[test]
fn what_came_together_is_told_apart() {
    for order in [["auto", "c"], ["c", "auto"]] {
        let (mut pair, channel, mut consumer) = consuming();
        let mut starting = Task::start(channel.consume("q").tag("auto").no_ack().into_future());
        pair.sent();
        pair.feed(&wire::consume_ok(1, "auto"));
        let automatic = starting.ready().unwrap();
        let tags = order.iter().cycle().zip(1..=6);
        let octets: Vec<u8> = tags
            .flat_map(|(tag, n)| wire::delivery(1, tag, n, b"m"))
            .collect();
        pair.feed(&octets);
        let held: Vec<_> = (0..3).map(|_| next(&mut consumer)).collect();
        let mut task = shut_down(&pair);
        pair.sent();
        for tag in ["auto", "c"] {
            pair.feed(&wire::cancel_ok(1, tag));
        }
        channel
            .basic_ack(held[1].delivery_tag(), Multiple::Yes)
            .unwrap();
        pair.sent();
        task.pending();
        channel.basic_ack(6, Multiple::Yes).unwrap();
        let expected = ["1 basic.ack 6 multiple", "0 connection.close 200"];
        assert_eq!(pair.sent(), expected);
        closed_clean(&mut pair, task);
        assert_eq!(pair.connection.counters().acked, 3);
        drop((held, automatic));
    }
}

/// What has just gone back is not named to the broker, and neither is what needed no
/// acknowledgement.
#[test]
fn what_stands_before_a_tag_that_has_gone_back_is_named_if_it_is_to_be_settled() {
    let (mut pair, channel, mut consumer) = consuming();
    let mut starting = Task::start(channel.consume("q").tag("auto").no_ack().into_future());
    pair.sent();
    pair.feed(&wire::consume_ok(1, "auto"));
    let automatic = starting.ready().unwrap();
    deliver(&mut pair, "c", [1]);
    deliver(&mut pair, "auto", [2]);
    deliver(&mut pair, "c", [3, 4]);
    let held: Vec<_> = (0..3).map(|_| next(&mut consumer)).collect();
    consumer.queue().note_yielded(1);
    let task = shut_down(&pair);
    pair.sent();
    for tag in ["auto", "c"] {
        pair.feed(&wire::cancel_ok(1, tag));
    }
    channel.basic_ack(4, Multiple::Yes).unwrap();
    let expected = ["1 basic.ack 1 multiple", "0 connection.close 200"];
    assert_eq!(pair.sent(), expected);
    closed_clean(&mut pair, task);
    drop((held, automatic));
}

#[test]
fn handlers_that_run_settle_their_messages_and_no_more_are_begun() {
    let (mut pair, _channel, consumer) = consuming();
    let (begun, go_on) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let (n_begun, may_end) = (Rc::clone(&begun), Rc::clone(&go_on));
    let handling = consumer.handle(move |_| {
        n_begun.set(n_begun.get() + 1);
        let may_end = Rc::clone(&may_end);
        poll_fn(move |context| match may_end.get() {
            true => Poll::Ready(()),
            false => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
    });
    let mut handling = Task::start(handling.concurrency(2));
    deliver(&mut pair, "c", 1..=4);
    handling.pending();
    deliver(&mut pair, "c", 5..=6);
    let mut task = shut_down(&pair);
    let mut expected = vec!["1 basic.cancel c".to_owned()];
    expected.extend(given_back(3..=6));
    assert_eq!(pair.sent(), expected, "before any handler has ended");
    pair.feed(&wire::cancel_ok(1, "c"));
    handling.pending();
    task.pending();
    assert_eq!(pair.sent(), [""; 0]);

    go_on.set(true);
    let handled = handling.ready();
    assert!(matches!(handled.end, HandlerEnd::Cancelled));
    assert_eq!((handled.acked, handled.given_back), (2, 4), "{handled:?}");
    assert_eq!(begun.get(), 2);
    let sent = pair.sent();
    assert_eq!(sent.last().unwrap(), "0 connection.close 200", "{sent:?}");
    closed_clean(&mut pair, task);
}

#[test]
fn consumer_that_is_being_started_is_cancelled_and_none_is_started_any_more() {
    let (mut pair, channel) = Pair::with_channel();
    let mut starting = Task::start(channel.consume("q").tag("c").into_future());
    pair.sent();
    let mut task = shut_down(&pair);
    assert_eq!(pair.sent(), [""; 0]);
    let refused = done(channel.consume("q").tag("late").into_future());
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, ChannelError::Connection(ConnectionError::Closed)),
        "{refused:?}"
    );
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, "c"));
    assert_eq!(pair.sent(), ["1 basic.cancel c"]);
    let mut consumer = starting.ready().unwrap();
    assert_over(&mut consumer);
    task.pending();
    pair.feed(&wire::cancel_ok(1, "c"));
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    closed_clean(&mut pair, task);
}

#[test]
fn consumer_that_was_cancelled_before_gives_back_what_it_has_not_yielded() {
    let (mut pair, _channel, mut consumer) = consuming();
    deliver(&mut pair, "c", 1..=3);
    let held = next(&mut consumer);
    let mut cancelling = Task::start(consumer.cancel());
    assert_eq!(pair.sent(), ["1 basic.cancel c"]);
    pair.feed(&wire::cancel_ok(1, "c"));
    cancelling.ready().unwrap();
    drop(cancelling);
    let task = shut_down(&pair);
    assert_eq!(pair.sent(), given_back([2, 3]));
    assert_over(&mut consumer);
    held.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1", "0 connection.close 200"]);
    closed_clean(&mut pair, task);
}

#[test]
fn consumer_that_goes_away_meanwhile_gives_nothing_back_twice() {
    let (mut pair, _channel, mut consumer) = consuming();
    deliver(&mut pair, "c", 1..=3);
    let held = next(&mut consumer);
    deliver(&mut pair, "c", [4]);
    let task = shut_down(&pair);
    let mut expected = vec!["1 basic.cancel c".to_owned()];
    expected.extend(given_back(2..=4));
    assert_eq!(pair.sent(), expected);
    drop(consumer);
    assert_eq!(pair.sent(), [""; 0]);
    pair.feed(&wire::cancel_ok(1, "c"));
    held.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1", "0 connection.close 200"]);
    closed_clean(&mut pair, task);
}

#[test]
fn what_is_yielded_in_the_moment_in_which_it_goes_back_is_stale() {
    let (mut pair, channel, mut consumer) = consuming();
    deliver(&mut pair, "c", 1..=4);
    let held: Vec<_> = (0..3).map(|_| next(&mut consumer)).collect();
    // As the core sees it that has looked a moment ago.
    consumer.queue().note_yielded(1);
    let task = shut_down(&pair);
    let mut expected = vec!["1 basic.cancel c".to_owned()];
    expected.extend(given_back(2..=4));
    assert_eq!(pair.sent(), expected);
    pair.feed(&wire::cancel_ok(1, "c"));
    let [first, second, third] = held.try_into().unwrap();
    assert!(first.is_current() && !second.is_current());
    assert_eq!(second.ack().unwrap(), Settled::Stale);
    let third = channel.basic_ack(third.delivery_tag(), Multiple::No);
    assert_eq!(third.unwrap(), Settled::Stale);
    assert_eq!(pair.sent(), [""; 0]);
    first.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1", "0 connection.close 200"]);
    closed_clean(&mut pair, task);
}

/// RabbitMQ closes the channel over a tag that it does not know, also where it is `multiple`.
#[test]
fn what_is_named_in_the_moment_in_which_it_goes_back_settles_what_came_before_it() {
    for settles_first in [false, true] {
        let (mut pair, channel, mut consumer) = consuming();
        deliver(&mut pair, "c", 1..=5);
        let held: Vec<_> = (0..4).map(|_| next(&mut consumer)).collect();
        let mut expected = Vec::new();
        if settles_first {
            channel.basic_ack(1, Multiple::No).unwrap();
            expected.push("1 basic.ack 1".to_owned());
        }
        consumer.queue().note_yielded(2);
        let task = shut_down(&pair);
        expected.push("1 basic.cancel c".to_owned());
        expected.extend(given_back(3..=5));
        assert_eq!(pair.sent(), expected);
        pair.feed(&wire::cancel_ok(1, "c"));
        assert_eq!(
            channel.basic_ack(4, Multiple::Yes).unwrap(),
            Settled::Queued
        );
        let expected = ["1 basic.ack 2 multiple", "0 connection.close 200"];
        assert_eq!(pair.sent(), expected);
        closed_clean(&mut pair, task);
        drop(held);
    }
}

#[test]
fn what_is_named_when_all_before_it_is_settled_is_stale() {
    let (mut pair, channel, mut consumer) = consuming();
    deliver(&mut pair, "c", 1..=3);
    let held: Vec<_> = (0..3).map(|_| next(&mut consumer)).collect();
    channel.basic_ack(1, Multiple::No).unwrap();
    consumer.queue().note_yielded(1);
    let mut task = shut_down(&pair);
    let mut expected = vec!["1 basic.ack 1".to_owned(), "1 basic.cancel c".to_owned()];
    expected.extend(given_back(2..=3));
    assert_eq!(pair.sent(), expected);
    task.pending();
    assert_eq!(channel.basic_ack(3, Multiple::Yes).unwrap(), Settled::Stale);
    assert_eq!(pair.sent(), [""; 0]);
    pair.feed(&wire::cancel_ok(1, "c"));
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    closed_clean(&mut pair, task);
    drop(held);
}

#[test]
fn settling_by_number_and_all_at_once_is_counted() {
    let (mut pair, channel, mut consumer) = consuming();
    deliver(&mut pair, "c", 1..=6);
    let held: Vec<_> = (0..5).map(|_| next(&mut consumer)).collect();
    channel.basic_ack(2, Multiple::No).unwrap();
    let mut task = shut_down(&pair);
    let expected = [
        "1 basic.ack 2",
        "1 basic.cancel c",
        "1 basic.nack 6 requeue",
    ];
    assert_eq!(pair.sent(), expected);
    pair.feed(&wire::cancel_ok(1, "c"));
    channel.basic_ack(4, Multiple::Yes).unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 4 multiple"]);
    task.pending();
    channel.basic_ack(0, Multiple::Yes).unwrap();
    let expected = ["1 basic.ack 0 multiple", "0 connection.close 200"];
    assert_eq!(pair.sent(), expected);
    closed_clean(&mut pair, task);
    drop(held);
}

#[test]
fn what_basic_recover_has_given_back_is_not_waited_for() {
    let (mut pair, channel, mut consumer) = consuming();
    let held = pair.deliver(&mut consumer, 1..=3);
    let mut recovering = Task::start(channel.basic_recover());
    pair.sent();
    pair.says(1, &basic::RecoverOk {});
    recovering.ready().unwrap();
    drop(recovering);
    let again = pair.deliver(&mut consumer, 4..=5);
    let mut task = shut_down(&pair);
    assert_eq!(pair.sent(), ["1 basic.cancel c"]);
    pair.feed(&wire::cancel_ok(1, "c"));
    for delivery in held {
        assert_eq!(delivery.ack().unwrap(), Settled::Stale);
    }
    task.pending();
    for delivery in again {
        delivery.ack().unwrap();
    }
    let sent = pair.sent();
    assert_eq!(sent.last().unwrap(), "0 connection.close 200", "{sent:?}");
    closed_clean(&mut pair, task);
}

#[test]
fn acknowledgements_of_an_open_transaction_are_waited_for() {
    let (mut pair, channel) = Pair::with_channel();
    let mut selecting = Task::start(channel.tx_select());
    pair.sent();
    pair.says(1, &amqp_spec::tx::SelectOk {});
    selecting.ready().unwrap();
    drop(selecting);
    let mut consumer = pair.consumer(&channel, "c");
    let held = pair.deliver(&mut consumer, 1..=1).remove(0);
    held.ack().unwrap();
    let mut task = shut_down(&pair);
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "c"));
    task.pending();
    assert_eq!(pair.sent(), [""; 0]);
    let mut committing = Task::start(channel.tx_commit());
    assert_eq!(pair.sent()[0], "1 tx.commit");
    pair.says(1, &amqp_spec::tx::CommitOk {});
    committing.ready().unwrap();
    closed_clean(&mut pair, task);
}

#[test]
fn delivery_that_was_dropped_unsettled_is_waited_for_and_told() {
    let (mut pair, _channel, mut consumer) = consuming();
    drop(pair.deliver(&mut consumer, 1..=2));
    let mut task = shut_down(&pair);
    assert_eq!(pair.sent(), ["1 basic.cancel c"]);
    pair.feed(&wire::cancel_ok(1, "c"));
    task.pending();
    pair.advance(super::GRACE);
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    let report = closed(&mut pair, task);
    assert_eq!(counts(&report), [2, 0, 0]);
    assert!(report.cause.is_none() && !report.is_clean());
}
