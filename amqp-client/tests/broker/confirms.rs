//! Publishing with confirms: what the broker says of each message, and what is said if it cannot.

use amqp_client::amqp_spec::wire::TypedMethod as _;
use amqp_client::amqp_spec::{ReplyCode, basic, confirm};
use amqp_client::error::Outcome;
use amqp_client::{Message, PublishError, Publisher, QueueDeclare};

use crate::support::{
    check_close, declare, expect, poll_once, ready, run, run_on_threads, until_ready,
};

#[test]
fn a_thousand_messages_under_way_are_all_confirmed() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        let mut confirmations = Vec::new();
        for n in 1..=1000 {
            let message = Message::new(n.to_string()).persistent();
            let confirmation = publisher.send("", "q", message).await.unwrap();
            assert_eq!(confirmation.sequence_number(), n);
            confirmations.push(confirmation);
        }
        // Asking in another order than that of the answers.
        for confirmation in confirmations.into_iter().rev() {
            confirmation.await.unwrap();
        }
        // A confirmed message is in its queue.
        assert_eq!(ready(publisher.channel(), "q").await, 1000);
        let mut consumer = publisher.channel().consume("q").await.unwrap();
        for n in 1..=1000 {
            let delivery = expect(&mut consumer, &n.to_string()).await;
            delivery.ack().unwrap();
        }
    });
}

#[test]
fn many_tasks_share_a_publisher() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        let tasks = (0..16).map(|task| {
            let publisher = publisher.clone().mandatory();
            tokio::spawn(async move {
                for n in 0..100 {
                    let (queue, routed) = if n % 10 == 7 {
                        ("", false)
                    } else {
                        ("q", true)
                    };
                    let body = format!("{task}: {n}");
                    match publisher
                        .publish("", queue, Message::new(body.clone()))
                        .await
                    {
                        Ok(()) => assert!(routed, "{body}"),
                        Err(PublishError::Returned(returned)) => {
                            assert!(!routed, "{body}");
                            assert_eq!(returned.body(), body.as_bytes());
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(ready(publisher.channel(), "q").await, 16 * 90);
    });
}

#[test]
fn a_mandatory_message_without_a_queue_comes_back() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let message = Message::new("to nobody").content_type("text/plain");
        // Only who asks for it is told.
        publisher
            .publish("amq.direct", "nosuch", &message)
            .await
            .unwrap();

        let publisher = publisher.mandatory();
        let error = publisher
            .publish("amq.direct", "nosuch", &message)
            .await
            .unwrap_err();
        let told = "message returned by the broker: 312 NO_ROUTE (exchange 'amq.direct', routing \
                    key 'nosuch')";
        assert_eq!(error.to_string(), told);
        let PublishError::Returned(returned) = error else {
            panic!("{error}");
        };
        assert_eq!(returned.reply_code, ReplyCode::NO_ROUTE);
        assert_eq!(returned.reply_text, "NO_ROUTE");
        assert_eq!(returned.exchange(), "amq.direct");
        assert_eq!(returned.routing_key(), "nosuch");
        let received = returned.into_received();
        assert_eq!(received.body(), b"to nobody");
        let properties = received.properties();
        assert_eq!(properties.content_type().unwrap(), "text/plain");
    });
}

#[test]
fn returned_messages_find_their_publishers_among_many() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap().mandatory();
        declare(publisher.channel(), "q").await;
        let mut confirmations = Vec::new();
        for n in 0..200 {
            let queue = if n % 3 == 0 { "nosuch" } else { "q" };
            // Large ones, too, and such as are alike to the letter.
            let body = if n % 7 == 0 {
                vec![b'x'; 100_000]
            } else {
                (n / 6).to_string().into_bytes()
            };
            let message = Message::new(body.clone());
            let confirmation = publisher.send("", queue, message).await.unwrap();
            confirmations.push((n, body, confirmation));
        }
        for (n, body, confirmation) in confirmations {
            match confirmation.await {
                Ok(()) => assert_ne!(n % 3, 0, "message {n}"),
                Err(PublishError::Returned(returned)) => {
                    assert_eq!(n % 3, 0, "message {n}");
                    assert!(returned.body() == body, "message {n}");
                }
                Err(error) => panic!("message {n}: {error}"),
            }
        }
    });
}

#[test]
fn a_full_queue_refuses_messages() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let short = QueueDeclare::new("short").durable();
        let short = short.argument("x-max-length", 2);
        let short = short.argument("x-overflow", "reject-publish");
        publisher.channel().queue_declare(short).await.unwrap();
        let mut outcomes = Vec::new();
        for n in 0..5 {
            let message = Message::new(n.to_string());
            outcomes.push(publisher.publish("", "short", message).await);
        }
        assert!(matches!(outcomes[0], Ok(())), "{outcomes:?}");
        assert!(matches!(outcomes[1], Ok(())), "{outcomes:?}");
        // It takes the queue a moment to notice that it is full.
        assert!(
            matches!(outcomes[4], Err(PublishError::Nacked)),
            "{outcomes:?}"
        );
        // The channel lives on, and what was refused is not in the queue.
        let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(ready(publisher.channel(), "short").await, accepted);
    });
}

#[test]
fn publish_that_fails_is_refused_and_what_stands_behind_it_was_not_sent() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_channel().await.unwrap();
        let publisher = Publisher::new(publisher).await.unwrap();
        let other = connection.open_publisher().await.unwrap();
        declare(other.channel(), "q").await;
        publisher
            .publish("", "q", Message::new("before"))
            .await
            .unwrap();
        let mut confirmations = Vec::new();
        for exchange in ["nosuch", "", ""] {
            let message = Message::new("behind");
            let sent = publisher.send(exchange, "q", message).await;
            confirmations.push(sent.unwrap());
        }
        let text = format!(
            "NOT_FOUND - no exchange 'nosuch' in vhost '{}'",
            site.name()
        );
        for (n, confirmation) in confirmations.into_iter().enumerate() {
            let error = confirmation.await.unwrap_err();
            assert_eq!(error.is_retryable(), n > 0, "{error}");
            match error {
                PublishError::Refused(error) if n == 0 => {
                    check_close(error.broker_close(), 404, &text, basic::Publish::ID);
                }
                PublishError::NotSent(error) if n > 0 => {
                    check_close(error.broker_close(), 404, &text, basic::Publish::ID);
                }
                other => panic!("{n}: {other:?}"),
            }
        }
        let message = Message::new("late");
        let PublishError::NotSent(error) = publisher.publish("", "q", message).await.unwrap_err()
        else {
            panic!("sent");
        };
        check_close(error.broker_close(), 404, &text, basic::Publish::ID);

        other
            .publish("", "q", Message::new("elsewhere"))
            .await
            .unwrap();
        // What was behind is not there.
        assert_eq!(ready(other.channel(), "q").await, 2);
    });
}

/// Publishes until the message is confirmed, as the guide does: again what may be repeated. Gives
/// how many times it may have been routed.
async fn publish_at_last(publisher: &Publisher, message: &Message) -> usize {
    let mut copies = 1;
    loop {
        match publisher.publish("", "q", message).await {
            Ok(()) => return copies,
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                copies += usize::from(error.outcome() == Outcome::Unknown);
            }
        }
    }
}

#[test]
fn s4_publisher_that_fifty_tasks_share_outlives_bad_messages_and_loses_no_good_one() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let number = publisher.channel().id();
        declare(publisher.channel(), "q").await;
        let tasks: Vec<_> = (0..50)
            .map(|task| {
                let publisher = publisher.clone();
                tokio::spawn(async move {
                    let mut copies = 0;
                    for n in 0..20 {
                        let message = Message::new(format!("{task}.{n}"));
                        copies += publish_at_last(&publisher, &message).await;
                        if task == 0 && n < 6 {
                            let bad = publisher.publish("nosuch", "q", message).await;
                            let error = bad.unwrap_err();
                            assert!(error.is_not_found() && !error.is_retryable(), "{error}");
                        }
                    }
                    copies
                })
            })
            .collect();
        let mut most = 0;
        for task in tasks {
            most += task.await.unwrap();
        }
        assert_eq!(publisher.channel().id(), number);
        assert!(publisher.channel().close_reason().is_none());
        let n_ready = ready(publisher.channel(), "q").await;
        assert!((1000..=most).contains(&n_ready), "{n_ready} of {most}");
        let bodies = connection.open_channel().await.unwrap();
        let mut seen = std::collections::HashSet::new();
        while let Some(got) = bodies.basic_get_no_ack("q").await.unwrap() {
            seen.insert(got.delivery.text().unwrap().to_owned());
        }
        assert_eq!(seen.len(), 1000, "each good message is there");
    });
}

#[test]
fn s4_message_that_is_too_large_for_the_broker_costs_its_own_publish_alone() {
    run(async |site| {
        // Older releases take eight times as much; it is the same then.
        if site.version() < (4, 0) {
            return;
        }
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        let large = Message::new(vec![0; 16 * 1024 * 1024 + 1]);
        let sent = [
            publisher
                .send("", "q", Message::new("front"))
                .await
                .unwrap(),
            publisher.send("", "q", &large).await.unwrap(),
            publisher
                .send("", "q", Message::new("behind"))
                .await
                .unwrap(),
        ];
        let [front, large, behind] = sent;
        let error = large.await.unwrap_err();
        assert!(matches!(error, PublishError::Refused(_)), "{error}");
        assert!(error.is_message_too_large() && !error.is_retryable());
        front.await.unwrap();
        if let Err(error) = behind.await {
            assert!(
                error.is_retryable() && !error.is_message_too_large(),
                "{error}"
            );
        }
        publisher
            .publish("", "q", Message::new("next"))
            .await
            .unwrap();
    });
}

#[test]
fn a_confirmation_outlives_the_program_s_interest() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap().mandatory();
        declare(publisher.channel(), "q").await;
        for n in 0..50 {
            let queue = if n % 2 == 0 { "q" } else { "nosuch" };
            let message = Message::new(n.to_string());
            drop(publisher.send("", queue, message).await.unwrap());
            let message = Message::new(n.to_string());
            let confirmation = publisher.send("", queue, message).await.unwrap();
            // Polled, then dropped.
            drop(poll_once(confirmation).await);
        }
        publisher
            .publish("", "q", Message::new("last"))
            .await
            .unwrap();
        assert_eq!(ready(publisher.channel(), "q").await, 51);
    });
}

#[test]
fn confirms_and_transactions_exclude_each_other() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let error = publisher.channel().tx_select().await.unwrap_err();
        let text = "PRECONDITION_FAILED - cannot switch from confirm to tx mode";
        assert_eq!(error.broker_close().unwrap().reply_text, text);

        let channel = connection.open_channel().await.unwrap();
        channel.tx_select().await.unwrap();
        let error = Publisher::new(channel).await.unwrap_err();
        let text = "PRECONDITION_FAILED - cannot switch from tx to confirm mode";
        check_close(error.broker_close(), 406, text, confirm::Select::ID);
    });
}

#[test]
fn messages_behind_an_abandoned_confirm_select_are_numbered_as_the_broker_numbers_them() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        assert!(poll_once(channel.confirm_select()).await.is_none());
        let publisher = Publisher::new(channel.clone()).await.unwrap();
        for n in 1..=3 {
            let message = Message::new("");
            channel.basic_publish("", "q", &message).await.unwrap();
            let confirmation = publisher.send("", "q", &message).await.unwrap();
            assert_eq!(confirmation.sequence_number(), 2 * n);
            confirmation.await.unwrap();
        }
        until_ready(&channel, "q", 6).await;
    });
}
