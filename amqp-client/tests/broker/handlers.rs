//! Consuming with a handler.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use amqp_client::consume::HandlerEnd;
use amqp_client::{
    ConsumeError, Disposition, ExchangeDeclare, Message, QueueDeclare, ReceivedMessage,
};
use tokio::sync::{Notify, oneshot};

use crate::support::{
    consumers, declare, expect, fill, ready, run, run_on_threads, text, until, until_ready,
};

#[test]
fn every_message_is_handled_once_by_no_more_handlers_than_allowed() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 300).await;
        let (running, most) = (Cell::new(0), Cell::new(0));
        let seen = RefCell::new(vec![0; 300]);
        let (stop, stopped) = oneshot::channel();
        let stop = Cell::new(Some(stop));
        let handler = async |message: ReceivedMessage| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            tokio::task::yield_now().await;
            running.set(running.get() - 1);
            let n: usize = text(message.body()).parse().unwrap();
            seen.borrow_mut()[n] += 1;
            if seen.borrow().iter().all(|n| *n == 1) {
                let _ = stop.take().unwrap().send(());
            }
        };
        let consumer = channel.consume("q").await.unwrap();
        let handled = consumer.handle(handler).concurrency(7).until(stopped).await;
        assert_eq!((handled.handled, handled.acked), (300, 300));
        assert_eq!(most.get(), 7);
        assert!(matches!(handled.end, HandlerEnd::Stopped));
        until("consumers", 0, async || consumers(&channel, "q").await).await;
        channel.close().await.unwrap();
        assert_eq!(ready(&site.channel().await, "q").await, 0);
    });
}

#[test]
fn s20_a_message_whose_handler_always_panics_is_dead_lettered_after_a_second_attempt() {
    run(async |site| {
        let channel = site.channel().await;
        channel
            .exchange_declare(ExchangeDeclare::fanout("dead"))
            .await
            .unwrap();
        declare(&channel, "dead letters").await;
        channel
            .queue_bind("dead letters", "dead", "")
            .await
            .unwrap();
        let queue = QueueDeclare::new("q").dead_letter_exchange("dead");
        channel.queue_declare(queue).await.unwrap();
        fill(&channel, "q", 10).await;
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&attempts);
        let (stop, stopped) = oneshot::channel();
        let consumer = channel.consume("q").await.unwrap();
        let handling = tokio::spawn(
            consumer
                .handle(async |message: ReceivedMessage| {
                    assert_ne!(message.body(), b"4", "on purpose");
                    if message.body() == b"7" && !message.redelivered() {
                        return Err(io::Error::other("not today"));
                    }
                    Ok(())
                })
                .concurrency(3)
                .report(move |failure| told.lock().unwrap().push(failure.settled))
                .until(stopped),
        );
        let watching = site.channel().await;
        until_ready(&watching, "dead letters", 1).await;
        let mut dead = watching.consume("dead letters").await.unwrap();
        expect(&mut dead, "4").await.ack().unwrap();
        until_ready(&watching, "q", 0).await;
        stop.send(()).unwrap();
        let handled = handling.await.unwrap();
        assert_eq!((handled.panicked, handled.failed), (2, 1), "{handled:?}");
        assert_eq!((handled.requeued, handled.rejected), (2, 1), "{handled:?}");
        let mut attempts = attempts.lock().unwrap().clone();
        attempts.sort_by_key(|settle| format!("{settle:?}"));
        assert_eq!(
            attempts,
            [
                Disposition::Reject,
                Disposition::Requeue,
                Disposition::Requeue
            ]
        );
        channel.close().await.unwrap();
        assert_eq!(ready(&watching, "q").await, 0);
    });
}

#[test]
fn s19_shutting_down_loses_nothing_and_delivers_again_only_what_was_not_finished() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        fill(&channel, "q", 100).await;
        let (go, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let running = Arc::new(AtomicUsize::new(0));
        let consumer = channel.consume("q").prefetch(100).await.unwrap();
        let handling = {
            let (go, stop) = (Arc::clone(&go), Arc::clone(&stop));
            let running = Arc::clone(&running);
            tokio::spawn(async move {
                consumer
                    .handle(|_| async {
                        running.fetch_add(1, Ordering::Relaxed);
                        go.notified().await;
                    })
                    .concurrency(10)
                    .until(stop.notified())
                    .await
            })
        };
        let watching = site.channel().await;
        until_ready(&watching, "q", 0).await;
        until("running", 10, async || {
            let _ = ready(&watching, "q").await;
            running.load(Ordering::Relaxed)
        })
        .await;
        stop.notify_one();
        until_ready(&watching, "q", 90).await;
        assert_eq!(consumers(&watching, "q").await, 0);
        go.notify_waiters();
        let handled = handling.await.unwrap();
        assert_eq!(handled.acked, 10, "{handled:?}");
        channel.close().await.unwrap();
        connection.close().await.unwrap();
        assert_eq!(ready(&watching, "q").await, 90);
        let mut consumer = watching.consume("q").await.unwrap();
        for n in 10..100 {
            expect(&mut consumer, &n.to_string()).await.ack().unwrap();
        }
    });
}

#[test]
fn dropped_handling_gives_back_what_was_not_finished() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 20).await;
        let consumer = channel.consume("q").await.unwrap();
        let handling = consumer
            .handle(async |_| std::future::pending::<()>().await)
            .concurrency(5);
        let mut handling = Box::pin(handling);
        until("messages ready in q", 0, async || {
            assert!(crate::support::poll_once(handling.as_mut()).await.is_none());
            ready(&channel, "q").await
        })
        .await;
        drop(handling);
        until_ready(&channel, "q", 20).await;
        assert_eq!(consumers(&channel, "q").await, 0);
    });
}

#[test]
fn a_handler_may_use_its_own_channel_and_spawn() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = publisher.channel().clone();
        declare(&channel, "in").await;
        declare(&channel, "out").await;
        fill(&channel, "in", 200).await;
        let consumer = channel.consume("in").await.unwrap();
        let handler = move |message: ReceivedMessage| {
            let publisher = publisher.clone();
            let pass_on = async move {
                let passive = QueueDeclare::new("out").passive();
                publisher.channel().queue_declare(passive).await?;
                let message = Message::new(message.into_body());
                publisher.publish("", "out", message).await?;
                Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
            };
            async { tokio::spawn(pass_on).await.unwrap() }
        };
        let handling = tokio::spawn(consumer.handle(handler).concurrency(20));
        let watching = site.channel().await;
        until_ready(&watching, "out", 200).await;
        watching.queue_delete("in").await.unwrap();
        let handled = handling.await.unwrap();
        assert_eq!((handled.acked, handled.failed), (200, 0), "{handled:?}");
        let Err(ConsumeError::CancelledByBroker { .. }) = handled.result() else {
            panic!("the queue was deleted");
        };
    });
}

#[test]
fn f29_handlers_that_run_finish_when_their_channel_ends_and_no_other_is_begun() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 100).await;
        let (begun, go) = (Cell::new(0), Notify::new());
        let handler = async |_: ReceivedMessage| {
            begun.set(begun.get() + 1);
            go.notified().await;
        };
        let consumer = channel.consume("q").await.unwrap();
        let handling = consumer.handle(handler).concurrency(2);
        let failing = async {
            until("handlers", 2, async || begun.get()).await;
            let missing = QueueDeclare::new("nosuch").passive();
            assert!(channel.queue_declare(missing).await.is_err());
            go.notify_waiters();
        };
        let (handled, ()) = tokio::join!(handling, failing);
        assert_eq!((begun.get(), handled.handled, handled.unsettled), (2, 2, 2));
        let Err(ConsumeError::Channel(error)) = handled.result() else {
            panic!("the broker has closed the channel");
        };
        assert_eq!(error.broker_close().unwrap().reply_code.0, 404);
        until_ready(&site.channel().await, "q", 100).await;
    });
}
