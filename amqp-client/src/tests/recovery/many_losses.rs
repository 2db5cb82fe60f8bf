//! A connection that is lost a hundred times: what it keeps is what it kept after the first ones.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;

use super::restored::{Fixture, fixture};
use crate::event::Event;
use crate::tests::support::comeback::{Comeback, Play};
use crate::tests::support::task::Task;

/// As many former names as are kept of each queue.
const FORMER_NAMES: usize = 16;

/// What the connection holds, in words.
fn census(world: &Comeback, fixture: &Fixture) -> Vec<(&'static str, usize)> {
    let shared = world.pair.core.shared();
    let publisher = fixture.publisher.channel().shared();
    let (unanswered, runs) = publisher.confirms().leftovers();
    let outbox = shared.outbox();
    let demands = usize::try_from(shared.reading.n_demands()).unwrap();
    let gone_back = |n: usize| fixture.channels[n].shared().n_waiting_for_lost();
    vec![
        ("channels", outbox.channels().n_in_use()),
        ("ids of channels", outbox.channels().n_known()),
        ("left in the outbox", outbox.leftovers().len()),
        ("octets in the outbox", outbox.held_now().octets),
        ("requests", outbox.held_now().requests),
        ("timers", shared.timers.len()),
        ("waiting for the end", shared.end.n_waiting()),
        ("waiting to be ready", shared.standing.n_waiting()),
        ("listeners", shared.listeners.len()),
        ("demands", demands),
        ("former names", shared.n_renames()),
        ("octets of deliveries", shared.reading.buffered()),
        ("unanswered publishes", unanswered),
        ("lost publishes", runs),
        (
            "waiting for deliveries to go back",
            gone_back(0) + gone_back(1),
        ),
    ]
}

/// A publish, a request and a delivery meet the loss; everything comes back.
fn lose(world: &mut Comeback, fixture: &mut Fixture) {
    let publisher = fixture.publisher.clone();
    let publish = |key: &'static str| {
        let publisher = publisher.clone();
        Task::start(async move { publisher.publish("orders", key, "?").await })
    };
    let mut written = publish("late");
    assert!(!world.pair.written_octets().is_empty());
    let mut unwritten = publish("late");
    let channel = fixture.channels[0].clone();
    let mut asking = Task::start(async move { channel.queue_bind("orders", "orders", "#").await });
    world.lose();
    written.ready().unwrap_err();
    assert!(unwritten.run().is_pending());
    world.come_back();
    for _ in 0..5 {
        world.run();
        if unwritten.run().is_ready() {
            break;
        }
    }
    asking.ready().unwrap();
    world.run();
    // What was delivered is given back with the next loss.
    let deliveries = fixture.consumers[0].next();
    assert!(Task::new(deliveries).poll().is_ready());
}

#[test]
fn everything_is_as_bounded_after_a_hundred_losses_as_after_the_first_ones() {
    let mut world = Comeback::new();
    let mut fixture = fixture(&mut world);
    let connection = world.pair.connection.clone();
    let (closed, ready) = (connection.clone(), connection.clone());
    let mut closed = Task::start(async move { closed.closed().await });
    let returns = fixture.channels[0].returns();
    let mut events = connection.events();
    let sent = Rc::new(Cell::new(0));
    let counts = Rc::clone(&sent);
    world.script = Box::new(move |_, _| {
        counts.set(counts.get() + 1);
        Play::Usual
    });
    let mut before = None;
    for n in 1..=100 {
        sent.set(0);
        lose(&mut world, &mut fixture);
        let ready = ready.clone();
        world.done(async move { ready.ready().await }).unwrap();
        if n >= FORMER_NAMES {
            // As much is said each time as well: nothing is declared that was not there before.
            let now = (census(&world, &fixture), sent.get());
            let before = before.get_or_insert_with(|| now.clone());
            assert_eq!(*before, now, "after {n} losses");
        }
    }
    assert!(closed.poll().is_pending());
    let mut n_events = 0;
    while let Poll::Ready(Some(event)) = Task::new(events.next()).poll() {
        match (n_events, event) {
            (0, Event::Lagged { count }) => assert_eq!(count, 300 - 256),
            (n, event) => assert!(n > 0, "{event:?}"),
        }
        n_events += 1;
    }
    assert_eq!(n_events, 1 + 256);
    drop((returns, connection));
}
