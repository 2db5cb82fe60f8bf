//! What a channel remembers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::memory::ids::{ChannelKey, QueueId};

use super::assembly::Assembly;
use super::pending::{Transaction, Unacked};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Starting,
    Running,
    Closing,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::memory) struct Consuming {
    pub(in crate::memory) queue: QueueId,
    /// The client knows of it, or need not be told.
    pub(super) is_known: bool,
}

/// The consumer of direct replies.
#[derive(Clone, Debug)]
pub(super) struct ReplyConsumer {
    pub(super) tag: Arc<str>,
    pub(super) key: Arc<str>,
}

#[derive(Debug)]
pub(in crate::memory) struct Channel {
    pub(in crate::memory) key: ChannelKey,
    pub(super) number: u16,
    pub(super) state: State,
    /// `channel.close-ok` is due behind the mail.
    pub(super) owes_close_ok: bool,
    pub(in crate::memory) assembly: Assembly,
    /// The queue that was declared last.
    pub(super) last_queue: Option<Arc<str>>,
    /// For consumers that are started from now on.
    pub(super) prefetch: u16,
    pub(in crate::memory) consumers: BTreeMap<Arc<str>, Consuming>,
    pub(super) reply_consumer: Option<ReplyConsumer>,
    pub(super) next_delivery_tag: u64,
    /// Sorted by tag.
    pub(in crate::memory) unacked: VecDeque<Unacked>,
    pub(super) is_confirming: bool,
    pub(super) next_publish_number: u64,
    /// Messages that were not refused.
    pub(in crate::memory) published: u64,
    /// Numbers of messages that are not in all of their queues.
    pub(super) unconfirmed: BTreeSet<u64>,
    /// Numbers that are to be confirmed.
    pub(super) confirmed: Vec<u64>,
    /// Numbers that are to be refused.
    pub(super) refused: Vec<u64>,
    pub(super) transaction: Transaction,
}

impl Channel {
    pub(in crate::memory) fn new(key: ChannelKey, number: u16) -> Self {
        Self {
            key,
            number,
            state: State::Starting,
            owes_close_ok: false,
            assembly: Assembly::Method,
            last_queue: None,
            prefetch: 0,
            consumers: BTreeMap::new(),
            reply_consumer: None,
            next_delivery_tag: 1,
            unacked: VecDeque::new(),
            is_confirming: false,
            next_publish_number: 1,
            published: 0,
            unconfirmed: BTreeSet::new(),
            confirmed: Vec::new(),
            refused: Vec::new(),
            transaction: Transaction::None,
        }
    }

    pub(in crate::memory) const fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing)
    }
}
