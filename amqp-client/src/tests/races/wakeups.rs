//! No task sleeps through what it waits for, in whatever order threads get at the locks.
//!
//! Each test is a few actors and as few steps as it takes to hand something over; [`schedule`]
//! tries every order. The adapter is an actor like the others: it writes, reads what the broker of
//! the test has to say, and sleeps until it is woken.
//!
//! [`schedule`]: crate::tests::support::schedule

use std::io;
use std::sync::Arc;
use std::task::Waker;

use amqp_spec::frame::PROTOCOL_HEADER;
use amqp_spec::{basic, channel, connection};

use crate::consume::QosScope;
use crate::error::ConnectionError;
use crate::event::Event;
use crate::proto::Core;
use crate::tests::support::pair::{Pair, now, quiet};
use crate::tests::support::schedule::{Bell, Model, explore, look_and_go, wait_for};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Message, Publisher, QueueDeclare};

/// What the test's broker made of a look at what the client has written.
pub(crate) enum Turn {
    /// Nothing: the adapter goes to sleep.
    Nothing,
    /// It has said something.
    Said,
    /// That was it.
    Over,
}

/// Writes all that is queued.
pub(crate) fn write(core: &mut Core, waker: &Waker, sent: &mut Vec<u8>) {
    core.set_waker(waker);
    core.turn(now());
    while let Some(transmit) = core.transmit() {
        let mut slices = [io::IoSlice::new(&[]); 16];
        let n = transmit.slices(&mut slices);
        let written: Vec<u8> = slices[..n].iter().flat_map(|s| s.to_vec()).collect();
        sent.extend(&written);
        core.transmitted(written.len(), now());
    }
}

/// Whether an adapter that starts a turn would read.
fn wants_read(core: &mut Core) -> bool {
    core.turn(now());
    core.interest().read
}

pub(crate) fn read(core: &mut Core, octets: &[u8]) {
    core.read_space()[..octets.len()].copy_from_slice(octets);
    core.read_done(octets.len(), now());
}

/// Drives the connection as an adapter does. The broker sees everything that was sent so far, in
/// words.
pub(crate) fn drive(mut core: Core, mut broker: impl FnMut(&mut Core, &[String]) -> Turn) -> Core {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut sent = Vec::new();
    loop {
        write(&mut core, &waker, &mut sent);
        let octets = sent.strip_prefix(&PROTOCOL_HEADER).unwrap_or(&sent);
        let (frames, _) = wire::frames(octets);
        let lines: Vec<_> = frames.iter().map(wire::describe).collect();
        match broker(&mut core, &lines) {
            Turn::Nothing => bell.wait(),
            Turn::Said => {}
            Turn::Over => {
                write(&mut core, &waker, &mut sent);
                return core;
            }
        }
    }
}

/// The adapter, until this has been sent.
pub(crate) fn until_sent(n: usize, what: &'static str) -> impl FnMut(&mut Core, &[String]) -> Turn {
    move |_, sent| {
        if sent.iter().filter(|line| line.contains(what)).count() == n {
            Turn::Over
        } else {
            Turn::Nothing
        }
    }
}

/// The adapter that reads these one after the other.
pub(crate) fn says(octets: Vec<Vec<u8>>) -> impl FnMut(&mut Core, &[String]) -> Turn {
    let mut octets = octets.into_iter();
    move |core, _| match octets.next() {
        Some(octets) => {
            read(core, &octets);
            Turn::Said
        }
        None => Turn::Over,
    }
}

/// Once this has been sent, the adapter reads that, and it is over.
fn answers(to: &'static str, octets: Vec<u8>) -> impl FnMut(&mut Core, &[String]) -> Turn {
    move |core, sent| {
        if sent.iter().any(|line| line.contains(to)) {
            read(core, &octets);
            Turn::Over
        } else {
            Turn::Nothing
        }
    }
}

/// A core that does not know an adapter yet, and the handle that is not to be dropped before the
/// end.
pub(crate) fn apart(pair: Pair) -> (Core, crate::Connection) {
    (pair.core, pair.connection)
}

fn publish(channel: Channel, key: &'static str) -> impl FnOnce() + Send + 'static {
    move || wait_for(channel.basic_publish("", key, &Message::new("m"))).unwrap()
}

/// Fills what room there is.
fn fill(channel: &Channel) {
    done(channel.basic_publish("", "filling", &Message::new("m"))).unwrap();
}

fn with_little_room() -> (Core, crate::Connection, Channel) {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(1));
    let channel = pair.channel();
    let (core, connection) = apart(pair);
    (core, connection, channel)
}

fn with_channel() -> (Core, crate::Connection, Channel) {
    let (pair, channel) = Pair::with_channel();
    let (core, connection) = apart(pair);
    (core, connection, channel)
}

pub(crate) fn with_publisher() -> (Core, crate::Connection, Publisher) {
    let (pair, publisher) = Pair::with_publisher();
    let (core, connection) = apart(pair);
    (core, connection, publisher)
}

/// Explores, and insists that there was something to explore.
#[track_caller]
pub(crate) fn every_order(model: impl Fn() -> Model) {
    let n_orders = explore(model);
    assert!(n_orders > 1, "one order is no choice");
}

#[test]
fn adapter_that_falls_asleep_hears_of_whatever_is_queued() {
    every_order(|| {
        let (core, connection, channel) = with_channel();
        Model::new()
            .actor("adapter", move || {
                drive(core, until_sent(2, "basic.publish"))
            })
            .actor("a", publish(channel.clone(), "a"))
            .actor("b", publish(channel.clone(), "b"))
            .check(|| drop((connection, channel)))
    });
}

#[test]
fn publisher_that_gets_in_line_for_room_gets_it() {
    every_order(|| {
        let (core, connection, channel) = with_little_room();
        fill(&channel);
        Model::new()
            .actor("adapter", move || {
                drive(core, until_sent(2, "basic.publish"))
            })
            .actor("publisher", publish(channel.clone(), "k"))
            .check(|| drop((connection, channel)))
    });
}

#[test]
fn publishers_that_wait_for_room_all_get_it() {
    every_order(|| {
        let (core, connection, channel) = with_little_room();
        fill(&channel);
        let in_line = |key| {
            let (channel, message) = (channel.clone(), Message::new("m"));
            let mut publish =
                Box::pin(async move { channel.basic_publish("", key, &message).await });
            assert!(look_and_go(&mut publish).is_none());
            publish
        };
        let (a, b) = (in_line("a"), in_line("b"));
        Model::new()
            .actor("adapter", move || {
                drive(core, until_sent(3, "basic.publish"))
            })
            // One after the other: each for itself, they would come in more orders than can be
            // tried.
            .actor("publishers", move || {
                wait_for(a).unwrap();
                wait_for(b).unwrap();
            })
            .check(|| drop((connection, channel)))
    });
}

#[test]
fn publishers_that_go_away_while_they_wait_strand_nobody() {
    every_order(|| {
        let (core, connection, channel) = with_little_room();
        fill(&channel);
        let (leaver, stayer) = (channel.clone(), channel.clone());
        let message = Message::new("m");
        // Behind two who will have gone when they are called.
        let mut leaving = Vec::new();
        for _ in 0..2 {
            let (leaver, message) = (leaver.clone(), message.clone());
            let mut publish =
                Box::pin(async move { leaver.basic_publish("", "left", &message).await });
            assert!(look_and_go(&mut publish).is_none());
            leaving.push(publish);
        }
        let mut staying =
            Box::pin(async move { stayer.basic_publish("", "stayed", &message).await });
        assert!(look_and_go(&mut staying).is_none());
        Model::new()
            .actor("adapter", move || {
                drive(core, until_sent(1, "basic.publish stayed"))
            })
            .actor("leaver", move || leaving.clear())
            .actor("stayer", move || wait_for(staying).unwrap())
            .check(|| drop((connection, channel)))
    });
}

#[test]
fn consumer_hears_of_every_delivery_and_of_the_end() {
    every_order(|| {
        let (mut pair, channel) = Pair::with_channel();
        let mut consumer = pair.consumer(&channel, "tag");
        let (core, connection) = apart(pair);
        let broker = vec![
            wire::delivery(1, "tag", 1, b"1"),
            wire::delivery(1, "tag", 2, b"2"),
            wire::method(
                1,
                &basic::Cancel {
                    consumer_tag: wire::short("tag"),
                    no_wait: true,
                },
            ),
        ];
        Model::new()
            .actor("adapter", move || drive(core, says(broker)))
            .actor("consumer", move || {
                let mut take = || wait_for(consumer.next());
                let taken = [take(), take()];
                assert!(matches!(taken, [Some(Ok(_)), Some(Ok(_))]));
                assert!(!matches!(take(), Some(Ok(_))));
                (taken, consumer)
            })
            .check(|| drop((connection, channel)))
    });
}

#[test]
fn consumer_hears_of_every_delivery() {
    every_order(|| {
        let (mut pair, channel) = Pair::with_channel();
        let mut consumer = pair.consumer(&channel, "tag");
        let (core, connection) = apart(pair);
        let broker = (1..=3).map(|n| wire::delivery(1, "tag", n, b"body"));
        let broker = says(broker.collect());
        Model::new()
            .actor("adapter", move || drive(core, broker))
            .actor("consumer", move || {
                let mut take = || wait_for(consumer.next());
                let taken = [take(), take(), take()];
                assert!(matches!(taken, [Some(Ok(_)), Some(Ok(_)), Some(Ok(_))]));
                (taken, consumer)
            })
            .check(|| drop((connection, channel)))
    });
}

#[test]
fn confirmations_hear_of_answers_in_any_grouping() {
    every_order(|| {
        let (core, connection, publisher) = with_publisher();
        let send = || done(publisher.send("", "k", Message::new("m"))).unwrap();
        let (first, second) = (send(), send());
        let broker = vec![wire::ack(1, 2, false), wire::ack(1, 1, true)];
        Model::new()
            .actor("adapter", move || drive(core, says(broker)))
            .actor("first", move || wait_for(first).unwrap())
            .actor("second", move || wait_for(second).unwrap())
            .check(|| drop((connection, publisher)))
    });
}

#[test]
fn confirmation_that_moves_to_another_task_wakes_that_one() {
    every_order(|| {
        let (core, connection, publisher) = with_publisher();
        let mut sent = done(publisher.send("", "k", Message::new("m"))).unwrap();
        let left = done(publisher.send("", "k", Message::new("m"))).unwrap();
        let broker = vec![wire::ack(1, 2, true)];
        let shared = Arc::clone(publisher.channel().shared());
        Model::new()
            .actor("adapter", move || drive(core, says(broker)))
            .actor("mover", move || {
                if look_and_go(&mut sent).is_none() {
                    wait_for(sent).unwrap();
                }
            })
            .actor("leaver", move || drop(left))
            .check(move || {
                assert_eq!(shared.confirms().leftovers(), (0, 0));
                drop((connection, publisher));
            })
    });
}

#[test]
fn confirmation_that_was_sent_meanwhile_hears_of_its_answer() {
    every_order(|| {
        let (core, connection, publisher) = with_publisher();
        let sender = publisher.clone();
        Model::new()
            .actor("adapter", move || {
                drive(core, answers("basic.publish", wire::ack(1, 1, false)))
            })
            .actor("sender", move || {
                wait_for(sender.publish("", "k", Message::new("m"))).unwrap();
            })
            .check(|| drop((connection, publisher)))
    });
}

#[test]
fn caller_hears_of_its_reply() {
    every_order(|| {
        let (core, connection, channel) = with_channel();
        let caller = channel.clone();
        Model::new()
            .actor("adapter", move || {
                drive(core, answers("queue.declare", wire::declare_ok(1, "q")))
            })
            .actor("caller", move || {
                wait_for(caller.queue_declare(QueueDeclare::new("q"))).unwrap();
            })
            .actor("other", publish(channel.clone(), "k"))
            .check(|| drop((connection, channel)))
    });
}

#[test]
fn consumer_abandoned_while_its_answer_comes_is_cancelled() {
    every_order(|| {
        let (mut pair, channel) = Pair::with_channel();
        // Afterwards basic.consume is the first that is sent.
        let limiting = channel.clone();
        let mut limit =
            Task::start(async move { limiting.basic_qos(10, QosScope::Consumer).await });
        pair.sent();
        pair.says(1, &basic::QosOk {});
        limit.ready().unwrap();
        let (core, connection) = apart(pair);
        let caller = channel.clone();
        let mut answered = false;
        Model::new()
            .actor("adapter", move || {
                drive(core, move |core, sent| {
                    if sent.iter().any(|line| line.contains("basic.cancel")) {
                        return Turn::Over;
                    }
                    if !answered && sent.iter().any(|line| line.contains("basic.consume")) {
                        answered = true;
                        read(core, &wire::consume_ok(1, "tag"));
                        return Turn::Said;
                    }
                    Turn::Nothing
                })
            })
            .actor("caller", move || {
                look_and_go(caller.consume("q").tag("tag").into_future());
            })
            .check(|| drop((connection, channel)))
    });
}

/// More than is read without anybody waiting.
const MUCH: usize = 17 * 1024 * 1024;

#[test]
fn adapter_that_stopped_reading_goes_on_when_consumers_are_done() {
    every_order(|| {
        let (core, connection, channel) = with_channel();
        let shared = Arc::clone(core.shared());
        shared.reading.add(MUCH, true);
        shared.reading.add(MUCH, true);
        let (a, b) = (Arc::clone(&shared), shared);
        Model::new()
            .actor("adapter", move || {
                drive(core, |core, _| {
                    if wants_read(core) {
                        Turn::Over
                    } else {
                        Turn::Nothing
                    }
                })
            })
            .actor("a", move || a.release_buffered(MUCH, true))
            .actor("b", move || b.release_buffered(MUCH, true))
            .check(|| drop((connection, channel)))
    });
}

/// The adapter that reads only when the core wants it to.
fn reads_when_wanted(
    mut broker: impl FnMut(&mut Core, &[String]) -> Turn,
) -> impl FnMut(&mut Core, &[String]) -> Turn {
    move |core, sent| {
        if wants_read(core) {
            broker(core, sent)
        } else {
            Turn::Nothing
        }
    }
}

#[test]
fn adapter_that_stopped_reading_goes_on_for_a_confirm_somebody_waits_for() {
    every_order(|| {
        let (core, connection, publisher) = with_publisher();
        core.shared().reading.add(MUCH, true);
        let confirmation = done(publisher.send("", "k", Message::new("m"))).unwrap();
        Model::new()
            .actor("adapter", move || {
                let broker = answers("basic.publish", wire::ack(1, 1, false));
                drive(core, reads_when_wanted(broker))
            })
            .actor("waiter", move || wait_for(confirmation).unwrap())
            .check(|| drop((connection, publisher)))
    });
}

#[test]
fn adapter_that_stopped_reading_goes_on_for_a_request() {
    every_order(|| {
        let (core, connection, channel) = with_channel();
        core.shared().reading.add(MUCH, true);
        let caller = channel.clone();
        Model::new()
            .actor("adapter", move || {
                let broker = answers("queue.declare", wire::declare_ok(1, "q"));
                drive(core, reads_when_wanted(broker))
            })
            .actor("caller", move || {
                wait_for(caller.queue_declare(QueueDeclare::new("q"))).unwrap();
            })
            .check(|| drop((connection, channel)))
    });
}

/// The adapter that finds the stream at its end.
fn lose(core: Core) -> Core {
    drive(core, |core, _| {
        core.lost(ConnectionError::EndOfStream);
        Turn::Over
    })
}

#[test]
fn end_of_the_connection_reaches_those_who_are_about_to_watch_it() {
    every_order(|| {
        let (core, connection) = apart(Pair::open());
        let (stayer, leaver) = (connection.clone(), connection.clone());
        Model::new()
            .actor("adapter", move || lose(core))
            .actor("stayer", move || drop(wait_for(stayer.closed())))
            .actor("leaver", move || drop(look_and_go(leaver.closed())))
            .check(|| drop(connection))
    });
}

#[test]
fn end_of_the_connection_reaches_those_who_are_about_to_wait_for_room() {
    every_order(|| {
        let (core, connection, channel) = with_little_room();
        fill(&channel);
        let publisher = channel.clone();
        Model::new()
            .actor("adapter", move || lose(core))
            .actor("publisher", move || {
                let _ = wait_for(publisher.basic_publish("", "k", &Message::new("m")));
            })
            .check(|| drop((connection, channel)))
    });
}

#[test]
fn end_of_the_connection_reaches_those_who_are_about_to_ask() {
    every_order(|| {
        let (core, connection, channel) = with_channel();
        let caller = channel.clone();
        Model::new()
            .actor("adapter", move || lose(core))
            .actor("caller", move || {
                wait_for(caller.queue_purge("q")).unwrap_err();
            })
            .check(|| drop((connection, channel)))
    });
    every_order(|| {
        let (core, connection, publisher) = with_publisher();
        let sender = publisher.clone();
        Model::new()
            .actor("adapter", move || lose(core))
            .actor("sender", move || {
                wait_for(sender.publish("", "k", Message::new("m"))).unwrap_err();
            })
            .check(|| drop((connection, publisher)))
    });
    every_order(|| {
        let (core, connection) = apart(Pair::open());
        let opening = connection.clone();
        Model::new()
            .actor("adapter", move || lose(core))
            .actor("caller", move || {
                wait_for(opening.open_channel()).unwrap_err();
            })
            .check(|| drop(connection))
    });
}

#[test]
fn end_of_the_channel_reaches_those_who_are_about_to_wait() {
    let broker = || says(vec![wire::channel_close(1)]);
    every_order(|| {
        let (core, connection, channel) = with_little_room();
        fill(&channel);
        let publisher = channel.clone();
        Model::new()
            .actor("adapter", move || {
                // The peer reads nothing more, so that there will be no room.
                let mut core = core;
                read(&mut core, &wire::channel_close(1));
                core
            })
            .actor("publisher", move || {
                for _ in 0..2 {
                    let _ = wait_for(publisher.basic_publish("", "k", &Message::new("m")));
                }
            })
            .check(|| drop((connection, channel)))
    });
    every_order(|| {
        let (core, connection, publisher) = with_publisher();
        let sender = publisher.clone();
        Model::new()
            .actor("adapter", move || drive(core, broker()))
            .actor("sender", move || {
                wait_for(sender.publish("", "k", Message::new("m"))).unwrap_err();
            })
            .check(|| drop((connection, publisher)))
    });
    every_order(|| {
        let (core, connection, channel) = with_channel();
        let caller = channel.clone();
        Model::new()
            .actor("adapter", move || drive(core, broker()))
            .actor("caller", move || {
                wait_for(caller.queue_purge("q")).unwrap_err();
            })
            .check(|| drop((connection, channel)))
    });
}

#[test]
fn close_is_answered_to_its_caller() {
    every_order(|| {
        let (core, connection, channel) = with_channel();
        let closer = connection.clone();
        Model::new()
            .actor("adapter", move || {
                let close_ok = wire::method(0, &connection::CloseOk {});
                drive(core, answers("connection.close", close_ok))
            })
            .actor("closer", move || wait_for(closer.close()).unwrap())
            .check(|| drop((connection, channel)))
    });
}

#[test]
fn channel_that_opens_is_told_to_its_caller() {
    every_order(|| {
        let (core, connection) = apart(Pair::open());
        let opening = connection.clone();
        Model::new()
            .actor("adapter", move || {
                let open_ok = wire::method(1, &channel::OpenOk {});
                drive(core, answers("channel.open", open_ok))
            })
            .actor("caller", move || wait_for(opening.open_channel()).unwrap())
            .check(|| drop(connection))
    });
}

#[test]
fn opening_is_told_to_everybody_who_waits_for_it() {
    every_order(|| {
        let (core, connection) = apart(Pair::new(&quiet()));
        let (stayer, leaver) = (connection.clone(), connection.clone());
        let broker = vec![[wire::start("PLAIN"), wire::tune(0, 0, 0), wire::open_ok()].concat()];
        Model::new()
            .actor("adapter", move || drive(core, says(broker)))
            .actor("stayer", move || wait_for(stayer.opened()).unwrap())
            .actor("leaver", move || drop(look_and_go(leaver.opened())))
            .check(|| drop(connection))
    });
}

#[test]
fn publisher_at_the_gate_goes_on_when_the_alarm_is_over() {
    let alarm = || {
        let blocked = connection::Blocked {
            reason: wire::short("low on memory"),
        };
        vec![
            wire::method(0, &connection::Unblocked {}),
            wire::method(0, &blocked),
        ]
    };
    every_order(|| {
        let (core, connection, channel) = with_channel();
        let mut said = alarm();
        Model::new()
            .actor("adapter", move || {
                drive(core, move |core, sent| {
                    if let Some(octets) = said.pop() {
                        read(core, &octets);
                        return Turn::Said;
                    }
                    until_sent(1, "basic.publish")(core, sent)
                })
            })
            .actor("publisher", publish(channel.clone(), "k"))
            .check(|| drop((connection, channel)))
    });
    every_order(|| {
        let (core, connection) = apart(Pair::open());
        let mut broker = alarm();
        broker.reverse();
        let stayer = connection.clone();
        Model::new()
            .actor("adapter", move || drive(core, says(broker)))
            .actor("stayer", move || wait_for(stayer.unblocked()).unwrap())
            .check(|| drop(connection))
    });
}

#[test]
fn listener_hears_of_what_happens_and_of_the_end() {
    every_order(|| {
        let (core, connection, channel) = with_channel();
        let listening = channel.clone();
        Model::new()
            .actor("adapter", move || {
                drive(core, says(vec![wire::channel_close(1)]))
            })
            .actor("listener", move || {
                // Subscribed before, amid, or after the end.
                let mut events = listening.events();
                let closed = wait_for(events.next());
                assert!(
                    matches!(closed, Some(Event::ChannelClosed { .. })),
                    "{closed:?}"
                );
                assert!(wait_for(events.next()).is_none());
            })
            .check(|| drop((connection, channel)))
    });
}
