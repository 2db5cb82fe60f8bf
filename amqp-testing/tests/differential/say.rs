//! What probes say: methods with what nearly all of them share, and whole messages as octets.

use amqp_spec::wire::{FieldTable, LongStr, ShortStr, TableRef};
use amqp_spec::{basic, connection, exchange, field_table, frame, queue};
use amqp_testing::frames::{self, DEFAULT_FRAME_MAX};

pub(crate) fn short(text: &str) -> ShortStr<'_> {
    ShortStr::new(text.as_bytes()).unwrap()
}

/// What RabbitMQ proposes, without heartbeats.
pub(crate) fn tune_ok() -> connection::TuneOk {
    connection::TuneOk {
        channel_max: 2047,
        frame_max: 131_072,
        heartbeat: 0,
    }
}

/// The capabilities that clients announce.
pub(crate) fn client_properties() -> FieldTable {
    let capabilities = field_table! {
        "authentication_failure_close" => true,
        "basic.nack" => true,
        "connection.blocked" => true,
        "consumer_cancel_notify" => true,
        "publisher_confirms" => true,
    };
    field_table! { "product" => "probe", "capabilities" => &capabilities }
}

/// The frame of a `start-ok` by PLAIN.
pub(crate) fn start_ok(user: &str, password: &str) -> Vec<u8> {
    let response = format!("\0{user}\0{password}");
    start_ok_with("PLAIN", response.as_bytes(), &client_properties())
}

/// The frame of any `start-ok`.
pub(crate) fn start_ok_with(mechanism: &str, response: &[u8], properties: &FieldTable) -> Vec<u8> {
    let method = connection::StartOk {
        client_properties: properties.as_ref(),
        mechanism: short(mechanism),
        response: LongStr::new(response).unwrap(),
        locale: short("en_US"),
    };
    frames::method(0, &method)
}

/// The frame of a `connection.open`.
pub(crate) fn open(vhost: &str) -> Vec<u8> {
    let method = connection::Open {
        virtual_host: short(vhost),
    };
    frames::method(0, &method)
}

pub(crate) fn declare(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        queue: short(queue),
        ..Default::default()
    }
}

pub(crate) fn declare_with<'a>(queue: &'a str, arguments: &'a FieldTable) -> queue::Declare<'a> {
    queue::Declare {
        arguments: arguments.as_ref(),
        ..declare(queue)
    }
}

pub(crate) fn passive(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        passive: true,
        ..declare(queue)
    }
}

pub(crate) fn exclusive(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        exclusive: true,
        ..declare(queue)
    }
}

pub(crate) fn durable(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        durable: true,
        ..declare(queue)
    }
}

pub(crate) fn auto_delete(queue: &str) -> queue::Declare<'_> {
    queue::Declare {
        auto_delete: true,
        ..declare(queue)
    }
}

pub(crate) fn delete(queue: &str) -> queue::Delete<'_> {
    queue::Delete {
        queue: short(queue),
        ..Default::default()
    }
}

pub(crate) fn purge(queue: &str) -> queue::Purge<'_> {
    queue::Purge {
        queue: short(queue),
        ..Default::default()
    }
}

pub(crate) fn bind<'a>(queue: &'a str, exchange: &'a str, key: &'a str) -> queue::Bind<'a> {
    queue::Bind {
        queue: short(queue),
        exchange: short(exchange),
        routing_key: short(key),
        ..Default::default()
    }
}

pub(crate) fn unbind<'a>(queue: &'a str, exchange: &'a str, key: &'a str) -> queue::Unbind<'a> {
    queue::Unbind {
        queue: short(queue),
        exchange: short(exchange),
        routing_key: short(key),
        arguments: TableRef::default(),
    }
}

pub(crate) fn exchange<'a>(exchange: &'a str, kind: &'a str) -> exchange::Declare<'a> {
    exchange::Declare {
        exchange: short(exchange),
        type_: short(kind),
        ..Default::default()
    }
}

pub(crate) fn delete_exchange(exchange: &str) -> exchange::Delete<'_> {
    exchange::Delete {
        exchange: short(exchange),
        ..Default::default()
    }
}

/// A consumer with acknowledgements.
pub(crate) fn consume<'a>(queue: &'a str, tag: &'a str) -> basic::Consume<'a> {
    basic::Consume {
        queue: short(queue),
        consumer_tag: short(tag),
        ..Default::default()
    }
}

pub(crate) fn cancel(tag: &str) -> basic::Cancel<'_> {
    basic::Cancel {
        consumer_tag: short(tag),
        ..Default::default()
    }
}

/// A fetch whose message is to be acknowledged.
pub(crate) fn get(queue: &str) -> basic::Get<'_> {
    basic::Get {
        queue: short(queue),
        no_ack: false,
    }
}

/// A fetch whose message is gone with it.
pub(crate) fn take(queue: &str) -> basic::Get<'_> {
    basic::Get {
        queue: short(queue),
        no_ack: true,
    }
}

pub(crate) fn qos(prefetch_count: u16) -> basic::Qos {
    basic::Qos {
        prefetch_count,
        ..Default::default()
    }
}

pub(crate) fn ack(delivery_tag: u64, multiple: bool) -> basic::Ack {
    basic::Ack {
        delivery_tag,
        multiple,
    }
}

pub(crate) fn nack(delivery_tag: u64, multiple: bool, requeue: bool) -> basic::Nack {
    basic::Nack {
        delivery_tag,
        multiple,
        requeue,
    }
}

pub(crate) fn reject(delivery_tag: u64, requeue: bool) -> basic::Reject {
    basic::Reject {
        delivery_tag,
        requeue,
    }
}

/// The frames of a message without properties.
pub(crate) fn message(channel: u16, exchange: &str, key: &str, body: &str) -> Vec<u8> {
    message_with(channel, exchange, key, &basic::Properties::new(), body)
}

/// The frames of a message that comes back if no queue takes it.
pub(crate) fn mandatory(channel: u16, exchange: &str, key: &str, body: &str) -> Vec<u8> {
    let method = basic::Publish {
        mandatory: true,
        ..publish(exchange, key)
    };
    content(channel, &method, &basic::Properties::new(), body)
}

/// The frames of a message.
pub(crate) fn message_with(
    channel: u16,
    exchange: &str,
    key: &str,
    properties: &basic::Properties,
    body: &str,
) -> Vec<u8> {
    content(channel, &publish(exchange, key), properties, body)
}

pub(crate) fn publish<'a>(exchange: &'a str, key: &'a str) -> basic::Publish<'a> {
    basic::Publish {
        exchange: short(exchange),
        routing_key: short(key),
        ..Default::default()
    }
}

pub(crate) fn content(
    channel: u16,
    method: &basic::Publish<'_>,
    properties: &basic::Properties,
    body: &str,
) -> Vec<u8> {
    frames::content(
        channel,
        method,
        properties,
        body.as_bytes(),
        DEFAULT_FRAME_MAX,
    )
}

/// The frame of a method, to be sent in one segment with others.
pub(crate) use amqp_testing::frames::method;

/// The eight octets with which a client begins.
pub(crate) const HEADER: [u8; 8] = frame::PROTOCOL_HEADER;

pub(crate) fn recover() -> basic::Recover {
    basic::Recover { requeue: true }
}

pub(crate) fn bind_exchange<'a>(
    destination: &'a str,
    source: &'a str,
    key: &'a str,
) -> exchange::Bind<'a> {
    exchange::Bind {
        destination: short(destination),
        source: short(source),
        routing_key: short(key),
        ..Default::default()
    }
}

pub(crate) fn unbind_exchange<'a>(
    destination: &'a str,
    source: &'a str,
    key: &'a str,
) -> exchange::Unbind<'a> {
    exchange::Unbind {
        destination: short(destination),
        source: short(source),
        routing_key: short(key),
        ..Default::default()
    }
}
