//! As [`wakeups`](super::wakeups), for limits and times: publishers with a limit of what is
//! unconfirmed, those who wait for all confirms, and those who wait for a time.

use std::time::Duration;

use super::wakeups::{Turn, apart, drive, every_order, read, with_publisher};
use crate::proto::Core;
use crate::tests::support::pair::Pair;
use crate::tests::support::schedule::{Model, look_and_go, wait_for};
use crate::tests::support::wire;
use crate::{Confirmation, Message, PublishError, Publisher};

/// The adapter of a broker that confirms one message after the other, until so many were sent.
fn confirms(n: usize) -> impl FnMut(&mut Core, &[String]) -> Turn {
    let mut confirmed = 0;
    move |core, sent| {
        let published = sent.iter().filter(|line| line.contains("basic.publish"));
        let published = published.count();
        if confirmed == published {
            return Turn::Nothing;
        }
        confirmed += 1;
        read(core, &wire::ack(1, confirmed as u64, false));
        if confirmed == n {
            Turn::Over
        } else {
            Turn::Said
        }
    }
}

fn send(publisher: Publisher) -> impl FnOnce() -> Confirmation + Send + 'static {
    move || wait_for(publisher.send("", "k", Message::new("m"))).unwrap()
}

#[test]
fn publisher_at_its_limit_goes_on() {
    every_order(|| {
        let (core, connection, publisher) = with_publisher();
        let publisher = publisher.max_outstanding(1);
        let first = send(publisher.clone())();
        Model::new()
            .actor("adapter", move || drive(core, confirms(2)))
            .actor("a", send(publisher.clone()))
            .check(|| drop((connection, publisher, first)))
    });
}

#[test]
fn end_of_the_connection_reaches_those_at_their_limit() {
    every_order(|| {
        let (mut core, connection, publisher) = with_publisher();
        let publisher = publisher.max_outstanding(1);
        let first = send(publisher.clone())();
        let limited = publisher.clone();
        Model::new()
            .actor("adapter", move || {
                core.lost(crate::ConnectionError::EndOfStream);
                core
            })
            .actor("limited", move || {
                let sent = wait_for(limited.send("", "k", Message::new("m")));
                assert!(matches!(sent, Err(PublishError::NotSent(_))));
            })
            .check(|| drop((connection, publisher, first)))
    });
}

#[test]
fn end_of_the_connection_reaches_those_who_wait_for_all() {
    every_order(|| {
        let (mut core, connection, publisher) = with_publisher();
        let first = send(publisher.clone())();
        let all = publisher.clone();
        Model::new()
            .actor("adapter", move || {
                core.lost(crate::ConnectionError::EndOfStream);
                core
            })
            .actor("all", move || {
                let failed = wait_for(all.wait_for_confirms()).unwrap_err();
                assert_eq!(failed.not_sent + failed.uncertain, 1);
            })
            .check(|| drop((connection, publisher, first)))
    });
}

#[test]
fn whoever_waits_for_all_hears_of_the_last_answer() {
    every_order(|| {
        let (core, connection, publisher) = with_publisher();
        let sent = [send(publisher.clone())(), send(publisher.clone())()];
        let all = publisher.clone();
        Model::new()
            .actor("adapter", move || drive(core, confirms(2)))
            .actor("all", move || wait_for(all.wait_for_confirms()).unwrap())
            .check(|| drop((connection, publisher, sent)))
    });
}

#[test]
fn adapter_that_falls_asleep_hears_of_a_time_to_watch_for() {
    every_order(|| {
        let (mut pair, channel) = Pair::with_channel();
        let mut consumer = pair.consumer(&channel, "tag");
        // Requests leave a deadline behind, which is late enough.
        pair.advance(Duration::from_secs(60));
        let (core, connection) = apart(pair);
        Model::new()
            .actor("adapter", move || {
                drive(core, |core, _| match core.deadline() {
                    Some(_) => Turn::Over,
                    None => Turn::Nothing,
                })
            })
            .actor("consumer", move || {
                let limit = Duration::from_secs(5);
                let mut waiting = Box::pin(async move {
                    let next = consumer.next_within(limit).await;
                    (next.is_some(), consumer)
                });
                assert!(look_and_go(&mut waiting).is_none());
                waiting
            })
            .check(|| drop((connection, channel)))
    });
}
