//! Handles of open connections, and what comes over them.

use std::future::IntoFuture;
use std::sync::Arc;

use amqp_spec::frame::{self};
use amqp_spec::wire::TypedMethod;
use amqp_spec::{basic, channel, connection, field_table, queue, tx};

use super::settings::{message, options};
use super::{BODY, POISON, debug, error, long, peers};
use crate::connection::Limits;
use crate::consume::NextWithin;
use crate::declare::DeclaredQueue;
use crate::event::Event;
use crate::proto::{Core, Interest, Sequel, Transmit};
use crate::tests::handles::rpc::calls::Calling;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{
    Channel, ConnectError, Connection, ConsumeError, PublishError, QueueDeclare, ReceivedMessage,
    rpc,
};

/// A connection that is not opened, for what the broker says.
pub(crate) fn refused() {
    let text = peers();
    let access = connection::Close {
        reply_code: 403,
        reply_text: wire::short(&text),
        class_id: 0,
        method_id: 0,
    };
    let access = wire::method(0, &access);
    let start = || wire::start("PLAIN");
    let answers = [
        vec![wire::start(&long())],
        vec![start(), access.clone()],
        vec![start(), wire::tune(10, 8192, 60), access],
        vec![POISON.as_bytes().to_vec()],
        vec![start(), wire::tune(10, 1, 60)],
        vec![start(), wire::channel_close(7)],
    ];
    for answer in answers {
        let mut pair = Pair::new(&options());
        for octets in answer {
            debug(&pair.core);
            debug(&pair.core.transmit());
            pair.feed(&octets);
        }
        pair.eof();
        error::<ConnectError>(&done(pair.connection.opened()).unwrap_err());
    }
}

/// A connection with one of everything, at a broker that names things as badly as it can.
pub(crate) fn open() {
    let text = peers();
    let mut pair = Pair::new(&options());
    let properties = field_table! { "product" => long().as_str(), "version" => text.as_str() };
    let mechanisms = format!("{text} PLAIN");
    pair.feed(&wire::start_with(&properties, &mechanisms, (0, 9)));
    pair.feed(&wire::tune(10, 8192, 60));
    pair.feed(&wire::open_ok());
    done(pair.connection.opened()).unwrap();
    drop(pair.sent_octets());
    let connection = pair.connection.clone();
    debug::<Connection>(&connection);
    debug::<Limits>(&connection.limits());
    debug(&connection.server_properties());
    debug::<crate::connection::ServerCapabilities>(&connection.server_capabilities());
    debug::<Core>(&pair.core);
    debug::<Interest>(&pair.core.interest());
    debug::<Sequel>(&pair.core.sequel());
    let mut events = connection.events();
    debug::<crate::event::Events>(&events);

    let publisher = pair.publisher();
    let channel = publisher.channel().clone();
    publishing(&mut pair, &publisher, &text);
    consuming(&mut pair, &channel, &text);
    handling(&mut pair, &text);
    debug::<crate::connection::Counters>(&connection.counters());
    calling(&text);
    rolling_back();

    let reason = wire::short(&text);
    pair.says(0, &connection::Blocked { reason });
    debug(&connection.blocked_reason());
    let declaring = Task::start(channel.queue_declare(QueueDeclare::new(text.as_str())));
    pair.feed(&closing(1, &text));
    drop(declaring);
    error(&done(channel.closed()));
    pair.says(
        0,
        &connection::Close {
            reply_code: 541,
            reply_text: reason,
            class_id: 0,
            method_id: 0,
        },
    );
    error(&done(connection.closed()));
    while let Some(event) = done(events.next()) {
        debug::<Event>(&event);
    }
}

pub(crate) fn closing(channel: u16, text: &str) -> Vec<u8> {
    let close = channel::Close {
        reply_code: 404,
        reply_text: wire::short(text),
        class_id: queue::CLASS_ID,
        method_id: 10,
    };
    wire::method(channel, &close)
}

fn publishing(pair: &mut Pair, publisher: &crate::Publisher, text: &str) {
    let channel = publisher.channel();
    let message = message();
    let properties = message.properties().as_ref();
    debug(publisher);
    debug::<Channel>(channel);
    debug::<crate::channel::NoWait<'_>>(&channel.no_wait());
    debug::<crate::publish::PreparedPublish>(&channel.prepare("", text, properties).unwrap());
    debug::<crate::publish::PreparedPublisher>(&publisher.prepare("", text, properties).unwrap());
    let mut returns = channel.returns();
    debug::<crate::event::ReturnedMessages>(&returns);
    let confirmation = done(publisher.send("", text, &message)).unwrap();
    debug::<crate::Confirmation>(&confirmation);
    debug::<Option<&Transmit>>(&pair.core.transmit());
    drop(pair.sent_octets());
    let returned = basic::Return {
        reply_code: 312,
        reply_text: wire::short(text),
        exchange: wire::short(""),
        routing_key: wire::short(text),
    };
    let mut octets = Vec::new();
    let properties = properties.as_bytes();
    let body = BODY.as_bytes();
    frame::encode_content(&mut octets, 1, &returned, properties, body, 8192).unwrap();
    pair.feed(&octets);
    pair.feed(&wire::ack(1, 1, false));
    let back = done(confirmation).unwrap_err();
    assert!(matches!(back, PublishError::Returned(_)), "{back:?}");
    error(&back);
    error(&rpc::Error::from(back));
    pair.feed(&octets);
    debug::<Arc<crate::message::ReturnedMessage>>(&done(returns.next()).unwrap());
    pair.feed(&octets);
}

/// A message of these properties, behind a method.
fn content<'m>(id: u16, with: &impl TypedMethod<'m>) -> Vec<u8> {
    let message = message();
    let mut octets = Vec::new();
    let properties = message.properties().as_ref();
    frame::encode_content(
        &mut octets,
        id,
        with,
        properties.as_bytes(),
        BODY.as_bytes(),
        8192,
    )
    .unwrap();
    octets
}

fn consuming(pair: &mut Pair, channel: &Channel, text: &str) {
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::default()));
    drop(pair.sent_octets());
    pair.feed(&wire::declare_ok(1, text));
    debug::<DeclaredQueue>(&declaring.ready().unwrap());
    debug::<crate::consume::Consume>(&channel.consume(text).tag(text));
    let mut starting = Task::start(channel.consume(text).tag(text).into_future());
    drop(pair.sent_octets());
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, text));
    let mut consumer = starting.ready().unwrap();
    debug::<crate::Consumer>(&consumer);
    debug(&consumer.tag());
    let deliver = basic::Deliver {
        exchange: wire::short(text),
        routing_key: wire::short(text),
        ..wire::deliver(text, 1)
    };
    pair.feed(&content(1, &deliver));
    let delivery = done(consumer.next()).unwrap().unwrap();
    assert_eq!(delivery.body(), BODY.as_bytes());
    debug::<ReceivedMessage>(delivery.received());
    debug::<crate::Delivery>(&delivery);
    debug(&NextWithin::Delivery(delivery));
    let mut getting = Task::start(channel.basic_get(text));
    drop(pair.sent_octets());
    let got = basic::GetOk {
        exchange: wire::short(text),
        routing_key: wire::short(text),
        ..wire::get_ok(2)
    };
    pair.feed(&content(1, &got));
    debug::<Option<crate::consume::Fetched>>(&getting.ready().unwrap());
    let consumer_tag = wire::short(text);
    let no_wait = true;
    pair.says(
        1,
        &basic::Cancel {
            consumer_tag,
            no_wait,
        },
    );
    error::<ConsumeError>(&done(consumer.next()).unwrap().unwrap_err());
}

/// Handlers and a server whose channels the broker closes.
fn handling(pair: &mut Pair, text: &str) {
    drop(pair.sent_octets());
    let channel = pair.channel();
    let id = channel.id();
    let consumer = pair.consumer(&channel, "tag");
    let handling = consumer.handle(async |_: ReceivedMessage| Ok::<(), String>(()));
    debug::<crate::consume::HandlerRun<_, _>>(&handling);
    let mut running = Task::start(handling);
    pair.feed(&content(id, &wire::deliver("tag", 1)));
    assert!(running.run().is_pending());
    pair.feed(&closing(id, text));
    debug::<crate::consume::HandlerSummary>(&running.ready());
    drop(pair.sent_octets());
    let publisher = pair.publisher();
    let channel = publisher.channel().clone();
    let id = channel.id();
    let server = rpc::Server::new(pair.consumer(&channel, "tag"), publisher);
    debug(&server);
    let mut running = Task::start(server.serve(async |_: ReceivedMessage| message()));
    assert!(running.run().is_pending());
    pair.feed(&closing(id, text));
    debug::<rpc::ServeSummary>(&running.ready());
}

/// Calls that are not answered.
fn calling(text: &str) {
    let calling = Calling::new();
    debug::<rpc::OpenClient>(&rpc::Client::open(&calling.pair.connection));
    debug::<rpc::Client>(&calling.client);
    debug::<rpc::Counters>(&calling.client.counters());
    debug::<rpc::Call<'_>>(&calling.client.call("", text, message()));
}

/// A transaction over more than anyone wants to read of.
fn rolling_back() {
    let (mut pair, channel) = Pair::with_channel();
    let mut selecting = Task::start(channel.tx_select());
    drop(pair.sent_octets());
    pair.says(1, &tx::SelectOk {});
    selecting.ready().unwrap();
    let mut consumer = pair.consumer(&channel, "tag");
    for delivery in pair.deliver(&mut consumer, 1..=2000) {
        delivery.ack().unwrap();
    }
    let mut rolling_back = Task::start(channel.tx_rollback());
    drop(pair.sent_octets());
    pair.says(1, &tx::RollbackOk {});
    let rolled_back = rolling_back.ready().unwrap();
    assert_eq!(rolled_back.delivery_tags().len(), 2000);
    debug::<crate::channel::RolledBack>(&rolled_back);
}
