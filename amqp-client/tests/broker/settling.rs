//! Acknowledging, refusing, fetching, and the channel's modes that have to do with it.

use amqp_client::amqp_spec::basic;
use amqp_client::amqp_spec::wire::TypedMethod as _;
use amqp_client::consume::{Multiple, QosScope};
use amqp_client::{Message, QueueDeclare, Requeue};

use crate::support::{
    check_close, declare, expect, fill, poll_once, ready, run, text, until_ready,
};

#[test]
fn a_refused_delivery_is_requeued_or_dead_lettered() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "dead").await;
        let queue = QueueDeclare::new("q").durable();
        let queue = queue.argument("x-dead-letter-exchange", "");
        let queue = queue.argument("x-dead-letter-routing-key", "dead");
        channel.queue_declare(queue).await.unwrap();
        fill(&channel, "q", 2).await;
        let mut consumer = channel.consume("q").prefetch(1).await.unwrap();

        let delivery = expect(&mut consumer, "0").await;
        assert!(!delivery.redelivered());
        delivery.nack(Requeue::Yes).unwrap();
        let delivery = expect(&mut consumer, "0").await;
        assert!(delivery.redelivered());
        delivery.reject(Requeue::Yes).unwrap();
        let delivery = expect(&mut consumer, "0").await;
        assert!(delivery.redelivered());
        delivery.reject(Requeue::No).unwrap();
        let delivery = expect(&mut consumer, "1").await;
        assert!(!delivery.redelivered());
        delivery.nack(Requeue::No).unwrap();

        until_ready(&channel, "dead", 2).await;
        let got = channel.basic_get("dead").await.unwrap().unwrap();
        assert_eq!(text(got.delivery.body()), "0");
        let headers = got.delivery.properties().headers().unwrap();
        let reason = headers.get("x-first-death-reason").unwrap().unwrap();
        assert_eq!(reason.as_str(), Some("rejected"));
        let from = headers.get("x-first-death-queue").unwrap().unwrap();
        assert_eq!(from.as_str(), Some("q"));
        channel.close().await.unwrap();
        assert_eq!(ready(&site.channel().await, "q").await, 0);
    });
}

#[test]
fn a_fetched_message_is_ours_until_settled() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        assert!(channel.basic_get("q").await.unwrap().is_none());
        fill(&channel, "q", 3).await;

        let first = channel.basic_get("q").await.unwrap().unwrap();
        assert_eq!(first.message_count, 2);
        assert_eq!(text(first.delivery.body()), "0");
        assert_eq!(first.delivery.routing_key(), "q");
        let second = channel.basic_get("q").await.unwrap().unwrap();
        first.delivery.ack().unwrap();
        second.delivery.nack(Requeue::Yes).unwrap();
        let again = channel.basic_get("q").await.unwrap().unwrap();
        assert_eq!(text(again.delivery.body()), "1");
        assert!(again.delivery.redelivered());
        let third = channel.basic_get("q").await.unwrap().unwrap();
        assert_eq!(third.message_count, 0);
        drop((again, third));
        // Dropped is not settled: they go back with the channel.
        assert_eq!(ready(&channel, "q").await, 0);
        channel.close().await.unwrap();
        until_ready(&site.channel().await, "q", 2).await;
    });
}

#[test]
fn acks_in_any_order_settle_what_they_name() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 100).await;
        let mut consumer = channel.consume("q").unlimited_prefetch().await.unwrap();
        let mut held = Vec::new();
        for n in 0..100 {
            held.push(expect(&mut consumer, &n.to_string()).await);
        }
        // The client merges acks where that means the same; here it mostly does not. Every tenth
        // goes back, half of the others is acknowledged backwards.
        let (mut kept, mut backwards) = (Vec::new(), Vec::new());
        for (n, delivery) in held.into_iter().enumerate() {
            match n {
                17 | 41 => kept.push(delivery),
                _ if n % 10 == 0 => {
                    delivery.nack(Requeue::Yes).unwrap();
                }
                _ if n % 2 == 0 => backwards.push(delivery),
                _ => {
                    delivery.ack().unwrap();
                }
            }
        }
        for delivery in backwards.into_iter().rev() {
            delivery.ack().unwrap();
        }
        // Those refused come again, in their order.
        for n in (0..100).step_by(10) {
            let delivery = expect(&mut consumer, &n.to_string()).await;
            assert!(delivery.redelivered());
            delivery.ack().unwrap();
        }
        channel.close().await.unwrap();
        let channel = site.channel().await;
        until_ready(&channel, "q", 2).await;
        let mut consumer = channel.consume("q").await.unwrap();
        expect(&mut consumer, "17").await;
        expect(&mut consumer, "41").await;
        drop(kept);
    });
}

#[test]
fn numbers_settle_one_or_all_up_to_it() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 10).await;
        let mut consumer = channel.consume("q").unlimited_prefetch().await.unwrap();
        let mut tags = Vec::new();
        for n in 0..10 {
            let delivery = expect(&mut consumer, &n.to_string()).await;
            tags.push(delivery.delivery_tag());
        }
        assert_eq!(tags, (1..=10).collect::<Vec<_>>());
        consumer.cancel().await.unwrap();
        channel.basic_ack(2, Multiple::No).unwrap();
        channel.basic_ack(4, Multiple::Yes).unwrap();
        assert_eq!(ready(&channel, "q").await, 0);
        channel.basic_nack(6, Multiple::No, Requeue::Yes).unwrap();
        until_ready(&channel, "q", 1).await;
        channel.basic_nack(8, Multiple::Yes, Requeue::Yes).unwrap();
        until_ready(&channel, "q", 4).await;
        channel.close().await.unwrap();

        let channel = site.channel().await;
        until_ready(&channel, "q", 6).await;
        let mut consumer = channel.consume("q").await.unwrap();
        for n in 4..10 {
            assert!(expect(&mut consumer, &n.to_string()).await.redelivered());
        }
    });
}

#[test]
fn an_unknown_delivery_tag_costs_the_channel() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        channel.basic_ack(5, Multiple::No).unwrap();
        let error = channel.queue_purge("q").await.unwrap_err();
        let text = "PRECONDITION_FAILED - unknown delivery tag 5";
        check_close(error.broker_close(), 406, text, basic::Ack::ID);

        let channel = connection.open_channel().await.unwrap();
        fill(&channel, "q", 1).await;
        let got = channel.basic_get("q").await.unwrap().unwrap();
        channel.basic_ack(1, Multiple::No).unwrap();
        got.delivery.nack(Requeue::Yes).unwrap();
        let error = channel.queue_purge("q").await.unwrap_err();
        let text = "PRECONDITION_FAILED - unknown delivery tag 1";
        check_close(error.broker_close(), 406, text, basic::Nack::ID);
    });
}

#[test]
fn a_delivery_of_a_closed_channel_does_not_reach_the_next_of_its_number() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        fill(&channel, "q", 2).await;
        let old = channel.basic_get("q").await.unwrap().unwrap();
        channel.close().await.unwrap();

        let new = connection.open_channel_with_id(channel.id()).await;
        let new = new.unwrap();
        until_ready(&new, "q", 2).await;
        let kept = new.basic_get("q").await.unwrap().unwrap();
        assert_eq!(kept.delivery.delivery_tag(), old.delivery.delivery_tag());
        assert!(old.delivery.ack().is_err());
        // Had it been sent, ours would be settled.
        assert_eq!(ready(&new, "q").await, 1);
        new.close().await.unwrap();
        until_ready(&site.channel().await, "q", 2).await;
    });
}

#[test]
fn what_is_recovered_is_delivered_again() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 3).await;
        let mut consumer = channel.consume("q").await.unwrap();
        for n in 0..3 {
            expect(&mut consumer, &n.to_string()).await;
        }
        channel.basic_recover().await.unwrap();
        for n in 0..3 {
            let delivery = expect(&mut consumer, &n.to_string()).await;
            assert!(delivery.redelivered());
            assert_eq!(delivery.delivery_tag(), n + 4);
            delivery.ack().unwrap();
        }
        channel.close().await.unwrap();
        assert_eq!(ready(&site.channel().await, "q").await, 0);
    });
}

/// On RabbitMQ from 4.3 on each of them has the limit for itself.
#[test]
fn a_limit_of_the_channel_holds_for_its_consumers_together() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "one").await;
        declare(&channel, "two").await;
        fill(&channel, "one", 10).await;
        fill(&channel, "two", 10).await;
        channel.basic_qos(3, QosScope::Channel).await.unwrap();
        let mut one = channel.consume("one").await.unwrap();
        let two = channel.consume("two").await.unwrap();
        let mut held = Vec::new();
        let next = async |held: &mut Vec<_>, one: &mut amqp_client::Consumer| {
            held.push(one.next().await.unwrap().unwrap());
        };
        for _ in 0..3 {
            next(&mut held, &mut one).await;
        }
        if site.version() < (4, 3) {
            until_ready(&channel, "one", 7).await;
            assert_eq!(ready(&channel, "two").await, 10);
            assert!(poll_once(one.next()).await.is_none());
            held.remove(0).ack().unwrap();
            let left = ready(&channel, "one").await + ready(&channel, "two").await;
            assert!((16..=17).contains(&left), "{left} messages left");
        } else {
            until_ready(&channel, "one", 7).await;
            until_ready(&channel, "two", 7).await;
        }
        drop(two);
    });
}

/// On RabbitMQ before 4.3 other types of queues are not consumed from on such a channel: quorum
/// queues end the connection over it, and streams do not count it as the limit that they need. From
/// 4.3 on it is a limit of each consumer, of all types.
#[test]
fn a_limit_of_the_channel_is_for_classic_queues_before_rabbitmq_4_3() {
    run(async |site| {
        let is_shared = site.version() < (4, 3);
        let (quorum, stream) = (QueueDeclare::new("quorum"), QueueDeclare::new("stream"));
        for (queue, code, text) in [
            (quorum.quorum(), 540, "does not support global qos"),
            (stream.stream(), 406, "consumer prefetch count is not set"),
        ] {
            let channel = site.channel().await;
            let name = channel.queue_declare(queue.durable()).await.unwrap().name;
            channel.basic_qos(3, QosScope::Channel).await.unwrap();
            let consuming = channel.consume(name.as_str()).await;
            if is_shared {
                let error = consuming.unwrap_err();
                check_close(error.broker_close(), code, text, basic::Consume::ID);
                assert!(!error.is_retryable());
            } else {
                consuming.unwrap().cancel().await.unwrap();
            }
        }
    });
}

#[test]
fn a_transaction_takes_effect_when_committed() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let watcher = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        channel.tx_select().await.unwrap();
        let publish = async |body: &'static str| {
            let message = Message::new(body);
            channel.basic_publish("", "q", &message).await.unwrap();
        };

        publish("forgotten").await;
        channel.tx_rollback().await.unwrap();
        publish("kept").await;
        assert_eq!(ready(&channel, "q").await, 0);
        channel.tx_commit().await.unwrap();
        assert_eq!(ready(&watcher, "q").await, 1);

        // The same for acknowledgements.
        let got = channel.basic_get("q").await.unwrap().unwrap();
        assert_eq!(got.delivery.body(), b"kept");
        let tag = got.delivery.delivery_tag();
        got.delivery.ack().unwrap();
        channel.tx_rollback().await.unwrap();
        channel.basic_ack(tag, Multiple::No).unwrap();
        channel.tx_commit().await.unwrap();
        channel.close().await.unwrap();
        assert_eq!(ready(&watcher, "q").await, 0);
    });
}

#[test]
fn a_consumer_goes_on_when_what_was_rolled_back_is_given_back() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 2).await;
        channel.tx_select().await.unwrap();
        let mut consumer = channel.consume("q").prefetch(1).await.unwrap();
        let delivery = expect(&mut consumer, "0").await;
        let tag = delivery.delivery_tag();
        delivery.ack().unwrap();
        let rolled_back = channel.tx_rollback().await.unwrap();
        assert_eq!(rolled_back.delivery_tags(), [tag]);
        // It counts against the prefetch, so that the other is not delivered.
        assert_eq!(ready(&channel, "q").await, 1);
        rolled_back.requeue().unwrap();
        channel.tx_commit().await.unwrap();
        let delivery = expect(&mut consumer, "0").await;
        assert!(delivery.redelivered());
        delivery.ack().unwrap();
        channel.tx_commit().await.unwrap();
        expect(&mut consumer, "1").await.ack().unwrap();
        channel.tx_commit().await.unwrap();
        channel.close().await.unwrap();
        assert_eq!(ready(&site.channel().await, "q").await, 0);
    });
}

#[test]
fn acks_that_were_rolled_back_are_not_committed_by_those_that_follow() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 4).await;
        channel.tx_select().await.unwrap();
        let mut consumer = channel.consume("q").await.unwrap();
        let mut next = async |body| expect(&mut consumer, body).await;
        for body in ["0", "1"] {
            next(body).await.ack().unwrap();
        }
        channel.tx_rollback().await.unwrap();
        let two = next("2").await;
        let three = next("3").await;
        // One behind the other, so that they might be told as one.
        two.ack().unwrap();
        three.ack().unwrap();
        channel.tx_commit().await.unwrap();
        channel.close().await.unwrap();
        until_ready(&site.channel().await, "q", 2).await;
    });
}

#[test]
fn what_is_sent_behind_a_commit_waits_for_it() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        channel.tx_select().await.unwrap();
        let large = Message::new(vec![b'x'; 100_000]);
        for n in 0..50 {
            // Nobody waits for the commit; RabbitMQ allows nothing behind it before its answer.
            let message = Message::new(n.to_string());
            channel.basic_publish("", "q", &message).await.unwrap();
            assert!(poll_once(channel.tx_commit()).await.is_none());
            channel.basic_publish("", "q", &large).await.unwrap();
            let passive = QueueDeclare::new("q").passive();
            assert!(poll_once(channel.queue_declare(passive)).await.is_none());
            channel.tx_commit().await.unwrap();
        }
        assert_eq!(ready(&channel, "q").await, 100);
    });
}

#[test]
fn committing_without_a_transaction_is_refused() {
    run(async |site| {
        let channel = site.channel().await;
        let error = channel.tx_commit().await.unwrap_err();
        assert_eq!(error.reply_code().map(|code| code.0), Some(406), "{error}");
        let text = "PRECONDITION_FAILED - channel is not transactional";
        assert_eq!(error.broker_close().unwrap().reply_text, text);
    });
}
