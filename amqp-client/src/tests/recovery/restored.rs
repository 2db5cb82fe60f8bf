//! What is there again, wherever the stream is lost.

use std::cell::RefCell;
use std::rc::Rc;

use amqp_spec::Method;

use crate::consume::QosScope;
use crate::tests::support::comeback::{Comeback, Play};
use crate::{Channel, Consumer, ExchangeDeclare, Publisher, QueueDeclare};

/// Four channels, of which one has transactions, thirteen things declared, four consumers.
pub(super) struct Fixture {
    pub(super) channels: Vec<Channel>,
    pub(super) consumers: Vec<Consumer>,
    pub(super) publisher: Publisher,
    transactional: Channel,
}

pub(super) fn fixture(world: &mut Comeback) -> Fixture {
    let connection = world.pair.connection.clone();
    world.done(async move {
        let publisher = connection.open_publisher().await.unwrap();
        let first = connection.open_channel().await.unwrap();
        let second = connection.open_channel().await.unwrap();
        first.basic_qos(7, QosScope::Consumer).await.unwrap();
        for name in ["orders", "invoices"] {
            let declare = ExchangeDeclare::topic(name);
            first.exchange_declare(declare).await.unwrap();
            let declare = QueueDeclare::new(name).durable();
            first.queue_declare(declare).await.unwrap();
            first.queue_bind(name, name, "#").await.unwrap();
        }
        second
            .exchange_bind("invoices", "orders", "paid")
            .await
            .unwrap();
        let declare = QueueDeclare::new("mine").exclusive();
        second.queue_declare(declare).await.unwrap();
        let named = second
            .queue_declare(QueueDeclare::new("").exclusive())
            .await;
        let named = named.unwrap().name;
        second.queue_bind(&named, "orders", "late").await.unwrap();
        second.queue_bind("mine", "orders", "late").await.unwrap();
        let transactional = connection.open_channel().await.unwrap();
        transactional.tx_select().await.unwrap();
        transactional
            .basic_qos(5, QosScope::Consumer)
            .await
            .unwrap();
        let declare = QueueDeclare::new("accounts").durable();
        transactional.queue_declare(declare).await.unwrap();
        let consumers = vec![
            first.consume("orders").tag("one").await.unwrap(),
            first.consume("mine").tag("two").prefetch(3).await.unwrap(),
            second.consume(&named).tag("three").await.unwrap(),
            transactional.consume("orders").tag("four").await.unwrap(),
        ];
        Fixture {
            channels: vec![first, second, transactional.clone()],
            consumers,
            publisher,
            transactional,
        }
    })
}

/// What is published on it is there with its commit, and not before.
#[track_caller]
fn assert_transactional(world: &mut Comeback, channel: &Channel) {
    let publishing = channel.clone();
    let publishing = async move { publishing.basic_publish("", "accounts", "hello").await };
    world.done(publishing).unwrap();
    world.run();
    let ready = |world: &Comeback| world.kernel.queue("/", "accounts").unwrap().ready();
    assert_eq!(ready(world), 0);
    let committing = channel.clone();
    world
        .done(async move { committing.tx_commit().await })
        .unwrap();
    assert_eq!(ready(world), 1);
}

/// What asks for replies may be published as soon as the gates are open.
#[test]
fn consumers_of_direct_replies_are_started_first() {
    let mut world = Comeback::new();
    let connection = world.pair.connection.clone();
    let _kept = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let queue = QueueDeclare::new("orders").durable();
        channel.queue_declare(queue).await.unwrap();
        let first = channel.consume("orders").tag("a").await.unwrap();
        let replies = channel.consume("amq.rabbitmq.reply-to").tag("b").no_ack();
        let replies = replies.await.unwrap();
        (channel, first, replies)
    });
    world.lose();
    let asked = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&asked);
    world.script = Box::new(move |_, method| {
        if let Method::BasicConsume(consume) = method {
            let tag = String::from_utf8_lossy(consume.consumer_tag.as_bytes());
            seen.borrow_mut().push(tag.into_owned());
        }
        Play::Usual
    });
    world.come_back();
    assert_eq!(*asked.borrow(), ["b", "a"]);
}

#[test]
fn everything_is_back_after_a_loss() {
    let mut world = Comeback::new();
    let fixture = fixture(&mut world);
    let before = world.model();
    world.lose();
    assert_ne!(world.model(), before);
    assert_eq!(world.pair.connection.counters().recoveries, 0);
    world.come_back();
    assert_eq!(world.pair.connection.counters().recoveries, 1);
    assert_eq!(world.model(), before);
    assert!(fixture.channels.iter().all(Channel::is_open));
    let publisher = fixture.publisher.clone();
    world
        .done(async move { publisher.publish("orders", "late", "hello").await })
        .unwrap();
    assert_transactional(&mut world, &fixture.transactional);
    drop(fixture.consumers);
}

#[test]
fn everything_is_back_wherever_the_stream_is_lost_while_it_comes_back() {
    for budget in 0.. {
        let mut world = Comeback::new();
        let fixture = fixture(&mut world);
        let before = world.model();
        world.lose();
        world.connect();
        world.budget = Some(budget);
        let complete = world.run();
        world.budget = None;
        if !complete {
            world.lose();
            world.come_back();
        }
        assert_eq!(world.model(), before, "lost behind {budget} frames");
        let publisher = fixture.publisher.clone();
        world
            .done(async move { publisher.publish("orders", "late", "hello").await })
            .unwrap();
        assert_transactional(&mut world, &fixture.transactional);
        if complete {
            assert!(budget > 20, "{budget}");
            return;
        }
    }
}
