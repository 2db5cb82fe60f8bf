//! Publishers with limits, waiting for all, and channels that have ended.

use std::time::Duration;

use amqp_client::amqp_spec::basic::PropertiesRef;
use amqp_client::declare::Overflow;
use amqp_client::{Message, PublishError, Publisher, QueueDeclare};

use crate::support::{declare, ready, run, run_on_threads};

#[test]
fn no_more_is_outstanding_than_the_limit_allows() {
    run_on_threads(async |site| {
        const LIMIT: usize = 7;
        const TASKS: usize = 32;
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        let limited = publisher.clone().max_outstanding(LIMIT);
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let publisher = limited.clone();
                tokio::spawn(async move {
                    let mut confirmations = Vec::new();
                    for _ in 0..100 {
                        let sent = publisher.send("", "q", Message::new("x")).await;
                        confirmations.push(sent.unwrap());
                        assert!(publisher.outstanding() <= LIMIT as u64);
                    }
                    for confirmation in confirmations {
                        confirmation.await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        limited.wait_for_confirms().await.unwrap();
        assert_eq!(limited.outstanding(), 0);
        assert_eq!(limited.next_sequence_number(), Some(TASKS as u64 * 100 + 1));
        assert_eq!(ready(publisher.channel(), "q").await, TASKS * 100);
    });
}

#[test]
fn waiting_for_all_tells_what_was_refused_and_what_came_back() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = publisher.channel();
        let full = QueueDeclare::new("full").durable().max_length(1);
        let full = full.overflow(Overflow::RejectPublish);
        channel.queue_declare(full).await.unwrap();
        // It takes the queue a moment to notice that it is full.
        while publisher
            .publish("", "full", Message::new("x"))
            .await
            .is_ok()
        {}
        // It has been told.
        publisher.wait_for_confirms().await.unwrap();

        let mandatory = publisher.clone().mandatory();
        let first = publisher.next_sequence_number().unwrap();
        drop(mandatory.send("", "nowhere", Message::new("a")).await);
        drop(publisher.send("", "full", Message::new("b")).await);
        let optional = publisher.clone().allow_unroutable();
        drop(optional.send("", "nowhere", Message::new("c")).await);
        let failed = publisher.wait_for_confirms().await.unwrap_err();
        let failures = failed.failures.iter();
        let told: Vec<_> = failures
            .map(|f| (f.sequence_number - first, f.returned))
            .collect();
        assert_eq!(told, [(0, true), (1, false)]);
        publisher.wait_for_confirms().await.unwrap();
    });
}

#[test]
fn message_for_a_queue_that_is_not_there_comes_back() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        for size in [0, 1000, 100_000, 1_000_000] {
            let message = Message::new(vec![b'x'; size]).header("n", 1).header("a", 2);
            publisher.publish("", "q", &message).await.unwrap();
            match publisher.publish("", "nowhere", &message).await {
                Err(PublishError::Returned(back)) => assert_eq!(back.body().len(), size),
                other => panic!("{other:?}"),
            }
            let publisher = publisher.clone().allow_unroutable();
            publisher.publish("", "nowhere", &message).await.unwrap();
            // By AMQP's rule: nothing is bound.
            publisher.publish("amq.topic", "q", &message).await.unwrap();
        }
        publisher
            .publish("amq.topic", "q", Message::new("x"))
            .await
            .unwrap();
        assert_eq!(ready(publisher.channel(), "q").await, 4);
    });
}

#[test]
fn prepared_messages_without_a_queue_come_back() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap().mandatory();
        declare(publisher.channel(), "q").await;
        let none = PropertiesRef::EMPTY;
        let nowhere = publisher.prepare("", "nowhere", none).unwrap();
        let somewhere = publisher.prepare("", "q", none).unwrap();
        let outcomes = [nowhere.send("a"), nowhere.send("b"), somewhere.send("c")];
        let mut sent = Vec::new();
        for outcome in outcomes {
            sent.push(outcome.await.unwrap());
        }
        let mut bodies = Vec::new();
        for confirmation in sent {
            match confirmation.await {
                Err(PublishError::Returned(message)) => {
                    bodies.push(message.text().unwrap().to_owned());
                }
                other => other.unwrap(),
            }
        }
        assert_eq!(bodies, ["a", "b"]);
    });
}

#[test]
fn s4_a_publish_behind_the_end_of_its_channel_says_why_and_costs_nothing() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let publisher = Publisher::new(channel).await.unwrap();
        let outcome = publisher.publish("nosuch", "", Message::new("x")).await;
        assert!(matches!(outcome, Err(PublishError::Refused(_))));
        for _ in 0..100 {
            match publisher.publish("", "q", Message::new("x")).await {
                Err(PublishError::NotSent(error)) => assert!(error.is_retryable(), "{error}"),
                other => panic!("{other:?}"),
            }
        }
        // A single frame on the closed channel would have ended the connection (504).
        let other = connection.open_channel().await.unwrap();
        declare(&other, "q").await;
    });
}

#[test]
fn a_confirm_timeout_that_is_long_enough_changes_nothing() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        let publisher = publisher.confirm_timeout(Duration::from_secs(60));
        for _ in 0..100 {
            publisher.publish("", "q", Message::new("x")).await.unwrap();
        }
        publisher.wait_for_confirms().await.unwrap();
    });
}
