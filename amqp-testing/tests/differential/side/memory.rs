//! The broker in memory, on a virtual clock.

use std::time::Instant;

use amqp_testing::memory::{ConnectionId, Kernel, Like, User};

use super::{Heard, Id, Login, Side};

/// A probe's broker, of its own.
pub(crate) struct Memory {
    kernel: Kernel,
    vhost: String,
    /// In the order in which they were made.
    connections: Vec<ConnectionId>,
    now: Instant,
}

impl Memory {
    pub(crate) fn new(like: Like, vhost: &str) -> Self {
        let now = Instant::now();
        let mut kernel = Kernel::new(like, now);
        kernel.add_vhost(vhost);
        Self {
            kernel,
            vhost: vhost.to_owned(),
            connections: Vec::new(),
            now,
        }
    }
}

impl Side for Memory {
    fn vhost(&self) -> &str {
        &self.vhost
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn connect(&mut self) -> Id {
        self.connections.push(self.kernel.connect(self.now));
        self.connections.len() - 1
    }

    fn send(&mut self, id: Id, octets: &[u8]) {
        self.kernel.receive(self.connections[id], octets, self.now);
    }

    fn hear(&mut self, id: Id, until: Instant) -> Heard {
        let id = self.connections[id];
        loop {
            let octets = self.kernel.take_output(id);
            if !octets.is_empty() {
                return Heard::Octets(octets);
            }
            if self.kernel.is_closed(id) {
                return Heard::End;
            }
            if self.now >= until {
                return Heard::Nothing;
            }
            // Nothing happens before this.
            let next = self.kernel.deadline().unwrap_or(until);
            self.now = next.clamp(self.now, until);
            self.kernel.advance(self.now);
        }
    }

    fn hang_up(&mut self, id: Id) {
        self.kernel.disconnected(self.connections[id], self.now);
    }

    fn add_user(&mut self, login: &Login<'_>) {
        let mut user = User::new(login.name, login.password);
        if let Some(max) = login.max_connections {
            user = user.max_connections(max);
        }
        if let Some(max) = login.max_channels {
            user = user.max_channels(max);
        }
        self.kernel
            .add_user(user.may(&self.vhost, login.permissions.clone()));
    }

    fn permit(&mut self, login: &Login<'_>) {
        let permissions = login.permissions.clone();
        self.kernel
            .set_permissions(login.name, &self.vhost, permissions);
    }

    fn add_vhost(&mut self, name: &str) {
        self.kernel.add_vhost(name);
    }

    fn delete_vhost(&mut self, name: &str) {
        self.kernel.delete_vhost(name);
    }

    fn block(&mut self) {
        self.kernel.block("memory");
    }

    fn unblock(&mut self) {
        self.kernel.unblock();
    }

    fn add_stranger(&mut self, name: &str, password: &str) {
        self.kernel.add_user(User::new(name, password));
    }
}
