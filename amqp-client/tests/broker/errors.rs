//! What the broker closes a channel over is told to everybody, with operation, entity and number.

use amqp_client::amqp_spec::wire::TypedMethod as _;
use amqp_client::amqp_spec::{basic, exchange, queue};
use amqp_client::consume::{Multiple, Settled};
use amqp_client::error::{Entity, Outcome};
use amqp_client::{
    Channel, ChannelError, Connection, ConnectionError, ConsumeError, ExchangeDeclare, Message,
    PublishError, Publisher, QueueDeclare, Requeue,
};
use amqp_testing::BrokerOptions;
use tokio::runtime::Builder;

use crate::support::{check_close, declare, endpoint, fill, lasting, limited, run, version};

fn queue_named(name: &str) -> Option<Entity> {
    Some(Entity::Queue(name.to_owned()))
}

fn exchange_named(name: &str) -> Option<Entity> {
    Some(Entity::Exchange(name.to_owned()))
}

fn entity(error: &ChannelError) -> Option<Entity> {
    error.broker_close().and_then(|close| close.entity.clone())
}

#[test]
fn s11_missing_exchange_is_named_for_every_holder() {
    run(async |site| {
        let connection = site.connect().await;
        // So that the number is not the first.
        let other = connection.open_channel().await.unwrap();
        declare(&other, "q").await;
        fill(&other, "q", 1).await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = publisher.channel().clone();
        let mut consumer = channel.consume("q").await.unwrap();
        let delivery = consumer.next().await.unwrap().unwrap();

        let confirmation = publisher.send("nosuch", "key", Message::new("x"));
        let confirmation = confirmation.await.unwrap();
        // It waits behind, for something that is there.
        let pending = channel.queue_purge("q").await.unwrap_err();
        let said = format!(
            "channel 2 closed by the broker: 404 NOT_FOUND - no exchange 'nosuch' in vhost '{}' \
             (answering basic.publish of exchange 'nosuch')",
            site.name()
        );
        assert_eq!(pending.to_string(), said);
        let refused = confirmation.await.unwrap_err();
        assert!(refused.is_not_found() && !refused.is_retryable());
        assert_eq!(refused.outcome(), Outcome::Rejected);
        let PublishError::Refused(refused) = refused else {
            panic!("{refused:?}");
        };
        let consumed = consumer.next().await.unwrap().unwrap_err();
        assert!(consumed.is_retryable());
        let ConsumeError::Channel(consumed) = consumed else {
            panic!("{consumed:?}");
        };
        let later = publisher.publish("", "q", Message::new("x")).await;
        let later = later.unwrap_err();
        assert_eq!(later.outcome(), Outcome::NotSent);
        let PublishError::NotSent(later) = later else {
            panic!("{later:?}");
        };
        // What provoked it, and what tells why the channel ended.
        let told = [
            refused,
            channel.closed().await,
            channel.close_reason().unwrap(),
            channel.close().await.unwrap_err(),
        ];
        // All others asked for nothing that is missing.
        let bystanders = [
            pending,
            consumed,
            later,
            delivery.ack().unwrap_err(),
            channel.basic_ack(0, Multiple::Yes).unwrap_err(),
            channel.no_wait().queue_purge("q").await.unwrap_err(),
            Publisher::new(channel.clone()).await.unwrap_err(),
        ];
        let all = told.map(|error| (error, false)).into_iter();
        for (error, bystander) in all.chain(bystanders.map(|error| (error, true))) {
            assert_eq!(error.to_string(), said);
            let close = error.broker_close().unwrap();
            assert_eq!(
                (close.channel, close.operation()),
                (2, Some("basic.publish"))
            );
            assert_eq!(close.entity, exchange_named("nosuch"));
            assert_eq!(close.bystander, bystander);
            assert_eq!(
                (error.is_not_found(), error.is_retryable()),
                (!bystander, bystander)
            );
            // The text tells all of it, and nothing is behind it.
            assert!(std::error::Error::source(&error).is_none());
        }
        // The others live on.
        assert!(other.is_open());
        declare(&other, "r").await;
    });
}

#[test]
fn s11_missing_queue_is_named_by_every_operation() {
    run(async |site| {
        let connection = site.connect().await;
        let open = async || connection.open_channel().await.unwrap();
        let binding = open().await.queue_bind("nosuch", "amq.direct", "k").await;
        let missing = [
            (queue::Declare::ID, {
                let passive = QueueDeclare::new("nosuch").passive();
                open().await.queue_declare(passive).await.map(drop)
            }),
            (queue::Bind::ID, binding),
            (
                queue::Purge::ID,
                open().await.queue_purge("nosuch").await.map(drop),
            ),
            (
                basic::Get::ID,
                open().await.basic_get("nosuch").await.map(drop),
            ),
            (
                basic::Get::ID,
                open().await.basic_get_no_ack("nosuch").await.map(drop),
            ),
            (
                basic::Consume::ID,
                open().await.consume("nosuch").await.map(drop),
            ),
        ];
        for (method, result) in missing {
            let error = result.unwrap_err();
            check_close(error.broker_close(), 404, "no queue 'nosuch'", method);
            assert_eq!(entity(&error), queue_named("nosuch"));
            assert_eq!(error.outcome(), Outcome::Rejected);
            assert!(!error.to_string().contains('\n'));
        }
    });
}

#[test]
fn s11_either_end_of_a_binding_is_named_if_it_is_missing() {
    run(async |site| {
        let connection = site.connect().await;
        let open = async || connection.open_channel().await.unwrap();
        declare(&open().await, "same").await;
        let fanout = ExchangeDeclare::fanout("there");
        open().await.exchange_declare(fanout).await.unwrap();
        let cases = [
            (
                open().await.queue_bind("same", "gone", "").await,
                exchange_named("gone"),
            ),
            (
                open().await.queue_bind("gone", "there", "").await,
                queue_named("gone"),
            ),
            // The queue is there, the exchange of the same name is not.
            (
                open().await.queue_bind("same", "same", "").await,
                exchange_named("same"),
            ),
            (
                open().await.exchange_bind("there", "gone", "").await,
                exchange_named("gone"),
            ),
            (
                open().await.exchange_bind("gone", "there", "").await,
                exchange_named("gone"),
            ),
        ];
        for (result, expected) in cases {
            let error = result.unwrap_err();
            assert!(error.is_not_found(), "{error}");
            assert_eq!(entity(&error), expected, "{error}");
        }
    });
}

#[test]
fn s11_what_is_locked_refused_or_declared_otherwise_is_named() {
    run(async |site| {
        let owner = site.connect().await;
        let mine = owner.open_channel().await.unwrap();
        let exclusive = QueueDeclare::new("mine").exclusive();
        mine.queue_declare(exclusive).await.unwrap();
        declare(&mine, "ours").await;
        let _consumer = mine.consume("ours").exclusive().await.unwrap();

        let connection = site.connect().await;
        let open = async || connection.open_channel().await.unwrap();
        let locked = [
            open().await.queue_purge("mine").await.map(drop),
            open().await.queue_delete("mine").await.map(drop),
            open().await.basic_get("mine").await.map(drop),
            open().await.consume("mine").await.map(drop),
        ];
        for result in locked {
            let error = result.unwrap_err();
            assert!(
                error.is_resource_locked() && error.is_retryable(),
                "{error}"
            );
            assert_eq!(entity(&error), queue_named("mine"));
        }

        let in_use = open().await.consume("ours").await.map(drop).unwrap_err();
        assert!(
            in_use.is_access_refused() && in_use.is_retryable(),
            "{in_use}"
        );
        assert_eq!(entity(&in_use), queue_named("ours"));
        let reserved = QueueDeclare::new("amq.mine").durable();
        let refused = open().await.queue_declare(reserved).await.unwrap_err();
        assert!(
            refused.is_access_refused() && !refused.is_retryable(),
            "{refused}"
        );
        assert_eq!(entity(&refused), queue_named("amq.mine"));

        let otherwise = QueueDeclare::new("ours").durable().auto_delete();
        let error = open().await.queue_declare(otherwise).await.unwrap_err();
        assert!(
            error.is_precondition_failed() && !error.is_retryable(),
            "{error}"
        );
        assert!(!error.is_unknown_delivery_tag() && !error.is_delivery_ack_timeout());
        assert_eq!(entity(&error), queue_named("ours"));
    });
}

#[test]
fn s11_unknown_delivery_tags_are_told_as_such() {
    run(async |site| {
        let connection = site.connect().await;
        type Settle = fn(&Channel) -> Result<Settled, ChannelError>;
        let settled: [(_, Settle); 4] = [
            (basic::Ack::ID, |channel| channel.basic_ack(5, Multiple::No)),
            (basic::Ack::ID, |channel| {
                channel.basic_ack(5, Multiple::Yes)
            }),
            (basic::Nack::ID, |channel| {
                channel.basic_nack(5, Multiple::No, Requeue::Yes)
            }),
            (basic::Reject::ID, |channel| {
                channel.basic_reject(5, Requeue::No)
            }),
        ];
        for (method, settle) in settled {
            let channel = connection.open_channel().await.unwrap();
            settle(&channel).unwrap();
            let error = channel.closed().await;
            check_close(error.broker_close(), 406, "unknown delivery tag 5", method);
            assert!(error.is_unknown_delivery_tag() && error.is_precondition_failed());
            assert!(!error.is_retryable());
        }
    });
}

#[test]
fn s11_exchange_of_an_unknown_type_is_named() {
    run(async |site| {
        let connection = site.connect().await;
        let bystander = connection.open_channel().await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        let unknown = ExchangeDeclare::new("x", "nosuch-type");
        let error = channel.exchange_declare(unknown).await.unwrap_err();
        assert_eq!(entity(&error), exchange_named("x"));
        let close = error.broker_close().unwrap();
        assert_eq!(close.method, Some(exchange::Declare::ID));
        if site.version() < (4, 0) {
            // The whole connection goes.
            assert_eq!((close.channel, close.reply_code.0), (0, 503));
            let ended = bystander.closed().await;
            assert_eq!(ended.to_string(), error.to_string());
            assert!(matches!(
                connection.closed().await,
                ConnectionError::ClosedByBroker(_)
            ));
        } else {
            assert_eq!((close.channel, close.reply_code.0), (2, 406));
            assert!(bystander.is_open());
        }
    });
}

#[test]
fn s11_message_that_is_too_large_for_the_broker_is_told_as_such() {
    run(async |site| {
        // Older releases take eight times as much; it is the same then.
        if site.version() < (4, 0) {
            return;
        }
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let message = Message::new(vec![0; 16 * 1024 * 1024 + 1]);
        let error = publisher.publish("", "q", message).await.unwrap_err();
        assert!(error.is_message_too_large() && error.is_precondition_failed());
        assert!(!error.is_retryable());
        assert!(
            error.to_string().contains("(answering basic.publish)"),
            "{error}"
        );
    });
}

#[test]
fn s11_what_may_not_be_done_is_named() {
    run(async |site| {
        let connection = site.connect().await;
        let owner = connection.open_channel().await.unwrap();
        declare(&owner, "secret").await;
        declare(&owner, "open").await;
        let fanout = |name: &str| ExchangeDeclare::fanout(name).durable();
        owner.exchange_declare(fanout("secret")).await.unwrap();
        owner.exchange_declare(fanout("open")).await.unwrap();
        // Of this virtual host alone.
        let permissions = format!("/api/permissions/{}/guest", site.name());
        let only_open = r#"{"configure": "^open", "write": "^open", "read": "^open"}"#;
        site.management().put(&permissions, only_open).unwrap();

        let open = async || connection.open_channel().await.unwrap();
        let new = || QueueDeclare::new("secret-too").durable();
        let publishing = open().await;
        let message = Message::new("x");
        publishing
            .basic_publish("secret", "", &message)
            .await
            .unwrap();
        let dead = QueueDeclare::new("open-too").durable();
        let dead = dead.dead_letter_exchange("secret");
        let cases = [
            (
                open().await.queue_declare(new()).await.map(drop),
                queue_named("secret-too"),
            ),
            (
                open().await.queue_delete("secret").await.map(drop),
                queue_named("secret"),
            ),
            (
                open().await.queue_purge("secret").await.map(drop),
                queue_named("secret"),
            ),
            (
                open().await.basic_get("secret").await.map(drop),
                queue_named("secret"),
            ),
            (
                open().await.consume("secret").await.map(drop),
                queue_named("secret"),
            ),
            (
                open().await.exchange_declare(fanout("secret-too")).await,
                exchange_named("secret-too"),
            ),
            (
                open().await.exchange_delete("secret").await,
                exchange_named("secret"),
            ),
            (
                open().await.queue_bind("secret", "open", "").await,
                queue_named("secret"),
            ),
            (
                open().await.queue_bind("open", "secret", "").await,
                exchange_named("secret"),
            ),
            (
                open().await.exchange_bind("secret", "open", "").await,
                exchange_named("secret"),
            ),
            // Its own name is all right; where its dead letters go is not.
            (
                open().await.queue_declare(dead).await.map(drop),
                exchange_named("secret"),
            ),
            (Err(publishing.closed().await), exchange_named("secret")),
        ];
        for (result, expected) in cases {
            let error = result.unwrap_err();
            assert!(
                error.is_access_refused() && !error.is_retryable(),
                "{error}"
            );
            assert_eq!(entity(&error), expected, "{error}");
        }
    });
}

/// On a node of our own, whose patience is short. RabbitMQ from 4.3 on has such a limit for quorum
/// queues only, where it costs the consumer (`shutdown::f16_…`).
#[test]
fn s11_delivery_that_is_not_acknowledged_in_time_is_told_as_such() {
    if endpoint().is_none() {
        return;
    }
    let options = BrokerOptions::new().config("consumer_timeout = 500");
    let broker = options.start().unwrap();
    // How often it looks; no configuration file can say that.
    let often = "application:set_env(rabbit, channel_tick_interval, 200).";
    broker.ctl(&["eval", often]).unwrap();
    let is_endless = version(broker.management()) >= (4, 3);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    limited(&runtime, async {
        let connection = Connection::open_with(&lasting(&broker.url()))
            .await
            .unwrap();
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        fill(&channel, "q", 1).await;
        let mut consumer = channel.consume("q").await.unwrap();
        let delivery = consumer.next().await.unwrap().unwrap();
        if is_endless {
            delivery.ack().unwrap();
            return;
        }
        let ended = consumer.next().await.unwrap().unwrap_err();
        assert!(
            ended.is_delivery_ack_timeout() && ended.is_precondition_failed(),
            "{ended}"
        );
        assert!(!ended.is_unknown_delivery_tag());
        // Consuming again on another channel will do.
        assert!(ended.is_retryable());
        let late = delivery.ack().unwrap_err();
        assert!(late.is_delivery_ack_timeout(), "{late}");
        let close = late.broker_close().unwrap();
        assert_eq!((close.channel, close.operation()), (1, None));
        let channel = connection.open_channel().await.unwrap();
        let again = channel.basic_get("q").await.unwrap().unwrap();
        assert!(again.delivery.redelivered());
        again.delivery.ack().unwrap();
        connection.close().await.unwrap();
    });
}
