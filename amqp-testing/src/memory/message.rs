//! A message, once it has been published.

use std::sync::Arc;

use amqp_spec::basic::Properties;
use amqp_spec::wire::{ShortStr, ShortString};

/// What queues share of a message.
#[derive(Debug)]
pub(super) struct Message {
    /// The exchange it was published to.
    pub(super) exchange: Arc<str>,
    /// The key it was published with; those of CC and BCC are not kept.
    pub(super) routing_key: ShortString,
    /// The properties as consumers get them.
    pub(super) properties: Properties,
    pub(super) body: Vec<u8>,
}

impl Message {
    pub(super) fn exchange(&self) -> ShortStr<'_> {
        ShortStr::new(self.exchange.as_bytes()).unwrap_or_default()
    }
}

/// A message in one queue.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its place in the queue, which it gets back when it is given back.
    pub(super) position: u64,
    pub(super) message: Arc<Message>,
    pub(super) redelivered: bool,
}
