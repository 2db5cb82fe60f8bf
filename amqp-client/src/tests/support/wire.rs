//! The broker's frames, and the client's in words.

use amqp_spec::frame::{self, ContentHeader, Frame, FrameKind};
use amqp_spec::wire::{FieldTable, LongStr, ShortStr, TypedMethod};
use amqp_spec::{Method, basic, channel, connection};

/// What the broker of these tests proposes and cuts its bodies by.
pub(crate) const FRAME_MAX: usize = 131_072;

pub(crate) fn short(text: &str) -> ShortStr<'_> {
    ShortStr::new(text.as_bytes()).unwrap()
}

/// One method frame.
pub(crate) fn method<'m>(channel: u16, method: &impl TypedMethod<'m>) -> Vec<u8> {
    let mut octets = Vec::new();
    frame::encode_method(&mut octets, channel, method, usize::MAX).unwrap();
    octets
}

/// One header frame of class basic, without properties.
pub(crate) fn header(channel: u16, body_size: u64) -> Vec<u8> {
    header_with(channel, body_size, basic::PropertiesRef::EMPTY)
}

pub(crate) fn header_with(
    channel: u16,
    body_size: u64,
    properties: basic::PropertiesRef<'_>,
) -> Vec<u8> {
    let mut octets = Vec::new();
    let properties = properties.as_bytes();
    let class_id = basic::CLASS_ID;
    frame::encode_header(
        &mut octets,
        channel,
        class_id,
        body_size,
        properties,
        usize::MAX,
    )
    .unwrap();
    octets
}

/// The body frames of one message.
pub(crate) fn body(channel: u16, body: &[u8], frame_max: usize) -> Vec<u8> {
    let mut octets = Vec::new();
    frame::encode_body(&mut octets, channel, body, frame_max);
    octets
}

/// A method with its content.
pub(crate) fn content<'m>(channel: u16, with: &impl TypedMethod<'m>, octets: &[u8]) -> Vec<u8> {
    [
        method(channel, with),
        header(channel, octets.len() as u64),
        body(channel, octets, FRAME_MAX),
    ]
    .concat()
}

pub(crate) fn deliver(tag: &str, delivery_tag: u64) -> basic::Deliver<'_> {
    basic::Deliver {
        consumer_tag: short(tag),
        delivery_tag,
        redelivered: false,
        exchange: short("x"),
        routing_key: short("key"),
    }
}

/// A whole delivery.
pub(crate) fn delivery(channel: u16, tag: &str, delivery_tag: u64, octets: &[u8]) -> Vec<u8> {
    content(channel, &deliver(tag, delivery_tag), octets)
}

pub(crate) fn get_ok(delivery_tag: u64) -> basic::GetOk<'static> {
    basic::GetOk {
        delivery_tag,
        redelivered: false,
        exchange: short("x"),
        routing_key: short("key"),
        message_count: 7,
    }
}

/// A message that comes back from the default exchange.
pub(crate) fn returned(channel: u16, routing_key: &str, octets: &[u8]) -> Vec<u8> {
    returned_with(channel, routing_key, basic::PropertiesRef::EMPTY, octets)
}

pub(crate) fn returned_with(
    channel: u16,
    routing_key: &str,
    properties: basic::PropertiesRef<'_>,
    octets: &[u8],
) -> Vec<u8> {
    let returned = basic::Return {
        reply_code: 312,
        reply_text: short("NO_ROUTE"),
        exchange: short(""),
        routing_key: short(routing_key),
    };
    let mut buf = Vec::new();
    frame::encode_content(
        &mut buf,
        channel,
        &returned,
        properties.as_bytes(),
        octets,
        131_072,
    )
    .unwrap();
    buf
}

pub(crate) fn ack(channel: u16, delivery_tag: u64, multiple: bool) -> Vec<u8> {
    method(
        channel,
        &basic::Ack {
            delivery_tag,
            multiple,
        },
    )
}

pub(crate) fn nack(channel: u16, delivery_tag: u64, multiple: bool) -> Vec<u8> {
    method(
        channel,
        &basic::Nack {
            delivery_tag,
            multiple,
            requeue: false,
        },
    )
}

pub(crate) fn consume_ok(channel: u16, tag: &str) -> Vec<u8> {
    let consumer_tag = short(tag);
    method(channel, &basic::ConsumeOk { consumer_tag })
}

pub(crate) fn cancel_ok(channel: u16, tag: &str) -> Vec<u8> {
    let consumer_tag = short(tag);
    method(channel, &basic::CancelOk { consumer_tag })
}

pub(crate) fn declare_ok(channel: u16, queue: &str) -> Vec<u8> {
    let declare_ok = amqp_spec::queue::DeclareOk {
        queue: short(queue),
        message_count: 0,
        consumer_count: 0,
    };
    method(channel, &declare_ok)
}

/// The broker closes a channel: 404, provoked by `queue.declare`.
pub(crate) fn channel_close(channel: u16) -> Vec<u8> {
    let close = channel::Close {
        reply_code: 404,
        reply_text: short("NOT_FOUND - no queue 'nosuch'"),
        class_id: 50,
        method_id: 10,
    };
    method(channel, &close)
}

/// The broker closes the connection: 320.
pub(crate) fn connection_close() -> Vec<u8> {
    let close = connection::Close {
        reply_code: 320,
        reply_text: short("CONNECTION_FORCED - go away"),
        class_id: 0,
        method_id: 0,
    };
    method(0, &close)
}

/// `connection.start` offering these mechanisms.
pub(crate) fn start(mechanisms: &str) -> Vec<u8> {
    let server_properties = amqp_spec::field_table! { "product" => "RabbitMQ" };
    start_with(&server_properties, mechanisms, (0, 9))
}

pub(crate) fn start_with(properties: &FieldTable, mechanisms: &str, version: (u8, u8)) -> Vec<u8> {
    let start = connection::Start {
        version_major: version.0,
        version_minor: version.1,
        server_properties: properties.as_ref(),
        mechanisms: LongStr::new(mechanisms.as_bytes()).unwrap(),
        locales: LongStr::new(b"en_US").unwrap(),
    };
    method(0, &start)
}

pub(crate) fn tune(channel_max: u16, frame_max: u32, heartbeat: u16) -> Vec<u8> {
    let tune = connection::Tune {
        channel_max,
        frame_max,
        heartbeat,
    };
    method(0, &tune)
}

pub(crate) fn open_ok() -> Vec<u8> {
    method(0, &connection::OpenOk {})
}

/// Splits octets into whole frames; what is left over is no frame.
pub(crate) fn frames(octets: &[u8]) -> (Vec<Frame<'_>>, &[u8]) {
    let mut rest = octets;
    let mut frames = Vec::new();
    while let Some((frame, used)) = frame::decode(rest, usize::MAX).expect("the client's frame") {
        frames.push(frame);
        rest = &rest[used..];
    }
    (frames, rest)
}

/// Whole frames, each as it is on the wire, and the rest.
pub(crate) fn raw_frames(octets: &[u8]) -> (Vec<Vec<u8>>, &[u8]) {
    let mut rest = octets;
    let mut frames = Vec::new();
    while let Some((_, used)) = frame::decode(rest, usize::MAX).expect("the broker's frame") {
        frames.push(rest[..used].to_vec());
        rest = &rest[used..];
    }
    (frames, rest)
}

/// One frame of the client's in words: the channel, the method, and what tests care about.
pub(crate) fn describe(frame: &Frame<'_>) -> String {
    let what = match frame.kind {
        FrameKind::Heartbeat => "heartbeat".to_owned(),
        FrameKind::Body => format!("body {}", frame.payload.len()),
        FrameKind::Header => {
            let header = ContentHeader::decode(frame.payload).expect("the client's header");
            format!("header {}", header.body_size)
        }
        FrameKind::Method => {
            let method = Method::decode(frame.payload).expect("the client's method");
            let details = details(&method);
            format!("{} {details}", method.name()).trim_end().to_owned()
        }
    };
    format!("{} {what}", frame.channel)
}

fn details(method: &Method<'_>) -> String {
    let text = |text: ShortStr<'_>| String::from_utf8_lossy(text.as_bytes()).into_owned();
    let flag = |set: bool, name: &str| {
        if set {
            format!(" {name}")
        } else {
            String::new()
        }
    };
    match method {
        Method::ConnectionStartOk(m) => text(m.mechanism),
        Method::ConnectionTuneOk(m) => {
            format!("{} {} {}", m.channel_max, m.frame_max, m.heartbeat)
        }
        Method::ConnectionOpen(m) => text(m.virtual_host),
        Method::ConnectionClose(m) => m.reply_code.to_string(),
        Method::ChannelClose(m) => m.reply_code.to_string(),
        Method::QueueDeclare(m) => text(m.queue),
        Method::QueueDelete(m) => text(m.queue),
        Method::QueuePurge(m) => text(m.queue),
        Method::BasicGet(m) => text(m.queue),
        Method::BasicPublish(m) => text(m.routing_key) + &flag(m.mandatory, "mandatory"),
        Method::BasicConsume(m) => text(m.consumer_tag),
        Method::BasicCancel(m) => text(m.consumer_tag),
        Method::BasicQos(m) => m.prefetch_count.to_string() + &flag(m.global, "global"),
        Method::BasicAck(m) => m.delivery_tag.to_string() + &flag(m.multiple, "multiple"),
        Method::BasicNack(m) => {
            m.delivery_tag.to_string() + &flag(m.multiple, "multiple") + &flag(m.requeue, "requeue")
        }
        Method::BasicReject(m) => m.delivery_tag.to_string() + &flag(m.requeue, "requeue"),
        _ => String::new(),
    }
}
