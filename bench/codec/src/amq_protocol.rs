//! `amq-protocol`, the codec of `lapin`.

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::basic::{AMQPMethod, AMQPProperties, Publish};
use amq_protocol::protocol::{AMQPClass, BasicProperties};
use amq_protocol::types::parsing::parse_field_table;
use amq_protocol::types::{AMQPValue, FieldTable, LongString, ShortString};

use crate::{CHANNEL, Codec, EXCHANGE, Entry, Kind, Message, ROUTING_KEY, Stream, Sum, TABLE, six};

/// `amq-protocol`.
#[derive(Debug)]
pub struct AmqProtocol {
    exchange: ShortString,
    routing_key: ShortString,
    properties: AMQPProperties,
    kind: Kind,
    body: Vec<u8>,
    frames: Option<[AMQPFrame; 3]>,
    buf: Vec<u8>,
}

impl Codec for AmqProtocol {
    const NAME: &'static str = "amq-protocol";

    fn new(message: &Message) -> Self {
        let mut codec = Self {
            exchange: EXCHANGE.into(),
            routing_key: ROUTING_KEY.into(),
            properties: properties(message.properties),
            kind: message.properties,
            body: vec![b'x'; message.body],
            frames: None,
            buf: Vec::with_capacity(4096),
        };
        codec.frames = Some(codec.make_frames());
        codec
    }

    fn publish_made(&mut self) -> &[u8] {
        self.properties = properties(self.kind);
        self.publish()
    }

    fn publish(&mut self) -> &[u8] {
        let frames = self.make_frames();
        write(&frames, &mut self.buf)
    }

    fn encode(&mut self) -> &[u8] {
        write(self.frames.as_ref().expect("made by `new`"), &mut self.buf)
    }

    fn decode(stream: &Stream) -> Sum {
        let (mut rest, mut sum) = (&stream.octets[..], 0);
        while !rest.is_empty() {
            let (behind, frame) = parse_frame(rest).expect("a frame");
            rest = behind;
            sum += match frame {
                AMQPFrame::Method(_, AMQPClass::Basic(AMQPMethod::Deliver(deliver))) => {
                    let strings = deliver.consumer_tag.as_str().len()
                        + deliver.exchange.as_str().len()
                        + deliver.routing_key.as_str().len();
                    deliver.delivery_tag + u64::from(deliver.redelivered) + strings as u64
                }
                AMQPFrame::Header(_, header) => {
                    header.body_size + u64::from(header.properties.delivery_mode().unwrap_or(0))
                }
                AMQPFrame::Body(_, body) => body.len() as u64,
                _ => panic!("not a delivery"),
            };
        }
        sum
    }

    fn read_table(table: &[u8]) -> Sum {
        let (_, table) = parse_field_table(table).expect("a table");
        let value_sum = |value: &AMQPValue| match value {
            AMQPValue::Boolean(value) => u64::from(*value),
            AMQPValue::LongInt(value) => value.unsigned_abs().into(),
            AMQPValue::LongString(value) => value.as_bytes().len() as u64,
            _ => 0,
        };
        let entries = table.inner().iter();
        entries
            .map(|(name, value)| name.as_str().len() as u64 + value_sum(value))
            .sum()
    }
}

fn properties(kind: Kind) -> AMQPProperties {
    let properties = BasicProperties::default();
    match kind {
        Kind::None => properties,
        Kind::One => properties.with_delivery_mode(2),
        Kind::Six => properties
            .with_content_type(six::CONTENT_TYPE.into())
            .with_delivery_mode(six::DELIVERY_MODE)
            .with_correlation_id(six::CORRELATION_ID.into())
            .with_reply_to(six::REPLY_TO.into())
            .with_message_id(six::MESSAGE_ID.into())
            .with_timestamp(six::TIMESTAMP),
        Kind::Table => properties.with_headers(table()),
    }
}

impl AmqProtocol {
    fn make_frames(&self) -> [AMQPFrame; 3] {
        let publish = Publish {
            exchange: self.exchange.clone(),
            routing_key: self.routing_key.clone(),
            mandatory: false,
            immediate: false,
        };
        let (body_size, properties) = (self.body.len() as u64, self.properties.clone());
        let header = AMQPContentHeader {
            class_id: 60,
            body_size,
            properties,
        };
        [
            AMQPFrame::Method(CHANNEL, AMQPClass::Basic(AMQPMethod::Publish(publish))),
            AMQPFrame::Header(CHANNEL, header),
            AMQPFrame::Body(CHANNEL, self.body.clone()),
        ]
    }
}

fn write<'b>(frames: &[AMQPFrame; 3], buf: &'b mut Vec<u8>) -> &'b [u8] {
    let mut taken = std::mem::take(buf);
    taken.clear();
    let mut context = WriteContext::from(taken);
    for frame in frames {
        context = gen_frame(frame)(context).expect("a vector takes everything");
    }
    *buf = context.into_inner().0;
    buf
}

fn table() -> FieldTable {
    let mut table = FieldTable::default();
    for (name, entry) in TABLE {
        let value = match entry {
            Entry::Int(value) => AMQPValue::LongInt(value),
            Entry::Bool(value) => AMQPValue::Boolean(value),
            Entry::Text(value) => AMQPValue::LongString(LongString::from(value)),
        };
        table.insert(name.into(), value);
    }
    table
}
