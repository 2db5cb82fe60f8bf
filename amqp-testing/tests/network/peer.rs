//! The scripted peer, talked to in raw frames.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    panic::{AssertUnwindSafe, catch_unwind},
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
    let (mut one, other) = std::os::unix::net::UnixStream::pair().unwrap();
    one.write_all(&frames::method(3, &channel::CloseOk {}))
        .unwrap();
    let received = Conversation::over(other).expect(3, "channel.close-ok");
    assert_eq!(
        (received.channel(), received.payload()),
        (3, [0, 20, 0, 41].as_slice())
    );
}
