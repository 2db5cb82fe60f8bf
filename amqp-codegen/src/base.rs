//! The files that `amqp-spec` is generated from, as a base for extensions.
//!
//! `spec/README.md` in the repository says where each comes from, and what only it can tell.

use crate::Source;

/// AMQP 0-9-1 with RabbitMQ's extensions, in XML: names, ids, types, directions, replies.
pub const XML: Source<'static> = Source::new(
    "amqp0-9-1.stripped.extended.xml",
    include_bytes!("../spec/amqp0-9-1.stripped.extended.xml"),
);

/// RabbitMQ's own description of the protocol, in JSON: defaults, class `access`, old names.
pub const JSON: Source<'static> = Source::new(
    "amqp-rabbitmq-0.9.1.json",
    include_bytes!("../spec/amqp-rabbitmq-0.9.1.json"),
);

/// Documentation of everything in the two, and corrections. It is an overlay for both together.
pub const OVERLAY: Source<'static> =
    Source::new("overlay.toml", include_bytes!("../spec/overlay.toml"));
