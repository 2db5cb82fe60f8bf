//! Whose channel it is, and what it can reach.

use std::sync::Arc;

use super::ids::ConnectionId;
use super::node::{Node, Permission};
use super::output::Output;
use super::ports::Ports;
use super::refusal::Refusal;
use super::vhost::VirtualHost;

/// What a connection has become known for.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: ConnectionId,
    pub(super) user: Arc<str>,
    pub(super) vhost: Arc<str>,
    pub(super) capabilities: Capabilities,
}

/// What a client says it can, as far as that changes anything.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Capabilities {
    pub(super) authentication_failure_close: bool,
    pub(super) consumer_cancel_notify: bool,
    pub(super) connection_blocked: bool,
}

/// What a channel works on while it handles something.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) session: &'a Session,
    pub(super) node: &'a mut Node,
    pub(super) output: &'a mut Output,
}

impl Context<'_> {
    pub(super) fn vhost(&self) -> Result<&VirtualHost, Refusal> {
        self.node.vhost(&self.session.vhost)
    }

    pub(super) fn parts(&mut self) -> Result<(&mut VirtualHost, &mut Ports), Refusal> {
        self.node.parts(&self.session.vhost)
    }

    /// Refuses what the user may not do with a queue or exchange: its kind and its name.
    pub(super) fn check(
        &self,
        permission: Permission,
        resource: (&'static str, &[u8]),
    ) -> Result<(), Refusal> {
        let whose = (&*self.session.user, &*self.session.vhost);
        self.node.check(permission, resource, whose)
    }
}
