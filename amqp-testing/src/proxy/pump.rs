//! The two threads that carry the octets of one connection in one direction.
//!
//! One reads and notes when each chunk is due, the other writes when it is. That way a delay holds
//! for each octet and does not limit how many are under way.

use std::{
    io::{self, ErrorKind, Read as _},
    net::Shutdown,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    lane::{End, Lane},
    link::Link,
};

/// How many octets are read at once.
const CHUNK: usize = 64 << 10;

/// How many chunks may be under way. A delay of a second then allows for 16 MiB a second.
const MAX_UNDER_WAY: usize = 256;

/// Octets and the time at which they arrive.
type Chunk = (Instant, Vec<u8>);

/// Starts carrying octets in the direction of the lane, until the connection is over.
pub(super) fn start(link: &Arc<Link>, lane: &Arc<Lane>) {
    let (sender, receiver) = sync_channel(MAX_UNDER_WAY);
    let (reader, writer) = (
        (Arc::clone(link), Arc::clone(lane)),
        (Arc::clone(link), Arc::clone(lane)),
    );
    thread::spawn(move || read_all(&reader.0, &reader.1, &sender));
    thread::spawn(move || write_all(&writer.0, &writer.1, &receiver));
}

/// Ends when the source does, which closes the channel and so tells the other thread.
fn read_all(link: &Link, lane: &Lane, sender: &SyncSender<Chunk>) {
    let mut source = link.source(lane.direction());
    let mut buf = vec![0; CHUNK];
    while lane.wait_until_open(link) {
        let n_octets = match source.read(&mut buf) {
            Ok(0) => return,
            Ok(n_octets) => n_octets,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // The other side is to learn of it in the same way.
            Err(_) => return link.reset(),
        };
        let due = after(lane.current_delay());
        let octets = buf.get(..n_octets).unwrap_or_default().to_vec();
        if sender.send((due, octets)).is_err() {
            return;
        }
    }
}

fn write_all(link: &Link, lane: &Lane, chunks: &Receiver<Chunk>) {
    let mut offset = 0;
    for (due, mut octets) in chunks {
        if !lane.wait_until(due, link) || !lane.wait_until_open(link) {
            return;
        }
        let (n_passing, end) = lane.spoil(offset, &mut octets);
        let passing = octets.get(..n_passing).unwrap_or_default();
        let sink = link.sink(lane.direction());
        let wait = |pause| {
            lane.wait_until(after(pause), link);
        };
        if write(sink, link, lane, passing, wait).is_err() {
            return link.reset();
        }
        offset += u64::try_from(n_passing).unwrap_or(0);
        match end {
            Some(End::Cut) => return link.cut(),
            Some(End::Reset) => return link.reset(),
            None => {}
        }
    }
    if !link.is_over() {
        // The source has ended in good order; so does what we make of it. The other direction
        // may go on.
        let _ = link.sink(lane.direction()).shutdown(Shutdown::Write);
    }
}

/// Writes octets at the pace of the lane, and waits behind each piece as long as that says.
fn write(
    mut sink: impl io::Write,
    link: &Link,
    lane: &Lane,
    mut octets: &[u8],
    mut wait: impl FnMut(Duration),
) -> io::Result<()> {
    while !octets.is_empty() {
        if !lane.wait_until_open(link) {
            return Ok(());
        }
        let (piece, pause) = lane.pace();
        let piece = octets.get(..piece).unwrap_or(octets);
        // Counted beforehand, so that whatever has arrived has been counted.
        lane.count(piece.len());
        let written = sink.write(piece);
        lane.discount(piece.len() - written.as_ref().copied().unwrap_or(0));
        let n_written = match written {
            Ok(n_written) => n_written,
            // The timeout is there only to look whether the connection is over.
            Err(error) if is_patience_over(&error) => continue,
            Err(error) => return Err(error),
        };
        octets = octets.get(n_written..).unwrap_or_default();
        if let Some(pause) = pause {
            wait(pause.saturating_mul(u32::try_from(n_written).unwrap_or(u32::MAX)));
        }
    }
    Ok(())
}

/// The moment after this time; one that no clock can tell is far enough away as a century.
fn after(time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    Instant::now() + time.min(CENTURY)
}

fn is_patience_over(error: &io::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::{super::Direction, *};

    /// A client, and the link between it and a broker that says nothing.
    fn link() -> (TcpStream, TcpListener, Arc<Link>) {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (proxy, broker) = (listen(), listen());
        let client = TcpStream::connect(proxy.local_addr().unwrap()).unwrap();
        let (accepted, _) = proxy.accept().unwrap();
        let link = Link::connect(accepted, broker.local_addr().unwrap()).unwrap();
        (client, broker, Arc::new(link))
    }

    /// What is written at once.
    #[derive(Default)]
    struct Pieces(Vec<Vec<u8>>);

    impl io::Write for Pieces {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.push(octets.to_vec());
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The sizes of the pieces in which octets leave, and the pauses behind them.
    fn written(lane: &Lane, octets: &[u8]) -> (Vec<usize>, Vec<Duration>) {
        let (_client, _broker, link) = link();
        let (mut pieces, mut pauses) = (Pieces::default(), Vec::new());
        write(&mut pieces, &link, lane, octets, |pause| pauses.push(pause)).unwrap();
        assert_eq!(pieces.0.concat(), octets);
        (pieces.0.iter().map(Vec::len).collect(), pauses)
    }

    #[test]
    fn octets_leave_in_pieces_and_at_their_rate() {
        let lane = Lane::new(Direction::ToBroker);
        assert_eq!(written(&lane, &[7; 500]), (vec![500], vec![]));
        lane.split(200);
        assert_eq!(written(&lane, &[7; 500]), (vec![200, 200, 100], vec![]));
        lane.throttle(10_000);
        let (pieces, pauses) = written(&lane, &[7; 3_000]);
        assert_eq!(pieces, [200; 15]);
        assert_eq!(pauses.iter().sum::<Duration>(), Duration::from_millis(300));
        lane.throttle(0);
        let second = Duration::from_secs(1);
        assert_eq!(written(&lane, b"ab"), (vec![1, 1], vec![second; 2]));
        lane.throttle(u64::MAX);
        assert_eq!(written(&lane, &[7; 500]).0, [200, 200, 100]);
    }

    #[test]
    fn a_delay_holds_for_each_octet_and_does_not_hold_up_reading() {
        for delay in [Duration::from_secs(86_400), Duration::MAX] {
            let (mut client, _broker, link) = link();
            let lane = Lane::new(Direction::ToBroker);
            lane.delay(delay);
            let (sender, receiver) = sync_channel(MAX_UNDER_WAY);
            let reading = Arc::clone(&link);
            let reader = thread::spawn(move || read_all(&reading, &lane, &sender));
            for octet in 0..10 {
                let earliest = after(delay);
                io::Write::write_all(&mut client, &[octet]).unwrap();
                // Each is under way although none of those before it has arrived.
                let (due, octets) = receiver.recv().unwrap();
                assert_eq!(octets, [octet]);
                assert!(due >= earliest);
            }
            drop(client);
            reader.join().unwrap();
        }
    }
}
