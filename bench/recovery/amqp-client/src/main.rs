//! The program of the crate named `amqp-client` in the registry, version 0.1.0.
//!
//! As its `examples/recovery.rs`, its README and its decision records 0002 and 0003 have it: the
//! high-level client with `recovery(RecoveryConfig::default())`, `publish_confirmed_with_props`,
//! and a publish that fails, with `ConfirmUncertain` too, is published again. A consumer waits
//! across recoveries by itself, and an acknowledgement that fails is no more than that.
//!
//! All publishers share the client, whose channel for confirms is one, as its documentation has it.

use std::sync::Arc;
use std::time::Duration;

use other_amqp_client::{
    BasicProperties, ByteCodec, Client, Queue, QueueOpts, RecoveryConfig, SubscribeOpts,
    TypedConsumer,
};
use recovery_log::{
    Attempt, Error, Line, N_CONSUMERS, N_PUBLISHERS, Orders, PACE, PREFETCH, Part, QUEUE, WORK,
};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let orders = Orders::listen();
    let client = Client::builder(&recovery_log::url()?)?
        .recovery(RecoveryConfig::default())
        .build()
        .await?;
    let client = Arc::new(client);
    let queue: Queue = client.queue(QUEUE, QueueOpts::default()).await?;
    for number in 0..N_CONSUMERS {
        let options = SubscribeOpts {
            prefetch: PREFETCH,
            ..SubscribeOpts::default()
        };
        let consumer = queue.subscribe::<Vec<u8>>(options).await?;
        tokio::spawn(consume(number, consumer));
    }
    for number in 0..N_PUBLISHERS {
        tokio::spawn(publish(number, Arc::clone(&client), orders.clone()));
    }
    Line::Up.write();
    std::future::pending().await
}

async fn publish(number: usize, client: Arc<Client>, orders: Orders) {
    let mut attempt = Attempt::first_of(number);
    while !orders.is_draining() {
        Line::Sent(attempt).write();
        match publish_one(&client, attempt).await {
            Ok(()) => {
                Line::Confirmed(attempt).write();
                attempt = attempt.next();
            }
            Err(error) => {
                Line::Failed(attempt, error.to_string()).write();
                attempt = attempt.again();
            }
        }
        sleep(PACE).await;
    }
}

async fn publish_one(client: &Client, attempt: Attempt) -> Result<(), Error> {
    let properties = BasicProperties::builder().persistent().build()?;
    client
        .publish_confirmed_with_props("", QUEUE, &attempt.body(), properties)
        .await?;
    Ok(())
}

async fn consume(number: usize, mut consumer: TypedConsumer<Vec<u8>, ByteCodec>) {
    let work = if number == 0 { Duration::ZERO } else { WORK };
    while let Some(delivery) = consumer.next().await {
        let Ok(delivery) = delivery else {
            continue;
        };
        let Some(attempt) = Attempt::of_body(&delivery.body) else {
            continue;
        };
        Line::Delivered(number, attempt).write();
        if !work.is_zero() {
            sleep(work).await;
        }
        match delivery.ack() {
            Ok(()) => Line::Acked(number, attempt).write(),
            Err(error) => Line::NotAcked(number, attempt, error.to_string()).write(),
        }
    }
    Line::Ended(Part::Consumer(number), "ended".to_owned()).write();
}
