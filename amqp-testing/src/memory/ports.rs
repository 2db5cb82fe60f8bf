//! Where queues meet channels: what a queue has for a channel, and whether that takes more.
//!
//! In RabbitMQ queues and channels are processes that send each other messages, and what a queue
//! says waits behind the methods that the channel has already got. Here a channel's mail waits
//! until everything that arrived together has been handled, and is read then.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::ids::{ChannelKey, ConnectionId, QueueId};
use super::message::{Entry, Message};

/// What a queue, or a node, has to say to a channel.
#[derive(Debug)]
pub(super) enum Mail {
    /// The consumer exists.
    Consuming(Arc<str>),
    Delivery(Delivery),
    /// The consumer is gone, by request.
    Cancelled(Arc<str>),
    /// The queue is gone.
    QueueGone(QueueId),
    /// The message with this number is in all of its queues.
    Confirmed(u64),
    /// One of the queues of the message with this number was full.
    Refused(u64),
    /// A reply to the consumer of direct replies with this key.
    Reply {
        key: Arc<str>,
        message: Arc<Message>,
    },
    /// All messages of a transaction are in their queues.
    Committed,
}

#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) tag: Arc<str>,
    pub(super) queue: QueueId,
    pub(super) entry: Entry,
    pub(super) needs_ack: bool,
    /// It went back to its queue before the client could see it.
    pub(super) returned: bool,
}

/// What a channel may hold unacknowledged over all of its consumers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// 0 sets no limit.
    pub(super) limit: u16,
    pub(super) held: usize,
}

/// One channel as queues see it.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) owner: ConnectionId,
    pub(super) number: u16,
    pub(super) window: Window,
    pub(super) mail: VecDeque<Mail>,
    /// It is in the list of those with something to do.
    is_listed: bool,
}

/// All channels of a node.
#[derive(Debug, Default)]
pub(super) struct Ports {
    next: u64,
    open: BTreeMap<ChannelKey, Port>,
    /// Those with mail, in the order in which they got it.
    listed: VecDeque<ChannelKey>,
}

impl Ports {
    pub(super) fn open(&mut self, owner: ConnectionId, number: u16) -> ChannelKey {
        self.next += 1;
        let key = ChannelKey(self.next);
        let port = Port {
            owner,
            number,
            window: Window::default(),
            mail: VecDeque::new(),
            is_listed: false,
        };
        self.open.insert(key, port);
        key
    }

    pub(super) fn close(&mut self, key: ChannelKey) -> Option<Port> {
        self.open.remove(&key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = ChannelKey> {
        self.open.keys().copied()
    }

    pub(super) fn get_mut(&mut self, key: ChannelKey) -> Option<&mut Port> {
        self.open.get_mut(&key)
    }

    /// Leaves something in a channel's mail; a channel that is gone needs none.
    pub(super) fn post(&mut self, key: ChannelKey, mail: Mail) {
        if let Some(port) = self.open.get_mut(&key) {
            port.mail.push_back(mail);
        }
        self.list(key);
    }

    /// Sees to it that the channel is looked after, mail or not.
    pub(super) fn list(&mut self, key: ChannelKey) {
        if let Some(port) = self.open.get_mut(&key) {
            if !std::mem::replace(&mut port.is_listed, true) {
                self.listed.push_back(key);
            }
        }
    }

    /// The next channel to be looked after, with its connection and number.
    pub(super) fn next_listed(&mut self) -> Option<(ChannelKey, ConnectionId, u16)> {
        while let Some(key) = self.listed.pop_front() {
            if let Some(port) = self.open.get_mut(&key) {
                port.is_listed = false;
                return Some((key, port.owner, port.number));
            }
        }
        None
    }

    pub(super) fn next_mail(&mut self, key: ChannelKey) -> Option<Mail> {
        self.open.get_mut(&key)?.mail.pop_front()
    }

    /// Whether the channel takes a delivery, whatever its consumers do.
    pub(super) fn has_room(&self, key: ChannelKey) -> bool {
        self.open.get(&key).is_some_and(|port| {
            let Window { limit, held } = port.window;
            limit == 0 || held < usize::from(limit)
        })
    }

    /// A delivery that has to be acknowledged is on its way.
    pub(super) fn hold(&mut self, key: ChannelKey) {
        if let Some(port) = self.open.get_mut(&key) {
            port.window.held += 1;
        }
    }

    /// Deliveries were acknowledged; says whether there is room where there was none.
    pub(super) fn release(&mut self, key: ChannelKey, count: usize) -> bool {
        let was_full = !self.has_room(key);
        if let Some(port) = self.open.get_mut(&key) {
            port.window.held = port.window.held.saturating_sub(count);
        }
        was_full && self.has_room(key)
    }
}
