//! Requests and their replies: what becomes of a request, whatever becomes of its reply.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use amqp_spec::basic::Properties;

use crate::consume::HandlerEnd;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::Task;
use crate::tests::support::wire;
use crate::{ChannelError, ConsumeError, Disposition, Message, ReceivedMessage, rpc};

/// A server at work.
pub(crate) struct Serving {
    pub(crate) pair: Pair,
    pub(crate) serving: Task<'static, rpc::ServeSummary>,
    /// What the owner was told.
    told: Arc<Mutex<Vec<String>>>,
    pub(crate) n_handled: Arc<AtomicUsize>,
}

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

pub(crate) async fn echo(request: ReceivedMessage) -> Result<Message, &'static str> {
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
        rpc::Server::new(requests, replies.mandatory())
            .concurrency(9)
            .serve(echo),
    );
    pair.feed(&[request(1, "there", "one"), request(2, "here", "two")].concat());
    assert!(serving.run().is_pending());
    let sent = [
        "2 basic.publish there mandatory",
        "2 header 3",
        "2 body 3",
        "2 basic.publish here mandatory",
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
fn f29_a_server_begins_nothing_when_its_channel_has_ended() {
    let mut pair = Pair::open();
    let requests = pair.channel();
    let requests = pair.consumer(&requests, "c");
    let replies = pair.publisher();
    let begun = std::cell::Cell::new(0);
    let serving = rpc::Server::new(requests, replies).serve(|request| {
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
    let mut serving = Task::start(rpc::Server::new(requests, replies).serve(echo));
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

#[test]
fn requester_whose_queue_is_gone_is_counted_and_costs_nothing() {
    let mut pair = Pair::open();
    let requests = pair.channel();
    let requests = pair.consumer(&requests, "c");
    let replies = pair.publisher();
    let mut serving = Task::start(rpc::Server::new(requests, replies).serve(echo));
    pair.feed(&request(1, "gone", "x"));
    assert!(serving.run().is_pending());
    assert_eq!(pair.sent()[0], "2 basic.publish gone mandatory");
    pair.feed(&wire::returned(2, "gone", b"x"));
    pair.feed(&wire::ack(2, 1, false));
    assert!(serving.run().is_pending());
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    pair.feed(&wire::channel_close(1));
    let served = serving.ready();
    assert_eq!((served.replied, served.unroutable), (0, 1));
    assert_eq!((served.handled.acked, served.handled.failed), (1, 0));
}

impl Serving {
    /// A server of `echo`, whose requests come on channel 1 and whose replies go out on channel 2.
    #[track_caller]
    pub(crate) fn new(options: impl FnOnce(rpc::Server) -> rpc::Server) -> Self {
        let mut pair = Pair::open();
        let requests = pair.channel();
        let requests = pair.consumer(&requests, "c");
        let replies = pair.publisher();
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let server = options(rpc::Server::new(requests, replies))
            .report(move |failure| log.lock().unwrap().push(failure.to_string()));
        let n_handled = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&n_handled);
        let serving = Task::start(server.serve(move |request| {
            counter.fetch_add(1, Ordering::Relaxed);
            echo(request)
        }));
        Self {
            pair,
            serving,
            told,
            n_handled,
        }
    }

    #[track_caller]
    pub(crate) fn run(&mut self) {
        assert!(self.serving.run().is_pending());
    }

    /// What was published since the last look: where to.
    #[track_caller]
    pub(crate) fn published(&mut self) -> Vec<String> {
        self.run();
        let sent = self.pair.sent();
        let published = sent
            .iter()
            .filter_map(|sent| sent.strip_prefix("2 basic.publish "))
            .map(|key| key.trim_end_matches(" mandatory"));
        published.map(str::to_owned).collect()
    }

    /// The broker closes the replies' channel, and opens the next one.
    #[track_caller]
    fn lose_replies(&mut self) {
        self.pair.feed(&wire::method(2, &refusal()));
        self.run();
        let sent = self.pair.sent();
        if sent == ["2 channel.close-ok"] {
            self.pair.advance(std::time::Duration::from_secs(5));
            self.run();
            assert_eq!(self.pair.sent(), ["2 channel.open"]);
        } else {
            assert_eq!(sent, ["2 channel.close-ok", "2 channel.open"]);
        }
        self.pair.says(2, &amqp_spec::channel::OpenOk {});
        self.run();
        assert_eq!(
            self.pair.sent(),
            ["2 confirm.select"],
            "before the first publish"
        );
        self.pair.says(2, &amqp_spec::confirm::SelectOk {});
    }

    pub(crate) fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

/// What RabbitMQ says of a message that is too large.
pub(crate) fn refusal() -> amqp_spec::channel::Close<'static> {
    amqp_spec::channel::Close {
        reply_code: 406,
        reply_text: wire::short("PRECONDITION_FAILED - message size is larger than configured"),
        class_id: 60,
        method_id: 40,
    }
}

#[test]
fn f30_a_request_whose_reply_costs_the_channel_is_told_and_rejected_and_the_others_are_answered() {
    let mut serving = Serving::new(|server| server.concurrency(9));
    let requests = ["one", "bad", "three"].into_iter().zip(1..);
    let requests: Vec<u8> = requests.flat_map(|(to, n)| request(n, to, "x")).collect();
    serving.pair.feed(&requests);
    assert_eq!(serving.published(), ["one", "bad", "three"]);
    serving.lose_replies();
    // One at a time: the one that ends the channel is to blame.
    assert_eq!(serving.published(), ["one"]);
    serving.pair.feed(&wire::ack(2, 1, false));
    serving.run();
    let sent = serving.pair.sent();
    assert_eq!(
        sent[..2],
        ["1 basic.ack 1", "2 basic.publish bad mandatory"]
    );
    serving.pair.feed(&request(4, "four", "x"));
    assert_eq!(serving.published(), [""; 0], "beside one that is suspect");
    assert_eq!(serving.told(), [""; 0]);
    serving.pair.feed(&wire::method(2, &refusal()));
    serving.run();
    let sent = serving.pair.sent();
    assert!(sent.contains(&"1 basic.reject 2".to_owned()), "{sent:?}");
    let told = serving.told();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("delivery 2 rejected: "), "{told:?}");
    assert!(told[0].contains("message size is larger"), "{told:?}");
    serving.pair.advance(std::time::Duration::from_millis(100));
    serving.run();
    assert_eq!(serving.pair.sent(), ["2 channel.open"]);
    serving.pair.says(2, &amqp_spec::channel::OpenOk {});
    serving.run();
    serving.pair.sent();
    serving.pair.says(2, &amqp_spec::confirm::SelectOk {});
    assert_eq!(serving.published(), ["three"]);
    serving.pair.feed(&wire::ack(2, 1, false));
    assert_eq!(serving.published(), ["four"]);
    serving.pair.feed(&wire::ack(2, 2, false));
    serving.run();
    assert_eq!(
        serving.n_handled.load(Ordering::Relaxed),
        4,
        "none is handled twice"
    );
    serving.pair.feed(&wire::channel_close(1));
    let served = serving.serving.ready();
    assert_eq!((served.replied, served.handled.acked), (3, 3));
    assert_eq!((served.handled.rejected, served.handled.failed), (1, 1));
}

#[test]
fn a_request_that_is_to_blame_does_not_go_back_whatever_becomes_of_others() {
    for (settle, sent) in [
        (Disposition::Requeue, "1 basic.reject 1"),
        (Disposition::Retry, "1 basic.reject 1"),
        (Disposition::Ack, "1 basic.ack 1"),
    ] {
        let mut serving = Serving::new(|server| server.on_failure(settle));
        serving.pair.feed(&request(1, "bad", "x"));
        assert_eq!(serving.published(), ["bad"]);
        // It was alone.
        serving.pair.feed(&wire::method(2, &refusal()));
        serving.run();
        let settled = serving.pair.sent();
        assert!(
            settled.contains(&sent.to_owned()),
            "{settle:?}: {settled:?}"
        );
    }
}

#[test]
fn a_reply_is_not_blamed_for_a_channel_that_was_closed_for_something_else() {
    let mut serving = Serving::new(|server| server);
    serving.pair.feed(&request(1, "there", "x"));
    assert_eq!(serving.published(), ["there"]);
    for _ in 0..3 {
        let close = amqp_spec::channel::Close {
            class_id: 50,
            method_id: 10,
            ..refusal()
        };
        serving.pair.feed(&wire::method(2, &close));
        serving.run();
        serving.pair.advance(std::time::Duration::from_secs(1));
        serving.run();
        let sent = serving.pair.sent();
        assert_eq!(sent.last().unwrap(), "2 channel.open", "{sent:?}");
        serving.pair.says(2, &amqp_spec::channel::OpenOk {});
        serving.run();
        serving.pair.sent();
        serving.pair.says(2, &amqp_spec::confirm::SelectOk {});
        assert_eq!(serving.published(), ["there"]);
    }
    serving.pair.feed(&wire::ack(2, 1, false));
    serving.run();
    assert_eq!(serving.pair.sent(), ["1 basic.ack 1"]);
    assert_eq!(serving.told(), [""; 0]);
}

#[test]
fn a_reply_that_was_not_written_goes_on_by_itself() {
    let mut serving = Serving::new(|server| server.concurrency(9));
    serving.pair.write_limit = 0;
    serving.pair.feed(&request(1, "there", "x"));
    serving.run();
    serving.pair.feed(&wire::method(2, &refusal()));
    serving.run();
    serving.pair.write_limit = usize::MAX;
    serving.run();
    let sent = serving.pair.sent();
    assert_eq!(sent, ["2 channel.close-ok", "2 channel.open"]);
    serving.pair.says(2, &amqp_spec::channel::OpenOk {});
    serving.run();
    serving.pair.sent();
    serving.pair.says(2, &amqp_spec::confirm::SelectOk {});
    assert_eq!(serving.published(), ["there"]);
    // It was not sent before: it is not suspect yet, and may go beside others.
    serving.pair.feed(&request(2, "here", "x"));
    assert_eq!(serving.published(), ["here"]);
}

#[test]
fn a_server_whose_replies_the_program_ends_stops_and_gives_requests_back() {
    let mut pair = Pair::open();
    let requests = pair.channel();
    let requests = pair.consumer(&requests, "c");
    let replies = pair.publisher();
    let channel = replies.channel().clone();
    let mut serving = Task::start(
        rpc::Server::new(requests, replies)
            .concurrency(2)
            .serve(echo),
    );
    let named = [
        request(1, "there", "one"),
        request(2, "there", "two"),
        request(3, "there", "three"),
    ];
    pair.feed(&named.concat());
    assert!(serving.run().is_pending());
    let mut closing = Task::start(async move { channel.close().await });
    pair.sent();
    pair.says(2, &amqp_spec::channel::CloseOk {});
    closing.ready().unwrap();
    let served = serving.ready();
    let sent = pair.sent();
    for expected in [
        "1 basic.cancel c",
        "1 basic.reject 1 requeue",
        "1 basic.reject 2 requeue",
    ] {
        assert!(sent.iter().any(|sent| sent == expected), "{sent:?}");
    }
    let HandlerEnd::Failed(ConsumeError::Channel(ChannelError::Closed)) = &served.handled.end
    else {
        panic!("{:?}", served.handled.end);
    };
    assert_eq!(served.handled.acked, 0);
    assert!(served.result().is_err());
}
