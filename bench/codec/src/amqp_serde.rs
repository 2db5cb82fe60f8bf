//! `amqp_serde`, the codec of `amqprs`.
//!
//! It turns single values into octets; the frames around them are made as amqprs makes them, which
//! keeps its own to itself, except that the body is not copied when it is read.

use amqp_serde::types::{FieldTable, FieldValue, ShortStr};
use amqp_serde::{from_bytes, to_buffer};
use amqprs::BasicProperties;
use bytes::BytesMut;
use serde::{Deserialize, Serialize};

use crate::{CHANNEL, Codec, EXCHANGE, Entry, Kind, Message, ROUTING_KEY, Stream, Sum, TABLE, six};

#[derive(Debug, Deserialize, Serialize)]
struct FrameHeader {
    frame_type: u8,
    channel: u16,
    payload_size: u32,
}

#[derive(Debug, Deserialize, Serialize)]
struct MethodHeader {
    class_id: u16,
    method_id: u16,
}

#[derive(Debug, Serialize)]
struct Publish {
    ticket: u16,
    exchange: ShortStr,
    routing_key: ShortStr,
    bits: u8,
}

#[derive(Debug, Deserialize)]
struct Deliver {
    consumer_tag: ShortStr,
    delivery_tag: u64,
    redelivered: bool,
    exchange: ShortStr,
    routing_key: ShortStr,
}

#[derive(Debug, Deserialize, Serialize)]
struct ContentHeaderCommon {
    class: u16,
    weight: u16,
    body_size: u64,
}

/// `amqp_serde`.
#[derive(Debug)]
pub struct AmqpSerde {
    method: (MethodHeader, Publish),
    header: (ContentHeaderCommon, BasicProperties),
    kind: Kind,
    body: Vec<u8>,
    buf: BytesMut,
}

impl Codec for AmqpSerde {
    const NAME: &'static str = "amqp_serde";

    fn new(message: &Message) -> Self {
        let body_size = message.body as u64;
        Self {
            method: (
                MethodHeader {
                    class_id: 60,
                    method_id: 40,
                },
                Publish {
                    ticket: 0,
                    exchange: EXCHANGE.try_into().expect("short"),
                    routing_key: ROUTING_KEY.try_into().expect("short"),
                    bits: 0,
                },
            ),
            header: (
                ContentHeaderCommon {
                    class: 60,
                    weight: 0,
                    body_size,
                },
                properties(message.properties),
            ),
            kind: message.properties,
            body: vec![b'x'; message.body],
            buf: BytesMut::with_capacity(4096),
        }
    }

    fn publish_made(&mut self) -> &[u8] {
        self.header.1 = properties(self.kind);
        self.publish()
    }

    fn publish(&mut self) -> &[u8] {
        // The rest is borrowed or plain numbers: the strings of the method are all there is to
        // make.
        let Publish {
            exchange,
            routing_key,
            ..
        } = &self.method.1;
        let (exchange, routing_key) = (exchange.clone(), routing_key.clone());
        self.method.1 = Publish {
            ticket: 0,
            exchange,
            routing_key,
            bits: 0,
        };
        self.encode()
    }

    fn encode(&mut self) -> &[u8] {
        self.buf.clear();
        frame(1, &self.method, &mut self.buf);
        frame(2, &self.header, &mut self.buf);
        let payload_size = self.body.len() as u32;
        let header = FrameHeader {
            frame_type: 3,
            channel: CHANNEL,
            payload_size,
        };
        to_buffer(&header, &mut self.buf).expect("a buffer takes everything");
        self.buf.extend_from_slice(&self.body);
        self.buf.extend_from_slice(&[0xce]);
        &self.buf
    }

    fn decode(stream: &Stream) -> Sum {
        let (mut rest, mut sum) = (&stream.octets[..], 0);
        while !rest.is_empty() {
            let header: FrameHeader = from_bytes(&rest[..7]).expect("a frame");
            let len = header.payload_size as usize;
            let payload = &rest[7..7 + len];
            assert_eq!(rest[7 + len], 0xce);
            rest = &rest[len + 8..];
            sum += match header.frame_type {
                1 => {
                    let id: MethodHeader = from_bytes(&payload[..4]).expect("a method");
                    assert_eq!((id.class_id, id.method_id), (60, 60));
                    let deliver: Deliver = from_bytes(&payload[4..]).expect("a delivery");
                    let strings = deliver.consumer_tag.as_ref().len()
                        + deliver.exchange.as_ref().len()
                        + deliver.routing_key.as_ref().len();
                    deliver.delivery_tag + u64::from(deliver.redelivered) + strings as u64
                }
                2 => {
                    let header: ContentHeaderCommon = from_bytes(&payload[..12]).expect("a header");
                    let properties: BasicProperties =
                        from_bytes(&payload[12..]).expect("properties");
                    assert_eq!((header.class, header.weight), (60, 0));
                    header.body_size + u64::from(properties.delivery_mode().unwrap_or(0))
                }
                3 => payload.len() as u64,
                _ => panic!("not a delivery"),
            };
        }
        sum
    }

    fn read_table(table: &[u8]) -> Sum {
        let table: FieldTable = from_bytes(table).expect("a table");
        let value_sum = |value: &FieldValue| match value {
            FieldValue::t(value) => u64::from(*value),
            FieldValue::I(value) => value.unsigned_abs().into(),
            FieldValue::S(value) => value.as_ref().len() as u64,
            _ => 0,
        };
        let entries = table.as_ref().iter();
        entries
            .map(|(name, value)| name.as_ref().len() as u64 + value_sum(value))
            .sum()
    }
}

fn properties(kind: Kind) -> BasicProperties {
    let mut properties = BasicProperties::default();
    match kind {
        Kind::None => {}
        Kind::One => {
            properties.with_delivery_mode(2);
        }
        Kind::Six => {
            properties
                .with_content_type(six::CONTENT_TYPE)
                .with_delivery_mode(six::DELIVERY_MODE)
                .with_correlation_id(six::CORRELATION_ID)
                .with_reply_to(six::REPLY_TO)
                .with_message_id(six::MESSAGE_ID)
                .with_timestamp(six::TIMESTAMP);
        }
        Kind::Table => {
            properties.with_headers(table());
        }
    }
    properties
}

/// A frame as amqprs writes it: the header with a size of zero, the payload, then the size again.
fn frame(frame_type: u8, payload: &impl Serialize, buf: &mut BytesMut) {
    let start = buf.len();
    let header = FrameHeader {
        frame_type,
        channel: CHANNEL,
        payload_size: 0,
    };
    to_buffer(&header, buf).expect("a buffer takes everything");
    let size = to_buffer(payload, buf).expect("a buffer takes everything");
    buf[start + 3..start + 7].copy_from_slice(&(size as u32).to_be_bytes());
    buf.extend_from_slice(&[0xce]);
}

fn table() -> FieldTable {
    let mut table = FieldTable::new();
    for (name, entry) in TABLE {
        let value = match entry {
            Entry::Int(value) => FieldValue::I(value),
            Entry::Bool(value) => FieldValue::t(value),
            Entry::Text(value) => FieldValue::S(value.try_into().expect("it fits")),
        };
        table.insert(name.try_into().expect("short"), value);
    }
    table
}
