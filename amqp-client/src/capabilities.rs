//! What the broker says of itself that a program may want to know.

use amqp_spec::wire::{FieldTable, TableRef};

/// What the broker says it can do (`capabilities` in its properties). All of them are true of
/// RabbitMQ since 3.3 and of LavinMQ, which says so of `connection_blocked` but never sends it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerCapabilities {
    /// It confirms messages: `confirm.select`.
    pub publisher_confirms: bool,
    /// It binds exchanges to exchanges: `exchange.bind`.
    pub exchange_exchange_bindings: bool,
    /// It understands `basic.nack`.
    pub basic_nack: bool,
    /// It tells when a consumer has lost its queue: `basic.cancel`.
    pub consumer_cancel_notify: bool,
    /// It tells when it takes no messages: `connection.blocked`.
    pub connection_blocked: bool,
    /// It serves some consumers before others: `x-priority`.
    pub consumer_priorities: bool,
    /// It tells a refused login from a broken connection.
    pub authentication_failure_close: bool,
    /// The prefetch of `basic.qos` counts for each consumer by itself.
    pub per_consumer_qos: bool,
    /// It has the pseudo-queue `amq.rabbitmq.reply-to`.
    pub direct_reply_to: bool,
}

impl ServerCapabilities {
    /// Reads them out of the broker's properties; what is not said is not so.
    pub(crate) fn of(properties: &FieldTable) -> Self {
        let capabilities = properties.get("capabilities").ok().flatten();
        let capabilities = capabilities.and_then(|value| value.as_table());
        let can = |name| {
            let said = capabilities.and_then(|table| table.get(name).ok().flatten());
            said.and_then(|value| value.as_bool()) == Some(true)
        };
        Self {
            publisher_confirms: can("publisher_confirms"),
            exchange_exchange_bindings: can("exchange_exchange_bindings"),
            basic_nack: can("basic.nack"),
            consumer_cancel_notify: can("consumer_cancel_notify"),
            connection_blocked: can("connection.blocked"),
            consumer_priorities: can("consumer_priorities"),
            authentication_failure_close: can("authentication_failure_close"),
            per_consumer_qos: can("per_consumer_qos"),
            direct_reply_to: can("direct_reply_to"),
        }
    }
}

/// The first RabbitMQ that takes a limit of the whole channel for one of each consumer.
pub(crate) const LIMITS_PER_CONSUMER: (u32, u32) = (4, 3);

/// Major and minor version, read out of the broker's properties; `None` if it is not RabbitMQ. What
/// cannot be read counts as the oldest.
pub(crate) fn rabbitmq_version(properties: TableRef<'_>) -> Option<(u32, u32)> {
    let property = |name| properties.get(name).ok().flatten();
    property("product").filter(|product| product.as_str() == Some("RabbitMQ"))?;
    let version = property("version");
    let text = version.and_then(|version| version.as_str());
    let mut numbers = text
        .unwrap_or_default()
        .split('.')
        .map(|number| number.parse().unwrap_or(0));
    Some((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use amqp_spec::field_table;

    use super::*;

    #[test]
    fn versions_are_those_of_rabbitmq_alone() {
        let version = |product, version| {
            let properties = field_table! { "product" => product, "version" => version };
            rabbitmq_version(properties.as_ref())
        };
        assert_eq!(version("RabbitMQ", "3.10.8"), Some((3, 10)));
        assert_eq!(version("RabbitMQ", "4.3.6+dev"), Some((4, 3)));
        assert_eq!(version("RabbitMQ", "10.0.0-rc.1"), Some((10, 0)));
        assert_eq!(version("RabbitMQ", "what"), Some((0, 0)));
        assert_eq!(version("RabbitMQ", "99999999999.1"), Some((0, 1)));
        assert_eq!(version("LavinMQ", "4.3.0"), None);
        assert_eq!(rabbitmq_version(field_table! {}.as_ref()), None);
    }

    #[test]
    fn what_is_not_said_to_be_true_is_not() {
        let capabilities = field_table! {
            "basic.nack" => true,
            "publisher_confirms" => false,
            "per_consumer_qos" => "true",
        };
        let told = ServerCapabilities::of(&field_table! { "capabilities" => &capabilities });
        let expected = ServerCapabilities {
            basic_nack: true,
            ..ServerCapabilities::default()
        };
        assert_eq!(told, expected);
        for properties in [field_table! {}, field_table! { "capabilities" => true }] {
            let none = ServerCapabilities::default();
            assert_eq!(ServerCapabilities::of(&properties), none);
        }
    }
}
