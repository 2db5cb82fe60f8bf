//! The bench program of amqprs.
//!
//! It takes each body as a `Vec` of its own, so that every publish has to allocate one. Deliveries
//! that arrive before `basic_consume_rx` has registered its receiver are lost, which is why the
//! runner lets the null broker pause before the first one.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use amqprs::callbacks::ChannelCallback;
use amqprs::channel::{
    BasicAckArguments, BasicConsumeArguments, BasicPublishArguments, BasicQosArguments, Channel,
    ConfirmSelectArguments, QueueDeclareArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::{Ack, BasicProperties, Cancel, CloseChannel, Nack, Return};
use bench_harness::{
    Args, Clock, Error, Latencies, Memory, Mode, Report, Taken, body, check_bytes, main_with,
    run_on_tokio,
};
use tokio::sync::Notify;

fn main() -> ExitCode {
    main_with(|args| run_on_tokio(args.runtime, run(args.clone())))
}

async fn run(args: Args) -> Result<(), Error> {
    if args.mode == Mode::Conns {
        return connections(&args).await;
    }
    let connection = connect(&args).await?;
    let channel = connection.open_channel(None).await?;
    match args.mode {
        Mode::Publish => publish(&args, &channel).await?,
        Mode::Confirm => confirm(&args, &channel, args.inflight as u64).await?,
        Mode::Confirm1 => confirm(&args, &channel, 1).await?,
        Mode::ConsumeNoAck | Mode::ConsumeAck => consume(&args, &channel).await?,
        Mode::Declare => declare(&args, &channel).await?,
        Mode::Channels => channels(&args, &connection).await?,
        Mode::Conns => {}
    }
    channel.close().await?;
    connection.close().await?;
    Ok(())
}

async fn connect(args: &Args) -> Result<Connection, Error> {
    let (host, port) = args.address()?;
    let (user, password) = args.credentials()?;
    Ok(Connection::open(&OpenConnectionArguments::new(&host, port, &user, &password)).await?)
}

fn report(args: &Args, taken: Taken, before: Memory) -> Result<Report, Error> {
    Report::new("amqprs", "2.1.5", args, taken, before)
}

fn properties() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(1).finish()
}

async fn passive_declare(args: &Args, channel: &Channel) -> Result<u64, Error> {
    let declare = QueueDeclareArguments::new(&args.queue)
        .passive(true)
        .finish();
    let (_, count, _) = channel
        .queue_declare(declare)
        .await?
        .ok_or("there was no declare-ok")?;
    Ok(count.into())
}

async fn publish(args: &Args, channel: &Channel) -> Result<(), Error> {
    let (body, properties) = (body(args.size), properties());
    let to = BasicPublishArguments::new("", &args.queue);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        channel
            .basic_publish(properties.clone(), body.clone(), to.clone())
            .await?;
    }
    let count = passive_declare(args, channel).await?;
    let taken = clock.stop()?;
    report(args, taken, before)?.at_broker(Some(count)).print();
    Ok(())
}

/// Counts confirmations. The library knows of no pending publishes; this is what it leaves to the
/// application, in its simplest form.
#[derive(Clone, Default)]
struct Confirmed(Arc<(AtomicU64, Notify)>);

impl Confirmed {
    fn up_to(&self, tag: u64) {
        let (confirmed, changed) = &*self.0;
        confirmed.fetch_max(tag, Ordering::Release);
        changed.notify_one();
    }

    async fn wait_for(&self, tag: u64) {
        let (confirmed, changed) = &*self.0;
        while confirmed.load(Ordering::Acquire) < tag {
            changed.notified().await;
        }
    }
}

#[async_trait::async_trait]
impl ChannelCallback for Confirmed {
    async fn close(
        &mut self,
        _: &Channel,
        close: CloseChannel,
    ) -> Result<(), amqprs::error::Error> {
        eprintln!("the channel was closed: {close}");
        Ok(())
    }

    async fn cancel(&mut self, _: &Channel, _: Cancel) -> Result<(), amqprs::error::Error> {
        Ok(())
    }

    async fn flow(&mut self, _: &Channel, active: bool) -> Result<bool, amqprs::error::Error> {
        Ok(active)
    }

    async fn publish_ack(&mut self, _: &Channel, ack: Ack) {
        self.up_to(ack.delivery_tag());
    }

    async fn publish_nack(&mut self, _: &Channel, nack: Nack) {
        eprintln!("publish {} was not acknowledged", nack.delivery_tag());
    }

    async fn publish_return(&mut self, _: &Channel, _: Return, _: BasicProperties, _: Vec<u8>) {}
}

async fn confirm(args: &Args, channel: &Channel, window: u64) -> Result<(), Error> {
    let confirmed = Confirmed::default();
    channel.register_callback(confirmed.clone()).await?;
    channel
        .confirm_select(ConfirmSelectArguments::default())
        .await?;
    let (body, properties) = (body(args.size), properties());
    let to = BasicPublishArguments::new("", &args.queue);
    let mut latencies = Latencies::with_capacity(args.messages);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for tag in 1..=args.messages {
        let start = Instant::now();
        channel
            .basic_publish(properties.clone(), body.clone(), to.clone())
            .await?;
        confirmed.wait_for((tag + 1).saturating_sub(window)).await;
        if args.mode == Mode::Confirm1 {
            latencies.add(start);
        }
    }
    confirmed.wait_for(args.messages).await;
    let taken = clock.stop()?;
    report(args, taken, before)?.latencies(latencies).print();
    Ok(())
}

async fn consume(args: &Args, channel: &Channel) -> Result<(), Error> {
    if args.prefetch > 0 {
        channel
            .basic_qos(BasicQosArguments::new(0, args.prefetch, false))
            .await?;
    }
    let no_ack = args.mode == Mode::ConsumeNoAck;
    let from = BasicConsumeArguments::new(&args.queue, "bench")
        .manual_ack(!no_ack)
        .finish();
    let before = Memory::now()?;
    let clock = Clock::start()?;
    let (_tag, mut deliveries) = channel.basic_consume_rx(from).await?;
    let mut bytes = 0;
    for _ in 0..args.messages {
        let message = deliveries.recv().await.ok_or("the consumer ended")?;
        bytes += message.content.as_ref().map_or(0, Vec::len) as u64;
        if !no_ack {
            let deliver = message.deliver.as_ref().ok_or("a delivery has no tag")?;
            channel
                .basic_ack(BasicAckArguments::new(deliver.delivery_tag(), false))
                .await?;
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
        open.push(connection.open_channel(None).await?);
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.print();
    // Dropping them closes each by a round trip, which is not part of the measurement.
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
