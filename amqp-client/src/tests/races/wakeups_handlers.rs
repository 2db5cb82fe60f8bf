//! As [`wakeups`](super::wakeups), for handlers that go on in one thread while another one finishes
//! what they wait for, stops the run, or ends the channel.

use std::future::ready;
use std::pin::Pin;
use std::task::Waker;

use super::wakeups::{apart, every_order, read, write};
use crate::consume::{HandlerEnd, HandlerRun};
use crate::tests::support::pair::Pair;
use crate::tests::support::schedule::{Gate, Model, look_and_go, wait_for};
use crate::tests::support::wire;
use crate::{Consumer, ReceivedMessage};

/// A consumer for which a message has come.
fn delivered() -> (Pair, Consumer) {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    pair.feed(&wire::delivery(1, "tag", 1, b"body"));
    (pair, consumer)
}

type Handled = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Handlers that are done when the gate is open.
fn handle(
    consumer: Consumer,
    gate: Gate,
) -> HandlerRun<impl FnMut(ReceivedMessage) -> Handled, Handled> {
    consumer.handle(move |_| Box::pin(gate.clone().pass()) as Handled)
}

/// What has been settled, in words.
fn settled(mut pair: Pair) -> Vec<String> {
    let mut sent = pair.sent_octets();
    write(&mut pair.core, Waker::noop(), &mut sent);
    let (frames, _) = wire::frames(&sent);
    let lines = frames.iter().map(wire::describe);
    lines.filter(|line| !line.contains("cancel")).collect()
}

fn opens(gate: &Gate) -> impl FnOnce() + Send + 'static {
    let gate = gate.clone();
    move || gate.open()
}

#[test]
fn handler_that_finishes_while_the_run_is_stopped_is_settled() {
    every_order(|| {
        let (pair, consumer) = delivered();
        let (done, stop) = (Gate::default(), Gate::default());
        let (of_handler, of_run) = (done.clone(), stop.clone());
        Model::new()
            .actor("run", move || {
                let run = handle(consumer, of_handler).until(of_run.pass());
                let summary = wait_for(run);
                assert!(matches!(summary.end, HandlerEnd::Stopped));
                // It is handled, or was not begun.
                assert_eq!(summary.acked + summary.given_back, 1);
            })
            .actor("handler", opens(&done))
            .actor("stop", opens(&stop))
            .check(move || assert_eq!(settled(pair).len(), 1))
    });
}

#[test]
fn handler_that_finishes_while_the_run_is_dropped_is_settled_once() {
    every_order(|| {
        let (pair, consumer) = delivered();
        let done = Gate::default();
        let of_handler = done.clone();
        Model::new()
            .actor("run", move || {
                let mut run = Box::pin(handle(consumer, of_handler));
                if look_and_go(&mut run).is_none() {
                    look_and_go(run);
                }
            })
            .actor("handler", opens(&done))
            .check(move || {
                let settled = settled(pair);
                let expected = ["1 basic.ack 1", "1 basic.nack 1 requeue"];
                assert_eq!(settled.len(), 1, "{settled:?}");
                assert!(expected.contains(&&*settled[0]), "{settled:?}");
            })
    });
}

#[test]
fn handlers_that_finish_at_once_are_all_heard_of() {
    every_order(|| {
        let (mut pair, consumer) = delivered();
        pair.feed(&wire::delivery(1, "tag", 2, b"body"));
        let gates = [Gate::default(), Gate::default()];
        let (mut of_handlers, stop) = (Vec::from(gates.clone()), Gate::default());
        let stop_at_the_end = stop.clone();
        let (core, connection) = apart(pair);
        Model::new()
            .actor("run", move || {
                let mut left = 2;
                let run = consumer
                    .handle(move |_| {
                        let (gate, stop) = (of_handlers.pop().unwrap(), stop_at_the_end.clone());
                        left -= 1;
                        let last = left == 0;
                        async move {
                            gate.pass().await;
                            if last {
                                stop.open();
                            }
                        }
                    })
                    .concurrency(2);
                assert_eq!(wait_for(run.until(stop.pass())).acked, 2);
            })
            .actor("first", opens(&gates[0]))
            .actor("second", opens(&gates[1]))
            .check(|| drop((core, connection)))
    });
}

#[test]
fn run_that_sleeps_hears_of_a_message() {
    every_order(|| {
        let (mut pair, channel) = Pair::with_channel();
        let consumer = pair.consumer(&channel, "tag");
        let (mut core, connection) = apart(pair);
        let stop = Gate::default();
        let handled = stop.clone();
        Model::new()
            .actor("adapter", move || {
                read(&mut core, &wire::delivery(1, "tag", 1, b"body"));
                core
            })
            .actor("run", move || {
                let run = consumer.handle(move |_| {
                    handled.open();
                    ready(())
                });
                assert_eq!(wait_for(run.until(stop.pass())).acked, 1);
            })
            .check(|| drop((connection, channel)))
    });
}
