//! The same work for each codec: encode a publish, decode a buffer full of deliveries, read a
//! table.
//!
//! What a codec is given is prepared before the clock starts: strings are in its own types,
//! properties are built, the buffer it writes to is there and large enough. Each codec writes the
//! same octets, which a test checks.

pub mod amq_protocol;
pub mod amqp_serde;
pub mod cloudamqp;
pub mod ours;

/// A codec, made ready for one message.
pub trait Codec {
    /// The crate that is measured.
    const NAME: &'static str;

    /// Prepares what can be prepared.
    fn new(message: &Message) -> Self;

    /// Encodes a new message into a buffer that is used again, and returns the octets. Exchange,
    /// routing key, properties and body are there, in the types that the codec has for them; what
    /// it needs to have around them (methods, headers, frames) is made, as it is for each message.
    fn publish(&mut self) -> &[u8];

    /// The same with the properties made for each message, too.
    fn publish_made(&mut self) -> &[u8];

    /// Encodes the same message again, from the frames that were made for it.
    fn encode(&mut self) -> &[u8];

    /// Takes frames off a stream of deliveries until there are no more, and adds up what is in
    /// them.
    fn decode(stream: &Stream) -> Sum;

    /// Decodes a table, with its length in front, and adds up what is in it.
    fn read_table(table: &[u8]) -> Sum;
}

/// A message to publish.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Which properties it has.
    pub properties: Kind,
    /// The size of its body.
    pub body: usize,
}

/// Which properties a message has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// None.
    None,
    /// `delivery-mode`.
    One,
    /// Six of the usual ones.
    Six,
    /// A header table of ten entries.
    Table,
}

/// The channel of all frames.
pub const CHANNEL: u16 = 1;
/// The exchange of all messages.
pub const EXCHANGE: &str = "events.orders";
/// The routing key of all messages.
pub const ROUTING_KEY: &str = "order.created.eu";
/// The consumer tag of all deliveries.
pub const CONSUMER_TAG: &str = "ctag-1.b3f29c";
/// The largest frame.
pub const FRAME_MAX: usize = 131_072;

/// The values of the six properties.
pub mod six {
    #![expect(missing_docs, reason = "named after the properties")]
    pub const CONTENT_TYPE: &str = "application/json";
    pub const DELIVERY_MODE: u8 = 2;
    pub const CORRELATION_ID: &str = "7f1c2f3e-3b1c-4d89-8a65-0d4fb2f6e7a1";
    pub const REPLY_TO: &str = "amq.gen-JzTY20BRgKO-HjmUJj0wLg";
    pub const MESSAGE_ID: &str = "b0c7ad26-50a0-4c43-9c0a-3f6f4b9d2e58";
    pub const TIMESTAMP: u64 = 1_700_000_000;
}

/// The header table, in the order in which those that sort its names have them.
pub const TABLE: [(&str, Entry); 10] = [
    ("attempt", Entry::Int(3)),
    (
        "content-hash",
        Entry::Text("sha256:9f86d081884c7d659a2feaa0c55ad015"),
    ),
    ("first-seen", Entry::Int(1_700_000_000)),
    ("origin", Entry::Text("eu-central-1")),
    ("priority-class", Entry::Text("gold")),
    ("retryable", Entry::Bool(true)),
    ("schema", Entry::Text("order.v7")),
    ("size", Entry::Int(1024)),
    ("tenant", Entry::Text("acme-corp")),
    ("trace-id", Entry::Text("4bf92f3577b34da6a3ce929d0e0e4736")),
];

/// A value of the table.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    /// A 32-bit integer.
    Int(i32),
    /// A boolean.
    Bool(bool),
    /// A string.
    Text(&'static str),
}

/// What was found. It depends on every value, so that none can be left out.
pub type Sum = u64;

/// A buffer full of deliveries.
#[derive(Debug)]
pub struct Stream {
    /// As octets.
    pub octets: Vec<u8>,
    /// The same for those that need it counted.
    pub bytes: bytes::Bytes,
    /// How many deliveries.
    pub n_deliveries: u64,
}

/// Fills 64 KiB with deliveries of a message.
pub fn stream(message: &Message) -> Stream {
    use amqp_spec::{basic, frame, short_str, wire::ShortStr};

    const SIZE: usize = 64 * 1024;
    let publish = ours::Ours::new(message).encode().to_vec();
    let (_, method_len) = frame::decode(&publish, FRAME_MAX)
        .expect("a frame")
        .expect("whole");
    let (mut octets, mut delivery_tag) = (Vec::with_capacity(SIZE), 0);
    loop {
        let mut one = Vec::new();
        let deliver = basic::Deliver {
            consumer_tag: ShortStr::literal(CONSUMER_TAG),
            delivery_tag: delivery_tag + 1,
            redelivered: false,
            exchange: short_str!(EXCHANGE),
            routing_key: short_str!(ROUTING_KEY),
        };
        frame::encode_method(&mut one, CHANNEL, &deliver, FRAME_MAX).expect("it fits");
        one.extend_from_slice(&publish[method_len..]);
        if octets.len() + one.len() > SIZE {
            break;
        }
        octets.extend_from_slice(&one);
        delivery_tag += 1;
    }
    let bytes = octets.clone().into();
    Stream {
        octets,
        bytes,
        n_deliveries: delivery_tag,
    }
}

/// The header table as octets, its length in front.
pub fn table() -> Vec<u8> {
    let mut buf = Vec::new();
    ours::table().as_ref().encode(&mut buf);
    buf
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> impl Iterator<Item = Message> {
        let kinds = [Kind::None, Kind::One, Kind::Six, Kind::Table];
        kinds
            .into_iter()
            .flat_map(|properties| [16, 1024].map(|body| Message { properties, body }))
    }

    fn agree<C: Codec>() {
        for message in messages() {
            let expected = ours::Ours::new(&message).encode().to_vec();
            let mut codec = C::new(&message);
            // Twice: the buffer is used again.
            assert_eq!(
                codec.encode().len(),
                expected.len(),
                "{} {message:?}",
                C::NAME
            );
            // amqp_serde keeps tables in hash maps; the order of the entries is not fixed.
            if C::NAME != amqp_serde::AmqpSerde::NAME || message.properties != Kind::Table {
                assert_eq!(codec.encode(), expected, "{} {message:?}", C::NAME);
                assert_eq!(codec.publish(), expected, "{} {message:?}", C::NAME);
                assert_eq!(codec.publish_made(), expected, "{} {message:?}", C::NAME);
            }
            let stream = stream(&message);
            assert!(stream.octets.len() > 60 * 1024);
            assert_eq!(
                C::decode(&stream),
                ours::Ours::decode(&stream),
                "{} {message:?}",
                C::NAME
            );
        }
        assert_eq!(
            C::read_table(&table()),
            ours::Ours::read_table(&table()),
            "{}",
            C::NAME
        );
    }

    #[test]
    fn all_write_and_read_the_same() {
        agree::<ours::Ours>();
        agree::<amq_protocol::AmqProtocol>();
        agree::<amqp_serde::AmqpSerde>();
        agree::<cloudamqp::Cloudamqp>();
    }
}
