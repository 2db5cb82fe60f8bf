//! The broker of these tests, in memory: answers what it is asked, confirms, delivers on request.

use std::io::IoSlice;
use std::task::Waker;

use allocation_counter::opt_out;
use amqp_spec::frame::{self, ContentHeader, Frame, FrameKind};
use amqp_spec::wire::{LongStr, ShortStr, TypedMethod};
use amqp_spec::{Method, basic, channel, confirm, connection, queue, tx};

/// What the broker proposes.
const FRAME_MAX: usize = 131_072;

/// Properties with `delivery_mode` 2, as most messages have.
const PERSISTENT: &[u8] = &[0x10, 0, 2];

/// How publishes are confirmed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Confirming {
    /// Not at all.
    #[default]
    Never,
    /// Those of one write with one `multiple`.
    Multiple,
    /// Each by itself.
    Each,
}

/// What moved between client and broker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Calls that moved octets to the client.
    pub(crate) reads: u64,
    /// Calls that found nothing to read.
    pub(crate) idle_reads: u64,
    pub(crate) octets_read: u64,
    /// Calls that moved octets to the broker.
    pub(crate) writes: u64,
    pub(crate) octets_written: u64,
}

impl Counts {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            reads: self.reads - before.reads,
            idle_reads: self.idle_reads - before.idle_reads,
            octets_read: self.octets_read - before.octets_read,
            writes: self.writes - before.writes,
            octets_written: self.octets_written - before.octets_written,
        }
    }
}

/// A broker for one connection with one consumer and one publishing channel. Nothing that it
/// allocates is counted.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    greeted: bool,
    /// Half a frame.
    heard: Vec<u8>,
    /// What the client has not read yet begins at `spoken`.
    speech: Vec<u8>,
    spoken: usize,
    /// Whoever waits to read.
    pub(crate) reader: Option<Waker>,
    pub(crate) counts: Counts,
    pub(crate) confirming: Confirming,
    /// Messages published on channel `publisher`, and how many of them are confirmed.
    pub(crate) published: u64,
    confirmed: u64,
    publisher: u16,
    /// What is missing of the message under way.
    body_left: u64,
    /// The channel and tag of the consumer, once there is one.
    consumer: Option<(u16, String)>,
    pub(crate) delivered: u64,
    /// Frames of `basic.ack`, and the highest tag in them.
    pub(crate) acks: u64,
    pub(crate) acked: u64,
}

impl Peer {
    // The client writes

    /// Takes everything that one call wrote.
    pub(crate) fn hear(&mut self, slices: &[IoSlice<'_>]) -> usize {
        let n: usize = slices.iter().map(|slice| slice.len()).sum();
        self.counts.writes += 1;
        self.counts.octets_written += n as u64;
        opt_out(|| {
            let mut heard = std::mem::take(&mut self.heard);
            for slice in slices {
                heard.extend_from_slice(slice);
            }
            let used = self.understand(&heard);
            heard.drain(..used);
            self.heard = heard;
            self.confirm();
        });
        n
    }

    fn understand(&mut self, octets: &[u8]) -> usize {
        let mut at = 0;
        if !self.greeted {
            if octets.len() < frame::PROTOCOL_HEADER.len() {
                return 0;
            }
            at = frame::PROTOCOL_HEADER.len();
            self.greeted = true;
            let server_properties = amqp_spec::field_table! { "product" => "counting peer" };
            self.say(
                0,
                &connection::Start {
                    version_minor: 9,
                    server_properties: server_properties.as_ref(),
                    mechanisms: LongStr::new(b"PLAIN").unwrap(),
                    locales: LongStr::new(b"en_US").unwrap(),
                    ..connection::Start::default()
                },
            );
        }
        while let Some((frame, used)) = frame::decode(&octets[at..], usize::MAX).unwrap() {
            self.frame(&frame);
            at += used;
        }
        at
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        match frame.kind {
            FrameKind::Heartbeat => {}
            FrameKind::Method => self.answer(frame),
            FrameKind::Header => {
                self.body_left = ContentHeader::decode(frame.payload).unwrap().body_size;
                self.published += u64::from(self.body_left == 0);
            }
            FrameKind::Body => {
                self.body_left -= frame.payload.len() as u64;
                self.published += u64::from(self.body_left == 0);
            }
        }
    }

    fn answer(&mut self, frame: &Frame<'_>) {
        let id = frame.channel;
        match Method::decode(frame.payload).unwrap() {
            Method::BasicPublish(_) => self.publisher = id,
            Method::BasicAck(ack) => {
                self.acks += 1;
                self.acked = self.acked.max(ack.delivery_tag);
            }
            Method::ConnectionStartOk(_) => self.say(
                0,
                &connection::Tune {
                    channel_max: 2047,
                    frame_max: 131_072,
                    heartbeat: 60,
                },
            ),
            Method::ConnectionTuneOk(_) => {}
            Method::ConnectionOpen(_) => self.say(0, &connection::OpenOk {}),
            Method::ConnectionClose(_) => self.say(0, &connection::CloseOk {}),
            Method::ChannelOpen(_) => self.say(id, &channel::OpenOk {}),
            Method::ChannelClose(_) => self.say(id, &channel::CloseOk {}),
            Method::ConfirmSelect(_) => self.say(id, &confirm::SelectOk {}),
            Method::QueueDeclare(declare) => self.say(
                id,
                &queue::DeclareOk {
                    queue: declare.queue,
                    ..queue::DeclareOk::default()
                },
            ),
            Method::TxSelect(_) => self.say(id, &tx::SelectOk {}),
            Method::BasicQos(_) => self.say(id, &basic::QosOk {}),
            Method::BasicConsume(consume) => {
                let tag = String::from_utf8_lossy(consume.consumer_tag.as_bytes()).into_owned();
                self.consumer = Some((id, tag));
                let consumer_tag = consume.consumer_tag;
                self.say(id, &basic::ConsumeOk { consumer_tag });
            }
            Method::BasicCancel(cancel) => {
                let consumer_tag = cancel.consumer_tag;
                self.say(id, &basic::CancelOk { consumer_tag });
            }
            other => panic!("unexpected {}", other.name()),
        }
    }

    fn confirm(&mut self) {
        match self.confirming {
            Confirming::Never => self.confirmed = self.published,
            Confirming::Multiple if self.confirmed < self.published => {
                self.confirmed = self.published;
                self.say_confirmed(self.published, true);
            }
            Confirming::Multiple => {}
            Confirming::Each => {
                while self.confirmed < self.published {
                    self.confirmed += 1;
                    self.say_confirmed(self.confirmed, false);
                }
            }
        }
    }

    // The client reads

    /// Gives as much as fits of what there is.
    pub(crate) fn speak(&mut self, space: &mut [u8]) -> usize {
        let rest = &self.speech[self.spoken..];
        let n = rest.len().min(space.len());
        space[..n].copy_from_slice(&rest[..n]);
        self.spoken += n;
        if self.spoken == self.speech.len() {
            self.speech.clear();
            self.spoken = 0;
        }
        if n > 0 {
            self.counts.reads += 1;
            self.counts.octets_read += n as u64;
        } else {
            self.counts.idle_reads += 1;
        }
        n
    }

    /// Whether everything that was said has been read.
    pub(crate) fn is_silent(&self) -> bool {
        self.speech.is_empty()
    }

    /// Queues a method for the client.
    pub(crate) fn say<'m>(&mut self, channel: u16, method: &impl TypedMethod<'m>) {
        frame::encode_method(&mut self.speech, channel, method, usize::MAX).unwrap();
    }

    /// Confirms one publish, or all up to it.
    pub(crate) fn say_confirmed(&mut self, delivery_tag: u64, multiple: bool) {
        let ack = basic::Ack {
            delivery_tag,
            multiple,
        };
        opt_out(|| self.say(self.publisher.max(1), &ack));
    }

    /// Queues so many deliveries for the consumer.
    pub(crate) fn deliver(&mut self, n: u64, body: &[u8]) {
        let (channel, tag) = self.consumer.take().expect("a consumer");
        let consumer_tag = ShortStr::new(tag.as_bytes()).unwrap();
        opt_out(|| {
            for _ in 0..n {
                self.delivered += 1;
                let deliver = basic::Deliver {
                    consumer_tag,
                    delivery_tag: self.delivered,
                    routing_key: amqp_spec::short_str!("queue"),
                    ..basic::Deliver::default()
                };
                frame::encode_content(
                    &mut self.speech,
                    channel,
                    &deliver,
                    PERSISTENT,
                    body,
                    FRAME_MAX,
                )
                .unwrap();
            }
        });
        self.consumer = Some((channel, tag));
    }
}
