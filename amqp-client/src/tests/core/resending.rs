//! A publisher that keeps its messages: what is sent again and what is not, in which order, under
//! which numbers, and how much is kept.

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use amqp_spec::connection;
use bytes::Bytes;

use crate::error::ChannelError;
use crate::message::Body;
use crate::proto::Core;
use crate::publish::Resend;
use crate::tests::core::next_stream::reset;
use crate::tests::handles::publisher_renewal::{OPENING, answer, own, refusal};
use crate::tests::support::comeback::Comeback;
use crate::tests::support::pair::{Pair, all_recover};
use crate::tests::support::schedule::{explore, look_and_go, wait_for};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Confirmation, ConnectionError, Message, Properties, PublishError, Publisher};

pub(super) const TUNE: (u16, u32, u16) = (2047, 131_072, 0);
const SECOND: Duration = Duration::from_secs(1);

pub(super) type Publishing<'a> = Task<'a, Result<(), PublishError>>;

pub(super) fn keeper() -> (Pair, Publisher) {
    all_recover();
    let (pair, publisher) = Pair::with_publisher();
    (pair, publisher.resend(Resend::up_to(1 << 20)))
}

pub(super) fn publish<'a>(publisher: &'a Publisher, key: &'a str) -> Publishing<'a> {
    Task::start(publisher.publish("", key, key))
}

pub(super) fn send(publisher: &Publisher, key: &str) -> Confirmation {
    done(publisher.send("", key, key)).unwrap()
}

/// The stream is replaced, and the channel of the publisher opened on the next one.
pub(super) fn goes_on(pair: &mut Pair, publisher: &Publisher) {
    pair.goes_on();
    pair.opens_again(publisher.channel());
}

/// The keys of what is written, in order.
pub(super) fn keys(pair: &mut Pair) -> Vec<String> {
    let written = pair.written_now();
    let keys = written.iter().filter_map(|line| {
        let (_, key) = line.split_once("basic.publish ")?;
        Some(key.trim_end_matches(" mandatory").to_owned())
    });
    keys.collect()
}

pub(super) fn kept(publisher: &Publisher) -> usize {
    publisher.channel().shared().confirms().kept_octets()
}

/// The broker closes the connection.
fn closed_by_broker(pair: &mut Pair, reply_code: u16) {
    let close = connection::Close {
        reply_code,
        reply_text: wire::short("INTERNAL_ERROR"),
        class_id: 0,
        method_id: 0,
    };
    pair.feed(&wire::method(0, &close));
    drop(pair.written_now());
    pair.core.lost(ConnectionError::EndOfStream);
    pair.connects();
    pair.reopens(TUNE);
}

#[test]
fn what_is_unconfirmed_is_sent_again_in_order_and_confirmed_under_its_number() {
    let (mut pair, publisher) = keeper();
    let mut tasks: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|key| publish(&publisher, key))
        .collect();
    assert_eq!(keys(&mut pair), ["a", "b", "c", "d"]);
    pair.feed(&wire::ack(1, 2, false));
    tasks.remove(1).ready().unwrap();
    let mut unwritten = publish(&publisher, "e");
    goes_on(&mut pair, &publisher);
    tasks.push(publish(&publisher, "f"));
    assert_eq!(publisher.next_sequence_number(), Some(7));
    assert_eq!(keys(&mut pair), ["a", "c", "d", "e", "f"]);
    assert_eq!(publisher.outstanding(), 5);
    // Answers come in any order, and count from 1.
    for (count, task) in [(5, 3), (2, 1), (1, 0), (3, 2)] {
        tasks[task].pending();
        pair.feed(&wire::ack(1, count, false));
        tasks[task].ready().unwrap();
    }
    assert_eq!(publisher.outstanding(), 1);
    pair.feed(&wire::ack(1, 4, true));
    unwritten.ready().unwrap();
    let mut last = publish(&publisher, "g");
    assert_eq!(keys(&mut pair), ["g"]);
    pair.feed(&wire::ack(1, 6, false));
    last.ready().unwrap();
    assert_eq!((kept(&publisher), publisher.outstanding()), (0, 0));
    let counters = pair.connection.counters();
    assert_eq!((counters.published, counters.confirmed), (7, 7));
    assert_eq!((counters.resent, counters.confirms_outstanding), (4, 0));
    drop((tasks, unwritten, last));
    assert_eq!(publisher.channel().shared().confirms().leftovers(), (0, 0));
    pair.assert_idle();
}

#[test]
fn confirmations_wait_on_however_often_the_stream_is_lost() {
    let (mut pair, publisher) = keeper();
    let sent: Vec<_> = ["a", "b", "c"].map(|key| send(&publisher, key)).into();
    assert_eq!(keys(&mut pair).len(), 3);
    let waiting = publisher.clone();
    let mut all = Task::start(async move { waiting.wait_for_confirms().await });
    for _ in 0..5 {
        goes_on(&mut pair, &publisher);
        assert_eq!(keys(&mut pair), ["a", "b", "c"]);
        // What is lost on the way is none of its business.
        pair.next_stream();
        pair.reopens(TUNE);
        pair.opens_again(publisher.channel());
        all.pending();
        assert_eq!(keys(&mut pair), ["a", "b", "c"]);
    }
    pair.feed(&wire::nack(1, 2, false));
    pair.feed(&wire::ack(1, 3, true));
    let [a, b, c] = sent.try_into().unwrap();
    assert_eq!([&a, &b, &c].map(Confirmation::sequence_number), [1, 2, 3]);
    let error = all.ready().unwrap_err();
    assert_eq!((error.nacked, error.uncertain, error.not_sent), (1, 0, 0));
    assert_eq!(error.failures[0].sequence_number, 2);
    done(a).unwrap();
    assert!(matches!(done(b), Err(PublishError::Nacked)));
    done(c).unwrap();
    pair.assert_idle();
}

#[test]
fn what_is_not_kept_is_told_at_once_and_what_is_kept_waits_beside_it() {
    let (mut pair, publisher) = keeper();
    let plain = publisher.channel().clone();
    let plain = {
        let mut making = Task::start(Publisher::new(plain));
        pair.sent();
        pair.says(1, &amqp_spec::confirm::SelectOk {});
        making.ready().unwrap()
    };
    let mut first = Task::start(send(&plain, "lost"));
    let mut second = Task::start(send(&publisher, "kept"));
    let third = send(&plain, "abandoned");
    drop(third);
    let mut fourth = Task::start(send(&plain, "lost too"));
    assert_eq!(keys(&mut pair).len(), 4);
    goes_on(&mut pair, &publisher);
    assert!(matches!(first.ready(), Err(PublishError::Uncertain(_))));
    assert!(matches!(fourth.ready(), Err(PublishError::Uncertain(_))));
    second.pending();
    assert_eq!(keys(&mut pair), ["kept"]);
    let mut fifth = Task::start(send(&plain, "next"));
    assert_eq!(keys(&mut pair), ["next"]);
    assert_eq!(publisher.outstanding(), 2);
    pair.feed(&wire::ack(1, 2, true));
    second.ready().unwrap();
    fifth.ready().unwrap();
    let error = done(publisher.wait_for_confirms()).unwrap_err();
    assert_eq!(
        (error.uncertain, error.not_sent),
        (1, 0),
        "the abandoned one"
    );
    pair.assert_idle();
}

#[test]
fn answer_up_to_one_that_is_answered_already_answers_those_before_it() {
    for is_lost in [false, true] {
        let (mut pair, publisher) = keeper();
        let mut tasks = ["a", "b", "c"].map(|key| publish(&publisher, key));
        assert_eq!(keys(&mut pair).len(), 3);
        if is_lost {
            goes_on(&mut pair, &publisher);
            assert_eq!(keys(&mut pair).len(), 3);
        }
        pair.feed(&wire::ack(1, 2, false));
        pair.feed(&wire::ack(1, 2, true));
        let [first, second, third] = &mut tasks;
        first.ready().unwrap();
        second.ready().unwrap();
        third.pending();
        // Once more, which changes nothing.
        pair.feed(&wire::ack(1, 2, false));
        pair.feed(&wire::nack(1, 1, true));
        third.pending();
        assert_eq!(publisher.outstanding(), 1);
        pair.feed(&wire::ack(1, 3, false));
        third.ready().unwrap();
        assert_eq!((kept(&publisher), publisher.outstanding()), (0, 0));
        pair.assert_idle();
    }
}

#[test]
fn what_is_dropped_or_out_of_time_is_still_sent_again() {
    let (mut pair, publisher) = keeper();
    let hasty = publisher.clone().confirm_timeout(SECOND);
    drop(publish(&publisher, "dropped"));
    drop(send(&publisher, "forgotten"));
    let mut late = publish(&hasty, "late");
    assert_eq!(keys(&mut pair).len(), 3);
    pair.advance(SECOND);
    let error = late.ready().unwrap_err();
    assert!(matches!(
        error,
        PublishError::Uncertain(ChannelError::Timeout { .. })
    ));
    goes_on(&mut pair, &publisher);
    assert_eq!(keys(&mut pair), ["dropped", "forgotten", "late"]);
    pair.feed(&wire::ack(1, 3, true));
    assert_eq!((kept(&publisher), publisher.outstanding()), (0, 0));
    pair.assert_idle();
}

#[test]
fn message_that_has_come_back_is_not_sent_again() {
    let (mut pair, publisher) = keeper();
    let mut gone = publish(&publisher, "gone");
    let mut here = publish(&publisher, "here");
    assert_eq!(keys(&mut pair).len(), 2);
    pair.feed(&wire::returned(1, "gone", b"gone"));
    goes_on(&mut pair, &publisher);
    assert!(matches!(gone.ready(), Err(PublishError::Returned(_))));
    assert_eq!(keys(&mut pair), ["here"]);
    // One that is sent again may come back as well.
    pair.feed(&wire::returned(1, "here", b"here"));
    pair.feed(&wire::ack(1, 1, false));
    assert!(matches!(here.ready(), Err(PublishError::Returned(_))));
    pair.assert_idle();
}

#[test]
fn room_is_bounded_and_those_who_wait_go_in_their_order() {
    let (mut pair, publisher) = keeper();
    let publisher = publisher.resend(Resend::up_to(1500));
    let body = |size| Message::new(vec![b'.'; size]);
    let start = |key, size| {
        let publisher = &publisher;
        Task::start(async move { publisher.publish("", key, body(size)).await })
    };
    // One is taken when nothing else is kept, however large.
    let mut huge = start("huge", 5000);
    assert_eq!(keys(&mut pair), ["huge"]);
    let over = kept(&publisher);
    assert!((5200..5300).contains(&over), "{over}");
    let mut large = start("large", 1200);
    let mut small = start("small", 1);
    assert_eq!(keys(&mut pair), [""; 0]);
    pair.feed(&wire::ack(1, 1, false));
    huge.ready().unwrap();
    // The small one would fit, and has to wait for the one in front of it.
    small.pending();
    assert_eq!(keys(&mut pair), [""; 0]);
    assert!(large.run().is_pending() && small.run().is_pending());
    assert_eq!(keys(&mut pair), ["large"]);
    let mut next = start("next", 300);
    // A loss frees nothing.
    pair.next_stream();
    small.pending();
    next.pending();
    pair.reopens(TUNE);
    pair.opens_again(publisher.channel());
    assert!(small.run().is_pending() && next.run().is_pending());
    assert_eq!(keys(&mut pair), ["large"]);
    pair.feed(&wire::ack(1, 1, false));
    large.ready().unwrap();
    assert!(small.run().is_pending() && next.run().is_pending());
    assert_eq!(keys(&mut pair), ["small", "next"]);
    assert!(kept(&publisher) <= 1500);
    pair.feed(&wire::ack(1, 3, true));
    small.ready().unwrap();
    next.ready().unwrap();
    assert_eq!(kept(&publisher), 0);
    pair.assert_idle();
}

#[test]
fn publishers_that_are_dropped_while_they_wait_leave_their_room_to_others() {
    let (mut pair, publisher) = keeper();
    let publisher = publisher.resend(Resend::up_to(1));
    let mut first = publish(&publisher, "first");
    let waiting = publish(&publisher, "waiting");
    let mut last = publish(&publisher, "last");
    assert_eq!(keys(&mut pair), ["first"]);
    pair.feed(&wire::ack(1, 1, false));
    first.ready().unwrap();
    drop(waiting);
    assert!(last.run().is_pending());
    assert_eq!(keys(&mut pair), ["last"]);
    pair.feed(&wire::ack(1, 2, false));
    last.ready().unwrap();
    pair.assert_idle();
}

#[test]
fn message_that_was_unconfirmed_at_three_closes_by_the_broker_is_given_up() {
    for code in [501, 502, 503, 504, 505, 506, 540, 541] {
        let (mut pair, publisher) = keeper();
        let mut suspect = publish(&publisher, "suspect");
        assert_eq!(keys(&mut pair), ["suspect"]);
        for n in 1..3 {
            closed_by_broker(&mut pair, code);
            // Others do not share its fate.
            goes_on(&mut pair, &publisher);
            suspect.pending();
            assert_eq!(keys(&mut pair), ["suspect"], "{code}, close {n}");
        }
        let mut late = publish(&publisher, "late");
        assert_eq!(keys(&mut pair), ["late"]);
        closed_by_broker(&mut pair, code);
        let error = suspect.ready().unwrap_err();
        assert!(matches!(error, PublishError::Uncertain(_)), "{error:?}");
        assert_eq!(error.broker_close().unwrap().reply_code.0, code);
        pair.opens_again(publisher.channel());
        assert_eq!(keys(&mut pair), ["late"]);
        pair.feed(&wire::ack(1, 1, false));
        late.ready().unwrap();
        assert_eq!(kept(&publisher), 0);
        pair.assert_idle();
    }
}

#[test]
fn broker_that_goes_away_in_good_order_gives_nothing_up() {
    let (mut pair, publisher) = keeper();
    let mut publishing = publish(&publisher, "k");
    assert_eq!(keys(&mut pair), ["k"]);
    for _ in 0..10 {
        closed_by_broker(&mut pair, 320);
        pair.opens_again(publisher.channel());
        publishing.pending();
        assert_eq!(keys(&mut pair), ["k"]);
    }
    pair.feed(&wire::ack(1, 1, false));
    publishing.ready().unwrap();
}

#[test]
fn close_of_the_channel_costs_the_message_at_fault_and_others_are_sent_again() {
    all_recover();
    let mut pair = Pair::open();
    let publisher = own(&mut pair).resend(Resend::up_to(1 << 20));
    let mut before = publish(&publisher, "before");
    let mut bad = Task::start(publisher.publish("missing", "bad", "bad"));
    let mut behind = publish(&publisher, "behind");
    assert_eq!(keys(&mut pair), ["before", "bad", "behind"]);
    let mut unwritten = publish(&publisher, "unwritten");
    pair.feed(&refusal());
    assert!(matches!(bad.ready(), Err(PublishError::Refused(_))));
    let mut after = publish(&publisher, "after");
    pair.advance(SECOND);
    let written = pair.written_now();
    assert!(written.contains(&OPENING[0].to_owned()), "{written:?}");
    let sent: Vec<_> = written
        .iter()
        .filter(|line| line.contains("publish"))
        .collect();
    assert_eq!(sent.len(), 4, "{sent:?}");
    for (line, key) in sent.iter().zip(["before", "behind", "unwritten", "after"]) {
        assert!(line.ends_with(key), "{sent:?}");
    }
    answer(&mut pair);
    pair.feed(&wire::ack(1, 3, false));
    unwritten.ready().unwrap();
    pair.feed(&wire::ack(1, 4, true));
    for task in [&mut before, &mut behind, &mut after] {
        task.ready().unwrap();
    }
    assert_eq!((kept(&publisher), publisher.outstanding()), (0, 0));
    pair.assert_idle();
}

#[test]
fn nothing_is_sent_again_for_ever_over_a_channel_that_is_closed_each_time() {
    all_recover();
    let mut pair = Pair::open();
    let publisher = own(&mut pair).resend(Resend::up_to(1 << 20));
    let mut suspects = [publish(&publisher, "a"), publish(&publisher, "b")];
    assert_eq!(keys(&mut pair), ["a", "b"]);
    for n in 1..=3 {
        pair.feed(&wire::channel_close(1));
        if n == 3 {
            break;
        }
        suspects.iter_mut().for_each(Task::pending);
        let mut sent = keys(&mut pair);
        for _ in 0..60 {
            if sent.is_empty() {
                pair.advance(SECOND);
                sent = keys(&mut pair);
            }
        }
        assert_eq!(sent, ["a", "b"], "close {n}");
        answer(&mut pair);
    }
    for mut suspect in suspects {
        let error = suspect.ready().unwrap_err();
        assert!(matches!(error, PublishError::Uncertain(_)), "{error:?}");
    }
    assert_eq!(kept(&publisher), 0);
}

#[test]
fn channel_of_the_program_ends_and_nothing_is_sent_again() {
    let (mut pair, publisher) = keeper();
    let mut publishing = publish(&publisher, "k");
    assert_eq!(keys(&mut pair), ["k"]);
    pair.feed(&wire::channel_close(1));
    assert!(matches!(
        publishing.ready(),
        Err(PublishError::Uncertain(_))
    ));
    assert_eq!(kept(&publisher), 0);
}

#[test]
fn what_is_unconfirmed_at_the_end_is_told_apart_by_whether_it_ever_left() {
    for sent in [true, false] {
        let (mut pair, publisher) = keeper();
        let mut publishing = publish(&publisher, "k");
        if sent {
            assert_eq!(keys(&mut pair), ["k"]);
        }
        pair.loses();
        publishing.pending();
        let connection = pair.connection.clone();
        let mut closing = Task::start(async move { connection.close().await });
        pair.core.turn(crate::tests::support::pair::now());
        closing.ready().unwrap();
        match publishing.ready().unwrap_err() {
            PublishError::Uncertain(_) => assert!(sent),
            PublishError::NotSent(_) => assert!(!sent),
            other => panic!("{other:?}"),
        }
        assert_eq!(kept(&publisher), 0);
    }
}

#[test]
fn bodies_handed_over_are_shared_and_dropped_when_they_are_confirmed() {
    let (mut pair, publisher) = keeper();
    let prepared = publisher
        .prepare("", "prepared", Properties::new().as_ref())
        .unwrap();
    for size in [100, 20_000, 100_000] {
        let body = Bytes::from(vec![b'.'; size]);
        let mut first = Task::start(publisher.publish("", "k", Message::new(body.clone())));
        let mut second = Task::start(prepared.publish(Body::from(&body)));
        let at = body.as_ptr();
        goes_on(&mut pair, &publisher);
        assert_eq!(keys(&mut pair), ["k", "prepared"]);
        assert!(!body.is_unique(), "{size}");
        pair.feed(&wire::ack(1, 2, true));
        first.ready().unwrap();
        second.ready().unwrap();
        drop((first, second));
        drop(pair.written_now());
        assert!(body.is_unique() && body.as_ptr() == at, "{size}");
    }
    pair.assert_idle();
}

#[test]
fn header_that_is_too_long_is_refused() {
    let (_pair, publisher) = keeper();
    let publisher = publisher.resend(Resend::up_to(1).mark_with("x".repeat(256)));
    let error = done(publisher.publish("", "k", "k")).unwrap_err();
    assert!(matches!(error, PublishError::NotSent(_)), "{error:?}");
    assert_eq!(publisher.next_sequence_number(), Some(1));
}

/// Numbered messages, through a stream that is lost behind every frame that the client reads, and
/// the next one likewise.
#[test]
fn nothing_is_missing_wherever_the_stream_is_lost() {
    const N: usize = 6;
    let mut repeats = 0;
    'budgets: for budget in 0.. {
        for again in [None, Some(0), Some(3), Some(7)] {
            let mut world = Comeback::new();
            world.kernel.declare_queue("/", "q");
            let connection = world.pair.connection.clone();
            let publisher = world
                .done(async move { connection.open_publisher().await })
                .unwrap()
                .resend(Resend::up_to(1000).mark_with("x-resent"));
            world.budget = Some(budget);
            let mut tasks: Vec<_> = (0..N)
                .map(|n| {
                    let publisher = publisher.clone();
                    // One takes several frames.
                    let size = if n == 2 { 300_000 } else { 30 };
                    let body = format!("{n}:{}", ".".repeat(size));
                    let message = Message::new(body).header("n", 1);
                    Task::start(async move { publisher.publish("", "q", message).await })
                })
                .collect();
            let complete = run(&mut world, &mut tasks);
            world.budget = again.filter(|_| !complete);
            if !complete {
                world.lose();
                world.connect();
                if again.is_some() && !run(&mut world, &mut tasks) {
                    world.lose();
                    world.connect();
                }
                world.budget = None;
                assert!(run(&mut world, &mut tasks));
            }
            assert!(tasks.is_empty(), "behind {budget}, {again:?}");
            repeats += check_queue(&world, N);
            assert_eq!((kept(&publisher), publisher.outstanding()), (0, 0));
            world.pair.assert_idle();
            if complete {
                break 'budgets;
            }
        }
    }
    assert!(repeats > 0);
}

/// Until nothing more is said, or the broker has said as much as it may. All that ends ends well.
fn run(world: &mut Comeback, tasks: &mut Vec<Publishing<'static>>) -> bool {
    for _ in 0..20 {
        if !world.run() {
            return false;
        }
        tasks.retain_mut(|task| match task.run() {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                outcome.unwrap();
                false
            }
        });
    }
    true
}

/// Every number is there, in order up to repeats, which are marked. Gives how many repeats there
/// are.
pub(super) fn check_queue(world: &Comeback, n: usize) -> usize {
    let queue = world.kernel.queue("/", "q").unwrap();
    let mut highest = None;
    let mut repeats = 0;
    for message in queue.messages() {
        let body = String::from_utf8_lossy(message.body());
        let number: usize = body.split_once(':').unwrap().0.parse().unwrap();
        let is_repeat = highest.is_some_and(|highest| number <= highest);
        let headers = message.properties().headers().unwrap();
        assert!(headers.get("n").unwrap().is_some());
        if is_repeat {
            assert!(
                headers.get("x-resent").unwrap().is_some(),
                "{number} is not marked"
            );
            repeats += 1;
        } else {
            assert_eq!(number, highest.map_or(0, |highest: usize| highest + 1));
            highest = Some(number);
        }
    }
    assert_eq!(highest, Some(n - 1));
    repeats
}

#[test]
fn confirm_that_races_with_the_loss_is_counted_once() {
    all_recover();
    let n_orders = explore(|| {
        let (mut pair, publisher) = Pair::with_publisher();
        let publisher = publisher.resend(Resend::up_to(1 << 20));
        let confirmation = send(&publisher, "k");
        drop(pair.written_now());
        let program = move || drop(look_and_go(confirmation));
        let adapter = |core: &mut Core| {
            let ack = wire::ack(1, 1, false);
            core.feed(&ack, crate::tests::support::pair::now());
            core.lost(reset());
        };
        let check = move || {
            assert_eq!(kept(&publisher), 0);
            assert_eq!(publisher.outstanding(), 0);
        };
        pair.against(program, adapter, check)
    });
    assert!(n_orders > 3, "only {n_orders} orders");
}

#[test]
fn publish_that_races_with_the_loss_is_kept_or_waits() {
    all_recover();
    let n_orders = explore(|| {
        let (pair, publisher) = Pair::with_publisher();
        let publisher = publisher.resend(Resend::up_to(1 << 20));
        let publishing = publisher.clone();
        let outcome = Arc::new(Mutex::new(None));
        let told = Arc::clone(&outcome);
        let program = move || {
            let sent = look_and_go(publishing.send("", "k", "body"));
            *told.lock().unwrap() = sent;
        };
        let adapter = |core: &mut Core| core.lost(reset());
        let check = move || {
            let sent = outcome.lock().unwrap().take();
            assert_eq!(kept(&publisher) > 0, sent.is_some(), "kept");
            assert_eq!(publisher.outstanding(), u64::from(sent.is_some()));
            if let Some(sent) = sent {
                assert!(Task::new(sent.unwrap()).poll().is_pending());
            }
        };
        pair.against(program, adapter, check)
    });
    assert!(n_orders > 3, "only {n_orders} orders");
}

#[test]
fn publish_that_waits_for_room_is_called_when_there_is_some() {
    all_recover();
    let n_orders = explore(|| {
        let (mut pair, publisher) = Pair::with_publisher();
        let publisher = publisher.resend(Resend::up_to(1));
        drop(send(&publisher, "first"));
        drop(pair.written_now());
        let waiting = publisher.clone();
        let program = move || drop(wait_for(waiting.send("", "k", "second")).unwrap());
        let adapter = |core: &mut Core| {
            let ack = wire::ack(1, 1, false);
            core.feed(&ack, crate::tests::support::pair::now());
        };
        let check = move || assert_eq!(publisher.next_sequence_number(), Some(3));
        pair.against(program, adapter, check)
    });
    assert!(n_orders > 3, "only {n_orders} orders");
}
