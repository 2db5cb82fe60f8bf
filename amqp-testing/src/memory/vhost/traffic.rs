//! Messages on their way: to queues, to consumers, and back.

use std::sync::Arc;

use amqp_spec::wire::TableRef;

use crate::memory::ids::{ChannelKey, QueueId};
use crate::memory::message::{Entry, Message};
use crate::memory::ports::{Mail, Ports};
use crate::memory::refusal::Refusal;
use crate::memory::texts;

use super::arguments;
use super::exchange::{Exchange, Target};
use super::host::VirtualHost;
use super::queue::Consumer;

/// Where a message goes, beside its exchange and its key.
#[derive(Clone, Copy, Debug)]
pub(in crate::memory) struct Routing<'a> {
    /// The routing key, and those of CC and BCC.
    pub(in crate::memory) keys: &'a [&'a [u8]],
    pub(in crate::memory) headers: TableRef<'a>,
}

/// What has become of a message in its queues.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::memory) struct Enqueued {
    /// How many queues it went to that are still there.
    pub(in crate::memory) routed: usize,
    /// How many of them were full, and refused it.
    pub(in crate::memory) refused: usize,
}

/// A message that a channel has taken from a queue and has not settled.
#[derive(Clone, Debug)]
pub(in crate::memory) struct Taken {
    pub(in crate::memory) queue: QueueId,
    pub(in crate::memory) entry: Entry,
    /// The consumer that had it; none if it was fetched.
    pub(in crate::memory) consumer: Option<Arc<str>>,
}

impl VirtualHost {
    /// The queues that a message goes to, by name.
    pub(in crate::memory) fn route(
        &self,
        exchange: &Exchange,
        routing: Routing<'_>,
    ) -> Vec<QueueId> {
        if exchange.spec.name.is_empty() {
            let mut keys = routing.keys.to_vec();
            keys.sort_unstable();
            keys.dedup();
            let ids = keys.into_iter().filter_map(|key| {
                let name = std::str::from_utf8(key).ok()?;
                self.names.get(name).copied()
            });
            return ids.collect();
        }
        let mut queues: Vec<&Arc<str>> = Vec::new();
        let mut seen: Vec<&str> = vec![&exchange.spec.name];
        let mut ahead = vec![exchange];
        while let Some(exchange) = ahead.pop() {
            let mut visit = |name: &'_ str| {
                let found = self.exchanges.get(name);
                if let Some(next) = found.filter(|next| !seen.contains(&&*next.spec.name)) {
                    seen.push(&next.spec.name);
                    ahead.push(next);
                }
            };
            let mut is_lost = true;
            for target in exchange.targets(routing.keys, routing.headers, self.like) {
                is_lost = false;
                match target {
                    Target::Queue(name) => queues.push(name),
                    Target::Exchange(name) => visit(name),
                }
            }
            if let Some(alternate) = exchange.alternate().filter(|_| is_lost) {
                visit(alternate);
            }
        }
        queues.sort_unstable();
        queues.dedup();
        let ids = queues.into_iter().filter_map(|name| self.names.get(name));
        ids.copied().collect()
    }

    /// Puts a message into queues.
    pub(in crate::memory) fn enqueue(
        &mut self,
        queues: &[QueueId],
        message: &Arc<Message>,
        ports: &mut Ports,
    ) -> Enqueued {
        let mut enqueued = Enqueued::default();
        for id in queues {
            if let Some(queue) = self.queues.get_mut(id) {
                let is_refused = !queue.accept(Arc::clone(message), ports);
                enqueued.routed += 1;
                enqueued.refused += usize::from(is_refused);
            }
        }
        enqueued
    }

    /// Messages are done with. Those of one channel at a time.
    pub(in crate::memory) fn settle(&mut self, by: ChannelKey, taken: &[Taken], ports: &mut Ports) {
        for taken in taken {
            if let Some(queue) = self.queues.get_mut(&taken.queue) {
                queue.settle(by, taken.consumer.as_deref());
            }
        }
        self.resume(by, taken, ports);
    }

    /// Messages go back to where they were.
    pub(in crate::memory) fn give_back(
        &mut self,
        by: ChannelKey,
        taken: &[Taken],
        ports: &mut Ports,
    ) {
        for taken in taken {
            if let Some(queue) = self.queues.get_mut(&taken.queue) {
                queue.settle(by, taken.consumer.as_deref());
                queue.give_back(taken.entry.clone());
            }
        }
        // Before any of them is handed out again.
        for taken in taken {
            if let Some(queue) = self.queues.get_mut(&taken.queue) {
                queue.drop_oldest();
            }
        }
        self.resume(by, taken, ports);
    }

    /// Queues whose consumers may take more.
    pub(super) fn resume(&mut self, by: ChannelKey, taken: &[Taken], ports: &mut Ports) {
        let counted = taken.iter().filter(|it| it.consumer.is_some()).count();
        if ports.release(by, counted) {
            return self.resume_channel(by, ports);
        }
        let mut queues: Vec<_> = taken.iter().map(|it| it.queue).collect();
        queues.sort_unstable();
        queues.dedup();
        for id in queues {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.deliver(ports);
            }
        }
    }

    /// A channel takes more than before: all queues that it consumes from are asked.
    pub(in crate::memory) fn resume_channel(&mut self, channel: ChannelKey, ports: &mut Ports) {
        for queue in self.queues.values_mut() {
            if queue.len() > 0 && queue.channels().contains(&channel) {
                queue.deliver(ports);
            }
        }
    }

    // Consumers

    /// Starts a consumer of a queue that is accessible.
    pub(in crate::memory) fn consume(
        &mut self,
        name: &str,
        consumer: Consumer,
        (exclusive, says_so): (bool, bool),
        ports: &mut Ports,
    ) -> Result<QueueId, Refusal> {
        let vhost = Arc::clone(&self.name);
        let Some(id) = self.names.get(name).copied() else {
            return Err(texts::no_queue(name, &vhost));
        };
        let Some(queue) = self.queues.get_mut(&id) else {
            return Err(texts::no_queue(name, &vhost));
        };
        let (channel, tag) = (consumer.channel, Arc::clone(&consumer.tag));
        if !queue.add_consumer(consumer, exclusive) {
            return Err(texts::exclusively_consumed(name, &vhost));
        }
        if says_so {
            ports.post(channel, Mail::Consuming(tag));
        }
        queue.deliver(ports);
        Ok(id)
    }

    /// The priority that these arguments give a consumer.
    pub(in crate::memory) fn priority(
        &self,
        queue: &str,
        arguments: TableRef<'_>,
    ) -> Result<i64, Refusal> {
        arguments::priority(arguments, queue, &self.name)
    }

    /// Ends a consumer, or all of a channel on this queue.
    pub(in crate::memory) fn cancel(
        &mut self,
        queue: QueueId,
        channel: ChannelKey,
        tag: Option<&str>,
        ports: &mut Ports,
    ) {
        let Some(found) = self.queues.get_mut(&queue) else {
            return;
        };
        let was_last = found.remove_consumers(channel, tag);
        if was_last && found.spec.auto_delete {
            let name = Arc::clone(&found.spec.name);
            self.delete_queue(&name, ports);
        } else {
            // Another consumer may be the active one now.
            found.deliver(ports);
        }
    }
}
