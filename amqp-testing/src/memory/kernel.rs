//! The broker as a whole: connections on one side, the node on the other.

use std::collections::BTreeMap;
use std::time::Instant;

use amqp_spec::basic::Properties;

use super::Like;
use super::limits::{Confirming, Limits};
use super::users::{Permissions, User};
use super::views::{BindingView, ConnectionView, ExchangeView, QueueView};

/// One connection of a [`Kernel`]. Ids are never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(u64);

/// A broker without I/O: octets and the time come in, octets go out.
///
/// See the [module](super) for the order of calls, and for what is modelled.
#[derive(Debug)]
pub struct Kernel {
    like: Like,
    limits: Limits,
    now: Instant,
    next_id: u64,
    connections: BTreeMap<ConnectionId, Vec<u8>>,
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
            like,
            limits: Limits::of(like),
            now,
            next_id: 1,
            connections: BTreeMap::new(),
        }
    }

    /// What generated names (`amq.gen-…`, `amq.ctag-…`) are made of. Brokers with the same seed
    /// and the same input say the same, octet for octet. The default is 0.
    pub fn set_seed(&mut self, seed: u64) {
        let _ = seed;
    }

    // The wire

    /// A stream has been accepted.
    pub fn connect(&mut self, now: Instant) -> ConnectionId {
        self.now = self.now.max(now);
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        self.connections.insert(id, Vec::new());
        id
    }

    /// Octets have arrived on this stream, cut anywhere.
    ///
    /// What arrives with one call is what a broker would have found in its mailbox: see "Order" in
    /// the documentation of the [module](super). Octets for a connection that has ended are dropped.
    /// None make the broker panic.
    pub fn receive(&mut self, id: ConnectionId, octets: &[u8], now: Instant) {
        let _ = (id, octets);
        self.now = self.now.max(now);
    }

    /// Whether the connection is being read. It is not while it is blocked by an alarm, nor while
    /// the client leaves 4 MiB lying that it should have taken; octets that are
    /// [received](Self::receive) meanwhile are kept, in memory.
    #[must_use]
    pub fn wants_octets(&self, id: ConnectionId) -> bool {
        self.connections.contains_key(&id)
    }

    /// Takes the octets that are to be written to this stream.
    pub fn take_output(&mut self, id: ConnectionId) -> Vec<u8> {
        let mut octets = Vec::new();
        self.take_output_into(id, &mut octets);
        octets
    }

    /// Appends the octets that are to be written to this stream to a buffer, and says how many.
    pub fn take_output_into(&mut self, id: ConnectionId, buf: &mut Vec<u8>) -> usize {
        let Some(output) = self.connections.get_mut(&id) else {
            return 0;
        };
        let n_octets = output.len();
        buf.append(output);
        n_octets
    }

    /// Whether the broker has ended this stream, behind the output that it has still got. A stream
    /// that is unknown or was [disconnected](Self::disconnected) is closed.
    #[must_use]
    pub fn is_closed(&self, id: ConnectionId) -> bool {
        !self.connections.contains_key(&id)
    }

    /// The client's stream has ended, orderly or not. Its consumers are gone and its messages given
    /// back at once, its exclusive queues 35 ms later; until then they are locked.
    pub fn disconnected(&mut self, id: ConnectionId, now: Instant) {
        self.now = self.now.max(now);
        self.connections.remove(&id);
    }

    /// When [`advance`](Self::advance) has something to do, if nothing else happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Does what is due by now: heartbeats and their absence, streams that are closed after a
    /// silence, exclusive queues that go.
    pub fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    // What is allowed

    /// Which broker it is like.
    #[must_use]
    pub const fn like(&self) -> Like {
        self.like
    }

    /// What is proposed and allowed.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Changes what is proposed and allowed, for connections that are tuned from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Changes how publishes are confirmed. What was [withheld](Confirming::Withheld) is confirmed
    /// now, unless it is to be withheld on.
    pub fn set_confirming(&mut self, confirming: Confirming) {
        let _ = confirming;
    }

    /// Adds a virtual host with the exchanges `amq.…`. `guest` may do everything there, as may each
    /// user with [permissions](User::may) for it.
    pub fn add_vhost(&mut self, name: impl Into<String>) {
        let _ = name.into();
    }

    /// Deletes a virtual host. Connections in it are closed with 320; `false` if there is none.
    pub fn delete_vhost(&mut self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Adds a user, or replaces the one of that name. Connections of theirs keep the permissions
    /// they came with.
    pub fn add_user(&mut self, user: User) {
        let _ = user;
    }

    /// Changes what a user may do in a virtual host, at once; `false` if there is no such user.
    pub fn set_permissions(&mut self, user: &str, vhost: &str, permissions: Permissions) -> bool {
        let _ = (user, vhost, permissions);
        false
    }

    // What a test does

    /// Raises an alarm, of memory or disk: connections that publish are told, with `low on` and
    /// this word, and are not read until [`unblock`](Self::unblock).
    pub fn block(&mut self, resource: &str) {
        let _ = resource;
    }

    /// Ends the alarm.
    pub fn unblock(&mut self) {}

    /// Publishes a message past all connections, and says to how many queues it went; `None` if
    /// there is no such virtual host or exchange.
    pub fn publish(
        &mut self,
        vhost: &str,
        (exchange, routing_key): (&str, &str),
        properties: &Properties,
        body: &[u8],
    ) -> Option<usize> {
        let _ = (vhost, exchange, routing_key, properties, body);
        None
    }

    /// Deletes a queue, whoever uses it: its consumers are cancelled. `false` if there is none.
    pub fn delete_queue(&mut self, vhost: &str, queue: &str) -> bool {
        let _ = (vhost, queue);
        false
    }

    /// Throws away the messages of a queue that are ready, and says how many.
    pub fn purge_queue(&mut self, vhost: &str, queue: &str) -> usize {
        let _ = (vhost, queue);
        0
    }

    /// Closes a connection with `connection.close`, as an operator does (320) or a node that stops.
    /// `text` is cut at 255 octets.
    pub fn close_connection(&mut self, id: ConnectionId, code: u16, text: &str) {
        let _ = (id, code, text);
    }

    /// Ends a connection without a word.
    pub fn reset(&mut self, id: ConnectionId) {
        let _ = id;
    }

    // What a test looks at

    /// The connections whose streams have not ended, in the order in which they came.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.connections.keys().copied().collect()
    }

    /// A connection whose stream has not ended.
    #[must_use]
    pub fn connection(&self, id: ConnectionId) -> Option<ConnectionView> {
        let _ = id;
        None
    }

    /// The names of the virtual hosts, sorted.
    #[must_use]
    pub fn vhosts(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The names of the queues of a virtual host, sorted.
    #[must_use]
    pub fn queues(&self, vhost: &str) -> Vec<&str> {
        let _ = vhost;
        Vec::new()
    }

    /// A queue.
    #[must_use]
    pub fn queue(&self, vhost: &str, name: &str) -> Option<QueueView> {
        let _ = (vhost, name);
        None
    }

    /// The names of the exchanges of a virtual host, sorted, with the default one, whose name is
    /// empty.
    #[must_use]
    pub fn exchanges(&self, vhost: &str) -> Vec<&str> {
        let _ = vhost;
        Vec::new()
    }

    /// An exchange.
    #[must_use]
    pub fn exchange(&self, vhost: &str, name: &str) -> Option<ExchangeView> {
        let _ = (vhost, name);
        None
    }

    /// The bindings of a virtual host, by source, in the order in which they were made.
    #[must_use]
    pub fn bindings(&self, vhost: &str) -> Vec<BindingView> {
        let _ = vhost;
        Vec::new()
    }
}
