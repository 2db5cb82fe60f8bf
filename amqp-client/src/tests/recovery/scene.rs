//! Two queues with their consumers, and what is told of them.

use std::task::Poll;

use amqp_spec::Method;

use crate::error::{ConsumeError, EntityFailure};
use crate::event::{Event, Events, RecoveryReport};
use crate::options::Recovery;
use crate::proto::Sequel;
use crate::proto::recovery::State;
use crate::tests::support::comeback::Comeback;
use crate::tests::support::pair::quiet;
use crate::tests::support::task::Task;
use crate::{Channel, Consumer, ExchangeDeclare, QueueDeclare};

/// Exchange `x`, queues `a` and `b` bound to it, a consumer of each, on one channel.
pub(super) struct Scene {
    pub(super) world: Comeback,
    pub(super) events: Events,
    pub(super) channel: Channel,
    pub(super) a: Consumer,
    pub(super) b: Consumer,
}

pub(super) fn scene() -> Scene {
    scene_with(Recovery::new())
}

pub(super) fn scene_with(recovery: Recovery) -> Scene {
    let mut world = Comeback::with(quiet().recovery(recovery));
    let events = world.pair.connection.events();
    let connection = world.pair.connection.clone();
    let (channel, a, b) = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let declare = ExchangeDeclare::topic("x");
        channel.exchange_declare(declare).await.unwrap();
        for name in ["a", "b"] {
            let declare = QueueDeclare::new(name).durable();
            channel.queue_declare(declare).await.unwrap();
            channel.queue_bind(name, "x", name).await.unwrap();
        }
        let a = channel.consume("a").tag("one").await.unwrap();
        let b = channel.consume("b").tag("two").await.unwrap();
        (channel, a, b)
    });
    Scene {
        world,
        events,
        channel,
        a,
        b,
    }
}

impl Scene {
    pub(super) fn told(&mut self) -> Vec<Event> {
        let mut told = Vec::new();
        loop {
            match Task::new(self.events.next()).poll() {
                Poll::Ready(Some(event)) => told.push(event),
                Poll::Ready(None) | Poll::Pending => return told,
            }
        }
    }

    #[track_caller]
    pub(super) fn report(&mut self) -> RecoveryReport {
        let mut reports = self.told().into_iter().filter_map(|event| match event {
            Event::Recovered(report) => Some(report),
            _ => None,
        });
        let report = reports.next().expect("a report");
        assert!(reports.next().is_none(), "two reports");
        RecoveryReport::clone(&report)
    }

    /// Attempts until the connection is open.
    #[track_caller]
    pub(super) fn attempts(&mut self) -> usize {
        for n in 1..10 {
            self.world.connect();
            self.world.run();
            if matches!(self.world.pair.core.sequel(), Sequel::Over) {
                self.world.assert_open();
                return n;
            }
        }
        panic!("it does not come back")
    }

    /// The same, if something may be pending then.
    #[track_caller]
    pub(super) fn attempts_pending(&mut self) -> usize {
        for n in 1..10 {
            self.world.connect();
            self.world.run();
            if matches!(self.world.pair.core.sequel(), Sequel::Over) {
                let state = self.world.pair.connection.state();
                assert!(matches!(state, State::Open { .. }), "{state:?}");
                return n;
            }
        }
        panic!("it does not come back")
    }

    #[track_caller]
    pub(super) fn assert_consumes_b(&mut self) {
        let model = self.world.model().join(" ");
        assert!(model.contains("two"), "{model}");
        assert!(self.channel.is_open());
        assert!(Task::new(self.a.next()).poll().is_pending());
        assert!(Task::new(self.b.next()).poll().is_pending());
    }

    #[track_caller]
    pub(super) fn assert_consumes(&mut self) {
        self.world.pair.assert_idle();
        let model = self.world.model().join(" ");
        assert!(model.contains("one"), "{model}");
        assert!(model.contains("two"), "{model}");
        assert!(self.channel.is_open());
        assert!(Task::new(self.a.next()).poll().is_pending());
        assert!(Task::new(self.b.next()).poll().is_pending());
    }
}

pub(super) fn names(failures: &[EntityFailure]) -> Vec<String> {
    failures.iter().map(|one| one.entity.to_string()).collect()
}

pub(super) fn declares(method: &Method<'_>, name: &str) -> bool {
    match method {
        Method::QueueDeclare(declare) => declare.queue == *name,
        Method::ExchangeDeclare(declare) => declare.exchange == *name,
        _ => false,
    }
}

pub(super) fn consumes(method: &Method<'_>, name: &str) -> bool {
    matches!(method, Method::BasicConsume(consume) if consume.queue == *name)
}

#[track_caller]
pub(super) fn ended(consumer: &mut Consumer) -> ConsumeError {
    match Task::new(consumer.next()).poll() {
        Poll::Ready(Some(Err(error))) => error,
        other => panic!("{other:?}"),
    }
}
