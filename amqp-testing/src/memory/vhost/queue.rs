//! A queue: its messages in their order, its consumers in theirs, and who gets which.

use std::collections::VecDeque;
use std::sync::Arc;

use amqp_spec::wire::FieldTable;

use super::bound::Bound;
use crate::memory::fields::lookup;
use crate::memory::ids::{ChannelKey, ConnectionId, QueueId};
use crate::memory::message::{Entry, Message};
use crate::memory::ports::{Delivery, Mail, Ports};

/// What a queue is declared with.
#[derive(Clone, Debug)]
pub(in crate::memory) struct QueueSpec {
    pub(in crate::memory) name: Arc<str>,
    pub(in crate::memory) durable: bool,
    pub(in crate::memory) owner: Option<ConnectionId>,
    pub(in crate::memory) auto_delete: bool,
    pub(in crate::memory) arguments: FieldTable,
}

/// A consumer, as it is asked for.
#[derive(Clone, Debug)]
pub(in crate::memory) struct Consumer {
    pub(in crate::memory) channel: ChannelKey,
    pub(in crate::memory) tag: Arc<str>,
    pub(in crate::memory) no_ack: bool,
    /// 0 sets no limit.
    pub(in crate::memory) prefetch: u16,
    pub(in crate::memory) priority: i64,
}

#[derive(Debug)]
pub(in crate::memory) struct Queue {
    pub(in crate::memory) spec: QueueSpec,
    id: QueueId,
    /// Sorted by position.
    ready: VecDeque<Entry>,
    /// How long their bodies are together.
    ready_octets: usize,
    bound: Bound,
    /// The highest priority of a message; 0 if priorities count for nothing.
    max_priority: u8,
    /// Only the consumer that has been there longest gets messages.
    has_single_active: bool,
    next_position: u64,
    /// Delivered or fetched, and not settled.
    unacked: usize,
    /// By priority, and in the order in which they are served within one.
    consumers: Vec<Active>,
    is_exclusively_consumed: bool,
}

#[derive(Debug)]
struct Active {
    consumer: Consumer,
    held: usize,
}

impl Active {
    fn is(&self, channel: ChannelKey, tag: &str) -> bool {
        self.consumer.channel == channel && &*self.consumer.tag == tag
    }

    fn has_credit(&self) -> bool {
        let Consumer {
            no_ack, prefetch, ..
        } = self.consumer;
        no_ack || prefetch == 0 || self.held < usize::from(prefetch)
    }
}

impl Queue {
    pub(super) fn new(id: QueueId, spec: QueueSpec) -> Self {
        let arguments = spec.arguments.as_ref();
        let argument = |name| lookup(arguments, name);
        let max_priority = argument("x-max-priority").and_then(|it| it.as_i64());
        let single_active = argument("x-single-active-consumer").and_then(|it| it.as_bool());
        Self {
            bound: Bound::of(arguments),
            max_priority: max_priority
                .and_then(|it| u8::try_from(it).ok())
                .unwrap_or(0),
            has_single_active: single_active.unwrap_or(false),
            spec,
            id,
            ready: VecDeque::new(),
            ready_octets: 0,
            next_position: 0,
            unacked: 0,
            consumers: Vec::new(),
            is_exclusively_consumed: false,
        }
    }

    pub(in crate::memory) const fn id(&self) -> QueueId {
        self.id
    }

    // Messages

    pub(in crate::memory) fn len(&self) -> usize {
        self.ready.len()
    }

    pub(in crate::memory) const fn unacked(&self) -> usize {
        self.unacked
    }

    pub(in crate::memory) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.ready.iter()
    }

    /// Takes a message in and hands it out, unless the queue is full and refuses it, also if a
    /// consumer would take it at once.
    pub(super) fn accept(&mut self, message: Arc<Message>, ports: &mut Ports) -> bool {
        let length = self.ready.len() + 1;
        let octets = self.ready_octets + message.body.len();
        if self.bound.rejects() && self.bound.is_exceeded(length, octets) {
            return false;
        }
        self.push(message);
        self.deliver(ports);
        self.drop_oldest();
        true
    }

    /// Puts a message behind all of its priority.
    fn push(&mut self, message: Arc<Message>) {
        let priority = message.properties.as_ref().priority().unwrap_or(0);
        let behind = u64::from(u8::MAX - priority.min(self.max_priority));
        // Queues hold less than 2^56 messages.
        let position = behind << 56 | self.next_position;
        self.next_position += 1;
        self.insert_entry(Entry {
            position,
            message,
            redelivered: false,
        });
    }

    fn insert_entry(&mut self, entry: Entry) {
        self.ready_octets += entry.message.body.len();
        let at = self
            .ready
            .partition_point(|other| other.position < entry.position);
        self.ready.insert(at, entry);
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.ready.pop_front()?;
        self.ready_octets -= entry.message.body.len();
        Some(entry)
    }

    /// Drops messages from the front while there are too many, unless they are refused instead.
    pub(super) fn drop_oldest(&mut self) {
        while !self.bound.rejects()
            && self.bound.is_exceeded(self.ready.len(), self.ready_octets)
            && self.pop().is_some()
        {}
    }

    /// Takes the first message, which is to be acknowledged or not.
    pub(in crate::memory) fn take(&mut self, needs_ack: bool) -> Option<Entry> {
        let entry = self.pop()?;
        self.unacked += usize::from(needs_ack);
        Some(entry)
    }

    /// Throws away the messages that are ready.
    pub(in crate::memory) fn purge(&mut self) -> usize {
        let count = self.ready.len();
        self.ready.clear();
        self.ready_octets = 0;
        count
    }

    /// A message that was taken is done with. `by` is the consumer that had it, if it was not
    /// fetched.
    pub(super) fn settle(&mut self, channel: ChannelKey, by: Option<&str>) {
        self.unacked = self.unacked.saturating_sub(1);
        let Some(tag) = by else { return };
        let active = self.consumers.iter_mut().find(|it| it.is(channel, tag));
        if let Some(active) = active {
            active.held = active.held.saturating_sub(1);
        }
    }

    /// Puts a message back where it was.
    pub(super) fn give_back(&mut self, mut entry: Entry) {
        entry.redelivered = true;
        self.insert_entry(entry);
    }

    // Consumers

    pub(in crate::memory) fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    /// Adds a consumer; `false` if it, or another, has or wants the queue for itself, or if it wants
    /// one that has a single active consumer anyway.
    pub(super) fn add_consumer(&mut self, consumer: Consumer, exclusive: bool) -> bool {
        let is_refused = exclusive && (self.has_single_active || !self.consumers.is_empty());
        if self.is_exclusively_consumed || is_refused {
            return false;
        }
        self.is_exclusively_consumed = exclusive;
        let active = Active { consumer, held: 0 };
        self.insert(active);
        true
    }

    /// Behind all of its priority, or behind all others if one alone is active.
    fn insert(&mut self, active: Active) {
        let priority = match self.has_single_active {
            true => i64::MIN,
            false => active.consumer.priority,
        };
        let at = self
            .consumers
            .partition_point(|other| other.consumer.priority >= priority);
        self.consumers.insert(at, active);
    }

    /// Removes a consumer, or all of a channel; `true` if it was the last one.
    pub(super) fn remove_consumers(&mut self, channel: ChannelKey, tag: Option<&str>) -> bool {
        let before = self.consumers.len();
        self.consumers.retain(|it| {
            let is_meant = tag.is_none_or(|tag| &*it.consumer.tag == tag);
            it.consumer.channel != channel || !is_meant
        });
        if self.consumers.is_empty() {
            self.is_exclusively_consumed = false;
        }
        before > 0 && self.consumers.is_empty()
    }

    /// The channels of the consumers, each once.
    pub(super) fn channels(&self) -> Vec<ChannelKey> {
        let mut channels: Vec<_> = self
            .consumers
            .iter()
            .map(|it| it.consumer.channel)
            .collect();
        channels.sort_unstable();
        channels.dedup();
        channels
    }

    /// Hands out messages while there are some, and consumers that take them.
    pub(super) fn deliver(&mut self, ports: &mut Ports) {
        while !self.ready.is_empty() {
            let Some(at) = self.taker(ports) else {
                return;
            };
            self.deliver_to(at, ports);
        }
    }

    /// The consumer that gets the next message, if one takes it.
    fn taker(&self, ports: &Ports) -> Option<usize> {
        let takes = |it: &Active| it.has_credit() && ports.has_room(it.consumer.channel);
        if self.has_single_active {
            return self.consumers.first().filter(|it| takes(it)).map(|_| 0);
        }
        self.consumers.iter().position(takes)
    }

    fn deliver_to(&mut self, at: usize, ports: &mut Ports) {
        let Some(active) = self.consumers.get_mut(at) else {
            return;
        };
        let needs_ack = !active.consumer.no_ack;
        let channel = active.consumer.channel;
        let tag = Arc::clone(&active.consumer.tag);
        if needs_ack {
            self.unacked += 1;
            active.held += 1;
            ports.hold(channel);
        }
        let Some(entry) = self.pop() else {
            return;
        };
        let delivery = Delivery {
            tag,
            queue: self.id,
            entry,
            needs_ack,
            returned: false,
        };
        ports.post(channel, Mail::Delivery(delivery));
        // The next one goes to another consumer, if one of the same priority takes it.
        if self.consumers.len() > 1 && !self.has_single_active {
            let served = self.consumers.remove(at);
            self.insert(served);
        }
    }
}

#[cfg(test)]
mod tests {
    use amqp_spec::basic::Properties;
    use amqp_spec::field_table;

    use super::*;

    fn queue() -> Queue {
        queue_with(FieldTable::new())
    }

    fn queue_with(arguments: FieldTable) -> Queue {
        let spec = QueueSpec {
            name: "q".into(),
            durable: false,
            owner: None,
            auto_delete: false,
            arguments,
        };
        Queue::new(QueueId(1), spec)
    }

    fn message(body: &str, priority: u8) -> Arc<Message> {
        Arc::new(Message {
            exchange: "".into(),
            routing_key: Default::default(),
            properties: Properties::new().priority(priority),
            body: body.as_bytes().to_vec(),
        })
    }

    fn push(queue: &mut Queue, bodies: &[&str]) {
        for body in bodies {
            queue.push(message(body, 0));
        }
    }

    /// Publishes these bodies, and says which were taken.
    fn accepted(queue: &mut Queue, ports: &mut Ports, bodies: &[&str]) -> Vec<bool> {
        let bodies = bodies.iter();
        bodies
            .map(|body| queue.accept(message(body, 0), ports))
            .collect()
    }

    fn bodies(queue: &Queue) -> Vec<String> {
        let body = |entry: &Entry| String::from_utf8(entry.message.body.clone()).unwrap();
        queue.entries().map(body).collect()
    }

    fn consumer(channel: ChannelKey, tag: &str, prefetch: u16, priority: i64) -> Consumer {
        Consumer {
            channel,
            tag: tag.into(),
            no_ack: false,
            prefetch,
            priority,
        }
    }

    /// Which consumer has got what.
    fn got(ports: &mut Ports, channel: ChannelKey) -> Vec<String> {
        let mut got = Vec::new();
        while let Some(mail) = ports.next_mail(channel) {
            let Mail::Delivery(delivery) = mail else {
                continue;
            };
            let body = String::from_utf8_lossy(&delivery.entry.message.body).into_owned();
            got.push(format!("{} {body}", delivery.tag));
        }
        got
    }

    #[test]
    fn messages_that_are_given_back_get_their_places_again() {
        let mut queue = queue();
        push(&mut queue, &["a", "b", "c", "d"]);
        let taken: Vec<_> = (0..3).map(|_| queue.take(true).unwrap()).collect();
        push(&mut queue, &["e"]);
        let [a, b, c] = taken.try_into().unwrap();
        queue.give_back(c);
        queue.give_back(a);
        assert_eq!(bodies(&queue), ["a", "c", "d", "e"]);
        queue.give_back(b);
        assert_eq!(bodies(&queue), ["a", "b", "c", "d", "e"]);
        let redelivered: Vec<_> = queue.entries().map(|it| it.redelivered).collect();
        assert_eq!(redelivered, [true, true, true, false, false]);
    }

    #[test]
    fn consumers_are_served_in_turns() {
        let (mut queue, mut ports) = (queue(), Ports::default());
        let channel = ports.open(ConnectionId(1), 1);
        for tag in ["x", "y"] {
            assert!(queue.add_consumer(consumer(channel, tag, 0, 0), false));
        }
        push(&mut queue, &["a", "b", "c"]);
        queue.deliver(&mut ports);
        assert_eq!(got(&mut ports, channel), ["x a", "y b", "x c"]);
    }

    #[test]
    fn higher_priorities_are_served_first_as_long_as_they_take_more() {
        let (mut queue, mut ports) = (queue(), Ports::default());
        let channel = ports.open(ConnectionId(1), 1);
        queue.add_consumer(consumer(channel, "low", 0, -1), false);
        queue.add_consumer(consumer(channel, "high", 2, 5), false);
        push(&mut queue, &["a", "b", "c"]);
        queue.deliver(&mut ports);
        assert_eq!(got(&mut ports, channel), ["high a", "high b", "low c"]);
    }

    #[test]
    fn prefetch_limits_what_a_consumer_holds_and_the_window_what_its_channel_does() {
        let (mut queue, mut ports) = (queue(), Ports::default());
        let channel = ports.open(ConnectionId(1), 1);
        queue.add_consumer(consumer(channel, "x", 2, 0), false);
        push(&mut queue, &["a", "b", "c", "d", "e"]);
        queue.deliver(&mut ports);
        assert_eq!(got(&mut ports, channel), ["x a", "x b"]);
        queue.settle(channel, Some("x"));
        queue.deliver(&mut ports);
        assert_eq!(got(&mut ports, channel), ["x c"]);
        ports.get_mut(channel).unwrap().window.limit = 3;
        queue.settle(channel, Some("x"));
        queue.deliver(&mut ports);
        assert_eq!(got(&mut ports, channel), [""; 0], "three are held");
        assert!(ports.release(channel, 1));
        queue.deliver(&mut ports);
        assert_eq!(got(&mut ports, channel), ["x d"]);
    }

    #[test]
    fn an_exclusive_consumer_is_alone() {
        let (mut queue, mut ports) = (queue(), Ports::default());
        let channel = ports.open(ConnectionId(1), 1);
        assert!(queue.add_consumer(consumer(channel, "x", 0, 0), false));
        assert!(!queue.add_consumer(consumer(channel, "y", 0, 0), true));
        assert!(queue.remove_consumers(channel, Some("x")));
        assert!(queue.add_consumer(consumer(channel, "y", 0, 0), true));
        assert!(!queue.add_consumer(consumer(channel, "z", 0, 0), false));
    }

    #[test]
    fn a_full_queue_drops_the_oldest_of_what_is_ready() {
        let arguments = field_table! { "x-max-length" => 3i32, "x-max-length-bytes" => 6i32 };
        let (mut queue, mut ports) = (queue_with(arguments), Ports::default());
        let bodies = ["a", "b", "c", "d"];
        assert_eq!(accepted(&mut queue, &mut ports, &bodies), [true; 4]);
        let b = queue.take(true).unwrap();
        accepted(&mut queue, &mut ports, &["four", "e"]);
        assert_eq!(self::bodies(&queue), ["d", "four", "e"]);
        // What comes back is the oldest.
        queue.give_back(b);
        queue.drop_oldest();
        assert_eq!(self::bodies(&queue), ["d", "four", "e"]);
        accepted(&mut queue, &mut ports, &["larger than all"]);
        assert_eq!(self::bodies(&queue), [""; 0]);
    }

    #[test]
    fn a_full_queue_that_refuses_does_so_also_if_a_consumer_would_take_it() {
        let arguments = field_table! { "x-max-length" => 1i32, "x-overflow" => "reject-publish" };
        let (mut queue, mut ports) = (queue_with(arguments), Ports::default());
        let channel = ports.open(ConnectionId(1), 1);
        queue.add_consumer(consumer(channel, "x", 1, 0), false);
        let bodies = ["a", "b", "c"];
        assert_eq!(
            accepted(&mut queue, &mut ports, &bodies),
            [true, true, false]
        );
        assert_eq!(got(&mut ports, channel), ["x a"]);
        queue.settle(channel, Some("x"));
        assert_eq!(accepted(&mut queue, &mut ports, &["d"]), [false]);
        queue.purge();
        assert_eq!(accepted(&mut queue, &mut ports, &["e"]), [true]);
    }

    #[test]
    fn messages_go_by_their_priority_up_to_the_maximum() {
        let mut queue = queue_with(field_table! { "x-max-priority" => 2i32 });
        for (body, priority) in [("a", 0), ("b", 2), ("c", 1), ("d", 9)] {
            queue.push(message(body, priority));
        }
        assert_eq!(bodies(&queue), ["b", "d", "c", "a"]);
        let b = queue.take(true).unwrap();
        queue.push(message("e", 2));
        queue.give_back(b);
        assert_eq!(bodies(&queue), ["b", "d", "e", "c", "a"]);
    }

    #[test]
    fn a_single_active_consumer_is_followed_by_the_next_in_line() {
        let arguments = field_table! { "x-single-active-consumer" => true };
        let (mut queue, mut ports) = (queue_with(arguments), Ports::default());
        let channel = ports.open(ConnectionId(1), 1);
        assert!(!queue.add_consumer(consumer(channel, "x", 0, 0), true));
        queue.add_consumer(consumer(channel, "x", 1, 0), false);
        queue.add_consumer(consumer(channel, "y", 0, 7), false);
        push(&mut queue, &["a", "b"]);
        queue.deliver(&mut ports);
        assert_eq!(got(&mut ports, channel), ["x a"]);
        queue.remove_consumers(channel, Some("x"));
        queue.deliver(&mut ports);
        assert_eq!(got(&mut ports, channel), ["y b"]);
    }
}
