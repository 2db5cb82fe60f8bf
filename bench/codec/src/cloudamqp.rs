//! The registry's `amqp-client` 0.1.0.

use bytes::{Buf as _, Bytes, BytesMut};
use cloudamqp_codec::protocol::frame::{ContentHeader, Frame};
use cloudamqp_codec::protocol::method::{MethodFrame, basic};
use cloudamqp_codec::protocol::properties::BasicProperties;
use cloudamqp_codec::protocol::table::{FieldValue, Table};
use cloudamqp_codec::protocol::types::{AmqpDecode as _, LongStr, ShortStr};

use crate::{CHANNEL, Codec, EXCHANGE, Entry, Kind, Message, ROUTING_KEY, Stream, Sum, TABLE, six};

/// The registry's `amqp-client` 0.1.0.
#[derive(Debug)]
pub struct Cloudamqp {
    exchange: ShortStr,
    routing_key: ShortStr,
    properties: BasicProperties,
    kind: Kind,
    body: Bytes,
    frames: Option<[Frame; 3]>,
    buf: BytesMut,
}

impl Codec for Cloudamqp {
    const NAME: &'static str = "amqp-client 0.1.0";

    fn new(message: &Message) -> Self {
        let mut codec = Self {
            exchange: short(EXCHANGE),
            routing_key: short(ROUTING_KEY),
            properties: properties(message.properties),
            kind: message.properties,
            body: vec![b'x'; message.body].into(),
            frames: None,
            buf: BytesMut::with_capacity(4096),
        };
        codec.frames = Some(codec.make_frames());
        codec
    }

    fn publish_made(&mut self) -> &[u8] {
        self.properties = properties(self.kind);
        self.publish()
    }

    fn publish(&mut self) -> &[u8] {
        self.buf.clear();
        for frame in self.make_frames() {
            frame.encode(&mut self.buf);
        }
        &self.buf
    }

    fn encode(&mut self) -> &[u8] {
        self.buf.clear();
        for frame in self.frames.iter().flatten() {
            frame.encode(&mut self.buf);
        }
        &self.buf
    }

    fn decode(stream: &Stream) -> Sum {
        let (mut bytes, mut sum) = (stream.bytes.clone(), 0);
        while bytes.has_remaining() {
            sum += match Frame::decode(&mut bytes).expect("a frame") {
                Frame::Method(_, MethodFrame::BasicDeliver(deliver)) => {
                    let strings = deliver.consumer_tag.len()
                        + deliver.exchange.len()
                        + deliver.routing_key.len();
                    deliver.delivery_tag + u64::from(deliver.redelivered) + strings as u64
                }
                Frame::Method(..) => panic!("not a delivery"),
                Frame::Header(_, header) => {
                    header.body_size + u64::from(header.properties.delivery_mode.unwrap_or(0))
                }
                Frame::Body(_, body) => body.len() as u64,
                Frame::Heartbeat => 0,
            };
        }
        sum
    }

    fn read_table(table: &[u8]) -> Sum {
        // It reads from `Bytes` alone; in a connection the copy was made by whoever filled them.
        let table = Table::decode(&mut Bytes::copy_from_slice(table)).expect("a table");
        let value_sum = |value: &FieldValue| match value {
            FieldValue::Boolean(value) => u64::from(*value),
            FieldValue::LongInt(value) => value.unsigned_abs().into(),
            FieldValue::LongStr(value) => value.as_bytes().len() as u64,
            _ => 0,
        };
        table
            .iter()
            .map(|(name, value)| name.len() as u64 + value_sum(value))
            .sum()
    }
}

impl Cloudamqp {
    fn make_frames(&self) -> [Frame; 3] {
        let publish = basic::Publish {
            exchange: self.exchange.clone(),
            routing_key: self.routing_key.clone(),
            mandatory: false,
            immediate: false,
        };
        let (body_size, properties) = (self.body.len() as u64, self.properties.clone());
        let header = ContentHeader {
            class_id: 60,
            body_size,
            properties,
        };
        [
            Frame::Method(CHANNEL, MethodFrame::BasicPublish(publish)),
            Frame::Header(CHANNEL, Box::new(header)),
            Frame::Body(CHANNEL, self.body.clone()),
        ]
    }
}

fn properties(kind: Kind) -> BasicProperties {
    let mut properties = BasicProperties::new();
    match kind {
        Kind::None => {}
        Kind::One => properties.delivery_mode = Some(2),
        Kind::Six => {
            properties.content_type = Some(short(six::CONTENT_TYPE));
            properties.delivery_mode = Some(six::DELIVERY_MODE);
            properties.correlation_id = Some(short(six::CORRELATION_ID));
            properties.reply_to = Some(short(six::REPLY_TO));
            properties.message_id = Some(short(six::MESSAGE_ID));
            properties.timestamp = Some(six::TIMESTAMP);
        }
        Kind::Table => properties.headers = Some(table()),
    }
    properties
}

fn short(text: &str) -> ShortStr {
    ShortStr::try_from(text).expect("short")
}

fn table() -> Table {
    let value = |entry| match entry {
        Entry::Int(value) => FieldValue::LongInt(value),
        Entry::Bool(value) => FieldValue::Boolean(value),
        Entry::Text(value) => FieldValue::LongStr(LongStr::from(value)),
    };
    TABLE
        .into_iter()
        .map(|(name, entry)| (short(name), value(entry)))
        .collect()
}
