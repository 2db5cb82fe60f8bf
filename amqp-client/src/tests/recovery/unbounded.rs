//! Consumers without a bound are started last, and their backlogs hold up nothing but each other.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use amqp_spec::Method;
use amqp_spec::basic::Properties;

use super::scene::consumes;
use crate::consume::AutoAck;
use crate::event::Event;
use crate::options::Recovery;
use crate::proto::Sequel;
use crate::proto::recovery::State;
use crate::tests::support::comeback::{Comeback, Play};
use crate::tests::support::pair::quiet;
use crate::tests::support::task::Task;
use crate::{Consumer, Publisher, QueueDeclare};

/// Two consumers without a bound, one with, and a publisher.
struct Unbounded {
    world: Comeback,
    publisher: Publisher,
    bounded: Consumer,
    first: Consumer<AutoAck>,
    second: Consumer<AutoAck>,
}

fn unbounded() -> Unbounded {
    let mut world = Comeback::with(quiet().recovery(Recovery::new()));
    let connection = world.pair.connection.clone();
    let (publisher, bounded, first, second) = world.done(async move {
        let publisher = connection.open_publisher().await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        let other = connection.open_channel().await.unwrap();
        for name in ["b", "u", "v"] {
            let declare = QueueDeclare::new(name).durable();
            channel.queue_declare(declare).await.unwrap();
        }
        let first = channel.consume("u").no_ack().await.unwrap();
        let second = other.consume("v").no_ack().await.unwrap();
        let bounded = channel.consume("b").await.unwrap();
        (publisher, bounded, first, second)
    });
    Unbounded {
        world,
        publisher,
        bounded,
        first,
        second,
    }
}

fn queue_of(method: &Method<'_>) -> Option<String> {
    match method {
        Method::BasicConsume(consume) => {
            Some(String::from_utf8_lossy(consume.queue.as_bytes()).into_owned())
        }
        _ => None,
    }
}

#[test]
fn gates_are_open_before_consumers_without_a_bound_are_started_one_by_one() {
    let mut all = unbounded();
    all.world.lose();
    let asked = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&asked);
    all.world.script = Box::new(move |_, method| {
        seen.borrow_mut().extend(queue_of(method));
        match consumes(method, "u") {
            true => Play::Stuck,
            false => Play::Usual,
        }
    });
    all.world.connect();
    all.world.run();
    assert_eq!(*asked.borrow(), ["b", "u"]);
    // All but these goes on, and it is not said that everything is back.
    let publisher = all.publisher.clone();
    let publish = async move { publisher.publish("", "b", "body").await };
    all.world.done(publish).unwrap();
    assert!(Task::new(all.bounded.next()).poll().is_ready());
    assert!(matches!(
        all.world.pair.connection.state(),
        State::Recovering { .. }
    ));
    assert_eq!(all.world.pair.connection.counters().recoveries, 0);
    // A silence ends the attempt.
    all.world.pass(Duration::from_secs(61));
    assert!(matches!(
        all.world.pair.core.sequel(),
        Sequel::Redial { .. }
    ));
}

#[test]
fn backlog_of_one_does_not_keep_the_next_from_being_started() {
    let mut all = unbounded();
    let mut events = all.world.pair.connection.events();
    all.world.lose();
    // More than may be held unread.
    let body = vec![7; 1 << 20];
    let (n, properties) = (80, Properties::default());
    for _ in 0..n {
        all.world.kernel.publish("/", ("", "u"), &properties, &body);
    }
    all.world
        .kernel
        .publish("/", ("", "v"), &properties, b"hello");
    all.world.connect();
    all.world.run();
    let publisher = all.publisher.clone();
    let mut publish = Task::start(async move { publisher.publish("", "b", "body").await });
    all.world.run();
    // The program does not take what came, for longer than any answer may take.
    all.world.pass(Duration::from_secs(150));
    drop(publish.run());
    assert!(matches!(all.world.pair.core.sequel(), Sequel::Over));
    // What is held is bounded.
    let held = all.world.pair.connection.counters().bytes_buffered;
    assert!(held < 70 << 20, "{held}");
    let mut taken = 0;
    for _ in 0..n {
        all.world.run();
        while let Poll::Ready(Some(delivery)) = Task::new(all.first.next()).poll() {
            delivery.unwrap();
            taken += 1;
        }
    }
    assert_eq!(taken, n);
    all.world.run();
    all.world.assert_open();
    assert!(Task::new(all.second.next()).poll().is_ready());
    let mut losses = 0;
    while let Poll::Ready(Some(event)) = Task::new(events.next()).poll() {
        losses += usize::from(matches!(event, Event::Lost { .. }));
    }
    assert_eq!(losses, 1);
}
