//! Opening a connection: every way it can go, at every step.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use amqp_spec::frame::FrameError;
use amqp_spec::wire::{FieldTable, LongStr};
use amqp_spec::{connection, frame};

use crate::connection::State;
use crate::error::{ConnectCause, ConnectionError, Stage, TlsError, Violation};
use crate::tests::handles::send_order::publish;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Connection, ConnectionOptions};

type Opened = Result<(), (Stage, ConnectCause)>;

fn opening(pair: &Pair) -> Task<'static, Opened> {
    let connection = pair.connection.clone();
    Task::start(async move { connection.opened_or_stage().await })
}

/// The broker's part, step by step, and how far the client is before each.
fn steps() -> [(Stage, Vec<u8>); 3] {
    [
        (Stage::Start, wire::start("PLAIN")),
        (Stage::Login, wire::tune(2047, 131_072, 60)),
        (Stage::Open, wire::open_ok()),
    ]
}

/// What the client sent after the protocol header.
#[track_caller]
fn sent_after_header(pair: &mut Pair) -> Vec<String> {
    let octets = pair.sent_octets();
    let octets = octets.strip_prefix(&frame::PROTOCOL_HEADER).unwrap();
    wire::frames(octets).0.iter().map(wire::describe).collect()
}

/// Looks at a connection when it is woken.
struct Look(Connection, Mutex<Option<State>>);

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        *self.1.lock().unwrap() = Some(self.0.state());
    }
}

#[test]
fn connection_is_open_when_its_opening_is_told() {
    let mut pair = Pair::new(&quiet());
    let look = Arc::new(Look(pair.connection.clone(), Mutex::new(None)));
    let connection = pair.connection.clone();
    let mut opened = pin!(connection.opened());
    let waker = Waker::from(Arc::clone(&look));
    let mut context = Context::from_waker(&waker);
    assert!(opened.as_mut().poll(&mut context).is_pending());
    for (_, octets) in steps() {
        pair.feed(&octets);
    }
    let state = look.1.lock().unwrap().take();
    assert!(matches!(state, Some(State::Open { .. })), "{state:?}");
}

#[test]
fn connection_opens() {
    let mut pair = Pair::new(&ConnectionOptions::default().virtual_host("orders"));
    let mut opened = opening(&pair);
    assert_eq!(pair.sent_octets(), frame::PROTOCOL_HEADER);

    pair.feed(&wire::start("AMQPLAIN PLAIN"));
    assert_eq!(pair.sent(), ["0 connection.start-ok PLAIN"]);
    opened.pending();

    pair.feed(&wire::tune(100, 65_536, 30));
    assert_eq!(
        pair.sent(),
        [
            "0 connection.tune-ok 100 65536 30",
            "0 connection.open orders"
        ]
    );
    opened.pending();

    pair.feed(&wire::open_ok());
    opened.ready().unwrap();
    assert_eq!(pair.sent(), [""; 0]);
    let limits = pair.connection.limits();
    assert_eq!((limits.channel_max, limits.frame_max), (100, 65_536));
    assert_eq!(limits.heartbeat, Duration::from_secs(30));
    let product = amqp_spec::field_table! { "product" => "RabbitMQ" };
    assert_eq!(pair.connection.server_properties(), product);
}

#[test]
fn password_is_sent_once_and_shown_nowhere() {
    let options = quiet().login("app", "s3cret");
    let mut pair = Pair::new(&options);
    pair.feed(&wire::start("PLAIN"));
    // Neither as text nor as the numbers of its octets, while the login waits to be sent.
    let shown = format!("{:?}", pair.core);
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(!shown.contains("115, 51, 99, 114, 101, 116"), "{shown}");
    let octets = pair.sent_octets();
    let needle = b"\0app\0s3cret";
    assert!(octets.windows(needle.len()).any(|part| part == needle));
    assert!(!format!("{:?} {:?}", pair.core, pair.connection).contains("s3cret"));
}

#[test]
fn another_protocol_is_told_with_what_it_said() {
    // AMQP of other versions, an alert of TLS, HTTP, SSH; more than the first octets is not kept.
    let answers: [&[u8]; 6] = [
        b"AMQP\x00\x00\x09\x00",
        b"AMQP\x03\x01\x00\x00",
        b"AMQP\x01\x01\x00\x0a",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
    ];
    for answer in answers {
        let mut pair = Pair::new(&quiet());
        let mut opened = opening(&pair);
        pair.feed(answer);
        match opened.ready() {
            Err((Stage::Start, ConnectCause::Connection(ConnectionError::Protocol(violation)))) => {
                let octets = answer.iter().copied().take(8).collect();
                assert_eq!(*violation, Violation::ProtocolHeader { octets });
            }
            other => panic!("{other:?}"),
        }
        assert!(pair.core.is_finished());
    }
}

#[test]
fn another_protocol_is_told_in_the_same_words_however_it_is_split() {
    let answers: [&[u8]; 5] = [
        b"AMQP\x00\x00\x09\x01",
        b"AMQP\x03\x01\x00\x00",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"A",
    ];
    for answer in answers {
        let octets: Vec<u8> = answer.iter().copied().take(8).collect();
        for cut in 0..octets.len() {
            for ending in ["eof", "reset", "timeout"] {
                let mut pair = Pair::new(&quiet());
                let mut opened = opening(&pair);
                for piece in [&answer[..cut], &answer[cut..]] {
                    pair.feed(piece);
                }
                // Too few to be judged before the rest, if there is any, has had its time.
                if octets.len() < 7 {
                    opened.pending();
                    match ending {
                        "eof" => pair.eof(),
                        "reset" => {
                            let reset = std::io::ErrorKind::ConnectionReset.into();
                            pair.core.lost(ConnectionError::Io(Arc::new(reset)));
                        }
                        _ => pair.advance(Duration::from_secs(3600)),
                    }
                }
                match opened.ready() {
                    Err((
                        Stage::Start,
                        ConnectCause::Connection(ConnectionError::Protocol(violation)),
                    )) => {
                        let octets = octets.clone();
                        assert_eq!(*violation, Violation::ProtocolHeader { octets });
                    }
                    other => panic!("{answer:?} cut at {cut}, {ending}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn protocol_header_amid_a_conversation_is_no_frame_and_no_version() {
    let (mut pair, _channel) = Pair::with_channel();
    pair.feed(b"AMQP\x00\x00\x09\x01");
    let ConnectionError::Protocol(violation) = pair.end() else {
        panic!("{:?}", pair.end());
    };
    assert_eq!(violation.to_string(), "unknown frame type 65");
}

#[test]
fn another_protocol_is_told_in_words() {
    let said = |octets: &[u8]| Violation::protocol_header(octets).to_string();
    assert!(said(b"AMQP\x03\x01\x00\x00").ends_with(r#"it answered "AMQP\x03\x01\x00\x00""#));
    assert!(said(b"HTTP/1.1 400").ends_with(r#"it answered "HTTP/1.1""#));
}

#[test]
fn start_of_another_version_is_refused() {
    let mut pair = Pair::new(&quiet());
    let mut opened = opening(&pair);
    assert_eq!(sent_after_header(&mut pair), [""; 0]);
    pair.feed(&wire::start_with(&FieldTable::new(), "PLAIN", (8, 0)));
    match opened.ready() {
        Err((Stage::Start, ConnectCause::Connection(ConnectionError::Protocol(violation)))) => {
            let said = Violation::ProtocolVersion { major: 8, minor: 0 };
            assert_eq!(*violation, said);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn no_mechanism_in_common_is_told_with_what_was_offered() {
    let mut pair = Pair::new(&quiet());
    let mut opened = opening(&pair);
    pair.feed(&wire::start("EXTERNAL PLAINTEXT"));
    match opened.ready() {
        Err((Stage::Login, ConnectCause::Mechanism { offered, wanted })) => {
            assert_eq!(offered, "EXTERNAL PLAINTEXT");
            assert_eq!(wanted, "PLAIN AMQPLAIN");
        }
        other => panic!("{other:?}"),
    }
    assert!(pair.core.is_finished());
}

#[test]
fn end_of_stream_at_each_step_is_told_with_the_stage() {
    for n in 0..3 {
        let mut pair = Pair::new(&quiet());
        let mut opened = opening(&pair);
        for (_, octets) in &steps()[..n] {
            pair.feed(octets);
        }
        pair.eof();
        let (stage, cause) = opened.ready().unwrap_err();
        assert_eq!(stage, steps()[n].0);
        assert!(matches!(
            cause,
            ConnectCause::Connection(ConnectionError::EndOfStream)
        ));
        assert!(pair.core.is_finished());
    }
}

#[test]
fn end_of_stream_within_each_frame_is_told_with_the_stage() {
    for n in 0..3 {
        for cut in 1..steps()[n].1.len() {
            let mut pair = Pair::new(&quiet());
            let mut opened = opening(&pair);
            for (_, octets) in &steps()[..n] {
                pair.feed(octets);
            }
            pair.feed(&steps()[n].1[..cut]);
            pair.eof();
            assert_eq!(opened.ready().unwrap_err().0, steps()[n].0);
        }
    }
}

#[test]
fn close_by_the_broker_at_each_step_is_told_with_its_reason_and_answered() {
    for n in 0..3 {
        let mut pair = Pair::new(&quiet());
        let mut opened = opening(&pair);
        for (_, octets) in &steps()[..n] {
            pair.feed(octets);
        }
        pair.sent_octets();
        pair.feed(&wire::connection_close());
        match opened.ready() {
            Err((stage, ConnectCause::Connection(ConnectionError::ClosedByBroker(close)))) => {
                assert_eq!(stage, steps()[n].0);
                assert_eq!(close.reply_code.0, 320);
                assert_eq!(close.reply_text, "CONNECTION_FORCED - go away");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(pair.sent(), ["0 connection.close-ok"]);
        assert!(pair.core.is_finished());
    }
}

#[test]
fn close_by_us_at_each_step_ends_at_once_without_a_word() {
    // RabbitMQ does not answer connection.close before connection.open.
    for n in 0..3 {
        let mut pair = Pair::new(&quiet());
        let mut opened = opening(&pair);
        for (_, octets) in &steps()[..n] {
            pair.feed(octets);
        }
        pair.sent_octets();
        let connection = pair.connection.clone();
        let mut closing = Task::start(async move { connection.close().await });
        assert_eq!(pair.sent(), [""; 0]);
        closing.ready().unwrap();
        assert_eq!(opened.ready().unwrap_err().0, steps()[n].0);
        assert!(pair.core.is_finished());
    }
}

#[test]
fn dropping_the_handle_during_the_opening_ends_it_at_once() {
    for n in 0..3 {
        let (mut core, connection) =
            Connection::with_core(&quiet(), crate::tests::support::pair::now);
        for (_, octets) in &steps()[..n] {
            core.read_space()[..octets.len()].copy_from_slice(octets);
            core.read_done(octets.len(), crate::tests::support::pair::now());
        }
        drop(connection);
        while let Some(transmit) = core.transmit() {
            let mut slices = [std::io::IoSlice::new(&[]); 16];
            let n_slices = transmit.slices(&mut slices);
            let n = slices[..n_slices].iter().map(|slice| slice.len()).sum();
            core.transmitted(n, crate::tests::support::pair::now());
        }
        assert!(core.is_finished());
    }
}

#[test]
fn a_failure_of_tls_under_a_driver_of_one_s_own_is_told_as_one() {
    let mut pair = Pair::new(&quiet());
    pair.core.lost(TlsError::NotTls.into());
    let error = done(pair.connection.opened()).unwrap_err();
    assert_eq!(error.stage(), Stage::Tls);
    assert!(matches!(error.cause(), ConnectCause::Tls(TlsError::NotTls)));
}

#[test]
fn silence_at_each_step_ends_with_a_timeout_that_says_how_long() {
    for n in 0..3 {
        let mut pair = Pair::new(&quiet().handshake_timeout(Duration::from_secs(7)));
        let mut opened = opening(&pair);
        for (_, octets) in &steps()[..n] {
            pair.feed(octets);
        }
        pair.advance(Duration::from_millis(6_999));
        opened.pending();
        pair.advance(Duration::from_millis(1));
        match opened.ready() {
            Err((stage, ConnectCause::Timeout(after))) => {
                assert_eq!(stage, steps()[n].0);
                assert_eq!(after, Duration::from_secs(7));
            }
            other => panic!("{other:?}"),
        }
        assert!(pair.core.is_finished());
    }
}

#[test]
fn one_timer_covers_the_whole_opening() {
    let mut pair = Pair::new(&quiet().handshake_timeout(Duration::from_secs(7)));
    let mut opened = opening(&pair);
    pair.advance(Duration::from_secs(5));
    pair.feed(&wire::start("PLAIN"));
    pair.advance(Duration::from_secs(2));
    let timeout = opened.ready().unwrap_err();
    assert!(matches!(timeout, (Stage::Login, ConnectCause::Timeout(_))));
}

#[test]
fn driver_that_goes_away_during_the_opening_is_told() {
    let pair = Pair::new(&quiet());
    let mut opened = opening(&pair);
    let connection = pair.connection.clone();
    drop(pair);
    let gone = opened.ready().unwrap_err();
    assert!(matches!(
        gone,
        (
            Stage::Start,
            ConnectCause::Connection(ConnectionError::DriverGone)
        )
    ));
    assert!(matches!(
        done(connection.closed()),
        ConnectionError::DriverGone
    ));
}

#[test]
fn everybody_who_waits_for_the_opening_hears_of_it() {
    let mut pair = Pair::new(&quiet());
    let mut first = opening(&pair);
    let mut second = opening(&pair);
    for (_, octets) in steps() {
        pair.feed(&octets);
    }
    first.ready().unwrap();
    second.ready().unwrap();
}

#[test]
fn failure_to_open_leaves_nobody_waiting() {
    let mut pair = Pair::new(&quiet());
    let mut first = opening(&pair);
    let mut second = opening(&pair);
    pair.eof();
    first.ready().unwrap_err();
    second.ready().unwrap_err();
    done(pair.connection.opened()).unwrap_err();
}

/// What the client answers to a proposal.
#[track_caller]
fn tuned(ours: (u16, u32, u64), proposal: (u16, u32, u16)) -> String {
    let options = ConnectionOptions::default()
        .channel_max(ours.0)
        .frame_max(ours.1)
        .heartbeat(Duration::from_secs(ours.2));
    let mut pair = Pair::new(&options);
    pair.feed(&wire::start("PLAIN"));
    pair.feed(&wire::tune(proposal.0, proposal.1, proposal.2));
    let sent = sent_after_header(&mut pair);
    sent.get(1).cloned().unwrap_or_default()
}

#[test]
fn the_lower_limit_holds_and_zero_is_no_limit() {
    let tune_ok = "0 connection.tune-ok";
    let cases = [
        ((2047, 131_072, 60), (2047, 131_072, 60), "2047 131072 60"),
        ((2047, 131_072, 60), (0, 0, 60), "2047 131072 60"),
        ((0, 0, 60), (2047, 131_072, 60), "2047 131072 60"),
        ((10, 8192, 60), (2047, 131_072, 60), "10 8192 60"),
        ((2047, 131_072, 60), (10, 4096, 60), "10 4096 60"),
        // RabbitMQ from 4.1 on refuses less than 8192, without a word; others may want less.
        ((2047, 4096, 60), (2047, 131_072, 60), "2047 8192 60"),
        ((2047, 4096, 60), (2047, 0, 60), "2047 8192 60"),
        ((2047, 8191, 60), (2047, 8191, 60), "2047 8191 60"),
        ((2047, 131_072, 60), (1, 4096, 60), "1 4096 60"),
        ((2047, 0, 60), (0, 1 << 31, 60), "2047 1048576 60"),
        ((0, 0, 60), (65535, u32::MAX, 60), "65535 1048576 60"),
        ((0, 0, 0), (0, 0, 0), "0 1048576 0"),
        ((65535, 131_072, 5), (65535, u32::MAX, 60), "65535 131072 5"),
        // Zero turns heartbeats off whatever the broker would like; RabbitMQ goes along.
        ((2047, 131_072, 0), (2047, 131_072, 60), "2047 131072 0"),
    ];
    for (ours, proposal, expected) in cases {
        assert_eq!(tuned(ours, proposal), format!("{tune_ok} {expected}"));
    }
}

#[test]
fn part_of_a_second_does_not_turn_heartbeats_off() {
    for (millis, expected) in [(1, 1), (999, 1), (1000, 1), (1001, 2)] {
        let options = ConnectionOptions::default().heartbeat(Duration::from_millis(millis));
        let pair = Pair::open_with(&options);
        let heartbeat = pair.connection.limits().heartbeat;
        assert_eq!(heartbeat, Duration::from_secs(expected));
    }
}

#[test]
fn limits_without_any_are_finite() {
    let options = quiet().channel_max(0).frame_max(0);
    let pair = Pair::open_tuned(&options, (0, 0, 0));
    let limits = pair.connection.limits();
    assert_eq!(limits.channel_max, u16::MAX);
    assert!(limits.frame_max >= 131_072);
}

#[test]
fn f20_no_frame_is_huge_whatever_either_side_proposes() {
    const LIMIT: usize = 1024 * 1024;
    for (ours, theirs) in [(0, 0), (0, u32::MAX), (u32::MAX, 0), (u32::MAX, 1 << 31)] {
        let mut pair = Pair::open_tuned(&quiet().frame_max(ours), (2047, theirs, 0));
        assert_eq!(pair.connection.limits().frame_max, 1024 * 1024);
        let channel = pair.channel();
        publish(&channel, "key", 3 * LIMIT);
        let octets = pair.sent_octets();
        let (frames, _) = wire::frames(&octets);
        let longest = frames.iter().map(|frame| frame.payload.len()).max();
        assert_eq!(longest, Some(LIMIT - frame::OVERHEAD));
        // The first octets of a frame of 1 MiB and an octet.
        pair.feed(&[1, 0, 1, 0, 0x10, 0, 1]);
        let end = pair.end();
        let ConnectionError::Protocol(violation) = &end else {
            panic!("{end:?}");
        };
        let expected = FrameError::TooLarge {
            size: 1024 * 1024 + 1,
            max: LIMIT,
        };
        assert_eq!(**violation, Violation::Frame(expected));
    }
}

#[test]
fn frame_size_below_the_minimum_of_the_protocol_is_refused() {
    for (ours, theirs) in [(131_072, 1), (131_072, 4095), (0, 4095), (8192, 4095)] {
        let mut pair = Pair::new(&quiet().frame_max(ours));
        let mut opened = opening(&pair);
        pair.feed(&wire::start("PLAIN"));
        pair.sent_octets();
        pair.feed(&wire::tune(2047, theirs, 60));
        let expected = Violation::Tuning { frame_max: theirs };
        match opened.ready() {
            Err((Stage::Login, ConnectCause::Connection(ConnectionError::Protocol(violation)))) => {
                assert_eq!(*violation, expected);
            }
            other => panic!("{ours} {theirs}: {other:?}"),
        }
        assert_eq!(pair.sent(), [""; 0]);
    }
}

#[test]
fn methods_out_of_turn_are_refused() {
    let challenge = LongStr::new(b"?").unwrap();
    let out_of_turn = [
        wire::open_ok(),
        wire::tune(0, 0, 0),
        wire::method(0, &connection::Secure { challenge }),
        wire::method(0, &connection::CloseOk {}),
        wire::method(1, &amqp_spec::channel::OpenOk {}),
        wire::delivery(1, "tag", 1, b"x"),
        wire::header(0, 0),
    ];
    for octets in out_of_turn {
        let mut pair = Pair::new(&quiet());
        let mut opened = opening(&pair);
        pair.feed(&octets);
        let refused = opened.ready().unwrap_err();
        assert!(
            matches!(
                refused,
                (
                    Stage::Start,
                    ConnectCause::Connection(ConnectionError::Protocol(_))
                )
            ),
            "{refused:?}"
        );
        assert!(pair.core.is_finished());
    }
}

#[test]
fn heartbeats_during_the_opening_are_fine() {
    let mut pair = Pair::new(&quiet());
    let mut opened = opening(&pair);
    for (_, octets) in steps() {
        pair.feed(&frame::HEARTBEAT);
        pair.feed(&octets);
    }
    opened.ready().unwrap();
}

#[test]
fn opening_takes_any_split_and_any_merge() {
    let octets = steps().map(|(_, octets)| octets).concat();
    let mut merged = Pair::new(&quiet());
    merged.feed(&octets);
    done(merged.connection.opened()).unwrap();
    let sent = merged.sent_octets();
    for size in [1, 2, 3, 7, 64] {
        let mut pair = Pair::new(&quiet());
        for piece in octets.chunks(size) {
            pair.feed(piece);
        }
        done(pair.connection.opened()).unwrap();
        assert_eq!(pair.sent_octets(), sent);
    }
}

#[test]
fn timeouts_without_end_are_no_panic() {
    let options = ConnectionOptions::default()
        .handshake_timeout(Duration::MAX)
        .request_timeout(Duration::MAX)
        .close_timeout(Duration::MAX)
        .heartbeat(Duration::MAX);
    let mut pair = Pair::open_with(&options);
    let _channel = pair.channel();
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
}
