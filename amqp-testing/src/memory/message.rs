//! A message, once it has been published.

use std::sync::Arc;

use amqp_spec::basic::Properties;
use amqp_spec::wire::ShortString;

/// What queues share of a message.
#[derive(Debug)]
pub(super) struct Message {
    /// The exchange it was published to.
    pub(super) exchange: Arc<str>,
    /// The key it was published with; those of CC and BCC are not kept.
    pub(super) routing_key: ShortString,
    /// The properties as consumers get them.
    pub(super) properties: Properties,
    pub(super) body: Vec<u8>,
}
