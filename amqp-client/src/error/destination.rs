//! Where a message was published to, for the texts of what became of it.

use std::fmt;

use amqp_spec::ReplyCode;

use crate::message::ReturnedMessage;
use crate::text::{line, name};

/// An exchange and a routing key; the default exchange is told by the queue that it leads to.
pub(crate) struct Destination<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) routing_key: &'a str,
}

impl fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = name(self.routing_key);
        match self.exchange {
            "" => write!(f, "queue '{key}'"),
            exchange => write!(f, "exchange '{}', routing key '{key}'", name(exchange)),
        }
    }
}

/// That a message came back, why, and from where.
pub(crate) struct CameBack<'a>(pub(crate) &'a ReturnedMessage);

impl fmt::Display for CameBack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, text) = (self.0.reply_code, line(&self.0.reply_text));
        write!(f, "returned by the broker: {} {text}", code.0)?;
        let (exchange, routing_key) = (self.0.exchange(), self.0.routing_key());
        let destination = Destination {
            exchange: &exchange.to_string(),
            routing_key: &routing_key.to_string(),
        };
        match code == ReplyCode::NO_ROUTE && destination.exchange.is_empty() {
            true => write!(f, " (there is no {destination})"),
            false => write!(f, " ({destination})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Destination;

    fn told(exchange: &str, routing_key: &str) -> String {
        let destination = Destination {
            exchange,
            routing_key,
        };
        destination.to_string()
    }

    #[test]
    fn destinations_are_told_in_one_line_of_some_length() {
        assert_eq!(told("", "orders"), "queue 'orders'");
        assert_eq!(told("a", "b"), "exchange 'a', routing key 'b'");
        assert_eq!(told("a", ""), "exchange 'a', routing key ''");
        let poison = told("a\u{1b}[2J", "b\n\u{202e}");
        assert_eq!(poison, r"exchange 'a\u{1b}[2J', routing key 'b\n\u{202e}'");
        let long = told("", &"k".repeat(100_000));
        assert!(long.len() < 300, "{}", long.len());
    }
}
