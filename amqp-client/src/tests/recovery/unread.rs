//! A program that does not take what it has been sent: the next stream is read all the same.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use amqp_spec::Method;
use amqp_spec::basic::Properties;

use super::scene::declares;
use crate::consume::AutoAck;
use crate::error::ChannelError;
use crate::event::Event;
use crate::options::Recovery;
use crate::proto::Sequel;
use crate::proto::shared::reading::Demand;
use crate::tests::support::comeback::{Comeback, Play, Script, usual};
use crate::tests::support::pair::quiet;
use crate::tests::support::task::Task;
use crate::{Channel, Consumer, QueueDeclare};

/// A consumer without acknowledgements that holds this many MiB, and one beside it.
fn holding(mebibytes: usize) -> (Comeback, Channel, Consumer, Consumer<AutoAck>) {
    let mut world = Comeback::with(quiet().recovery(Recovery::new()));
    let connection = world.pair.connection.clone();
    let (channel, bounded, unbounded) = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let other = connection.open_channel().await.unwrap();
        for name in ["b", "u"] {
            let declare = QueueDeclare::new(name).durable();
            channel.queue_declare(declare).await.unwrap();
        }
        let unbounded = other.consume("u").no_ack().await.unwrap();
        let bounded = channel.consume("b").await.unwrap();
        (channel, bounded, unbounded)
    });
    let _demand = Demand::new(world.pair.core.shared());
    let (properties, body) = (Properties::default(), vec![7; 1 << 20]);
    for _ in 0..mebibytes {
        world.kernel.publish("/", ("", "u"), &properties, &body);
    }
    world.run();
    let held = world.pair.connection.counters().bytes_buffered;
    assert!(held >= u64::try_from(mebibytes << 20).unwrap(), "{held}");
    (world, channel, bounded, unbounded)
}

const DOWN: &str = "NOT_FOUND - queue 'b' in vhost '/' process is down or inaccessible";

/// The node of a queue is.
fn down() -> Script {
    Box::new(|_, method| match declares(method, "b") {
        true => Play::CloseChannel(404, DOWN),
        false => Play::Usual,
    })
}

fn taken(consumer: &mut Consumer<AutoAck>) -> usize {
    let mut taken = 0;
    while let Poll::Ready(Some(delivery)) = Task::new(consumer.next()).poll() {
        delivery.unwrap();
        taken += 1;
    }
    taken
}

#[test]
fn next_stream_is_read_however_much_the_program_has_not_taken() {
    for mebibytes in [20, 64] {
        let (mut world, _channel, mut bounded, mut unbounded) = holding(mebibytes);
        let mut events = world.pair.connection.events();
        world.lose();
        world.connect();
        world.run();
        // It takes nothing for longer than any answer may take.
        world.pass(Duration::from_secs(150));
        assert!(matches!(world.pair.core.sequel(), Sequel::Over));
        world
            .kernel
            .publish("/", ("", "b"), &Properties::default(), b"hello");
        world.run();
        let mut n = taken(&mut unbounded);
        world.run();
        world.assert_open();
        assert!(Task::new(bounded.next()).poll().is_ready());
        world
            .kernel
            .publish("/", ("", "u"), &Properties::default(), b"hello");
        world.run();
        n += taken(&mut unbounded);
        assert_eq!(n, mebibytes + 1);
        let mut told = Vec::new();
        while let Poll::Ready(Some(event)) = Task::new(events.next()).poll() {
            told.push(event);
        }
        let (first, last) = (told.first(), told.last());
        assert!(matches!(first, Some(Event::Lost { .. })), "{told:?}");
        assert!(matches!(last, Some(Event::Recovered(_))), "{told:?}");
        assert_eq!(told.len(), 3, "{told:?}");
    }
}

/// What waits while there is no stream does not wait for the program to take something.
#[test]
fn standstill_ends_with_its_stream() {
    let (mut world, channel, _bounded, mut unbounded) = holding(64);
    let asked = channel.clone();
    let mut asking = Task::start(async move { asked.queue_purge("b").await });
    world.run();
    let first = asking.run();
    assert!(first.is_pending());
    world.lose();
    assert!(asking.ready().is_err());
    let mut asking = Task::start(async move { channel.queue_purge("b").await });
    world.pair.advance(Duration::from_secs(31));
    let error = asking.ready().unwrap_err();
    assert!(
        matches!(error, ChannelError::Recovering { .. }),
        "{error:?}"
    );
    assert_eq!(taken(&mut unbounded), 64);
}

/// What is tried again behind the gates is answered like anything that the program asks for, and
/// costs nothing when the stream is not read at all.
#[test]
fn what_is_pending_is_tried_though_the_program_takes_nothing() {
    for mebibytes in [20, 64] {
        let (mut world, channel, _bounded, mut unbounded) = holding(mebibytes);
        world.lose();
        world.script = down();
        world.connect();
        world.run();
        world.script = usual();
        world.pass(Duration::from_secs(150));
        assert!(
            matches!(world.pair.core.sequel(), Sequel::Over),
            "lost again"
        );
        let is_back = |world: &Comeback| {
            let model = world.model();
            let queue = model.iter().find(|one| one.starts_with("queue b"));
            queue.is_some_and(|queue| queue.ends_with(": 1"))
        };
        assert_eq!(is_back(&world), mebibytes == 20, "{:?}", world.model());
        assert_eq!(taken(&mut unbounded), mebibytes);
        world.run();
        world.pass(Duration::from_secs(60));
        assert!(is_back(&world));
        world.assert_open();
        assert!(channel.is_open());
    }
}

#[test]
fn what_is_pending_costs_nothing_if_the_program_stops_taking_while_it_is_tried() {
    let (mut world, channel, _bounded, mut unbounded) = holding(63);
    world.lose();
    world.script = down();
    world.connect();
    world.run();
    // Refused once more, it needs another channel; something else comes before that is opened.
    let asked = Rc::new(Cell::new(false));
    let asks = Rc::clone(&asked);
    world.script = Box::new(move |_, method| match method {
        Method::ChannelOpen(_) => {
            asks.set(true);
            Play::Stuck
        }
        method if declares(method, "b") => Play::CloseChannel(404, DOWN),
        _ => Play::Usual,
    });
    for _ in 0..100 {
        world.pass(Duration::from_millis(100));
    }
    assert!(asked.get());
    let (properties, body) = (Properties::default(), vec![7; 2 << 20]);
    world.kernel.publish("/", ("", "u"), &properties, &body);
    world.run();
    assert!(!world.pair.wants_read());
    world.script = usual();
    world.pass(Duration::from_secs(100));
    assert!(matches!(world.pair.core.sequel(), Sequel::Over), "lost");
    assert_eq!(taken(&mut unbounded), 64);
    world.run();
    world.pass(Duration::from_secs(60));
    world.assert_open();
    assert!(channel.is_open());
}
