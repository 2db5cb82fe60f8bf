//! A virtual host: exchanges, queues and bindings, and the way of a message through them.
//!
//! Nothing here knows the wire. What is asked for has been permitted and is well formed; what the
//! model itself refuses comes back as a [`Refusal`], and what queues have for channels is left in
//! their mail.

mod arguments;
mod bound;
mod exchange;
mod headers;
mod host;
mod queue;
mod topic;
mod topology;
mod traffic;

pub(super) use self::arguments::check_expiry;
pub(super) use self::exchange::{Binding, ExchangeSpec, Kind, Target};
pub(super) use self::host::VirtualHost;
pub(super) use self::queue::{Consumer, Queue, QueueSpec};
pub(super) use self::traffic::{Enqueued, Routing, Taken};
