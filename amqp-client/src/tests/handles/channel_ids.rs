//! Channels whose number the application chooses, closes that are joined, and what a channel tells
//! of itself.

use std::sync::Arc;
use std::time::Duration;

use amqp_spec::wire::TypedMethod as _;
use amqp_spec::{channel, connection};

use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, ChannelError};

#[test]
fn chosen_number_is_taken_until_its_close_is_answered() {
    let mut pair = Pair::open();
    let connection = pair.connection.clone();
    let mut opening = Task::start(async move { connection.open_channel_with_id(7).await });
    assert_eq!(pair.sent(), ["7 channel.open"]);
    let taken = |pair: &Pair| done(pair.connection.open_channel_with_id(7)).unwrap_err();
    assert!(matches!(taken(&pair), ChannelError::IdInUse { id: 7 }));
    pair.says(7, &channel::OpenOk {});
    let channel = opening.ready().unwrap();
    assert_eq!(channel.id(), 7);
    assert!(channel.is_open());
    // Others get ids that were never used.
    assert_eq!(pair.channel().id(), 1);

    let mut closing = Task::start(channel.close());
    pair.sent();
    assert_eq!(taken(&pair).to_string(), "channel 7 is in use");
    pair.says(7, &channel::CloseOk {});
    closing.ready().unwrap();
    let connection = pair.connection.clone();
    let _again = Task::start(async move { connection.open_channel_with_id(7).await });
    let sent = pair.sent();
    assert_eq!(sent.last().unwrap(), "7 channel.open");
}

/// Closes a channel that nothing else happens on.
fn close(pair: &mut Pair, channel: Channel) {
    let id = channel.id();
    drop(channel);
    assert_eq!(pair.sent(), [format!("{id} channel.close 200")]);
    pair.says(id, &channel::CloseOk {});
}

#[test]
fn s12_id_that_was_unused_the_longest_is_used_next() {
    let mut pair = Pair::open_tuned(&quiet(), (5, 131_072, 0));
    let mut open: Vec<_> = (1..=5).map(|_| pair.channel()).collect();
    for id in [3, 1, 5, 2, 4] {
        let at = open.iter().position(|channel| channel.id() == id).unwrap();
        close(&mut pair, open.remove(at));
    }
    // One that is asked for by its number leaves the others in their order.
    let chosen = pair.channel_with_id(5);
    let ids = [(); 4].map(|()| {
        let channel = pair.channel();
        let id = channel.id();
        open.push(channel);
        id
    });
    assert_eq!(ids, [3, 1, 2, 4]);
    let limit = done(pair.connection.open_channel()).unwrap_err();
    assert!(matches!(limit, ChannelError::ChannelLimit { .. }));
    close(&mut pair, chosen);
    assert_eq!(pair.channel().id(), 5);
}

#[test]
fn s12_id_is_not_used_again_soon_and_those_in_rotation_are_few() {
    let mut pair = Pair::open();
    let kept = pair.channel();
    let mut last = kept.id();
    for n in 0..2000_u16 {
        let channel = pair.channel();
        last = last.max(channel.id());
        assert_eq!(channel.id(), 2 + n % 256);
        close(&mut pair, channel);
    }
    // Each costs memory for as long as the connection lasts.
    assert_eq!(last, 257);
}

#[test]
fn s12_numbers_below_one_that_was_chosen_are_unused() {
    let mut pair = Pair::open_tuned(&quiet(), (4, 131_072, 0));
    let third = pair.channel_with_id(3);
    close(&mut pair, third);
    let ids = [(); 4].map(|()| {
        let channel = pair.channel();
        let id = channel.id();
        std::mem::forget(channel);
        id
    });
    assert_eq!(ids, [1, 2, 4, 3]);
}

#[test]
fn number_must_be_one_that_the_broker_allows() {
    let pair = Pair::open_tuned(&quiet(), (100, 131_072, 60));
    for number in [0, 101, u16::MAX] {
        let error = done(pair.connection.open_channel_with_id(number)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("channel {number} is not between 1 and 100")
        );
    }
}

/// A connection whose limit is the number of ids that there are, and its last channel.
fn with_the_last_channel() -> (Pair, Channel) {
    let mut pair = Pair::open_tuned(&quiet().channel_max(0), (0, 131_072, 0));
    let connection = pair.connection.clone();
    let mut opening = Task::start(async move { connection.open_channel_with_id(u16::MAX).await });
    assert_eq!(pair.sent(), ["65535 channel.open"]);
    pair.says(u16::MAX, &channel::OpenOk {});
    let channel = opening.ready().unwrap();
    (pair, channel)
}

#[test]
fn s12_request_on_channel_65535_times_out() {
    let (mut pair, channel) = with_the_last_channel();
    let mut purging = Task::start(channel.queue_purge("q"));
    assert_eq!(pair.sent(), ["65535 queue.purge q"]);
    pair.advance(quiet().request_timeout);
    let error = purging.ready().unwrap_err();
    assert!(matches!(error, ChannelError::Timeout { .. }), "{error}");
}

#[test]
fn s12_request_on_channel_65535_hears_of_the_end_of_the_connection() {
    let (mut pair, channel) = with_the_last_channel();
    let mut purging = Task::start(channel.queue_purge("q"));
    pair.sent();
    pair.eof();
    let error = purging.ready().unwrap_err();
    assert!(matches!(error, ChannelError::Connection(_)), "{error}");
}

#[test]
fn s12_request_on_channel_65535_is_found_when_it_provokes_a_close() {
    let (mut pair, channel) = with_the_last_channel();
    let mut purging = Task::start(channel.queue_purge("precious"));
    pair.sent();
    let id = amqp_spec::queue::Purge::ID;
    pair.says(
        0,
        &connection::Close {
            reply_code: 541,
            class_id: id.class_id(),
            method_id: id.method_id(),
            ..connection::Close::default()
        },
    );
    let told = purging.ready().unwrap_err().to_string();
    assert!(told.contains("precious"), "{told}");
}

#[test]
fn joined_close_waits_behind_what_holds_the_close_back() {
    let (mut pair, channel) = Pair::with_channel();
    let committing = Task::start(channel.tx_commit());
    let mut first = Task::start(channel.close());
    let mut second = Task::start(channel.close());
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    pair.says(1, &amqp_spec::tx::CommitOk {});
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    first.pending();
    second.pending();
    let mut closed = Task::start(channel.closed());
    pair.says(1, &channel::CloseOk {});
    first.ready().unwrap();
    second.ready().unwrap();
    assert!(matches!(closed.ready(), ChannelError::Closed));
    drop(committing);
    pair.assert_idle();
}

#[test]
fn joined_close_ends_with_the_brokers_reason_if_that_comes_first() {
    let (mut pair, channel) = Pair::with_channel_of(1);
    let mut first = Task::start(channel.close());
    let mut second = Task::start(channel.close());
    let mut closed = Task::start(channel.closed());
    pair.sent();
    pair.feed(&wire::channel_close(1));
    for error in [
        first.ready().unwrap_err(),
        second.ready().unwrap_err(),
        closed.ready(),
    ] {
        assert!(error.is_not_found(), "{error}");
    }
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
    pair.says(1, &channel::CloseOk {});
    pair.assert_idle();
    assert_eq!(pair.channel().id(), 1);
}

#[test]
fn joined_close_does_not_wait_for_ever() {
    let (mut pair, channel) = Pair::with_channel();
    // Who asked first has gone.
    drop(Task::start(channel.close()));
    let mut second = Task::start(channel.close());
    pair.sent();
    pair.advance(Duration::from_secs(3600));
    assert!(matches!(
        second.ready(),
        Err(ChannelError::Timeout {
            method: "channel.close"
        })
    ));
}

#[test]
fn consumers_of_a_channel_are_listed_and_can_be_cancelled_by_tag() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "b");
    let other = pair.consumer(&channel, "a");
    assert_eq!(channel.consumer_tags(), ["a", "b"]);
    let mut cancelling = Task::start(channel.basic_cancel("b"));
    assert_eq!(pair.sent(), ["1 basic.cancel b"]);
    pair.feed(&wire::delivery(1, "b", 1, b"last"));
    pair.feed(&wire::cancel_ok(1, "b"));
    cancelling.ready().unwrap();
    assert_eq!(channel.consumer_tags(), ["a"]);
    assert_eq!(done(consumer.next()).unwrap().unwrap().body(), b"last");
    assert!(done(consumer.next()).is_none());

    let mut cancelling = Task::start(channel.basic_cancel("nosuch"));
    assert_eq!(pair.sent(), ["1 basic.cancel nosuch"]);
    pair.feed(&wire::cancel_ok(1, "nosuch"));
    cancelling.ready().unwrap();

    pair.feed(&wire::channel_close(1));
    assert!(channel.consumer_tags().is_empty());
    drop((consumer, other));
}

#[test]
fn consumers_and_channel_do_not_keep_each_other_alive() {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "a");
    let watched = Arc::downgrade(channel.shared());
    drop(consumer);
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "a"));
    drop(channel);
    pair.sent();
    pair.says(1, &channel::CloseOk {});
    assert!(watched.upgrade().is_none());
}

#[test]
fn waiting_for_the_end_of_a_lost_connections_channel_ends() {
    let (mut pair, channel) = Pair::with_channel();
    let mut closed = Task::start(channel.closed());
    closed.pending();
    pair.feed(&wire::connection_close());
    assert!(matches!(closed.ready(), ChannelError::Connection(_)));
    assert!(!channel.is_open());
}
