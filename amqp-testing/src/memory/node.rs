//! What all connections share: virtual hosts, users, limits, and the names that are made up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ids::{ChannelKey, ConnectionId};
use super::like::Like;
use super::limits::{Confirming, Limits};
use super::message::Message;
use super::names::Names;
use super::ports::{Mail, Ports};
use super::refusal::Refusal;
use super::texts;
use super::users::{Permissions, User};
use super::vhost::VirtualHost;

/// How long exclusive queues outlive a connection that was lost.
const AFTERLIFE: Duration = Duration::from_millis(35);

/// What a permission is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Permission {
    Configure,
    Write,
    Read,
}

impl Permission {
    const fn name(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// How much a user has open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) connections: usize,
    pub(super) channels: usize,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) like: Like,
    pub(super) limits: Limits,
    pub(super) confirming: Confirming,
    /// What is short, while something is.
    pub(super) alarm: Option<String>,
    pub(super) names: Names,
    pub(super) ports: Ports,
    pub(super) users: BTreeMap<String, User>,
    pub(super) vhosts: BTreeMap<String, VirtualHost>,
    /// By user.
    usage: BTreeMap<String, Usage>,
    /// The consumers of direct replies, by the last part of their address.
    replies: BTreeMap<Arc<str>, ChannelKey>,
    /// Connections that were lost, and when their exclusive queues go. By time.
    lost: Vec<(Instant, ConnectionId)>,
}

impl Node {
    pub(super) fn new(like: Like) -> Self {
        let mut node = Self {
            like,
            limits: Limits::of(like),
            confirming: Confirming::default(),
            alarm: None,
            names: Names::new(0),
            ports: Ports::default(),
            users: BTreeMap::new(),
            vhosts: BTreeMap::new(),
            usage: BTreeMap::new(),
            replies: BTreeMap::new(),
            lost: Vec::new(),
        };
        let guest = User::new("guest", "guest");
        node.users.insert("guest".to_owned(), guest);
        node.add_vhost("/");
        node
    }

    pub(super) fn add_vhost(&mut self, name: &str) {
        let like = self.like;
        self.vhosts
            .entry(name.to_owned())
            .or_insert_with(|| VirtualHost::new(name, like));
        if let Some(guest) = self.users.get_mut("guest") {
            guest.permit(name, Permissions::default());
        }
    }

    /// A virtual host, and the channels that its queues deliver to.
    pub(super) fn parts(&mut self, vhost: &str) -> Result<(&mut VirtualHost, &mut Ports), Refusal> {
        match self.vhosts.get_mut(vhost) {
            Some(vhost) => Ok((vhost, &mut self.ports)),
            None => Err(VirtualHost::not_found(vhost.as_bytes())),
        }
    }

    pub(super) fn vhost(&self, name: &str) -> Result<&VirtualHost, Refusal> {
        let vhost = self.vhosts.get(name);
        vhost.ok_or_else(|| VirtualHost::not_found(name.as_bytes()))
    }

    /// Refuses what the user may not do. `resource` is its kind and its name.
    pub(super) fn check(
        &self,
        permission: Permission,
        (kind, name): (&'static str, &[u8]),
        (user, vhost): (&str, &str),
    ) -> Result<(), Refusal> {
        let name: &[u8] = match (kind, name) {
            ("exchange", b"") => b"amq.default",
            _ => name,
        };
        let granted = self
            .users
            .get(user)
            .and_then(|user| user.permissions(vhost));
        let access = granted.map(|granted| match permission {
            Permission::Configure => &granted.configure,
            Permission::Write => &granted.write,
            Permission::Read => &granted.read,
        });
        if access.is_some_and(|access| access.covers(name)) {
            return Ok(());
        }
        let resource = (kind, name, vhost);
        Err(texts::no_permission(
            self.like,
            permission.name(),
            resource,
            user,
        ))
    }

    // What users have open

    pub(super) fn usage(&mut self, user: &str) -> &mut Usage {
        if !self.usage.contains_key(user) {
            self.usage.insert(user.to_owned(), Usage::default());
        }
        self.usage.entry(user.to_owned()).or_default()
    }

    /// The exclusive queues of a connection go, now that it has ended as it should.
    pub(super) fn forget(&mut self, id: ConnectionId, vhost: &str) {
        if let Ok((vhost, ports)) = self.parts(vhost) {
            vhost.delete_queues_of(id, ports);
        }
    }

    /// The exclusive queues of a connection go some time after it was lost.
    pub(super) fn lose(&mut self, id: ConnectionId, now: Instant) {
        if self.vhosts.values().any(|vhost| vhost.has_queues_of(id)) {
            self.lost.push((now + AFTERLIFE, id));
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.lost.first().map(|(due, _)| *due)
    }

    pub(super) fn advance(&mut self, now: Instant) {
        while let Some((due, id)) = self.lost.first().copied() {
            if due > now {
                return;
            }
            self.lost.remove(0);
            for vhost in self.vhosts.values_mut() {
                vhost.delete_queues_of(id, &mut self.ports);
            }
        }
    }

    // Direct replies

    /// A channel consumes replies: what their address ends in.
    pub(super) fn open_replies(&mut self, channel: ChannelKey) -> Arc<str> {
        let key: Arc<str> = self.names.reply_key().into();
        self.replies.insert(Arc::clone(&key), channel);
        key
    }

    pub(super) fn close_replies(&mut self, key: &str) {
        self.replies.remove(key);
    }

    pub(super) fn has_replies(&self, key: &str) -> bool {
        self.replies.contains_key(key)
    }

    /// Sends a reply to the consumer with this key, if it is still there.
    pub(super) fn reply(&mut self, key: &str, message: &Arc<Message>) {
        let Some((key, channel)) = self.replies.get_key_value(key) else {
            return;
        };
        let (key, message) = (Arc::clone(key), Arc::clone(message));
        self.ports.post(*channel, Mail::Reply { key, message });
    }
}
