//! Which queue a name stands for: the one declared last, and one that the broker has renamed.

use std::future::IntoFuture;

use amqp_spec::{Method, queue};

use crate::proto::shared::renames::Renames;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Connection, QueueDeclare};

/// The queues that the client has named since it was looked at last.
fn queues(pair: &mut Pair) -> Vec<String> {
    let octets = pair.sent_octets();
    let (frames, _) = wire::frames(&octets);
    let mut queues = Vec::new();
    for frame in frames {
        queues.push(match Method::decode(frame.payload).unwrap() {
            Method::QueueDeclare(declare) => format!("declare {}", declare.queue),
            Method::QueueBind(bind) => format!("bind {} {}", bind.queue, bind.routing_key),
            Method::QueueUnbind(unbind) => {
                format!("unbind {} {}", unbind.queue, unbind.routing_key)
            }
            Method::QueuePurge(purge) => format!("purge {}", purge.queue),
            Method::QueueDelete(delete) => format!("delete {}", delete.queue),
            Method::BasicConsume(consume) => format!("consume {}", consume.queue),
            Method::BasicGet(get) => format!("get {}", get.queue),
            other => other.name().to_owned(),
        });
    }
    queues
}

/// Starts each operation on this queue, and lets go of it: what has been sent by then.
fn operations(pair: &mut Pair, channel: &Channel, queue: &str) -> Vec<String> {
    Task::start(channel.queue_bind(queue, "x", "k")).pending();
    Task::start(channel.queue_unbind(queue, "x", "k")).pending();
    Task::start(channel.queue_purge(queue)).pending();
    Task::start(channel.basic_get_no_ack(queue)).pending();
    Task::start(channel.queue_delete(queue)).pending();
    done(channel.no_wait().queue_bind(queue, "x", "k")).unwrap();
    done(channel.no_wait().queue_purge(queue)).unwrap();
    done(channel.no_wait().queue_delete(queue)).unwrap();
    Task::start(channel.consume(queue).unlimited_prefetch().into_future()).pending();
    let mut sent = queues(pair);
    sent.retain(|method| method != "basic.qos");
    sent
}

fn each_of(queue: &str) -> Vec<String> {
    let methods = [
        "bind Q k",
        "unbind Q k",
        "purge Q",
        "get Q",
        "delete Q",
        "bind Q k",
        "purge Q",
        "delete Q",
        "consume Q",
    ];
    methods.map(|method| method.replace('Q', queue)).to_vec()
}

fn declare(pair: &mut Pair, channel: &Channel, asked: &str, named: &str) {
    let mut declaring = Task::start(channel.queue_declare(asked));
    declaring.pending();
    pair.feed(&wire::declare_ok(1, named));
    assert_eq!(declaring.ready().unwrap().name, named);
    queues(pair);
}

#[test]
fn queue_declared_last_is_sent_by_its_name() {
    let (mut pair, channel) = Pair::with_channel();
    assert_eq!(operations(&mut pair, &channel, ""), each_of(""));

    let (mut pair, channel) = Pair::with_channel();
    declare(&mut pair, &channel, "", "amq.gen-1");
    declare(&mut pair, &channel, "q", "q");
    assert_eq!(operations(&mut pair, &channel, ""), each_of("q"));

    let (mut pair, channel) = Pair::with_channel();
    declare(&mut pair, &channel, "q", "q");
    declare(&mut pair, &channel, "", "amq.gen-1");
    assert_eq!(operations(&mut pair, &channel, ""), each_of("amq.gen-1"));
}

#[test]
fn queue_declared_last_is_the_channels_own() {
    let (mut pair, channel) = Pair::with_channel();
    declare(&mut pair, &channel, "q", "q");
    let other = pair.channel();
    Task::start(other.queue_purge("")).pending();
    assert_eq!(queues(&mut pair), ["purge "]);
    Task::start(channel.clone().queue_purge("")).pending();
    assert_eq!(queues(&mut pair), ["purge q"]);
}

#[test]
fn broker_knows_what_was_declared_last_while_that_is_not_answered() {
    let (mut pair, channel) = Pair::with_channel();
    declare(&mut pair, &channel, "q", "q");
    let mut first = Task::start(channel.queue_declare("first"));
    first.pending();
    let mut second = Task::start(channel.queue_declare("second"));
    second.pending();
    Task::start(channel.queue_purge("")).pending();
    assert_eq!(
        queues(&mut pair),
        ["declare first", "declare second", "purge "]
    );
    pair.feed(&wire::declare_ok(1, "first"));
    pair.feed(&wire::declare_ok(1, "second"));
    // Whichever of the callers looks first.
    second.ready().unwrap();
    first.ready().unwrap();
    Task::start(channel.queue_purge("")).pending();
    assert_eq!(queues(&mut pair), ["purge second"]);
}

#[test]
fn declaration_without_a_reply_counts_and_one_that_is_not_sent_does_not() {
    let (mut pair, channel) = Pair::with_channel();
    done(channel.no_wait().queue_declare("q")).unwrap();
    done(channel.queue_declare(QueueDeclare::new("r").quorum().exclusive())).unwrap_err();
    done(channel.no_wait().queue_declare("")).unwrap_err();
    Task::start(channel.queue_purge("")).pending();
    assert_eq!(queues(&mut pair), ["declare q", "purge q"]);
}

#[test]
fn key_that_was_left_out_with_the_queue_is_its_name() {
    let (mut pair, channel) = Pair::with_channel();
    Task::start(channel.queue_bind("", "x", "")).pending();
    assert_eq!(queues(&mut pair), ["bind  "], "the broker sees to it");
    pair.says(1, &queue::BindOk {});
    declare(&mut pair, &channel, "q", "q");
    Task::start(channel.queue_bind("", "x", "")).pending();
    Task::start(channel.queue_unbind("", "x", "")).pending();
    Task::start(channel.queue_bind("q", "x", "")).pending();
    done(channel.no_wait().queue_bind("", "x", "")).unwrap();
    let expected = ["bind q q", "unbind q q", "bind q ", "bind q q"];
    assert_eq!(queues(&mut pair), expected);
}

fn renamed(connection: &Connection, names: &[(&str, &str)]) {
    let mut renames = Renames::default();
    for (from, to) in names {
        renames.renamed(from, to);
    }
    connection.shared().set_renames(renames);
}

#[test]
fn former_name_leads_to_the_present_one() {
    let (mut pair, channel) = Pair::with_channel();
    assert_eq!(pair.connection.current_name("amq.gen-1"), "amq.gen-1");
    let names = [
        ("amq.gen-1", "amq.gen-2"),
        ("amq.gen-2", "amq.gen-3"),
        ("q", "r"),
    ];
    renamed(&pair.connection, &names);
    assert_eq!(
        operations(&mut pair, &channel, "amq.gen-1"),
        each_of("amq.gen-3")
    );
    assert_eq!(pair.connection.current_name("amq.gen-2"), "amq.gen-3");
    assert_eq!(pair.connection.current_name("amq.gen-3"), "amq.gen-3");
    assert_eq!(
        pair.connection.current_name("q"),
        "q",
        "the broker gives no such names"
    );
    assert_eq!(pair.connection.current_name(""), "");

    let (mut pair, channel) = Pair::with_channel();
    renamed(&pair.connection, &names);
    let passive = QueueDeclare::new("amq.gen-1").passive();
    let mut declaring = Task::start(channel.queue_declare(passive));
    declaring.pending();
    assert_eq!(queues(&mut pair), ["declare amq.gen-3"]);
    pair.feed(&wire::declare_ok(1, "amq.gen-3"));
    assert_eq!(declaring.ready().unwrap().name, "amq.gen-3");
}

#[test]
fn queue_declared_last_is_followed_to_its_present_name() {
    let (mut pair, channel) = Pair::with_channel();
    declare(&mut pair, &channel, "", "amq.gen-1");
    renamed(&pair.connection, &[("amq.gen-1", "amq.gen-2")]);
    assert_eq!(operations(&mut pair, &channel, ""), each_of("amq.gen-2"));
}
