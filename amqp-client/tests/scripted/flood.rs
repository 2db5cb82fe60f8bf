//! A broker that asks for one answer after the other.

use std::cell::Cell;

use amqp_spec::channel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::peer::{Peer, options, soon};
use crate::wire;

/// More than the client keeps answers to.
const N_FLOWS: usize = 500_000;

#[tokio::test]
async fn s9_broker_that_listens_late_is_heard_and_answered_to_the_end() {
    let (stream, mut peer) = Peer::pair(64 * 1024);
    let connection = peer.open(stream, &options()).await;
    let _channel = peer.channel(&connection).await;
    let (mut ear, mut mouth) = tokio::io::split(peer.into_stream());
    let flow = wire::method(1, &channel::Flow { active: true });
    let said = Cell::new(0);
    let speak = async {
        let many = flow.repeat(1000);
        while said.get() < N_FLOWS {
            mouth.write_all(&many).await.unwrap();
            said.set(said.get() + 1000);
        }
    };
    let listen = async {
        // When nothing has been heard for a while, it will not be before we listen.
        let (mut before, mut patience) = (0, 1000);
        while patience > 0 {
            tokio::task::yield_now().await;
            patience = if said.get() == before {
                patience - 1
            } else {
                1000
            };
            before = said.get();
        }
        assert!(said.get() < N_FLOWS, "everything was heard");
        let mut answers = vec![0; N_FLOWS * flow.len()];
        ear.read_exact(&mut answers).await.unwrap();
        let flow_ok = wire::method(1, &channel::FlowOk { active: true });
        assert!(answers.chunks(flow.len()).all(|answer| answer == flow_ok));
    };
    soon(async { tokio::join!(speak, listen) }).await;
    assert!(connection.is_open());
}
