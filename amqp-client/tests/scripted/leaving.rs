//! What was accepted leaves before the connection ends, as long as the broker takes it; and what
//! has left all but its last octet is not told as not sent.

use std::time::Duration;

use amqp_client::event::Event;
use amqp_client::{
    Connection, ConnectionError, ConnectionOptions, Message, PublishError, Publisher,
};
use amqp_spec::{confirm, connection, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use crate::gated::Gated;
use crate::peer::{Peer, options, soon};
use crate::wire;

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;
const N: usize = 20;

/// A connection that has accepted 20 MiB, of which its peer has read nothing.
async fn accepted(options: &ConnectionOptions) -> (Connection, Peer) {
    let (stream, mut peer) = Peer::pair(64 * 1024);
    let connection = peer.open(stream, options).await;
    let channel = peer.channel(&connection).await;
    let body = bytes::Bytes::from(vec![b'.'; MIB]);
    for _ in 0..N {
        let message = Message::new(body.clone());
        let accepting = channel.basic_publish("", "key", &message);
        soon(accepting).await.unwrap();
    }
    (connection, peer)
}

/// A broker that reads `piece` octets in each sixteenth of a second, and answers the close. Tells
/// how many octets of messages it has read before; `None` if the stream ended without a close.
async fn read_slowly(mut stream: DuplexStream, piece: usize) -> Option<usize> {
    let mut octets = vec![0; piece];
    let (mut read, mut bodies) = (Vec::new(), 0);
    loop {
        tokio::time::sleep(SECOND / 16).await;
        match stream.read(&mut octets).await.unwrap() {
            0 => return None,
            n => read.extend_from_slice(&octets[..n]),
        }
        while let Some((frame, used)) = frame::decode(&read, usize::MAX).unwrap() {
            let line = wire::describe(&frame);
            if line.starts_with("1 body") {
                bodies += frame.payload.len();
            }
            if line == "0 connection.close 200" {
                let answer = wire::method(0, &connection::CloseOk {});
                stream.write_all(&answer).await.unwrap();
                return Some(bodies);
            }
            read.drain(..used);
        }
    }
}

fn roomy() -> ConnectionOptions {
    options().write_buffer_limit(2 * N * MIB)
}

#[tokio::test(start_paused = true)]
async fn s17_close_lets_all_that_was_accepted_leave_over_a_slow_stream() {
    let (connection, peer) = accepted(&roomy()).await;
    let begun = Instant::now();
    let broker = read_slowly(peer.into_stream(), 64 * 1024);
    let (closed, bodies) = soon(async { tokio::join!(connection.close(), broker) }).await;
    closed.unwrap();
    assert_eq!(bodies, Some(N * MIB));
    // Four times `close_timeout`, by a clock that only this test moves.
    assert!(begun.elapsed() >= 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn s17_all_that_was_accepted_leaves_over_a_slow_stream_behind_the_last_handle() {
    let (connection, peer) = accepted(&roomy()).await;
    drop(connection);
    let bodies = soon(read_slowly(peer.into_stream(), 64 * 1024)).await;
    assert_eq!(bodies, Some(N * MIB));
}

/// A trickle is progress, but not for ever.
#[tokio::test(start_paused = true)]
async fn s17_alarm_does_not_keep_a_close_longer_than_writing_may_take() {
    let limit = 20 * SECOND;
    let options = roomy().write_timeout(Some(limit));
    for by_dropping in [false, true] {
        let (connection, mut peer) = accepted(&options).await;
        let mut events = connection.events();
        let reason = wire::short("low on disk");
        peer.say(0, &connection::Blocked { reason }).await;
        assert!(matches!(
            soon(events.next()).await,
            Some(Event::Blocked { .. })
        ));
        drop(events);
        let begun = Instant::now();
        let broker = tokio::spawn(read_slowly(peer.into_stream(), 1024));
        if by_dropping {
            drop(connection);
        } else {
            let error = soon(connection.close()).await.unwrap_err();
            assert!(
                matches!(
                    error,
                    ConnectionError::CloseTimeout { unwritten_messages: 19 | 20, unwritten_bytes }
                        if unwritten_bytes > 19 * MIB
                ),
                "{error:?}"
            );
            assert_eq!(begun.elapsed().as_secs(), 20);
        }
        assert_eq!(soon(broker).await.unwrap(), None);
    }
}

/// LavinMQ routes a message that lacks nothing but the end octet of its last frame.
#[tokio::test(start_paused = true)]
async fn f8_message_that_has_left_all_but_its_last_octet_is_not_told_as_not_sent() {
    const ENOUGH: usize = 100_000;
    let mut len = usize::MAX;
    let mut taken = ENOUGH;
    loop {
        let (stream, mut peer) = Peer::pair(64 * 1024);
        let (stream, gate) = Gated::new(stream);
        let options = options();
        let opening = Connection::open_stream_exact(stream, &options);
        let connection = peer.opened(opening).await;
        let channel = peer.channel(&connection).await;
        let select = async {
            peer.expect("1 confirm.select").await;
            peer.say(1, &confirm::SelectOk {}).await;
        };
        let (publisher, ()) = tokio::join!(soon(Publisher::new(channel)), select);
        let publisher = publisher.unwrap();
        gate.fail_after(taken);
        let message = Message::new("a body");
        let confirmation = publisher.send("", "key", &message).await.unwrap();
        if taken == ENOUGH {
            for line in ["basic.publish key mandatory", "header 6", "body 6"] {
                peer.expect(&format!("1 {line}")).await;
            }
            len = ENOUGH - gate.left();
            taken = 0;
            continue;
        }
        let outcome = soon(confirmation).await;
        if taken < len - 1 {
            assert!(matches!(outcome, Err(PublishError::NotSent(_))), "{taken}");
        } else {
            assert!(
                matches!(outcome, Err(PublishError::Uncertain(_))),
                "{taken}"
            );
            break;
        }
        taken += 1;
    }
    assert_eq!(taken, len - 1);
}
