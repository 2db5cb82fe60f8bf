//! Bindings, conditional deletes, the queue declared last, and requests without replies.

use amqp_client::amqp_spec::wire::{TypedMethod as _, Value};
use amqp_client::amqp_spec::{exchange, field_table, queue};
use amqp_client::declare::{Binding, ExchangeDelete, Match, QueueDelete};
use amqp_client::error::Entity;
use amqp_client::{Channel, ChannelError, ExchangeDeclare, Message, QueueDeclare};

use crate::support::{check_close, declare, fill, ready, run, until_ready};

async fn publish(channel: &Channel, exchange: &str, key: &str, message: &Message) {
    channel.basic_publish(exchange, key, message).await.unwrap();
}

/// Declares a durable exchange.
async fn declare_exchange(channel: &Channel, declare: ExchangeDeclare) {
    channel.exchange_declare(declare.durable()).await.unwrap();
}

#[test]
fn exchanges_bound_to_exchanges_pass_messages_on() {
    run(async |site| {
        let channel = site.channel().await;
        declare_exchange(&channel, ExchangeDeclare::topic("source")).await;
        declare_exchange(&channel, ExchangeDeclare::fanout("destination").internal()).await;
        declare(&channel, "q").await;
        channel.queue_bind("q", "destination", "").await.unwrap();
        let bind = async || channel.exchange_bind("destination", "source", "a.*").await;
        bind().await.unwrap();
        bind().await.unwrap();

        let message = Message::new("x");
        publish(&channel, "source", "a.b", &message).await;
        publish(&channel, "source", "b.a", &message).await;
        until_ready(&channel, "q", 1).await;
        let unbind = async |key: &str| channel.exchange_unbind("destination", "source", key).await;
        // Of what is not there as well.
        unbind("nosuch").await.unwrap();
        unbind("a.*").await.unwrap();
        publish(&channel, "source", "a.b", &message).await;
        publish(&channel, "", "q", &message).await;
        until_ready(&channel, "q", 2).await;
    });
}

#[test]
fn headers_are_matched_by_the_arguments_of_bindings() {
    run(async |site| {
        let channel = site.channel().await;
        declare_exchange(&channel, ExchangeDeclare::headers("by-header")).await;
        for queue in ["all", "any", "present"] {
            declare(&channel, queue).await;
        }
        let both = |how| {
            let binding = Binding::headers(how).argument("format", "pdf");
            binding.argument("urgent", true)
        };
        let bind = async |queue: &str, binding: Binding| {
            let bound = channel.queue_bind(queue, "by-header", binding).await;
            bound.unwrap();
        };
        bind("all", both(Match::All)).await;
        bind("any", both(Match::Any)).await;
        let present = Binding::headers(Match::AllWithX);
        bind("present", present.argument("x-page", Value::Void)).await;

        let pdf = Message::new("x").headers(&field_table! { "format" => "pdf" });
        let urgent = field_table! { "format" => "pdf", "urgent" => true };
        let urgent = Message::new("x").headers(&urgent);
        let page = Message::new("x").headers(&field_table! { "x-page" => 7 });
        for message in [&pdf, &urgent, &page] {
            publish(&channel, "by-header", "", message).await;
        }
        until_ready(&channel, "any", 2).await;
        until_ready(&channel, "all", 1).await;
        until_ready(&channel, "present", 1).await;

        // Other arguments are another binding.
        let unbind = async |binding: Binding| {
            let unbound = channel.queue_unbind("any", "by-header", binding).await;
            unbound.unwrap();
        };
        unbind(both(Match::All)).await;
        publish(&channel, "by-header", "", &pdf).await;
        until_ready(&channel, "any", 3).await;
        unbind(both(Match::Any)).await;
        publish(&channel, "by-header", "", &pdf).await;
        publish(&channel, "", "any", &pdf).await;
        until_ready(&channel, "any", 4).await;
        assert_eq!(ready(&channel, "any").await, 4);
    });
}

#[test]
fn what_is_in_use_or_not_empty_is_not_deleted_if_that_was_asked_for() {
    run(async |site| {
        let connection = site.connect().await;
        let keeper = connection.open_channel().await.unwrap();
        declare(&keeper, "q").await;
        declare_exchange(&keeper, ExchangeDeclare::fanout("x")).await;
        keeper.queue_bind("q", "x", "").await.unwrap();
        fill(&keeper, "q", 1).await;
        let consumer = keeper.consume("q").prefetch(1).await.unwrap();

        let refused = async |delete: QueueDelete| {
            let channel = connection.open_channel().await.unwrap();
            channel.queue_delete(delete).await.unwrap_err()
        };
        let error = refused(QueueDelete::new("q").if_unused()).await;
        check_close(error.broker_close(), 406, "in use", queue::Delete::ID);
        assert_eq!(entity(&error), Entity::Queue("q".to_owned()));
        consumer.cancel().await.unwrap();
        drop(consumer);
        until_ready(&keeper, "q", 1).await;
        let error = refused(QueueDelete::new("q").if_empty()).await;
        check_close(error.broker_close(), 406, "not empty", queue::Delete::ID);

        let channel = connection.open_channel().await.unwrap();
        let delete = ExchangeDelete::new("x").if_unused();
        let error = channel.exchange_delete(delete.clone()).await.unwrap_err();
        check_close(error.broker_close(), 406, "in use", exchange::Delete::ID);
        assert_eq!(entity(&error), Entity::Exchange("x".to_owned()));

        keeper.queue_purge("q").await.unwrap();
        let delete_queue = QueueDelete::new("q").if_unused().if_empty();
        assert_eq!(keeper.queue_delete(delete_queue).await.unwrap(), 0);
        keeper.exchange_delete(delete).await.unwrap();
    });
}

fn entity(error: &ChannelError) -> Entity {
    error.broker_close().unwrap().entity.clone().unwrap()
}

#[test]
fn an_empty_name_is_the_queue_declared_last() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "first").await;
        declare(&channel, "second").await;
        declare_exchange(&channel, ExchangeDeclare::direct("x")).await;
        // The name of the queue becomes the key.
        channel.queue_bind("", "x", "").await.unwrap();
        publish(&channel, "x", "second", &Message::new("1")).await;
        until_ready(&channel, "second", 1).await;
        let got = channel.basic_get("").await.unwrap().unwrap();
        got.delivery.ack().unwrap();

        // A passive declaration counts.
        fill(&channel, "first", 2).await;
        assert_eq!(ready(&channel, "first").await, 2);
        assert_eq!(channel.queue_purge("").await.unwrap(), 2);
        let consumer = channel.consume("").await.unwrap();
        assert_eq!(crate::support::consumers(&channel, "first").await, 1);
        drop(consumer);
        // And one without a reply.
        let third = QueueDeclare::new("third").durable();
        channel.no_wait().queue_declare(third).await.unwrap();
        channel.queue_unbind("", "x", "").await.unwrap();
        channel.queue_delete("").await.unwrap();
        let missing = QueueDeclare::new("third").passive();
        let error = channel.queue_declare(missing).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");

        // Another channel knows nothing of it.
        let channel = connection.open_channel().await.unwrap();
        let error = channel.queue_purge("").await.unwrap_err();
        let text = "no previously declared queue";
        check_close(error.broker_close(), 404, text, queue::Purge::ID);
        assert!(
            error.to_string().ends_with("of the queue declared last)"),
            "{error}"
        );
    });
}

#[test]
fn what_goes_without_a_reply_takes_effect_in_order() {
    run(async |site| {
        let channel = site.channel().await;
        let no_wait = channel.no_wait();
        let durable = |name: &str| QueueDeclare::new(name).durable();
        no_wait
            .exchange_declare(ExchangeDeclare::fanout("a"))
            .await
            .unwrap();
        no_wait
            .exchange_declare(ExchangeDeclare::fanout("b"))
            .await
            .unwrap();
        no_wait.exchange_bind("b", "a", "").await.unwrap();
        no_wait.queue_declare(durable("q")).await.unwrap();
        no_wait.queue_declare(durable("r")).await.unwrap();
        no_wait.queue_bind("q", "b", "").await.unwrap();
        no_wait.queue_bind("r", "b", "").await.unwrap();
        publish(&channel, "a", "", &Message::new("1")).await;
        until_ready(&channel, "q", 1).await;
        // Replies of others find their way.
        no_wait.queue_purge("r").await.unwrap();
        let (q, r) = tokio::join!(ready(&channel, "q"), ready(&channel, "r"));
        assert_eq!((q, r), (1, 0));

        no_wait.exchange_unbind("b", "a", "").await.unwrap();
        publish(&channel, "a", "", &Message::new("2")).await;
        no_wait.queue_delete("r").await.unwrap();
        no_wait.exchange_delete("a").await.unwrap();
        no_wait.exchange_delete("b").await.unwrap();
        assert_eq!(ready(&channel, "q").await, 1);
        let gone = channel.queue_declare(durable("r").passive()).await;
        assert!(gone.unwrap_err().is_not_found());
    });
}

#[test]
fn what_fails_without_a_reply_shows_as_the_end_of_the_channel() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        let no_wait = channel.no_wait();
        no_wait.queue_bind("q", "amq.fanout", "").await.unwrap();
        no_wait.queue_bind("q", "nosuch", "").await.unwrap();
        no_wait.queue_bind("q", "amq.topic", "").await.unwrap();
        let error = channel.closed().await;
        assert_eq!(entity(&error), Entity::Exchange("nosuch".to_owned()));
        assert_eq!(
            error.to_string(),
            format!(
                "channel 1 closed by the broker: 404 NOT_FOUND - no exchange 'nosuch' in vhost \
                 '{}' (answering queue.bind of exchange 'nosuch')",
                site.name()
            )
        );
        assert_eq!(
            no_wait.queue_purge("q").await.unwrap_err().to_string(),
            error.to_string()
        );

        // Who waits meanwhile for something else is told whose fault it is.
        let channel = connection.open_channel().await.unwrap();
        channel.no_wait().queue_purge("nosuch").await.unwrap();
        let error = channel.queue_purge("q").await.unwrap_err();
        assert_eq!(entity(&error), Entity::Queue("nosuch".to_owned()));
    });
}

#[test]
fn a_queue_that_the_broker_names_is_not_declared_without_a_reply() {
    run(async |site| {
        let channel = site.channel().await;
        let refused = channel.no_wait().queue_declare(QueueDeclare::temporary());
        let error = refused.await.unwrap_err();
        let said = "no_wait excludes a name that the broker chooses";
        assert_eq!(error.to_string(), said);
        declare(&channel, "q").await;
    });
}

#[test]
fn exchanges_have_the_attributes_that_they_were_declared_with() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "unrouted").await;
        declare_exchange(&channel, ExchangeDeclare::fanout("rest")).await;
        channel.queue_bind("unrouted", "rest", "").await.unwrap();
        let direct = ExchangeDeclare::direct("picky").alternate_exchange("rest");
        declare_exchange(&channel, direct).await;
        publish(&channel, "picky", "nosuch", &Message::new("x")).await;
        until_ready(&channel, "unrouted", 1).await;

        // With its last binding it goes.
        let fleeting = ExchangeDeclare::fanout("fleeting").auto_delete();
        channel.exchange_declare(fleeting.clone()).await.unwrap();
        channel
            .queue_bind("unrouted", "fleeting", "")
            .await
            .unwrap();
        channel
            .queue_unbind("unrouted", "fleeting", "")
            .await
            .unwrap();
        let error = channel
            .exchange_declare(fleeting.passive())
            .await
            .unwrap_err();
        assert_eq!(entity(&error), Entity::Exchange("fleeting".to_owned()));

        let channel = connection.open_channel().await.unwrap();
        let internal = ExchangeDeclare::fanout("internal").internal();
        channel.exchange_declare(internal).await.unwrap();
        publish(&channel, "internal", "", &Message::new("x")).await;
        let error = channel.closed().await;
        assert!(error.is_access_refused(), "{error}");
        assert_eq!(entity(&error), Entity::Exchange("internal".to_owned()));
    });
}

#[test]
fn the_default_exchange_is_not_to_be_touched() {
    run(async |site| {
        let connection = site.connect().await;
        let open = async || connection.open_channel().await.unwrap();
        declare(&open().await, "q").await;
        let refused = [
            open()
                .await
                .exchange_declare(ExchangeDeclare::direct(""))
                .await,
            open().await.exchange_delete("").await,
            open().await.queue_bind("q", "", "key").await,
        ];
        for error in refused {
            let error = error.unwrap_err();
            assert!(error.is_access_refused(), "{error}");
            assert!(
                error.to_string().contains("the default exchange"),
                "{error}"
            );
        }
    });
}

#[test]
fn names_have_up_to_255_octets_and_no_newlines() {
    run(async |site| {
        let channel = site.channel().await;
        let longest = "ä".repeat(127) + "x";
        declare(&channel, &longest).await;
        fill(&channel, &longest, 1).await;
        let too_long = channel
            .queue_declare(QueueDeclare::new("x".repeat(256)))
            .await;
        assert!(matches!(too_long, Err(ChannelError::TooLong(_))));
        let too_long = channel.queue_bind("q", "x", "k".repeat(256)).await;
        assert!(matches!(too_long, Err(ChannelError::TooLong(_))));
        // The broker takes them out, and tells.
        let declared = channel.queue_declare(QueueDeclare::new("a\nb").durable());
        assert_eq!(declared.await.unwrap().name, "ab");
    });
}

#[test]
fn conditions_on_deleting_are_for_classic_queues() {
    run(async |site| {
        for delete in [
            QueueDelete::new("q").if_empty(),
            QueueDelete::new("q").if_unused(),
        ] {
            let channel = site.channel().await;
            let quorum = QueueDeclare::new("q").quorum();
            channel.queue_declare(quorum).await.unwrap();
            let error = channel.queue_delete(delete).await.unwrap_err();
            assert!(matches!(error, ChannelError::Connection(_)), "{error}");
            check_close(error.broker_close(), 540, "queue.delete", queue::Delete::ID);
            assert_eq!(entity(&error), Entity::Queue("q".to_owned()));
        }
        // Streams go, whatever is in them.
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = publisher.channel();
        let stream = QueueDeclare::new("s").stream();
        channel.queue_declare(stream).await.unwrap();
        publisher.publish("", "s", Message::new("x")).await.unwrap();
        let _consumer = channel.consume("s").prefetch(1).await.unwrap();
        let delete = QueueDelete::new("s").if_empty().if_unused();
        channel.queue_delete(delete).await.unwrap();
        let gone = channel.queue_purge("s").await.unwrap_err();
        assert!(gone.is_not_found(), "{gone}");
    });
}
