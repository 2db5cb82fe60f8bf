//! Which declarations make no sense: what RabbitMQ refuses in every version, and what it silently
//! takes for something else.
//!
//! The rules about types hold only where a declaration names its type, for the virtual host may
//! have another default. They are checked against RabbitMQ in `tests/broker/arguments.rs`; what
//! only some versions refuse is left to the broker.

use amqp_spec::wire::Value;

use super::queue::QueueDeclare;
use crate::error::ArgumentError;
use crate::message::TEN_YEARS;

/// Numbers: their names, their ranges, and those in words.
const RANGES: [(&str, i64, i64, &str); 13] = [
    (
        "x-message-ttl",
        0,
        TEN_YEARS,
        "0 to 315360000000 milliseconds",
    ),
    ("x-expires", 1, TEN_YEARS, "1 to 315360000000 milliseconds"),
    ("x-max-length", 0, i64::MAX, "a number of messages from 0"),
    (
        "x-max-length-bytes",
        0,
        i64::MAX,
        "a number of octets from 0",
    ),
    ("x-max-priority", 0, 255, "0 to 255"),
    (
        "x-quorum-initial-group-size",
        1,
        i64::MAX,
        "a number of nodes from 1",
    ),
    (
        "x-initial-cluster-size",
        1,
        i64::MAX,
        "a number of nodes from 1",
    ),
    (
        "x-stream-max-segment-size-bytes",
        0,
        3_000_000_000,
        "0 to 3000000000 octets",
    ),
    ("x-stream-filter-size-bytes", 16, 255, "16 to 255 octets"),
    // No version checks them, and less than 1 turns the delay off.
    ("x-delayed-retry-min", 1, i64::MAX, "milliseconds from 1"),
    ("x-delayed-retry-max", 1, i64::MAX, "milliseconds from 1"),
    ("x-consumer-timeout", 0, i64::MAX, "milliseconds from 0"),
    (
        "x-consumer-disconnected-timeout",
        0,
        i64::MAX,
        "milliseconds from 0",
    ),
];

/// A type of queue and what it does not know.
struct Rules {
    kind: &'static str,
    in_full: &'static str,
    /// Whether it may be transient, exclusive, or deleted by itself.
    always_durable: bool,
    unknown: &'static [&'static str],
}

const RULES: [Rules; 3] = [
    Rules {
        kind: "classic",
        in_full: "x-queue-type: classic",
        always_durable: false,
        unknown: &[
            "x-dead-letter-strategy",
            "x-delivery-limit",
            "x-quorum-initial-group-size",
            "x-initial-cluster-size",
            "x-max-age",
            "x-stream-max-segment-size-bytes",
            "x-delayed-retry-type",
            "x-delayed-retry-min",
            "x-delayed-retry-max",
            "x-consumer-disconnected-timeout",
        ],
    },
    Rules {
        kind: "quorum",
        in_full: "x-queue-type: quorum",
        always_durable: true,
        unknown: &[
            "x-max-priority",
            "x-initial-cluster-size",
            "x-max-age",
            "x-stream-max-segment-size-bytes",
            "x-queue-mode",
            "x-queue-version",
        ],
    },
    Rules {
        kind: "stream",
        in_full: "x-queue-type: stream",
        always_durable: true,
        unknown: &[
            "x-message-ttl",
            "x-expires",
            "x-max-length",
            "x-overflow",
            "x-max-priority",
            "x-dead-letter-exchange",
            "x-dead-letter-routing-key",
            "x-dead-letter-strategy",
            "x-delivery-limit",
            "x-single-active-consumer",
            "x-quorum-initial-group-size",
            "x-queue-mode",
            "x-queue-version",
            "x-delayed-retry-type",
            "x-delayed-retry-min",
            "x-delayed-retry-max",
            "x-consumer-disconnected-timeout",
        ],
    },
];

/// Refuses what makes no sense.
pub(super) fn queue(queue: &QueueDeclare) -> Result<(), ArgumentError> {
    if queue.passive {
        // Nothing but the name matters, and that must be there.
        return refuse_if(
            queue.name.is_empty(),
            "passive",
            "a name that the broker chooses",
        );
    }
    let kind = queue.arguments.text("x-queue-type");
    if let Some(rules) = RULES.iter().find(|rules| Some(rules.kind) == kind) {
        check_kind(queue, rules)?;
    }
    for (argument, low, high, expected) in RANGES {
        let value = queue.arguments.value(argument);
        let number = value.map(|value| value.as_i64());
        if number.is_some_and(|number| number.is_none_or(|n| n < low || n > high)) {
            return Err(ArgumentError::value(argument, expected));
        }
    }
    check_max_age(queue)?;
    check_delayed_retry(queue)?;
    check_dead_letters(queue)
}

fn check_kind(queue: &QueueDeclare, rules: &Rules) -> Result<(), ArgumentError> {
    let one = rules.in_full;
    if rules.always_durable {
        refuse_if(queue.exclusive, one, "exclusive")?;
        refuse_if(queue.auto_delete, one, "auto_delete")?;
        if !queue.durable {
            return Err(ArgumentError::missing(one, "durable"));
        }
    }
    for other in rules.unknown {
        refuse_if(queue.arguments.has(other), one, other)?;
    }
    let overflow = queue.arguments.text("x-overflow");
    // Taken for drop-head: messages would be lost that were to be refused.
    let misread = rules.kind == "quorum" && overflow == Some("reject-publish-dlx");
    refuse_if(misread, one, "x-overflow: reject-publish-dlx")
}

/// RabbitMQ takes all of this for a queue without delay, or with another one.
fn check_delayed_retry(queue: &QueueDeclare) -> Result<(), ArgumentError> {
    let (kind, least) = ("x-delayed-retry-type", "x-delayed-retry-min");
    let most = "x-delayed-retry-max";
    let millis = |name| queue.arguments.value(name).and_then(|value| value.as_i64());
    if let Some(value) = queue.arguments.value(kind) {
        match value.as_str() {
            Some("disabled") => {}
            Some("all" | "failed" | "returned") if millis(least).is_some() => {}
            Some("all" | "failed" | "returned") => return Err(ArgumentError::missing(kind, least)),
            _ => {
                let expected = "all, failed, returned or disabled";
                return Err(ArgumentError::value(kind, expected));
            }
        }
    }
    for of_delay in [least, most] {
        if queue.arguments.has(of_delay) && !queue.arguments.has(kind) {
            return Err(ArgumentError::missing(of_delay, kind));
        }
    }
    match (millis(least), millis(most)) {
        (Some(at_least), Some(at_most)) if at_most < at_least => {
            Err(ArgumentError::value(most, "at least x-delayed-retry-min"))
        }
        _ => Ok(()),
    }
}

fn check_max_age(queue: &QueueDeclare) -> Result<(), ArgumentError> {
    let argument = "x-max-age";
    let Some(value) = queue.arguments.value(argument) else {
        return Ok(());
    };
    let is_valid = value.as_str().is_some_and(is_age);
    if is_valid {
        return Ok(());
    }
    Err(ArgumentError::value(
        argument,
        "a number from 1 and a unit of Y, M, D, h, m, s",
    ))
}

/// Whether RabbitMQ takes the text for an age: `7D`, `3600s`.
fn is_age(text: &str) -> bool {
    let mut chars = text.chars();
    let unit = chars.next_back();
    let number = chars.as_str();
    matches!(unit, Some('Y' | 'M' | 'D' | 'h' | 'm' | 's'))
        && number.bytes().all(|octet| octet.is_ascii_digit())
        && number.bytes().any(|octet| octet != b'0')
}

/// Refuses what RabbitMQ cannot take for a place in a stream: it closes the channel over an age of
/// zero (406), and the connection over a word that it does not know (541).
pub(crate) fn stream_offset(offset: Value<'_>) -> Result<(), ArgumentError> {
    let is_valid = match offset {
        Value::LongString(_) => offset
            .as_str()
            .is_some_and(|text| ["first", "last", "next"].contains(&text) || is_age(text)),
        Value::Timestamp(_) => true,
        number => number.as_i64().is_some(),
    };
    if is_valid {
        return Ok(());
    }
    let expected = "first, last, next, an offset, a timestamp, or an interval from 1s";
    Err(ArgumentError::value("x-stream-offset", expected))
}

fn check_dead_letters(queue: &QueueDeclare) -> Result<(), ArgumentError> {
    let has_exchange = queue.arguments.has("x-dead-letter-exchange");
    let needs = |option, needs| Err(ArgumentError::missing(option, needs));
    if queue.arguments.has("x-dead-letter-routing-key") && !has_exchange {
        return needs("x-dead-letter-routing-key", "x-dead-letter-exchange");
    }
    if queue.arguments.text("x-dead-letter-strategy") == Some("at-least-once") {
        // RabbitMQ would fall back to at-most-once, and say so in its log only.
        let option = "x-dead-letter-strategy: at-least-once";
        if !has_exchange {
            return needs(option, "x-dead-letter-exchange");
        }
        if queue.arguments.text("x-overflow") != Some("reject-publish") {
            return needs(option, "x-overflow: reject-publish");
        }
    }
    Ok(())
}

fn refuse_if(bad: bool, one: &'static str, other: &'static str) -> Result<(), ArgumentError> {
    if bad {
        Err(ArgumentError::contradiction(one, other))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ArgumentError, QueueDeclare, queue};
    use crate::declare::{DeadLetterStrategy, DelayedRetryType, Overflow};

    fn quorum() -> QueueDeclare {
        QueueDeclare::new("q").quorum()
    }

    #[track_caller]
    fn check(declare: &QueueDeclare, expected: &str) {
        let error = queue(declare).expect_err("a refusal");
        assert_eq!(error.to_string(), expected);
        assert!(declare.clone().unchecked().as_method().is_ok());
    }

    #[test]
    fn both_that_do_not_go_together_are_named() {
        check(
            &quorum().exclusive(),
            "x-queue-type: quorum excludes exclusive",
        );
        check(
            &quorum().auto_delete(),
            "x-queue-type: quorum excludes auto_delete",
        );
        check(
            &quorum().max_priority(9),
            "x-queue-type: quorum excludes x-max-priority",
        );
        let transient = QueueDeclare::new("q").argument("x-queue-type", "quorum");
        check(&transient, "x-queue-type: quorum needs durable");
        let stream = QueueDeclare::new("q").stream();
        check(
            &stream.dead_letter_exchange("x"),
            "x-queue-type: stream excludes x-dead-letter-exchange",
        );
        check(
            &quorum().overflow(Overflow::RejectPublishDlx),
            "x-queue-type: quorum excludes x-overflow: reject-publish-dlx",
        );
        let no_name = QueueDeclare::new("").passive();
        check(&no_name, "passive excludes a name that the broker chooses");
    }

    #[test]
    fn dead_letters_at_least_once_need_an_exchange_and_refusals() {
        let strict = quorum().dead_letter_strategy(DeadLetterStrategy::AtLeastOnce);
        let option = "x-dead-letter-strategy: at-least-once";
        check(&strict, &format!("{option} needs x-dead-letter-exchange"));
        let strict = strict.dead_letter_exchange("x");
        check(
            &strict,
            &format!("{option} needs x-overflow: reject-publish"),
        );
        assert_eq!(queue(&strict.overflow(Overflow::RejectPublish)), Ok(()));
        check(
            &quorum().dead_letter_routing_key("k"),
            "x-dead-letter-routing-key needs x-dead-letter-exchange",
        );
    }

    #[test]
    fn numbers_out_of_range_are_refused_wherever_they_come_from() {
        let classic = QueueDeclare::new("q");
        let never = classic.clone().expires(Duration::ZERO);
        check(&never, "x-expires must be 1 to 315360000000 milliseconds");
        let longer = classic.clone().message_ttl(Duration::MAX);
        check(
            &longer,
            "x-message-ttl must be 0 to 315360000000 milliseconds",
        );
        let negative = classic.clone().argument("x-max-length", -1);
        check(
            &negative,
            "x-max-length must be a number of messages from 0",
        );
        let high = classic.clone().argument("x-max-priority", 256);
        check(&high, "x-max-priority must be 0 to 255");
        let text = classic.clone().argument("x-max-length", "7");
        assert!(matches!(queue(&text), Err(ArgumentError::Value { .. })));
        assert_eq!(
            queue(&classic.max_priority(255).message_ttl(Duration::ZERO)),
            Ok(())
        );
    }

    #[test]
    fn delays_that_rabbitmq_would_take_for_none_are_refused() {
        let kind = "x-delayed-retry-type";
        let second = Duration::from_secs(1);
        let delayed = quorum().delayed_retry_type(DelayedRetryType::All);
        check(&delayed, &format!("{kind} needs x-delayed-retry-min"));
        let alone = quorum().delayed_retry_max(second);
        check(&alone, &format!("x-delayed-retry-max needs {kind}"));
        let delayed = delayed.delayed_retry_min(second);
        let less = delayed.clone().delayed_retry_max(second / 2);
        check(
            &less,
            "x-delayed-retry-max must be at least x-delayed-retry-min",
        );
        let at_once = delayed.clone().delayed_retry_min(Duration::ZERO);
        check(&at_once, "x-delayed-retry-min must be milliseconds from 1");
        let unknown = delayed.clone().argument(kind, "some");
        check(
            &unknown,
            &format!("{kind} must be all, failed, returned or disabled"),
        );
        assert_eq!(queue(&delayed.delayed_retry_max(second)), Ok(()));
        let none = quorum().delayed_retry_type(DelayedRetryType::Disabled);
        assert_eq!(queue(&none), Ok(()));
    }

    #[test]
    fn ages_of_streams_are_read() {
        let aged = |age: &str| queue(&QueueDeclare::new("q").stream().argument("x-max-age", age));
        for good in ["7D", "1Y", "12M", "3h", "4m", "5s"] {
            assert_eq!(aged(good), Ok(()), "{good}");
        }
        for bad in ["", "7", "D", "0s", "10x", "-1s", "1é"] {
            assert!(aged(bad).is_err(), "{bad}");
        }
        let stream = QueueDeclare::new("q").stream();
        assert!(queue(&stream.clone().max_age(Duration::ZERO)).is_err());
        assert_eq!(queue(&stream.max_age(Duration::from_millis(1))), Ok(()));
    }

    #[test]
    fn passive_declarations_and_unknown_types_are_not_judged() {
        assert_eq!(queue(&quorum().exclusive().passive()), Ok(()));
        let plugin = QueueDeclare::new("q").argument("x-queue-type", "x-modulus");
        assert_eq!(queue(&plugin.exclusive().max_priority(3)), Ok(()));
    }
}
