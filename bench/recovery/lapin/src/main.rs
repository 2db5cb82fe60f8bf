//! The program of lapin.
//!
//! As its `examples/reconnect_semi_automatic.rs`, its README ("Automatic connection recovery") and
//! the documentation of `Channel::wait_for_recovery` have it: `enable_auto_recover`, and behind an
//! error of a publish or of a consumer `wait_for_recovery`, which returns the error if there is no
//! recovery to wait for; then the part ends, as it does in the example. All else is the default.
//!
//! In its favour, beyond the example: an acknowledgement that fails is followed by
//! `wait_for_recovery` as well, where the example ends its consumer; a publish that fails is
//! published again; and each channel declares the queue, where the example does so on one, since
//! it is declared again for the channels that have declared it.

use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use recovery_log::{
    Attempt, Error, Line, N_CONSUMERS, N_PUBLISHERS, Orders, PACE, PREFETCH, Part, QUEUE, WORK,
};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let orders = Orders::listen();
    let properties = ConnectionProperties::default().enable_auto_recover();
    let connection = Connection::connect(&recovery_log::url()?, properties).await?;
    for number in 0..N_CONSUMERS {
        let channel = channel(&connection).await?;
        channel
            .basic_qos(PREFETCH, BasicQosOptions::default())
            .await?;
        let consumer = channel
            .basic_consume(
                QUEUE.into(),
                format!("consumer-{number}").into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        tokio::spawn(consume(number, channel, consumer));
    }
    for number in 0..N_PUBLISHERS {
        let channel = channel(&connection).await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        tokio::spawn(publish(number, channel, orders.clone()));
    }
    Line::Up.write();
    std::future::pending().await
}

/// A channel that has declared the queue.
async fn channel(connection: &Connection) -> lapin::Result<Channel> {
    let channel = connection.create_channel().await?;
    channel
        .queue_declare(
            QUEUE.into(),
            QueueDeclareOptions::durable(),
            FieldTable::default(),
        )
        .await?;
    Ok(channel)
}

async fn publish(number: usize, channel: Channel, orders: Orders) {
    let mut attempt = Attempt::first_of(number);
    while !orders.is_draining() {
        Line::Sent(attempt).write();
        match publish_one(&channel, attempt).await {
            Ok(Confirmation::Ack(_)) => {
                Line::Confirmed(attempt).write();
                attempt = attempt.next();
            }
            Ok(other) => {
                Line::Failed(attempt, format!("{other:?}")).write();
                attempt = attempt.again();
            }
            Err(error) => {
                Line::Failed(attempt, error.to_string()).write();
                attempt = attempt.again();
                if let Err(error) = channel.wait_for_recovery(error).await {
                    Line::Ended(Part::Publisher(number), error.to_string()).write();
                    return;
                }
            }
        }
        sleep(PACE).await;
    }
}

async fn publish_one(channel: &Channel, attempt: Attempt) -> lapin::Result<Confirmation> {
    channel
        .basic_publish(
            "".into(),
            QUEUE.into(),
            BasicPublishOptions::default(),
            &attempt.body(),
            BasicProperties::default().with_delivery_mode(2),
        )
        .await?
        .await
}

async fn consume(number: usize, channel: Channel, mut consumer: Consumer) {
    let part = Part::Consumer(number);
    let work = if number == 0 { Duration::ZERO } else { WORK };
    let end = loop {
        let failed = match consumer.next().await {
            None => break "cancelled".to_owned(),
            Some(Err(error)) => {
                Line::Told(part, error.to_string()).write();
                error
            }
            Some(Ok(delivery)) => {
                let Some(attempt) = Attempt::of_body(&delivery.data) else {
                    continue;
                };
                Line::Delivered(number, attempt).write();
                if !work.is_zero() {
                    sleep(work).await;
                }
                match delivery.ack(BasicAckOptions::default()).await {
                    Ok(true) => {
                        Line::Acked(number, attempt).write();
                        continue;
                    }
                    // It came before a loss.
                    Ok(false) => {
                        Line::NotAcked(number, attempt, "not usable".to_owned()).write();
                        continue;
                    }
                    Err(error) => {
                        Line::NotAcked(number, attempt, error.to_string()).write();
                        error
                    }
                }
            }
        };
        if let Err(error) = channel.wait_for_recovery(failed).await {
            break error.to_string();
        }
    };
    Line::Ended(part, end).write();
}
