//! What the program wants left out, and what depends on it.

use std::task::Poll;

use amqp_spec::Method;

use super::scene::{declares, ended, scene_with};
use crate::error::{ConsumeError, Entity};
use crate::event::{Event, Events, RecoveryReport};
use crate::options::{Recovery, Restore};
use crate::tests::support::comeback::{Comeback, Play};
use crate::tests::support::pair::quiet;
use crate::tests::support::task::Task;
use crate::{Channel, Consumer, ExchangeDeclare, QueueDeclare};

/// Durable exchange `x`, durable queue `d` and exclusive queue `e` bound to it, their consumers.
struct Extent {
    world: Comeback,
    events: Events,
    channel: Channel,
    d: Consumer,
    e: Consumer,
}

fn extent(recovery: Recovery) -> Extent {
    let mut world = Comeback::with(quiet().recovery(recovery));
    let events = world.pair.connection.events();
    let connection = world.pair.connection.clone();
    let (channel, d, e) = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let declare = ExchangeDeclare::topic("x").durable();
        channel.exchange_declare(declare).await.unwrap();
        let declare = QueueDeclare::new("d").durable();
        channel.queue_declare(declare).await.unwrap();
        let declare = QueueDeclare::new("e").exclusive();
        channel.queue_declare(declare).await.unwrap();
        for queue in ["d", "e"] {
            channel.queue_bind(queue, "x", "key").await.unwrap();
        }
        let d = channel.consume("d").tag("one").await.unwrap();
        let e = channel.consume("e").tag("two").await.unwrap();
        (channel, d, e)
    });
    Extent {
        world,
        events,
        channel,
        d,
        e,
    }
}

impl Extent {
    /// Comes back without a word of this about what may not be declared.
    #[track_caller]
    fn come_back(&mut self, taboo: fn(&Method<'_>) -> bool) -> RecoveryReport {
        self.world.script = Box::new(move |_, method| {
            assert!(!taboo(method), "{method:?}");
            Play::Usual
        });
        self.world.come_back();
        assert!(self.channel.is_open());
        self.world.pair.assert_idle();
        while let Poll::Ready(Some(event)) = Task::new(self.events.next()).poll() {
            if let Event::Recovered(report) = event {
                return RecoveryReport::clone(&report);
            }
        }
        panic!("no report")
    }
}

fn is_about_durable(method: &Method<'_>) -> bool {
    match method {
        Method::QueueBind(bind) => bind.queue == *"d",
        method => declares(method, "x") || declares(method, "d"),
    }
}

fn is_about_topology(method: &Method<'_>) -> bool {
    matches!(
        method,
        Method::ExchangeDeclare(_) | Method::QueueDeclare(_) | Method::QueueBind(_)
    )
}

fn is_about_e(method: &Method<'_>) -> bool {
    match method {
        Method::QueueBind(bind) => bind.queue == *"e",
        Method::BasicConsume(consume) => consume.queue == *"e",
        method => declares(method, "e"),
    }
}

#[test]
fn transient_things_are_restored_and_what_is_durable_is_left_alone() {
    let mut extent = extent(Recovery::new().restore(Restore::Transient));
    let before = extent.world.model();
    extent.world.lose();
    let report = extent.come_back(is_about_durable);
    assert_eq!(extent.world.model(), before);
    assert_eq!(report.skipped.len(), 0, "{report:?}");
    let counts = report.restored;
    let restored = (
        counts.exchanges,
        counts.queues,
        counts.bindings,
        counts.consumers,
    );
    assert_eq!(restored, (0, 1, 1, 2));
    assert!(Task::new(extent.d.next()).poll().is_pending());
    assert!(Task::new(extent.e.next()).poll().is_pending());
}

#[test]
fn durable_queue_that_was_deleted_stays_so_and_its_consumer_ends() {
    let mut extent = extent(Recovery::new().restore(Restore::Transient));
    extent.world.lose();
    assert!(extent.world.kernel.delete_queue("/", "d"));
    let report = extent.come_back(is_about_durable);
    assert_eq!(report.skipped.len(), 1, "{report:?}");
    assert!(report.skipped[0].entity.is_consumer());
    assert!(matches!(ended(&mut extent.d), ConsumeError::NotRestored(_)));
    assert!(Task::new(extent.e.next()).poll().is_pending());
}

#[test]
fn nothing_is_declared_where_others_own_the_topology() {
    let mut extent = extent(Recovery::new().restore(Restore::ConsumersOnly));
    extent.world.lose();
    let report = extent.come_back(is_about_topology);
    let counts = report.restored;
    let restored = (
        counts.exchanges,
        counts.queues,
        counts.bindings,
        counts.consumers,
    );
    assert_eq!(restored, (0, 0, 0, 1));
    // Its queue has gone with the connection.
    assert_eq!(report.skipped.len(), 1, "{report:?}");
    assert!(matches!(ended(&mut extent.e), ConsumeError::NotRestored(_)));
    assert!(Task::new(extent.d.next()).poll().is_pending());
}

#[test]
fn queue_that_is_left_out_takes_its_bindings_and_consumers_along_without_a_word() {
    let by_name = |entity: &Entity| entity.name() != "e";
    let the_queue_alone = |entity: &Entity| !entity.is_queue() || entity.name() != "e";
    for recovery in [
        Recovery::new().keep(by_name),
        Recovery::new().keep(the_queue_alone),
    ] {
        let mut extent = extent(recovery);
        extent.world.lose();
        let report = extent.come_back(is_about_e);
        assert_eq!(report.skipped.len(), 0, "{report:?}");
        assert!(matches!(
            Task::new(extent.e.next()).poll(),
            Poll::Ready(None)
        ));
        assert!(Task::new(extent.d.next()).poll().is_pending());
    }
}

#[test]
fn consumer_that_is_left_out_ends_and_its_queue_is_restored() {
    let keep = |entity: &Entity| !entity.is_consumer() || entity.name() != "e";
    let mut extent = extent(Recovery::new().keep(keep));
    extent.world.lose();
    let report =
        extent.come_back(|method| matches!(method, Method::BasicConsume(one) if one.queue == *"e"));
    let counts = report.restored;
    assert_eq!(
        (counts.queues, counts.bindings, counts.consumers),
        (2, 2, 1)
    );
    assert!(matches!(
        Task::new(extent.e.next()).poll(),
        Poll::Ready(None)
    ));
}

#[test]
fn exchange_that_is_left_out_takes_its_bindings_along_and_no_queue() {
    let mut extent = extent(Recovery::new().keep(|entity| !entity.is_exchange()));
    extent.world.lose();
    let report = extent
        .come_back(|method| matches!(method, Method::ExchangeDeclare(_) | Method::QueueBind(_)));
    assert_eq!(report.skipped.len(), 0, "{report:?}");
    let counts = report.restored;
    assert_eq!(
        (counts.queues, counts.bindings, counts.consumers),
        (2, 0, 2)
    );
    assert!(Task::new(extent.d.next()).poll().is_pending());
    assert!(Task::new(extent.e.next()).poll().is_pending());
}

/// It has been asked for since, so that it is none of those that are left out.
#[test]
fn consumer_that_is_asked_for_meanwhile_is_started_whatever_is_kept() {
    let keep = |entity: &Entity| !entity.is_consumer();
    let mut scene = scene_with(Recovery::new().keep(keep));
    scene.world.lose();
    let channel = scene.channel.clone();
    let starts = async move { channel.consume("b").tag("late").await };
    let mut starting = Task::start(starts);
    assert!(starting.run().is_pending());
    scene.world.come_back();
    let _late = starting.ready().unwrap();
    let model = scene.world.model().join(" ");
    assert!(model.contains("late") && !model.contains("two"), "{model}");
}
