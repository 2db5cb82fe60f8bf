//! What the broker still keeps for the connection that was lost: it has not noticed.

use std::task::Poll;
use std::time::Duration;

use amqp_testing::memory::ConnectionId;

use super::scene::ended;
use crate::error::{ConsumeError, Entity};
use crate::event::{Event, Events};
use crate::options::Recovery;
use crate::proto::recovery::State;
use crate::tests::support::comeback::Comeback;
use crate::tests::support::pair::quiet;
use crate::tests::support::task::Task;
use crate::{Channel, Consumer, Publisher, QueueDeclare};

/// What the connection has for itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Own {
    Queue,
    Consumer,
}

/// Queue `mine`, which the connection or its consumer has for itself, and queue `b`.
struct Held {
    world: Comeback,
    own: Own,
    lost: Option<ConnectionId>,
    events: Events,
    channel: Channel,
    publisher: Publisher,
    mine: Consumer,
    b: Consumer,
}

fn held(own: Own, recovery: Recovery) -> Held {
    let mut world = Comeback::with(quiet().recovery(recovery));
    let events = world.pair.connection.events();
    let connection = world.pair.connection.clone();
    let (channel, publisher, mine, b) = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let declare = QueueDeclare::new("mine");
        let declare = match own {
            Own::Queue => declare.exclusive(),
            Own::Consumer => declare.durable(),
        };
        channel.queue_declare(declare).await.unwrap();
        channel
            .queue_bind("mine", "amq.direct", "key")
            .await
            .unwrap();
        let declare = QueueDeclare::new("b").durable();
        channel.queue_declare(declare).await.unwrap();
        let mine = channel.consume("mine").tag("one");
        let mine = match own {
            Own::Queue => mine,
            Own::Consumer => mine.exclusive(),
        };
        let mine = mine.await.unwrap();
        let b = channel.consume("b").tag("two").await.unwrap();
        (channel, connection.open_publisher().await.unwrap(), mine, b)
    });
    let lost = Some(world.lose_unnoticed());
    Held {
        world,
        own,
        lost,
        events,
        channel,
        publisher,
        mine,
        b,
    }
}

impl Held {
    fn told(&mut self) -> Vec<Event> {
        let mut told = Vec::new();
        while let Poll::Ready(Some(event)) = Task::new(self.events.next()).poll() {
            told.push(event);
        }
        told
    }

    fn connect(&mut self) {
        self.world.connect();
        self.world.run();
    }

    fn notice(&mut self) {
        let lost = self.lost.take().unwrap();
        self.world.notice(lost);
    }

    fn n_pending(&self) -> Option<usize> {
        match self.world.pair.connection.state() {
            State::Open { pending, .. } => Some(pending),
            _ => None,
        }
    }

    /// What it has for itself, with what depends on that.
    fn n_held(&self) -> usize {
        match self.own {
            Own::Queue => 2,
            Own::Consumer => 1,
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        self.world.pass(Duration::from_millis(milliseconds));
    }

    #[track_caller]
    fn assert_all_back(&mut self) {
        self.world.assert_open();
        let model = self.world.model().join(" ");
        assert!(model.contains("one") && model.contains("two"), "{model}");
        assert!(self.channel.is_open());
        assert!(Task::new(self.mine.next()).poll().is_pending());
        assert!(Task::new(self.b.next()).poll().is_pending());
        self.world.pair.assert_idle();
    }
}

fn is_about_one(event: &Event) -> bool {
    matches!(
        event,
        Event::Pending { .. } | Event::Restored { .. } | Event::NotRestored { .. }
    )
}

#[test]
fn what_the_broker_frees_in_a_moment_is_waited_for_and_is_no_event() {
    for own in [Own::Queue, Own::Consumer] {
        let mut held = held(own, Recovery::new());
        held.connect();
        let publisher = held.publisher.clone();
        let mut publish = Task::start(async move { publisher.publish("", "b", "body").await });
        held.pass(60);
        assert_eq!(held.n_pending(), None);
        assert!(publish.run().is_pending());
        held.notice();
        held.pass(200);
        assert!(publish.run().is_pending());
        held.world.run();
        publish.ready().unwrap();
        held.world.run();
        assert!(Task::new(held.b.next()).poll().is_ready());
        held.assert_all_back();
        let told = held.told();
        assert!(!told.iter().any(is_about_one), "{told:?}");
    }
}

#[test]
fn all_else_waits_a_second_for_what_is_held_and_no_longer() {
    for own in [Own::Queue, Own::Consumer] {
        let mut held = held(own, Recovery::new());
        held.connect();
        held.pass(990);
        assert_eq!(held.n_pending(), None);
        held.pass(20);
        assert_eq!(held.n_pending(), Some(held.n_held()));
        let publisher = held.publisher.clone();
        let publish = async move { publisher.publish("", "b", "body").await };
        held.world.done(publish).unwrap();
        held.pass(5000);
        assert_eq!(held.n_pending(), Some(held.n_held()));
        let told = held.told();
        let told: Vec<_> = told.iter().filter(|event| is_about_one(event)).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        held.notice();
        held.pass(2100);
        // Until then the broker may have sent it to the connection that was lost.
        assert!(Task::new(held.b.next()).poll().is_ready());
        held.assert_all_back();
        let told = held.told();
        let restored = told.iter().find_map(|event| match event {
            Event::Restored { entity } => Some(entity),
            _ => None,
        });
        assert_eq!(restored.unwrap().is_queue(), own == Own::Queue);
    }
}

#[test]
fn what_is_held_for_longer_than_the_program_waits_is_skipped_and_told() {
    for own in [Own::Queue, Own::Consumer] {
        for limit in [500, 5000] {
            let limit = Duration::from_millis(limit);
            let mut held = held(own, Recovery::new().exclusive_for(limit));
            held.connect();
            held.pass(6000);
            held.world.assert_open();
            let mut skipped = Vec::new();
            for event in held.told() {
                match event {
                    Event::NotRestored { entity, .. } => skipped.push(Entity::clone(&entity)),
                    Event::Recovered(report) => {
                        skipped.extend(report.skipped.iter().map(|one| one.entity.clone()));
                    }
                    _ => {}
                }
            }
            let n = |of: fn(&Entity) -> bool| skipped.iter().filter(|one| of(one)).count();
            assert_eq!(n(Entity::is_consumer), 1, "{skipped:?}");
            let of_queue = usize::from(own == Own::Queue);
            assert_eq!(n(Entity::is_queue), of_queue, "{skipped:?}");
            assert_eq!(n(Entity::is_binding), of_queue, "{skipped:?}");
            assert!(matches!(
                ended(&mut held.mine),
                ConsumeError::NotRestored(_)
            ));
            assert!(held.channel.is_open());
            assert!(Task::new(held.b.next()).poll().is_pending());
            held.world.pair.assert_idle();
        }
    }
}

/// Nothing depends on it.
#[test]
fn queue_that_is_held_is_waited_for_though_nothing_leads_to_it() {
    let mut world = Comeback::new();
    let connection = world.pair.connection.clone();
    let _channel = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let declare = QueueDeclare::new("one").exclusive();
        channel.queue_declare(declare).await.unwrap();
        channel
    });
    let lost = world.lose_unnoticed();
    world.connect();
    world.run();
    world.pass(Duration::from_millis(500));
    let state = world.pair.connection.state();
    assert!(matches!(state, State::Recovering { .. }), "{state:?}");
    world.notice(lost);
    world.pass(Duration::from_millis(1500));
    world.assert_open();
}
