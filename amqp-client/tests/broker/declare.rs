//! Exchanges and queues: what can be declared, and what the broker refuses.

use amqp_client::amqp_spec::wire::TypedMethod as _;
use amqp_client::amqp_spec::{exchange, queue};
use amqp_client::{ChannelError, ExchangeDeclare, Message, QueueDeclare};

use crate::support::{check_close, declare, expect, fill, ready, run, until, until_ready};

#[test]
fn a_declared_queue_tells_its_name_and_its_counts() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 3).await;
        let declared = channel
            .queue_declare(QueueDeclare::new("q").durable())
            .await
            .unwrap();
        assert_eq!(declared.name, "q");
        assert_eq!((declared.message_count, declared.consumer_count), (3, 0));

        let mut consumer = channel.consume("q").prefetch(2).await.unwrap();
        consumer.next().await.unwrap().unwrap();
        consumer.next().await.unwrap().unwrap();
        let passive = QueueDeclare::new("q").passive();
        let declared = channel.queue_declare(passive).await.unwrap();
        assert_eq!((declared.message_count, declared.consumer_count), (1, 1));
    });
}

#[test]
fn the_broker_chooses_a_name_where_none_is_given() {
    run(async |site| {
        let channel = site.channel().await;
        let first = channel.queue_declare(QueueDeclare::temporary());
        let first = first.await.unwrap().name;
        let second = channel.queue_declare(QueueDeclare::temporary());
        let second = second.await.unwrap().name;
        assert!(first.starts_with("amq.gen-"), "{first}");
        assert_ne!(first, second);
        fill(&channel, &first, 1).await;
    });
}

#[test]
fn a_temporary_queue_goes_with_its_connection_and_not_with_its_last_consumer() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let queue = channel.queue_declare(QueueDeclare::temporary()).await;
        let queue = queue.unwrap().name;
        fill(&channel, &queue, 3).await;
        let first = channel.consume(&queue).await.unwrap();
        first.cancel().await.unwrap();
        drop(first);
        let mut second = channel.consume(&queue).await.unwrap();
        expect(&mut second, "0").await;
        drop(second);
        // Said so, it goes with its consumer, and what is in it.
        let brief = QueueDeclare::temporary().auto_delete();
        let brief = channel.queue_declare(brief).await.unwrap().name;
        fill(&channel, &brief, 1).await;
        let only = channel.consume(&brief).await.unwrap();
        only.cancel().await.unwrap();
        drop(only);
        let gone = channel.queue_declare(QueueDeclare::new(&brief).passive());
        assert!(gone.await.unwrap_err().is_not_found());

        let channel = connection.open_channel().await.unwrap();
        ready(&channel, &queue).await;
        connection.close().await.unwrap();
        // For a moment it is still another connection's (405).
        let asking = site.connect().await;
        until("the queue is gone", true, async || {
            let channel = asking.open_channel().await.unwrap();
            let passive = QueueDeclare::new(&queue).passive();
            let found = channel.queue_declare(passive).await;
            found.is_err_and(|error| error.is_not_found())
        })
        .await;
    });
}

#[test]
fn inequivalent_arguments_are_refused() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let limited = |limit: i32| {
            let queue = QueueDeclare::new("limited").durable();
            queue.argument("x-max-length", limit)
        };
        channel.queue_declare(limited(3)).await.unwrap();
        channel.queue_declare(limited(3)).await.unwrap();
        let error = channel.queue_declare(limited(4)).await.unwrap_err();
        let vhost = site.name();
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'limited' in vhost \
             '{vhost}': received '4' but current is '3'"
        );
        check_close(error.broker_close(), 406, &text, queue::Declare::ID);

        let channel = connection.open_channel().await.unwrap();
        let topic = ExchangeDeclare::topic("events").durable();
        channel.exchange_declare(topic.clone()).await.unwrap();
        channel.exchange_declare(topic).await.unwrap();
        let fanout = ExchangeDeclare::fanout("events").durable();
        let error = channel.exchange_declare(fanout).await.unwrap_err();
        let text = format!(
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'events' in vhost \
             '{vhost}': received 'fanout' but current is 'topic'"
        );
        check_close(error.broker_close(), 406, &text, exchange::Declare::ID);
    });
}

#[test]
fn passive_declarations_only_look() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let passive = || ExchangeDeclare::topic("x").passive();
        let error = channel.exchange_declare(passive()).await.unwrap_err();
        let text = format!("NOT_FOUND - no exchange 'x' in vhost '{}'", site.name());
        check_close(error.broker_close(), 404, &text, exchange::Declare::ID);

        let channel = connection.open_channel().await.unwrap();
        let topic = ExchangeDeclare::topic("x").durable();
        channel.exchange_declare(topic).await.unwrap();
        channel.exchange_declare(passive()).await.unwrap();
        channel.exchange_delete("x").await.unwrap();
        // Of what is not there as well.
        channel.exchange_delete("x").await.unwrap();
        assert!(channel.exchange_declare(passive()).await.is_err());
    });
}

#[test]
fn reserved_names_are_refused() {
    run(async |site| {
        let channel = site.channel().await;
        let reserved = QueueDeclare::new("amq.mine").durable();
        let error = channel.queue_declare(reserved).await.unwrap_err();
        let text = "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'";
        check_close(error.broker_close(), 403, text, queue::Declare::ID);
    });
}

#[test]
fn an_exclusive_queue_is_locked_for_other_connections_and_goes_with_its_own() {
    run(async |site| {
        let owner = site.connect().await;
        let channel = owner.open_channel().await.unwrap();
        let exclusive = || QueueDeclare::new("mine").exclusive();
        channel.queue_declare(exclusive()).await.unwrap();
        fill(&channel, "mine", 1).await;

        let other = site.connect().await;
        let refused = other.open_channel().await.unwrap();
        let error = refused.queue_declare(exclusive()).await.unwrap_err();
        let text = format!(
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '{}'",
            site.name()
        );
        check_close(error.broker_close(), 405, &text, queue::Declare::ID);

        owner.close().await.unwrap();
        // Some releases answer the close before the queue is gone.
        until("code for a lost queue", Some(404), async || {
            let channel = other.open_channel().await.unwrap();
            let passive = channel.queue_declare(exclusive().passive()).await;
            passive.unwrap_err().reply_code().map(|code| code.0)
        })
        .await;
    });
}

#[test]
fn bindings_route_until_they_are_removed() {
    run(async |site| {
        let channel = site.channel().await;
        let topic = ExchangeDeclare::topic("orders").durable();
        channel.exchange_declare(topic).await.unwrap();
        declare(&channel, "paid").await;
        declare(&channel, "all").await;
        channel
            .queue_bind("paid", "orders", "*.paid")
            .await
            .unwrap();
        channel.queue_bind("all", "orders", "#").await.unwrap();

        let publish = async |key: &str| {
            let message = Message::new(key.to_owned());
            channel
                .basic_publish("orders", key, &message)
                .await
                .unwrap();
        };
        publish("new.paid").await;
        publish("new.open").await;
        until_ready(&channel, "all", 2).await;
        until_ready(&channel, "paid", 1).await;

        channel
            .queue_unbind("paid", "orders", "*.paid")
            .await
            .unwrap();
        // Of what is not there as well.
        channel
            .queue_unbind("paid", "orders", "nosuch")
            .await
            .unwrap();
        publish("old.paid").await;
        until_ready(&channel, "all", 3).await;
        assert_eq!(ready(&channel, "paid").await, 1);

        let got = channel.basic_get("paid").await.unwrap().unwrap();
        assert_eq!(got.delivery.exchange(), "orders");
        assert_eq!(got.delivery.routing_key(), "new.paid");
    });
}

#[test]
fn binding_to_what_is_missing_is_refused() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        let error = channel.queue_bind("q", "nosuch", "").await.unwrap_err();
        let text = format!(
            "NOT_FOUND - no exchange 'nosuch' in vhost '{}'",
            site.name()
        );
        check_close(error.broker_close(), 404, &text, queue::Bind::ID);
    });
}

#[test]
fn purging_and_deleting_tell_how_many_messages_went() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 7).await;
        // What is delivered is not purged.
        let held = channel.basic_get("q").await.unwrap().unwrap();
        assert_eq!(channel.queue_purge("q").await.unwrap(), 6);
        assert_eq!(channel.queue_purge("q").await.unwrap(), 0);
        fill(&channel, "q", 4).await;
        assert_eq!(channel.queue_delete("q").await.unwrap(), 4);
        assert_eq!(channel.queue_delete("q").await.unwrap(), 0);
        drop(held);
        let error = channel.queue_purge("q").await.unwrap_err();
        let text = format!("NOT_FOUND - no queue 'q' in vhost '{}'", site.name());
        check_close(error.broker_close(), 404, &text, queue::Purge::ID);
    });
}

#[test]
fn an_unknown_exchange_type_costs_the_connection_of_old_and_the_channel_today() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let error = channel
            .exchange_declare(ExchangeDeclare::new("x", "foo").durable())
            .await
            .unwrap_err();
        if site.version() < (4, 0) {
            let text = "COMMAND_INVALID - invalid exchange type 'foo'";
            assert!(matches!(error, ChannelError::Connection(_)), "{error}");
            check_close(error.broker_close(), 503, text, exchange::Declare::ID);
            let end = connection.closed().await;
            check_close(end.broker_close(), 503, text, exchange::Declare::ID);
            let later = connection.open_channel().await.unwrap_err();
            check_close(later.broker_close(), 503, text, exchange::Declare::ID);
        } else {
            let text = "PRECONDITION_FAILED - invalid exchange type 'foo'";
            assert!(matches!(error, ChannelError::ClosedByBroker(_)), "{error}");
            check_close(error.broker_close(), 406, text, exchange::Declare::ID);
            connection.open_channel().await.unwrap();
        }
    });
}
