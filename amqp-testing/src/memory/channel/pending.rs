//! What waits on a channel: messages that are not settled, and what a commit is to do.

use std::sync::Arc;

use crate::memory::ids::QueueId;
use crate::memory::message::Message;
use crate::memory::vhost::Taken;

/// A message that the client has, and has not settled.
#[derive(Clone, Debug)]
pub(in crate::memory) struct Unacked {
    pub(in crate::memory) tag: u64,
    pub(super) taken: Taken,
}

/// What becomes of messages that are settled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Settling {
    /// They are gone.
    Done,
    /// They go back to their places.
    Requeue,
}

/// A message on its way to its queues.
#[derive(Debug)]
pub(super) struct Routed {
    pub(super) message: Arc<Message>,
    pub(super) queues: Vec<QueueId>,
    pub(super) mandatory: bool,
    /// If it is to be confirmed, or belongs to a transaction.
    pub(super) number: Option<u64>,
}

#[derive(Debug)]
pub(super) enum Transaction {
    /// The channel is not transactional.
    None,
    Open {
        messages: Vec<Routed>,
        settled: Vec<(Settling, Vec<Unacked>)>,
    },
    /// Its messages are not in their queues yet.
    Committing,
}

impl Transaction {
    pub(super) const fn new() -> Self {
        Self::Open {
            messages: Vec::new(),
            settled: Vec::new(),
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    pub(super) const fn is_committing(&self) -> bool {
        matches!(self, Self::Committing)
    }

    pub(super) fn publish(&mut self, routed: Routed) {
        if let Self::Open { messages, .. } = self {
            messages.push(routed);
        }
    }

    /// Keeps what was settled, or gives it back if there is no transaction.
    pub(super) fn settle(&mut self, how: Settling, unacked: Vec<Unacked>) -> Option<Vec<Unacked>> {
        match self {
            Self::Open { settled, .. } => {
                settled.push((how, unacked));
                None
            }
            _ => Some(unacked),
        }
    }

    /// What was settled and is not, after all.
    pub(super) fn give_up(&mut self) -> Vec<Unacked> {
        match self {
            Self::Open { messages, settled } => {
                messages.clear();
                settled.drain(..).flat_map(|(_, unacked)| unacked).collect()
            }
            _ => Vec::new(),
        }
    }
}
