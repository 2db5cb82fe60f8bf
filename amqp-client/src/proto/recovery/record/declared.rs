//! Exchanges and queues, as they were declared.

use std::collections::BTreeMap;

use super::bindings::Bindings;

/// Everything that was declared, and is there as far as is known.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) exchanges: BTreeMap<String, RecordedExchange>,
    /// By their present names.
    pub(super) queues: BTreeMap<String, RecordedQueue>,
    pub(super) bindings: Bindings,
}

/// An exchange.
#[derive(Debug)]
pub(super) struct RecordedExchange {
    pub(super) number: u64,
    pub(super) is_durable: bool,
    pub(super) is_auto_delete: bool,
    /// The payload that declares it, expecting a reply.
    pub(super) method: Vec<u8>,
}

/// A queue.
#[derive(Debug)]
pub(super) struct RecordedQueue {
    pub(super) number: u64,
    pub(super) attributes: QueueRecord,
    /// The payload that declares it, expecting a reply; without a name if the broker gives it.
    pub(super) method: Vec<u8>,
}

impl RecordedExchange {
    /// Whether it may not have outlived the connection, or the broker.
    pub(super) fn may_have_gone(&self) -> bool {
        self.is_auto_delete || !self.is_durable
    }
}

impl RecordedQueue {
    /// Whether it has gone with the connection, or its name has.
    pub(super) fn dies_with_connection(&self) -> bool {
        let declared = self.attributes;
        declared.exclusive || declared.auto_delete || declared.server_named
    }

    /// Whether it may not have outlived the connection, or the broker.
    pub(super) fn may_have_gone(&self) -> bool {
        self.dies_with_connection() || !self.attributes.durable
    }
}

/// What a queue was declared as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct QueueRecord {
    pub(crate) durable: bool,
    pub(crate) exclusive: bool,
    pub(crate) auto_delete: bool,
    pub(crate) server_named: bool,
}
