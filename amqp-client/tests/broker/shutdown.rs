//! How programs end, or parts of them: in good order, by a panic, on the wrong thread, or because
//! the broker has waited long enough.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use amqp_client::error::Initiator;
use amqp_client::event::Event;
use amqp_client::{
    Channel, ChannelError, Connection, ConsumeError, Consumer, Delivery, Message, QueueDeclare,
    ReceivedMessage,
};
use amqp_testing::{Broker, BrokerOptions};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

use crate::support::{
    consumers, declare, endpoint, expect, fill, lasting, limited, poll_once, ready, run,
    run_on_threads, until, until_ready, version,
};

#[test]
fn s17_close_called_by_a_hundred_at_once_returns_to_all() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let (connection, publisher) = (connection.clone(), publisher.clone());
                tokio::spawn(async move {
                    if n % 3 == 0 {
                        let _ = publisher.publish("", "q", Message::new("m")).await;
                    }
                    connection.close().await
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        connection.close().await.unwrap();
        // And after the end of a connection that ended otherwise.
        let channel = site.channel().await;
        channel.close().await.unwrap();
        channel.close().await.unwrap();
    });
}

#[test]
fn s19_graceful_shutdown_loses_nothing_and_leaves_nothing_unsettled() {
    run(async |site| {
        let other = site.channel().await;
        declare(&other, "q").await;
        fill(&other, "q", 300).await;
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let mut consumer = channel.consume("q").prefetch(100).await.unwrap();
        let mut working = Vec::new();
        for n in 0..50 {
            working.push(expect(&mut consumer, &n.to_string()).await);
        }
        consumer.cancel().await.unwrap();
        // What is being worked on is finished, and what had come is still there.
        let mut n_settled = 0;
        for delivery in working {
            delivery.ack().unwrap();
            n_settled += 1;
        }
        while let Some(delivery) = consumer.next().await {
            delivery.unwrap().ack().unwrap();
            n_settled += 1;
        }
        channel.close().await.unwrap();
        connection.close().await.unwrap();
        assert!((50..=300).contains(&n_settled));
        until_ready(&other, "q", 300 - n_settled).await;
        // Nothing comes a second time.
        let mut rest = other.consume("q").await.unwrap();
        for n in n_settled..300 {
            let delivery = expect(&mut rest, &n.to_string()).await;
            assert!(!delivery.redelivered());
            delivery.ack().unwrap();
        }
    });
}

#[test]
fn s19_a_shutdown_hands_over_what_was_not_begun_while_handlers_still_run() {
    run(async |site| {
        let other = site.channel().await;
        declare(&other, "q").await;
        declare(&other, "results").await;
        fill(&other, "q", 50).await;
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let publisher = connection.open_publisher().await.unwrap();
        let (begun, gate) = (Cell::new(0), Semaphore::new(0));
        let handler = async |message: ReceivedMessage| {
            begun.set(begun.get() + 1);
            gate.acquire().await.unwrap().forget();
            let result = Message::new(message.body().to_vec());
            publisher.publish("", "results", result).await.unwrap();
        };
        let consumer = channel.consume("q").prefetch(20).await.unwrap();
        let handling = consumer.handle(handler).concurrency(2);
        let stopping = async {
            until("handlers", 2, async || begun.get()).await;
            connection.shutdown(Duration::from_secs(60)).await
        };
        let taking_over = async {
            until("handlers", 2, async || begun.get()).await;
            let mut rest = other.consume("q").await.unwrap();
            for _ in 2..50 {
                rest.next().await.unwrap().unwrap().ack().unwrap();
            }
            // All others have come here, and both handlers still run.
            assert!(connection.close_reason().is_none());
            gate.add_permits(2);
        };
        let (handled, report, ()) = tokio::join!(handling, stopping, taking_over);
        assert!(report.is_clean(), "{report}");
        assert_eq!((begun.get(), handled.acked), (2, 2), "{handled:?}");
        // Confirmed, acknowledged, and gone.
        assert_eq!(ready(&other, "results").await, 2);
        until("consumers", 0, async || consumers(&other, "q").await).await;
        assert_eq!(ready(&other, "q").await, 0);
    });
}

#[test]
fn s19_deliveries_that_were_not_looked_at_go_back_when_the_consumer_is_dropped() {
    run(async |site| {
        let other = site.channel().await;
        declare(&other, "q").await;
        fill(&other, "q", 100).await;
        let channel = site.channel().await;
        let mut consumer = channel.consume("q").prefetch(100).await.unwrap();
        let held = expect(&mut consumer, "0").await;
        drop(consumer);
        until_ready(&other, "q", 99).await;
        assert_eq!(consumers(&other, "q").await, 0);
        // The one in hand can be settled as before.
        held.ack().unwrap();
        channel.close().await.unwrap();
        assert_eq!(ready(&other, "q").await, 99);
    });
}

#[test]
fn s20_task_that_panics_takes_nobody_down_and_loses_no_message() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        let setup = connection.open_channel().await.unwrap();
        declare(&setup, "bad").await;
        declare(&setup, "good").await;
        fill(&setup, "bad", 1).await;
        fill(&setup, "good", 100).await;
        let channel = connection.open_channel().await.unwrap();
        let mut good = connection
            .open_channel()
            .await
            .unwrap()
            .consume("good")
            .await
            .unwrap();
        let handler = tokio::spawn(async move {
            let mut bad = channel.consume("bad").await.unwrap();
            let delivery = expect(&mut bad, "0").await;
            // Its own channel may be used from here.
            declare(&channel, "declared by the handler").await;
            assert_eq!(delivery.body(), b"something else", "the handler is wrong");
        });
        assert!(handler.await.unwrap_err().is_panic());
        for n in 0..100 {
            expect(&mut good, &n.to_string()).await.ack().unwrap();
        }
        // The panic dropped the channel, and with it the delivery.
        until_ready(&setup, "bad", 1).await;
        connection.close().await.unwrap();
    });
}

#[test]
fn s20_task_that_never_goes_on_holds_up_its_own_consumer_only() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        let setup = connection.open_channel().await.unwrap();
        declare(&setup, "stuck").await;
        declare(&setup, "good").await;
        fill(&setup, "stuck", 50).await;
        fill(&setup, "good", 500).await;
        let channel = connection.open_channel().await.unwrap();
        let mut stuck = channel.consume("stuck").prefetch(50).await.unwrap();
        let mut good = channel.consume("good").prefetch(50).await.unwrap();
        let (done, mut is_done) = tokio::sync::mpsc::channel::<()>(1);
        let handler = tokio::spawn(async move {
            let delivery = expect(&mut stuck, "0").await;
            is_done.recv().await;
            drop((delivery, stuck));
        });
        for n in 0..500 {
            expect(&mut good, &n.to_string()).await.ack().unwrap();
        }
        drop(done);
        handler.await.unwrap();
        until_ready(&setup, "good", 0).await;
        connection.close().await.unwrap();
    });
}

#[test]
fn f18_handles_may_be_dropped_anywhere() {
    run(async |site| {
        let other = site.channel().await;
        declare(&other, "q").await;
        fill(&other, "q", 1).await;
        let parts = async || {
            let connection = site.connect().await;
            let publisher = connection.open_publisher().await.unwrap();
            let mut consumer = publisher.channel().consume("q").await.unwrap();
            let delivery = expect(&mut consumer, "0").await;
            let message = Message::new("m");
            let confirmation = publisher.send("", "nowhere", message).await.unwrap();
            (confirmation, delivery, consumer, publisher, connection)
        };
        // On a thread without a runtime.
        let dropped = parts().await;
        std::thread::spawn(move || drop(dropped)).join().unwrap();
        until_ready(&other, "q", 1).await;
        // While a panic unwinds.
        let dropped = parts().await;
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _dropped = dropped;
            std::panic::resume_unwind(Box::new("on purpose"));
        }));
        assert!(panicked.is_err());
        until_ready(&other, "q", 1).await;
        // Behind the end of its runtime.
        let options = site.options();
        let orphan = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let open = async {
                let connection = Connection::open_with(&options).await.unwrap();
                let publisher = connection.open_publisher().await.unwrap();
                (connection, publisher)
            };
            let (connection, publisher) = runtime.block_on(open);
            drop(runtime);
            (connection, publisher)
        });
        let (connection, publisher) = orphan.join().unwrap();
        let outcome = publisher.publish("", "q", Message::new("m")).await;
        assert!(outcome.is_err());
        assert!(connection.close().await.is_err());
        drop((connection, publisher));
    });
}

/// A node of our own that waits for acknowledgements no longer than a second.
fn impatient_broker() -> Broker {
    watchful(BrokerOptions::new().config("consumer_timeout = 1000"))
}

/// A node of our own that looks twice a second for what is not acknowledged.
fn watchful(options: BrokerOptions) -> Broker {
    let broker = options.start().unwrap();
    // How often channels look at the clock; there is no line in the configuration for it.
    let tick = "application:set_env(rabbit, channel_tick_interval, 500).";
    broker.ctl(&["eval", tick]).unwrap();
    broker
}

/// Ten messages in a queue, all of them delivered to a consumer that acknowledges none.
async fn unacknowledged(
    channel: &Channel,
    queue: QueueDeclare,
) -> (String, Consumer, Vec<Delivery>) {
    let name = channel.queue_declare(queue.durable()).await.unwrap().name;
    let name = name.as_str().to_owned();
    fill(channel, &name, 10).await;
    let mut consumer = channel.consume(&name).await.unwrap();
    let mut held = Vec::new();
    for n in 0..10 {
        held.push(expect(&mut consumer, &n.to_string()).await);
    }
    (name, consumer, held)
}

/// On RabbitMQ before 4.3 the channel is closed, whatever the type of the queue. From 4.3 on there
/// is such a limit for quorum queues only, where it costs the consumer and leaves the channel
/// alone.
#[test]
fn f16_ack_timeout_of_the_broker_ends_the_consumer_with_its_reason() {
    if endpoint().is_none() {
        return;
    }
    let broker = impatient_broker();
    let is_per_consumer = version(broker.management()) >= (4, 3);
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    limited(&runtime, async {
        let connection = Connection::open_with(&lasting(&broker.url()))
            .await
            .unwrap();
        let other = connection.open_channel().await.unwrap();
        let classic = connection.open_channel().await.unwrap();
        let patient = unacknowledged(&classic, QueueDeclare::new("classic").classic()).await;
        let quorum = connection.open_channel().await.unwrap();
        let limited = unacknowledged(&quorum, QueueDeclare::new("quorum").quorum()).await;
        if is_per_consumer {
            consumer_is_cancelled(&other, limited).await;
            // It has waited longer than the other.
            let (queue, mut consumer, held) = patient;
            assert!(poll_once(consumer.next()).await.is_none());
            for delivery in held {
                delivery.ack().unwrap();
            }
            consumer.cancel().await.unwrap();
            classic.close().await.unwrap();
            assert_eq!(ready(&other, &queue).await, 0);
        } else {
            channel_is_closed(&other, patient).await;
            channel_is_closed(&other, limited).await;
        }
        connection.close().await.unwrap();
    });
}

/// As RabbitMQ 4.0 has it; since 4.3 it is the consumer's end, on quorum queues, and 3.10 ignores
/// it.
#[test]
fn f16_ack_timeout_of_a_queue_closes_the_channel_before_4_3() {
    let Some(endpoint) = endpoint() else { return };
    if !((4, 0)..(4, 3)).contains(&version(endpoint.management())) {
        let queue = QueueDeclare::new("q")
            .quorum()
            .consumer_timeout(Duration::from_secs(1));
        return run(async |site| {
            let channel = site.channel().await;
            channel.queue_declare(queue).await.unwrap();
        });
    }
    let broker = watchful(BrokerOptions::new());
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    limited(&runtime, async {
        let connection = Connection::open_with(&lasting(&broker.url()))
            .await
            .unwrap();
        let other = connection.open_channel().await.unwrap();
        for queue in [
            QueueDeclare::new("classic").classic(),
            QueueDeclare::new("quorum").quorum(),
        ] {
            let channel = connection.open_channel().await.unwrap();
            let held =
                unacknowledged(&channel, queue.consumer_timeout(Duration::from_secs(1))).await;
            channel_is_closed(&other, held).await;
            assert!(channel.close_reason().unwrap().is_delivery_ack_timeout());
        }
        connection.close().await.unwrap();
    });
}

async fn channel_is_closed(
    other: &Channel,
    (queue, mut consumer, held): (String, Consumer, Vec<Delivery>),
) {
    let channel = consumer.channel().clone();
    let error = consumer.next().await.expect("a reason").unwrap_err();
    assert!(error.to_string().contains("406"), "{error}");
    let Some(ChannelError::ClosedByBroker(close)) = channel.close_reason() else {
        panic!("{:?}", channel.close_reason());
    };
    assert!(close.reply_text.contains("timeout"), "{close}");
    // They have gone back; earlier acks do no harm.
    for delivery in held {
        assert!(delivery.ack().is_err());
    }
    until_ready(other, &queue, 10).await;
    let mut consumer = other.consume(&queue).await.unwrap();
    expect(&mut consumer, "0").await.ack().unwrap();
    consumer.cancel().await.unwrap();
}

async fn consumer_is_cancelled(
    other: &Channel,
    (queue, mut consumer, held): (String, Consumer, Vec<Delivery>),
) {
    let channel = consumer.channel().clone();
    let mut events = channel.events();
    let error = consumer.next().await.expect("a reason").unwrap_err();
    assert!(
        matches!(error, ConsumeError::CancelledByBroker { .. }),
        "{error}"
    );
    assert!(consumer.next().await.is_none());
    assert!(matches!(
        events.next().await,
        Some(Event::ConsumerCancelled {
            by: Initiator::Broker,
            ..
        })
    ));
    // They have gone back; earlier acks do no harm, and settle nothing.
    until_ready(other, &queue, 10).await;
    for delivery in held {
        delivery.ack().unwrap();
    }
    // The channel lives, and one can consume anew on it.
    let mut consumer = channel.consume(&queue).await.unwrap();
    let mut bodies = BTreeSet::new();
    while bodies.len() < 10 {
        let again = consumer.next().await.unwrap().unwrap();
        assert!(again.redelivered());
        bodies.insert(again.body().to_vec());
        again.ack().unwrap();
    }
    consumer.cancel().await.unwrap();
    channel.close().await.unwrap();
    assert_eq!(ready(other, &queue).await, 0);
}
