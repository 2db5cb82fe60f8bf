//! Remote procedure calls over direct reply-to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use amqp_client::amqp_spec::wire::MethodId;
use amqp_client::consume::HandlerEnd;
use amqp_client::{Channel, ConsumeError, Message, QueueDeclare, ReceivedMessage, rpc};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::support::{
    Site, check_close, declare, expect, ready, run, run_on_threads, text, until, until_ready,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A server that runs until the sender is used or dropped.
async fn serving<F>(
    site: &Site,
    handler: impl FnMut(ReceivedMessage) -> F + Send + 'static,
) -> (oneshot::Sender<()>, JoinHandle<rpc::ServeSummary>)
where
    F: Future<Output = Result<Message, Failure>> + Send + 'static,
{
    declare(&site.channel().await, "server").await;
    serving_queue(site, handler).await
}

/// The same, of a queue that is there.
async fn serving_queue<F>(
    site: &Site,
    handler: impl FnMut(ReceivedMessage) -> F + Send + 'static,
) -> (oneshot::Sender<()>, JoinHandle<rpc::ServeSummary>)
where
    F: Future<Output = Result<Message, Failure>> + Send + 'static,
{
    let connection = site.connect().await;
    let channel = connection.open_channel().await.unwrap();
    let requests = channel.consume("server").await.unwrap();
    let replies = connection.open_publisher().await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = rpc::Server::new(requests, replies)
        .concurrency(50)
        .until(stopped);
    (stop, tokio::spawn(server.serve(handler)))
}

async fn shout(request: ReceivedMessage) -> Result<Message, Failure> {
    Ok(Message::new(request.text()?.to_uppercase()))
}

#[test]
fn many_callers_share_one_client() {
    run_on_threads(async |site| {
        let (stop, server) = serving(site, |request| async {
            // In another order than they came.
            for _ in 0..request.body().len() * 7 % 5 {
                tokio::task::yield_now().await;
            }
            shout(request).await
        })
        .await;
        let client = rpc::Client::open(&site.connect().await).await.unwrap();
        let callers: Vec<_> = (0..64)
            .map(|caller| {
                let client = client.clone();
                tokio::spawn(async move {
                    for n in 0..20 {
                        let request = format!("request {n} of {}", "x".repeat(caller));
                        let message = Message::new(request.clone());
                        let reply = client.call("", "server", message).await.unwrap();
                        assert_eq!(text(reply.body()), request.to_uppercase());
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        let counters = client.counters();
        assert_eq!((counters.calls, counters.replies), (64 * 20, 64 * 20));
        assert_eq!(
            (counters.pending, counters.late, counters.unknown),
            (0, 0, 0)
        );
        stop.send(()).unwrap();
        let served = server.await.unwrap();
        assert_eq!((served.replied, served.handled.acked), (64 * 20, 64 * 20));
        assert!(matches!(served.handled.end, HandlerEnd::Stopped));
        served.result().unwrap();
        assert_eq!(ready(&site.channel().await, "server").await, 0);
    });
}

#[test]
fn a_request_that_nobody_can_get_comes_back() {
    run(async |site| {
        let client = rpc::Client::open(&site.connect().await).await.unwrap();
        let called = client.call("", "nobody", Message::new("?")).await;
        let Err(rpc::Error::Unroutable(returned)) = called else {
            panic!("{called:?}");
        };
        assert_eq!((returned.reply_code.0, returned.body()), (312, &b"?"[..]));
    });
}

#[test]
fn f30_a_call_to_a_missing_exchange_costs_a_client_of_many_tasks_one_channel() {
    run_on_threads(async |site| {
        let (stop, server) = serving(site, shout).await;
        let client = rpc::Client::open(&site.connect().await).await.unwrap();
        for _ in 0..3 {
            let called = client.call("nosuch", "nobody", Message::new("?")).await;
            let Err(rpc::Error::Refused(error)) = called else {
                panic!("{called:?}");
            };
            let publish = MethodId::new(60, 40);
            check_close(error.broker_close(), 404, "no exchange 'nosuch'", publish);
            let callers: Vec<_> = (0..50)
                .map(|n| {
                    let client = client.clone();
                    tokio::spawn(async move {
                        let request = Message::new(format!("request {n}"));
                        let reply = client.call("", "server", request).await.unwrap();
                        assert_eq!(text(reply.body()), format!("REQUEST {n}"));
                    })
                })
                .collect();
            for caller in callers {
                caller.await.unwrap();
            }
        }
        let counters = client.counters();
        assert_eq!((counters.calls, counters.replies), (3 * 51, 3 * 50));
        assert_eq!((counters.pending, counters.unknown), (0, 0));
        stop.send(()).unwrap();
        assert_eq!(server.await.unwrap().replied, 3 * 50);
    });
}

#[test]
fn f30_addresses_that_are_none_never_reach_the_broker() {
    run(async |site| {
        let (stop, server) = serving(site, shout).await;
        let requester = site.channel().await;
        let replies = requester.consume("amq.rabbitmq.reply-to").no_ack();
        let _replies = replies.await.unwrap();
        let address = address(&requester).await;
        let direct = "amq.rabbitmq.reply-to.";
        let (process, key) = address[direct.len()..].split_once('.').unwrap();
        let mut bad = vec![
            "gm0AAAAB.k".to_owned(),
            "!!!!.k".to_owned(),
            format!("gwE=.{key}"),
            format!("{}.{key}", &process[..process.len() - 4]),
            format!("{}.{key}", process.trim_end_matches('=')),
            format!("{}{process}.{key}", &process[..4]),
            "junk".to_owned(),
        ];
        // Not every process id is padded.
        bad.retain(|bad| !address.ends_with(bad.as_str()));
        let publisher = site.connect().await.open_publisher().await.unwrap();
        for bad in &bad {
            let request = Message::new("?").reply_to(format!("{direct}{bad}"));
            publisher.publish("", "server", request).await.unwrap();
        }
        let client = rpc::Client::open(&site.connect().await).await.unwrap();
        let reply = client.call("", "server", Message::new("still there")).await;
        assert_eq!(text(reply.unwrap().body()), "STILL THERE");
        stop.send(()).unwrap();
        let served = server.await.unwrap();
        assert_eq!((served.replied, served.unaddressed), (1, bad.len() as u64));
        served.result().unwrap();
        assert_eq!(ready(&site.channel().await, "server").await, 0);
    });
}

#[test]
fn f30_a_request_whose_reply_costs_the_channel_is_dead_lettered_and_the_others_are_answered() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "dead").await;
        let queue = QueueDeclare::new("server")
            .durable()
            .dead_letter_exchange("")
            .dead_letter_routing_key("dead");
        channel.queue_declare(queue).await.unwrap();
        let requests = channel.consume("server").await.unwrap();
        let replies = connection.open_publisher().await.unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = rpc::Server::new(requests, replies)
            .concurrency(50)
            .report(move |failure| log.lock().unwrap().push(failure.to_string()))
            .until(stopped);
        let server = tokio::spawn(server.serve(async |request: ReceivedMessage| {
            let reply = shout(request).await?;
            Ok::<_, Failure>(match &reply.body()[..] {
                b"BAD" => reply.user_id("somebody-else"),
                _ => reply,
            })
        }));
        let client = rpc::Client::open(&site.connect().await).await.unwrap();
        let call = |request: &'static str| {
            let client = client.clone();
            tokio::spawn(async move { client.call("", "server", Message::new(request)).await })
        };
        for _ in 0..2 {
            let bad = call("bad");
            let good: Vec<_> = (0..20).map(|_| call("good")).collect();
            for good in good {
                assert_eq!(text(good.await.unwrap().unwrap().body()), "GOOD");
            }
            bad.abort();
        }
        until_ready(&channel, "dead", 2).await;
        stop.send(()).unwrap();
        let served = server.await.unwrap();
        assert_eq!((served.replied, served.handled.rejected), (40, 2));
        assert_eq!(ready(&channel, "server").await, 0);
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("user_id property set to 'somebody-else'"),
            "{told:?}"
        );
    });
}

/// An address in the right form, of a node that is not the broker's.
const FOREIGN: &str = "amq.rabbitmq.reply-to.g1h2AAdyZXBseUAxAAADMgAAAABrDK6N.AAAA";

#[test]
fn f30_a_request_whose_reply_ends_the_connection_is_not_tried_a_third_time() {
    run(async |site| {
        let watching = site.channel().await;
        declare(&watching, "server").await;
        let publisher = site.connect().await.open_publisher().await.unwrap();
        let request = Message::new(format!("request on {}", site.name())).reply_to(FOREIGN);
        publisher.publish("", "server", request).await.unwrap();
        let n_ends = if site.version() < (4, 0) { 2 } else { 0 };
        for _ in 0..n_ends {
            let (_stop, server) = serving_queue(site, shout).await;
            let served = server.await.unwrap();
            assert_eq!(served.replied, 0);
            let Err(ConsumeError::Channel(error)) = served.result() else {
                panic!("the broker has ended the connection");
            };
            assert_eq!(error.broker_close().unwrap().reply_code.0, 541);
        }
        let (stop, server) = serving_queue(site, shout).await;
        let client = rpc::Client::open(&site.connect().await).await.unwrap();
        let reply = client.call("", "server", Message::new("next")).await;
        assert_eq!(text(reply.unwrap().body()), "NEXT");
        stop.send(()).unwrap();
        let served = server.await.unwrap();
        let (rejected, replied) = if n_ends > 0 { (1, 1) } else { (0, 2) };
        assert_eq!(
            (served.handled.rejected, served.replied),
            (rejected, replied)
        );
        assert_eq!(ready(&watching, "server").await, 0);
    });
}

#[test]
fn f14_a_reply_that_comes_too_late_is_counted_and_dropped() {
    run(async |site| {
        let go = Arc::new(Notify::new());
        let goes = Arc::clone(&go);
        let (stop, server) = serving(site, move |request| {
            let goes = Arc::clone(&goes);
            async move {
                if request.body() == b"slow" {
                    goes.notified().await;
                }
                shout(request).await
            }
        })
        .await;
        let client = rpc::Client::open(&site.connect().await).await.unwrap();
        let slow = client
            .call("", "server", Message::new("slow"))
            .timeout(Duration::from_millis(1))
            .await;
        let Err(rpc::Error::Timeout { sent: true, .. }) = slow else {
            panic!("{slow:?}");
        };
        let reply = client.call("", "server", Message::new("quick")).await;
        assert_eq!(text(reply.unwrap().body()), "QUICK");
        go.notify_one();
        until("late replies", 1, async || {
            let quick = client.call("", "server", Message::new("quick")).await;
            assert_eq!(text(quick.unwrap().body()), "QUICK");
            client.counters().late
        })
        .await;
        assert_eq!(client.counters().timed_out, 1);
        drop(stop);
        assert!(server.await.unwrap().result().is_ok());
    });
}

#[test]
fn s3_calls_end_with_their_connection() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "server").await;
        let connection = site.connect().await;
        let client = rpc::Client::open(&connection).await.unwrap();
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.call("", "server", Message::new("?")).await })
            })
            .collect();
        until_ready(&channel, "server", 10).await;
        connection.close().await.unwrap();
        for call in calls {
            let called = call.await.unwrap();
            assert!(
                matches!(called, Err(rpc::Error::Uncertain(_))),
                "{called:?}"
            );
        }
    });
}

#[test]
fn a_request_without_an_address_is_handled_and_acknowledged() {
    run(async |site| {
        let (stop, server) = serving(site, shout).await;
        let publisher = site.connect().await.open_publisher().await.unwrap();
        publisher
            .publish("", "server", Message::new("no reply, please"))
            .await
            .unwrap();
        // The address of somebody who has gone.
        let client = rpc::Client::open(&site.connect().await).await.unwrap();
        client
            .call("", "server", Message::new("first"))
            .await
            .unwrap();
        let gone = Message::new("?").reply_to("no such queue");
        publisher.publish("", "server", gone).await.unwrap();
        client
            .call("", "server", Message::new("last"))
            .await
            .unwrap();
        stop.send(()).unwrap();
        let served = server.await.unwrap();
        // The one to an address that has gone came back.
        assert_eq!((served.replied, served.unaddressed), (2, 1));
        assert_eq!((served.unroutable, served.handled.acked), (1, 4));
        assert_eq!(ready(&site.channel().await, "server").await, 0);
    });
}

#[test]
fn s20_a_server_whose_handler_panics_goes_on() {
    run(async |site| {
        let (stop, server) = serving(site, async |request: ReceivedMessage| {
            assert_ne!(request.body(), b"panic", "on purpose");
            shout(request).await
        })
        .await;
        let client = rpc::Client::open(&site.connect().await).await.unwrap();
        let impatient = tokio::spawn({
            let client = client.clone();
            async move { client.call("", "server", Message::new("panic")).await }
        });
        let reply = client.call("", "server", Message::new("fine")).await;
        assert_eq!(text(reply.unwrap().body()), "FINE");
        impatient.abort();
        assert!(impatient.await.unwrap_err().is_cancelled());
        let watching = site.channel().await;
        until("messages", 0, async || ready(&watching, "server").await).await;
        stop.send(()).unwrap();
        let served = server.await.unwrap();
        assert!(served.handled.panicked <= 2, "{served:?}");
        assert_eq!(served.replied, 1);
        assert_eq!(client.counters().pending, 0);
    });
}

#[test]
fn s19_a_stopped_server_answers_what_it_has_begun() {
    run(async |site| {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begins, goes) = (Arc::clone(&begun), Arc::clone(&go));
        let (stop, server) = serving(site, move |request| {
            let (begins, goes) = (Arc::clone(&begins), Arc::clone(&goes));
            async move {
                begins.notify_one();
                goes.notified().await;
                shout(request).await
            }
        })
        .await;
        let client = rpc::Client::open(&site.connect().await).await.unwrap();
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.call("", "server", Message::new("begun")).await }
        });
        begun.notified().await;
        stop.send(()).unwrap();
        let watching = site.channel().await;
        until("consumers", 0, async || {
            crate::support::consumers(&watching, "server").await
        })
        .await;
        go.notify_one();
        assert_eq!(text(call.await.unwrap().unwrap().body()), "BEGUN");
        let served = server.await.unwrap();
        assert_eq!((served.replied, served.handled.acked), (1, 1));
    });
}

/// Sends a request by hand and takes it, on one channel: the broker's address for replies to it.
async fn address(channel: &Channel) -> String {
    let queue = QueueDeclare::new("requests").durable();
    channel.queue_declare(queue).await.unwrap();
    let request = Message::new("?").reply_to("amq.rabbitmq.reply-to");
    channel
        .basic_publish("", "requests", &request)
        .await
        .unwrap();
    let mut requests = channel.consume("requests").await.unwrap();
    let request = expect(&mut requests, "?").await;
    let address = request.properties().reply_to().unwrap();
    let address = address.as_str().unwrap().to_owned();
    request.ack().unwrap();
    address
}

#[test]
fn a_mandatory_direct_reply_is_delivered_and_also_returned_before_4_3() {
    run(async |site| {
        let requester = site.channel().await;
        let replies = requester.consume("amq.rabbitmq.reply-to").no_ack();
        let mut replies = replies.await.unwrap();
        let address = address(&requester).await;
        assert!(address.starts_with("amq.rabbitmq.reply-to."), "{address}");
        let publisher = site.connect().await.open_publisher().await.unwrap();
        let mut returns = publisher.channel().returns();
        let channel = publisher.channel();
        channel
            .basic_publish_mandatory("", &address, &Message::new("!"))
            .await
            .unwrap();
        publisher.wait_for_confirms().await.ok();
        let reply = replies.next().await.unwrap().unwrap();
        assert_eq!(reply.body(), b"!");
        if site.version() < (4, 3) {
            assert_eq!(returns.next().await.unwrap().body(), b"!");
        }
        // The way of publishers, whatever they are told: confirmed, and delivered once.
        for publisher in [&publisher, &publisher.clone().mandatory()] {
            publisher
                .publish("", &address, Message::new("!!"))
                .await
                .unwrap();
            let reply = replies.next().await.unwrap().unwrap();
            assert_eq!(reply.body(), b"!!");
        }
    });
}
