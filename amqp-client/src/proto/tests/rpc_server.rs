//! Requests and their replies: what becomes of a request, whatever becomes of its reply.

use amqp_spec::basic::Properties;

use super::pair::Pair;
use super::task::Task;
use super::wire;
use crate::{ChannelError, ConsumeError, HandlingEnd, Message, Received, RpcServer};

fn request(delivery_tag: u64, reply_to: &str, body: &str) -> Vec<u8> {
    let id = format!("id {delivery_tag}");
    let mut properties = Properties::new().correlation_id(wire::short(&id));
    if !reply_to.is_empty() {
        properties = properties.reply_to(wire::short(reply_to));
    }
    [
        wire::method(1, &wire::deliver("c", delivery_tag)),
        wire::header_with(1, body.len() as u64, properties.as_ref()),
        wire::body(1, body.as_bytes(), wire::FRAME_MAX),
    ]
    .concat()
}

async fn echo(request: Received) -> Result<Message, &'static str> {
    match request.body() {
        b"fail" => Err("cannot be handled"),
        b"panic" => panic!("on purpose"),
        body => Ok(Message::new(body.to_vec())),
    }
}

#[test]
fn a_request_is_acknowledged_when_its_reply_is_confirmed() {
    let mut pair = Pair::open();
    let requests = pair.channel();
    let requests = pair.consumer(&requests, "c");
    let replies = pair.publisher();
    let mut serving = Task::start(
        RpcServer::new(requests, replies.mandatory())
            .concurrency(9)
            .serve(echo),
    );
    pair.feed(&[request(1, "there", "one"), request(2, "here", "two")].concat());
    assert!(serving.run().is_pending());
    let sent = [
        "2 basic.publish there",
        "2 header 3",
        "2 body 3",
        "2 basic.publish here",
        "2 header 3",
        "2 body 3",
    ];
    assert_eq!(pair.sent(), sent);
    pair.feed(&wire::ack(2, 2, false));
    assert!(serving.run().is_pending());
    assert_eq!(pair.sent(), ["1 basic.ack 2"]);
    // Refused: one more attempt.
    pair.feed(&wire::nack(2, 1, false));
    assert!(serving.run().is_pending());
    assert_eq!(pair.sent(), ["1 basic.reject 1 requeue"]);
    // Nothing to reply to; the last would mean our own channel.
    pair.feed(
        &[
            request(3, "", "x"),
            request(4, "amq.rabbitmq.reply-to", "x"),
        ]
        .concat(),
    );
    assert!(serving.run().is_pending());
    assert_eq!(pair.sent().last().unwrap(), "1 basic.ack 4 multiple");
    pair.feed(&[request(5, "there", "fail"), request(6, "there", "panic")].concat());
    assert!(serving.run().is_pending());
    assert_eq!(
        pair.sent(),
        ["1 basic.reject 5 requeue", "1 basic.reject 6 requeue"]
    );
    pair.feed(&wire::channel_close(1));
    let served = serving.ready();
    assert_eq!((served.replied, served.unaddressed), (1, 2));
    assert_eq!((served.handled.acked, served.handled.requeued), (3, 3));
    assert_eq!((served.handled.failed, served.handled.panicked), (2, 1));
    assert!(served.result().is_err());
}

#[test]
fn a_server_whose_replies_fail_stops_and_gives_requests_back() {
    let mut pair = Pair::open();
    let requests = pair.channel();
    let requests = pair.consumer(&requests, "c");
    let replies = pair.publisher();
    let mut serving = Task::start(RpcServer::new(requests, replies).concurrency(2).serve(echo));
    pair.feed(
        &[
            request(1, "there", "one"),
            request(2, "there", "two"),
            request(3, "there", "three"),
        ]
        .concat(),
    );
    assert!(serving.run().is_pending());
    pair.sent();
    pair.feed(&wire::channel_close(2));
    let served = serving.ready();
    let sent = pair.sent();
    for expected in [
        "1 basic.cancel c",
        "1 basic.reject 1 requeue",
        "1 basic.reject 2 requeue",
    ] {
        assert!(sent.iter().any(|sent| sent == expected), "{sent:?}");
    }
    let HandlingEnd::Failed(ConsumeError::Channel(ChannelError::ClosedByBroker(_))) =
        &served.handled.end
    else {
        panic!("{:?}", served.handled.end);
    };
    assert_eq!(served.handled.acked, 0);
    assert!(served.result().is_err());
}

#[test]
fn f29_a_server_begins_nothing_when_its_channel_has_ended() {
    let mut pair = Pair::open();
    let requests = pair.channel();
    let requests = pair.consumer(&requests, "c");
    let replies = pair.publisher();
    let begun = std::cell::Cell::new(0);
    let serving = RpcServer::new(requests, replies).serve(|request| {
        begun.set(begun.get() + 1);
        echo(request)
    });
    let mut serving = Task::start(serving);
    let requests: Vec<u8> = (1..=9).flat_map(|n| request(n, "there", "x")).collect();
    pair.feed(&requests);
    assert!(serving.run().is_pending());
    pair.feed(&wire::channel_close(1));
    assert!(serving.run().is_pending(), "a reply is under way");
    pair.feed(&wire::ack(2, 1, false));
    let served = serving.ready();
    assert_eq!((begun.get(), served.replied), (1, 1));
    assert_eq!(
        (served.handled.unsettled, served.handled.given_back),
        (1, 8)
    );
    assert!(served.result().is_err());
}

#[test]
fn f30_direct_addresses_that_are_none_are_not_published_to() {
    let mut pair = Pair::open();
    let requests = pair.channel();
    let requests = pair.consumer(&requests, "c");
    let replies = pair.publisher();
    let mut serving = Task::start(RpcServer::new(requests, replies).serve(echo));
    let real = "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMDE2OTUwMTIAAAMyAAAAAGsMro0=.byl8MkVXh6ZB0535rnfGLw==";
    let named = [
        request(1, "amq.rabbitmq.reply-to.gm0AAAAB.k", "x"),
        request(2, "amq.direct.reply-to", "x"),
        request(3, "amq.direct.reply-to.tag", "x"),
        request(4, real, "x"),
    ];
    pair.feed(&named.concat());
    assert!(serving.run().is_pending());
    let sent = pair.sent();
    let published = sent.iter().filter(|sent| sent.contains("publish"));
    let published: Vec<_> = published.cloned().collect();
    assert_eq!(published, ["2 basic.publish amq.direct.reply-to.tag"]);
    pair.feed(&wire::ack(2, 1, false));
    assert!(serving.run().is_pending());
    assert!(pair.sent().contains(&format!("2 basic.publish {real}")));
    pair.feed(&wire::ack(2, 2, false));
    assert!(serving.run().is_pending());
    pair.feed(&wire::channel_close(1));
    let served = serving.ready();
    assert_eq!((served.replied, served.unaddressed), (2, 2));
    assert_eq!(served.handled.acked, 4);
}
