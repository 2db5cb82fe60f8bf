//! The program of the client of this repository.
//!
//! Recovery is on by default, and nothing is set. `amqp_client::guide::recovery` says what is left
//! to the program: a publish whose outcome is `Uncertain` is published again ("Publishing through
//! an outage"), and a delivery of before the loss is stale, which is no error. A consumer's stream
//! goes on by itself; an item that is an error is its end.

use std::time::Duration;

use amqp_client::consume::Settled;
use amqp_client::{Connection, Consumer, Message, Publisher, QueueDeclare};
use recovery_log::{
    Attempt, Error, Line, N_CONSUMERS, N_PUBLISHERS, Orders, PACE, PREFETCH, Part, QUEUE, WORK,
};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let orders = Orders::listen();
    let connection = Connection::open(&recovery_log::url()?).await?;
    let channel = connection.open_channel().await?;
    let queue = QueueDeclare::new(QUEUE).durable();
    channel.queue_declare(queue).await?;
    for number in 0..N_CONSUMERS {
        let channel = connection.open_channel().await?;
        let consumer = channel.consume(QUEUE).prefetch(PREFETCH).await?;
        tokio::spawn(consume(number, consumer));
    }
    for number in 0..N_PUBLISHERS {
        let publisher = connection.open_publisher().await?;
        tokio::spawn(publish(
            number,
            publisher,
            connection.clone(),
            orders.clone(),
        ));
    }
    Line::Up.write();
    std::future::pending().await
}

async fn publish(number: usize, publisher: Publisher, connection: Connection, orders: Orders) {
    let mut attempt = Attempt::first_of(number);
    while !orders.is_draining() {
        Line::Sent(attempt).write();
        let message = Message::new(attempt.body()).persistent();
        match publisher.publish("", QUEUE, message).await {
            Ok(()) => {
                Line::Confirmed(attempt).write();
                attempt = attempt.next();
            }
            Err(error) => {
                Line::Failed(attempt, error.to_string()).write();
                attempt = attempt.again();
            }
        }
        if let Some(reason) = connection.close_reason() {
            Line::Ended(Part::Publisher(number), reason.to_string()).write();
            return;
        }
        sleep(PACE).await;
    }
}

async fn consume(number: usize, mut consumer: Consumer) {
    let work = if number == 0 { Duration::ZERO } else { WORK };
    let end = loop {
        let delivery = match consumer.next().await {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => break error.to_string(),
            None => break "cancelled".to_owned(),
        };
        let Some(attempt) = Attempt::of_body(delivery.body()) else {
            continue;
        };
        Line::Delivered(number, attempt).write();
        if !work.is_zero() {
            sleep(work).await;
        }
        match delivery.ack() {
            Ok(Settled::Stale) => Line::NotAcked(number, attempt, "stale".to_owned()).write(),
            Ok(_) => Line::Acked(number, attempt).write(),
            Err(error) => Line::NotAcked(number, attempt, error.to_string()).write(),
        }
    };
    Line::Ended(Part::Consumer(number), end).write();
}
