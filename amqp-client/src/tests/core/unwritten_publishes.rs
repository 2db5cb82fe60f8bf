//! What becomes of publishes that are queued when their channel or their connection ends: those
//! that were certainly not routed are not sent, the others uncertain.

use std::collections::BTreeMap;

use amqp_spec::frame::FrameKind;
use amqp_spec::{Method, connection};
use bytes::Bytes;

use crate::error::{ConnectionError, PublishError};
use crate::tests::handles::send_order::{assert_contents_whole, publish};
use crate::tests::support::pair::{Pair, now, quiet};
use crate::tests::support::random::Random;
use crate::tests::support::task::done;
use crate::tests::support::wire;
use crate::{Confirmation, Message, Publisher};

fn send(publisher: &Publisher, key: &str, size: usize) -> Confirmation {
    let message = Message::new(Bytes::from(vec![b'.'; size]));
    done(publisher.send("", key, message)).unwrap()
}

/// What became of messages, in a letter each: ok, uncertain, not sent.
fn fates(confirmations: Vec<Confirmation>) -> String {
    let fate = |confirmation| match done(confirmation) {
        Ok(()) => 'o',
        Err(PublishError::Uncertain(_)) => 'u',
        Err(PublishError::NotSent(_)) => 'n',
        Err(other) => panic!("{other}"),
    };
    confirmations.into_iter().map(fate).collect()
}

fn keys(sent: &[String]) -> Vec<&str> {
    let publishes = sent.iter();
    publishes
        .filter_map(|line| Some(line.split_once("basic.publish ")?.1))
        .map(|key| key.trim_end_matches(" mandatory"))
        .collect()
}

/// So many octets are written, and no more.
fn write_octets(pair: &mut Pair, mut n: usize) -> usize {
    let mut written = 0;
    while n > 0 {
        let Some(transmit) = pair.core.transmit() else {
            break;
        };
        let mut slices = [std::io::IoSlice::new(&[]); 64];
        let n_slices = transmit.slices(&mut slices);
        let shown: usize = slices[..n_slices].iter().map(|slice| slice.len()).sum();
        let step = shown.min(n);
        pair.core.transmitted(step, now());
        n -= step;
        written += step;
    }
    written
}

// The channel ends

#[test]
fn f8_queued_publishes_of_a_channel_that_the_broker_closes_are_not_sent() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(usize::MAX));
    let publisher = pair.publisher();
    let other = pair.channel();
    let written: Vec<_> = (0..3).map(|_| send(&publisher, "written", 10)).collect();
    pair.sent();
    pair.feed(&wire::ack(1, 1, false));
    let mut queued = Vec::new();
    for n in 0..1000 {
        queued.push(send(&publisher, "queued", n % 7 * 5000));
        publish(&other, "other", n % 3 * 15_000);
    }
    pair.feed(&wire::channel_close(1));
    let sent = pair.sent();
    assert_contents_whole(&sent);
    assert_eq!(keys(&sent), ["other"; 1000]);
    assert_eq!(sent.last().unwrap(), "1 channel.close-ok");
    assert_eq!(fates(written), "ouu");
    assert_eq!(fates(queued), "n".repeat(1000));
    pair.assert_idle();
}

#[test]
fn f8_the_cause_comes_with_what_was_not_sent() {
    let (mut pair, publisher) = Pair::with_publisher();
    let confirmation = send(&publisher, "queued", 10);
    pair.feed(&wire::channel_close(1));
    match done(confirmation) {
        Err(PublishError::NotSent(error)) => assert_eq!(error.reply_code().unwrap().0, 404),
        other => panic!("{other:?}"),
    }
}

#[test]
fn f8_large_message_under_way_is_uncertain_and_what_is_parked_behind_it_not_sent() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(usize::MAX));
    let publisher = pair.publisher();
    let mut confirmations = vec![send(&publisher, "large", 1024 * 1024)];
    pair.write_once();
    confirmations.push(send(&publisher, "parked", 10));
    confirmations.push(send(&publisher, "parked large", 200_000));
    confirmations.push(send(&publisher, "parked", 0));
    pair.feed(&wire::channel_close(1));
    let sent = pair.sent();
    assert_contents_whole(&sent);
    assert_eq!(keys(&sent), ["large"]);
    assert_eq!(sent.last().unwrap(), "1 channel.close-ok");
    assert_eq!(fates(confirmations), "unnn");
    pair.assert_idle();
}

#[test]
fn f8_large_message_not_begun_is_not_sent() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(usize::MAX));
    let publisher = pair.publisher();
    let confirmations = vec![
        send(&publisher, "small", 10),
        send(&publisher, "large", 1024 * 1024),
        send(&publisher, "parked", 10),
    ];
    pair.feed(&wire::channel_close(1));
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
    assert_eq!(fates(confirmations), "nnn");
    pair.assert_idle();
    // The number is free at once.
    pair.channel_with_id(1);
}

#[test]
fn f8_whatever_is_queued_the_wire_has_what_is_not_reported_as_not_sent() {
    let mut random = Random::new(8);
    for _ in 0..300 {
        let mut pair = Pair::open_with(&quiet().write_buffer_limit(usize::MAX));
        let publishers = [pair.publisher(), pair.publisher()];
        let mut confirmations = BTreeMap::from([(1, Vec::new()), (2, Vec::new())]);
        let mut sizes = BTreeMap::from([(1, Vec::new()), (2, Vec::new())]);
        let mut octets = Vec::new();
        for _ in 0..random.below(30) {
            let index = usize::try_from(random.below(2)).unwrap();
            let id = u16::try_from(index + 1).unwrap();
            let limit = [1, 100, 20_000, 300_000][usize::try_from(random.below(4)).unwrap()];
            let size = usize::try_from(random.below(limit)).unwrap();
            let confirmation = send(&publishers[index], &size.to_string(), size);
            confirmations.get_mut(&id).unwrap().push(confirmation);
            sizes.get_mut(&id).unwrap().push(size.to_string());
            if random.below(8) == 0 {
                pair.write_once();
            }
        }
        pair.feed(&wire::channel_close(1));
        octets.extend(pair.sent_octets());
        let (frames, rest) = wire::frames(&octets);
        assert!(rest.is_empty());
        let sent: Vec<String> = frames.iter().map(wire::describe).collect();
        assert_contents_whole(&sent);
        for id in [1, 2] {
            let prefix = format!("{id} basic.publish ");
            let on_the_wire: Vec<&str> = sent
                .iter()
                .filter_map(|line| line.strip_prefix(&prefix))
                .map(|key| key.trim_end_matches(" mandatory"))
                .collect();
            let expected = &sizes[&id][..on_the_wire.len()];
            assert_eq!(on_the_wire, expected);
            if id == 2 {
                assert_eq!(on_the_wire.len(), sizes[&2].len());
                continue;
            }
            let not_sent = sizes[&id].len() - on_the_wire.len();
            let uncertain = "u".repeat(on_the_wire.len());
            let confirmations = confirmations.remove(&id).unwrap();
            assert_eq!(fates(confirmations), uncertain + &"n".repeat(not_sent));
        }
        pair.assert_idle();
    }
}

// The connection ends

#[test]
fn f8_message_without_more_than_its_last_octet_is_not_sent_when_the_connection_is_lost() {
    let sizes = [10, 0, 20_000, 200_000, 5];
    let start = || {
        let mut pair = Pair::open();
        let publisher = pair.publisher();
        let all: Vec<_> = sizes.map(|size| send(&publisher, "key", size)).into();
        (pair, all)
    };
    let (mut pair, _all) = start();
    let ends = ends_of_messages(&mut pair);
    let around = |&end: &usize| end.saturating_sub(60)..end + 60;
    let everywhere = (0..*ends.last().unwrap()).step_by(5001);
    for at in ends.iter().flat_map(around).chain(everywhere) {
        let (mut pair, all) = start();
        let written = write_octets(&mut pair, at);
        // LavinMQ routes a message without its frame's end.
        let complete = ends.iter().filter(|&&end| end - 1 <= written).count();
        pair.eof();
        let expected = "u".repeat(complete) + &"n".repeat(sizes.len() - complete);
        assert_eq!(fates(all), expected, "{written} octets written");
    }
}

/// Where on the wire each message ends.
fn ends_of_messages(pair: &mut Pair) -> Vec<usize> {
    let octets = pair.sent_octets();
    let (frames, _) = wire::frames(&octets);
    let mut ends = Vec::new();
    let mut at = 0;
    for frame in &frames {
        if frame.kind == FrameKind::Method {
            let method = Method::decode(frame.payload).unwrap();
            assert!(matches!(method, Method::BasicPublish(_)));
            ends.push(at);
        }
        at += frame.payload.len() + amqp_spec::frame::OVERHEAD;
    }
    ends.push(at);
    ends.remove(0);
    ends
}

#[test]
fn f8_what_was_begun_is_uncertain_and_what_is_queued_not_sent_when_the_broker_closes() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mut confirmations = vec![send(&publisher, "begun", 10)];
    write_octets(&mut pair, 1);
    confirmations.push(send(&publisher, "queued", 10));
    confirmations.push(send(&publisher, "large", 200_000));
    pair.feed(&wire::connection_close());
    // The frames that were begun are completed, and the answer follows.
    let octets = pair.sent_octets();
    assert!(octets.ends_with(&wire::method(0, &connection::CloseOk {})));
    assert_eq!(fates(confirmations), "unn");
}

#[test]
fn f8_message_confirmed_before_the_end_stays_confirmed() {
    let (mut pair, publisher) = Pair::with_publisher();
    let confirmations: Vec<_> = (0..3).map(|_| send(&publisher, "key", 10)).collect();
    pair.sent();
    pair.feed(&wire::ack(1, 2, true));
    pair.eof();
    assert_eq!(fates(confirmations), "oou");
}

#[test]
fn f8_close_that_takes_too_long_tells_what_was_not_sent() {
    let (mut pair, publisher) = Pair::with_publisher();
    let confirmations = vec![
        send(&publisher, "written", 10),
        send(&publisher, "half", 10),
    ];
    // A stream that takes no more.
    let half = write_octets(&mut pair, 90);
    assert_eq!(half, 90);
    let connection = pair.connection.clone();
    let mut closing =
        crate::tests::support::task::Task::start(async move { connection.close().await });
    let deadline = pair.core.deadline().unwrap();
    pair.core.handle_timeout(deadline);
    assert!(matches!(
        closing.ready(),
        Err(ConnectionError::CloseTimeout { .. })
    ));
    assert_eq!(fates(confirmations), "un");
}
