//! Calls and servers across a loss: what was sent is lost, what was not goes on, and the next call
//! works.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use amqp_spec::Method;

use crate::error::{ConnectionError, Outcome};
use crate::tests::support::comeback::{Comeback, Play, usual};
use crate::tests::support::task::Task;
use crate::{ChannelError, ConsumeError, Disposition, Message, QueueDeclare, ReceivedMessage, rpc};

type Called = Task<'static, Result<ReceivedMessage, rpc::Error>>;

/// A client, and a queue of requests that outlives the connection.
fn calling() -> (Comeback, rpc::Client) {
    let mut world = Comeback::new();
    let connection = world.pair.connection.clone();
    let client = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let declare = QueueDeclare::new("server").durable();
        channel.queue_declare(declare).await.unwrap();
        channel.close().await.unwrap();
        rpc::Client::open(&connection).await.unwrap()
    });
    (world, client)
}

fn call(client: &rpc::Client, body: &'static str) -> Called {
    let client = client.clone();
    Task::start(async move { client.call("", "server", body).await })
}

fn repeated_call(client: &rpc::Client) -> Called {
    let client = client.clone();
    Task::start(async move { client.call("", "server", "again").repeat_when_lost().await })
}

/// Answers the requests that wait, with their own bodies. Says what they were.
fn answer_all(world: &mut Comeback) -> Vec<String> {
    let connection = world.pair.connection.clone();
    world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let mut bodies = Vec::new();
        while let Some(request) = channel.basic_get_no_ack("server").await.unwrap() {
            let to = request
                .delivery
                .properties()
                .reply_to()
                .unwrap()
                .to_string_lossy();
            let id = request.delivery.properties().correlation_id().unwrap();
            let body = request.delivery.text().unwrap().to_owned();
            let reply = Message::new(body.as_str()).correlation_id(id.to_string_lossy());
            channel.basic_publish("", to, &reply).await.unwrap();
            bodies.push(body);
        }
        channel.close().await.unwrap();
        bodies
    })
}

#[track_caller]
fn assert_lost(call: &mut Called) {
    let error = call.ready().unwrap_err();
    let rpc::Error::Lost(ConnectionError::Io(_)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(error.is_retryable());
}

#[track_caller]
fn replied(world: &mut Comeback, call: &mut Called) -> String {
    world.run();
    call.ready().unwrap().text().unwrap().to_owned()
}

#[test]
fn a_thousand_calls_are_lost_at_once_and_the_next_one_works() {
    let (mut world, client) = calling();
    let mut calls: Vec<_> = (0..500).map(|_| call(&client, "confirmed")).collect();
    world.run();
    for call in &mut calls {
        assert!(call.run().is_pending());
    }
    // These leave, and are not confirmed.
    calls.extend((0..500).map(|_| call(&client, "written")));
    assert!(!world.pair.written_octets().is_empty());
    world.lose();
    calls.iter_mut().for_each(assert_lost);
    assert_eq!(client.counters().pending, 0);

    world.come_back();
    let connection = world.pair.connection.clone();
    let purged = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let purged = channel.queue_purge("server").await.unwrap();
        channel.close().await.unwrap();
        purged
    });
    assert_eq!(purged, 500, "no one waits for these");
    let mut next = call(&client, "next");
    world.run();
    assert_eq!(answer_all(&mut world), ["next"]);
    assert_eq!(replied(&mut world, &mut next), "next");
    let connection = world.kernel.connection(world.client).unwrap();
    assert_eq!(connection.channels().len(), 1, "nothing is opened twice");
    let counters = client.counters();
    assert_eq!((counters.late, counters.unknown), (0, 0));
}

#[test]
fn what_was_not_sent_goes_on_by_itself_and_so_does_what_is_asked_while_down() {
    let (mut world, client) = calling();
    let mut unsent = call(&client, "not sent");
    world.lose();
    assert!(unsent.run().is_pending());
    let mut down = call(&client, "while down");
    assert!(down.run().is_pending());
    world.come_back();
    for call in [&mut unsent, &mut down] {
        assert!(call.run().is_pending());
    }
    world.run();
    let mut asked = answer_all(&mut world);
    asked.sort();
    assert_eq!(asked, ["not sent", "while down"]);
    assert_eq!(replied(&mut world, &mut unsent), "not sent");
    assert_eq!(replied(&mut world, &mut down), "while down");
}

#[test]
fn a_call_while_down_waits_no_longer_than_it_may() {
    let (mut world, client) = calling();
    world.lose();
    let mut short = Task::start(async move {
        let call = client.call("", "server", "?");
        call.timeout(Duration::from_millis(20)).await
    });
    world.pair.advance(Duration::from_millis(20));
    let error = short.ready().unwrap_err();
    assert!(
        matches!(error, rpc::Error::Timeout { sent: false, .. }),
        "{error:?}"
    );
    assert_eq!(error.outcome(), Outcome::NotSent);
}

#[test]
fn a_call_while_down_waits_no_longer_than_the_patience() {
    let (mut world, client) = calling();
    world.lose();
    let mut long = Task::start(async move {
        let call = client.call("", "server", "?");
        call.timeout(Duration::MAX).await
    });
    world.pair.advance(Duration::from_secs(31));
    let error = long.ready().unwrap_err();
    let rpc::Error::NotSent(ConsumeError::Channel(ChannelError::Recovering { .. })) = error else {
        panic!("{error:?}");
    };
}

#[test]
fn calls_that_may_be_repeated_are_sent_again_on_each_next_stream() {
    let (mut world, client) = calling();
    let mut repeated = repeated_call(&client);
    for n in 1..=6 {
        world.run();
        assert!(repeated.run().is_pending());
        let connection = world.pair.connection.clone();
        let requests = world.done(async move {
            let channel = connection.open_channel().await.unwrap();
            let declare = QueueDeclare::new("server").durable();
            let requests = channel.queue_declare(declare).await.unwrap();
            channel.close().await.unwrap();
            requests.message_count
        });
        assert_eq!(requests, n);
        world.lose();
        assert!(repeated.run().is_pending());
        world.come_back();
        assert!(repeated.run().is_pending());
    }
    world.run();
    assert_eq!(answer_all(&mut world).len(), 7);
    assert_eq!(replied(&mut world, &mut repeated), "again");
    let counters = client.counters();
    assert_eq!((counters.calls, counters.replies), (1, 1));
}

#[test]
fn replies_that_came_before_the_loss_are_had_and_dropped_calls_leave_nothing() {
    let (mut world, client) = calling();
    let mut answered = call(&client, "answered");
    world.run();
    assert!(answered.run().is_pending());
    assert_eq!(answer_all(&mut world), ["answered"]);
    world.run();
    let dropped = call(&client, "dropped");
    world.lose();
    drop(dropped);
    assert_eq!(answered.ready().unwrap().text().unwrap(), "answered");
    assert_eq!(client.counters().pending, 0);
    world.come_back();
    assert_eq!(answer_all(&mut world), [""; 0]);
    world.pair.assert_idle();
}

#[test]
fn calls_whose_channel_is_being_closed_end_at_the_loss() {
    let (mut world, client) = calling();
    let mut waiting = call(&client, "?");
    world.run();
    assert!(waiting.run().is_pending());
    let channel = client.channel();
    let mut closing = Task::start(async move { channel.close().await });
    assert!(!world.pair.written_octets().is_empty());
    world.lose();
    closing.ready().unwrap();
    let error = waiting.ready().unwrap_err();
    assert!(matches!(error, rpc::Error::Uncertain(_)), "{error:?}");
}

#[test]
fn calls_end_uncertain_when_the_connection_ends_for_good() {
    let (mut world, client) = calling();
    let mut waiting = call(&client, "?");
    world.run();
    assert!(waiting.run().is_pending());
    world.lose();
    let connection = world.pair.connection.clone();
    world.done(async move { connection.close().await }).unwrap();
    assert!(waiting.ready().is_err());
    let mut late = Task::new(async move { client.call("", "server", "?").await });
    let Poll::Ready(Err(rpc::Error::NotSent(_))) = late.poll() else {
        panic!("it is over");
    };
}

/// What a requester has got, by correlation id.
fn replies(world: &mut Comeback) -> BTreeMap<String, usize> {
    let connection = world.pair.connection.clone();
    world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let mut replies = BTreeMap::new();
        while let Some(reply) = channel.basic_get_no_ack("replies").await.unwrap() {
            let id = reply.delivery.properties().correlation_id().unwrap();
            *replies
                .entry(id.to_string_lossy().into_owned())
                .or_default() += 1;
        }
        channel.close().await.unwrap();
        replies
    })
}

/// A server whose replies go to a queue, and one request for it.
fn serving(request: &'static str) -> (Comeback, Task<'static, rpc::ServeSummary>, Rc<Cell<u32>>) {
    let mut world = Comeback::new();
    let connection = world.pair.connection.clone();
    let (requests, publisher) = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        for queue in ["server", "replies"] {
            let declare = QueueDeclare::new(queue).durable();
            channel.queue_declare(declare).await.unwrap();
        }
        let requests = channel.consume("server").prefetch(1).await.unwrap();
        (requests, connection.open_publisher().await.unwrap())
    });
    let asking = requests.channel().clone();
    let handled = Rc::new(Cell::new(0));
    let counts = Rc::clone(&handled);
    let server = rpc::Server::new(requests, publisher);
    let serving = Task::start(server.serve(move |request: ReceivedMessage| {
        counts.set(counts.get() + 1);
        std::future::ready(Message::new(request.body().to_vec()))
    }));
    world.done(async move {
        let request = Message::new(request).correlation_id(request);
        let request = request.reply_to("replies");
        asking.basic_publish("", "server", &request).await.unwrap();
    });
    (world, serving, handled)
}

/// How far a reply has come when the stream is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reply {
    NotWritten,
    Written,
    Routed,
}

/// The server has a request and has replied; then its stream is lost.
fn lose_amid_reply(world: &mut Comeback, serving: &mut Task<'_, rpc::ServeSummary>, reply: Reply) {
    world.run();
    assert!(serving.run().is_pending());
    match reply {
        Reply::NotWritten => {}
        Reply::Written => assert!(!world.pair.written_octets().is_empty()),
        Reply::Routed => {
            world.budget = Some(0);
            assert!(!world.run());
            world.budget = None;
        }
    }
    world.lose();
    assert!(serving.run().is_pending());
    world.come_back();
}

#[test]
fn a_reply_that_was_under_way_is_not_sent_again_but_its_request_comes_again() {
    for (reply, id, n_replies, n_replied) in [
        (Reply::NotWritten, "goes on", 2, 2),
        (Reply::Written, "is lost", 1, 1),
        (Reply::Routed, "has arrived", 2, 1),
    ] {
        let (mut world, mut serving, handled) = serving(id);
        lose_amid_reply(&mut world, &mut serving, reply);
        served_again(&mut world, &mut serving);
        assert_eq!(handled.get(), 2, "{reply:?}");
        let expected = [(id.to_owned(), n_replies)];
        assert_eq!(replies(&mut world), expected.into(), "{reply:?}");
        let connection = world.pair.connection.clone();
        world.done(async move { connection.close().await }).unwrap();
        let served = serving.ready();
        assert_eq!(served.replied, n_replied, "{reply:?}");
        assert_eq!((served.handled.acked, served.handled.stale), (1, 1));
        assert_eq!((served.handled.failed, served.handled.rejected), (0, 0));
    }
}

/// The server is run until it has handled what comes again.
fn served_again(world: &mut Comeback, serving: &mut Task<'_, rpc::ServeSummary>) {
    for _ in 0..9 {
        assert!(serving.run().is_pending());
        world.run();
    }
}

#[test]
fn a_request_is_answered_however_often_the_stream_is_lost_amid_its_reply() {
    let (mut world, mut serving, handled) = serving("is patient");
    for _ in 0..5 {
        lose_amid_reply(&mut world, &mut serving, Reply::Written);
    }
    served_again(&mut world, &mut serving);
    assert_eq!(handled.get(), 6);
    let expected = [("is patient".to_owned(), 1)];
    assert_eq!(replies(&mut world), expected.into());
}

#[test]
fn a_request_whose_reply_has_the_connection_closed_twice_is_not_tried_once_more() {
    let (mut world, mut serving, handled) = serving("brings it down");
    world.script = Box::new(|_, method| match method {
        Method::BasicPublish(publish) if publish.routing_key == "replies" => {
            Play::CloseConnection(501, "FRAME_ERROR")
        }
        _ => Play::Usual,
    });
    for _ in 0..2 {
        world.run();
        assert!(serving.run().is_pending());
        world.run();
        assert!(serving.run().is_pending());
        world.come_back();
    }
    world.script = usual();
    served_again(&mut world, &mut serving);
    assert_eq!(handled.get(), 2);
    assert_eq!(replies(&mut world), BTreeMap::new());
    let connection = world.pair.connection.clone();
    world.done(async move { connection.close().await }).unwrap();
    let served = serving.ready();
    assert_eq!((served.handled.stale, served.handled.rejected), (2, 1));
    assert_eq!(served.replied, 0);
}

#[test]
fn a_server_answers_what_it_has_begun_and_again_what_comes_again() {
    let mut world = Comeback::new();
    let connection = world.pair.connection.clone();
    let (requests, publisher) = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        for queue in ["server", "replies"] {
            let declare = QueueDeclare::new(queue).durable();
            channel.queue_declare(declare).await.unwrap();
        }
        for id in ["one", "two"] {
            let request = Message::new(id).correlation_id(id).reply_to("replies");
            channel.basic_publish("", "server", &request).await.unwrap();
        }
        let requests = channel.consume("server").prefetch(1).await.unwrap();
        (requests, connection.open_publisher().await.unwrap())
    });
    let (begun, may_go) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let (counts, goes) = (Rc::clone(&begun), Rc::clone(&may_go));
    let server = rpc::Server::new(requests, publisher).on_failure(Disposition::Reject);
    let mut serving = Task::start(server.serve(move |request: ReceivedMessage| {
        counts.set(counts.get() + 1);
        let goes = Rc::clone(&goes);
        async move {
            poll_fn(|context| {
                context.waker().wake_by_ref();
                if goes.get() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            Message::new(request.body().to_vec())
        }
    }));
    world.run();
    assert!(serving.run().is_pending());
    assert_eq!(begun.get(), 1);
    world.lose();
    may_go.set(true);
    assert!(serving.run().is_pending());
    world.come_back();
    for _ in 0..9 {
        assert!(serving.run().is_pending());
        world.run();
    }
    assert_eq!(begun.get(), 3);
    let expected = [("one".to_owned(), 2), ("two".to_owned(), 1)];
    assert_eq!(replies(&mut world), expected.into());
    let connection = world.pair.connection.clone();
    world.done(async move { connection.close().await }).unwrap();
    let served = serving.ready();
    assert_eq!(served.replied, 3);
    assert_eq!((served.handled.acked, served.handled.stale), (2, 1));
    assert_eq!(served.handled.failed, 0);
}

#[test]
fn calls_hear_of_a_reply_consumer_that_is_not_restored() {
    let (mut world, client) = calling();
    let mut sent = call(&client, "sent");
    world.run();
    world.lose();
    assert_lost(&mut sent);
    let mut waiting = call(&client, "waiting");
    let mut again = repeated_call(&client);
    world.script = Box::new(|_, method| match method {
        Method::BasicConsume(consume) if consume.queue == *"amq.rabbitmq.reply-to" => {
            Play::CloseChannel(403, "ACCESS_REFUSED - no")
        }
        _ => Play::Usual,
    });
    world.come_back();
    world.run();
    for call in [&mut waiting, &mut again] {
        let error = call.ready().unwrap_err();
        assert!(!matches!(error, rpc::Error::Lost(_)), "{error:?}");
    }
    let client = client.clone();
    let later = async move { client.call("", "server", "later").await };
    world.done(later).unwrap_err();
}
