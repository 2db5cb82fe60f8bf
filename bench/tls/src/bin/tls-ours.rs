//! The client over TLS, as `amqps://` has it.
//!
//! The modes do what those of the example `perf` do.

use std::collections::VecDeque;
use std::hint::black_box;
use std::process::ExitCode;

use amqp_client::{Connection, ConnectionOptions, Message, Properties, QueueDeclare, TlsOptions};
use bench_harness::{
    Args, Clock, Error, Flavour, Memory, Mode, Report, Taken, body, check_bytes, main_with,
    run_on_tokio,
};
use bytes::Bytes;

fn main() -> ExitCode {
    main_with(|args| run_on_tokio(args.runtime, run(args.clone())))
}

async fn run(args: Args) -> Result<(), Error> {
    let connection = open(&args).await?;
    match args.mode {
        Mode::Publish => publish(&args, &connection).await?,
        Mode::Confirm => confirm(&args, &connection).await?,
        Mode::ConsumeNoAck => consume(&args, &connection).await?,
        mode => return Err(format!("{} is not measured over TLS", mode.name()).into()),
    }
    connection.close().await?;
    Ok(())
}

async fn open(args: &Args) -> Result<Connection, Error> {
    let options: ConnectionOptions = args.url.parse()?;
    let tls = TlsOptions::default()
        .rustls_config(bench_tls::config()?)
        .server_name(bench_tls::SERVER_NAME);
    Ok(Connection::open_with(&options.tls(tls)).await?)
}

fn report(args: &Args, taken: Taken, before: Memory) -> Result<Report, Error> {
    let client = match args.runtime {
        Flavour::Current => "tls-ours-current",
        Flavour::Multi => "tls-ours",
    };
    Report::new(client, env!("CARGO_PKG_VERSION"), args, taken, before)
}

async fn publish(args: &Args, connection: &Connection) -> Result<(), Error> {
    let channel = connection.open_channel().await?;
    let body = Bytes::from(body(args.size));
    let properties = Properties::new().delivery_mode(1);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        channel
            .basic_publish_body("", &args.queue, properties.as_ref(), &body)
            .await?;
    }
    let passive = QueueDeclare::new(&args.queue).passive();
    let count = channel.queue_declare(passive).await?.message_count;
    let taken = clock.stop()?;
    report(args, taken, before)?
        .at_broker(Some(count.into()))
        .print();
    Ok(())
}

async fn confirm(args: &Args, connection: &Connection) -> Result<(), Error> {
    let publisher = connection.open_publisher().await?;
    let properties = Properties::new().delivery_mode(1);
    let message = Message::new(body(args.size)).with_properties(properties);
    let mut window = VecDeque::with_capacity(args.inflight);
    let before = Memory::now()?;
    let clock = Clock::start()?;
    for _ in 0..args.messages {
        if window.len() >= args.inflight {
            if let Some(oldest) = window.pop_front() {
                oldest.await?;
            }
        }
        window.push_back(publisher.send("", &args.queue, &message).await?);
    }
    for confirmation in window {
        confirmation.await?;
    }
    let taken = clock.stop()?;
    report(args, taken, before)?.print();
    Ok(())
}

async fn consume(args: &Args, connection: &Connection) -> Result<(), Error> {
    let channel = connection.open_channel().await?;
    let before = Memory::now()?;
    let clock = Clock::start()?;
    let mut consumer = channel.consume(&args.queue).no_ack().await?;
    let mut bytes = 0;
    for _ in 0..args.messages {
        let delivery = consumer.next().await.ok_or("the consumer ended")??;
        bytes += black_box(delivery.body()).len() as u64;
    }
    let taken = clock.stop()?;
    check_bytes(args, bytes)?;
    report(args, taken, before)?.print();
    Ok(())
}
