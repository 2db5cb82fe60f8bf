//! Topologies: in which order they are declared, and where they stop.

use amqp_spec::{exchange, queue};

use crate::declare::Topology;
use crate::error::{ChannelError, Entity};
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ExchangeDeclare, QueueDeclare};

/// Added in another order than that in which it is declared.
fn topology() -> Topology {
    Topology::default()
        .queue_binding("q", "x", "k")
        .queue(QueueDeclare::new("q"))
        .exchange(ExchangeDeclare::topic("x"))
        .exchange_binding("y", "x", "#")
        .exchange(ExchangeDeclare::fanout("y"))
}

#[test]
fn exchanges_come_first_then_queues_then_bindings() {
    let (mut pair, channel) = Pair::with_channel();
    let topology = topology();
    let mut declaring = Task::start(topology.declare(&channel));
    for (sent, answer) in [
        (
            "1 exchange.declare",
            wire::method(1, &exchange::DeclareOk {}),
        ),
        (
            "1 exchange.declare",
            wire::method(1, &exchange::DeclareOk {}),
        ),
        ("1 queue.declare q", wire::declare_ok(1, "q")),
        ("1 queue.bind", wire::method(1, &queue::BindOk {})),
    ] {
        assert_eq!(pair.sent(), [sent]);
        pair.feed(&answer);
        declaring.pending();
    }
    assert_eq!(pair.sent(), ["1 exchange.bind"]);
    pair.says(1, &exchange::BindOk {});
    declaring.ready().unwrap();
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
}

#[test]
fn first_declaration_that_fails_is_named_and_the_last_that_is_sent() {
    let (mut pair, channel) = Pair::with_channel();
    let declaration = topology().queue(QueueDeclare::new("never"));
    let mut declaring = Task::start(declaration.declare(&channel));
    for _ in 0..2 {
        pair.sent();
        pair.feed(&wire::method(1, &exchange::DeclareOk {}));
        declaring.pending();
    }
    assert_eq!(pair.sent(), ["1 queue.declare q"]);
    pair.feed(&wire::channel_close(1));
    let error = declaring.ready().unwrap_err();
    let close = error.broker_close().unwrap();
    assert_eq!(close.entity, Some(Entity::Queue("q".to_owned())));
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
}

#[test]
fn declaration_that_makes_no_sense_is_named_and_not_sent() {
    let (mut pair, channel) = Pair::with_channel();
    let topology = Topology::default().queue(QueueDeclare::new("q").quorum().exclusive());
    let error = done(topology.declare(&channel)).unwrap_err();
    assert!(matches!(error, ChannelError::Invalid(_)), "{error}");
    assert!(error.to_string().ends_with("(queue 'q')"), "{error}");
    assert_eq!(pair.sent(), [""; 0]);
}
