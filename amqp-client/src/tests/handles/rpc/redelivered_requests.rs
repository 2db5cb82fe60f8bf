//! Requests that come again: those whose reply was under way when something ended, and others.

use std::sync::atomic::Ordering;
use std::time::Duration;

use amqp_spec::basic::Properties;

use super::server::{Serving, echo, refusal};
use crate::tests::support::pair::Pair;
use crate::tests::support::task::Task;
use crate::tests::support::wire;
use crate::{ChannelError, ConsumeError, Disposition, Publisher, rpc};

/// A request that has been delivered before.
fn redelivered(delivery_tag: u64, body: &str, count: Option<i64>) -> Vec<u8> {
    let mut headers = amqp_spec::wire::FieldTable::new();
    if let Some(count) = count {
        headers.insert(wire::short("x-delivery-count"), count);
    }
    let properties = Properties::new()
        .correlation_id(wire::short("id"))
        .reply_to(wire::short("there"))
        .headers(headers.as_ref());
    let deliver = amqp_spec::basic::Deliver {
        redelivered: true,
        ..wire::deliver("c", delivery_tag)
    };
    [
        wire::method(1, &deliver),
        wire::header_with(1, body.len() as u64, properties.as_ref()),
        wire::body(1, body.as_bytes(), wire::FRAME_MAX),
    ]
    .concat()
}

/// A request is under way when the connection ends.
#[track_caller]
fn lose_connection(body: &str, count: Option<i64>) {
    let mut serving = Serving::new(|server| server);
    serving.pair.feed(&redelivered(1, body, count));
    assert_eq!(serving.published(), ["there"], "{body}");
    serving.pair.eof();
    let served = serving.serving.ready();
    assert_eq!((served.handled.unsettled, served.replied), (1, 0));
    assert!(served.result().is_err());
}

#[test]
fn f30_a_request_under_way_at_two_ends_is_not_tried_a_third_time() {
    let body = "under way at two ends";
    lose_connection(body, None);
    lose_connection(body, None);
    let mut serving = Serving::new(|server| server.on_failure(Disposition::Requeue));
    serving.pair.feed(&redelivered(1, body, None));
    serving.run();
    assert_eq!(serving.pair.sent(), ["1 basic.reject 1"]);
    assert_eq!(serving.n_handled.load(Ordering::Relaxed), 0);
    let expected = "delivery 1 rejected: not tried again: 2 times its channel or connection ended \
                    while its reply was under way";
    assert_eq!(serving.told(), [expected]);
    // And then it is forgotten.
    serving.pair.feed(&redelivered(2, body, None));
    assert_eq!(serving.published(), ["there"]);
}

#[test]
fn a_request_whose_reply_is_confirmed_at_last_is_forgotten() {
    let body = "confirmed at last";
    lose_connection(body, None);
    let mut serving = Serving::new(|server| server);
    serving.pair.feed(&redelivered(1, body, None));
    assert_eq!(serving.published(), ["there"]);
    serving.pair.feed(&wire::ack(2, 1, false));
    serving.run();
    assert_eq!(serving.pair.sent(), ["1 basic.ack 1"]);
    lose_connection(body, None);
    lose_connection(body, None);
}

#[test]
fn a_request_that_the_broker_has_not_returned_twice_is_another_one() {
    let body = "not returned twice";
    lose_connection(body, Some(1));
    lose_connection(body, Some(2));
    let mut serving = Serving::new(|server| server.concurrency(9));
    serving.pair.feed(&redelivered(1, body, Some(1)));
    assert_eq!(serving.published(), ["there"], "it is a twin");
    serving.pair.feed(&redelivered(2, body, Some(3)));
    serving.run();
    assert_eq!(serving.pair.sent(), ["1 basic.reject 2"]);
}

#[test]
fn requests_that_came_back_unhandled_are_answered_however_often() {
    let mut serving = Serving::new(|server| server);
    serving.pair.feed(&redelivered(1, "never begun", Some(17)));
    assert_eq!(serving.published(), ["there"]);
    serving.pair.feed(&wire::ack(2, 1, false));
    serving.run();
    assert_eq!(serving.pair.sent(), ["1 basic.ack 1"]);
}

#[test]
fn a_reply_that_is_dropped_at_the_end_of_the_connection_was_under_way() {
    let body = "dropped by the grace";
    for _ in 0..2 {
        let grace = Duration::from_secs(60);
        let mut serving = Serving::new(|server| server.grace(grace));
        serving.pair.feed(&redelivered(1, body, None));
        assert_eq!(serving.published(), ["there"]);
        serving.pair.eof();
        let served = serving.serving.ready();
        assert_eq!(served.replied, 0);
    }
    let mut serving = Serving::new(|server| server);
    serving.pair.feed(&redelivered(1, body, None));
    serving.run();
    assert_eq!(serving.pair.sent(), ["1 basic.reject 1"]);
}

/// Two requests, of which the first is "bad", to a server that has one channel for everything.
#[track_caller]
fn on_one_channel(bodies: [&str; 2]) -> (Pair, Task<'static, rpc::ServeSummary>) {
    let (mut pair, channel) = Pair::with_channel();
    let requests = pair.consumer(&channel, "c");
    let mut selecting = Task::start(Publisher::new(channel));
    pair.sent();
    pair.says(1, &amqp_spec::confirm::SelectOk {});
    let replies = selecting.ready().unwrap();
    let server = rpc::Server::new(requests, replies).concurrency(9);
    let mut serving = Task::start(server.serve(echo));
    let requests = bodies.into_iter().zip(1..);
    let requests: Vec<u8> = requests
        .flat_map(|(body, tag)| redelivered(tag, body, None))
        .collect();
    pair.feed(&requests);
    assert!(serving.run().is_pending());
    (pair, serving)
}

#[test]
fn a_bad_request_costs_a_server_with_one_channel_two_starts() {
    let bodies = ["bad on one channel", "good on one channel"];
    let publish = "1 basic.publish there mandatory";
    for n_published in [2, 1] {
        let (mut pair, mut serving) = on_one_channel(bodies);
        let sent = pair.sent();
        let published = sent.iter().filter(|sent| *sent == publish).count();
        assert_eq!(published, n_published, "alone, once it is suspect");
        pair.feed(&wire::method(1, &refusal()));
        let served = serving.ready();
        assert_eq!(pair.sent(), ["1 channel.close-ok"], "no other is opened");
        let Err(ConsumeError::Channel(ChannelError::ClosedByBroker(_))) = served.result() else {
            panic!("the broker has closed the channel");
        };
    }
    let (mut pair, mut serving) = on_one_channel(bodies);
    let sent = pair.sent();
    assert!(sent.contains(&"1 basic.reject 1".to_owned()), "{sent:?}");
    assert!(sent.contains(&publish.to_owned()), "{sent:?}");
    pair.feed(&wire::ack(1, 1, false));
    assert!(serving.run().is_pending());
    assert_eq!(pair.sent(), ["1 basic.ack 2"]);
}

#[test]
fn a_connection_that_the_program_closes_is_no_failure_though_a_reply_is_under_way() {
    let mut serving = Serving::new(|server| server);
    serving
        .pair
        .feed(&redelivered(1, "under way at a close", None));
    assert_eq!(serving.published(), ["there"]);
    let connection = serving.pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    serving.pair.sent();
    serving.pair.says(0, &amqp_spec::connection::CloseOk {});
    closing.ready().unwrap();
    let served = serving.serving.ready();
    assert_eq!((served.replied, served.handled.unsettled), (0, 1));
    served.result().unwrap();
}
