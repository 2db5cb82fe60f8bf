//! Queues.

use amqp_spec::wire::FieldTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arguments::{self, Argument, Form, OTHERS};
use super::checked;
use crate::declare::QueueDeclare;
use crate::settings::{self, Entry, Fault};

const TYPE: Argument = Argument::new("type", "x-queue-type", Form::Text);

/// Arguments with a key of their own: the names of the builder's methods.
const KNOWN: &[Argument] = &[
    TYPE,
    Argument::new("message_ttl", "x-message-ttl", Form::Millis),
    Argument::new("expires", "x-expires", Form::Millis),
    Argument::new("max_length", "x-max-length", Form::Count),
    Argument::new("max_length_bytes", "x-max-length-bytes", Form::Count),
    Argument::new(
        "overflow",
        "x-overflow",
        Form::Word(&["drop-head", "reject-publish", "reject-publish-dlx"]),
    ),
    Argument::new("max_priority", "x-max-priority", Form::Octet),
    Argument::new("dead_letter_exchange", "x-dead-letter-exchange", Form::Text),
    Argument::new(
        "dead_letter_routing_key",
        "x-dead-letter-routing-key",
        Form::Text,
    ),
    Argument::new(
        "dead_letter_strategy",
        "x-dead-letter-strategy",
        Form::Word(&["at-most-once", "at-least-once"]),
    ),
    Argument::new("delivery_limit", "x-delivery-limit", Form::Small),
    Argument::new(
        "delayed_retry_type",
        "x-delayed-retry-type",
        Form::Word(&["disabled", "failed", "returned", "all"]),
    ),
    Argument::new("delayed_retry_min", "x-delayed-retry-min", Form::Millis),
    Argument::new("delayed_retry_max", "x-delayed-retry-max", Form::Millis),
    Argument::new("consumer_timeout", "x-consumer-timeout", Form::Millis),
    Argument::new(
        "consumer_disconnected_timeout",
        "x-consumer-disconnected-timeout",
        Form::Millis,
    ),
    Argument::new(
        "single_active_consumer",
        "x-single-active-consumer",
        Form::Flag,
    ),
    Argument::new(
        "queue_leader_locator",
        "x-queue-leader-locator",
        Form::Word(&["client-local", "balanced"]),
    ),
    Argument::new(
        "quorum_initial_group_size",
        "x-quorum-initial-group-size",
        Form::Small,
    ),
    Argument::new(
        "initial_cluster_size",
        "x-initial-cluster-size",
        Form::Small,
    ),
    Argument::new("max_age", "x-max-age", Form::Age),
    Argument::new(
        "stream_max_segment_size_bytes",
        "x-stream-max-segment-size-bytes",
        Form::Count,
    ),
    Argument::new(
        "stream_filter_size_bytes",
        "x-stream-filter-size-bytes",
        Form::Octet,
    ),
    Argument::new("queue_version", "x-queue-version", Form::Octet),
    Argument::new("lazy", "x-queue-mode", Form::Is("lazy")),
];

/// Keys that are no arguments.
const PLAIN: [&str; 8] = [
    "name",
    "passive",
    "durable",
    "exclusive",
    "auto_delete",
    "unchecked",
    "dead_letter_queue",
    OTHERS,
];

/// The builder's methods as keys; see the guide's page on files.
impl<'de> Deserialize<'de> for QueueDeclare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        settings::read(deserializer, read)
    }
}

/// As it is read; arguments that no key can say stand below `arguments`.
impl Serialize for QueueDeclare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        settings::write(checked(self.as_method()).map(|()| write(self)), serializer)
    }
}

/// Reads a queue, and checks that it could be declared.
pub(super) fn read(queue: &Entry<'_>) -> Result<QueueDeclare, Fault> {
    let entries = queue.entries()?;
    let named = entries.iter().find(|entry| entry.name() == "name");
    let named = named.ok_or_else(|| queue.fault("has no name"))?;
    let mut declare = QueueDeclare::new(named.text()?);
    // Before others: quorum queues and streams are durable unless that is contradicted.
    for entry in entries.iter().filter(|entry| entry.name() == TYPE.key) {
        declare = match entry.text()? {
            "quorum" => declare.quorum(),
            "stream" => declare.stream(),
            kind => declare.argument(TYPE.name, kind),
        };
    }
    let others = entries
        .iter()
        .filter(|entry| !["name", TYPE.key].contains(&entry.name()));
    for entry in others {
        read_entry(entry, &mut declare)?;
    }
    queue.located(checked(declare.as_method()))?;
    Ok(declare)
}

fn read_entry(entry: &Entry<'_>, declare: &mut QueueDeclare) -> Result<(), Fault> {
    match entry.name() {
        "passive" => declare.passive = entry.boolean()?,
        "durable" => declare.durable = entry.boolean()?,
        "exclusive" => declare.exclusive = entry.boolean()?,
        "auto_delete" => declare.auto_delete = entry.boolean()?,
        "unchecked" => declare.unchecked = entry.boolean()?,
        "dead_letter_queue" => {
            for name in ["x-dead-letter-exchange", "x-dead-letter-routing-key"] {
                arguments::refuse_if_set(&declare.arguments, name, entry)?;
            }
            declare.arguments.set("x-dead-letter-exchange", "");
            declare
                .arguments
                .set("x-dead-letter-routing-key", entry.text()?);
        }
        OTHERS => arguments::read_others(entry, &mut declare.arguments)?,
        key => {
            let own = KNOWN.iter().find(|argument| argument.key == key);
            let own = own.ok_or_else(|| entry.unknown(keys()))?;
            own.read(entry, &mut declare.arguments)?;
        }
    }
    Ok(())
}

pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    let arguments = KNOWN.iter().map(|argument| argument.key);
    PLAIN.into_iter().chain(arguments)
}

/// What a file says of it.
pub(super) fn write(declare: &QueueDeclare) -> FieldTable {
    let mut file = FieldTable::new();
    file.insert("name", declare.name.as_str());
    let kind = declare.arguments.text(TYPE.name);
    let is_implied = matches!(kind, Some("quorum" | "stream"));
    if declare.durable || is_implied {
        file.insert("durable", declare.durable);
    }
    for (key, is_set) in [
        ("passive", declare.passive),
        ("exclusive", declare.exclusive),
        ("auto_delete", declare.auto_delete),
        ("unchecked", declare.unchecked),
    ] {
        if is_set {
            file.insert(key, true);
        }
    }
    arguments::write(&declare.arguments, KNOWN, &mut file);
    file
}
