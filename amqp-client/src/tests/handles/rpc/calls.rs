//! Calls and their replies: who gets which, and what becomes of those that get none.

use std::future::IntoFuture;
use std::time::Duration;

use amqp_spec::basic::Properties;
use amqp_spec::{basic, channel, confirm};

use crate::error::ConnectionError;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ChannelError, ConsumeError, Message, ReceivedMessage, rpc};

/// A client that is open, and the tag of its consumer.
pub(crate) struct Calling {
    pub(crate) pair: Pair,
    pub(crate) client: rpc::Client,
    pub(crate) tag: String,
    pub(crate) n_delivered: u64,
}

impl Calling {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::with(|client| client)
    }

    #[track_caller]
    pub(crate) fn with(options: impl FnOnce(rpc::OpenClient) -> rpc::OpenClient) -> Self {
        let mut pair = Pair::open_with(&quiet());
        let open = options(rpc::Client::open(&pair.connection));
        let mut opening = Task::start(open.into_future());
        assert_eq!(pair.sent(), ["1 channel.open"]);
        pair.says(1, &channel::OpenOk {});
        opening.pending();
        assert_eq!(pair.sent(), ["1 confirm.select"]);
        pair.says(1, &confirm::SelectOk {});
        opening.pending();
        let sent = pair.sent();
        let tag = sent[0].strip_prefix("1 basic.consume ").unwrap().to_owned();
        pair.feed(&wire::consume_ok(1, &tag));
        let client = opening.ready().unwrap();
        Self {
            pair,
            client,
            tag,
            n_delivered: 0,
        }
    }

    /// A call that has been sent.
    #[track_caller]
    pub(crate) fn call(&mut self) -> Task<'static, Result<ReceivedMessage, rpc::Error>> {
        let client = self.client.clone();
        let call = async move { client.call("", "server", Message::new("?")).await };
        let call = Task::start(call);
        let sent = self.pair.sent();
        assert_eq!(
            sent,
            ["1 basic.publish server mandatory", "1 header 1", "1 body 1"]
        );
        call
    }

    pub(crate) fn delivery(&mut self, id: &str, body: &str) -> Vec<u8> {
        self.n_delivered += 1;
        let properties = Properties::new().correlation_id(wire::short(id));
        [
            wire::method(1, &wire::deliver(&self.tag, self.n_delivered)),
            wire::header_with(1, body.len() as u64, properties.as_ref()),
            wire::body(1, body.as_bytes(), wire::FRAME_MAX),
        ]
        .concat()
    }

    pub(crate) fn reply(&mut self, id: &str, body: &str) {
        let delivery = self.delivery(id, body);
        self.pair.feed(&delivery);
    }

    #[track_caller]
    pub(crate) fn assert_counts(&self, expected: [u64; 6]) {
        let rpc::Counters {
            calls,
            pending,
            replies,
            timed_out,
            late,
            unknown,
        } = self.client.counters();
        let counts = [calls, pending, replies, timed_out, late, unknown];
        assert_eq!(
            counts, expected,
            "calls, pending, replies, timed out, late, unknown"
        );
    }

    /// Nothing is left of any call.
    #[track_caller]
    pub(crate) fn assert_nothing_waits(&self) {
        assert_eq!(self.client.counters().pending, 0);
        assert_eq!(self.pair.core.shared().timers.len(), 0);
    }
}

#[track_caller]
pub(crate) fn assert_reply(reply: Result<ReceivedMessage, rpc::Error>, body: &str) {
    assert_eq!(reply.unwrap().text().unwrap(), body);
}

#[test]
fn replies_find_their_calls_in_any_order() {
    let mut calling = Calling::new();
    let mut first = calling.call();
    let mut second = calling.call();
    calling.reply("2", "two");
    assert!(!first.is_due(), "only the second is woken");
    assert_reply(second.ready(), "two");
    // Confirmed only now: it makes no difference.
    calling.pair.feed(&wire::ack(1, 2, true));
    first.pending();
    calling.reply("1", "one");
    assert_reply(first.ready(), "one");
    calling.assert_counts([2, 0, 2, 0, 0, 0]);
    calling.assert_nothing_waits();
}

#[test]
fn a_call_is_a_future_and_is_made_when_it_is_polled() {
    let mut calling = Calling::new();
    let client = calling.client.clone();
    let call = || client.call("", "server", Message::new("?"));
    drop(call());
    let (mut one, mut two) = (Task::start(call()), Task::start(call()));
    assert_eq!(calling.pair.sent().len(), 6);
    calling.reply("2", "two");
    one.pending();
    assert_reply(two.ready(), "two");
    calling.reply("1", "one");
    assert_reply(one.ready(), "one");
    calling.assert_counts([2, 0, 2, 0, 0, 0]);
}

#[test]
fn confirm_and_reply_may_come_together() {
    let mut calling = Calling::new();
    let mut call = calling.call();
    let reply = calling.delivery("1", "one");
    calling.pair.feed(&[wire::ack(1, 1, false), reply].concat());
    assert_reply(call.ready(), "one");
    calling.assert_nothing_waits();
}

#[test]
fn f14_reply_later_than_the_call_s_timeout_is_counted_and_dropped() {
    let mut calling = Calling::with(|open| open.timeout(Duration::from_secs(3)));
    let mut call = calling.call();
    calling.pair.feed(&wire::ack(1, 1, false));
    calling.pair.advance(Duration::from_secs(2));
    call.pending();
    calling.pair.advance(Duration::from_secs(1));
    let Err(error @ rpc::Error::Timeout { sent: true, .. }) = call.ready() else {
        panic!("no reply has come");
    };
    assert_eq!(error.to_string(), "no reply within 3 s (queue 'server')");
    drop(call);
    calling.reply("1", "late");
    calling.assert_counts([1, 0, 0, 1, 1, 0]);
    let mut call = calling.call();
    calling.reply("2", "in time");
    assert_reply(call.ready(), "in time");
    drop(call);
    calling.assert_nothing_waits();
    assert_eq!(calling.pair.core.shared().reading.buffered(), 0);
}

#[test]
fn a_call_may_have_a_timeout_of_its_own() {
    let mut calling = Calling::new();
    let client = calling.client.clone();
    let call = client.call("", "server", Message::new("?"));
    let mut call = Task::start(call.timeout(Duration::from_secs(1)).into_future());
    let mut patient = calling.call_after_first();
    calling.pair.advance(Duration::from_secs(1));
    assert!(matches!(call.ready(), Err(rpc::Error::Timeout { .. })));
    patient.pending();
    calling.pair.advance(Duration::from_secs(29));
    assert!(matches!(patient.ready(), Err(rpc::Error::Timeout { .. })));
}

impl Calling {
    fn call_after_first(&mut self) -> Task<'static, Result<ReceivedMessage, rpc::Error>> {
        self.pair.sent();
        self.call()
    }
}

#[test]
fn a_call_that_cannot_be_sent_in_time_says_so() {
    let mut calling = Calling::with(|open| open.timeout(Duration::from_secs(3)));
    let reason = wire::short("low on memory");
    calling
        .pair
        .says(0, &amqp_spec::connection::Blocked { reason });
    let client = calling.client.clone();
    let mut call = Task::start(client.call("", "server", Message::new("?")).into_future());
    calling.pair.advance(Duration::from_secs(3));
    let Err(error @ rpc::Error::Timeout { sent: false, .. }) = call.ready() else {
        panic!("the broker takes no messages");
    };
    assert_eq!(
        error.to_string(),
        "request not sent within 3 s (queue 'server')"
    );
    drop(call);
    assert_eq!(calling.pair.sent(), [""; 0]);
    calling.assert_nothing_waits();
}

#[test]
fn a_second_reply_is_late_and_an_unknown_one_unknown() {
    let mut calling = Calling::new();
    let mut call = calling.call();
    let replies = [
        calling.delivery("1", "first"),
        calling.delivery("1", "second"),
        calling.delivery("2", "of no call"),
        calling.delivery("0", "of no call"),
        calling.delivery("01", "of no call"),
        calling.delivery("x", "of no call"),
        wire::delivery(1, &calling.tag, 7, b"without an id"),
    ];
    calling.n_delivered = 7;
    calling.pair.feed(&replies.concat());
    assert_reply(call.ready(), "first");
    drop(call);
    calling.reply("1", "third");
    calling.assert_counts([1, 0, 1, 0, 2, 5]);
    assert_eq!(calling.pair.core.shared().reading.buffered(), 0);
}

#[test]
fn a_dropped_call_frees_its_place() {
    let mut calling = Calling::with(|open| open.max_calls(2));
    let first = calling.call();
    let mut second = calling.call();
    let client = calling.client.clone();
    let Err(rpc::Error::TooManyCalls { limit: 2 }) =
        done(client.call("", "server", Message::new("?")).into_future())
    else {
        panic!("two are allowed");
    };
    assert_eq!(calling.pair.sent(), [""; 0]);
    drop(first);
    calling.assert_counts([2, 1, 0, 0, 0, 0]);
    let third = calling.call();
    calling.reply("1", "for nobody");
    calling.reply("2", "two");
    assert_reply(second.ready(), "two");
    calling.assert_counts([3, 1, 1, 0, 1, 0]);
    drop(third);
    calling.assert_nothing_waits();
}

#[test]
fn a_request_that_nobody_gets_is_handed_back() {
    let mut calling = Calling::new();
    let mut call = calling.call();
    let properties = Properties::new()
        .correlation_id(wire::short("1"))
        .reply_to(wire::short("amq.rabbitmq.reply-to"));
    let returned = wire::returned_with(1, "server", properties.as_ref(), b"?");
    calling
        .pair
        .feed(&[returned, wire::ack(1, 1, false)].concat());
    let Err(rpc::Error::Unroutable(returned)) = call.ready() else {
        panic!("it was returned");
    };
    assert_eq!(returned.body(), b"?");
    let mut call = calling.call();
    calling.pair.feed(&wire::nack(1, 2, false));
    assert!(matches!(call.ready(), Err(rpc::Error::Nacked)));
    drop(call);
    calling.assert_nothing_waits();
}

#[test]
fn s3_calls_end_with_the_connection_and_its_cause() {
    let mut calling = Calling::new();
    let mut unconfirmed = calling.call();
    let mut confirmed = calling.call();
    let mut answered = calling.call();
    calling.pair.feed(&wire::ack(1, 2, false));
    confirmed.pending();
    calling.reply("3", "just in time");
    calling.pair.feed(&wire::connection_close());
    for call in [&mut unconfirmed, &mut confirmed] {
        let Err(rpc::Error::Uncertain(ConsumeError::Channel(ChannelError::Connection(
            ConnectionError::ClosedByBroker(close),
        )))) = call.ready()
        else {
            panic!("the broker has closed the connection");
        };
        assert_eq!(close.reply_code.0, 320);
    }
    assert_reply(answered.ready(), "just in time");
    let client = calling.client.clone();
    let refused = done(client.call("", "server", Message::new("?")).into_future());
    assert!(
        matches!(refused, Err(rpc::Error::NotSent(_))),
        "{refused:?}"
    );
    calling.assert_counts([3, 0, 1, 0, 0, 0]);
}

#[test]
fn calls_that_wait_while_the_program_closes_the_connection_are_told_so() {
    let mut calling = Calling::new();
    let mut call = calling.call();
    calling.pair.feed(&wire::ack(1, 1, false));
    call.pending();
    let connection = calling.pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    calling.pair.sent();
    calling.pair.says(0, &amqp_spec::connection::CloseOk {});
    closing.ready().unwrap();
    let Err(rpc::Error::Uncertain(ConsumeError::Channel(ChannelError::Connection(
        ConnectionError::Closed,
    )))) = call.ready()
    else {
        panic!("it was the connection that was closed");
    };
}

#[test]
fn s3_calls_end_with_the_channel_and_its_cause() {
    let mut calling = Calling::new();
    let mut call = calling.call();
    calling.pair.feed(&wire::channel_close(1));
    let Err(rpc::Error::Uncertain(ConsumeError::Channel(ChannelError::ClosedByBroker(_)))) =
        call.ready()
    else {
        panic!("the broker has closed the channel");
    };
}

#[test]
fn calls_end_when_the_program_closes_the_channel() {
    let mut calling = Calling::new();
    let mut call = calling.call();
    calling.pair.feed(&wire::ack(1, 1, false));
    call.pending();
    let channel = calling.client.channel();
    let mut closing = Task::start(async move { channel.close().await });
    assert_eq!(calling.pair.sent(), ["1 channel.close 200"]);
    calling.pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    let Err(rpc::Error::Uncertain(ConsumeError::Channel(ChannelError::Closed))) = call.ready()
    else {
        panic!("the program has closed the channel");
    };
}

#[test]
fn calls_end_when_the_broker_cancels_the_consumer() {
    let mut calling = Calling::new();
    let mut call = calling.call();
    let consumer_tag = wire::short(&calling.tag);
    let no_wait = true;
    calling.pair.says(
        1,
        &basic::Cancel {
            consumer_tag,
            no_wait,
        },
    );
    let Err(rpc::Error::Uncertain(ConsumeError::CancelledByBroker { .. })) = call.ready() else {
        panic!("the broker has cancelled the consumer");
    };
}

#[test]
fn the_last_client_closes_its_channel() {
    let Calling {
        mut pair, client, ..
    } = Calling::new();
    let other = client.clone();
    drop(client);
    assert_eq!(pair.sent(), [""; 0]);
    drop(other);
    let sent = pair.sent();
    assert!(sent[0].starts_with("1 basic.cancel"), "{sent:?}");
    assert!(!sent[1..].is_empty() || sent.len() == 1, "{sent:?}");
}

#[test]
fn s16_a_reply_is_read_though_a_slow_consumer_holds_much() {
    let mut calling = Calling::new();
    let slow = calling.pair.channel();
    let mut starting = Task::start(slow.consume("q").tag("slow").no_ack().into_future());
    calling.pair.sent();
    calling.pair.feed(&wire::consume_ok(2, "slow"));
    let _slow = starting.ready().unwrap();
    let mut call = calling.call();
    calling.pair.feed(&wire::ack(1, 1, false));
    call.pending();
    let body = vec![b'.'; 1024 * 1024];
    for n in 1..=17 {
        calling.pair.feed(&wire::delivery(2, "slow", n, &body));
    }
    assert!(calling.pair.core.shared().reading.buffered() > 16 * 1024 * 1024);
    assert!(calling.pair.wants_read());
    calling.reply("1", "one");
    assert_reply(call.ready(), "one");
    drop(call);
    // The client waits for replies, of other calls perhaps; but beyond the last mark nothing is
    // read.
    assert!(calling.pair.wants_read());
    for n in 18..=64 {
        calling.pair.feed(&wire::delivery(2, "slow", n, &body));
    }
    assert!(!calling.pair.wants_read());
}
