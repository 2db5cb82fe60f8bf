//! A publish, and a stream that is lost: each message is told what became of it, goes on by itself
//! if it certainly did not leave, waits no longer than it may, and is never sent twice.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use amqp_spec::basic::PropertiesRef;
use amqp_spec::channel;

use crate::error::ChannelError;
use crate::proto::Core;
use crate::proto::send::rope::Rope;
use crate::proto::wait::wake_all;
use crate::tests::core::next_stream::reset;
use crate::tests::support::pair::{Pair, all_recover, now};
use crate::tests::support::schedule::{explore, look_and_go, wait_for};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{PublishError, Publisher};

const TUNE: (u16, u32, u16) = (2047, 131_072, 0);
const PATIENCE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

type Publishing<'a> = Task<'a, Result<(), PublishError>>;

fn publish<'a>(publisher: &'a Publisher, key: &'a str) -> Publishing<'a> {
    Task::start(publisher.publish("", key, key))
}

/// The stream is replaced, and the channel of the publisher opened on the next one.
fn goes_on(pair: &mut Pair, publisher: &Publisher) {
    pair.goes_on();
    pair.opens_again(publisher.channel());
}

/// The keys of what is written while all these are polled, in order.
fn written(pair: &mut Pair, tasks: &mut [&mut Publishing<'_>]) -> Vec<String> {
    let mut sent = Vec::new();
    for _ in 0..20 {
        for task in &mut *tasks {
            assert!(task.run().is_pending());
        }
        sent.extend(pair.written_now());
    }
    sent.iter()
        .filter_map(|line| Some(line.split_once("basic.publish ")?.1))
        .map(|key| key.trim_end_matches(" mandatory").to_owned())
        .collect()
}

#[test]
fn message_that_was_not_written_goes_on_and_one_that_was_is_uncertain() {
    all_recover();
    let (mut pair, publisher) = Pair::with_publisher();
    let mut sent = publish(&publisher, "sent");
    assert_eq!(pair.sent().len(), 3);
    let mut first = publish(&publisher, "first");
    let mut second = publish(&publisher, "second");
    pair.next_stream();
    let error = sent.ready().unwrap_err();
    assert!(matches!(error, PublishError::Uncertain(_)), "{error:?}");
    // One that comes now goes behind them, and the one that looks first does not go first.
    let mut third = publish(&publisher, "third");
    second.pending();
    first.pending();
    pair.reopens(TUNE);
    pair.opens_again(publisher.channel());
    let tasks = &mut [&mut first, &mut second, &mut third];
    assert_eq!(written(&mut pair, tasks), ["first", "second", "third"]);
    // The broker counts from 1 again.
    pair.feed(&wire::ack(1, 3, true));
    for mut task in [first, second, third] {
        task.ready().unwrap();
    }
    pair.assert_idle();
}

#[test]
fn prepared_message_and_one_with_a_large_body_go_on() {
    all_recover();
    let (mut pair, publisher) = Pair::with_publisher();
    let prepared = publisher.prepare("", "prepared", PropertiesRef::EMPTY);
    let prepared = prepared.unwrap();
    let large = vec![b'.'; 1 << 20];
    let mut small = Task::start(prepared.publish("small"));
    let mut half = Task::start(publisher.publish("", "large", &large[..]));
    let mut parked = publish(&publisher, "parked");
    // Of the large one a piece is written.
    pair.write_limit = 200_000;
    drop(pair.sent_octets());
    pair.write_limit = usize::MAX;
    pair.next_stream();
    assert!(matches!(small.ready(), Err(PublishError::Uncertain(_))));
    half.pending();
    parked.pending();
    pair.reopens(TUNE);
    pair.opens_again(publisher.channel());
    let tasks = &mut [&mut half, &mut parked];
    assert_eq!(written(&mut pair, tasks), ["large", "parked"]);
    pair.feed(&wire::ack(1, 2, true));
    half.ready().unwrap();
    parked.ready().unwrap();
    pair.assert_idle();
}

/// Notes the order in which tasks are called.
struct Call(usize, Arc<Mutex<Vec<usize>>>);

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

#[test]
fn order_is_that_of_the_first_attempt_however_often_the_stream_is_lost() {
    all_recover();
    let (mut pair, publisher) = Pair::with_publisher();
    let keys = ["first", "second", "third"];
    let publish = |key| Box::pin(publisher.publish("", key, key));
    let mut tasks: Vec<_> = keys.into_iter().map(publish).collect();
    let calls: Arc<Mutex<Vec<usize>>> = Arc::default();
    let mut poll = |n: usize| {
        let waker = Waker::from(Arc::new(Call(n, Arc::clone(&calls))));
        tasks[n].as_mut().poll(&mut Context::from_waker(&waker))
    };
    assert!((0..3).all(|n| poll(n).is_pending()));
    pair.next_stream();
    assert!((0..3).rev().all(|n| poll(n).is_pending()));
    pair.reopens(TUNE);
    pair.opens_again(publisher.channel());
    // One is queued again, and not written.
    assert!(poll(0).is_pending());
    pair.next_stream();
    assert!((0..3).rev().all(|n| poll(n).is_pending()));
    calls.lock().unwrap().clear();
    pair.reopens(TUNE);
    pair.opens_again(publisher.channel());
    assert_eq!(*calls.lock().unwrap(), [0, 1, 2]);
    assert!((0..3).all(|n| poll(n).is_pending()));
    assert_eq!(pair.written_now().len(), 9);
    pair.feed(&wire::ack(1, 3, true));
    assert!((0..3).all(|n| matches!(poll(n), Poll::Ready(Ok(())))));
    pair.assert_idle();
}

#[test]
fn confirmation_tells_what_became_of_what_was_handed_over() {
    all_recover();
    let (mut pair, publisher) = Pair::with_publisher();
    let mut sent = Task::start(done(publisher.send("", "k", "sent")).unwrap());
    assert_eq!(pair.sent().len(), 3);
    let mut unsent = Task::start(done(publisher.send("", "k", "unsent")).unwrap());
    goes_on(&mut pair, &publisher);
    assert!(matches!(sent.ready(), Err(PublishError::Uncertain(_))));
    assert!(matches!(unsent.ready(), Err(PublishError::NotSent(_))));
    assert_eq!(pair.written_now(), [""; 0]);
    // Of those before each is told once, and of those since nothing is left to tell.
    done(publisher.wait_for_confirms()).unwrap();
    pair.assert_idle();
}

#[test]
fn wait_for_confirms_tells_the_failures_of_before_once_and_then_those_of_the_next_stream() {
    all_recover();
    let (mut pair, publisher) = Pair::with_publisher();
    drop(done(publisher.send("", "k", "sent")).unwrap());
    assert_eq!(pair.sent().len(), 3);
    drop(done(publisher.send("", "k", "unsent")).unwrap());
    let waiting = publisher.clone();
    let mut waiting = Task::start(async move { waiting.wait_for_confirms().await });
    goes_on(&mut pair, &publisher);
    let error = waiting.ready().unwrap_err();
    assert_eq!((error.uncertain, error.not_sent), (1, 1));
    done(publisher.wait_for_confirms()).unwrap();
    drop(done(publisher.send("", "k", "next")).unwrap());
    let mut next = Task::start(publisher.wait_for_confirms());
    assert_eq!(pair.sent().len(), 3);
    pair.feed(&wire::nack(1, 1, false));
    assert_eq!(next.ready().unwrap_err().nacked, 1);
}

#[test]
fn those_lost_free_their_places_below_the_limit() {
    all_recover();
    let (mut pair, publisher) = Pair::with_publisher();
    let limited = publisher.clone().max_outstanding(1);
    let mut sent = publish(&limited, "sent");
    assert_eq!(pair.sent().len(), 3);
    let mut first = publish(&limited, "first");
    let mut second = publish(&limited, "second");
    pair.next_stream();
    assert!(matches!(sent.ready(), Err(PublishError::Uncertain(_))));
    // Both are called, to see how long they wait for the connection.
    assert!(first.is_due() && second.is_due());
    first.pending();
    second.pending();
    pair.reopens(TUNE);
    pair.opens_again(publisher.channel());
    let tasks = &mut [&mut first, &mut second];
    assert_eq!(written(&mut pair, tasks), ["first"]);
    pair.feed(&wire::ack(1, 1, false));
    first.ready().unwrap();
    assert_eq!(written(&mut pair, &mut [&mut second]), ["second"]);
    pair.feed(&wire::ack(1, 2, false));
    second.ready().unwrap();
    pair.assert_idle();
}

#[track_caller]
fn assert_recovering(outcome: Result<(), PublishError>, least: Duration) {
    match outcome {
        Err(PublishError::NotSent(ChannelError::Recovering { after, lost })) => {
            assert_eq!(lost.to_string(), reset().to_string());
            assert!(after >= least, "{after:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn publish_waits_for_the_connection_as_long_as_patience_lasts() {
    all_recover();
    let (mut pair, publisher) = Pair::with_publisher();
    let at_limit = publisher.clone().max_outstanding(1);
    let mut sent = publish(&at_limit, "sent");
    assert_eq!(pair.sent().len(), 3);
    let mut limited = publish(&at_limit, "limited");
    let mut queued = publish(&publisher, "queued");
    let lost = pair.loses();
    drop(sent.ready());
    limited.pending();
    queued.pending();
    let mut waiting = publish(&publisher, "waiting");
    pair.advance(10 * SECOND);
    let mut late = publish(&publisher, "late");
    let hasty = publisher.clone().confirm_timeout(5 * SECOND);
    let mut hasty = publish(&hasty, "hasty");
    pair.advance(5 * SECOND);
    assert_recovering(hasty.ready(), 15 * SECOND);
    pair.advance(15 * SECOND - Duration::from_millis(1));
    for task in [&mut limited, &mut queued, &mut waiting, &mut late] {
        assert!(task.run().is_pending());
    }
    pair.advance(Duration::from_millis(1));
    for task in [&mut limited, &mut queued, &mut waiting] {
        assert_recovering(task.ready(), PATIENCE);
    }
    pair.advance(10 * SECOND);
    assert_recovering(late.ready(), 40 * SECOND);
    drop((limited, queued, waiting, late, hasty));
    pair.connects();
    pair.reopens(TUNE);
    pair.opens_all_again(lost);
    assert_eq!(pair.written_now(), [""; 0]);
    pair.assert_idle();
}

#[test]
fn patience_begins_anew_with_each_loss_and_not_with_each_stream_in_between() {
    all_recover();
    let (mut pair, publisher) = Pair::with_publisher();
    let mut waiting = publish(&publisher, "waiting");
    pair.next_stream();
    waiting.pending();
    pair.reopens(TUNE);
    pair.advance(20 * SECOND);
    // This one is lost before the connection is back.
    pair.next_stream();
    waiting.pending();
    pair.reopens(TUNE);
    pair.opens_again(publisher.channel());
    waiting.pending();
    pair.next_stream();
    waiting.pending();
    pair.reopens(TUNE);
    pair.advance(20 * SECOND);
    assert!(waiting.run().is_pending());
    pair.advance(10 * SECOND);
    assert_recovering(waiting.ready(), PATIENCE);
}

#[test]
fn futures_dropped_at_each_step_leave_nothing_in_line() {
    all_recover();
    for step in 0..5 {
        let (mut pair, publisher) = Pair::with_publisher();
        let limited = publisher.clone().max_outstanding(2);
        let mut tasks: Vec<_> = (0..4).map(|_| publish(&limited, "k")).collect();
        for n in 0..5 {
            match n {
                0 => drop(pair.next_stream()),
                1 => tasks.iter_mut().for_each(Task::pending),
                2 => pair.reopens(TUNE),
                3 => pair.opens_again(publisher.channel()),
                _ => assert!(tasks.iter_mut().all(|task| task.run().is_pending())),
            }
            if n == step {
                tasks.clear();
            }
        }
        drop(pair.written_now());
        pair.assert_idle();
        let confirms = publisher.channel().shared().confirms();
        assert!(!confirms.has_waiter(), "step {step}");
        drop(confirms);
        assert_eq!(publisher.channel().shared().connection.timers.len(), 0);
    }
}

#[test]
fn publish_that_races_with_the_loss_is_told_or_waits() {
    all_recover();
    let n_orders = explore(|| {
        let (pair, publisher) = Pair::with_publisher();
        let publishing = publisher.clone();
        let outcome = Arc::new(Mutex::new(None));
        let told = Arc::clone(&outcome);
        let program = move || {
            let sent = look_and_go(publishing.send("", "k", "body"));
            *told.lock().unwrap() = sent;
        };
        let adapter = |core: &mut Core| core.lost(reset());
        let check = move || {
            let published = publisher.next_sequence_number().unwrap() - 1;
            let sent = outcome.lock().unwrap().take();
            assert_eq!(published, u64::from(sent.is_some()), "queued");
            if let Some(sent) = sent {
                let error = Task::new(sent.unwrap()).poll();
                let error = matches!(error, Poll::Ready(Err(PublishError::NotSent(_))));
                assert!(error, "it was never written");
            }
        };
        pair.against(program, adapter, check)
    });
    assert!(n_orders > 3, "only {n_orders} orders");
}

#[test]
fn publish_that_races_with_the_end_of_the_recovery_is_queued_once() {
    all_recover();
    let n_orders = explore(|| {
        let (mut pair, publisher) = Pair::with_publisher();
        pair.next_stream();
        pair.reopens(TUNE);
        assert_eq!(pair.written_now(), ["1 channel.open", "1 confirm.select"]);
        pair.says(1, &channel::OpenOk {});
        let publishing = publisher.clone();
        let program = move || drop(wait_for(publishing.send("", "k", "body")).unwrap());
        let shared = Arc::clone(publisher.channel().shared());
        // What the last step of a recovery does, and the adapter behind it.
        let adapter = move |_: &mut Core| {
            let mut outbox = shared.connection.outbox();
            outbox.open_gates(now());
            outbox.channel_restored(shared.at, |_| None);
            drop(outbox);
            let (mut spare, mut wakers) = (Rope::default(), Vec::new());
            let _ = shared
                .connection
                .outbox()
                .swap(&mut spare, now(), &mut wakers);
            wake_all(&mut wakers);
        };
        let check = move || {
            let published = publisher.next_sequence_number().unwrap() - 1;
            assert_eq!(published, 1, "queued once");
        };
        pair.against(program, adapter, check)
    });
    assert!(n_orders > 3, "only {n_orders} orders");
}
