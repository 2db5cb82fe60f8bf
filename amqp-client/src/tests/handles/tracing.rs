//! What subscribers of `tracing` are told: the scheme of docs/observability.md, and never a body or
//! a secret.

use std::cell::RefCell;
use std::fmt::{Debug, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use amqp_spec::{channel, connection, field_table};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber, subscriber};

use super::send_order::publish;
use crate::consume::QosScope;
use crate::error::{ChannelError, ConnectionError, Entity, EntityFailure};
use crate::event::{Counts, RecoveryReport};
use crate::proto::observe::Trace;
use crate::proto::time::clock::Clock;
use crate::sasl::Credentials;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ConnectionOptions, Message, QueueDeclare};

thread_local! {
    /// What this thread is told, if it listens.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    /// The texts among it, as they came.
    static TEXTS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Writes down everything that a thread which listens is told. There is one for all tests, for as
/// long as they run: `tracing` remembers for the whole process whether anybody is interested, and
/// subscribers that come and go on threads of their own make it forget now and then.
struct Capture;

fn note(line: String) {
    LINES.with_borrow_mut(|lines| {
        if let Some(lines) = lines {
            lines.push(line);
        }
    });
}

fn listens() -> bool {
    LINES.with_borrow(Option::is_some)
}

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        TEXTS.with_borrow_mut(|texts| {
            if let Some(texts) = texts {
                texts.push(value.to_owned());
            }
        });
        self.record_debug(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, " {value:?}").unwrap();
        } else {
            write!(self.0, " {field}={value:?}").unwrap();
        }
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("amqp_client")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        if listens() {
            let mut line = Line(format!("span {}", span.metadata().name()));
            span.record(&mut line);
            note(line.0);
        }
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        if listens() {
            let mut line = Line("span has moved:".to_owned());
            values.record(&mut line);
            note(line.0);
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if !listens() {
            return;
        }
        assert!(event.parent().is_some(), "outside of the connection's span");
        let metadata = event.metadata();
        let target = metadata.target().strip_prefix("amqp_client::").unwrap();
        let mut line = Line(format!("{} {target}", metadata.level()));
        event.record(&mut line);
        note(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is told while this runs: a line for each span and event, and each text in it as a
/// subscriber gets it.
pub(crate) fn told_with_texts(test: impl FnOnce()) -> Vec<String> {
    TEXTS.set(Some(Vec::new()));
    let mut lines = told(test);
    lines.extend(TEXTS.take().unwrap());
    lines
}

/// What is told while this runs.
pub(crate) fn told(test: impl FnOnce()) -> Vec<String> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| subscriber::set_global_default(Capture).unwrap());
    LINES.set(Some(Vec::new()));
    test();
    LINES.take().unwrap()
}

/// The same without requests and replies.
fn told_above_trace(test: impl FnOnce()) -> Vec<String> {
    let mut lines = told(test);
    lines.retain(|line| !line.starts_with(Level::TRACE.as_str()));
    lines
}

fn open(options: &ConnectionOptions) -> Pair {
    Pair::open_tuned(options, (10, 8192, 60))
}

#[test]
fn life_of_a_connection_is_told() {
    let lines = told_above_trace(|| {
        let mut pair = open(&quiet().host("broker.example"));
        let channel = pair.channel();
        let consumer = pair.consumer(&channel, "tag");
        let reason = wire::short("low on memory");
        pair.says(0, &connection::Blocked { reason });
        pair.says(0, &connection::Unblocked {});
        pair.says(1, &channel::Flow { active: false });
        let mut cancelling = Task::start(consumer.cancel());
        pair.sent();
        pair.feed(&wire::cancel_ok(1, "tag"));
        cancelling.ready().unwrap();
        let mut closing = Task::start(channel.close());
        pair.sent();
        pair.says(1, &channel::CloseOk {});
        closing.ready().unwrap();
        let connection = pair.connection.clone();
        let mut closing = Task::start(async move { connection.close().await });
        pair.sent();
        pair.says(0, &connection::CloseOk {});
        closing.ready().unwrap();
    });
    let (span, events) = lines.split_first().unwrap();
    let numberless: String = span.chars().filter(|c| !c.is_ascii_digit()).collect();
    assert_eq!(
        numberless,
        "span amqp.connection id= address=\"broker.example:\" virtual_host=\"/\""
    );
    assert_eq!(
        events,
        [
            "INFO connection connection opened channel_max=10 frame_max=8192 heartbeat=0ns",
            "DEBUG channel channel opened channel=1",
            "DEBUG consumer consumer started channel=1 consumer_tag=tag",
            "WARN connection connection blocked reason=\"low on memory\"",
            "INFO connection connection unblocked",
            "INFO channel channel flow channel=1 active=false",
            "DEBUG consumer consumer cancelled channel=1 consumer_tag=tag",
            "DEBUG channel channel closed channel=1 cause=channel closed by the application",
            "INFO connection connection closed cause=connection closed by the application",
        ]
    );
}

#[test]
fn host_that_answered_is_told_with_its_address() {
    let lines = told_above_trace(|| {
        let place = crate::proto::shared::place::Place {
            address: "rabbit-2:5672".to_owned(),
            peer: Some(([10, 0, 0, 2], 5672).into()),
        };
        let now = crate::tests::support::pair::now;
        let (_core, connection) = crate::Connection::with_core_at(&quiet(), Clock::new(now), place);
        let next = crate::proto::shared::place::Place {
            address: "rabbit-1:5672".to_owned(),
            peer: Some(([10, 0, 0, 1], 5672).into()),
        };
        connection.shared().moved(next);
        connection.shared().trace.unblocked();
        assert_eq!(connection.address(), "rabbit-1:5672");
        assert_eq!(connection.peer_addr(), Some(([10, 0, 0, 1], 5672).into()));
    });
    let told = " address=\"rabbit-2:5672\" peer=10.0.0.2:5672 virtual_host=\"/\"";
    assert!(lines[0].ends_with(told), "{}", lines[0]);
    let next =
        lines[1].strip_suffix(" address=\"rabbit-1:5672\" peer=10.0.0.1:5672 virtual_host=\"/\"");
    // Another span of the same connection, and nothing recorded anew in one of before.
    assert_eq!(next, lines[0].strip_suffix(told));
    assert_eq!(lines[2], "INFO connection connection unblocked");
}

#[test]
fn what_a_recovery_could_not_restore_is_told_one_by_one() {
    let consumer = Entity::Consumer {
        channel: 1,
        consumer_tag: "tag".to_owned(),
        queue: "orders".to_owned(),
    };
    let cause = ChannelError::Connection(ConnectionError::EndOfStream);
    let report = RecoveryReport {
        attempts: 2,
        outage: Duration::from_secs(3),
        restored: Counts::default(),
        skipped: vec![EntityFailure::new(consumer.clone(), cause)],
        renamed: Vec::new(),
        resent: 0,
    };
    let lines = told_above_trace(|| {
        let trace = Trace::new("broker.example:5672", None::<&str>, "/");
        trace.retrying(1, Duration::from_millis(300), None);
        trace.recovered(&report);
        trace.restored(&consumer);
    });
    assert_eq!(
        lines[1..],
        [
            "DEBUG connection connecting again attempt=1 delay=300ms",
            "WARN connection not restored failure=consumer 'tag' of queue 'orders' on channel 1: \
             connection lost: the broker ended the stream",
            "INFO connection connection recovered report=recovered after 3.0 s in 2 attempts: \
             nothing; 1 not restored",
            "INFO connection restored entity=consumer 'tag' of queue 'orders' on channel 1",
        ]
    );
}

#[test]
fn what_the_broker_ends_is_told_as_a_warning() {
    let lines = told_above_trace(|| {
        let mut pair = open(&quiet());
        let channel = pair.channel();
        let _consumer = pair.consumer(&channel, "tag");
        let cancel = amqp_spec::basic::Cancel {
            consumer_tag: wire::short("tag"),
            no_wait: true,
        };
        pair.says(1, &cancel);
        pair.feed(&wire::returned(1, "nowhere", b"body"));
        pair.feed(&wire::channel_close(1));
        pair.feed(&wire::connection_close());
    });
    let expected = [
        "WARN consumer consumer cancelled by the broker",
        "WARN publish message returned, and no publisher waits for it channel=1 reply_code=312",
        "WARN channel channel closed channel=1 cause=channel 1 closed by the broker: 404",
        "WARN connection connection closed cause=connection closed by the broker: ",
    ];
    let warnings: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("WARN"))
        .collect();
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    for (line, expected) in warnings.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn limit_of_a_channel_that_becomes_one_of_each_consumer_is_a_warning() {
    let lines = told_above_trace(|| {
        let mut pair = Pair::new(&quiet());
        let server = field_table! { "product" => "RabbitMQ", "version" => "4.3.0" };
        pair.feed(&wire::start_with(&server, "PLAIN", (0, 9)));
        pair.feed(&wire::tune(10, 8192, 60));
        pair.feed(&wire::open_ok());
        pair.sent_octets();
        let channel = pair.channel();
        for _ in 0..2 {
            drop(Task::start(channel.basic_qos(5, QosScope::Channel)));
        }
    });
    let warnings: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("WARN"))
        .collect();
    let expected = "WARN channel the broker takes the channel's limit for one of each consumer \
                    channel=1 prefetch_count=5";
    assert_eq!(warnings, [expected]);
}

#[test]
fn violations_and_silence_are_told_once() {
    let lines = told_above_trace(|| {
        let mut pair = open(&quiet());
        pair.feed(&wire::method(7, &channel::CloseOk {}));
        pair.feed(&wire::method(7, &channel::CloseOk {}));
        let mut pair = open(&quiet().heartbeat(Duration::from_secs(10)));
        pair.advance(Duration::from_secs(60));
    });
    let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    let violation = "DEBUG connection protocol violated by the broker violation=frame on channel 7";
    assert_eq!(count(violation), 1, "{lines:?}");
    assert_eq!(count("WARN connection heartbeats missed silence=20s"), 1);
    assert_eq!(count("WARN connection connection closed"), 2);
}

#[test]
fn renewals_that_fail_are_told() {
    let asked = AtomicUsize::new(0);
    let options = quiet().credential_source(move || {
        let n = asked.fetch_add(1, Ordering::Relaxed);
        async move {
            match n {
                0 => Ok(Credentials::new("app", "t0ken").valid_for(Duration::from_secs(60))),
                1 => Err("the token server is down"),
                _ => std::future::pending().await,
            }
        }
    });
    let options = done(options.with_current_credentials()).unwrap();
    let lines = told_above_trace(|| {
        let pair = open(&options);
        let slept = AtomicUsize::new(0);
        // Until the source has failed, and not answered.
        let sleep = move |_| {
            let n = slept.fetch_add(1, Ordering::Relaxed);
            std::future::poll_fn(move |_| {
                if n < 4 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
        };
        let mut renewal = Task::start(pair.connection.renew_credentials(&options, sleep));
        renewal.pending();
    });
    let events: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| line.contains("credentials"))
        .collect();
    let expected = [
        "WARN connection credentials not renewed cause=no credentials: the token server is down",
        "WARN connection credentials not renewed cause=not done after 10 s",
    ];
    assert_eq!(events, expected);
}

#[test]
fn requests_are_told_at_trace_and_those_without_a_reply_at_debug() {
    let lines = told(|| {
        let mut pair = open(&quiet());
        let channel = pair.channel();
        let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("q")));
        pair.sent();
        pair.feed(&wire::declare_ok(1, "q"));
        declaring.ready().unwrap();
        let mut purging = Task::start(channel.queue_purge("q"));
        pair.advance(Duration::from_secs(30));
        assert!(purging.ready().is_err());
    });
    for line in [
        "TRACE request request channel=1 method=\"queue.declare\"",
        "TRACE request reply channel=1 method=\"queue.declare-ok\"",
        "DEBUG request no reply in time channel=1 method=\"queue.purge\"",
    ] {
        assert!(lines.iter().any(|told| told == line), "{line}: {lines:#?}");
    }
}

#[test]
fn messages_are_not_told_and_neither_are_bodies_and_secrets() {
    let secret = "s3cr3t-of-the-tests";
    let lines = told(|| {
        let options = quiet().login("app", secret);
        let mut pair = open(&options);
        let publisher = pair.publisher();
        let channel = publisher.channel().clone();
        let mut consumer = pair.consumer(&channel, "tag");
        let headers = field_table! { "token" => secret };
        let message = Message::new(secret)
            .headers(&headers)
            .correlation_id(secret);
        let sent = done(publisher.mandatory().send("", "key", &message)).unwrap();
        for delivery in pair.deliver(&mut consumer, 1..=10) {
            publish(&channel, "key", 10);
            delivery.ack().unwrap();
        }
        pair.feed(&wire::returned(1, "key", secret.as_bytes()));
        drop(sent);
        pair.feed(&wire::returned(1, "key", secret.as_bytes()));
        let mut getting = Task::start(channel.basic_get("q"));
        pair.sent();
        pair.feed(&wire::content(1, &wire::get_ok(11), secret.as_bytes()));
        drop(getting.ready().unwrap());
        pair.feed(&wire::delivery(1, "nobody", 12, secret.as_bytes()));
        pair.feed(secret.as_bytes());
    });
    let all = lines.join("\n");
    assert!(!all.contains(secret), "{all}");
    let octets = format!("{:?}", secret.as_bytes());
    assert!(!all.contains(octets.trim_matches(['[', ']'])), "{all}");
    for word in ["publish ", "delivery", "ack"] {
        let told = lines.iter().filter(|line| line.contains(word)).count();
        // Only what came back to nobody.
        assert!(told <= 2, "{word}: {lines:#?}");
    }
}

#[test]
fn handlers_that_fail_are_told_without_what_they_say() {
    let lines = told_above_trace(|| {
        let mut pair = Pair::open();
        let channel = pair.channel();
        let consumer = pair.consumer(&channel, "tag");
        let mut handling = Task::start(consumer.handle(async |message: crate::ReceivedMessage| {
            assert_ne!(message.body(), b"secret", "secret");
            Err::<(), _>(String::from_utf8_lossy(message.body()).into_owned())
        }));
        for (n, body) in [(1, "hidden"), (2, "secret")] {
            pair.feed(&wire::delivery(1, "tag", n, body.as_bytes()));
        }
        assert!(handling.run().is_pending());
    });
    let events: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| line.contains("handler"))
        .collect();
    let expected = [
        "WARN consumer handler failed channel=1 delivery_tag=1 panicked=false",
        "WARN consumer handler failed channel=1 delivery_tag=2 panicked=true",
    ];
    assert_eq!(events, expected);
    let all = lines.join("\n");
    assert!(!all.contains("secret") && !all.contains("hidden"), "{all}");
}
