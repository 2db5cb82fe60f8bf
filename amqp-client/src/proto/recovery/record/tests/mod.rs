//! The record by itself: what it has after which requests.

mod cascade;
mod hostile;
mod identity;
mod model;
mod names;
mod restored;

use amqp_spec::wire::{FieldTable, ShortStr, TypedMethod};
use amqp_spec::{Method, exchange, queue};

use super::{Entry, Extent, Record};

fn short(text: &str) -> ShortStr<'_> {
    text.try_into().unwrap()
}

fn payload<'m>(method: &impl TypedMethod<'m>) -> Vec<u8> {
    let mut payload = Vec::new();
    method.encode(&mut payload);
    payload
}

fn exchange(name: &str) -> exchange::Declare<'_> {
    exchange::Declare {
        exchange: short(name),
        type_: short("topic"),
        durable: true,
        ..Default::default()
    }
}

fn auto_delete_exchange(name: &str) -> exchange::Declare<'_> {
    exchange::Declare {
        auto_delete: true,
        ..exchange(name)
    }
}

fn queue(name: &str) -> queue::Declare<'_> {
    queue::Declare {
        queue: short(name),
        durable: true,
        ..Default::default()
    }
}

fn bind<'a>(queue: &'a str, exchange: &'a str, key: &'a str) -> queue::Bind<'a> {
    queue::Bind {
        queue: short(queue),
        exchange: short(exchange),
        routing_key: short(key),
        ..Default::default()
    }
}

fn unbind<'a>(queue: &'a str, exchange: &'a str, key: &'a str) -> queue::Unbind<'a> {
    queue::Unbind {
        queue: short(queue),
        exchange: short(exchange),
        routing_key: short(key),
        ..Default::default()
    }
}

fn bind_exchange<'a>(to: &'a str, from: &'a str, key: &'a str) -> exchange::Bind<'a> {
    exchange::Bind {
        destination: short(to),
        source: short(from),
        routing_key: short(key),
        ..Default::default()
    }
}

fn unbind_exchange<'a>(to: &'a str, from: &'a str, key: &'a str) -> exchange::Unbind<'a> {
    exchange::Unbind {
        destination: short(to),
        source: short(from),
        routing_key: short(key),
        ..Default::default()
    }
}

fn delete_queue(name: &str) -> queue::Delete<'_> {
    queue::Delete {
        queue: short(name),
        ..Default::default()
    }
}

fn delete_exchange(name: &str) -> exchange::Delete<'_> {
    exchange::Delete {
        exchange: short(name),
        ..Default::default()
    }
}

/// The broker has done this, without a word.
fn done<'m>(record: &mut Record, method: &impl TypedMethod<'m>) {
    record.answered(&payload(method), b"");
}

/// The broker has given a queue this name.
fn given(record: &mut Record, declare: &queue::Declare<'_>, name: &str) {
    let ok = queue::DeclareOk {
        queue: short(name),
        ..Default::default()
    };
    record.answered(&payload(declare), &payload(&ok));
}

/// What would be restored, in words.
fn all(record: &Record) -> Vec<String> {
    let entries = record.entries(Extent::All, |_| true);
    entries.iter().map(in_words).collect()
}

/// `queue a`, `bind a <- x k`: of what is sent.
fn in_words(entry: &Entry) -> String {
    let words = match Method::decode(&entry.method).unwrap() {
        Method::ExchangeDeclare(declare) => format!("exchange {}", declare.exchange),
        Method::QueueDeclare(declare) => format!("queue {}", declare.queue),
        Method::ExchangeBind(bind) => format!(
            "bind exchange {} <- {} {}{}",
            bind.destination,
            bind.source,
            bind.routing_key,
            arguments(&bind.arguments.to_owned())
        ),
        Method::QueueBind(bind) => format!(
            "bind {} <- {} {}{}",
            bind.queue,
            bind.exchange,
            bind.routing_key,
            arguments(&bind.arguments.to_owned())
        ),
        other => panic!("{other:?} restores nothing"),
    };
    words.trim_end().to_owned()
}

fn arguments(table: &FieldTable) -> String {
    if table.is_empty() {
        String::new()
    } else {
        format!(" {table:?}")
    }
}
