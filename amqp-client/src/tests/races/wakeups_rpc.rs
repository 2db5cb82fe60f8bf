//! As [`wakeups`](super::wakeups), for calls whose replies come while their callers wait, go away
//! or run out of time, and for servers that are stopped while they answer.

use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use amqp_spec::basic::Properties;
use amqp_spec::{channel, confirm};

use super::wakeups::{apart, drive, every_order, read, says};
use crate::consume::HandlerEnd;
use crate::error::ConnectionError;
use crate::proto::Core;
use crate::rpc;
use crate::tests::handles::rpc::calls::Calling;
use crate::tests::support::pair::{Pair, all_recover, now, set_clock};
use crate::tests::support::schedule::{Gate, Model, look_and_go, wait_for};
use crate::tests::support::wire;
use crate::{Message, ReceivedMessage};

const TIMEOUT: Duration = Duration::from_secs(5);

type Called = Pin<Box<dyn Future<Output = Result<ReceivedMessage, rpc::Error>> + Send>>;

/// A call that is queued.
fn call(client: &rpc::Client) -> Called {
    let client = client.clone();
    let call = async move {
        client
            .call("", "server", Message::new("?"))
            .timeout(TIMEOUT)
            .await
    };
    let mut call: Called = Box::pin(call);
    assert!(look_and_go(&mut call).is_none());
    call
}

/// A client with `n_calls` calls that wait, and the replies to them.
fn calling(n_calls: usize) -> (Core, rpc::Client, Vec<Called>, Vec<Vec<u8>>) {
    let mut calling = Calling::new();
    let calls = (0..n_calls).map(|_| call(&calling.client)).collect();
    calling.pair.sent();
    calling.pair.feed(&wire::ack(1, n_calls as u64, true));
    let replies = (1..=n_calls).map(|n| calling.delivery(&n.to_string(), "reply"));
    let replies = replies.collect();
    let (core, connection) = apart(calling.pair);
    drop(connection);
    (core, calling.client, calls, replies)
}

/// Calls, replies to calls that waited, and those that came too late or whose call ran out of time.
fn counts(client: &rpc::Client) -> [u64; 4] {
    let counters = client.counters();
    assert_eq!((counters.pending, counters.unknown), (0, 0));
    let counts = [counters.calls, counters.replies, counters.late];
    [counts[0], counts[1], counts[2], counters.timed_out]
}

fn waits(call: Called) -> impl FnOnce() + Send + 'static {
    move || assert_eq!(wait_for(call).unwrap().body(), b"reply")
}

#[test]
fn caller_hears_of_its_reply_among_others() {
    every_order(|| {
        let (mut core, client, mut calls, replies) = calling(2);
        let (second, mut first) = (calls.pop().unwrap(), calls.pop().unwrap());
        Model::new()
            .actor("adapter", move || {
                replies.iter().for_each(|reply| read(&mut core, reply));
                core
            })
            .actor("second", waits(second))
            .check(move || {
                assert!(look_and_go(&mut first).is_some_and(|reply| reply.is_ok()));
                drop(first);
                assert_eq!(counts(&client), [2, 2, 0, 0]);
            })
    });
}

#[test]
fn reply_that_comes_while_its_caller_goes_away_is_dropped() {
    every_order(|| {
        let (mut core, client, mut calls, replies) = calling(1);
        let gone = calls.pop().unwrap();
        Model::new()
            .actor("adapter", move || {
                read(&mut core, &replies[0]);
                core
            })
            .actor("gone", move || drop(look_and_go(gone)))
            .check(move || {
                let [calls, replies, late, timed_out] = counts(&client);
                assert_eq!((calls, replies + late, timed_out), (1, 1, 0));
            })
    });
}

/// The reply comes, and the time; the caller hears of one of them.
fn reply_and_timeout(reply_first: bool) {
    every_order(|| {
        let (mut core, client, mut calls, replies) = calling(1);
        let waiting = calls.pop().unwrap();
        let later = now() + TIMEOUT;
        Model::new()
            .actor("adapter", move || {
                if reply_first {
                    read(&mut core, &replies[0]);
                }
                core.turn(later);
                core.handle_timeout(later);
                if !reply_first {
                    read(&mut core, &replies[0]);
                }
                core
            })
            .actor("caller", move || {
                set_clock(later);
                match wait_for(waiting) {
                    Ok(reply) => assert_eq!(reply.body(), b"reply"),
                    Err(error) => {
                        assert!(matches!(error, rpc::Error::Timeout { sent: true, .. }));
                    }
                }
            })
            .check(move || {
                let [calls, replies, late, _] = counts(&client);
                assert_eq!((calls, replies + late), (1, 1));
            })
    });
}

#[test]
fn caller_hears_of_its_reply_or_of_the_time_behind_it() {
    reply_and_timeout(true);
}

#[test]
fn caller_hears_of_the_time_or_of_its_reply_behind_it() {
    reply_and_timeout(false);
}

#[test]
fn end_of_the_channel_reaches_callers_who_are_about_to_wait() {
    every_order(|| {
        let (core, client, mut calls, _) = calling(1);
        let waiting = calls.pop().unwrap();
        Model::new()
            .actor("adapter", move || {
                drive(core, says(vec![wire::channel_close(1)]))
            })
            .actor("caller", move || {
                let failed = wait_for(waiting).unwrap_err();
                assert!(matches!(failed, rpc::Error::Uncertain(_)), "{failed:?}");
            })
            .check(move || assert_eq!(counts(&client), [1, 0, 0, 0]))
    });
}

#[test]
fn loss_reaches_callers_who_are_about_to_wait_behind_the_replies_of_before() {
    all_recover();
    every_order(|| {
        let (mut core, client, mut calls, replies) = calling(2);
        let (lost, mut replied) = (calls.pop().unwrap(), calls.pop().unwrap());
        Model::new()
            .actor("adapter", move || {
                read(&mut core, &replies[0]);
                let cause = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                core.lost(ConnectionError::Io(cause.into()));
                core
            })
            .actor("lost", move || {
                let failed = wait_for(lost).unwrap_err();
                assert!(matches!(failed, rpc::Error::Lost(_)), "{failed:?}");
            })
            .check(move || {
                assert!(look_and_go(&mut replied).is_some_and(|reply| reply.is_ok()));
                drop(replied);
                assert_eq!(counts(&client), [2, 1, 0, 0]);
            })
    });
}

/// What comes as soon as the replies' consumer is there has to be sorted by the client that opens,
/// or by what the adapter wakes.
#[test]
fn what_comes_while_a_client_opens_does_not_lie_there() {
    every_order(|| {
        let mut pair = Pair::open();
        let mut opening = rpc::Client::open(&pair.connection).into_future();
        for said in [
            wire::method(1, &channel::OpenOk {}),
            wire::method(1, &confirm::SelectOk {}),
        ] {
            assert!(look_and_go(&mut opening).is_none());
            pair.sent();
            pair.feed(&said);
        }
        assert!(look_and_go(&mut opening).is_none());
        let sent = pair.sent();
        let tag = sent[0].strip_prefix("1 basic.consume ").unwrap();
        let broker = vec![
            wire::consume_ok(1, tag),
            wire::delivery(1, tag, 1, b"of no call"),
            wire::delivery(1, tag, 2, b"of no call"),
        ];
        let (core, connection) = apart(pair);
        let opened = Arc::<OnceLock<rpc::Client>>::default();
        let keep = Arc::clone(&opened);
        Model::new()
            .actor("adapter", move || drive(core, says(broker)))
            .actor("opener", move || {
                keep.set(wait_for(opening).unwrap()).unwrap();
            })
            .check(move || {
                assert_eq!(opened.get().unwrap().counters().unknown, 2);
                drop(connection);
            })
    });
}

/// A request that wants a reply.
fn request() -> Vec<u8> {
    let properties = Properties::new().reply_to(wire::short("requester"));
    [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header_with(1, 1, properties.as_ref()),
        wire::body(1, b"?", wire::FRAME_MAX),
    ]
    .concat()
}

#[test]
fn server_that_is_stopped_while_it_answers_settles_the_request() {
    every_order(|| {
        let (mut pair, channel) = Pair::with_channel();
        let requests = pair.consumer(&channel, "tag");
        let replies = pair.publisher();
        pair.feed(&request());
        let stop = Gate::default();
        let server = rpc::Server::new(requests, replies).until(stop.clone().pass());
        let serving = server.serve(|_| ready(Message::new("reply")));
        let mut serving = Box::pin(serving);
        assert!(look_and_go(&mut serving).is_none());
        assert_eq!(pair.sent()[0], "2 basic.publish requester mandatory");
        let (mut core, connection) = apart(pair);
        Model::new()
            .actor("adapter", move || {
                read(&mut core, &wire::ack(2, 1, false));
                core
            })
            .actor("stop", move || stop.open())
            .actor("server", move || {
                let served = wait_for(serving);
                assert!(matches!(served.handled.end, HandlerEnd::Stopped));
                assert_eq!((served.replied, served.handled.acked), (1, 1));
            })
            .check(|| drop((connection, channel)))
    });
}
