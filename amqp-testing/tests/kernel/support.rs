//! A client of a few lines, and what it hears in words.

use std::time::{Duration, Instant};

use amqp_spec::basic::Properties;
use amqp_spec::frame::{self, ContentHeader, FrameKind};
use amqp_spec::wire::{LongStr, ShortStr, TypedMethod};
use amqp_spec::{Method, basic, channel, connection, field_table, queue, short_str};
use amqp_testing::frames;
use amqp_testing::memory::{ConnectionId, Kernel, Like};

pub(crate) const BOTH: [Like; 2] = [Like::RabbitMq3_10, Like::RabbitMq4_0];

/// A broker whose time is counted from its beginning.
pub(crate) struct Broker {
    pub(crate) kernel: Kernel,
    pub(crate) now: Instant,
}

impl Broker {
    pub(crate) fn new(like: Like) -> Self {
        let now = Instant::now();
        Self {
            kernel: Kernel::new(like, now),
            now,
        }
    }

    /// A stream, on which nothing has been said.
    pub(crate) fn connect(&mut self) -> Client {
        Client {
            id: self.kernel.connect(self.now),
            written: Vec::new(),
        }
    }

    /// An open connection with channel 1.
    pub(crate) fn client(&mut self) -> Client {
        let mut client = self.connect();
        client.handshake("guest", "guest", "/");
        let heard = client.talk(self);
        let expected = ["0: start", "0: tune", "0: open-ok", "1: open-ok"];
        assert_eq!(heard, expected);
        client
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.kernel.advance(self.now);
    }
}

/// One end of a stream: what is written waits until it is sent together.
pub(crate) struct Client {
    pub(crate) id: ConnectionId,
    written: Vec<u8>,
}

impl Client {
    /// What is written and not sent.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.written)
    }

    pub(crate) fn raw(&mut self, octets: &[u8]) -> &mut Self {
        self.written.extend_from_slice(octets);
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better")]
    pub(crate) fn say<'m>(&mut self, channel: u16, method: impl TypedMethod<'m>) -> &mut Self {
        self.raw(&frames::method(channel, &method))
    }

    pub(crate) fn handshake(&mut self, user: &str, password: &str, vhost: &str) -> &mut Self {
        self.start(user, password);
        self.say(0, tune_ok());
        let virtual_host = ShortStr::new(vhost.as_bytes()).unwrap();
        self.say(0, connection::Open { virtual_host });
        self.say(1, channel::Open {})
    }

    /// The header and `start-ok`, with all capabilities.
    pub(crate) fn start(&mut self, user: &str, password: &str) -> &mut Self {
        let capabilities = field_table! {
            "authentication_failure_close" => true,
            "connection.blocked" => true,
            "consumer_cancel_notify" => true,
        };
        let client_properties = field_table! { "capabilities" => &capabilities };
        let response = format!("\0{user}\0{password}");
        self.raw(&frame::PROTOCOL_HEADER);
        self.say(
            0,
            connection::StartOk {
                client_properties: client_properties.as_ref(),
                mechanism: short_str!("PLAIN"),
                response: LongStr::new(response.as_bytes()).unwrap(),
                ..connection::StartOk::default()
            },
        )
    }

    pub(crate) fn publish_to(&mut self, exchange: &str, key: &str, body: &str) -> &mut Self {
        self.publish(exchange, key, &Properties::new(), body, false)
    }

    pub(crate) fn publish(
        &mut self,
        exchange: &str,
        key: &str,
        properties: &Properties,
        body: &str,
        mandatory: bool,
    ) -> &mut Self {
        let publish = basic::Publish {
            exchange: ShortStr::new(exchange.as_bytes()).unwrap(),
            routing_key: ShortStr::new(key.as_bytes()).unwrap(),
            mandatory,
            ..basic::Publish::default()
        };
        let octets = frames::content(1, &publish, properties, body.as_bytes(), 131_072);
        self.raw(&octets)
    }

    pub(crate) fn declare(&mut self, queue: &'static str) -> &mut Self {
        self.say(1, declare(queue))
    }

    pub(crate) fn consume(&mut self, queue: &'static str, tag: &'static str) -> &mut Self {
        self.say(1, consume(queue, tag))
    }

    /// Sends everything at once, and says what is heard in return.
    pub(crate) fn talk(&mut self, broker: &mut Broker) -> Vec<String> {
        let written = self.written();
        broker.kernel.receive(self.id, &written, broker.now);
        self.hear(broker)
    }

    pub(crate) fn hear(&self, broker: &mut Broker) -> Vec<String> {
        let octets = broker.kernel.take_output(self.id);
        let mut heard = words(&octets);
        if broker.kernel.is_closed(self.id) {
            heard.push("closed".to_owned());
        }
        heard
    }
}

pub(crate) fn tune_ok() -> connection::TuneOk {
    connection::TuneOk {
        channel_max: 2047,
        frame_max: 131_072,
        heartbeat: 0,
    }
}

pub(crate) fn declare(queue: &'static str) -> queue::Declare<'static> {
    queue::Declare {
        queue: ShortStr::new(queue.as_bytes()).unwrap(),
        ..queue::Declare::default()
    }
}

pub(crate) fn consume(queue: &'static str, tag: &'static str) -> basic::Consume<'static> {
    basic::Consume {
        queue: ShortStr::new(queue.as_bytes()).unwrap(),
        consumer_tag: ShortStr::new(tag.as_bytes()).unwrap(),
        ..basic::Consume::default()
    }
}

/// What octets of the broker's say.
pub(crate) fn words(mut octets: &[u8]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut left, mut body) = (0, Vec::new());
    if octets.starts_with(b"AMQP") {
        words.push(format!("AMQP {:?}", &octets[4..8]));
        octets = &octets[8..];
    }
    while let Some((frame, used)) = frame::decode(octets, usize::MAX).expect("frames") {
        octets = &octets[used..];
        match frame.kind {
            FrameKind::Heartbeat => words.push("heartbeat".to_owned()),
            FrameKind::Method => {
                assert_eq!(left, 0, "a method amid content");
                let method = Method::decode(frame.payload).expect("a method");
                words.push(format!("{}: {}", frame.channel, word(&method)));
            }
            FrameKind::Header => {
                left = ContentHeader::decode(frame.payload).unwrap().body_size;
                body.clear();
            }
            FrameKind::Body => {
                left -= frame.payload.len() as u64;
                body.extend_from_slice(frame.payload);
            }
        }
        if matches!(frame.kind, FrameKind::Header | FrameKind::Body) && left == 0 {
            let text = format!(" '{}'", String::from_utf8_lossy(&body));
            words.last_mut().unwrap().push_str(&text);
        }
    }
    assert_eq!(octets, [0; 0], "half a frame");
    words
}

fn word(method: &Method<'_>) -> String {
    match method {
        Method::ConnectionClose(it) => {
            close(it.reply_code, it.reply_text, it.class_id, it.method_id)
        }
        Method::ChannelClose(it) => close(it.reply_code, it.reply_text, it.class_id, it.method_id),
        Method::ConnectionBlocked(it) => format!("blocked {}", text(it.reason)),
        Method::QueueDeclareOk(it) => format!(
            "declare-ok {} {} {}",
            text(it.queue),
            it.message_count,
            it.consumer_count
        ),
        Method::QueueDeleteOk(it) => format!("delete-ok {}", it.message_count),
        Method::QueuePurgeOk(it) => format!("purge-ok {}", it.message_count),
        Method::BasicConsumeOk(it) => format!("consume-ok {}", text(it.consumer_tag)),
        Method::BasicCancelOk(it) => format!("cancel-ok {}", text(it.consumer_tag)),
        Method::BasicCancel(it) => format!("cancel {}", text(it.consumer_tag)),
        Method::BasicDeliver(it) => {
            let again = if it.redelivered { " again" } else { "" };
            format!(
                "deliver {} {}{again}",
                text(it.consumer_tag),
                it.delivery_tag
            )
        }
        Method::BasicGetOk(it) => {
            let again = if it.redelivered { " again" } else { "" };
            format!(
                "get-ok {}{again}, {} left",
                it.delivery_tag, it.message_count
            )
        }
        Method::BasicReturn(it) => format!("return {}", it.reply_code),
        Method::BasicAck(it) if it.multiple => format!("ack up to {}", it.delivery_tag),
        Method::BasicAck(it) => format!("ack {}", it.delivery_tag),
        Method::BasicNack(it) if it.multiple => format!("nack up to {}", it.delivery_tag),
        Method::BasicNack(it) => format!("nack {}", it.delivery_tag),
        other => other.name().split_once('.').unwrap().1.to_owned(),
    }
}

fn close(code: u16, reply: ShortStr<'_>, class: u16, method: u16) -> String {
    format!("close {code} {} ({class}.{method})", text(reply))
}

fn text(name: ShortStr<'_>) -> String {
    name.to_string_lossy().into_owned()
}
