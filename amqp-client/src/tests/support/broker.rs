//! A broker that answers honestly and keeps account: channels, consumers, what is unacknowledged.

use std::collections::{BTreeMap, BTreeSet};

use amqp_spec::frame::{ContentHeader, FrameKind};
use amqp_spec::{Method, basic, channel, confirm, connection, exchange, queue, tx};

use super::wire;

/// One channel as the broker sees it.
#[derive(Debug, Default)]
pub(crate) struct AtBroker {
    /// Consumers, and whether they need no ack.
    pub(crate) consumers: BTreeMap<String, bool>,
    pub(crate) unacked: BTreeSet<u64>,
    delivered: u64,
    confirming: bool,
    pub(crate) published: u64,
    /// Body octets still to come; `None` outside of content.
    content: Option<Option<u64>>,
    /// The mandatory message under way is for nobody.
    returning: Option<Vec<u8>>,
}

/// Answers what it reads, frame by frame.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    pub(crate) channels: BTreeMap<u16, AtBroker>,
    pub(crate) closed: bool,
    /// Frames on their way to the client.
    pub(crate) outgoing: std::collections::VecDeque<Vec<u8>>,
}

impl Broker {
    fn say(&mut self, octets: &[u8]) {
        let (frames, _) = wire::frames(octets);
        let mut rest = octets;
        for frame in frames {
            let (first, behind) = rest.split_at(frame.payload.len() + amqp_spec::frame::OVERHEAD);
            self.outgoing.push_back(first.to_vec());
            rest = behind;
        }
    }

    /// Reads whole frames of the client's and queues the answers.
    pub(crate) fn read(&mut self, octets: &[u8]) {
        let octets = octets
            .strip_prefix(&amqp_spec::frame::PROTOCOL_HEADER)
            .unwrap_or(octets);
        for frame in wire::frames(octets).0 {
            assert!(!self.closed, "something behind connection.close");
            let id = frame.channel;
            match frame.kind {
                FrameKind::Heartbeat => {}
                FrameKind::Header => {
                    let header = ContentHeader::decode(frame.payload).unwrap();
                    let channel = self.channels.get_mut(&id).expect("an open channel");
                    assert_eq!(channel.content, Some(None), "header out of place");
                    channel.content = Some(Some(header.body_size));
                    self.content_complete(id);
                }
                FrameKind::Body => {
                    let channel = self.channels.get_mut(&id).expect("an open channel");
                    let left = channel.content.flatten().expect("a header before the body");
                    channel.content = Some(Some(left - frame.payload.len() as u64));
                    self.content_complete(id);
                }
                FrameKind::Method => self.method(id, &Method::decode(frame.payload).unwrap()),
            }
        }
    }

    fn content_complete(&mut self, id: u16) {
        let channel = self.channels.get_mut(&id).unwrap();
        if channel.content != Some(Some(0)) {
            return;
        }
        channel.content = None;
        channel.published += 1;
        let confirm = channel.confirming.then_some(channel.published);
        if let Some(returned) = channel.returning.take() {
            self.say(&returned);
        }
        if let Some(number) = confirm {
            self.say(&wire::ack(id, number, false));
        }
    }

    fn method(&mut self, id: u16, method: &Method<'_>) {
        let name = |name: amqp_spec::wire::ShortStr<'_>| {
            String::from_utf8_lossy(name.as_bytes()).into_owned()
        };
        if let Method::ChannelOpen(_) = method {
            let before = self.channels.insert(id, AtBroker::default());
            assert!(before.is_none(), "second channel.open on {id}");
            return self.say(&wire::method(id, &channel::OpenOk {}));
        }
        if id == 0 {
            return self.connection_method(method);
        }
        let at = self
            .channels
            .get_mut(&id)
            .unwrap_or_else(|| panic!("{} on channel {id}, which is not open", method.name()));
        assert_eq!(at.content, None, "{} amid content", method.name());
        let answer = match method {
            Method::ChannelClose(_) => {
                self.channels.remove(&id);
                wire::method(id, &channel::CloseOk {})
            }
            Method::ExchangeDeclare(exchange::Declare { no_wait: true, .. })
            | Method::ExchangeDelete(exchange::Delete { no_wait: true, .. })
            | Method::ExchangeBind(exchange::Bind { no_wait: true, .. })
            | Method::ExchangeUnbind(exchange::Unbind { no_wait: true, .. })
            | Method::QueueDeclare(queue::Declare { no_wait: true, .. })
            | Method::QueueBind(queue::Bind { no_wait: true, .. })
            | Method::QueuePurge(queue::Purge { no_wait: true, .. })
            | Method::QueueDelete(queue::Delete { no_wait: true, .. }) => return,
            Method::ChannelFlow(_) => wire::method(id, &channel::FlowOk { active: true }),
            Method::ExchangeBind(_) => wire::method(id, &exchange::BindOk {}),
            Method::ExchangeUnbind(_) => wire::method(id, &exchange::UnbindOk {}),
            Method::ExchangeDeclare(_) => wire::method(id, &exchange::DeclareOk {}),
            Method::ExchangeDelete(_) => wire::method(id, &exchange::DeleteOk {}),
            Method::QueueDeclare(declare) => wire::declare_ok(id, &name(declare.queue)),
            Method::QueueBind(_) => wire::method(id, &queue::BindOk {}),
            Method::QueueUnbind(_) => wire::method(id, &queue::UnbindOk {}),
            Method::QueuePurge(_) => wire::method(id, &queue::PurgeOk { message_count: 1 }),
            Method::QueueDelete(_) => wire::method(id, &queue::DeleteOk { message_count: 1 }),
            Method::ConfirmSelect(_) => {
                at.confirming = true;
                wire::method(id, &confirm::SelectOk {})
            }
            Method::TxSelect(_) => wire::method(id, &tx::SelectOk {}),
            Method::TxCommit(_) => wire::method(id, &tx::CommitOk {}),
            Method::TxRollback(_) => wire::method(id, &tx::RollbackOk {}),
            Method::BasicQos(_) => wire::method(id, &basic::QosOk {}),
            Method::BasicRecover(_) => {
                // What was given back comes again to its consumer.
                at.unacked.clear();
                let mut answer = wire::method(id, &basic::RecoverOk {});
                if at.consumers.get("standing") == Some(&false) {
                    for _ in 0..2 {
                        at.delivered += 1;
                        at.unacked.insert(at.delivered);
                        let again = wire::delivery(id, "standing", at.delivered, b"again");
                        answer.extend(again);
                    }
                }
                answer
            }
            Method::BasicPublish(publish) => {
                at.content = Some(None);
                if publish.mandatory && name(publish.routing_key) == "nowhere" {
                    at.returning = Some(wire::returned(id, &name(publish.routing_key), b"body"));
                }
                return;
            }
            Method::BasicGet(get) if get.queue == "empty" => wire::method(id, &basic::GetEmpty {}),
            Method::BasicGet(get) => {
                at.delivered += 1;
                if !get.no_ack {
                    at.unacked.insert(at.delivered);
                }
                wire::content(id, &wire::get_ok(at.delivered), b"fetched")
            }
            Method::BasicConsume(consume) => {
                let tag = name(consume.consumer_tag);
                at.consumers.insert(tag.clone(), consume.no_ack);
                let mut answer = wire::consume_ok(id, &tag);
                for _ in 0..2 {
                    at.delivered += 1;
                    if !consume.no_ack {
                        at.unacked.insert(at.delivered);
                    }
                    answer.extend(wire::delivery(id, &tag, at.delivered, b"delivered"));
                }
                answer
            }
            Method::BasicCancel(cancel) => {
                let tag = name(cancel.consumer_tag);
                // One more that was on its way.
                let mut answer = Vec::new();
                if let Some(no_ack) = at.consumers.remove(&tag) {
                    at.delivered += 1;
                    if !no_ack {
                        at.unacked.insert(at.delivered);
                    }
                    answer = wire::delivery(id, &tag, at.delivered, b"late");
                }
                answer.extend(wire::cancel_ok(id, &tag));
                answer
            }
            Method::BasicAck(ack) => return at.settle(ack.delivery_tag, ack.multiple),
            Method::BasicNack(nack) => return at.settle(nack.delivery_tag, nack.multiple),
            other => panic!("{} is not expected here", other.name()),
        };
        self.say(&answer);
    }

    fn connection_method(&mut self, method: &Method<'_>) {
        let answer = match method {
            Method::ConnectionStartOk(_) => wire::tune(2047, 131_072, 0),
            Method::ConnectionTuneOk(_) => return,
            Method::ConnectionOpen(_) => wire::open_ok(),
            Method::ConnectionUpdateSecret(_) => wire::method(0, &connection::UpdateSecretOk {}),
            Method::ConnectionClose(_) => {
                self.closed = true;
                wire::method(0, &connection::CloseOk {})
            }
            other => panic!("{} is not expected here", other.name()),
        };
        self.say(&answer);
    }
}

impl AtBroker {
    /// A message has begun and is not complete.
    pub(crate) fn is_amid_content(&self) -> bool {
        self.content.is_some()
    }

    fn settle(&mut self, tag: u64, multiple: bool) {
        assert!(self.unacked.remove(&tag), "unknown delivery tag {tag}");
        if multiple {
            self.unacked = self.unacked.split_off(&tag);
        }
    }
}
