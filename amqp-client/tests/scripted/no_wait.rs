//! Requests without replies on the wire, and closes that cross them.

use amqp_client::declare::{Binding, ExchangeDelete, QueueDelete};
use amqp_client::error::Outcome;
use amqp_client::{Connection, ExchangeDeclare, QueueDeclare};
use amqp_spec::{Method, channel, connection, queue, tx};

use crate::peer::{Peer, options, soon};
use crate::wire;

#[tokio::test]
async fn no_wait_is_said_in_every_method_that_has_it() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let no_wait = channel.no_wait();
    let binding = || Binding::new("k").argument("a", 1);
    soon(async {
        no_wait
            .exchange_declare(ExchangeDeclare::fanout("x").internal())
            .await?;
        no_wait.exchange_bind("x", "y", binding()).await?;
        no_wait.exchange_unbind("x", "y", binding()).await?;
        no_wait
            .exchange_delete(ExchangeDelete::new("x").if_unused())
            .await?;
        no_wait
            .queue_declare(QueueDeclare::new("q").durable())
            .await?;
        no_wait.queue_bind("q", "x", binding()).await?;
        no_wait.queue_purge("q").await?;
        no_wait.queue_delete(QueueDelete::new("q").if_empty()).await
    })
    .await
    .unwrap();
    let arguments = amqp_spec::field_table! { "a" => 1 };
    for n in 0..8 {
        let is_as_said = peer
            .next_method(|method| match method {
                Method::ExchangeDeclare(m) => {
                    n == 0
                        && m.no_wait
                        && m.internal
                        && !m.durable
                        && m.exchange == wire::short("x")
                }
                Method::ExchangeBind(m) => n == 1 && m.no_wait && m.arguments == arguments.as_ref(),
                Method::ExchangeUnbind(m) => {
                    n == 2 && m.no_wait && m.arguments == arguments.as_ref()
                }
                Method::ExchangeDelete(m) => n == 3 && m.no_wait && m.if_unused,
                Method::QueueDeclare(m) => n == 4 && m.no_wait && m.durable && !m.passive,
                Method::QueueBind(m) => n == 5 && m.no_wait && m.routing_key == wire::short("k"),
                Method::QueuePurge(m) => n == 6 && m.no_wait,
                Method::QueueDelete(m) => n == 7 && m.no_wait && m.if_empty && !m.if_unused,
                _ => false,
            })
            .await;
        assert!(is_as_said, "method {n}");
    }
}

#[tokio::test]
async fn replies_pass_requests_that_have_none() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let client = async {
        channel.no_wait().queue_purge("a").await.unwrap();
        let (b, c) = tokio::join!(channel.queue_purge("b"), async {
            channel.no_wait().queue_purge("x").await.unwrap();
            channel.queue_purge("c").await
        });
        (b.unwrap(), c.unwrap())
    };
    let broker = async {
        for name in ["a", "b", "x", "c"] {
            peer.expect(&format!("1 queue.purge {name}")).await;
        }
        peer.say(1, &queue::PurgeOk { message_count: 1 }).await;
        peer.say(1, &queue::PurgeOk { message_count: 2 }).await;
    };
    let (counts, ()) = soon(async { tokio::join!(client, broker) }).await;
    assert_eq!(counts, (1, 2));
}

#[tokio::test]
async fn request_without_a_reply_waits_behind_a_commit() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let client = async {
        let (committed, sent) =
            tokio::join!(channel.tx_commit(), channel.no_wait().queue_purge("q"));
        committed.and(sent).unwrap();
    };
    let broker = async {
        peer.expect("1 tx.commit").await;
        peer.say(1, &tx::CommitOk {}).await;
        peer.expect("1 queue.purge q").await;
    };
    soon(async { tokio::join!(client, broker) }).await;
}

/// The broker closes the channel over a request without a reply.
fn refusal() -> channel::Close<'static> {
    channel::Close {
        reply_code: 404,
        reply_text: wire::short("NOT_FOUND - no queue 'a' in vhost '/'"),
        class_id: 50,
        method_id: 30,
    }
}

#[tokio::test]
async fn s12_our_close_crosses_the_broker_s_over_a_request_without_a_reply() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let client = async {
        channel.no_wait().queue_purge("a").await.unwrap();
        channel.close().await.unwrap_err()
    };
    let broker = async {
        peer.expect("1 queue.purge a").await;
        peer.expect("1 channel.close 200").await;
        peer.say(1, &refusal()).await;
        peer.expect("1 channel.close-ok").await;
    };
    let (error, ()) = soon(async { tokio::join!(client, broker) }).await;
    assert_eq!(
        error.to_string(),
        "channel 1 closed by the broker: 404 NOT_FOUND - no queue 'a' in vhost '/' (answering \
         queue.purge of queue 'a')"
    );
    assert_eq!(error.outcome(), Outcome::Rejected);
    // The number is taken until the broker has answered our close as well.
    assert!(soon(connection.open_channel_with_id(1)).await.is_err());
    peer.say(1, &channel::CloseOk {}).await;
    let number = numbered(&mut peer, &connection).await;
    assert_eq!(number, 1);
}

/// Opens channel 1, as soon as it is free.
async fn numbered(peer: &mut Peer, connection: &Connection) -> u16 {
    let client = async {
        loop {
            match connection.open_channel_with_id(1).await {
                Ok(channel) => break channel.id(),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let broker = async {
        peer.expect("1 channel.open").await;
        peer.say(1, &channel::OpenOk {}).await;
    };
    soon(async { tokio::join!(client, broker) }).await.0
}

#[tokio::test]
async fn close_tells_its_code_and_text() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let client = channel.close_with(amqp_spec::ReplyCode(299), "enough");
    let broker = async {
        let is_as_said = peer
            .next_method(|method| match method {
                Method::ChannelClose(m) => {
                    m.reply_code == 299
                        && m.reply_text == wire::short("enough")
                        && (m.class_id, m.method_id) == (0, 0)
                }
                _ => false,
            })
            .await;
        assert!(is_as_said);
        peer.say(1, &channel::CloseOk {}).await;
    };
    let (closed, ()) = soon(async { tokio::join!(client, broker) }).await;
    closed.unwrap();
}

#[tokio::test]
async fn connection_that_closes_ends_requests_without_replies_too() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    soon(channel.no_wait().queue_purge("a")).await.unwrap();
    peer.expect("1 queue.purge a").await;
    let broker = async {
        peer.expect("0 connection.close 200").await;
        peer.say(0, &connection::CloseOk {}).await;
        peer.expect_end().await;
    };
    let (closed, ()) = soon(async { tokio::join!(connection.close(), broker) }).await;
    closed.unwrap();
    assert!(soon(channel.no_wait().queue_purge("a")).await.is_err());
}
