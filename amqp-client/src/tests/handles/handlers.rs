//! Consuming with a handler: what is settled how, how many run, and how it ends.

use std::cell::RefCell;
use std::future::{pending, poll_fn, ready};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::consume::{HandlerEnd, HandlerSummary};
use crate::tests::support::pair::Pair;
use crate::tests::support::task::Task;
use crate::tests::support::wire;
use crate::{Channel, ChannelError, ConsumeError, Consumer, Disposition, ReceivedMessage};

fn consuming() -> (Pair, Channel, Consumer) {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "c");
    (pair, channel, consumer)
}

fn cancel_by_broker(pair: &mut Pair) {
    let cancel = amqp_spec::basic::Cancel {
        consumer_tag: wire::short("c"),
        no_wait: true,
    };
    pair.says(1, &cancel);
}

/// A delivery of a message that says what is to be done with it.
fn message(tag: u64, redelivered: bool, body: &str) -> Vec<u8> {
    let deliver = amqp_spec::basic::Deliver {
        redelivered,
        ..wire::deliver("c", tag)
    };
    wire::content(1, &deliver, body.as_bytes())
}

async fn as_told(message: ReceivedMessage) -> Result<Disposition, io::Error> {
    match message.text().unwrap() {
        "ack" => Ok(Disposition::Ack),
        "requeue" => Ok(Disposition::Requeue),
        "reject" => Ok(Disposition::Reject),
        "retry" => Ok(Disposition::Retry),
        "fail" => Err(io::Error::other("no such order")),
        "panic" => panic!("what now?"),
        other => panic!("{other} is unknown"),
    }
}

/// What opens from outside, for handlers to wait on.
#[derive(Clone, Default)]
struct Door(Rc<RefCell<(bool, Vec<Waker>)>>);

impl Door {
    fn open(&self) {
        let mut door = self.0.borrow_mut();
        door.0 = true;
        let wakers = std::mem::take(&mut door.1);
        drop(door);
        for waker in wakers {
            waker.wake();
        }
    }

    async fn pass(self) {
        poll_fn(|context| {
            let mut door = self.0.borrow_mut();
            if door.0 {
                return Poll::Ready(());
            }
            door.1.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[track_caller]
fn assert_counts(handled: &HandlerSummary, acked: u64, requeued: u64, rejected: u64) {
    let counts = (handled.acked, handled.requeued, handled.rejected);
    assert_eq!(counts, (acked, requeued, rejected), "{handled:?}");
}

#[test]
fn what_the_handler_says_settles_the_message() {
    let (mut pair, channel, consumer) = consuming();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let report = move |failure: &crate::consume::HandlerFailure| {
        log.lock().unwrap().push(failure.to_string());
    };
    let mut handling = Task::start(consumer.handle(as_told).report(report));
    let say = |pair: &mut Pair, tag, redelivered, body| {
        pair.feed(&message(tag, redelivered, body));
    };
    for (tag, redelivered, body, sent) in [
        (1, false, "ack", "1 basic.ack 1"),
        (2, false, "requeue", "1 basic.reject 2 requeue"),
        (3, true, "requeue", "1 basic.reject 3 requeue"),
        (4, false, "reject", "1 basic.reject 4"),
        (5, false, "retry", "1 basic.reject 5 requeue"),
        (6, true, "retry", "1 basic.reject 6"),
        (7, false, "fail", "1 basic.reject 7 requeue"),
        (8, true, "fail", "1 basic.reject 8"),
    ] {
        say(&mut pair, tag, redelivered, body);
        assert!(handling.run().is_pending());
        assert_eq!(pair.sent(), [sent], "{body}");
    }
    let expected = [
        "delivery 7 requeued: no such order",
        "delivery 8 rejected: no such order",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
    pair.feed(&wire::channel_close(1));
    let handled = handling.ready();
    assert_counts(&handled, 1, 4, 3);
    assert_eq!(
        (handled.handled, handled.failed, handled.panicked),
        (8, 2, 0)
    );
    assert!(channel.close_reason().is_some());
    let Err(ConsumeError::Channel(ChannelError::ClosedByBroker(_))) = handled.result() else {
        panic!("the broker has closed the channel");
    };
}

#[test]
fn s20_a_handler_that_panics_costs_neither_the_message_nor_the_consumer() {
    let (mut pair, _channel, consumer) = consuming();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let handling = consumer.handle(as_told).report(move |failure| {
        log.lock().unwrap().push(failure.to_string());
        panic!("and so does whoever is told");
    });
    let mut handling = Task::start(handling);
    pair.feed(
        &[
            message(1, false, "panic"),
            message(2, true, "panic"),
            message(3, false, "ack"),
        ]
        .concat(),
    );
    assert!(handling.run().is_pending());
    let sent = [
        "1 basic.reject 1 requeue",
        "1 basic.reject 2",
        "1 basic.ack 3",
    ];
    assert_eq!(pair.sent(), sent);
    let expected = [
        "delivery 1 requeued: handler panicked: what now?",
        "delivery 2 rejected: handler panicked: what now?",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn s20_a_handler_that_panics_before_it_has_a_future_is_survived() {
    let (mut pair, _channel, consumer) = consuming();
    let handling = consumer
        .handle(|message: ReceivedMessage| {
            assert!(message.body() != b"panic", "not that one");
            ready(())
        })
        .on_failure(Disposition::Reject);
    let mut handling = Task::start(handling);
    pair.feed(&[message(1, false, "panic"), message(2, false, "fine")].concat());
    assert!(handling.run().is_pending());
    assert_eq!(pair.sent(), ["1 basic.reject 1", "1 basic.ack 2"]);
}

#[test]
fn s20_a_disposition_that_panics_is_survived() {
    struct Surprise;
    impl From<Surprise> for Box<dyn std::error::Error + Send + Sync> {
        fn from(_: Surprise) -> Self {
            panic!("no words for it")
        }
    }
    let (mut pair, _channel, consumer) = consuming();
    let handling = consumer.handle(|message: ReceivedMessage| {
        let fails = message.body() == b"fail";
        ready(if fails { Err(Surprise) } else { Ok(()) })
    });
    let mut handling = Task::start(handling.on_failure(Disposition::Reject));
    pair.feed(&[message(1, false, "fail"), message(2, false, "fine")].concat());
    assert!(handling.run().is_pending());
    assert_eq!(pair.sent(), ["1 basic.reject 1", "1 basic.ack 2"]);
}

#[test]
fn no_more_handlers_run_than_allowed() {
    let (mut pair, _channel, consumer) = consuming();
    let started = RefCell::new(Vec::new());
    let doors: Vec<Door> = std::iter::repeat_with(Door::default).take(5).collect();
    let handler = |message: ReceivedMessage| {
        let n = started.borrow().len();
        started.borrow_mut().push(message.delivery_tag());
        doors[n].clone().pass()
    };
    let mut handling = Task::start(consumer.handle(handler).concurrency(2));
    let messages: Vec<u8> = (1..=5).flat_map(|n| message(n, false, "x")).collect();
    pair.feed(&messages);
    assert!(handling.run().is_pending());
    assert_eq!(*started.borrow(), [1, 2]);
    doors[1].open();
    assert!(handling.run().is_pending());
    assert_eq!(*started.borrow(), [1, 2, 3]);
    assert_eq!(pair.sent(), ["1 basic.ack 2"]);
    doors[0].open();
    doors[2].open();
    assert!(handling.run().is_pending());
    assert_eq!(*started.borrow(), [1, 2, 3, 4, 5]);
    assert_eq!(pair.sent(), ["1 basic.ack 3 multiple"]);
}

#[test]
fn s19_a_stop_gives_back_what_was_not_begun_and_lets_handlers_finish() {
    let (mut pair, _channel, consumer) = consuming();
    let (door, stop) = (Door::default(), Door::default());
    let handling = consumer
        .handle(|_| door.clone().pass())
        .concurrency(2)
        .until(stop.clone().pass());
    let mut handling = Task::start(handling);
    let messages: Vec<u8> = (1..=4).flat_map(|n| message(n, false, "x")).collect();
    pair.feed(&messages);
    assert!(handling.run().is_pending());
    assert_eq!(pair.sent(), [""; 0]);
    stop.open();
    assert!(handling.run().is_pending());
    let sent = [
        "1 basic.cancel c",
        "1 basic.nack 3 requeue",
        "1 basic.nack 4 requeue",
    ];
    assert_eq!(pair.sent(), sent);
    // One more that was under way.
    pair.feed(&[message(5, false, "x"), wire::cancel_ok(1, "c")].concat());
    assert_eq!(pair.sent(), ["1 basic.nack 5 requeue"]);
    door.open();
    let handled = handling.ready();
    assert_eq!(pair.sent(), ["1 basic.ack 2 multiple"]);
    assert_counts(&handled, 2, 0, 0);
    assert_eq!((handled.given_back, handled.dropped), (2, 0));
    assert!(matches!(handled.end, HandlerEnd::Stopped));
    handled.result().unwrap();
}

#[test]
fn s19_handlers_that_outlast_the_grace_give_their_messages_back() {
    let (mut pair, _channel, consumer) = consuming();
    let stop = Door::default();
    let handling = consumer
        .handle(|_| pending::<()>())
        .concurrency(2)
        .grace(Duration::from_secs(10))
        .until(stop.clone().pass());
    let mut handling = Task::start(handling);
    pair.feed(&[message(1, false, "x"), message(2, false, "x")].concat());
    assert!(handling.run().is_pending());
    stop.open();
    assert!(handling.run().is_pending());
    pair.advance(Duration::from_secs(9));
    assert!(handling.run().is_pending());
    assert_eq!(pair.sent(), ["1 basic.cancel c"]);
    pair.advance(Duration::from_secs(1));
    let handled = handling.ready();
    assert_eq!((handled.handled, handled.dropped), (0, 2));
    assert_eq!(
        pair.sent(),
        ["1 basic.nack 1 requeue", "1 basic.nack 2 requeue"]
    );
    assert_eq!(pair.core.shared().timers.len(), 0);
}

#[test]
fn grace_ends_with_the_connection() {
    let (mut pair, _channel, consumer) = consuming();
    let handling = consumer
        .handle(|_| pending::<()>())
        .grace(Duration::from_secs(10))
        .until(ready(()));
    let mut handling = Task::new(handling);
    // Stopped before anything came.
    let handled = handling.ready();
    assert_eq!((handled.handled, handled.given_back), (0, 0));
    assert_eq!(pair.sent(), ["1 basic.cancel c"]);
    pair.feed(&wire::cancel_ok(1, "c"));

    let channel = pair.channel();
    let consumer = pair.consumer(&channel, "c");
    let mut handling = Task::start(
        consumer
            .handle(|_| pending::<()>())
            .concurrency(2)
            .grace(Duration::from_secs(10)),
    );
    let deliver = wire::content(2, &wire::deliver("c", 1), b"x");
    pair.feed(&deliver);
    assert!(handling.run().is_pending());
    pair.eof();
    let handled = handling.ready();
    assert_eq!((handled.handled, handled.dropped), (0, 1));
    assert!(handled.result().is_err());
}

#[test]
fn handlers_finish_when_the_consumer_is_cancelled_by_the_broker() {
    let (mut pair, _channel, consumer) = consuming();
    let door = Door::default();
    let mut handling = Task::start(consumer.handle(|_| door.clone().pass()).concurrency(9));
    pair.feed(&message(1, false, "x"));
    assert!(handling.run().is_pending());
    cancel_by_broker(&mut pair);
    assert!(handling.run().is_pending());
    door.open();
    let handled = handling.ready();
    assert_counts(&handled, 1, 0, 0);
    let sent = pair.sent();
    assert_eq!(sent.last().unwrap(), "1 basic.ack 1");
    assert!(matches!(
        handled.result(),
        Err(ConsumeError::CancelledByBroker { .. })
    ));
}

#[test]
fn what_is_handled_after_the_end_of_the_channel_is_left_to_the_broker() {
    let (mut pair, _channel, consumer) = consuming();
    let door = Door::default();
    let mut handling = Task::start(consumer.handle(|_| door.clone().pass()).concurrency(9));
    pair.feed(&message(1, false, "x"));
    assert!(handling.run().is_pending());
    pair.feed(&wire::channel_close(1));
    assert!(handling.run().is_pending());
    door.open();
    let handled = handling.ready();
    assert_eq!((handled.handled, handled.unsettled), (1, 1));
    assert_counts(&handled, 0, 0, 0);
}

#[test]
fn dropped_handling_gives_everything_back() {
    let (mut pair, _channel, consumer) = consuming();
    let handling = consumer.handle(|_| pending::<()>()).concurrency(2);
    let mut handling = Task::start(handling);
    let messages: Vec<u8> = (1..=4).flat_map(|n| message(n, false, "x")).collect();
    pair.feed(&messages);
    assert!(handling.run().is_pending());
    drop(handling);
    let sent = [
        "1 basic.cancel c",
        "1 basic.nack 3 requeue",
        "1 basic.nack 4 requeue",
        "1 basic.nack 1 requeue",
        "1 basic.nack 2 requeue",
    ];
    assert_eq!(pair.sent(), sent);
}

#[test]
fn many_ready_handlers_leave_others_their_turn() {
    let (mut pair, _channel, consumer) = consuming();
    let mut handling = Task::start(consumer.handle(|_| ready(())).concurrency(50));
    let messages: Vec<u8> = (1..=1000).flat_map(|n| message(n, false, "x")).collect();
    pair.feed(&messages);
    assert!(handling.run().is_pending());
    assert!(handling.is_due(), "it goes on");
    let mut turns = 1;
    while handling.is_due() {
        turns += 1;
        assert!(handling.run().is_pending());
    }
    assert!((5..20).contains(&turns), "{turns} turns");
    assert_eq!(pair.sent(), ["1 basic.ack 1000 multiple"]);
}

/// Begins each message and waits for the door; says how many were begun.
fn begun_behind(door: &Door) -> (Rc<RefCell<u64>>, impl FnMut(ReceivedMessage) -> DoorPass) {
    let begun = Rc::new(RefCell::new(0));
    let (counter, door) = (Rc::clone(&begun), door.clone());
    let handler = move |_: ReceivedMessage| -> DoorPass {
        *counter.borrow_mut() += 1;
        Box::pin(door.clone().pass())
    };
    (begun, handler)
}

type DoorPass = std::pin::Pin<Box<dyn Future<Output = ()>>>;

#[test]
fn f29_nothing_is_begun_for_what_has_come_when_the_channel_or_the_connection_ends() {
    fn channel(pair: &mut Pair) {
        pair.feed(&wire::channel_close(1));
    }
    fn connection(pair: &mut Pair) {
        pair.feed(&wire::connection_close());
    }
    fn stream(pair: &mut Pair) {
        pair.eof();
    }
    for end in [channel, connection, stream] {
        let (mut pair, _channel, consumer) = consuming();
        let door = Door::default();
        let (begun, handler) = begun_behind(&door);
        let mut handling = Task::start(consumer.handle(handler).concurrency(2));
        let messages: Vec<u8> = (1..=200).flat_map(|n| message(n, false, "x")).collect();
        pair.feed(&messages);
        assert!(handling.run().is_pending());
        assert_eq!(*begun.borrow(), 2);
        end(&mut pair);
        assert!(handling.is_due(), "the end is told though no more may run");
        assert!(handling.run().is_pending(), "those that run finish");
        door.open();
        let handled = handling.ready();
        assert_eq!(*begun.borrow(), 2);
        assert_eq!((handled.handled, handled.unsettled), (2, 2), "{handled:?}");
        assert_eq!(handled.given_back, 198);
        assert!(matches!(handled.end, HandlerEnd::Failed(_)), "{handled:?}");
    }
}

#[test]
fn f29_nothing_is_begun_for_a_cancelled_consumer_when_the_channel_has_ended() {
    let (mut pair, _channel, consumer) = consuming();
    let door = Door::default();
    let (begun, handler) = begun_behind(&door);
    let mut handling = Task::start(consumer.handle(handler));
    let messages: Vec<u8> = (1..=3).flat_map(|n| message(n, false, "x")).collect();
    pair.feed(&messages);
    cancel_by_broker(&mut pair);
    assert!(handling.run().is_pending());
    pair.feed(&wire::channel_close(1));
    assert!(handling.run().is_pending());
    door.open();
    let handled = handling.ready();
    assert_eq!((*begun.borrow(), handled.given_back), (1, 2));
    let Err(ConsumeError::Channel(ChannelError::ClosedByBroker(_))) = handled.result() else {
        panic!("the broker has closed the channel");
    };
}

#[test]
fn f29_nothing_is_begun_while_the_program_closes() {
    let (mut pair, _channel, consumer) = consuming();
    let door = Door::default();
    let (begun, handler) = begun_behind(&door);
    let mut handling = Task::start(consumer.handle(handler));
    pair.feed(&[message(1, false, "x"), message(2, false, "x")].concat());
    assert!(handling.run().is_pending());
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    door.open();
    assert!(handling.run().is_pending(), "the broker has not answered");
    assert_eq!(*begun.borrow(), 1);
    pair.sent();
    pair.says(0, &amqp_spec::connection::CloseOk {});
    closing.ready().unwrap();
    let handled = handling.ready();
    assert_eq!((*begun.borrow(), handled.unsettled), (1, 1));
    assert!(matches!(handled.end, HandlerEnd::Cancelled), "{handled:?}");
    handled.result().unwrap();
}

#[test]
fn who_handles_leaves_nothing_on_the_list_of_those_who_wait_for_the_end() {
    let (_pair, channel, consumer) = consuming();
    let stop = Door::default();
    let handling = consumer.handle(|_| ready(())).until(stop.clone().pass());
    let mut handling = Task::start(handling);
    assert_eq!(channel.shared().end.n_waiting(), 1);
    stop.open();
    assert!(matches!(handling.ready().end, HandlerEnd::Stopped));
    drop(handling);
    assert_eq!(channel.shared().end.n_waiting(), 0);
}
