//! The main job from end to end: declares, publishes 1000 messages with confirms, consumes and
//! acknowledges them, closes. Says what it does, for a human.
//!
//! `AMQP_URL` names the broker; `cargo xtask demo` starts one and runs this.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use amqp_client::{Connection, ConnectionOptions, ExchangeDeclare, Message, QueueDeclare};

const MESSAGES: usize = 1000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://localhost".to_owned());
    let options: ConnectionOptions = url.parse()?;

    let start = Instant::now();
    let connection = Connection::open_with(&options.connection_name("amqp-client demo")).await?;
    let limits = connection.limits();
    let properties = connection.server_properties();
    let property = |name| {
        let value = properties.get(name).ok().flatten();
        value
            .and_then(|value| value.as_str())
            .unwrap_or("?")
            .to_owned()
    };
    step(
        "connected",
        start,
        &format!(
            "{} {}, channel_max {}, frame_max {}, heartbeat {} s",
            property("product"),
            property("version"),
            limits.channel_max,
            limits.frame_max,
            limits.heartbeat.as_secs(),
        ),
    );

    let start = Instant::now();
    let channel = connection.open_channel().await?;
    channel
        .exchange_declare(ExchangeDeclare::topic("demo").auto_delete())
        .await?;
    let queue = channel
        .queue_declare(QueueDeclare::new("").exclusive())
        .await?
        .name;
    channel.queue_bind(&queue, "demo", "orders.#").await?;
    step(
        "declared",
        start,
        &format!("exchange \"demo\", queue {queue:?}, bound by orders.#"),
    );

    let start = Instant::now();
    let publisher = connection.open_publisher().await?.mandatory();
    let mut confirmations = Vec::with_capacity(MESSAGES);
    for n in 0..MESSAGES {
        let message = Message::new(format!("order {n}")).content_type("text/plain");
        confirmations.push(publisher.send("demo", "orders.new", message).await?);
    }
    for confirmation in confirmations {
        confirmation.await?;
    }
    step(
        "published",
        start,
        &format!("{MESSAGES} messages, each routed and confirmed"),
    );

    let start = Instant::now();
    let mut consumer = channel.consume(&queue).prefetch(100).await?;
    for n in 0..MESSAGES {
        let delivery = consumer.next().await.ok_or("the consumer ended early")??;
        if delivery.body() != format!("order {n}").as_bytes() {
            return Err(format!("message {n} is not the one expected").into());
        }
        delivery.ack()?;
    }
    consumer.cancel().await?;
    step(
        "consumed",
        start,
        &format!("{MESSAGES} messages in order, each acknowledged"),
    );

    let start = Instant::now();
    let left = channel
        .queue_declare(QueueDeclare::new(&queue).passive())
        .await?
        .message_count;
    if left != 0 {
        return Err(format!("{left} messages are still in the queue").into());
    }
    connection.close().await?;
    step("closed", start, "the queue was empty");
    Ok(())
}

fn step(what: &str, since: Instant, details: &str) {
    println!(
        "{what:<14} {details} ({:.1} ms)",
        since.elapsed().as_secs_f64() * 1e3
    );
}
