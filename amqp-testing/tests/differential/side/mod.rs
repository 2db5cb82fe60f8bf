//! The two sides that a probe runs on, behind one trait.

mod memory;
mod real;

use std::time::Instant;

use amqp_testing::memory::Permissions;

pub(crate) use self::memory::Memory;
pub(crate) use self::real::Real;

/// A connection of a side, by the order in which it was made.
pub(crate) type Id = usize;

/// What a look at a connection has shown.
#[derive(Debug)]
pub(crate) enum Heard {
    Octets(Vec<u8>),
    /// The broker has ended the connection, by whatever means of TCP.
    End,
    /// Nothing came in the time that was given.
    Nothing,
}

/// A broker that octets are exchanged with.
pub(crate) trait Side {
    /// The virtual host that the probes of one run share.
    fn vhost(&self) -> &str;

    /// The time on this side's clock.
    fn now(&self) -> Instant;

    /// Makes a connection on which nothing has been said.
    fn connect(&mut self) -> Id;

    /// Sends octets, in one segment if they are few. Nothing tells whether they arrive.
    fn send(&mut self, id: Id, octets: &[u8]);

    /// Lets time pass, at most until then, until something is heard on the connection.
    fn hear(&mut self, id: Id, until: Instant) -> Heard;

    /// Closes the connection without a word.
    fn hang_up(&mut self, id: Id);

    /// Makes a user with these permissions in the virtual host.
    fn add_user(&mut self, login: &Login<'_>);

    /// Changes what a user may do.
    fn permit(&mut self, login: &Login<'_>);

    fn add_vhost(&mut self, name: &str);

    fn delete_vhost(&mut self, name: &str);

    /// Raises an alarm of memory, of which a node tells all connections.
    fn block(&mut self);

    /// Ends the alarm.
    fn unblock(&mut self);

    /// Makes a user who may not enter the virtual host.
    fn add_stranger(&mut self, name: &str, password: &str);
}

/// A user, and what it may do in the virtual host of the probes.
#[derive(Clone, Debug)]
pub(crate) struct Login<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
    pub(crate) permissions: Permissions,
    pub(crate) max_connections: Option<usize>,
    pub(crate) max_channels: Option<usize>,
}
