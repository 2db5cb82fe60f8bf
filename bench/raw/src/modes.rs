//! The modes.

use std::time::Instant;

use bench_harness::{Args, Clock, Error, Latencies, Memory, Report, Taken};
use bench_wire::{ACK_LEN, Arguments, Fields, Frame, ack, kind, method};

use crate::connection::{Connection, Stream, delivery_len, publish_bytes};

fn report<S: Stream>(args: &Args, taken: Taken, before: Memory) -> Result<Report, Error> {
    Report::new(S::CLIENT, env!("CARGO_PKG_VERSION"), args, taken, before)
}

fn passive_declare(args: &Args) -> Arguments {
    Arguments::new()
        .u16(0)
        .short(args.queue.as_bytes())
        .u8(1)
        .long(&[])
}

/// The message count in a `queue.declare-ok`.
fn message_count(declare_ok: &[u8]) -> Option<u64> {
    let mut fields = Fields(declare_ok.get(4..)?);
    fields.short()?;
    fields.u32().map(u64::from)
}

/// A block of publishes, its message's length, and how many there are in it.
fn block<S: Stream>(args: &Args, at_most: u64) -> (Vec<u8>, usize, u64) {
    let message = publish_bytes(args);
    let n = (S::WRITE_LEN / message.len()).max(1).min(at_most as usize);
    (message.repeat(n), message.len(), n as u64)
}

pub(crate) fn publish<S: Stream>(args: &Args) -> Result<(), Error> {
    let mut connection = Connection::<S>::open(args)?;
    let (block, message_len, per_block) = block::<S>(args, u64::MAX);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    let mut left = args.messages;
    while left > 0 {
        let n = left.min(per_block);
        connection
            .stream
            .write_all(&block[..n as usize * message_len])?;
        left -= n;
    }
    let declared = connection.call(1, (50, 10), (50, 11), &passive_declare(args))?;
    let taken = clock.stop()?;
    report::<S>(args, taken, before)?
        .at_broker(message_count(&declared))
        .print();
    connection.close()
}

fn select_confirms(connection: &mut Connection<impl Stream>) -> Result<(), Error> {
    connection.call(1, (85, 10), (85, 11), &Arguments::new().u8(0))?;
    Ok(())
}

/// Reads until there is at least one confirmation, and returns the highest confirmed tag.
///
/// RabbitMQ may confirm out of order, so that a lower tag is still open; the window is then a
/// little larger than asked for, which does not matter to a limit.
fn read_confirmations(connection: &mut Connection<impl Stream>) -> Result<u64, Error> {
    let mut highest = 0;
    while highest == 0 {
        connection.read()?;
        while let Some((frame, len)) =
            Frame::parse(&connection.buffer[connection.start..connection.end])
        {
            if frame.kind == kind::METHOD && frame.method() == Some((60, 80)) {
                highest = highest.max(frame.arguments().u64().unwrap_or(0));
            }
            connection.start += len;
        }
    }
    Ok(highest)
}

pub(crate) fn confirm<S: Stream>(args: &Args) -> Result<(), Error> {
    let mut connection = Connection::<S>::open(args)?;
    select_confirms(&mut connection)?;
    let window = args.inflight as u64;
    let (block, message_len, per_block) = block::<S>(args, window);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    let (mut sent, mut confirmed) = (0, 0);
    while confirmed < args.messages {
        while sent < args.messages && sent - confirmed < window {
            let n = (args.messages - sent)
                .min(window - (sent - confirmed))
                .min(per_block);
            connection
                .stream
                .write_all(&block[..n as usize * message_len])?;
            sent += n;
        }
        confirmed = confirmed.max(read_confirmations(&mut connection)?);
    }
    let taken = clock.stop()?;
    report::<S>(args, taken, before)?
        .at_broker(Some(confirmed))
        .print();
    connection.close()
}

pub(crate) fn confirm1<S: Stream>(args: &Args) -> Result<(), Error> {
    let mut connection = Connection::<S>::open(args)?;
    select_confirms(&mut connection)?;
    let message = publish_bytes(args);
    let mut latencies = Latencies::with_capacity(args.messages);
    let mut confirmation = [0; ACK_LEN];
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        let start = Instant::now();
        connection.stream.write_all(&message)?;
        connection.stream.read_exact(&mut confirmation)?;
        latencies.add(start);
    }
    let taken = clock.stop()?;
    report::<S>(args, taken, before)?
        .latencies(latencies)
        .print();
    connection.close()
}

pub(crate) fn declare<S: Stream>(args: &Args) -> Result<(), Error> {
    let mut connection = Connection::<S>::open(args)?;
    let mut request = Vec::new();
    method(&mut request, 1, 50, 10, &passive_declare(args));
    let mut latencies = Latencies::with_capacity(args.messages);
    // declare-ok repeats the name and adds two counts.
    let mut reply = vec![0; 8 + 4 + 1 + args.queue.len() + 8];
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        let start = Instant::now();
        connection.stream.write_all(&request)?;
        connection.stream.read_exact(&mut reply)?;
        latencies.add(start);
    }
    let taken = clock.stop()?;
    report::<S>(args, taken, before)?
        .latencies(latencies)
        .print();
    connection.close()
}

/// Reads as many bytes as the deliveries have, and writes as many acknowledgements as messages
/// were complete after each read.
pub(crate) fn consume<S: Stream>(args: &Args, acknowledges: bool) -> Result<(), Error> {
    let mut connection = Connection::<S>::open(args)?;
    if args.prefetch > 0 {
        let qos = Arguments::new().u32(0).u16(args.prefetch).u8(0);
        connection.call(1, (60, 10), (60, 11), &qos)?;
    }
    // The null broker always names the same routing key; a real one names the queue.
    let routing_key = if args.queue.starts_with("deliver-") {
        "bench-perf"
    } else {
        &args.queue
    };
    let message_len = delivery_len(args, "", routing_key, "bench");
    let total = args.messages as usize * message_len;
    let consume = Arguments::new()
        .u16(0)
        .short(args.queue.as_bytes())
        .short(b"bench")
        .u8(if acknowledges { 0 } else { 2 })
        .long(&[]);
    let mut acks = Vec::new();
    let before = Memory::now()?;
    let clock = Clock::start()?;
    connection.call(1, (60, 20), (60, 21), &consume)?;
    let mut received = connection.end - connection.start;
    let mut acknowledged = 0;
    loop {
        let complete = received / message_len;
        if acknowledges && complete > acknowledged {
            acks.clear();
            for tag in acknowledged + 1..=complete {
                acks.extend_from_slice(&ack(1, tag as u64, false));
            }
            connection.stream.write_all(&acks)?;
            acknowledged = complete;
        }
        if received >= total {
            break;
        }
        match connection.stream.read(&mut connection.buffer)? {
            0 => return Err("the broker closed the connection".into()),
            n => received += n,
        }
    }
    let taken = clock.stop()?;
    report::<S>(args, taken, before)?.print();
    (connection.start, connection.end) = (0, 0);
    connection.close()
}

/// Sockets after the handshake, and nothing else: what an idle connection costs at least.
pub(crate) fn connections<S: Stream>(args: &Args) -> Result<(), Error> {
    let before = Memory::now()?;
    let clock = Clock::start()?;
    let open = (0..args.messages).map(|_| {
        let mut connection = Connection::<S>::open(args)?;
        connection.buffer = Vec::new();
        Ok(connection)
    });
    let connections: Vec<_> = open.collect::<Result<_, Error>>()?;
    let taken = clock.stop()?;
    report::<S>(args, taken, before)?.print();
    drop(connections);
    Ok(())
}

pub(crate) fn channels<S: Stream>(args: &Args) -> Result<(), Error> {
    let mut connection = Connection::<S>::open(args)?;
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for id in 0..args.messages {
        connection.open_channel(u16::try_from(id + 2)?)?;
    }
    let taken = clock.stop()?;
    report::<S>(args, taken, before)?.print();
    connection.close()
}

/// Leaves an empty queue behind, and with `--messages` a filled one.
pub(crate) fn setup<S: Stream>(args: &Args) -> Result<(), Error> {
    let mut connection = Connection::<S>::open(args)?;
    const DURABLE: u8 = 2;
    let declare = Arguments::new()
        .u16(0)
        .short(args.queue.as_bytes())
        .u8(DURABLE)
        .long(&[]);
    connection.call(1, (50, 10), (50, 11), &declare)?;
    let purge = Arguments::new().u16(0).short(args.queue.as_bytes()).u8(0);
    connection.call(1, (50, 30), (50, 31), &purge)?;
    if args.messages > 0 {
        select_confirms(&mut connection)?;
        let message = publish_bytes(args);
        let (mut sent, mut confirmed) = (0, 0);
        while confirmed < args.messages {
            while sent < args.messages && sent - confirmed < 1000 {
                connection.stream.write_all(&message)?;
                sent += 1;
            }
            confirmed = confirmed.max(read_confirmations(&mut connection)?);
        }
    }
    connection.close()
}

/// Takes the queue away.
pub(crate) fn delete<S: Stream>(args: &Args) -> Result<(), Error> {
    let mut connection = Connection::<S>::open(args)?;
    let delete = Arguments::new().u16(0).short(args.queue.as_bytes()).u8(0);
    connection.call(1, (50, 40), (50, 41), &delete)?;
    connection.close()
}
