//! The bench program of amiquip, a blocking client with an I/O thread.

use std::process::ExitCode;
use std::time::Instant;

use amiquip::{
    AmqpProperties, Channel, Confirm, ConfirmSmoother, Connection, ConsumerMessage,
    ConsumerOptions, FieldTable, Publish,
};
use bench_harness::{
    Args, Clock, Error, Latencies, Memory, Mode, Report, Taken, body, check_bytes, main_with,
};

fn main() -> ExitCode {
    main_with(run)
}

fn run(args: &Args) -> Result<(), Error> {
    if args.mode == Mode::Conns {
        return connections(args);
    }
    let mut connection = Connection::insecure_open(&args.url)?;
    let channel = connection.open_channel(None)?;
    match args.mode {
        Mode::Publish => publish(args, &channel)?,
        Mode::Confirm => confirm(args, &channel, args.inflight as u64)?,
        Mode::Confirm1 => confirm(args, &channel, 1)?,
        Mode::ConsumeNoAck | Mode::ConsumeAck => consume(args, &channel)?,
        Mode::Declare => declare(args, &channel)?,
        Mode::Channels => channels(args, &mut connection)?,
        Mode::Conns => {}
    }
    connection.close()?;
    Ok(())
}

fn report(args: &Args, taken: Taken, before: Memory) -> Result<Report, Error> {
    Report::new("amiquip", "0.4.2", args, taken, before)
}

fn message<'a>(args: &Args, body: &'a [u8]) -> Publish<'a> {
    let properties = AmqpProperties::default().with_delivery_mode(1);
    Publish::with_properties(body, args.queue.as_str(), properties)
}

fn passive_declare(args: &Args, channel: &Channel) -> Result<u64, Error> {
    let queue = channel.queue_declare_passive(args.queue.as_str())?;
    Ok(queue.declared_message_count().unwrap_or(0).into())
}

fn publish(args: &Args, channel: &Channel) -> Result<(), Error> {
    let body = body(args.size);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        channel.basic_publish("", message(args, &body))?;
    }
    let count = passive_declare(args, channel)?;
    let taken = clock.stop()?;
    report(args, taken, before)?.at_broker(Some(count)).print();
    Ok(())
}

fn confirm(args: &Args, channel: &Channel, window: u64) -> Result<(), Error> {
    let confirms = channel.listen_for_publisher_confirms()?;
    channel.enable_publisher_confirms()?;
    let mut smoother = ConfirmSmoother::new();
    let mut confirmed = 0;
    let mut wait_for = |tag: u64| -> Result<(), Error> {
        while confirmed < tag {
            for confirm in smoother.process(confirms.recv()?) {
                match confirm {
                    Confirm::Ack(_) => confirmed += 1,
                    Confirm::Nack(_) => return Err("a publish was not acknowledged".into()),
                }
            }
        }
        Ok(())
    };
    let body = body(args.size);
    let mut latencies = Latencies::with_capacity(args.messages);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for tag in 1..=args.messages {
        let start = Instant::now();
        channel.basic_publish("", message(args, &body))?;
        wait_for((tag + 1).saturating_sub(window))?;
        if args.mode == Mode::Confirm1 {
            latencies.add(start);
        }
    }
    wait_for(args.messages)?;
    let taken = clock.stop()?;
    report(args, taken, before)?.latencies(latencies).print();
    Ok(())
}

fn consume(args: &Args, channel: &Channel) -> Result<(), Error> {
    if args.prefetch > 0 {
        channel.qos(0, args.prefetch, false)?;
    }
    let no_ack = args.mode == Mode::ConsumeNoAck;
    let options = ConsumerOptions {
        no_ack,
        arguments: FieldTable::default(),
        ..ConsumerOptions::default()
    };
    let before = Memory::now()?;
    let clock = Clock::start()?;
    let consumer = channel.basic_consume(args.queue.as_str(), options)?;
    let mut bytes = 0;
    for _ in 0..args.messages {
        let ConsumerMessage::Delivery(delivery) = consumer.receiver().recv()? else {
            return Err("the consumer ended".into());
        };
        bytes += delivery.body.len() as u64;
        if !no_ack {
            consumer.ack(delivery)?;
        }
        if let Some(pause) = args.slow {
            std::thread::sleep(pause);
        }
    }
    let taken = clock.stop()?;
    check_bytes(args, bytes)?;
    report(args, taken, before)?.print();
    Ok(())
}

fn declare(args: &Args, channel: &Channel) -> Result<(), Error> {
    let mut latencies = Latencies::with_capacity(args.messages);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        let start = Instant::now();
        passive_declare(args, channel)?;
        latencies.add(start);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.latencies(latencies).print();
    Ok(())
}

fn channels(args: &Args, connection: &mut Connection) -> Result<(), Error> {
    let mut open = Vec::new();
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        open.push(connection.open_channel(None)?);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.print();
    Ok(())
}

fn connections(args: &Args) -> Result<(), Error> {
    let mut open = Vec::new();
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        open.push(Connection::insecure_open(&args.url)?);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.print();
    // A thousand polite farewells are not part of the measurement.
    std::process::exit(0)
}
