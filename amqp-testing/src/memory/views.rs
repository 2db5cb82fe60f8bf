//! What a test sees of the broker: copies, taken when it asks.

use std::sync::Arc;

use amqp_spec::basic::PropertiesRef;
use amqp_spec::wire::{FieldTable, ShortStr};

use super::message::Message;

/// A queue as it was when [`Kernel::queue`](super::Kernel::queue) was called.
#[derive(Clone, Debug)]
pub struct QueueView {
    pub(super) name: String,
    pub(super) durable: bool,
    pub(super) exclusive: bool,
    pub(super) auto_delete: bool,
    pub(super) arguments: FieldTable,
    pub(super) ready: Vec<MessageView>,
    pub(super) unacked: usize,
    pub(super) consumers: usize,
}

impl QueueView {
    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it was declared durable. An exclusive queue never is, whatever was declared.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.durable
    }

    /// Whether it belongs to one connection.
    #[must_use]
    pub const fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    /// Whether it goes with its last consumer.
    #[must_use]
    pub const fn is_auto_delete(&self) -> bool {
        self.auto_delete
    }

    /// The arguments it was declared with.
    #[must_use]
    pub const fn arguments(&self) -> &FieldTable {
        &self.arguments
    }

    /// The messages that are ready to be delivered, in the order in which they will be.
    #[must_use]
    pub fn messages(&self) -> &[MessageView] {
        &self.ready
    }

    /// The bodies of the messages that are ready, in their order.
    #[must_use]
    pub fn bodies(&self) -> Vec<&[u8]> {
        self.ready.iter().map(MessageView::body).collect()
    }

    /// How many messages are ready to be delivered.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many messages were delivered or fetched and wait for their acknowledgement.
    #[must_use]
    pub const fn unacked(&self) -> usize {
        self.unacked
    }

    /// How many consumers it has.
    #[must_use]
    pub const fn consumers(&self) -> usize {
        self.consumers
    }
}

/// A message in a queue.
#[derive(Clone, Debug)]
pub struct MessageView {
    pub(super) message: Arc<Message>,
    pub(super) redelivered: bool,
}

impl MessageView {
    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.message.body
    }

    /// The properties as a consumer gets them.
    #[must_use]
    pub fn properties(&self) -> PropertiesRef<'_> {
        self.message.properties.as_ref()
    }

    /// The exchange it was published to.
    #[must_use]
    pub fn exchange(&self) -> &str {
        &self.message.exchange
    }

    /// The routing key it was published with, which need not be UTF-8.
    #[must_use]
    pub fn routing_key(&self) -> ShortStr<'_> {
        self.message.routing_key.as_ref()
    }

    /// Whether it has been delivered or fetched before, and came back.
    #[must_use]
    pub const fn is_redelivered(&self) -> bool {
        self.redelivered
    }
}

/// An exchange as it was when [`Kernel::exchange`](super::Kernel::exchange) was called.
#[derive(Clone, Debug)]
pub struct ExchangeView {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    pub(super) internal: bool,
    pub(super) arguments: FieldTable,
}

impl ExchangeView {
    /// The exchange's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type: `direct`, `fanout`, `topic` or `headers`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether it was declared durable.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        self.durable
    }

    /// Whether it goes with the last binding from it.
    #[must_use]
    pub const fn is_auto_delete(&self) -> bool {
        self.auto_delete
    }

    /// Whether only other exchanges may publish to it.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        self.internal
    }

    /// The arguments it was declared with.
    #[must_use]
    pub const fn arguments(&self) -> &FieldTable {
        &self.arguments
    }
}

/// Where a binding leads.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Destination {
    /// To a queue of this name.
    Queue(String),
    /// To an exchange of this name.
    Exchange(String),
}

/// A binding. Those of the default exchange, which has one for each queue, are not listed.
#[derive(Clone, Debug)]
pub struct BindingView {
    pub(super) source: String,
    pub(super) destination: Destination,
    pub(super) routing_key: String,
    pub(super) arguments: FieldTable,
}

impl BindingView {
    /// The exchange whose messages pass.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where they go.
    #[must_use]
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The key or pattern.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        &self.routing_key
    }

    /// The arguments, which are part of the binding's identity.
    #[must_use]
    pub const fn arguments(&self) -> &FieldTable {
        &self.arguments
    }
}

/// A channel as it was when [`Kernel::channel`](super::Kernel::channel) was called.
#[derive(Clone, Debug)]
pub struct ChannelView {
    pub(super) consumers: Vec<(String, String)>,
    pub(super) unacked: Vec<u64>,
    pub(super) published: u64,
    pub(super) amid_content: bool,
}

impl ChannelView {
    /// The tags of its consumers, sorted, and the queues they consume from.
    #[must_use]
    pub fn consumers(&self) -> &[(String, String)] {
        &self.consumers
    }

    /// The numbers of the deliveries and fetched messages that the client has not settled, in
    /// their order. What a transaction has settled is settled.
    #[must_use]
    pub fn unacked(&self) -> &[u64] {
        &self.unacked
    }

    /// How many messages were published and not refused.
    #[must_use]
    pub const fn published(&self) -> u64 {
        self.published
    }

    /// Whether a message has begun to arrive and is not complete.
    #[must_use]
    pub const fn is_amid_content(&self) -> bool {
        self.amid_content
    }
}

/// A connection as it was when [`Kernel::connection`](super::Kernel::connection) was called.
#[derive(Clone, Debug)]
pub struct ConnectionView {
    pub(super) user: Option<String>,
    pub(super) vhost: Option<String>,
    pub(super) channels: Vec<u16>,
    pub(super) blocked: bool,
}

impl ConnectionView {
    /// The user that has logged in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The virtual host, once `connection.open` was granted.
    #[must_use]
    pub fn vhost(&self) -> Option<&str> {
        self.vhost.as_deref()
    }

    /// The ids of its channels, also of those that are being closed.
    #[must_use]
    pub fn channels(&self) -> &[u16] {
        &self.channels
    }

    /// Whether it has published during an alarm, and is not read until that is over.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }
}
