//! The bench program of the crate named `amqp-client` in the registry, version 0.1.0.
//!
//! Bodies are `Bytes`, which it ships without a copy; publishing and acknowledging return as soon
//! as the message is queued, so there is nothing to pipeline.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Instant;

use bench_harness::{
    Args, Clock, Error, Flavour, Latencies, Memory, Mode, Report, Taken, body, check_bytes,
    main_with, run_on_tokio,
};
use bytes::Bytes;
use other_amqp_client::{
    BasicProperties, Channel, Confirmation, Connection, ConsumeOpts, PublishConfirm,
    QueueDeclareOpts,
};

fn main() -> ExitCode {
    main_with(|args| run_on_tokio(args.runtime, run(args.clone())))
}

async fn run(args: Args) -> Result<(), Error> {
    if args.mode == Mode::Conns {
        return connections(&args).await;
    }
    let connection = Connection::connect(&args.url).await?;
    let channel = connection.open_channel().await?;
    match args.mode {
        Mode::Publish => publish(&args, &channel).await?,
        Mode::Confirm => confirm(&args, &channel).await?,
        Mode::Confirm1 => confirm1(&args, &channel).await?,
        Mode::ConsumeNoAck | Mode::ConsumeAck => consume(&args, &channel).await?,
        Mode::Declare => declare(&args, &channel).await?,
        Mode::Channels => channels(&args, &connection).await?,
        Mode::Conns => {}
    }
    channel.close().await?;
    connection.close().await?;
    Ok(())
}

fn report(args: &Args, taken: Taken, before: Memory) -> Result<Report, Error> {
    let client = match args.runtime {
        Flavour::Current => "amqp-client-0.1-current",
        Flavour::Multi => "amqp-client-0.1",
    };
    Report::new(client, "0.1.0", args, taken, before)
}

fn properties() -> Result<BasicProperties, Error> {
    Ok(BasicProperties::builder().delivery_mode(1).build()?)
}

async fn passive_declare(args: &Args, channel: &Channel) -> Result<u64, Error> {
    let options = QueueDeclareOpts {
        passive: true,
        ..QueueDeclareOpts::default()
    };
    Ok(channel
        .queue_declare(&args.queue, options)
        .await?
        .message_count
        .into())
}

async fn publish(args: &Args, channel: &Channel) -> Result<(), Error> {
    let (body, properties) = (Bytes::from(body(args.size)), properties()?);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        channel
            .basic_publish("", &args.queue, body.clone(), properties.clone())
            .await?;
    }
    let count = passive_declare(args, channel).await?;
    let taken = clock.stop()?;
    report(args, taken, before)?.at_broker(Some(count)).print();
    Ok(())
}

async fn settled(confirm: PublishConfirm) -> Result<(), Error> {
    match confirm.await? {
        Confirmation::Acked => Ok(()),
        Confirmation::Nacked { .. } => Err("a publish was not acknowledged".into()),
    }
}

async fn confirm(args: &Args, channel: &Channel) -> Result<(), Error> {
    channel.confirm_select().await?;
    let (body, properties) = (Bytes::from(body(args.size)), properties()?);
    let mut window = VecDeque::with_capacity(args.inflight);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        if window.len() == args.inflight {
            if let Some(oldest) = window.pop_front() {
                settled(oldest).await?;
            }
        }
        let (body, properties) = (body.clone(), properties.clone());
        let publish = channel.basic_publish_confirmed("", &args.queue, body, properties, false);
        window.push_back(publish.await?);
    }
    for rest in window {
        settled(rest).await?;
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.print();
    Ok(())
}

async fn confirm1(args: &Args, channel: &Channel) -> Result<(), Error> {
    channel.confirm_select().await?;
    let (body, properties) = (Bytes::from(body(args.size)), properties()?);
    let mut latencies = Latencies::with_capacity(args.messages);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        let start = Instant::now();
        let (body, properties) = (body.clone(), properties.clone());
        let publish = channel.basic_publish_confirmed("", &args.queue, body, properties, false);
        settled(publish.await?).await?;
        latencies.add(start);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.latencies(latencies).print();
    Ok(())
}

async fn consume(args: &Args, channel: &Channel) -> Result<(), Error> {
    if args.prefetch > 0 {
        channel.basic_qos(args.prefetch, false).await?;
    }
    let no_ack = args.mode == Mode::ConsumeNoAck;
    let options = ConsumeOpts {
        no_ack,
        ..ConsumeOpts::default()
    };
    let before = Memory::now()?;
    let clock = Clock::start()?;
    let mut consumer = channel.basic_consume(&args.queue, "bench", options).await?;
    let mut bytes = 0;
    for _ in 0..args.messages {
        let delivery = consumer.next().await.ok_or("the consumer ended")?;
        bytes += delivery.body.len() as u64;
        if !no_ack {
            delivery.ack()?;
        }
        if let Some(pause) = args.slow {
            tokio::time::sleep(pause).await;
        }
    }
    let taken = clock.stop()?;
    check_bytes(args, bytes)?;
    report(args, taken, before)?.print();
    Ok(())
}

async fn declare(args: &Args, channel: &Channel) -> Result<(), Error> {
    let mut latencies = Latencies::with_capacity(args.messages);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        let start = Instant::now();
        passive_declare(args, channel).await?;
        latencies.add(start);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.latencies(latencies).print();
    Ok(())
}

async fn channels(args: &Args, connection: &Connection) -> Result<(), Error> {
    let mut open = Vec::new();
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        open.push(connection.open_channel().await?);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.print();
    Ok(())
}

async fn connections(args: &Args) -> Result<(), Error> {
    let mut open = Vec::new();
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        open.push(Connection::connect(&args.url).await?);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.print();
    // A thousand polite farewells are not part of the measurement.
    std::process::exit(0)
}
