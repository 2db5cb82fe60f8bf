//! What is sent keeps its order within a channel, and large bodies let other channels pass.

use amqp_spec::basic::PropertiesRef;
use amqp_spec::field_table;
use amqp_spec::{channel, tx};
use bytes::Bytes;

use crate::consume::Multiple;
use crate::error::{ChannelError, PublishError};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Message, QueueDeclare};

const LARGE: usize = 1024 * 1024;

pub(crate) fn publish(channel: &Channel, key: &str, size: usize) {
    let body = Bytes::from(vec![b'.'; size]);
    done(channel.basic_publish_body("", key, PropertiesRef::EMPTY, body)).unwrap();
}

/// The lines of one channel, in order.
fn of(channel: u16, sent: &[String]) -> Vec<&str> {
    let prefix = format!("{channel} ");
    sent.iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect()
}

/// Each channel's content is contiguous: method, header, bodies of the announced size.
#[track_caller]
pub(crate) fn assert_contents_whole(sent: &[String]) {
    let mut open = std::collections::BTreeMap::new();
    for line in sent {
        let mut words = line.split(' ');
        let id = words.next().unwrap();
        let (what, size) = (words.next().unwrap(), words.next());
        let size = || size.unwrap().parse::<usize>().unwrap();
        match (open.remove(id), what) {
            (None, "basic.publish") => drop(open.insert(id, None)),
            (None, "header" | "body") => panic!("content out of place: {line}"),
            (None, _) => {}
            (Some(None), "header") => {
                if size() > 0 {
                    open.insert(id, Some(size()));
                }
            }
            (Some(Some(left)), "body") => {
                assert!(size() <= left, "too much body: {line}");
                if size() < left {
                    open.insert(id, Some(left - size()));
                }
            }
            (Some(_), _) => panic!("content interrupted: {line}"),
        }
    }
    assert!(open.is_empty(), "content left unfinished");
}

#[test]
fn calls_on_one_channel_leave_in_their_order() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let mut deliveries = pair.deliver(&mut consumer, 1..=2).into_iter();
    publish(&channel, "first", 3);
    deliveries.next().unwrap().ack().unwrap();
    let _declaring = Task::start(channel.queue_declare(QueueDeclare::new("q")));
    publish(&channel, "second", 0);
    deliveries.next().unwrap().ack().unwrap();
    assert_eq!(
        pair.sent(),
        [
            "1 basic.publish first",
            "1 header 3",
            "1 body 3",
            "1 basic.ack 1",
            "1 queue.declare q",
            "1 basic.publish second",
            "1 header 0",
            "1 basic.ack 2",
        ]
    );
}

#[test]
fn body_is_cut_at_the_negotiated_frame_size() {
    let mut pair = Pair::open_tuned(&quiet(), (10, 4096, 0));
    let channel = pair.channel();
    publish(&channel, "exact", 2 * 4088);
    publish(&channel, "more", 4089);
    assert_eq!(
        pair.sent(),
        [
            "1 basic.publish exact",
            "1 header 8176",
            "1 body 4088",
            "1 body 4088",
            "1 basic.publish more",
            "1 header 4089",
            "1 body 4088",
            "1 body 1",
        ]
    );
}

#[test]
fn other_channels_pass_between_the_frames_of_a_large_body() {
    let (mut pair, bulk) = Pair::with_channel();
    let busy = pair.channel();
    publish(&bulk, "bulk", LARGE);
    let mut passed = 0;
    while pair.write_once() {
        if passed < 5 {
            publish(&busy, "urgent", 1);
            passed += 1;
        }
    }
    let sent = pair.sent();
    assert_contents_whole(&sent);
    let position = |what: &str| sent.iter().position(|line| line == what).unwrap();
    let last_body = sent.iter().rposition(|line| line.starts_with("1 body"));
    assert!(position("2 basic.publish urgent") < last_body.unwrap());
    let urgent = of(2, &sent);
    assert_eq!(urgent.len(), 5 * 3);
    let bulk: usize = of(1, &sent)
        .iter()
        .filter_map(|line| line.strip_prefix("body "))
        .map(|size| size.parse::<usize>().unwrap())
        .sum();
    assert_eq!(bulk, LARGE);
}

#[test]
fn large_bodies_of_two_channels_take_turns() {
    let (mut pair, first) = Pair::with_channel();
    let second = pair.channel();
    publish(&first, "a", LARGE);
    // The second is above the high-water mark, so it waits; then both are under way.
    let body = Bytes::from(vec![b'.'; LARGE]);
    let mut publishing =
        Task::start(second.basic_publish_body("", "b", PropertiesRef::EMPTY, body));
    while publishing.run().is_pending() {
        assert!(pair.write_once());
    }
    let sent = pair.sent();
    assert_contents_whole(&sent);
    let frames: Vec<_> = sent
        .iter()
        .filter_map(|line| line.split_once(" body "))
        .map(|(channel, _)| channel)
        .skip_while(|channel| *channel == "1")
        .collect();
    let last = frames.iter().rposition(|channel| *channel == "1").unwrap();
    assert!(last > 3, "{frames:?}");
    for turns in frames[..=last].windows(2) {
        assert_ne!(turns[0], turns[1], "{frames:?}");
    }
}

#[test]
fn nothing_of_the_same_channel_overtakes_a_large_body() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(usize::MAX));
    let channel = pair.channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let deliveries = pair.deliver(&mut consumer, 1..=2);
    publish(&channel, "first", LARGE);
    for delivery in deliveries {
        delivery.ack().unwrap();
    }
    publish(&channel, "small", 1);
    let _purging = Task::start(channel.queue_purge("q"));
    publish(&channel, "second", LARGE);
    publish(&channel, "last", 1);
    let sent = pair.sent();
    assert_contents_whole(&sent);
    let methods: Vec<&str> = of(1, &sent)
        .into_iter()
        .filter(|line| !line.starts_with("body") && !line.starts_with("header"))
        .collect();
    assert_eq!(
        methods,
        [
            "basic.publish first",
            "basic.ack 1",
            "basic.ack 2",
            "basic.publish small",
            "queue.purge q",
            "basic.publish second",
            "basic.publish last",
        ]
    );
}

#[test]
fn borrowed_and_owned_large_bodies_arrive_alike() {
    let (mut pair, channel) = Pair::with_channel();
    let octets: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let empty = PropertiesRef::EMPTY;
    done(channel.basic_publish_body("", "key", empty, &octets)).unwrap();
    let borrowed = pair.sent_octets();
    done(channel.basic_publish_body("", "key", empty, octets.clone())).unwrap();
    let owned = pair.sent_octets();
    assert_eq!(borrowed, owned);
    let (frames, _) = wire::frames(&owned);
    let sent: Vec<u8> = frames[2..]
        .iter()
        .flat_map(|frame| frame.payload.to_vec())
        .collect();
    assert_eq!(sent, octets);
}

#[test]
fn channel_closed_amid_a_large_body_is_left_when_the_body_is_whole() {
    let (mut pair, channel) = Pair::with_channel();
    publish(&channel, "bulk", 4 * LARGE);
    channel.basic_ack(1, Multiple::No).unwrap();
    let mut closing = Task::start(channel.close());
    assert!(pair.write_once());
    pair.feed(&wire::channel_close(1));
    // What was parked behind the body is not sent, so that nothing will answer the close.
    closing.ready().unwrap_err();
    let sent = pair.sent();
    assert_contents_whole(&sent);
    let sent_on_it = of(1, &sent);
    assert_eq!(sent_on_it.last(), Some(&"channel.close-ok"));
    assert!(!sent_on_it.contains(&"channel.close 200"), "{sent:?}");
    assert!(!sent_on_it.iter().any(|line| line.starts_with("basic.ack")));
    pair.assert_idle();
}

#[test]
fn channel_closed_by_us_finishes_its_large_body_first() {
    let (mut pair, channel) = Pair::with_channel();
    publish(&channel, "bulk", LARGE);
    let mut closing = Task::start(channel.close());
    let sent = pair.sent();
    assert_contents_whole(&sent);
    assert_eq!(sent.last().unwrap(), "1 channel.close 200");
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    pair.assert_idle();
}

#[test]
fn s23_header_that_does_not_fit_is_refused_without_a_trace() {
    let mut pair = Pair::open_tuned(&quiet(), (10, 4096, 0));
    let publisher = pair.publisher();
    let headers = field_table! { "long" => "x".repeat(4096).as_str() };
    let too_large = Message::new("body").headers(&headers);
    let fits = Message::new("body");
    assert_eq!(
        done(publisher.send("", "key", &fits))
            .unwrap()
            .sequence_number(),
        1
    );
    match done(publisher.send("", "key", &too_large)) {
        Err(PublishError::NotSent(ChannelError::FrameTooLarge(error))) => {
            assert_eq!(error.frame_max, 4096);
            let told = "the message's properties, headers included, take a frame of 4132 octets \
                        where frame-max allows 4096 (ConnectionOptions::frame_max and the broker's \
                        setting can raise it) (queue 'key')";
            assert_eq!(error.to_string(), told);
        }
        other => panic!("{other:?}"),
    }
    // Large or not makes no difference.
    let both = Message::new(vec![0; LARGE]).headers(&headers);
    assert!(done(publisher.send("", "key", &both)).is_err());
    let properties = both.properties().as_ref();
    let prepared = publisher.prepare("", "key", properties).unwrap();
    let told = done(prepared.send(b"body")).unwrap_err().to_string();
    assert!(told.ends_with("(queue 'key')"), "{told}");
    // Numbers have no gap, so that confirms still fit.
    assert_eq!(
        done(publisher.send("", "key", &fits))
            .unwrap()
            .sequence_number(),
        2
    );
    let message = ["1 basic.publish key mandatory", "1 header 4", "1 body 4"];
    assert_eq!(pair.sent(), [message, message].concat());
}

#[test]
fn request_that_does_not_fit_is_refused_without_a_trace() {
    let mut pair = Pair::open_tuned(&quiet(), (10, 4096, 0));
    let channel = pair.channel();
    let text = "x".repeat(4096);
    let declare = QueueDeclare::new("q").argument("x-long", text.as_str());
    let refused = done(channel.queue_declare(declare));
    assert!(matches!(&refused, Err(ChannelError::FrameTooLarge(error)) if !error.is_message));
    let told = refused.unwrap_err().to_string();
    assert!(
        told.starts_with("the method's arguments take a frame"),
        "{told}"
    );
    let consume = channel.consume("q").argument("x-long", text.as_str());
    let refused = done(consume.into_future()).map(drop);
    assert!(matches!(refused, Err(ChannelError::FrameTooLarge(_))));
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
    // Whoever comes next is heard.
    let _purging = Task::start(channel.queue_purge("q"));
    assert_eq!(pair.sent(), ["1 queue.purge q"]);
}

#[test]
fn s23_name_that_is_too_long_is_refused_without_a_trace() {
    let (mut pair, channel) = Pair::with_channel();
    let name = "x".repeat(256);
    let message = Message::new("body");
    assert!(matches!(
        done(channel.basic_publish("", &name, &message)),
        Err(ChannelError::TooLong(_))
    ));
    assert!(matches!(
        done(channel.basic_publish(&name, "", &message)),
        Err(ChannelError::TooLong(_))
    ));
    assert!(matches!(
        done(channel.queue_purge(&name)),
        Err(ChannelError::TooLong(_))
    ));
    assert!(done(channel.consume("q").tag(name).into_future()).is_err());
    assert_eq!(pair.sent(), [""; 0]);
    let fits = "x".repeat(255);
    done(channel.basic_publish("", &fits, &message)).unwrap();
    assert_eq!(pair.sent().len(), 3);
}

#[test]
fn s13_nothing_is_sent_on_a_channel_of_the_past() {
    let (mut pair, old) = Pair::with_channel_of(1);
    let mut consumer = pair.consumer(&old, "tag");
    let mut deliveries = pair.deliver(&mut consumer, 1..=3).into_iter();
    pair.feed(&wire::channel_close(1));
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
    let refuse_all = |deliveries: &mut dyn Iterator<Item = crate::Delivery>| {
        let message = Message::new("body");
        let codes = [
            deliveries.next().unwrap().ack().unwrap_err(),
            done(old.basic_publish("", "key", &message)).unwrap_err(),
            done(old.queue_purge("q")).unwrap_err(),
            old.basic_ack(1, Multiple::Yes).unwrap_err(),
            done(old.close()).unwrap_err(),
        ]
        .map(|error| error.reply_code().unwrap().0);
        assert_eq!(codes, [404; 5]);
    };
    refuse_all(&mut deliveries);
    assert_eq!(pair.sent(), [""; 0]);
    // The id lives again, and the old handles are still of the past.
    let new = pair.channel();
    assert_eq!(new.id(), old.id());
    refuse_all(&mut deliveries);
    drop((deliveries, consumer, old));
    assert_eq!(pair.sent(), [""; 0]);
    publish(&new, "key", 1);
    assert_eq!(pair.sent().len(), 3);
}

#[test]
fn nothing_at_all_is_sent_behind_a_commit() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let delivery = pair.deliver(&mut consumer, 1..=1).remove(0);
    let mut committing = Task::start(channel.tx_commit());
    publish(&channel, "small", 1);
    publish(&channel, "large", 60_000);
    delivery.ack().unwrap();
    let _purging = Task::start(channel.queue_purge("q"));
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    // Others are not concerned.
    let other = pair.channel();
    publish(&other, "key", 0);
    assert_eq!(pair.sent(), ["2 basic.publish key", "2 header 0"]);
    pair.says(1, &tx::CommitOk {});
    committing.ready().unwrap();
    assert_eq!(
        pair.sent(),
        [
            "1 basic.publish small",
            "1 header 1",
            "1 body 1",
            "1 basic.publish large",
            "1 header 60000",
            "1 body 60000",
            "1 basic.ack 1",
            "1 queue.purge q",
        ]
    );
}
