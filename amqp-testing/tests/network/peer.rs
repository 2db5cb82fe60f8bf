//! The scripted peer, talked to in raw frames.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use amqp_spec::{
    Method, basic, channel, connection,
    frame::{HEARTBEAT, PROTOCOL_HEADER},
    queue, short_str,
    wire::LongStr,
};
use amqp_testing::{
    Peer,
    frames::{self, delivery},
    peer::Conversation,
};

fn connect(peer: &Peer) -> TcpStream {
    let socket = TcpStream::connect(peer.address()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    socket
}

/// Says a client's part of the handshake without waiting for the answers.
fn open(socket: &mut TcpStream) {
    let start_ok = connection::StartOk {
        mechanism: short_str!("PLAIN"),
        response: LongStr::literal("\0guest\0guest"),
        ..Default::default()
    };
    let tune_ok = connection::TuneOk {
        channel_max: 2047,
        frame_max: 8192,
        heartbeat: 0,
    };
    let mut octets = PROTOCOL_HEADER.to_vec();
    octets.extend(frames::method(0, &start_ok));
    octets.extend(frames::method(0, &tune_ok));
    octets.extend(frames::method(0, &connection::Open::default()));
    socket.write_all(&octets).unwrap();
}

#[test]
fn a_whole_conversation_is_held() {
    let peer = Peer::start(|listener| {
        let mut client = listener.accept();
        assert_eq!(client.open_connection().frame_max, 8192);
        client.open_channel(1);
        client.expect(1, "basic.publish");
        let message = client.expect_content(1);
        assert_eq!(message.body.len(), 10_000);
        assert_eq!(message.frame_sizes, [8192, 10_000 - 8184 + 8]);
        client.send_raw(&delivery(1, "tag", 1, b"body"));
        client.expect_exactly(
            1,
            &Method::BasicAck(basic::Ack {
                delivery_tag: 1,
                multiple: false,
            }),
        );
        client.close_connection();
        client.expect_end();
    })
    .unwrap();

    let mut socket = connect(&peer);
    open(&mut socket);
    let properties = basic::Properties::new();
    let publish = basic::Publish {
        routing_key: short_str!("q"),
        ..Default::default()
    };
    let mut octets = frames::method(1, &channel::Open {});
    octets.extend(HEARTBEAT);
    octets.extend(frames::content(
        1,
        &publish,
        &properties,
        &[7; 10_000],
        8192,
    ));
    octets.extend(frames::method(
        1,
        &basic::Ack {
            delivery_tag: 1,
            multiple: false,
        },
    ));
    octets.extend(frames::method(0, &connection::Close::default()));
    // In small pieces, so that frames have to be put together.
    octets
        .chunks(1000)
        .for_each(|chunk| socket.write_all(chunk).unwrap());

    let mut received = Vec::new();
    let expected_end = frames::method(0, &connection::CloseOk {});
    while !received.ends_with(&expected_end) {
        let mut buf = [0; 1000];
        let n_octets = socket.read(&mut buf).unwrap();
        received.extend_from_slice(&buf[..n_octets]);
    }
    drop(socket);
    peer.join();
}

#[test]
fn a_client_that_departs_from_the_script_fails_the_test() {
    let peer = Peer::start(|listener| {
        let mut client = listener.accept();
        client.expect_protocol_header();
        client.expect(1, "queue.declare");
    })
    .unwrap();
    let mut socket = connect(&peer);
    socket.write_all(&PROTOCOL_HEADER).unwrap();
    let delete = queue::Delete {
        queue: short_str!("orders"),
        ..Default::default()
    };
    socket.write_all(&frames::method(1, &delete)).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| peer.join())).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("queue.declare on channel 1 was expected"),
        "{message}"
    );
    assert!(
        message.contains("orders"),
        "the conversation is missing: {message}"
    );
}

/// A peer whose script panics at once.
fn failed() -> Peer {
    Peer::start(|listener| {
        drop(listener);
        panic!("the script was left");
    })
    .unwrap()
}

/// Polls until the future is ready, as the least of runtimes would.
fn block_on(future: impl Future<Output = ()>) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    while future
        .as_mut()
        .poll(&mut Context::from_waker(&waker))
        .is_pending()
    {
        thread::park();
    }
}

#[test]
fn the_end_of_a_script_is_awaited_without_a_runtime() {
    let (sender, receiver) = mpsc::channel();
    let peer = Peer::start(move |_| receiver.recv().unwrap()).unwrap();
    let finished = peer.finished();
    let mut finished = pin!(finished);
    let mut context = Context::from_waker(Waker::noop());
    assert!(finished.as_mut().poll(&mut context).is_pending());
    sender.send(()).unwrap();
    block_on(finished);

    let awaited = catch_unwind(|| block_on(failed().finished()));
    assert_eq!(
        awaited.unwrap_err().downcast_ref(),
        Some(&"the script was left")
    );
}

#[test]
fn a_script_that_failed_is_told_when_its_peer_is_dropped() {
    let is_told = |dropped: thread::Result<()>| {
        dropped.is_err_and(|cause| cause.downcast_ref() == Some(&"the script was left"))
    };
    let dropped = catch_unwind(|| {
        let peer = failed();
        while !format!("{peer:?}").contains("Ended") {
            thread::yield_now();
        }
        drop(peer);
    });
    assert!(is_told(dropped));
    // A panic that is under way is not replaced, nor made an abort.
    let dropped = catch_unwind(|| {
        let _peer = failed();
        panic!("the test's own");
    });
    assert_eq!(dropped.unwrap_err().downcast_ref(), Some(&"the test's own"));
}

#[test]
fn a_time_that_is_up_is_told_as_one() {
    let (broker, _client) = UnixStream::pair().unwrap();
    let wait = Duration::from_millis(1);
    broker.set_read_timeout(Some(wait)).unwrap();
    let mut conversation = Conversation::over(broker);
    let waiting = catch_unwind(AssertUnwindSafe(|| conversation.expect(3, "channel.open")));
    let cause = waiting.unwrap_err();
    let message = cause.downcast_ref::<String>().unwrap();
    assert!(
        message.starts_with("channel.open was expected: nothing came for 0 s (an async test"),
        "{message}"
    );
    assert!(message.contains("`finished`"), "{message}");
}

#[test]
fn a_reset_is_seen_as_one() {
    let peer = Peer::start(|listener| {
        let mut client = listener.accept();
        client.expect_protocol_header();
        client.reset();
    })
    .unwrap();
    let mut socket = connect(&peer);
    socket.write_all(&PROTOCOL_HEADER).unwrap();
    assert_eq!(
        socket.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    peer.join();
}

#[test]
fn several_clients_can_come_one_after_the_other() {
    let peer = Peer::start(|listener| {
        for _ in 0..2 {
            listener.accept().expect_protocol_header();
        }
    })
    .unwrap();
    for _ in 0..2 {
        connect(&peer).write_all(&PROTOCOL_HEADER).unwrap();
    }
    peer.join();
}

#[test]
fn any_stream_will_do() {
    let (mut one, other) = UnixStream::pair().unwrap();
    one.write_all(&frames::method(3, &channel::CloseOk {}))
        .unwrap();
    let received = Conversation::over(other).expect(3, "channel.close-ok");
    assert_eq!(
        (received.channel(), received.payload()),
        (3, [0, 20, 0, 41].as_slice())
    );
}

/// What the script says of octets that the client sends before it ends the connection.
fn verdict(
    octets: &[u8],
    script: impl FnOnce(&mut Conversation<UnixStream>),
) -> Result<(), String> {
    let (mut client, broker) = UnixStream::pair().unwrap();
    client.write_all(octets).unwrap();
    drop(client);
    let mut conversation = Conversation::over(broker);
    let played = catch_unwind(AssertUnwindSafe(|| script(&mut conversation)));
    played.map_err(|cause| cause.downcast_ref::<String>().unwrap().clone())
}

#[test]
fn what_comes_before_the_end_is_not_passed_over() {
    let close_ok = frames::method(3, &channel::CloseOk {});
    let twice = close_ok.repeat(2);
    // In one read with the frame that is asked for, or in one of its own.
    let read_before = verdict(&twice, |client| {
        client.expect(3, "channel.close-ok");
        client.expect_end();
    });
    for verdict in [read_before, verdict(&close_ok, Conversation::expect_end)] {
        let message = verdict.unwrap_err();
        assert!(message.contains("came instead of the end"), "{message}");
    }
    // Heartbeats say nothing.
    let heartbeats = [close_ok, HEARTBEAT.repeat(3)].concat();
    let passed = verdict(&heartbeats, |client| {
        client.expect(3, "channel.close-ok");
        client.expect_end();
    });
    assert_eq!(passed, Ok(()));
}

#[test]
fn a_body_is_as_long_as_its_header_says_and_on_one_channel() {
    let properties = basic::Properties::new();
    let header = |channel| frames::header(channel, &properties, 4);
    let content = |octets: &[&[u8]]| {
        verdict(&octets.concat(), |client| {
            assert_eq!(client.expect_content(1).body, b"body");
        })
    };
    let body = |octets| frames::body(1, octets, 4096);
    assert_eq!(content(&[&header(1), &body(b"bo"), &body(b"dy")]), Ok(()));
    let message = content(&[&header(1), &body(b"bo"), &body(b"dies")]).unwrap_err();
    assert!(
        message.contains("a body of 4 octets was expected"),
        "{message}"
    );
    let message = content(&[&header(2), &body(b"body")]).unwrap_err();
    assert!(message.contains("on channel 1 was expected"), "{message}");
}

#[test]
fn a_long_conversation_takes_bounded_memory() {
    const N_FRAMES: usize = 100_000;
    let (mut client, broker) = UnixStream::pair().unwrap();
    let talking = thread::spawn(move || {
        let close_ok = frames::method(3, &channel::CloseOk {});
        let octets = close_ok.repeat(100);
        (0..N_FRAMES / 100).for_each(|_| client.write_all(&octets).unwrap());
    });
    let mut conversation = Conversation::over(broker);
    for _ in 0..N_FRAMES {
        conversation.expect(3, "channel.close-ok");
    }
    talking.join().unwrap();
    let shown = format!("{conversation:?}");
    assert!(
        shown.len() < 100_000,
        "{} octets of {N_FRAMES} frames",
        shown.len()
    );
    let failing = catch_unwind(AssertUnwindSafe(|| conversation.expect(3, "channel.open")));
    let cause = failing.unwrap_err();
    let message = cause.downcast_ref::<String>().unwrap();
    assert!(message.contains("(99500 lines before)"), "{message}");
}

#[test]
fn no_limit_of_frames_is_no_limit() {
    let (mut client, broker) = UnixStream::pair().unwrap();
    let talking = thread::spawn(move || {
        let start_ok = connection::StartOk::default();
        let tune_ok = connection::TuneOk::default();
        let open = connection::Open::default();
        let octets = [
            PROTOCOL_HEADER.to_vec(),
            frames::method(0, &start_ok),
            frames::method(0, &tune_ok),
            frames::method(0, &open),
            frames::header(1, &basic::Properties::new(), 200_000),
            frames::body(1, &[7; 200_000], usize::MAX),
        ];
        client.write_all(&octets.concat()).unwrap();
        client
    });
    let mut conversation = Conversation::over(broker);
    assert_eq!(conversation.open_connection().frame_max, 0);
    assert_eq!(conversation.expect_content(1).frame_sizes, [200_008]);
    drop(talking.join().unwrap());
}
