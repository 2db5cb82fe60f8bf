//! Users, and what they may do.

use std::collections::BTreeMap;

/// Names of queues and exchanges that something is allowed for.
///
/// RabbitMQ has regular expressions in this place; these are the ones that tests write.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Access {
    /// All names (`.*`).
    #[default]
    All,
    /// No name (`^$` without the empty name).
    Nothing,
    /// Names that begin like this (`^prefix`).
    Prefix(String),
    /// One name (`^name$`).
    Exactly(String),
}

impl Access {
    pub(super) fn covers(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Prefix(prefix) => name.starts_with(prefix.as_bytes()),
            Self::Exactly(only) => name == only.as_bytes(),
        }
    }
}

/// What a user may do in one virtual host. The default allows everything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Permissions {
    /// What the user may declare and delete.
    pub configure: Access,
    /// Where the user may publish to, and which queues and exchanges it may bind.
    pub write: Access,
    /// Which queues the user may consume from, get from and purge, and which exchanges it may bind
    /// them to.
    pub read: Access,
}

/// A user, added with [`Kernel::add_user`](super::Kernel::add_user).
///
/// ```
/// use amqp_testing::memory::{Access, Permissions, User};
///
/// let auditor = User::new("auditor", "secret")
///     .may("/", Permissions { configure: Access::Nothing, ..Permissions::default() });
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct User {
    pub(super) name: String,
    password: String,
    impersonator: bool,
    permissions: BTreeMap<String, Permissions>,
    pub(super) connection_limit: Option<usize>,
    pub(super) channel_limit: Option<usize>,
}

impl User {
    /// A user without permissions, who can log in and enter no virtual host.
    #[must_use]
    pub fn new(name: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            password: password.into(),
            impersonator: false,
            permissions: BTreeMap::new(),
            connection_limit: None,
            channel_limit: None,
        }
    }

    /// What the user may do in a virtual host. Without this it may not enter it.
    #[must_use]
    pub fn may(mut self, vhost: impl Into<String>, permissions: Permissions) -> Self {
        self.permissions.insert(vhost.into(), permissions);
        self
    }

    /// The tag `impersonator`: the user may name others in `user-id`.
    #[must_use]
    pub fn impersonator(mut self) -> Self {
        self.impersonator = true;
        self
    }

    /// How many connections the user may have open.
    #[must_use]
    pub fn max_connections(mut self, max: usize) -> Self {
        self.connection_limit = Some(max);
        self
    }

    /// How many channels the user may have open, over all connections.
    #[must_use]
    pub fn max_channels(mut self, max: usize) -> Self {
        self.channel_limit = Some(max);
        self
    }

    pub(super) fn has_password(&self, password: &[u8]) -> bool {
        // RabbitMQ refuses empty passwords.
        !password.is_empty() && self.password.as_bytes() == password
    }

    pub(super) const fn is_impersonator(&self) -> bool {
        self.impersonator
    }

    pub(super) fn permit(&mut self, vhost: &str, permissions: Permissions) {
        self.permissions.insert(vhost.to_owned(), permissions);
    }

    pub(super) fn permissions(&self, vhost: &str) -> Option<&Permissions> {
        self.permissions.get(vhost)
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}
