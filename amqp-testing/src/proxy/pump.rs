//! The two threads that carry the octets of one connection in one direction.
//!
//! One reads and notes when each chunk is due, the other writes when it is. That way a delay holds
//! for each octet and does not limit how many are under way.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::Shutdown,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Instant,
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
        let due = Instant::now() + lane.current_delay();
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
        if write(link, lane, passing).is_err() {
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

fn write(link: &Link, lane: &Lane, mut octets: &[u8]) -> io::Result<()> {
    let mut sink = link.sink(lane.direction());
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
            let pause = pause.saturating_mul(u32::try_from(n_written).unwrap_or(u32::MAX));
            lane.wait_until(Instant::now() + pause, link);
        }
    }
    Ok(())
}

fn is_patience_over(error: &io::Error) -> bool {
    use ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
