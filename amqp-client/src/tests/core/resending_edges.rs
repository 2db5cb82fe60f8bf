//! A publisher that keeps its messages, where more comes to pass than a loss: smaller frames, a
//! channel that is lost while it is brought back, a large body under way, an alarm, and each end.

use std::io;
use std::task::Poll;
use std::time::Duration;

use amqp_spec::{Method, connection};
use amqp_testing::memory::{Like, Limits};
use bytes::Bytes;

use super::resending::{TUNE, check_queue, goes_on, keeper, kept, keys, publish};
use crate::error::{ConnectCause, ConnectError, Stage};
use crate::event::{Event, RecoveryReport};
use crate::options::{Recovery, WhenDown};
use crate::publish::Resend;
use crate::tests::handles::publisher_renewal::{OPENING, answer, own};
use crate::tests::support::comeback::{Comeback, Play};
use crate::tests::support::pair::{Pair, all_recover, now, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ChannelError, ConnectionError, Message, PublishError, Publisher};

const SECOND: Duration = Duration::from_secs(1);

fn all() -> Resend {
    Resend::up_to(1 << 22)
}

/// With a queue `q` at the broker.
fn world() -> Comeback {
    let mut world = Comeback::new();
    world.kernel.declare_queue("/", "q");
    world
}

fn opened(world: &mut Comeback) -> Publisher {
    let connection = world.pair.connection.clone();
    let opening = async move { connection.open_publisher().await };
    world.done(opening).unwrap().resend(all())
}

fn start(publisher: &Publisher, message: Message) -> super::resending::Publishing<'static> {
    let publisher = publisher.clone();
    Task::start(async move { publisher.publish("", "q", message).await })
}

/// How many messages there are in the queue, with how many octets of body each.
fn sizes(world: &Comeback) -> Vec<usize> {
    let queue = world.kernel.queue("/", "q").unwrap();
    queue
        .messages()
        .iter()
        .map(|message| message.body().len())
        .collect()
}

fn reports(world: &mut Comeback, act: impl FnOnce(&mut Comeback)) -> Vec<RecoveryReport> {
    let mut events = world.pair.connection.events();
    act(world);
    let mut reports = Vec::new();
    while let Poll::Ready(Some(event)) = Task::new(events.next()).poll() {
        if let Event::Recovered(report) = event {
            reports.push(RecoveryReport::clone(&report));
        }
    }
    reports
}

#[test]
fn what_does_not_fit_the_frames_of_the_next_broker_ends_alone() {
    let wide = |octets: usize| Message::new("wide").header("note", "n".repeat(octets));
    let mut world = world();
    let publisher = opened(&mut world);
    let marked = publisher.clone().resend(all().mark_with("x-resent"));
    let mut before = start(&publisher, Message::new("before"));
    let mut written = start(&publisher, wide(9000));
    // Fits, but not with the mark: these are the limit's last octets.
    let mut tight = start(&marked, wide(4050));
    world.budget = Some(0);
    world.run();
    let mut unwritten = start(&publisher, wide(9000));
    let mut large = start(&publisher, Message::new(vec![b'.'; 100_000]));
    world.lose();
    world.budget = None;
    let mut limits = Limits::of(Like::RabbitMq4_0);
    limits.frame_max = 4096;
    world.kernel.set_limits(limits);
    let reports = reports(&mut world, Comeback::come_back);
    world.run();
    let error = written.ready().unwrap_err();
    let PublishError::Uncertain(ChannelError::FrameTooLarge(_)) = error else {
        panic!("{error:?}");
    };
    let error = unwritten.ready().unwrap_err();
    let PublishError::NotSent(ChannelError::FrameTooLarge(_)) = error else {
        panic!("{error:?}");
    };
    for task in [&mut before, &mut tight, &mut large] {
        task.ready().unwrap();
    }
    assert_eq!(sizes(&world), [6, 4, 4, 6, 4, 100_000]);
    assert_eq!(reports[0].resent, 3);
    assert_eq!((kept(&publisher), publisher.outstanding()), (0, 0));
    // The broker's count is that of what it was sent.
    let mut next = start(&publisher, Message::new("next"));
    world.run();
    next.ready().unwrap();
    world.pair.assert_idle();
}

#[test]
fn room_of_what_does_not_fit_any_more_goes_to_those_who_wait() {
    let kinds: [fn(Publisher) -> Publisher; 2] = [
        |publisher| publisher.resend(Resend::up_to(1)),
        |publisher| publisher.max_outstanding(1),
    ];
    for limit in kinds {
        let mut world = world();
        let publisher = limit(opened(&mut world));
        let wide = Message::new("wide").header("note", "n".repeat(9000));
        let mut wide = start(&publisher, wide);
        world.budget = Some(0);
        world.run();
        let mut waiting = start(&publisher, Message::new("waiting"));
        world.lose();
        assert!(waiting.run().is_pending());
        world.budget = None;
        let mut limits = Limits::of(Like::RabbitMq4_0);
        limits.frame_max = 4096;
        world.kernel.set_limits(limits);
        world.come_back();
        world.run();
        assert!(matches!(wide.ready(), Err(PublishError::Uncertain(_))));
        assert!(waiting.run().is_pending());
        world.run();
        waiting.ready().unwrap();
        assert_eq!((kept(&publisher), publisher.outstanding()), (0, 0));
        world.pair.assert_idle();
    }
}

#[test]
fn channel_that_is_lost_again_on_its_way_back_sends_nothing_twice() {
    let mut world = world();
    let connection = world.pair.connection.clone();
    world.kernel.declare_queue("/", "c");
    let (publisher, mut consumer) = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let consumer = channel.consume("c").await.unwrap();
        (Publisher::new(channel).await.unwrap(), consumer)
    });
    let publisher = publisher.resend(all());
    let mut small = start(&publisher, Message::new("s"));
    let mut large = start(&publisher, Message::new(Bytes::from(vec![b'.'; 100_000])));
    world.budget = Some(0);
    world.run();
    let mut unwritten = start(&publisher, Message::new("un"));
    world.lose();
    world.budget = None;
    let mut refused = false;
    world.script = Box::new(move |_, method| match method {
        Method::BasicConsume(_) if !std::mem::replace(&mut refused, true) => {
            Play::CloseChannel(404, "NOT_FOUND - no queue 'c' in vhost '/'")
        }
        _ => Play::Usual,
    });
    let reports = reports(&mut world, Comeback::come_back);
    world.run();
    for task in [&mut small, &mut large, &mut unwritten] {
        task.ready().unwrap();
    }
    assert_eq!(sizes(&world), [1, 100_000, 1, 100_000, 2]);
    assert_eq!(reports[0].skipped.len(), 1);
    assert!(done(consumer.next()).unwrap().is_err());
    assert_eq!((kept(&publisher), publisher.outstanding()), (0, 0));
    world.pair.assert_idle();
}

#[test]
fn large_body_under_way_when_the_channel_is_closed_is_sent_whole_again() {
    all_recover();
    let mut pair = Pair::open();
    let publisher = own(&mut pair).resend(all());
    let mut before = publish(&publisher, "before");
    assert_eq!(keys(&mut pair), ["before"]);
    let body = Bytes::from(vec![b'.'; 1 << 20]);
    let mut large = Task::start(publisher.publish("", "large", Message::new(body.clone())));
    pair.write_limit = 1 << 18;
    while pair.write_once() {}
    pair.feed(&wire::channel_close(1));
    let mut behind = publish(&publisher, "behind");
    pair.write_limit = usize::MAX;
    while pair.write_once() {}
    pair.advance(SECOND);
    let written = pair.written_now();
    let again = written.iter().position(|line| *line == OPENING[0]);
    let (rest, first) = written.split_at(again.expect("opened anew"));
    assert_eq!(rest.last().unwrap(), "1 channel.close-ok");
    // What is large waits for the answer.
    answer(&mut pair);
    while pair.write_once() {}
    assert!(behind.run().is_pending());
    let again = [first, &pair.written_now()].concat();
    let sent: Vec<_> = again.iter().filter(|it| it.contains("publish")).collect();
    assert_eq!(sent.len(), 3, "{again:?}");
    for (line, key) in sent.iter().zip(["before", "large", "behind"]) {
        assert!(line.ends_with(key), "{sent:?}");
    }
    let octets = |line: &String| line.strip_prefix("1 body ")?.parse::<usize>().ok();
    let bodies: usize = again.iter().filter_map(octets).sum();
    assert_eq!(bodies, (1 << 20) + 12);
    pair.feed(&wire::ack(1, 3, true));
    for task in [&mut before, &mut large, &mut behind] {
        task.ready().unwrap();
    }
    drop((before, large, behind));
    assert!(body.is_unique());
    pair.assert_idle();
}

#[test]
fn alarm_keeps_newcomers_and_nothing_that_was_taken_before() {
    let (mut pair, publisher) = keeper();
    let mut old = publish(&publisher, "old");
    assert_eq!(keys(&mut pair), ["old"]);
    pair.next_stream();
    pair.reopens(TUNE);
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
    let mut new = publish(&publisher, "new");
    pair.opens_again(publisher.channel());
    assert_eq!(keys(&mut pair), ["old"]);
    assert!(new.run().is_pending());
    // One loss more, amid the alarm, which ends with its stream.
    goes_on(&mut pair, &publisher);
    assert!(new.run().is_pending());
    assert_eq!(keys(&mut pair), ["old", "new"]);
    pair.feed(&wire::ack(1, 2, true));
    old.ready().unwrap();
    new.ready().unwrap();
    pair.assert_idle();
}

#[test]
fn publisher_that_does_not_wait_fails_with_what_was_not_taken() {
    let (mut pair, publisher) = keeper();
    let publisher = publisher.resend(Resend::up_to(1)).when_down(WhenDown::Fail);
    let mut taken = publish(&publisher, "taken");
    assert_eq!(keys(&mut pair), ["taken"]);
    let mut for_room = publish(&publisher, "room");
    pair.loses();
    let is_down = |outcome| {
        let down = matches!(
            outcome,
            Err(PublishError::NotSent(ChannelError::Recovering { .. }))
        );
        assert!(down, "{outcome:?}");
    };
    is_down(for_room.ready());
    is_down(done(publisher.publish("", "new", "new")));
    taken.pending();
    pair.connects();
    pair.reopens(TUNE);
    pair.opens_again(publisher.channel());
    assert_eq!(keys(&mut pair), ["taken"]);
    pair.feed(&wire::ack(1, 1, false));
    taken.ready().unwrap();
    pair.assert_idle();
}

#[test]
fn shutdown_waits_for_what_is_kept_and_a_loss_amid_it_ends_that() {
    for is_lost in [false, true] {
        let (mut pair, publisher) = keeper();
        let mut first = publish(&publisher, "first");
        assert_eq!(keys(&mut pair), ["first"]);
        goes_on(&mut pair, &publisher);
        let mut second = publish(&publisher, "second");
        assert_eq!(keys(&mut pair), ["first", "second"]);
        let connection = pair.connection.clone();
        let shutdown = async move { connection.shutdown(20 * SECOND).await };
        let mut shutdown = Task::start(shutdown);
        pair.sent();
        pair.feed(&wire::ack(1, 1, false));
        first.ready().unwrap();
        shutdown.pending();
        if is_lost {
            pair.core.lost(ConnectionError::EndOfStream);
            let report = shutdown.ready();
            assert_eq!((report.unconfirmed, report.unsent), (1, 0));
            let error = second.ready().unwrap_err();
            assert!(matches!(error, PublishError::Uncertain(_)), "{error:?}");
        } else {
            pair.feed(&wire::ack(1, 2, false));
            second.ready().unwrap();
            assert_eq!(pair.sent(), ["0 connection.close 200"]);
            pair.says(0, &connection::CloseOk {});
            let report = shutdown.ready();
            assert!(report.is_clean(), "{report}");
        }
        assert_eq!(kept(&publisher), 0);
        pair.assert_idle();
    }
}

#[test]
fn what_is_kept_when_recovery_gives_up_is_told_so() {
    all_recover();
    let mut pair = Pair::open_with(&quiet().recovery(Recovery::new().attempts(1)));
    let publisher = pair.publisher().resend(all());
    let mut left = publish(&publisher, "left");
    assert_eq!(keys(&mut pair), ["left"]);
    let mut never = publish(&publisher, "never");
    pair.loses();
    let crate::proto::Sequel::Redial { at } = pair.core.sequel() else {
        panic!("over");
    };
    pair.advance(at - now());
    left.pending();
    never.pending();
    let refused = ConnectCause::Io(io::Error::from(io::ErrorKind::ConnectionRefused).into());
    let refused = ConnectError::new(Stage::Tcp, "memory", refused);
    pair.core.not_connected(refused, now());
    let is_told = |error: &ChannelError| {
        let ChannelError::Connection(ConnectionError::NotRecovered { .. }) = error else {
            panic!("{error:?}");
        };
    };
    match left.ready().unwrap_err() {
        PublishError::Uncertain(error) => is_told(&error),
        other => panic!("{other:?}"),
    }
    match never.ready().unwrap_err() {
        PublishError::NotSent(error) => is_told(&error),
        other => panic!("{other:?}"),
    }
    assert_eq!(kept(&publisher), 0);
}

#[test]
fn report_of_a_recovery_counts_what_was_sent_again() {
    let mut world = world();
    let publisher = opened(&mut world);
    let mut resent = Vec::new();
    for n in [0, 1, 3] {
        let mut tasks: Vec<_> = (0..n)
            .map(|_| start(&publisher, Message::new("m")))
            .collect();
        let mut reports = reports(&mut world, |world| {
            world.lose();
            world.come_back();
        });
        assert_eq!(reports.len(), 1);
        resent.push(reports.remove(0));
        world.run();
        tasks.iter_mut().for_each(|task| task.ready().unwrap());
    }
    let counts: Vec<_> = resent.iter().map(|report| report.resent).collect();
    assert_eq!(counts, [0, 1, 3]);
    let shown: Vec<_> = resent.iter().map(ToString::to_string).collect();
    assert!(!shown[0].contains("sent again"), "{shown:?}");
    assert!(shown[1].ends_with("; 1 message sent again"), "{shown:?}");
    assert!(shown[2].ends_with("; 3 messages sent again"), "{shown:?}");
    assert_eq!(world.pair.connection.counters().resent, 4);
}

#[test]
fn channel_that_the_program_opens_again_keeps_from_there_on() {
    let mut world = world();
    let connection = world.pair.connection.clone();
    let publisher = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        Publisher::new(channel).await.unwrap()
    });
    let publisher = publisher.resend(all());
    // Something was sent again on it before.
    let mut before = start(&publisher, Message::new("before"));
    world.budget = Some(0);
    world.run();
    world.lose();
    world.budget = None;
    world.come_back();
    let bad = publisher.clone();
    let mut bad = Task::start(async move { bad.publish("missing", "bad", "bad").await });
    let mut behind = start(&publisher, Message::new("behind"));
    world.run();
    before.ready().unwrap();
    let error = bad.ready().unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
    let error = behind.ready().unwrap_err();
    assert!(matches!(error, PublishError::NotSent(_)), "{error:?}");
    let channel = publisher.channel().clone();
    world.done(async move { channel.reopen().await }).unwrap();
    assert_eq!(kept(&publisher), 0);
    let mut first = start(&publisher, Message::new("first!"));
    world.budget = Some(0);
    world.run();
    world.lose();
    world.budget = None;
    let mut second = start(&publisher, Message::new("second!"));
    world.come_back();
    world.run();
    first.ready().unwrap();
    assert!(second.run().is_pending());
    world.run();
    second.ready().unwrap();
    assert_eq!(sizes(&world), [6, 6, 6, 6, 7]);
    assert_eq!((kept(&publisher), publisher.outstanding()), (0, 0));
    world.pair.assert_idle();
}

/// Numbered messages, and one among them that costs the channel, which is opened anew; and the
/// stream is lost behind every frame that the client reads, and the next one likewise.
#[test]
fn nothing_is_missing_wherever_the_stream_is_lost_around_a_close_of_the_channel() {
    const N: usize = 5;
    let mut refused = 0;
    'budgets: for budget in 0.. {
        for again in [None, Some(1), Some(4), Some(6)] {
            let mut world = world();
            let publisher = opened(&mut world).resend(all().mark_with("x-resent"));
            let mut bad = Vec::new();
            let mut tasks = Vec::new();
            for n in 0..N {
                let size = if n == 3 { 300_000 } else { 30 };
                let body = format!("{n}:{}", ".".repeat(size));
                tasks.push(start(&publisher, Message::new(body).header("n", 1)));
                if n == 1 {
                    let publisher = publisher.clone();
                    bad.push(Task::start(async move {
                        publisher.publish("missing", "bad", "bad").await
                    }));
                }
            }
            let mut go = |world: &mut Comeback| {
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
                    bad.retain_mut(|task| match task.run() {
                        Poll::Pending => true,
                        Poll::Ready(outcome) => {
                            let error = outcome.unwrap_err();
                            assert!(matches!(error, PublishError::Refused(_)), "{error:?}");
                            refused += 1;
                            false
                        }
                    });
                    world.pair.advance(SECOND / 4);
                }
                true
            };
            world.budget = Some(budget);
            let complete = go(&mut world);
            world.budget = again.filter(|_| !complete);
            if !complete {
                world.lose();
                world.connect();
                if again.is_some() && !go(&mut world) {
                    world.lose();
                    world.connect();
                }
                world.budget = None;
                assert!(go(&mut world));
            }
            assert!(
                tasks.is_empty() && bad.is_empty(),
                "behind {budget}, {again:?}: {} pending",
                tasks.len()
            );
            check_queue(&world, N);
            assert_eq!((kept(&publisher), publisher.outstanding()), (0, 0));
            let leftovers = publisher.channel().shared().confirms().leftovers();
            assert_eq!(leftovers, (0, 0));
            world.pair.assert_idle();
            if complete {
                break 'budgets;
            }
        }
    }
    assert!(refused > 5);
}
