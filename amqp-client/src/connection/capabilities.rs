//! What the broker says of itself that a program may want to know.

use amqp_spec::wire::FieldTable;

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

#[cfg(test)]
mod tests {
    use amqp_spec::field_table;

    use super::*;

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
