//! `amqp-spec`.

use amqp_spec::basic::{Deliver, Properties, PropertiesRef, Publish};
use amqp_spec::frame::{self, ContentHeader, FrameKind};
use amqp_spec::short_str;
use amqp_spec::wire::{FieldTable, Reader, ShortStr, TableRef, Timestamp, TypedMethod as _, Value};

use crate::{
    CHANNEL, Codec, EXCHANGE, Entry, FRAME_MAX, Kind, Message, ROUTING_KEY, Stream, Sum, TABLE, six,
};

/// `amqp-spec`.
#[derive(Debug)]
pub struct Ours {
    exchange: ShortStr<'static>,
    routing_key: ShortStr<'static>,
    properties: Properties,
    kind: Kind,
    body: Vec<u8>,
    buf: Vec<u8>,
}

impl Codec for Ours {
    const NAME: &'static str = "amqp-spec";

    fn new(message: &Message) -> Self {
        Self {
            exchange: short_str!(EXCHANGE),
            routing_key: short_str!(ROUTING_KEY),
            properties: properties(message.properties),
            kind: message.properties,
            body: vec![b'x'; message.body],
            buf: Vec::with_capacity(4096),
        }
    }

    /// There are no frames to keep: a message is always encoded from its parts.
    fn encode(&mut self) -> &[u8] {
        self.publish()
    }

    fn publish_made(&mut self) -> &[u8] {
        self.properties = properties(self.kind);
        self.publish()
    }

    fn publish(&mut self) -> &[u8] {
        let Self {
            exchange,
            routing_key,
            properties,
            body,
            buf,
            ..
        } = self;
        buf.clear();
        let (exchange, routing_key) = (*exchange, *routing_key);
        let publish = Publish {
            exchange,
            routing_key,
            ..Publish::default()
        };
        frame::encode_content(
            buf,
            CHANNEL,
            &publish,
            properties.as_bytes(),
            body,
            FRAME_MAX,
        )
        .expect("it fits");
        buf
    }

    fn decode(stream: &Stream) -> Sum {
        let (mut rest, mut sum) = (&stream.octets[..], 0);
        while let Ok(Some((frame, used))) = frame::decode(rest, FRAME_MAX) {
            rest = &rest[used..];
            sum += match frame.kind {
                FrameKind::Method => {
                    deliver_sum(&Deliver::decode(frame.payload).expect("a delivery"))
                }
                FrameKind::Header => {
                    let header = ContentHeader::decode(frame.payload).expect("a header");
                    let properties =
                        PropertiesRef::decode(header.properties).expect("a list of properties");
                    header.body_size + u64::from(properties.delivery_mode().unwrap_or(0))
                }
                FrameKind::Body => frame.payload.len() as u64,
                FrameKind::Heartbeat => 0,
            };
        }
        sum
    }

    fn read_table(table: &[u8]) -> Sum {
        let table = Reader::new(table).table("table").expect("a table");
        table
            .iter()
            .map(|entry| entry_sum(entry.expect("well-formed")))
            .sum()
    }
}

fn deliver_sum(deliver: &Deliver<'_>) -> Sum {
    let strings = deliver.consumer_tag.len() + deliver.exchange.len() + deliver.routing_key.len();
    deliver.delivery_tag + u64::from(deliver.redelivered) + strings as u64
}

fn entry_sum((name, value): (ShortStr<'_>, Value<'_>)) -> Sum {
    name.len() as u64
        + match value {
            Value::Bool(value) => u64::from(value),
            Value::I32(value) => value.unsigned_abs().into(),
            Value::LongString(value) => value.len() as u64,
            _ => 0,
        }
}

fn properties(kind: Kind) -> Properties {
    let properties = Properties::new();
    match kind {
        Kind::None => properties,
        Kind::One => properties.delivery_mode(2),
        Kind::Six => properties
            .content_type(short_str!(six::CONTENT_TYPE))
            .delivery_mode(six::DELIVERY_MODE)
            .correlation_id(short_str!(six::CORRELATION_ID))
            .reply_to(short_str!(six::REPLY_TO))
            .message_id(short_str!(six::MESSAGE_ID))
            .timestamp(Timestamp(six::TIMESTAMP)),
        Kind::Table => properties.headers(table().as_ref()),
    }
}

/// The header table.
pub fn table() -> FieldTable {
    let mut table = FieldTable::new();
    for (name, entry) in TABLE {
        let name = ShortStr::literal(name);
        match entry {
            Entry::Int(value) => table.insert(name, value),
            Entry::Bool(value) => table.insert(name, value),
            Entry::Text(value) => table.insert(name, value),
        }
    }
    assert!(!TableRef::is_empty(table.as_ref()));
    table
}
