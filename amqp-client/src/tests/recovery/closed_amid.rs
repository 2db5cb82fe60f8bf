//! A connection that ends while it comes back: wherever that is, it ends at once and once, every
//! future learns of it, and nothing stays behind.

use std::cell::Cell;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use amqp_spec::{Method, ReplyCode, frame};

use super::restored::{Fixture, fixture};
use crate::error::ConnectionError;
use crate::event::{Event, Events};
use crate::options::Recovery;
use crate::proto::recovery::{Sequel, State};
use crate::tests::support::comeback::{Comeback, Play};
use crate::tests::support::pair::{now, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Connection, Consumer, Message, QueueDeclare, rpc};

/// Where the connection is when it is closed.
#[derive(Clone, Copy, Debug)]
enum Where {
    /// It waits for the next attempt.
    Waiting,
    /// The broker has said this many frames on the next stream.
    Behind(usize),
}

/// How a close by the program is told.
const CLOSED: &str = "connection closed by the application";

/// A future that waits, and how it has ended.
type Waiting = (&'static str, Task<'static, String>);

fn job<T: Debug>(name: &'static str, future: impl Future<Output = T> + 'static) -> Waiting {
    let told = async { format!("{:?}", future.await) };
    (name, Task::start(told))
}

/// Everything that waits before the connection is lost, or from then on.
fn everything_that_waits(world: &mut Comeback, fixture: &mut Fixture) -> Vec<Waiting> {
    let connection = || world.pair.connection.clone();
    let [first, second] = [0, 1].map(|n| fixture.channels[n].clone());
    let publisher = || fixture.publisher.clone();
    let (one, other) = (publisher(), publisher());
    let (closed, ready, opens, has_one) = (connection(), connection(), connection(), connection());
    let (end, starts) = (first.clone(), first.clone());
    let mut jobs = vec![
        job(
            "publish",
            async move { one.publish("", "orders", "?").await },
        ),
        job(
            "send",
            async move { other.send("", "orders", "?").await?.await },
        ),
        job("declare", async move {
            second.queue_declare(QueueDeclare::new("late")).await
        }),
        job("consume", async move { starts.consume("orders").await }),
        job("open a channel", async move { opens.open_channel().await }),
        job("open a publisher", async move {
            has_one.open_publisher().await.map(drop)
        }),
        job("plain publish", async move {
            let message = Message::new("?");
            first.basic_publish("", "orders", &message).await
        }),
        job("the end of a channel", async move { end.closed().await }),
        job("the end", async move { closed.closed().await }),
        job("ready", async move { ready.ready().await }),
    ];
    for consumer in fixture.consumers.drain(..) {
        jobs.push(job("next", next(consumer)));
    }
    jobs
}

async fn next(mut consumer: Consumer) -> bool {
    consumer.next().await.is_none()
}

/// What is left of the stream's conversation: how often the connection was closed on it.
fn count_closes(world: &mut Comeback) -> Rc<Cell<u32>> {
    let closes = Rc::new(Cell::new(0));
    let counts = Rc::clone(&closes);
    world.script = Box::new(move |_, method| {
        if matches!(method, Method::ConnectionClose(_)) {
            counts.set(counts.get() + 1);
        }
        Play::Usual
    });
    closes
}

/// A connection that has been lost and is there, and everything that waits. False if it has come
/// back before that.
fn lost_and_back_to(place: Where) -> (Comeback, Fixture, Vec<Waiting>, Events, bool) {
    let mut world = Comeback::new();
    let mut fixture = fixture(&mut world);
    let connection = world.pair.connection.clone();
    let unbounded = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let queue = channel.queue_declare(QueueDeclare::new("plenty")).await;
        let name = queue.unwrap().name;
        channel.consume(name).no_ack().tag("last").await.unwrap()
    });
    let events = world.pair.connection.events();
    world.lose();
    let mut jobs = everything_that_waits(&mut world, &mut fixture);
    let mut unbounded = unbounded;
    jobs.push(job("next of an unbounded one", async move {
        unbounded.next().await.is_none()
    }));
    let mut more = true;
    if let Where::Behind(budget) = place {
        world.connect();
        world.budget = Some(budget);
        more = !world.run();
        world.budget = None;
    }
    (world, fixture, jobs, events, more)
}

/// Both sides say what they have to say, and no time passes.
fn settle(world: &mut Comeback, jobs: &mut [Waiting]) -> Vec<Option<String>> {
    let since = now();
    let mut ends: Vec<_> = jobs.iter().map(|_| None).collect();
    for _ in 0..5 {
        world.run();
        for ((_, task), end) in jobs.iter_mut().zip(&mut ends) {
            if let (None, Poll::Ready(told)) = (&end, task.run()) {
                *end = Some(told);
            }
        }
    }
    assert_eq!(now(), since);
    ends
}

/// The core is done, the broker was told if it could be, and listeners hear of one end.
#[track_caller]
fn assert_over(world: &mut Comeback, events: &mut Events, was_open: bool, closes: u32, at: Where) {
    assert!(world.pair.core.is_finished(), "{at:?}");
    assert_eq!(world.pair.core.sequel(), Sequel::Over, "{at:?}");
    assert_eq!(world.pair.core.deadline(), None, "{at:?}");
    assert_eq!(closes, u32::from(was_open), "{at:?}");
    if was_open {
        let left = world.kernel.connection(world.client);
        let left = left.map_or(0, |one| one.channels().len());
        assert_eq!(left, 0, "{at:?}: the broker was not told");
    }
    let mut ends = 0;
    loop {
        match done(events.next()) {
            Some(Event::ConnectionClosed { cause }) => {
                assert!(matches!(cause, ConnectionError::Closed), "{at:?}: {cause}");
                ends += 1;
            }
            Some(_) => assert_eq!(ends, 0, "{at:?}: something behind the end"),
            None => break,
        }
    }
    assert_eq!(ends, 1, "{at:?}");
    world.pair.assert_idle();
    let shared = world.pair.core.shared();
    assert_eq!(shared.timers.len(), 0, "{at:?}: timers");
    assert_eq!(shared.end.n_waiting(), 0, "{at:?}: waiting for the end");
    assert_eq!(shared.standing.n_waiting(), 0, "{at:?}: waiting for it");
}

/// Nothing keeps what the handles shared.
#[track_caller]
fn assert_nothing_left(world: Comeback, rest: impl Sized, at: Where) {
    let shared = Arc::downgrade(world.pair.core.shared());
    drop(rest);
    drop(world);
    assert_eq!(shared.strong_count(), 0, "{at:?}: something is left");
}

/// Every place of a recovery, until it is complete.
fn everywhere(mut close: impl FnMut(Where) -> bool) {
    close(Where::Waiting);
    let mut budget = 0;
    while close(Where::Behind(budget)) {
        budget += 1;
    }
    assert!(budget > 25, "{budget}");
}

#[test]
fn close_ends_a_recovery_behind_each_frame() {
    everywhere(|at| {
        let (mut world, fixture, mut jobs, mut events, more) = lost_and_back_to(at);
        let closes = count_closes(&mut world);
        let was_open = world.pair.core.is_open();
        // Some may have been answered on the next stream already.
        jobs.retain_mut(|(_, task)| task.run().is_pending());
        let gates_are_open = world.pair.core.shared().outbox().room().down().is_none();
        let connection = world.pair.connection.clone();
        jobs.push(job("close", async move { connection.close().await }));
        let ends = settle(&mut world, &mut jobs);
        for ((name, _), end) in jobs.iter().zip(&ends) {
            let end = end.as_ref();
            let end = end.unwrap_or_else(|| panic!("{at:?}: {name} does not end"));
            match *name {
                "close" => assert_eq!(end, "Ok(())", "{at:?}"),
                "the end" => assert_eq!(end, CLOSED, "{at:?}"),
                // These end well, for the program has closed the connection.
                _ if name.starts_with("next") => assert_eq!(end, "true", "{at:?}: {name}"),
                _ => {
                    let is_over = end.contains(CLOSED);
                    assert!(is_over || gates_are_open, "{at:?}: {name}: {end}");
                }
            }
        }
        assert_over(&mut world, &mut events, was_open, closes.get(), at);
        let state = world.pair.connection.state();
        assert!(
            matches!(state, State::Closed(ConnectionError::Closed)),
            "{state:?}"
        );
        // Once more changes nothing.
        let connection = world.pair.connection.clone();
        done(connection.close()).unwrap();
        drop((connection, jobs));
        assert_nothing_left(world, (fixture, events), at);
        more
    });
}

/// Gives the only handle that the test itself holds away.
fn let_go(world: &mut Comeback) -> Connection {
    let other = Comeback::waiting(quiet().recovery(Recovery::new()));
    std::mem::replace(&mut world.pair.connection, other.pair.connection)
}

#[test]
fn drop_of_all_handles_ends_a_recovery_behind_each_frame() {
    everywhere(|at| {
        let (mut world, fixture, jobs, mut events, more) = lost_and_back_to(at);
        let closes = count_closes(&mut world);
        let was_open = world.pair.core.is_open();
        drop((jobs, fixture));
        let connection = let_go(&mut world);
        // One handle is as good as all.
        world.pair.core.turn(now());
        assert!(connection.close_reason().is_none(), "{at:?}");
        drop(connection);
        settle(&mut world, &mut []);
        assert_over(&mut world, &mut events, was_open, closes.get(), at);
        assert_nothing_left(world, events, at);
        more
    });
}

/// Calls and servers too, which have tasks of their own waiting.
#[test]
fn calls_end_with_a_recovery_behind_each_frame() {
    for budget in 0.. {
        let mut world = Comeback::new();
        let connection = world.pair.connection.clone();
        let client = world
            .done(async move { rpc::Client::open(&connection).await })
            .unwrap();
        world.lose();
        let same = client.clone();
        let calling = job("call", async move { same.call("", "q", "?").await });
        world.connect();
        world.budget = Some(budget);
        let complete = world.run();
        world.budget = None;
        let connection = world.pair.connection.clone();
        let closing = job("close", async move { connection.close().await });
        let mut jobs = [calling, closing];
        let ends = settle(&mut world, &mut jobs);
        assert!(
            ends.iter().all(Option::is_some),
            "behind {budget}: {ends:?}"
        );
        assert_eq!(client.counters().pending, 0);
        assert_nothing_left(world, (jobs, client), Where::Behind(budget));
        if complete {
            return;
        }
    }
}

/// The broker writes it to its log.
#[test]
fn broker_is_told_why_a_connection_is_closed_while_it_comes_back() {
    // A shutdown has no reason of the program's.
    for (reason, told) in [
        (Some("maintenance"), (320, "maintenance")),
        (None, (200, "closed by the application")),
    ] {
        // The adapter may be about to write when it is asked for.
        for turns in [true, false] {
            let mut world = Comeback::new();
            let mut fixture = fixture(&mut world);
            world.lose();
            world.connect();
            world.budget = Some(8);
            assert!(!world.run());
            assert!(world.pair.core.is_open());
            let connection = world.pair.connection.clone();
            let mut closing = Task::start(async move {
                match reason {
                    Some(text) => connection.close_with(ReplyCode(320), text).await.is_ok(),
                    None => connection.shutdown(Duration::from_secs(1)).await.is_clean(),
                }
            });
            if !turns {
                let _ = world.pair.core.transmit();
            }
            let written = world.pair.written_octets();
            let (frames, _) = wire::raw_frames(&written);
            let mut closes = Vec::new();
            for octets in frames {
                let (frame, _) = frame::decode(&octets, usize::MAX).unwrap().unwrap();
                if let Method::ConnectionClose(close) = Method::decode(frame.payload).unwrap() {
                    let text = String::from_utf8_lossy(close.reply_text.as_bytes()).into_owned();
                    closes.push((close.reply_code, text));
                }
            }
            assert_eq!(closes, [(told.0, told.1.to_owned())], "{turns}");
            assert!(closing.ready());
            fixture.consumers.clear();
        }
    }
}
