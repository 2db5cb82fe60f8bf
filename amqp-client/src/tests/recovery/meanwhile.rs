//! What the program asks for while a connection is down, or not all of it is back.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use amqp_spec::Method;
use amqp_testing::memory::{Like, Limits};

use crate::error::{ChannelError, ConnectCause, ConnectError, Entity, Stage};
use crate::event::{Event, Events};
use crate::options::Recovery;
use crate::tests::support::comeback::{Comeback, Play, usual};
use crate::tests::support::pair::{now, quiet};
use crate::tests::support::task::Task;
use crate::{Channel, Connection, QueueDeclare};

fn channel(world: &mut Comeback) -> Channel {
    let connection = world.pair.connection.clone();
    world
        .done(async move { connection.open_channel().await })
        .unwrap()
}

#[test]
fn channel_is_opened_before_there_was_a_stream() {
    let mut world = Comeback::waiting(quiet().recovery(Recovery::new().from_the_start()));
    let connection = world.pair.connection.clone();
    let mut opening = Task::start(async move {
        let channel = connection.open_channel().await?;
        channel.queue_declare(QueueDeclare::new("q")).await?;
        Ok::<_, ChannelError>(channel)
    });
    world.connect();
    for _ in 0..4 {
        world.run();
        if let Poll::Ready(opened) = opening.run() {
            let channel = opened.unwrap();
            assert!(channel.is_open());
            world.assert_open();
            world.pair.assert_idle();
            assert!(world.model().join(" ").contains("queue q"));
            return;
        }
    }
    panic!("it is not opened")
}

#[test]
fn what_waits_is_said_with_the_new_names_of_queues() {
    let mut world = Comeback::new();
    let channel = channel(&mut world);
    let same = channel.clone();
    let name = world.done(async move {
        let declare = QueueDeclare::new("").exclusive();
        same.queue_declare(declare).await.unwrap().name
    });
    world.lose();
    let (first, second, third) = (channel.clone(), channel.clone(), channel.clone());
    let name = Rc::new(name);
    let (n1, n2, n3) = (Rc::clone(&name), Rc::clone(&name), Rc::clone(&name));
    let mut binding = Task::start(async move { first.queue_bind(&*n1, "amq.direct", "key").await });
    let mut purging = Task::start(async move { second.queue_purge(&*n2).await });
    let mut consuming = Task::start(async move { third.consume(&*n3).tag("c").await });
    world.come_back();
    world.run();
    binding.ready().unwrap();
    purging.ready().unwrap();
    let consumer = consuming.ready().unwrap();
    assert!(channel.is_open());
    let model = world.model();
    assert!(
        model.iter().any(|line| line.contains("amq.direct")),
        "{model:?}"
    );
    let now = world.pair.connection.current_name(&*name);
    assert_ne!(now, **name);
    drop(consumer);
}

#[test]
fn channel_that_does_not_fit_the_next_broker_ends_and_is_reported() {
    let mut world = Comeback::new();
    let mut events = world.pair.connection.events();
    let channels: Vec<_> = (0..5).map(|_| channel(&mut world)).collect();
    world.lose();
    let mut limits = Limits::of(Like::RabbitMq4_0);
    limits.channel_max = 3;
    world.kernel.set_limits(limits);
    world.come_back_pending();
    world.assert_open();
    let open: Vec<_> = channels.iter().map(Channel::is_open).collect();
    assert_eq!(open, [true, true, true, false, false]);
    let mut skipped = Vec::new();
    while let Poll::Ready(Some(event)) = Task::new(events.next()).poll() {
        if let Event::Recovered(report) = event {
            skipped.extend(report.skipped.iter().map(|one| one.entity.clone()));
        }
    }
    assert_eq!(skipped, [Entity::Channel(4), Entity::Channel(5)]);
    let connection = world.pair.connection.clone();
    let one_more = world.done(async move { connection.open_channel().await });
    assert!(matches!(
        one_more,
        Err(ChannelError::ChannelLimit { channel_max: 3 })
    ));
    world.pair.assert_idle();
}

/// All ids are in use, so that the plan declares on the program's channel: a refusal there costs the
/// program nothing, now or later.
#[test]
fn plan_borrows_a_channel_if_there_is_no_other() {
    let mut options = quiet().recovery(Recovery::new());
    options = options.channel_max(1);
    let mut world = Comeback::with(options);
    let channel = channel(&mut world);
    let same = channel.clone();
    world.done(async move {
        for name in ["a", "b"] {
            let declare = QueueDeclare::new(name).durable();
            same.queue_declare(declare).await.unwrap();
        }
    });
    let before = world.model();
    world.lose();
    let is_in_use = Rc::new(Cell::new(false));
    let in_use = Rc::clone(&is_in_use);
    world.script = Box::new(move |_, method| match method {
        Method::QueueDeclare(declare) if declare.queue == *"a" => {
            assert!(!in_use.get(), "declared on a channel that is in use");
            Play::CloseChannel(404, "NOT_FOUND - queue 'a' process is down or inaccessible")
        }
        _ => Play::Usual,
    });
    world.come_back_pending();
    is_in_use.set(true);
    world.pass(Duration::from_secs(30));
    assert!(channel.is_open());
    // Once there is a channel it goes on.
    world.script = usual();
    let same = channel;
    world.done(async move { same.close().await }).unwrap();
    world.pass(Duration::from_secs(60));
    world.assert_open();
    world.pair.assert_idle();
    assert!(world.model().iter().any(|line| before.contains(line)));
}

#[test]
fn borrowed_channel_may_be_closed_by_the_program() {
    for budget in 0.. {
        let mut world = Comeback::with(quiet().recovery(Recovery::new()).channel_max(1));
        let channel = channel(&mut world);
        let same = channel.clone();
        world.done(async move {
            let declare = QueueDeclare::new("a").exclusive();
            same.queue_declare(declare).await.unwrap();
        });
        world.lose();
        world.connect();
        world.budget = Some(budget);
        let complete = world.run();
        world.budget = None;
        let mut closing = Task::new(async move { channel.close().await });
        assert!(closing.poll().is_pending() || !complete);
        if !complete {
            world.lose();
            world.connect();
        }
        world.run();
        world.pass(Duration::from_secs(3));
        assert!(closing.is_due() || complete, "{budget}");
        world.assert_open();
        world.pair.assert_idle();
        assert_eq!(world.model(), ["queue a: 0"], "{budget}");
        if complete {
            assert!(budget > 4);
            return;
        }
    }
}

#[test]
fn losses_leave_nothing_behind() {
    let mut world = Comeback::new();
    let mut events = world.pair.connection.events();
    let channel = channel(&mut world);
    let same = channel;
    let consumer = world.done(async move {
        let declare = QueueDeclare::new("").exclusive();
        let queue = same.queue_declare(declare).await.unwrap().name;
        same.consume(&queue).tag("c").await.unwrap()
    });
    let before = world.model();
    for _ in 0..100 {
        world.lose();
        world.come_back();
        assert_eq!(world.model(), before);
        let outbox = world.pair.core.shared().outbox();
        assert_eq!(outbox.channels().n_in_use(), 1);
    }
    world.pair.assert_idle();
    while let Poll::Ready(Some(event)) = Task::new(events.next()).poll() {
        let is_of_the_plan = matches!(event, Event::ChannelClosed { .. });
        assert!(!is_of_the_plan, "{event:?}");
    }
    drop(consumer);
}

#[test]
fn queue_deleted_automatically_is_forgotten_with_a_channel_that_is_closed_while_down() {
    let mut world = Comeback::new();
    let channel = channel(&mut world);
    let same = channel.clone();
    let consumer = world.done(async move {
        let declare = QueueDeclare::new("a").auto_delete();
        same.queue_declare(declare).await.unwrap();
        same.consume("a").tag("c").await.unwrap()
    });
    world.lose();
    world
        .done_while_down(async move { channel.close().await })
        .unwrap();
    world.come_back();
    assert_eq!(world.model(), [""; 0]);
    drop(consumer);
}

fn refused_by_host() -> ConnectCause {
    ConnectCause::Io(io::Error::from(io::ErrorKind::ConnectionRefused).into())
}

fn heard(events: &mut Events) -> Vec<String> {
    let mut heard = Vec::new();
    while let Poll::Ready(Some(event)) = Task::new(events.next()).poll() {
        let word = format!("{event:?}");
        let name = word.split([' ', '(']).next().unwrap_or_default();
        heard.push(name.to_owned());
    }
    heard
}

#[test]
fn first_opening_of_a_connection_that_was_started_is_told_as_such() {
    let mut world = Comeback::waiting(quiet().recovery(Recovery::new().from_the_start()));
    let mut events = world.pair.connection.events();
    let refused = || ConnectError::new(Stage::Tcp, "memory", refused_by_host());
    world.pair.core.not_connected(refused(), now());
    assert_eq!(heard(&mut events), ["Retrying"]);
    // A stream that is lost before it is open is no loss, but an attempt.
    world.connect();
    world.lose();
    assert_eq!(heard(&mut events), [""; 0]);
    world.pair.core.not_connected(refused(), now());
    assert_eq!(heard(&mut events), ["Retrying"]);
    world.come_back();
    assert_eq!(heard(&mut events), ["Opened"]);
    assert_eq!(world.pair.connection.counters().recoveries, 0);
    // From then on it is a connection as any other.
    world.lose();
    world.come_back();
    assert_eq!(heard(&mut events), ["Lost", "Retrying", "Recovered"]);
    assert_eq!(world.pair.connection.counters().recoveries, 1);
}

#[test]
fn first_opening_is_told_to_those_who_have_asked_before() {
    let mut world = Comeback::waiting(quiet());
    let (core, connection) = Connection::with_recovering_core(&quiet(), now);
    (world.pair.core, world.pair.connection) = (core, connection);
    let mut events = world.pair.connection.events();
    world.run();
    world.assert_open();
    assert_eq!(heard(&mut events), ["Opened"]);
}

/// Its caller has gone, and the recovery looks at every channel.
#[test]
fn channel_whose_opening_was_dropped_and_has_no_answer_does_not_keep_the_connection_from_coming_back()
 {
    for is_sent in [false, true] {
        let mut world = Comeback::new();
        let kept = channel(&mut world);
        let connection = world.pair.connection.clone();
        let mut opening = Task::start(async move { connection.open_channel().await });
        if !is_sent {
            drop(world.pair.take_written());
        }
        assert!(opening.run().is_pending());
        world.lose();
        drop(opening);
        let hits = Rc::new(Cell::new(0));
        let seen = Rc::clone(&hits);
        world.script = Box::new(move |number, method| match method {
            Method::ChannelOpen(_) if number == 2 => {
                seen.set(seen.get() + 1);
                Play::Stuck
            }
            _ => Play::Usual,
        });
        world.connect();
        world.run();
        world.pass(Duration::from_secs(1));
        world.assert_open();
        assert!(kept.is_open());
        world.pass(Duration::from_secs(100));
        world.assert_open();
        assert!(kept.is_open(), "{}", hits.get());
    }
}

fn declare_with(name: &str, octets: usize) -> QueueDeclare {
    let declare = QueueDeclare::new(name).durable();
    declare.argument("x-note", "n".repeat(octets))
}

#[test]
fn what_does_not_fit_the_frames_of_the_next_broker_costs_itself_only() {
    let mut world = Comeback::new();
    let mut events = world.pair.connection.events();
    let channel = channel(&mut world);
    let same = channel.clone();
    let (mut large, mut small) = world.done(async move {
        same.queue_declare(declare_with("large", 9000))
            .await
            .unwrap();
        same.queue_bind("large", "amq.direct", "key").await.unwrap();
        same.queue_declare(declare_with("small", 90)).await.unwrap();
        let large = same
            .consume("small")
            .tag("large")
            .argument("x-note", "n".repeat(9000));
        let large = large.await.unwrap();
        (large, same.consume("small").tag("small").await.unwrap())
    });
    world.lose();
    let begin = |name, octets| {
        let same = channel.clone();
        Task::start(async move { same.queue_declare(declare_with(name, octets)).await })
    };
    let mut too_large = begin("too large", 9000);
    let mut fits = begin("fits", 90);
    let mut limits = Limits::of(Like::RabbitMq4_0);
    limits.frame_max = 4096;
    world.kernel.set_limits(limits);
    world.come_back();
    world.run();
    let error = too_large.ready().unwrap_err();
    assert!(matches!(error, ChannelError::FrameTooLarge(_)), "{error:?}");
    fits.ready().unwrap();
    let mut skipped = Vec::new();
    let mut losses = 0;
    while let Poll::Ready(Some(event)) = Task::new(events.next()).poll() {
        match event {
            Event::Lost { .. } => losses += 1,
            Event::Recovered(report) => skipped.extend(report.skipped.clone()),
            _ => {}
        }
    }
    assert_eq!((losses, skipped.len()), (1, 3), "{skipped:?}");
    assert!(channel.is_open());
    assert!(Task::new(large.next()).poll().is_ready());
    assert!(Task::new(small.next()).poll().is_pending());
    world.pair.assert_idle();
    // How large a frame may be is known when both sides have agreed.
    world.lose();
    world.kernel.set_limits(Limits::of(Like::RabbitMq4_0));
    let mut while_down = begin("while down", 9000);
    world.connect();
    let mut amid_the_handshake = begin("amid the handshake", 9000);
    world.run();
    world.assert_open();
    while_down.ready().unwrap();
    amid_the_handshake.ready().unwrap();
}
