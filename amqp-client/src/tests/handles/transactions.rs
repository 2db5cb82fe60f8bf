//! What a rollback leaves unsettled, and whose transaction a settlement belongs to.

use std::time::Duration;

use amqp_spec::tx;

use crate::channel::RolledBack;
use crate::consume::Multiple;
use crate::error::ChannelError;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::Task;
use crate::{Channel, Consumer, Delivery, Requeue};

type RollingBack<'a> = Task<'a, Result<RolledBack, ChannelError>>;

/// A transactional channel, and the first deliveries of its consumer.
fn transactional(n: u64) -> (Pair, Channel, Consumer, Vec<Delivery>) {
    let (mut pair, channel) = Pair::with_channel();
    let mut selecting = Task::start(channel.tx_select());
    assert_eq!(pair.sent(), ["1 tx.select"]);
    pair.says(1, &tx::SelectOk {});
    selecting.ready().unwrap();
    drop(selecting);
    let mut consumer = pair.consumer(&channel, "tag");
    let deliveries = pair.deliver(&mut consumer, 1..=n);
    (pair, channel, consumer, deliveries)
}

/// The rollback is answered, and tells these numbers.
#[track_caller]
fn rolled_back(pair: &mut Pair, mut task: RollingBack<'_>) -> Vec<u64> {
    pair.sent();
    pair.says(1, &tx::RollbackOk {});
    task.ready().unwrap().delivery_tags().to_vec()
}

#[test]
fn rollback_tells_what_was_settled_in_the_transaction() {
    let (mut pair, channel, _consumer, deliveries) = transactional(5);
    let [a, b, c, _kept, e]: [_; 5] = deliveries.try_into().unwrap();
    b.ack().unwrap();
    a.nack(Requeue::Yes).unwrap();
    c.reject(Requeue::No).unwrap();
    channel.basic_ack(4, Multiple::No).unwrap();
    let rolling_back = Task::start(channel.tx_rollback());
    // Of the next transaction, though the answer is not there yet.
    e.ack().unwrap();
    assert_eq!(rolled_back(&mut pair, rolling_back), [2, 1, 3, 4]);
    let rolling_back = Task::start(channel.tx_rollback());
    assert_eq!(rolled_back(&mut pair, rolling_back), [5]);
    let rolling_back = Task::start(channel.tx_rollback());
    assert_eq!(rolled_back(&mut pair, rolling_back), [0_u64; 0]);
}

#[test]
fn what_was_committed_is_not_rolled_back() {
    let (mut pair, channel, _consumer, deliveries) = transactional(2);
    let [a, b]: [_; 2] = deliveries.try_into().unwrap();
    a.ack().unwrap();
    let mut committing = Task::start(channel.tx_commit());
    b.ack().unwrap();
    pair.sent();
    pair.says(1, &tx::CommitOk {});
    committing.ready().unwrap();
    let rolling_back = Task::start(channel.tx_rollback());
    assert_eq!(rolled_back(&mut pair, rolling_back), [2]);
}

#[test]
fn what_was_rolled_back_is_given_back_one_by_one() {
    let (mut pair, channel, _consumer, deliveries) = transactional(2);
    for delivery in deliveries {
        delivery.ack().unwrap();
    }
    let mut rolling_back = Task::start(channel.tx_rollback());
    pair.sent();
    pair.says(1, &tx::RollbackOk {});
    rolling_back.ready().unwrap().requeue().unwrap();
    assert_eq!(
        pair.sent(),
        ["1 basic.nack 1 requeue", "1 basic.nack 2 requeue"]
    );
    // Which may be rolled back as well.
    let rolling_back = Task::start(channel.tx_rollback());
    assert_eq!(rolled_back(&mut pair, rolling_back), [1, 2]);
}

#[test]
fn transaction_goes_on_when_its_end_was_never_sent() {
    let (mut pair, channel, _consumer, deliveries) = transactional(3);
    let [a, b, c]: [_; 3] = deliveries.try_into().unwrap();
    let _consuming = Task::start(channel.consume("q").tag("other").into_future());
    let sent = pair.sent();
    super::requests::answer_qos(&mut pair, &sent);
    a.ack().unwrap();
    let mut committing = Task::start(channel.tx_commit());
    b.ack().unwrap();
    pair.advance(Duration::from_secs(20));
    let rolling_back = Task::start(channel.tx_rollback());
    c.ack().unwrap();
    pair.advance(Duration::from_secs(10));
    // The consume that held it back is not answered.
    assert!(matches!(
        committing.ready(),
        Err(ChannelError::Timeout { .. })
    ));
    pair.feed(&crate::tests::support::wire::consume_ok(1, "other"));
    let mut told = rolled_back(&mut pair, rolling_back);
    told.sort_unstable();
    assert_eq!(told, [1, 2]);
}
