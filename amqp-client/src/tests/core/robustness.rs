//! Whatever arrives, nothing panics and no task is left waiting.

use amqp_spec::frame;

use crate::QueueDeclare;
use crate::error::{ConnectionError, Violation};
use crate::tests::support::crowd::{Crowd, recording, stray};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::random::Random;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;

/// The recording in pieces: each turn, and a turn in two where `at` lies within it.
fn pieces(octets: &[Vec<u8>], at: usize) -> Vec<&[u8]> {
    let mut start = 0;
    let mut pieces = Vec::new();
    for turn in octets {
        let split = at.saturating_sub(start).min(turn.len());
        let (first, second) = turn.split_at(split);
        pieces.extend([first, second]);
        start += turn.len();
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn len(octets: &[Vec<u8>]) -> usize {
    octets.iter().map(Vec::len).sum()
}

#[test]
fn recorded_conversation_ends_with_every_kind_of_operation_pending() {
    let mut crowd = Crowd::new();
    crowd.run();
    for turn in recording() {
        crowd.feed(&turn);
    }
    assert_eq!(
        crowd.pending(),
        [
            "consume", "publish", "get", "close", "commit", "fail", "wait"
        ]
    );
    crowd.pair.eof();
    crowd.run();
    let logs = crowd.into_logs();
    let log = |name: &str| {
        let (_, log) = logs.iter().find(|(n, _)| *n == name).unwrap();
        log.iter().map(String::as_str).collect::<Vec<_>>()
    };
    let stream_ended = |line: &str| line.contains("the broker ended the stream");
    for (name, log) in &logs {
        if *name != "opened" {
            assert!(stream_ended(log.last().unwrap()), "{name}: {log:?}");
        }
    }
    assert_eq!(log("opened"), ["opened: Ok(())"]);
    let deliveries = |line: &&&str| line.contains("body_len");
    assert_eq!(log("consume").iter().filter(deliveries).count(), 3);
    let published = log("publish");
    assert!(
        published[1].contains("returned by the broker") && published[1].contains("body_len: 8")
    );
    assert_eq!(published[2], "()");
    assert!(published[3].contains("basic.nack"));
    assert!(published[4].contains("may or may not be routed"));
    assert!(log("get")[1].contains("body_len: 7") && log("get")[2] == "None");
    assert!(log("fail")[1].contains("NOT_FOUND"));
}

#[test]
fn f6_every_split_gives_the_same_as_none() {
    let recording = recording();
    let ends_as = |at: usize| {
        let mut crowd = Crowd::new();
        crowd.run();
        for piece in pieces(&recording, at) {
            crowd.feed(piece);
        }
        crowd.pair.eof();
        crowd.run();
        crowd.into_logs()
    };
    let unsplit = ends_as(0);
    for at in 1..len(&recording) {
        assert_eq!(ends_as(at), unsplit, "split at {at}");
    }
}

#[test]
fn single_octets_give_the_same_as_whole_turns() {
    let recording = recording();
    let ends_as = |size: usize| {
        let mut crowd = Crowd::new();
        crowd.run();
        for piece in recording.iter().flat_map(|turn| turn.chunks(size)) {
            crowd.feed(piece);
        }
        crowd.pair.eof();
        crowd.run();
        crowd.into_logs()
    };
    let whole = ends_as(usize::MAX);
    for size in [1, 2, 3, 5, 8, 13, 100] {
        assert_eq!(ends_as(size), whole, "pieces of {size}");
    }
}

#[test]
fn end_of_the_stream_anywhere_is_told_to_everybody_who_waits() {
    let recording = recording();
    for at in 0..len(&recording) {
        let mut crowd = Crowd::new();
        crowd.run();
        let mut left = at;
        for turn in &recording {
            let n = left.min(turn.len());
            crowd.feed(&turn[..n]);
            left -= n;
        }
        let pending = crowd.pending();
        crowd.pair.eof();
        crowd.run();
        crowd.pair.assert_idle();
        assert!(crowd.pair.core.is_finished());
        for (name, log) in crowd.into_logs() {
            let told = log.last().unwrap().contains("the broker ended the stream");
            assert_eq!(told, pending.contains(&name), "cut at {at}: {name} {log:?}");
        }
    }
}

/// Feeds the turns and ends the stream; nobody may be left waiting.
fn survive(turns: &[Vec<u8>], what: impl Fn() -> String) {
    let mut crowd = Crowd::new();
    crowd.run();
    for turn in turns {
        crowd.feed(turn);
    }
    crowd.pair.eof();
    crowd.run();
    assert_eq!(crowd.pending(), [""; 0], "{}", what());
    crowd.pair.assert_idle();
}

#[test]
fn f7_every_damaged_octet_is_survived() {
    // Every change of every octet takes half a minute without optimisation.
    let changes: Vec<u8> = if cfg!(debug_assertions) {
        vec![1, 2, 4, 8, 16, 32, 64, 128, 255]
    } else {
        (1..=255).collect()
    };
    let mut recording = recording();
    for turn in 0..recording.len() {
        for at in 0..recording[turn].len() {
            for &change in &changes {
                recording[turn][at] ^= change;
                survive(&recording, || format!("turn {turn} at {at} ^ {change}"));
                recording[turn][at] ^= change;
            }
        }
    }
}

#[test]
fn turns_out_of_order_are_survived() {
    let turns = stray();
    let mut random = Random::new(3);
    for round in 0..3000 {
        // Mostly the right beginning, then anything.
        let right = random.index(recording().len());
        let mut octets = recording()[..right].to_vec();
        octets.extend((0..random.below(6)).map(|_| turns[random.index(turns.len())].clone()));
        survive(&octets, || format!("round {round}"));
    }
}

#[test]
fn random_octets_are_survived() {
    let mut random = Random::new(4);
    for round in 0..3000 {
        let right = random.index(recording().len());
        let mut octets = recording()[..right].to_vec();
        let len = random.index(60);
        octets.push((0..len).map(|_| random.next().to_le_bytes()[0]).collect());
        survive(&octets, || format!("round {round}"));
    }
}

#[test]
fn random_frames_are_survived() {
    // Whole frames with random payloads get further than random octets.
    let mut random = Random::new(5);
    let ids: Vec<_> = amqp_spec::metadata::CLASSES
        .iter()
        .flat_map(|class| class.methods)
        .map(|method| method.id.to_be_bytes())
        .collect();
    for round in 0..5000 {
        let right = 3 + random.index(recording().len() - 3);
        let mut octets = recording()[..right].to_vec();
        let mut turn = Vec::new();
        for _ in 0..=random.below(4) {
            let mut payload: Vec<u8> = (0..random.index(24))
                .map(|_| random.next().to_le_bytes()[0] & 7)
                .collect();
            let kind = [1, 1, 1, 2, 3][random.index(5)];
            if kind == 1 {
                payload.splice(0..0, ids[random.index(ids.len())]);
            }
            turn.push(kind);
            turn.extend([0, random.next().to_le_bytes()[0] & 7]);
            turn.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
            turn.extend(payload);
            turn.push(0xce);
        }
        octets.push(turn);
        survive(&octets, || format!("round {round}"));
    }
}

/// How the connection ends when this arrives.
#[track_caller]
fn ends_with(octets: &[u8]) -> Violation {
    let (mut pair, channel) = Pair::with_channel();
    let _consumer = pair.consumer(&channel, "tag");
    let mut purging = Task::start(channel.queue_purge("q"));
    pair.sent();
    pair.feed(octets);
    assert!(purging.ready().is_err());
    match pair.end() {
        ConnectionError::Protocol(violation) => (*violation).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn s15_frame_of_an_absurd_size_is_refused_with_its_seventh_octet() {
    for kind in [1, 2, 3, 8] {
        let head = [kind, 0, 1, 0xff, 0xff, 0xff, 0xff];
        let violation = ends_with(&head);
        assert!(matches!(violation, Violation::Frame(_)), "{violation:?}");
    }
    // Behind a deliver, where the header would be looked at ahead of its turn.
    let mut octets = wire::method(1, &wire::deliver("tag", 1));
    octets.extend([2, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(ends_with(&octets), Violation::Frame(_)));
    let mut octets = [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header(1, 1),
    ]
    .concat();
    octets.extend([3, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(ends_with(&octets), Violation::Frame(_)));
}

#[test]
fn s15_octets_of_other_protocols_are_refused() {
    let cases: [&[u8]; 5] = [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"AMQP\x00\x00\x09\x01",
        &[8, 0, 5, 0, 0, 0, 0, 0xce],
        &[8, 0, 0, 0, 0, 0, 1, 0, 0xce],
    ];
    for octets in cases {
        let violation = ends_with(octets);
        assert!(
            matches!(
                violation,
                Violation::Frame(_) | Violation::ProtocolHeader { .. }
            ),
            "{violation:?}"
        );
    }
    let mut wrong_end = frame::HEARTBEAT;
    wrong_end[7] = 0;
    assert!(matches!(ends_with(&wrong_end), Violation::Frame(_)));
}

#[test]
fn unknown_methods_are_refused() {
    for id in [[0, 99, 0, 10], [0, 50, 0, 99], [0, 60, 0, 0], [0, 0, 0, 0]] {
        let mut octets = vec![1, 0, 1, 0, 0, 0, 4];
        octets.extend(id);
        octets.push(0xce);
        assert!(matches!(ends_with(&octets), Violation::Decode(_)));
    }
    // Too short to have an id.
    assert!(matches!(
        ends_with(&[1, 0, 1, 0, 0, 0, 1, 0, 0xce]),
        Violation::Decode(_)
    ));
}

/// A property list of headers alone, with tables within tables.
fn deep_headers(depth: usize) -> Vec<u8> {
    let mut table = Vec::new();
    for _ in 0..depth {
        let len = u32::try_from(table.len()).unwrap();
        let mut outer = vec![1, b'x', b'F'];
        outer.extend(len.to_be_bytes());
        outer.extend(table);
        table = outer;
    }
    let mut properties = vec![0x20, 0x00];
    properties.extend(u32::try_from(table.len()).unwrap().to_be_bytes());
    properties.extend(table);
    properties
}

#[test]
fn s15_headers_ten_thousand_tables_deep_are_survived() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let properties = deep_headers(10_000);
    let mut octets = wire::method(1, &wire::deliver("tag", 1));
    frame::encode_header(&mut octets, 1, 60, 0, &properties, usize::MAX).unwrap();
    pair.feed(&octets);
    let delivery = done(consumer.next()).unwrap().unwrap();
    // Reading one level costs one level; looking at everything stops at a limit.
    let headers = delivery.properties().headers().unwrap();
    assert!(headers.get("x").unwrap().is_some());
    assert!(headers.validate().is_err());
    assert!(!format!("{delivery:?}").is_empty());
}

#[test]
fn server_properties_ten_thousand_tables_deep_are_survived() {
    let mut pair = Pair::new(&quiet());
    let properties = deep_headers(10_000);
    let table = amqp_spec::wire::Reader::new(&properties[2..])
        .table("server-properties")
        .unwrap()
        .to_owned();
    pair.feed(&wire::start_with(&table, "PLAIN", (0, 9)));
    pair.feed(&wire::tune(0, 131_072, 0));
    pair.feed(&wire::open_ok());
    done(pair.connection.opened()).unwrap();
    assert_eq!(pair.connection.server_properties(), table);
}

#[test]
fn names_that_are_not_text_are_survived() {
    let (mut pair, channel) = Pair::with_channel();
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("q")));
    pair.sent();
    let queue = amqp_spec::wire::ShortStr::new(b"\xff\xfe").unwrap();
    let declare_ok = amqp_spec::queue::DeclareOk {
        queue,
        message_count: 0,
        consumer_count: 0,
    };
    pair.says(1, &declare_ok);
    assert_eq!(declaring.ready().unwrap().name, "\u{fffd}\u{fffd}");
}
