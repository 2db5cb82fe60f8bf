//! The bench program of lapin.
//!
//! `--variant sequential` (the default) awaits one publish or acknowledgement at a time, as nearly
//! all of its examples do; `--variant pipelined` keeps 512 of them in flight, or `--inflight` if
//! that is less.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Instant;

use bench_harness::{
    Args, Clock, Error, Latencies, Memory, Mode, Report, Taken, body, check_bytes, main_with,
    run_on_tokio,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, PublisherConfirm,
};

/// How many publishes or acknowledgements are in flight when pipelined.
fn pipeline(args: &Args) -> usize {
    args.inflight.min(512)
}

fn main() -> ExitCode {
    main_with(|args| run_on_tokio(args.runtime, run(args.clone())))
}

async fn run(args: Args) -> Result<(), Error> {
    if args.mode == Mode::Conns {
        return connections(&args).await;
    }
    let connection = connect(&args).await?;
    let channel = connection.create_channel().await?;
    match args.mode {
        Mode::Publish => publish(&args, &channel).await?,
        Mode::Confirm => confirm(&args, &channel).await?,
        Mode::Confirm1 => confirm1(&args, &channel).await?,
        Mode::ConsumeNoAck | Mode::ConsumeAck => consume(&args, &channel).await?,
        Mode::Declare => declare(&args, &channel).await?,
        Mode::Channels => channels(&args, &connection).await?,
        Mode::Conns => {}
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

async fn connect(args: &Args) -> Result<Connection, Error> {
    Ok(Connection::connect(&args.url, ConnectionProperties::default()).await?)
}

fn report(args: &Args, taken: Taken, before: Memory) -> Result<Report, Error> {
    let client = if pipelined(args) {
        "lapin-pipelined"
    } else {
        "lapin"
    };
    Report::new(client, "4.12.3", args, taken, before)
}

fn pipelined(args: &Args) -> bool {
    args.is_variant("pipelined")
}

/// What every publish needs, made once.
struct Publisher<'a> {
    channel: &'a Channel,
    exchange: ShortString,
    routing_key: ShortString,
    body: Vec<u8>,
    properties: BasicProperties,
}

impl<'a> Publisher<'a> {
    fn new(args: &Args, channel: &'a Channel) -> Self {
        Self {
            channel,
            exchange: "".into(),
            routing_key: args.queue.as_str().into(),
            body: body(args.size),
            properties: BasicProperties::default().with_delivery_mode(1),
        }
    }

    async fn publish(&self) -> lapin::Result<PublisherConfirm> {
        self.channel
            .basic_publish(
                self.exchange.clone(),
                self.routing_key.clone(),
                BasicPublishOptions::default(),
                &self.body,
                self.properties.clone(),
            )
            .await
    }
}

async fn passive_declare(args: &Args, channel: &Channel) -> Result<u64, Error> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel
        .queue_declare(args.queue.as_str().into(), options, FieldTable::default())
        .await?;
    Ok(queue.message_count().into())
}

async fn publish(args: &Args, channel: &Channel) -> Result<(), Error> {
    let publisher = Publisher::new(args, channel);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    if pipelined(args) {
        stream::iter(0..args.messages)
            .map(Ok)
            .try_for_each_concurrent(pipeline(args), |_| async {
                publisher.publish().await?;
                lapin::Result::Ok(())
            })
            .await?;
    } else {
        for _ in 0..args.messages {
            publisher.publish().await?;
        }
    }
    let count = passive_declare(args, channel).await?;
    let taken = clock.stop()?;
    report(args, taken, before)?.at_broker(Some(count)).print();
    Ok(())
}

async fn confirm(args: &Args, channel: &Channel) -> Result<(), Error> {
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let publisher = Publisher::new(args, channel);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    if pipelined(args) {
        stream::iter(0..args.messages)
            .map(Ok)
            .try_for_each_concurrent(pipeline(args), |_| async {
                settled(publisher.publish().await?).await
            })
            .await?;
    } else {
        let mut window = VecDeque::with_capacity(args.inflight);
        for _ in 0..args.messages {
            if window.len() == args.inflight {
                if let Some(oldest) = window.pop_front() {
                    settled(oldest).await?;
                }
            }
            window.push_back(publisher.publish().await?);
        }
        for rest in window {
            settled(rest).await?;
        }
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.print();
    Ok(())
}

async fn settled(confirm: PublisherConfirm) -> Result<(), Error> {
    if confirm.await?.is_ack() {
        Ok(())
    } else {
        Err("a publish was not acknowledged".into())
    }
}

async fn confirm1(args: &Args, channel: &Channel) -> Result<(), Error> {
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let publisher = Publisher::new(args, channel);
    let mut latencies = Latencies::with_capacity(args.messages);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        let start = Instant::now();
        settled(publisher.publish().await?).await?;
        latencies.add(start);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.latencies(latencies).print();
    Ok(())
}

async fn consume(args: &Args, channel: &Channel) -> Result<(), Error> {
    if args.prefetch > 0 {
        channel
            .basic_qos(args.prefetch, BasicQosOptions::default())
            .await?;
    }
    let no_ack = args.mode == Mode::ConsumeNoAck;
    let options = BasicConsumeOptions {
        no_ack,
        ..BasicConsumeOptions::default()
    };
    let before = Memory::now()?;
    let clock = Clock::start()?;
    let consumer = channel
        .basic_consume(
            args.queue.as_str().into(),
            "bench".into(),
            options,
            FieldTable::default(),
        )
        .await?;
    let bytes = receive(args, consumer, no_ack).await?;
    let taken = clock.stop()?;
    check_bytes(args, bytes)?;
    report(args, taken, before)?.print();
    Ok(())
}

async fn receive(args: &Args, mut consumer: Consumer, no_ack: bool) -> Result<u64, Error> {
    if pipelined(args) && !no_ack {
        let bytes = std::sync::atomic::AtomicU64::new(0);
        consumer
            .take(args.messages as usize)
            .try_for_each_concurrent(pipeline(args), |delivery| {
                let len = delivery.data.len() as u64;
                bytes.fetch_add(len, std::sync::atomic::Ordering::Relaxed);
                async move {
                    delivery.ack(BasicAckOptions::default()).await?;
                    Ok(())
                }
            })
            .await?;
        return Ok(bytes.into_inner());
    }
    let mut bytes = 0;
    for _ in 0..args.messages {
        let delivery = consumer.next().await.ok_or("the consumer ended")??;
        bytes += delivery.data.len() as u64;
        if !no_ack {
            delivery.ack(BasicAckOptions::default()).await?;
        }
        if let Some(pause) = args.slow {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(bytes)
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
        open.push(connection.create_channel().await?);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.print();
    // Dropping the channels would race with closing the connection.
    std::process::exit(0)
}

async fn connections(args: &Args) -> Result<(), Error> {
    let mut open = Vec::new();
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        open.push(connect(args).await?);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.print();
    // A thousand polite farewells are not part of the measurement.
    std::process::exit(0)
}
