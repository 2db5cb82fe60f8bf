//! A loss between the halves of a transaction: nothing of it is committed, and nothing follows it.

use std::time::Duration;

use amqp_client::consume::Multiple;
use amqp_client::error::Outcome;
use amqp_client::{Channel, ChannelError, Message, QueueDeclare, Requeue};
use tokio::time::{sleep, timeout};

use crate::HANG;
use crate::stage::{Length, Setting, Stage, is_asked_for, run};

/// Where the transactions publish.
const HALVES: &str = "halves";

#[test]
fn connection_lost_amid_a_transaction() {
    if !is_asked_for(Length::Short) {
        return;
    }
    let setting = Setting::new("connection lost amid a transaction");
    run(setting, async |stage, _| {
        let channel = transactional(stage).await;
        cut(&channel).await;
        stage.disconnect();
        stage.heal();
        begin_anew(stage, &channel).await;
    });
}

#[test]
fn killed_amid_a_transaction() {
    if !is_asked_for(Length::Long) {
        return;
    }
    let setting = Setting::new("kill -9 amid a transaction");
    run(setting, async |stage, _| {
        let channel = transactional(stage).await;
        // RabbitMQ 3.10 may forget what was declared in the moments before it is killed.
        sleep(Duration::from_secs(2)).await;
        cut(&channel).await;
        stage.broker(|it| it.kill().unwrap()).await;
        stage.broker(|it| it.start_again().unwrap()).await;
        begin_anew(stage, &channel).await;
    });
}

/// A channel with transactions, of which one has put a message into the queue.
async fn transactional(stage: &Stage<'_>) -> Channel {
    let channel = stage.connection().open_channel().await.unwrap();
    let queue = QueueDeclare::new(HALVES).durable();
    channel.queue_declare(&queue).await.unwrap();
    channel.tx_select().await.unwrap();
    publish(&channel, "before").await.unwrap();
    channel.tx_commit().await.unwrap();
    channel
}

async fn publish(channel: &Channel, body: &str) -> Result<(), ChannelError> {
    let message = Message::new(body.to_owned()).persistent();
    channel.basic_publish("", HALVES, &message).await
}

/// The first half: the message of before is acknowledged, and another one published.
async fn cut(channel: &Channel) {
    let fetched = channel.basic_get(HALVES).await.unwrap().unwrap();
    assert_eq!(fetched.delivery.body(), b"before");
    fetched.delivery.ack().unwrap();
    publish(channel, "first half").await.unwrap();
    // The broker has both.
    let passive = QueueDeclare::new(HALVES).passive();
    channel.queue_declare(&passive).await.unwrap();
}

/// The second half is refused until the first is rolled back. Then another transaction takes
/// effect, and is all that there is.
async fn begin_anew(stage: &Stage<'_>, channel: &Channel) {
    let lost = async {
        // Until the loss is known, publishing is taken, and lost with the rest.
        loop {
            match publish(channel, "second half").await {
                Ok(()) => sleep(Duration::from_millis(10)).await,
                Err(error) => break error,
            }
        }
    };
    let error = timeout(HANG, lost).await.unwrap();
    assert!(matches!(error, ChannelError::TransactionLost), "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    stage.connection().ready().await.unwrap();
    let error = channel.tx_commit().await.unwrap_err();
    assert!(matches!(error, ChannelError::TransactionLost), "{error:?}");
    let again = get(channel).await;
    assert_eq!(again.1, b"before");
    let error = channel.basic_ack(again.0, Multiple::No).unwrap_err();
    assert!(matches!(error, ChannelError::TransactionLost), "{error:?}");
    let rolled_back = channel.tx_rollback().await.unwrap();
    assert_eq!(rolled_back.delivery_tags(), [again.0]);
    channel
        .basic_nack(again.0, Multiple::No, Requeue::No)
        .unwrap();
    publish(channel, "whole").await.unwrap();
    channel.tx_commit().await.unwrap();
    assert_eq!(get(channel).await.1, b"whole");
    let more = channel.basic_get(HALVES).await.unwrap();
    assert!(more.is_none(), "{more:?}");
    channel.close().await.unwrap();
}

/// The next message, with its number, once the broker has it back.
async fn get(channel: &Channel) -> (u64, Vec<u8>) {
    let getting = async {
        loop {
            if let Some(fetched) = channel.basic_get(HALVES).await.unwrap() {
                let delivery = fetched.delivery;
                break (delivery.delivery_tag(), delivery.body().to_vec());
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(HANG, getting).await.unwrap()
}
