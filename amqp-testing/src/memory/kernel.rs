//! The broker as a whole: connections on one side, the node on the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use amqp_spec::ReplyCode;
use amqp_spec::basic::Properties;
use amqp_spec::wire::{FieldTable, ShortString};

use super::connection::Connection;
use super::ids::ConnectionId;
use super::like::Like;
use super::limits::{Confirming, Limits};
use super::message::{Entry, Message};
use super::names::Names;
use super::node::Node;
use super::refusal::Refusal;
use super::users::{Permissions, User};
use super::vhost::{Binding, ExchangeSpec, Kind, Queue, QueueSpec, Routing, Target, VirtualHost};
use super::views::{
    BindingView, ChannelView, ConnectionView, Destination, ExchangeView, MessageView, QueueView,
};

/// A broker without I/O: octets and the time come in, octets go out.
///
/// See the [module](super) for the order of calls, and for what is modelled.
#[derive(Debug)]
pub struct Kernel {
    node: Node,
    now: Instant,
    next_id: u64,
    connections: BTreeMap<ConnectionId, Connection>,
}

impl Kernel {
    /// A broker with the virtual host `/` and the user `guest` with the password `guest`, who may
    /// do everything there.
    ///
    /// `now` is where its time begins. Any clock will do; a time before the latest one counts as
    /// the latest.
    #[must_use]
    pub fn new(like: Like, now: Instant) -> Self {
        Self {
            node: Node::new(like),
            now,
            next_id: 1,
            connections: BTreeMap::new(),
        }
    }

    /// What generated names (`amq.gen-…`, `amq.ctag-…`) are made of. Brokers with the same seed
    /// and the same input say the same, octet for octet. The default is 0.
    pub fn set_seed(&mut self, seed: u64) {
        self.node.names = Names::new(seed);
    }

    // The wire

    /// A stream has been accepted.
    pub fn connect(&mut self, now: Instant) -> ConnectionId {
        self.now = self.now.max(now);
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        self.connections.insert(id, Connection::new(id, self.now));
        id
    }

    /// Octets have arrived on this stream, cut anywhere.
    ///
    /// What arrives with one call is what a broker would have found in its mailbox: see "Order" in
    /// the documentation of the [module](super). Octets for a connection that has ended are dropped.
    /// None make the broker panic.
    pub fn receive(&mut self, id: ConnectionId, octets: &[u8], now: Instant) {
        self.now = self.now.max(now);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.receive(octets, &mut self.node, self.now);
            self.read_mail();
        }
    }

    /// Whether the connection is being read. It is not while it is blocked by an alarm, nor while
    /// the client leaves 4 MiB lying that it should have taken; octets that are
    /// [received](Self::receive) meanwhile are kept, in memory.
    #[must_use]
    pub fn wants_octets(&self, id: ConnectionId) -> bool {
        let connection = self.connections.get(&id);
        connection.is_some_and(Connection::wants_octets)
    }

    /// Takes the octets that are to be written to this stream.
    pub fn take_output(&mut self, id: ConnectionId) -> Vec<u8> {
        let mut octets = Vec::new();
        self.take_output_into(id, &mut octets);
        octets
    }

    /// Appends the octets that are to be written to this stream to a buffer, and says how many.
    pub fn take_output_into(&mut self, id: ConnectionId, buf: &mut Vec<u8>) -> usize {
        let Some(connection) = self.connections.get_mut(&id) else {
            return 0;
        };
        let was_full = connection.output.is_full();
        let n_octets = connection.output.take_into(buf);
        if was_full {
            for key in connection.take_stopped() {
                self.node.ports.list(key);
            }
            connection.read_input(&mut self.node, self.now);
            self.read_mail();
        }
        n_octets
    }

    /// Whether the broker has ended this stream, behind the output that it has still got. A stream
    /// that is unknown or was [disconnected](Self::disconnected) is closed.
    #[must_use]
    pub fn is_closed(&self, id: ConnectionId) -> bool {
        let connection = self.connections.get(&id);
        connection.is_none_or(|connection| connection.has_ended() || connection.is_abandoned())
    }

    /// The client's stream has ended, orderly or not. Its consumers are gone and its messages given
    /// back at once, its exclusive queues 35 ms later; until then they are locked. Of a connection
    /// that is blocked nothing of that is noticed before the alarm ends.
    pub fn disconnected(&mut self, id: ConnectionId, now: Instant) {
        self.now = self.now.max(now);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.is_blocked() {
            // It is not read, so that this is not noticed.
            connection.abandon();
            return;
        }
        connection.end(&mut self.node, self.now);
        self.connections.remove(&id);
        self.read_mail();
    }

    /// When [`advance`](Self::advance) has something to do, if nothing else happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let connections = self.connections.values();
        let times = connections.filter_map(Connection::deadline);
        times.chain(self.node.deadline()).min()
    }

    /// Does what is due by now: heartbeats and their absence, streams that are closed after a
    /// silence, exclusive queues that go.
    pub fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        for connection in self.connections.values_mut() {
            connection.advance(&mut self.node, self.now);
        }
        self.node.advance(self.now);
        self.read_mail();
    }

    /// Hands out what queues have left for channels, until there is no more.
    fn read_mail(&mut self) {
        while let Some((key, owner, number)) = self.node.ports.next_listed() {
            if let Some(connection) = self.connections.get_mut(&owner) {
                connection.read_mail((number, key), &mut self.node, self.now);
            }
        }
    }

    // What is allowed

    /// Which broker it is like.
    #[must_use]
    pub const fn like(&self) -> Like {
        self.node.like
    }

    /// What is proposed and allowed.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.node.limits
    }

    /// Changes what is proposed and allowed, for connections that are tuned from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.node.limits = limits;
    }

    /// Changes how publishes are confirmed. What was [withheld](Confirming::Withheld) is confirmed
    /// now, unless it is to be withheld on.
    pub fn set_confirming(&mut self, confirming: Confirming) {
        self.node.confirming = confirming;
        // What was withheld is in no mail any more: every channel is asked.
        let keys: Vec<_> = self.node.ports.keys().collect();
        for key in keys {
            self.node.ports.list(key);
        }
        self.read_mail();
    }

    /// Adds a virtual host with the exchanges `amq.…`. `guest` may do everything there, as may each
    /// user with [permissions](User::may) for it.
    pub fn add_vhost(&mut self, name: impl Into<String>) {
        self.node.add_vhost(&name.into());
    }

    /// Deletes a virtual host. Connections in it are closed with 320; `false` if there is none.
    pub fn delete_vhost(&mut self, name: &str) -> bool {
        if !self.node.vhosts.contains_key(name) {
            return false;
        }
        // Consumers hear of their queues first.
        if let Ok((vhost, ports)) = self.node.parts(name) {
            vhost.delete_queues(ports);
        }
        self.read_mail();
        let text = format!("vhost '{name}' is deleted");
        let refusal = Refusal::new(ReplyCode::CONNECTION_FORCED, text).at_nothing();
        for connection in self.connections.values_mut() {
            if connection.is_running() && &*connection.session().vhost == name {
                connection.close(&refusal, None, &mut self.node, self.now);
            }
        }
        self.node.vhosts.remove(name);
        self.read_mail();
        true
    }

    /// Adds a user, or replaces the one of that name. Connections of theirs keep the permissions
    /// they came with.
    pub fn add_user(&mut self, user: User) {
        self.node.users.insert(user.name.clone(), user);
    }

    /// Changes what a user may do in a virtual host, at once; `false` if there is no such user.
    pub fn set_permissions(&mut self, user: &str, vhost: &str, permissions: Permissions) -> bool {
        let user = self.node.users.get_mut(user);
        user.map(|user| user.permit(vhost, permissions)).is_some()
    }

    // What a test does

    /// Raises an alarm, of memory or disk: connections that publish are told, with `low on` and
    /// this word, and are not read until [`unblock`](Self::unblock).
    pub fn block(&mut self, resource: &str) {
        self.node.alarm = Some(resource.to_owned());
    }

    /// Ends the alarm.
    pub fn unblock(&mut self) {
        self.node.alarm = None;
        for connection in self.connections.values_mut() {
            connection.unblock(&mut self.node, self.now);
            if connection.is_abandoned() {
                connection.end(&mut self.node, self.now);
            }
        }
        self.connections
            .retain(|_, connection| !connection.is_abandoned());
        self.read_mail();
    }

    /// Creates a queue past all connections, one that is neither durable nor exclusive and stays;
    /// `false` if there is one of that name, or no such virtual host. A client that declares it
    /// durable is refused with 406.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use amqp_spec::basic::Properties;
    /// use amqp_testing::memory::{Kernel, Like};
    ///
    /// let mut broker = Kernel::new(Like::RabbitMq4_0, Instant::now());
    /// assert!(broker.declare_queue("/", "orders"));
    /// assert!(broker.bind_queue("/", "orders", ("amq.topic", "order.*")));
    /// let to = ("amq.topic", "order.new");
    /// assert_eq!(broker.publish("/", to, &Properties::new(), b"order 42"), Some(1));
    /// assert_eq!(broker.queue("/", "orders").ok_or("no queue")?.bodies(), [b"order 42"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn declare_queue(&mut self, vhost: &str, name: &str) -> bool {
        let mut arguments = FieldTable::new();
        if self.node.like.adds_queue_type() {
            arguments.insert("x-queue-type", "classic");
        }
        let Ok((vhost, _)) = self.node.parts(vhost) else {
            return false;
        };
        let spec = QueueSpec {
            name: name.into(),
            durable: false,
            owner: None,
            auto_delete: false,
            arguments,
        };
        vhost.queue(name).is_none() && vhost.declare_queue(spec).is_ok()
    }

    /// Creates an exchange of this type (`direct`, `fanout`, `topic` or `headers`) that is not
    /// durable and stays; `false` if there is one of that name, or no such type or virtual host.
    pub fn declare_exchange(&mut self, vhost: &str, name: &str, kind: &str) -> bool {
        let (Ok((vhost, _)), Some(kind)) = (self.node.parts(vhost), Kind::of(kind.as_bytes()))
        else {
            return false;
        };
        let spec = ExchangeSpec {
            name: name.into(),
            kind,
            durable: false,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::new(),
        };
        vhost.exchange(name).is_none() && vhost.declare_exchange(spec).is_ok()
    }

    /// Binds a queue to an exchange, without arguments. `false` if there is no such virtual host,
    /// queue or exchange, or it is the default exchange or an exclusive queue.
    pub fn bind_queue(
        &mut self,
        vhost: &str,
        queue: &str,
        (exchange, routing_key): (&str, &str),
    ) -> bool {
        let Some(vhost) = self.node.vhosts.get_mut(vhost) else {
            return false;
        };
        let binding = Binding {
            target: Target::Queue(queue.into()),
            key: routing_key.into(),
            arguments: FieldTable::new(),
        };
        let no_connection = ConnectionId(0);
        !exchange.is_empty() && vhost.bind(exchange, binding, no_connection).is_ok()
    }

    /// Publishes a message past all connections, and says how many queues took it; `None` if
    /// there is no such virtual host or exchange. The default exchange is `""`, with a queue's name
    /// as the routing key.
    pub fn publish(
        &mut self,
        vhost: &str,
        (exchange, routing_key): (&str, &str),
        properties: &Properties,
        body: &[u8],
    ) -> Option<usize> {
        let (vhost, ports) = self.node.parts(vhost).ok()?;
        let exchange = vhost.exchange(exchange)?;
        let properties_ref = properties.as_ref();
        let routing = Routing {
            keys: &[routing_key.as_bytes()],
            headers: properties_ref.headers().unwrap_or_default(),
        };
        let queues = vhost.route(exchange, routing);
        let message = Arc::new(Message {
            exchange: Arc::clone(&exchange.spec.name),
            routing_key: ShortString::new(routing_key.as_bytes()).ok()?,
            properties: properties.clone(),
            body: body.to_vec(),
        });
        let enqueued = vhost.enqueue(&queues, &message, ports);
        self.read_mail();
        Some(enqueued.routed - enqueued.refused)
    }

    /// Deletes a queue, also one that is in use or exclusive: its consumers are cancelled. `false`
    /// if there is none.
    pub fn delete_queue(&mut self, vhost: &str, queue: &str) -> bool {
        let Ok((vhost, ports)) = self.node.parts(vhost) else {
            return false;
        };
        let exists = vhost.queue(queue).is_some();
        vhost.delete_queue(queue, ports);
        self.read_mail();
        exists
    }

    /// Throws away the messages of a queue that are ready, and says how many.
    pub fn purge_queue(&mut self, vhost: &str, queue: &str) -> usize {
        let vhost = self.node.vhosts.get_mut(vhost);
        let queue = vhost.and_then(|vhost| vhost.queue_mut(queue));
        queue.map_or(0, Queue::purge)
    }

    /// Closes a connection with `connection.close`, as an operator does (320) or a node that stops.
    /// `text` is cut at 255 octets.
    pub fn close_connection(&mut self, id: ConnectionId, code: u16, text: &str) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.is_running() {
            let refusal = Refusal::verbatim(code, text);
            connection.close(&refusal, None, &mut self.node, self.now);
            self.read_mail();
        }
    }

    /// Ends a connection without a word.
    pub fn reset(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.end(&mut self.node, self.now);
            self.read_mail();
        }
    }

    // What a test looks at

    /// The connections whose streams have not ended, in the order in which they came.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionId> {
        let is_open = |it: &Connection| !it.has_ended() && !it.is_abandoned();
        let open = self.connections.iter().filter(|(_, it)| is_open(it));
        open.map(|(id, _)| *id).collect()
    }

    /// A connection whose stream has not ended.
    #[must_use]
    pub fn connection(&self, id: ConnectionId) -> Option<ConnectionView> {
        let connection = self.connections.get(&id)?;
        if connection.has_ended() {
            return None;
        }
        let session = connection.session();
        let known = |name: &Arc<str>| (!name.is_empty()).then(|| name.to_string());
        Some(ConnectionView {
            user: known(&session.user),
            vhost: known(&session.vhost),
            channels: connection.channel_numbers(),
            blocked: connection.is_blocked(),
        })
    }

    /// A channel of a connection. Those that are being closed count, and have nothing.
    #[must_use]
    pub fn channel(&self, id: ConnectionId, number: u16) -> Option<ChannelView> {
        let connection = self.connections.get(&id)?;
        let vhost = self.vhost(&connection.session().vhost);
        let queue = |id| {
            vhost
                .and_then(|vhost| vhost.name_of(id))
                .unwrap_or_default()
        };
        let channel = connection.channels.get(&number)?;
        let consumers = channel.consumers.iter();
        Some(ChannelView {
            consumers: consumers
                .map(|(tag, it)| (tag.to_string(), queue(it.queue).to_owned()))
                .collect(),
            unacked: channel.unacked.iter().map(|unacked| unacked.tag).collect(),
            published: channel.published,
            amid_content: channel.assembly.is_amid_content(),
        })
    }

    /// The names of the virtual hosts, sorted.
    #[must_use]
    pub fn vhosts(&self) -> Vec<&str> {
        self.node.vhosts.keys().map(String::as_str).collect()
    }

    fn vhost(&self, name: &str) -> Option<&VirtualHost> {
        self.node.vhosts.get(name)
    }

    /// The names of the queues of a virtual host, sorted.
    #[must_use]
    pub fn queues(&self, vhost: &str) -> Vec<&str> {
        let queues = self.vhost(vhost).into_iter().flat_map(VirtualHost::queues);
        queues.map(|queue| &*queue.spec.name).collect()
    }

    /// A queue.
    #[must_use]
    pub fn queue(&self, vhost: &str, name: &str) -> Option<QueueView> {
        let queue = self.vhost(vhost)?.queue(name)?;
        let view = |entry: &Entry| MessageView {
            message: Arc::clone(&entry.message),
            redelivered: entry.redelivered,
        };
        Some(QueueView {
            name: queue.spec.name.to_string(),
            durable: queue.spec.durable,
            exclusive: queue.spec.owner.is_some(),
            auto_delete: queue.spec.auto_delete,
            arguments: queue.spec.arguments.clone(),
            ready: queue.entries().map(view).collect(),
            unacked: queue.unacked(),
            consumers: queue.consumer_count(),
        })
    }

    /// The names of the exchanges of a virtual host, sorted, with the default one, whose name is
    /// empty.
    #[must_use]
    pub fn exchanges(&self, vhost: &str) -> Vec<&str> {
        let exchanges = self
            .vhost(vhost)
            .into_iter()
            .flat_map(VirtualHost::exchanges);
        exchanges.map(|exchange| &*exchange.spec.name).collect()
    }

    /// An exchange.
    #[must_use]
    pub fn exchange(&self, vhost: &str, name: &str) -> Option<ExchangeView> {
        let spec = &self.vhost(vhost)?.exchange(name)?.spec;
        Some(ExchangeView {
            name: spec.name.to_string(),
            kind: spec.kind.name(),
            durable: spec.durable,
            auto_delete: spec.auto_delete,
            internal: spec.internal,
            arguments: spec.arguments.clone(),
        })
    }

    /// The bindings of a virtual host, by source, in the order in which they were made.
    #[must_use]
    pub fn bindings(&self, vhost: &str) -> Vec<BindingView> {
        let view = |(source, binding): (&str, &Binding)| BindingView {
            source: source.to_owned(),
            destination: match &binding.target {
                Target::Queue(name) => Destination::Queue(name.to_string()),
                Target::Exchange(name) => Destination::Exchange(name.to_string()),
            },
            routing_key: binding.key.to_string(),
            arguments: binding.arguments.clone(),
        };
        let bindings = self
            .vhost(vhost)
            .into_iter()
            .flat_map(VirtualHost::bindings);
        bindings.map(view).collect()
    }
}
