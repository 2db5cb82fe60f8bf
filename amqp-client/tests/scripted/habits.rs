//! What users of other clients are used to write, as they write it: everyday types are names,
//! bodies, values and times without a conversion. That this compiles is most of the test.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use amqp_client::consume::StreamOffset;
use amqp_client::declare::{Binding, ExchangeDelete, QueueDelete};
use amqp_client::sasl::{Credentials, Secret};
use amqp_client::{
    Channel, Connection, ConnectionOptions, ExchangeDeclare, Message, Publisher, QueueDeclare,
    ReceivedMessage, ReplyCode, TlsOptions, field_table, rpc,
};
use amqp_spec::wire::FieldArray;
use bytes::Bytes;

use crate::peer::{Peer, options, soon};

/// Runs what is written for a name once for each type that keeps text.
macro_rules! for_each_text {
    (|$name:ident| $run:block) => {
        let (short, text, cow) = ("orders", String::from("orders"), Cow::from("orders"));
        for_each_text!(|$name| $run, short, &short, &text, text.clone(), cow.clone(), &cow,
            Box::<str>::from(short), Arc::<str>::from(short), format!("{}ers", "ord"));
    };
    (|$name:ident| $run:block, $($text:expr),*) => {$(
        let $name = || $text;
        $run
    )*};
}

#[tokio::test]
async fn names_are_whatever_is_text() {
    let (stream, mut peer) = Peer::pair(65_536);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let sent = channel.no_wait();
    for_each_text!(|name| {
        let exchange = ExchangeDeclare::new(name(), name()).alternate_exchange(name());
        soon(sent.exchange_declare(exchange)).await.unwrap();
        soon(sent.exchange_bind(name(), name(), name()))
            .await
            .unwrap();
        soon(sent.exchange_delete(name())).await.unwrap();
        soon(sent.queue_declare(name())).await.unwrap();
        let queue = QueueDeclare::new(name())
            .dead_letter_queue(name())
            .argument(name(), name());
        soon(sent.queue_declare(queue)).await.unwrap();
        soon(sent.queue_bind(name(), name(), name())).await.unwrap();
        soon(sent.queue_delete(name())).await.unwrap();
        soon(channel.basic_publish(name(), name(), "order"))
            .await
            .unwrap();
        for n_names in [3, 3, 1, 1, 4, 3, 1, 2] {
            let shown = peer.next_method(|method| format!("{method:?}")).await;
            assert_eq!(shown.matches("\"orders\"").count(), n_names, "{shown}");
        }
        peer.expect("1 header 5").await;
        peer.expect("1 body 5").await;
    });
}

#[test]
fn options_are_made_of_whatever_is_text_or_a_path() {
    for_each_text!(|name| {
        let options = ConnectionOptions::default()
            .host(name())
            .hosts([(name(), 5672)])
            .hosts([name()])
            .user(name());
        assert_eq!(options.address(), "orders:5672");
        let options = options.virtual_host(name()).connection_name(name());
        let options = options.login(name(), "secret").locale(name());
        assert_eq!(
            options
                .clone()
                .credentials(Credentials::new(name(), "secret")),
            options
        );
        let named = (QueueDelete::new(name()), Binding::new(name()));
        assert_eq!(named, (name().into(), name().into()));
        assert_eq!(ExchangeDelete::new(name()), name().into());
    });
    let secret = String::from("secret");
    let secrets = [
        Secret::from(&secret),
        "secret".into(),
        secret.into(),
        b"secret".into(),
    ];
    assert!(
        secrets
            .iter()
            .all(|same| *same == Cow::from("secret").into())
    );
    let path = PathBuf::from("ca.pem");
    let tls = TlsOptions::default()
        .ca_file("ca.pem")
        .ca_file(String::from("ca.pem"));
    let tls = tls
        .ca_file(&path)
        .ca_file(Path::new("ca.pem"))
        .ca_pem(String::from("PEM"));
    let _ = tls
        .client_certificate(path, "key.pem")
        .key_password(String::from("secret"));
}

#[tokio::test]
async fn bodies_are_text_and_octets_and_messages() {
    let (stream, mut peer) = Peer::pair(65_536);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let message = Message::new(String::from("order")).message_id(String::from("42"));
    let received = ReceivedMessage::new("x", "key", &message).unwrap();
    macro_rules! publish {
        ($($body:expr),*) => {$(
            soon(channel.basic_publish("", "q", $body)).await.unwrap();
            peer.expect("1 basic.publish q").await;
            peer.expect("1 header 5").await;
            peer.expect("1 body 5").await;
        )*};
    }
    publish!(
        "order",
        String::from("order"),
        format!("{}er", "ord"),
        Cow::from("order")
    );
    publish!(
        b"order",
        b"order".as_slice(),
        b"order".to_vec(),
        &b"order".to_vec()
    );
    publish!(
        Bytes::from("order"),
        &message,
        message.clone(),
        message.persistent()
    );
    publish!(&received, received.clone(), received.to_message());
}

#[test]
fn headers_take_everyday_values_and_are_read_as_such() {
    let now = SystemTime::now();
    let names = vec![String::from("a"), String::from("b")];
    let mut table = field_table! {
        "u64" => 7_u64, "usize" => names.len(), "at" => now,
        "text" => String::from("eu"), "list" => FieldArray::from_iter(names),
        "nested" => field_table! { "deep" => true }, "nothing" => None::<String>,
    };
    table.insert(format!("{}-tried", "x"), 3_u32);
    for (n, entry) in (&table).into_iter().enumerate() {
        let (name, value) = entry.unwrap();
        println!("{n} {name:>8} {value}");
    }
    let message = Message::new("")
        .headers(&table)
        .header("i8", 1_i8)
        .header("u8", 1_u8)
        .header("i16", 1_i16)
        .header("u16", 1_u16)
        .header("i32", 1)
        .header("u32", 1_u32)
        .header("i64", 1_i64)
        .header("isize", 1_isize)
        .header(String::from("f32"), 0.5_f32)
        .header("f64", 0.5)
        .header("bool", true)
        .header("text", String::from("eu"))
        .header("octets", vec![1_u8, 2])
        .correlation_id(7.to_string())
        .content_type(Cow::from("text/plain"))
        .timestamp(now - Duration::from_secs(1))
        .expiration(Duration::from_secs(60));
    let key = String::from("orders.eu");
    let received = ReceivedMessage::new("x", &key, &message).unwrap();
    assert!(received.routing_key() == key && key == received.routing_key());
    assert!(received.routing_key() == "orders.eu" && received.exchange() == *"x");
    assert_eq!(
        format!("{:>10}|{:<3}", received.routing_key(), received.exchange()),
        " orders.eu|x  "
    );
    assert_eq!(
        received
            .header(String::from("u64"))
            .and_then(|value| value.as_i64()),
        Some(7)
    );
    assert_eq!(
        received.header("text").and_then(|value| value.as_str()),
        Some("eu")
    );
    assert!(received.timestamp().unwrap() < now);
    let _ = StreamOffset::Timestamp(SystemTime::now() - Duration::from_secs(3600));
}

/// Calls that wait for a broker: that they compile, in a task, is what is tested.
#[expect(dead_code, reason = "compiled only")]
fn calls_take_whatever_is_text(channel: Channel, publisher: Publisher, client: rpc::Client) {
    tokio::spawn(async move {
        let name = format!("orders-{}", 7);
        let connection = Connection::open(format!("amqp://{name}")).await?;
        connection
            .update_secret(name.clone(), format!("renewal of {name}"))
            .await?;
        channel.queue_declare("orders").await?;
        let queues = [
            QueueDeclare::new(&name).durable(),
            QueueDeclare::temporary(),
        ];
        for queue in &queues {
            channel.queue_declare(queue).await?;
        }
        channel
            .queue_bind(&name, Arc::<str>::from("x"), Cow::from("key"))
            .await?;
        channel.basic_get(&name).await?;
        channel.basic_cancel(name.clone()).await?;
        let since = StreamOffset::Timestamp(SystemTime::now() - Duration::from_secs(3600));
        let _consumer = channel
            .consume(&name)
            .tag(format!("{name}-1"))
            .offset(since)
            .await?;
        publisher
            .publish("", &name, format!("order {}", 42))
            .await?;
        client.call("", name.clone(), "30").await?;
        connection
            .close_with(ReplyCode(200), format!("{name} is done"))
            .await?;
        Ok::<(), amqp_client::Error>(())
    });
}
