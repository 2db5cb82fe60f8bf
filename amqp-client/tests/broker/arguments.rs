//! Arguments of queues: what is refused here is refused by the broker as well, or silently taken
//! for something else; what is not, is not.

use std::time::Duration;

use amqp_client::consume::{QosScope, StreamOffset};
use amqp_client::declare::{DeadLetterStrategy, LeaderLocator, Overflow};
use amqp_client::{ChannelError, Connection, Message, PublishError, QueueDeclare};

use crate::support::{declare, run, until_ready};

fn classic() -> QueueDeclare {
    QueueDeclare::new("refused").durable().classic()
}

fn quorum() -> QueueDeclare {
    QueueDeclare::new("refused").quorum()
}

fn stream() -> QueueDeclare {
    QueueDeclare::new("refused").stream()
}

/// Checks that a declaration is refused here, naming this, and by the broker if it gets there.
async fn check_refused(connection: &Connection, declare: QueueDeclare, said: &str) {
    let channel = connection.open_channel().await.unwrap();
    let error = channel.queue_declare(declare.clone()).await.unwrap_err();
    assert!(
        matches!(error, ChannelError::Invalid(_)),
        "{declare:?}: {error}"
    );
    let told = error.to_string();
    assert_eq!(told.trim_end_matches(" (queue 'refused')"), said);
    // Nothing was sent, and nothing is harmed.
    assert!(channel.is_open());
    let error = channel
        .queue_declare(declare.unchecked())
        .await
        .expect_err(said);
    assert!(
        error.is_precondition_failed() || error.is_not_found(),
        "{said}: {error}"
    );
    assert!(!error.is_retryable());
}

#[test]
fn types_that_must_be_durable_are_nothing_else() {
    run(async |site| {
        let connection = site.connect().await;
        for kind in ["quorum", "stream"] {
            let of_kind = || QueueDeclare::new("refused").argument("x-queue-type", kind);
            let durable = || of_kind().durable();
            let refused = |what: &str| format!("x-queue-type: {kind} {what}");
            let check = async |declare: QueueDeclare, what: &str| {
                check_refused(&connection, declare, &refused(what)).await;
            };
            check(of_kind(), "needs durable").await;
            check(durable().exclusive(), "excludes exclusive").await;
            check(durable().auto_delete(), "excludes auto_delete").await;
        }
    });
}

#[test]
fn arguments_of_another_type_are_refused() {
    run(async |site| {
        let connection = site.connect().await;
        let second = Duration::from_secs(1);
        let at_most_once = DeadLetterStrategy::AtMostOnce;
        let dead = |queue: QueueDeclare| queue.dead_letter_exchange("amq.fanout");
        let table = [
            (
                "classic",
                "x-dead-letter-strategy",
                classic().dead_letter_strategy(at_most_once),
            ),
            ("classic", "x-delivery-limit", classic().delivery_limit(3)),
            (
                "classic",
                "x-quorum-initial-group-size",
                classic().quorum_initial_group_size(1),
            ),
            (
                "classic",
                "x-initial-cluster-size",
                classic().initial_cluster_size(1),
            ),
            ("classic", "x-max-age", classic().max_age(second)),
            (
                "classic",
                "x-stream-max-segment-size-bytes",
                classic().stream_max_segment_size_bytes(1_000_000),
            ),
            ("quorum", "x-max-priority", quorum().max_priority(3)),
            (
                "quorum",
                "x-initial-cluster-size",
                quorum().initial_cluster_size(1),
            ),
            ("quorum", "x-max-age", quorum().max_age(second)),
            (
                "quorum",
                "x-stream-max-segment-size-bytes",
                quorum().stream_max_segment_size_bytes(1_000_000),
            ),
            ("quorum", "x-queue-mode", quorum().lazy()),
            ("quorum", "x-queue-version", quorum().queue_version(2)),
            ("stream", "x-message-ttl", stream().message_ttl(second)),
            ("stream", "x-expires", stream().expires(second)),
            ("stream", "x-max-length", stream().max_length(3)),
            (
                "stream",
                "x-overflow",
                stream().overflow(Overflow::DropHead),
            ),
            ("stream", "x-max-priority", stream().max_priority(3)),
            ("stream", "x-dead-letter-exchange", dead(stream())),
            (
                "stream",
                "x-dead-letter-routing-key",
                stream().dead_letter_routing_key("k"),
            ),
            (
                "stream",
                "x-dead-letter-strategy",
                stream().dead_letter_strategy(at_most_once),
            ),
            ("stream", "x-delivery-limit", stream().delivery_limit(3)),
            (
                "stream",
                "x-single-active-consumer",
                stream().single_active_consumer(),
            ),
            (
                "stream",
                "x-quorum-initial-group-size",
                stream().quorum_initial_group_size(1),
            ),
            ("stream", "x-queue-mode", stream().lazy()),
            ("stream", "x-queue-version", stream().queue_version(2)),
        ];
        for (kind, argument, declare) in table {
            let said = format!("x-queue-type: {kind} excludes {argument}");
            check_refused(&connection, declare, &said).await;
        }
    });
}

#[test]
fn values_out_of_range_are_refused() {
    run(async |site| {
        let connection = site.connect().await;
        let ten_years = Duration::from_secs(10 * 365 * 86_400);
        let longer = ten_years + Duration::from_millis(1);
        let argument = |name: &str, value: i64| classic().argument(name, value);
        let times = "315360000000 milliseconds";
        let table = [
            (
                classic().expires(Duration::ZERO),
                format!("x-expires must be 1 to {times}"),
            ),
            (
                classic().expires(longer),
                format!("x-expires must be 1 to {times}"),
            ),
            (
                argument("x-expires", -1),
                format!("x-expires must be 1 to {times}"),
            ),
            (
                classic().message_ttl(longer),
                format!("x-message-ttl must be 0 to {times}"),
            ),
            (
                argument("x-message-ttl", -1),
                format!("x-message-ttl must be 0 to {times}"),
            ),
            (
                argument("x-max-length", -1),
                "x-max-length must be a number of messages from 0".to_owned(),
            ),
            (
                argument("x-max-length-bytes", -1),
                "x-max-length-bytes must be a number of octets from 0".to_owned(),
            ),
            (
                argument("x-max-priority", 256),
                "x-max-priority must be 0 to 255".to_owned(),
            ),
            (
                argument("x-max-priority", -1),
                "x-max-priority must be 0 to 255".to_owned(),
            ),
            (
                quorum().quorum_initial_group_size(0),
                "x-quorum-initial-group-size must be a number of nodes from 1".to_owned(),
            ),
            (
                stream().initial_cluster_size(0),
                "x-initial-cluster-size must be a number of nodes from 1".to_owned(),
            ),
            (
                stream().stream_max_segment_size_bytes(3_000_000_001),
                "x-stream-max-segment-size-bytes must be 0 to 3000000000 octets".to_owned(),
            ),
            (
                stream().max_age(Duration::ZERO),
                "x-max-age must be a number from 1 and a unit of Y, M, D, h, m, s".to_owned(),
            ),
            (
                stream().argument("x-max-age", "10x"),
                "x-max-age must be a number from 1 and a unit of Y, M, D, h, m, s".to_owned(),
            ),
            (
                classic().dead_letter_routing_key("k"),
                "x-dead-letter-routing-key needs x-dead-letter-exchange".to_owned(),
            ),
            (
                QueueDeclare::new("").passive(),
                "passive excludes a name that the broker chooses".to_owned(),
            ),
        ];
        for (declare, said) in table {
            check_refused(&connection, declare, &said).await;
        }
    });
}

#[test]
fn values_at_the_ends_of_their_ranges_are_accepted() {
    run(async |site| {
        let channel = site.channel().await;
        let ten_years = Duration::from_secs(10 * 365 * 86_400);
        let accepted = [
            classic().expires(ten_years).message_ttl(ten_years),
            classic()
                .expires(Duration::from_secs(60))
                .message_ttl(Duration::ZERO),
            classic().max_length(0).max_length_bytes(i64::MAX as u64),
            classic().max_priority(0),
            classic().max_priority(255),
            classic().queue_version(2).lazy(),
            quorum().delivery_limit(0),
            quorum().quorum_initial_group_size(u32::MAX),
            stream().initial_cluster_size(1),
            stream().max_age(Duration::from_millis(1)),
            stream().stream_max_segment_size_bytes(3_000_000_000),
            stream().stream_filter_size_bytes(16),
            stream().stream_filter_size_bytes(255),
        ];
        for declare in accepted {
            let declared = channel.queue_declare(declare.clone()).await;
            declared.unwrap_or_else(|error| panic!("{declare:?}: {error}"));
            channel.queue_delete("refused").await.unwrap();
        }
    });
}

/// RabbitMQ before 4.3 has both, from 4.3 on only the second.
#[test]
fn the_first_version_of_classic_queues_ends_with_rabbitmq_4_2() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let declared = channel.queue_declare(classic().queue_version(1)).await;
        if site.version() < (4, 3) {
            declared.unwrap();
            return;
        }
        let error = declared.unwrap_err();
        assert!(error.is_precondition_failed(), "{error}");
        assert!(!error.is_retryable());
        let channel = connection.open_channel().await.unwrap();
        let declared = channel.queue_declare(classic().queue_version(2)).await;
        declared.unwrap();
    });
}

#[test]
fn arguments_are_kept_by_the_broker_as_they_were_meant() {
    run(async |site| {
        let channel = site.channel().await;
        let second = Duration::from_secs(1);
        let classic = classic()
            .message_ttl(second)
            .expires(600 * second)
            .max_length(3)
            .max_length_bytes(1 << 40)
            .overflow(Overflow::RejectPublishDlx)
            .max_priority(5)
            .dead_letter_exchange("amq.fanout")
            .dead_letter_routing_key("dead")
            .single_active_consumer();
        let quorum = quorum()
            .overflow(Overflow::RejectPublish)
            .dead_letter_exchange("")
            .dead_letter_strategy(DeadLetterStrategy::AtLeastOnce)
            .delivery_limit(5)
            .queue_leader_locator(LeaderLocator::Balanced)
            .quorum_initial_group_size(1);
        let stream = stream()
            .max_length_bytes(1 << 30)
            .max_age(86_400 * second)
            .queue_leader_locator(LeaderLocator::ClientLocal);
        for (declare, kept) in [
            (
                classic,
                &[
                    ("x-message-ttl", "1000"),
                    ("x-expires", "600000"),
                    ("x-max-length", "3"),
                    ("x-max-length-bytes", "1099511627776"),
                    ("x-overflow", "\"reject-publish-dlx\""),
                    ("x-max-priority", "5"),
                    ("x-dead-letter-exchange", "\"amq.fanout\""),
                    ("x-dead-letter-routing-key", "\"dead\""),
                    ("x-single-active-consumer", "true"),
                ] as &[(&str, &str)],
            ),
            (
                quorum,
                &[
                    ("x-queue-type", "\"quorum\""),
                    ("x-overflow", "\"reject-publish\""),
                    ("x-dead-letter-strategy", "\"at-least-once\""),
                    ("x-delivery-limit", "5"),
                    ("x-queue-leader-locator", "\"balanced\""),
                    ("x-quorum-initial-group-size", "1"),
                ],
            ),
            (
                stream,
                &[
                    ("x-queue-type", "\"stream\""),
                    ("x-max-length-bytes", "1073741824"),
                    ("x-max-age", "\"86400s\""),
                    ("x-queue-leader-locator", "\"client-local\""),
                ],
            ),
        ] {
            channel.queue_declare(declare.clone()).await.unwrap();
            // Declared again it is the same.
            channel.queue_declare(declare).await.unwrap();
            let path = format!("/api/queues/{}/refused", site.name());
            let told = site.management().get(&path).unwrap().to_string();
            for (name, value) in kept {
                let entry = format!("\"{name}\":{value}");
                assert!(told.contains(&entry), "{entry} is not in {told}");
            }
            channel.queue_delete("refused").await.unwrap();
        }
    });
}

#[test]
fn a_queue_quorum_takes_rejecting_with_dead_letters_for_dropping_its_head() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = publisher.channel();
        let misread = || quorum().max_length(1).overflow(Overflow::RejectPublishDlx);
        let error = channel.queue_declare(misread()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "x-queue-type: quorum excludes x-overflow: reject-publish-dlx (queue 'refused')"
        );
        // The broker accepts it, and loses what it was to refuse.
        channel.queue_declare(misread().unchecked()).await.unwrap();
        for n in 0..10 {
            let message = Message::new(n.to_string());
            publisher.publish("", "refused", message).await.unwrap();
        }
        let got = channel.basic_get_no_ack("refused").await.unwrap().unwrap();
        assert_ne!(got.delivery.body(), b"0");
    });
}

#[test]
fn a_full_queue_refuses_or_drops_or_dead_letters_as_declared() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = publisher.channel();
        declare(channel, "dead").await;
        let full = |name: &str, overflow| {
            let queue = QueueDeclare::new(name).durable().max_length(1);
            let queue = queue.overflow(overflow).dead_letter_exchange("");
            queue.dead_letter_routing_key("dead")
        };
        for (name, overflow) in [
            ("drops", Overflow::DropHead),
            ("rejects", Overflow::RejectPublish),
            ("buries", Overflow::RejectPublishDlx),
        ] {
            channel.queue_declare(full(name, overflow)).await.unwrap();
            publisher
                .publish("", name, Message::new("first"))
                .await
                .unwrap();
        }
        let second = || Message::new("second");
        publisher.publish("", "drops", second()).await.unwrap();
        until_ready(channel, "dead", 1).await;
        let refused = publisher.publish("", "rejects", second()).await;
        assert!(matches!(refused, Err(PublishError::Nacked)));
        let refused = publisher.publish("", "buries", second()).await.unwrap_err();
        assert!(refused.is_retryable());
        assert_eq!(refused.outcome(), amqp_client::error::Outcome::Rejected);
        until_ready(channel, "dead", 2).await;
        for (queue, body) in [("drops", "second"), ("dead", "first"), ("dead", "second")] {
            let got = channel.basic_get_no_ack(queue).await.unwrap().unwrap();
            assert_eq!(got.delivery.body(), body.as_bytes(), "{queue}");
        }
    });
}

#[test]
fn streams_are_not_consumed_without_a_limit_or_acknowledgements() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let stream = QueueDeclare::new("s").stream();
        channel.queue_declare(stream).await.unwrap();
        let first = StreamOffset::First;
        let unlimited = channel
            .consume("s")
            .unlimited_prefetch()
            .offset(first)
            .await;
        let said = "x-stream-offset excludes unlimited_prefetch (queue 's')";
        assert_eq!(unlimited.map(drop).unwrap_err().to_string(), said);
        let automatic = channel.consume("s").no_ack().offset(first).await;
        let said = "x-stream-offset excludes no_ack (queue 's')";
        assert_eq!(automatic.map(drop).unwrap_err().to_string(), said);
        // Nothing was sent. The broker would have refused both.
        drop(channel.consume("s").offset(first).await.unwrap());
        let unlimited = channel.consume("s").unlimited_prefetch().await;
        let error = unlimited.map(drop).unwrap_err();
        assert!(error.is_precondition_failed(), "{error}");
        let channel = connection.open_channel().await.unwrap();
        channel.basic_qos(1, QosScope::Consumer).await.unwrap();
        let automatic = channel.consume("s").no_ack().await;
        let error = automatic.map(drop).unwrap_err();
        assert_eq!(error.reply_code().map(|code| code.0), Some(540), "{error}");
    });
}
