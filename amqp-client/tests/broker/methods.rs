//! The other methods of a channel: fetching, settling by number, transactions, flow, numbers.

use amqp_client::amqp_spec::wire::TypedMethod as _;
use amqp_client::amqp_spec::{ReplyCode, channel, confirm, tx};
use amqp_client::channel::Flow;
use amqp_client::consume::{Multiple, QosScope, Settled};
use amqp_client::error::ArgumentError;
use amqp_client::event::Event;
use amqp_client::{Channel, ChannelError, Connection, Message, Requeue};

use crate::support::{
    check_close, declare, expect, fill, poll_once, ready, run, text, until_ready,
};

/// A channel with a queue "q" of so many messages.
async fn filled(connection: &Connection, n_messages: usize) -> Channel {
    let channel = connection.open_channel().await.unwrap();
    declare(&channel, "q").await;
    fill(&channel, "q", n_messages).await;
    channel
}

#[test]
fn what_is_fetched_without_acknowledgement_is_gone() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = filled(&connection, 2).await;
        let got = channel.basic_get_no_ack("q").await.unwrap().unwrap();
        assert_eq!((text(got.delivery.body()), got.message_count), ("0", 1));
        let got = channel.basic_get("q").await.unwrap().unwrap();
        assert_eq!(text(got.delivery.body()), "1");
        // They share their numbers.
        assert_eq!(got.delivery.delivery_tag(), 2);
        assert!(channel.basic_get_no_ack("q").await.unwrap().is_none());
        channel.close().await.unwrap();

        let channel = connection.open_channel().await.unwrap();
        until_ready(&channel, "q", 1).await;
        let got = channel.basic_get_no_ack("q").await.unwrap().unwrap();
        assert!(got.delivery.redelivered());
        assert_eq!(text(&got.delivery.into_body()), "1");
    });
}

#[test]
fn deliveries_are_rejected_and_refused_by_number() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = filled(&connection, 5).await;
        let mut consumer = channel.consume("q").await.unwrap();
        for n in 0..5 {
            let _ = expect(&mut consumer, &n.to_string())
                .await
                .into_body_unsettled();
        }
        consumer.cancel().await.unwrap();
        channel.basic_reject(1, Requeue::No).unwrap();
        channel.basic_reject(3, Requeue::Yes).unwrap();
        until_ready(&channel, "q", 1).await;
        // All there are: 1 and 3 of the messages.
        channel.basic_nack(4, Multiple::Yes, Requeue::Yes).unwrap();
        until_ready(&channel, "q", 3).await;
        channel.basic_ack(0, Multiple::Yes).unwrap();
        // There is nothing left to acknowledge.
        channel.basic_ack(0, Multiple::Yes).unwrap();
        assert_eq!(ready(&channel, "q").await, 3);
        for body in ["1", "2", "3"] {
            let got = channel.basic_get_no_ack("q").await.unwrap().unwrap();
            assert_eq!(text(got.delivery.body()), body);
        }
    });
}

#[test]
fn tag_zero_is_refused_unless_it_stands_for_all() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let refused = [
            channel.basic_ack(0, Multiple::No),
            channel.basic_nack(0, Multiple::No, Requeue::Yes),
            channel.basic_reject(0, Requeue::Yes),
        ];
        for result in refused {
            let error = result.unwrap_err();
            let expected = ChannelError::Invalid(ArgumentError::DeliveryTagZero);
            assert_eq!(error.to_string(), expected.to_string());
        }
        channel.basic_nack(0, Multiple::Yes, Requeue::Yes).unwrap();
        declare(&channel, "q").await;
    });
}

#[test]
fn recovering_gives_back_what_is_not_acknowledged() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = filled(&connection, 2).await;
        let held = channel.basic_get("q").await.unwrap().unwrap().delivery;
        channel.basic_recover().await.unwrap();
        until_ready(&channel, "q", 2).await;
        let again = channel.basic_get("q").await.unwrap().unwrap().delivery;
        assert!(again.redelivered());
        assert_eq!(text(again.body()), "0");
        again.ack().unwrap();
        declare_again(&channel).await;
        // RabbitMQ would close the channel over it.
        assert!(matches!(held.ack(), Ok(Settled::Stale)));
        declare_again(&channel).await;
    });
}

/// Waits until the broker has done what was sent before.
async fn declare_again(channel: &Channel) {
    ready(channel, "q").await;
}

#[test]
fn transactions_take_effect_when_they_are_committed() {
    run(async |site| {
        let connection = site.connect().await;
        let other = filled(&connection, 1).await;
        let channel = connection.open_channel().await.unwrap();
        channel.tx_select().await.unwrap();
        let publish = async |body: &'static str| {
            let message = Message::new(body);
            channel.basic_publish("", "q", &message).await.unwrap();
        };
        publish("rolled back").await;
        let got = channel.basic_get("q").await.unwrap().unwrap();
        got.delivery.ack().unwrap();
        channel.tx_rollback().await.unwrap();
        assert_eq!(ready(&other, "q").await, 0);
        // What was acknowledged is unacknowledged again; it has kept its number.
        channel.basic_ack(1, Multiple::No).unwrap();
        publish("committed").await;
        assert_eq!(ready(&other, "q").await, 0);
        channel.tx_commit().await.unwrap();
        until_ready(&other, "q", 1).await;
        publish("given up").await;
        channel.close().await.unwrap();
        let got = other.basic_get_no_ack("q").await.unwrap().unwrap();
        assert_eq!(
            (text(got.delivery.body()), got.message_count),
            ("committed", 0)
        );
    });
}

#[test]
fn transactions_and_confirms_exclude_each_other() {
    run(async |site| {
        let connection = site.connect().await;
        let open = async || connection.open_channel().await.unwrap();
        let refused = open().await.tx_commit().await.unwrap_err();
        check_close(
            refused.broker_close(),
            406,
            "not transactional",
            tx::Commit::ID,
        );
        let refused = open().await.tx_rollback().await.unwrap_err();
        check_close(
            refused.broker_close(),
            406,
            "not transactional",
            tx::Rollback::ID,
        );

        let channel = open().await;
        channel.tx_select().await.unwrap();
        channel.tx_select().await.unwrap();
        let refused = channel.confirm_select().await.unwrap_err();
        check_close(
            refused.broker_close(),
            406,
            "from tx to confirm",
            confirm::Select::ID,
        );
        let channel = open().await;
        channel.confirm_select().await.unwrap();
        channel.confirm_select().await.unwrap();
        let refused = channel.tx_select().await.unwrap_err();
        check_close(
            refused.broker_close(),
            406,
            "from confirm to tx",
            tx::Select::ID,
        );
    });
}

#[test]
fn flow_can_go_on_and_not_stop() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        assert_eq!(channel.flow(Flow::Active).await.unwrap(), Flow::Active);
        let error = channel.flow(Flow::Stopped).await.unwrap_err();
        check_close(error.broker_close(), 540, "active=false", channel::Flow::ID);
        assert!(matches!(error, ChannelError::Connection(_)));
        assert!(!error.is_retryable());
    });
}

/// RabbitMQ from 4.3 on has no limit of a whole channel: it becomes one of each consumer, silently,
/// so that the library says it.
#[test]
fn limits_hold_for_each_consumer_or_for_all_of_a_channel() {
    run(async |site| {
        let connection = site.connect().await;
        let other = filled(&connection, 10).await;
        let is_kept = site.version() < (4, 3);
        let of_channel = if is_kept { 3 } else { 6 };
        for (scope, unacknowledged) in [(QosScope::Consumer, 6), (QosScope::Channel, of_channel)] {
            let channel = connection.open_channel().await.unwrap();
            let mut events = channel.events();
            channel.basic_qos(3, scope).await.unwrap();
            let told = poll_once(events.next()).await.flatten();
            let is_told = matches!(
                told,
                Some(Event::LimitPerConsumer {
                    prefetch_count: 3,
                    ..
                })
            );
            assert_eq!(
                is_told,
                scope == QosScope::Channel && !is_kept,
                "{scope:?}: {told:?}"
            );
            let _first = channel.consume("q").await.unwrap();
            let _second = channel.consume("q").await.unwrap();
            assert_eq!(channel.consumer_tags().len(), 2);
            // What is fetched does not count.
            until_ready(&other, "q", 10 - unacknowledged).await;
            let fetched = channel.basic_get("q").await.unwrap();
            assert!(fetched.is_some());
            channel.close().await.unwrap();
            until_ready(&other, "q", 10).await;
        }
    });
}

#[test]
fn a_consumer_can_be_cancelled_by_its_tag() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = filled(&connection, 1).await;
        let mut consumer = channel.consume("q").tag("t").await.unwrap();
        assert_eq!(channel.consumer_tags(), ["t"]);
        let delivery = expect(&mut consumer, "0").await;
        channel.basic_cancel("nosuch").await.unwrap();
        channel.basic_cancel("t").await.unwrap();
        channel.basic_cancel("t").await.unwrap();
        assert!(channel.consumer_tags().is_empty());
        assert!(consumer.next().await.is_none());
        delivery.ack().unwrap();
        assert_eq!(ready(&channel, "q").await, 0);
    });
}

#[test]
fn s12_chosen_numbers_are_taken_and_free_again() {
    run(async |site| {
        let connection = site.connect().await;
        let channel_max = connection.limits().channel_max;
        let last = connection.open_channel_with_id(channel_max).await.unwrap();
        assert_eq!(last.id(), channel_max);
        declare(&last, "q").await;
        let taken = connection.open_channel_with_id(channel_max).await;
        assert!(matches!(taken, Err(ChannelError::IdInUse { .. })));
        let outside = connection.open_channel_with_id(channel_max + 1).await;
        assert!(matches!(outside, Err(ChannelError::IdOutOfRange { .. })));
        assert_eq!(connection.open_channel().await.unwrap().id(), 1);
        for _ in 0..20 {
            let channel = connection.open_channel_with_id(7).await.unwrap();
            let closed = channel.close_with(ReplyCode(0), &"x".repeat(255)).await;
            closed.unwrap();
        }
        // Closed by the broker it is free as well.
        let channel = connection.open_channel_with_id(7).await.unwrap();
        channel.queue_purge("nosuch").await.unwrap_err();
        connection.open_channel_with_id(7).await.unwrap();
    });
}

#[test]
fn s17_a_channel_can_be_closed_by_many_at_once() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = filled(&connection, 1).await;
        assert!(poll_once(channel.close()).await.is_none());
        assert!(!channel.is_open());
        let (a, b, c) = tokio::join!(channel.close(), channel.close(), channel.closed());
        assert!(a.is_ok() && b.is_ok());
        assert!(matches!(c, ChannelError::Closed));
        channel.close().await.unwrap();
        let too_long = channel.close_with(ReplyCode(200), &"x".repeat(256)).await;
        assert!(matches!(too_long, Err(ChannelError::TooLong(_))));
    });
}
