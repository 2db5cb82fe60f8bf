//! A broker that asks for one answer after the other, or says more than it should.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::task::{Context, Poll};

use amqp_spec::{channel, connection, frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

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

/// What is read from a [`Flooded`] stream instead of what the peer says, which takes whatever is
/// written then.
#[derive(Default)]
struct Flood {
    left: AtomicUsize,
    octets: Mutex<Vec<u8>>,
}

struct Flooded {
    stream: DuplexStream,
    flood: Arc<Flood>,
    /// Where in the flood's octets reading goes on.
    at: usize,
}

impl AsyncRead for Flooded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let left = this.flood.left.load(Ordering::Relaxed);
        if left == 0 {
            return Pin::new(&mut this.stream).poll_read(context, buf);
        }
        let octets = this.flood.octets.lock().unwrap();
        let all = left.min(buf.remaining());
        let mut n = all;
        while n > 0 {
            let piece = n.min(octets.len() - this.at);
            buf.put_slice(&octets[this.at..][..piece]);
            this.at = (this.at + piece) % octets.len();
            n -= piece;
        }
        this.flood.left.fetch_sub(all, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flooded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.flood.left.load(Ordering::Relaxed) > 0 {
            return Poll::Ready(Ok(octets.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

thread_local! {
    /// What this thread was told.
    static TOLD: Cell<usize> = const { Cell::new(0) };
}

/// One for all tests of the process: those that come and go on threads of their own make `tracing`
/// forget now and then who is interested.
struct Count;

impl Subscriber for Count {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("amqp_client")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        TOLD.set(TOLD.get() + 1);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Counts, for each turn that another task of the runtime has amid a flood, the frames that were
/// read and the events that were told since the one before; the highest numbers.
async fn between_turns(octets: Vec<u8>, n_frames: usize, total: usize) -> (usize, usize) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Count).unwrap());
    let (stream, mut peer) = Peer::pair(64 * 1024);
    let flood = Arc::<Flood>::default();
    let stream = Flooded {
        stream,
        flood: Arc::clone(&flood),
        at: 0,
    };
    let connection = peer.open(stream, &options()).await;
    let _channel = peer.channel(&connection).await;
    let _events = connection.events();
    let repeated = total / n_frames * octets.len();
    *flood.octets.lock().unwrap() = octets;
    flood.left.store(repeated, Ordering::Relaxed);
    // Has the driver look.
    peer.send(&frame::HEARTBEAT).await;
    let highest = Rc::new(Cell::new((0, 0)));
    let counting = {
        let (connection, highest) = (connection.clone(), Rc::clone(&highest));
        async move {
            let received = || usize::try_from(connection.counters().frames_received).unwrap();
            let first = received();
            let mut before = (first, TOLD.get());
            while received() < first + total {
                tokio::task::yield_now().await;
                let now = (received(), TOLD.get());
                let (frames, events) = highest.get();
                highest.set((frames.max(now.0 - before.0), events.max(now.1 - before.1)));
                before = now;
            }
        }
    };
    soon(counting).await;
    assert!(connection.is_open());
    highest.get()
}

#[tokio::test]
async fn other_tasks_have_their_turns_amid_a_flood_of_alarms() {
    let reason = wire::short("low on disk");
    let mut octets = wire::method(0, &connection::Blocked { reason });
    octets.extend(wire::method(0, &connection::Unblocked {}));
    let (frames, events) = between_turns(octets, 2, 100_000).await;
    assert!(frames <= 600, "{frames}");
    assert!((1..=1200).contains(&events), "{events}");
}

#[tokio::test]
async fn other_tasks_have_their_turns_amid_a_flood_of_flow() {
    let mut octets = wire::method(1, &channel::Flow { active: false });
    octets.extend(wire::method(1, &channel::Flow { active: true }));
    let (frames, events) = between_turns(octets, 2, 100_000).await;
    assert!(frames <= 600, "{frames}");
    assert!(events <= 1200, "{events}");
}

#[tokio::test]
async fn other_tasks_have_their_turns_amid_a_flood_of_tiny_frames() {
    let octets = frame::HEARTBEAT.repeat(1000);
    let (frames, _) = between_turns(octets, 1000, 1_000_000).await;
    assert!(frames <= 40_000, "{frames}");
}
