//! Which messages of a publisher have to reach a queue.
//!
//! A message for the default exchange names its queue. If there is none, the broker confirms it all
//! the same, unless it is mandatory: so it is. A message for another exchange may have no taker at
//! the moment, by AMQP's rule, and is mandatory if the program says so.

/// What a publisher was told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Routing {
    /// Those that name their queue have to reach it.
    #[default]
    Named,
    /// All have to reach a queue.
    Mandatory,
    /// None has to.
    Optional,
}

impl Routing {
    /// Whether the broker is to return this message if it reaches no queue.
    ///
    /// Never one for an address of direct replies: RabbitMQ before 4.3 returns what it has
    /// delivered there, and from 4.3 on confirms what it has not.
    #[inline]
    pub(crate) fn is_mandatory(self, exchange: &str, routing_key: &str) -> bool {
        match self {
            Self::Optional => false,
            _ if exchange.is_empty() => !is_direct_reply(routing_key),
            Self::Named => false,
            Self::Mandatory => true,
        }
    }
}

/// Whether this is where the reply to a request goes directly, without a queue.
#[inline]
fn is_direct_reply(routing_key: &str) -> bool {
    let Some(key) = routing_key.strip_prefix("amq.") else {
        return false;
    };
    // RabbitMQ's, and LavinMQ's.
    key.starts_with("rabbitmq.reply-to.") || key.starts_with("direct.reply-to.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECT: [&str; 2] = [
        "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMDE2OTUwMTIAAAMyAAAAAGsMro0=.byl8MkVXh6ZB0535rnfGLw==",
        "amq.direct.reply-to.ctag",
    ];

    #[test]
    fn what_names_its_queue_has_to_reach_it() {
        for queue in [
            "orders",
            "",
            "amq.gen-x",
            "amq.rabbitmq.reply-to",
            "amq.direct.reply-tox",
        ] {
            assert!(Routing::Named.is_mandatory("", queue), "{queue}");
            assert!(!Routing::Named.is_mandatory("amq.topic", queue), "{queue}");
        }
    }

    #[test]
    fn direct_replies_are_never_mandatory() {
        for address in DIRECT {
            for routing in [Routing::Named, Routing::Mandatory, Routing::Optional] {
                assert!(!routing.is_mandatory("", address), "{routing:?} {address}");
            }
            // Elsewhere it is a key like any other.
            assert!(Routing::Mandatory.is_mandatory("amq.topic", address));
        }
    }

    #[test]
    fn program_has_the_last_word() {
        assert!(Routing::Mandatory.is_mandatory("amq.topic", "key"));
        assert!(!Routing::Optional.is_mandatory("", "orders"));
        assert!(!Routing::Optional.is_mandatory("amq.topic", "key"));
    }
}
