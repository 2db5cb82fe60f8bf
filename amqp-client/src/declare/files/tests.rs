//! Files become what the builders make, and declarations files again.

use std::time::Duration;

use amqp_spec::field_table;
use amqp_spec::wire::{FieldArray, FieldTable, Timestamp, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{binding, exchange, queue};
use crate::declare::{
    Binding, DeadLetterStrategy, DelayedRetryType, LeaderLocator, Match, Overflow, Topology,
};
use crate::{ExchangeDeclare, QueueDeclare};

#[track_caller]
fn toml<T: DeserializeOwned>(text: &str) -> T {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn refused<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
    let error = toml::from_str::<T>(text).expect_err(text);
    error.message().to_owned()
}

/// As JSON, TOML and octets, and back.
#[track_caller]
fn comes_back<T: DeserializeOwned + PartialEq + Serialize + std::fmt::Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
    let text = toml::to_string(value).unwrap();
    assert_eq!(&toml::<T>(&text), value, "{text}");
}

/// The names of the builder's setters.
fn setters(source: &str, of: &str) -> Vec<String> {
    let block = source.split(&format!("\nimpl {of} {{")).nth(1).unwrap();
    let block = block.split("\n}\n").next().unwrap();
    let functions = block.split("\n    pub fn ").skip(1);
    let names = functions.filter_map(|function| {
        let (name, rest) = function.split_once('(')?;
        let arguments = rest.split(')').next()?;
        arguments.contains("self").then_some(name)
    });
    let names = names.map(|name| name.split('<').next().unwrap_or_default().to_owned());
    names.collect()
}

#[test]
fn every_setter_has_a_key() {
    let of = |source: &str, builder: &str, keys: &[&str], others: &[&str]| {
        let setters = setters(source, builder);
        assert!(!setters.is_empty());
        for setter in setters {
            let is_known = keys.contains(&&*setter) || others.contains(&&*setter);
            assert!(is_known, "{builder}::{setter} has no key in declare/files");
        }
    };
    // The types are said by `type`, one argument by `arguments`.
    let others = ["classic", "quorum", "stream", "argument"];
    let keys: Vec<_> = queue::keys().collect();
    of(include_str!("../queue.rs"), "QueueDeclare", &keys, &others);
    let keys: Vec<_> = exchange::keys().collect();
    of(
        include_str!("../exchange.rs"),
        "ExchangeDeclare",
        &keys,
        &others,
    );
    of(
        include_str!("../binding.rs"),
        "Binding",
        &binding::KEYS,
        &others,
    );
}

#[test]
fn each_key_of_a_queue_says_what_its_method_says() {
    let keys = [attributes(), limits_and_dead_letters(), nodes_and_others()];
    for (text, expected) in keys.into_iter().flatten() {
        let read: QueueDeclare = toml(&format!("name = \"q\"\n{text}"));
        assert_eq!(read, expected, "{text}");
        comes_back(&read);
    }
}

fn q() -> QueueDeclare {
    QueueDeclare::new("q")
}

fn attributes() -> Vec<(&'static str, QueueDeclare)> {
    vec![
        ("", q()),
        ("durable = true", q().durable()),
        ("durable = false", q()),
        ("exclusive = true", q().exclusive()),
        ("auto_delete = true", q().auto_delete()),
        ("passive = true", q().passive()),
        ("unchecked = true", q().unchecked()),
        ("type = \"classic\"", q().classic()),
        ("type = \"quorum\"", q().quorum()),
        ("type = \"stream\"", q().stream()),
        ("type = \"x-odd\"", q().argument("x-queue-type", "x-odd")),
    ]
}

fn limits_and_dead_letters() -> Vec<(&'static str, QueueDeclare)> {
    let day = Duration::from_secs(86_400);
    vec![
        (
            "message_ttl = \"500ms\"",
            q().message_ttl(Duration::from_millis(500)),
        ),
        ("expires = \"1d\"", q().expires(day)),
        ("max_length = 7", q().max_length(7)),
        ("max_length_bytes = 7", q().max_length_bytes(7)),
        ("overflow = \"drop-head\"", q().overflow(Overflow::DropHead)),
        (
            "overflow = \"reject-publish\"",
            q().overflow(Overflow::RejectPublish),
        ),
        (
            "overflow = \"reject-publish-dlx\"",
            q().overflow(Overflow::RejectPublishDlx),
        ),
        ("max_priority = 10", q().max_priority(10)),
        (
            "dead_letter_exchange = \"x\"",
            q().dead_letter_exchange("x"),
        ),
        (
            "dead_letter_exchange = \"x\"\ndead_letter_routing_key = \"k\"",
            q().dead_letter_exchange("x").dead_letter_routing_key("k"),
        ),
        (
            "dead_letter_queue = \"dead\"",
            q().dead_letter_queue("dead"),
        ),
        (
            "dead_letter_strategy = \"at-most-once\"",
            q().dead_letter_strategy(DeadLetterStrategy::AtMostOnce),
        ),
        ("delivery_limit = 5", q().delivery_limit(5)),
    ]
}

fn nodes_and_others() -> Vec<(&'static str, QueueDeclare)> {
    let day = Duration::from_secs(86_400);
    vec![
        (
            "single_active_consumer = true",
            q().single_active_consumer(),
        ),
        ("single_active_consumer = false", q()),
        (
            "queue_leader_locator = \"balanced\"",
            q().queue_leader_locator(LeaderLocator::Balanced),
        ),
        (
            "queue_leader_locator = \"client-local\"",
            q().queue_leader_locator(LeaderLocator::ClientLocal),
        ),
        (
            "quorum_initial_group_size = 3",
            q().quorum_initial_group_size(3),
        ),
        ("initial_cluster_size = 3", q().initial_cluster_size(3)),
        ("max_age = \"7d\"", q().max_age(day * 7)),
        (
            "stream_max_segment_size_bytes = 1000",
            q().stream_max_segment_size_bytes(1000),
        ),
        (
            "stream_filter_size_bytes = 32",
            q().stream_filter_size_bytes(32),
        ),
        ("queue_version = 2", q().queue_version(2)),
        (
            "delayed_retry_type = \"failed\"\ndelayed_retry_min = \"1s\"\ndelayed_retry_max = \"1m\"",
            q().delayed_retry_type(DelayedRetryType::Failed)
                .delayed_retry_min(Duration::from_secs(1))
                .delayed_retry_max(Duration::from_secs(60)),
        ),
        (
            "consumer_timeout = \"1h\"\nconsumer_disconnected_timeout = \"10s\"",
            q().consumer_timeout(Duration::from_secs(3600))
                .consumer_disconnected_timeout(Duration::from_secs(10)),
        ),
        ("lazy = true", q().lazy()),
        (
            "arguments = { x-odd = 1, x-list = [true] }",
            q().argument("x-odd", 1_i64)
                .argument("x-list", FieldArray::from_iter([true])),
        ),
        (
            "arguments = { x-max-length = { \"$i32\" = 5 } }",
            q().argument("x-max-length", 5_i32),
        ),
    ]
}

#[test]
fn values_of_the_program_s_own_types_come_back_as_they_were() {
    let declare = QueueDeclare::new("q")
        .argument("x-max-length", 5_u8)
        .argument("x-message-ttl", 60_000_i64)
        .argument("x-expires", 60_000_i32)
        .argument("x-since", Timestamp(7))
        .argument("x-nothing", Value::Void);
    comes_back(&declare);
    let text = serde_json::to_string(&declare).unwrap();
    let expected = r#"{"name":"q","message_ttl":"1m","arguments":{"x-max-length":{"$u8":5},"x-expires":{"$i32":60000},"x-since":{"$timestamp":7},"x-nothing":{"$void":true}}}"#;
    assert_eq!(text, expected);
    // An age that RabbitMQ reads and no key can say.
    comes_back(&QueueDeclare::new("q").stream().argument("x-max-age", "7D"));
    let transient = QueueDeclare::new("q").argument("x-queue-type", "quorum");
    comes_back(&transient.unchecked());
    let binding = Binding::headers(Match::AnyWithX).argument("count", 5_i32);
    comes_back(&binding);
    comes_back(&Binding::new("order.*"));
    assert_eq!(
        serde_json::from_str::<Binding>("\"order.*\"").unwrap(),
        Binding::new("order.*")
    );
}

#[test]
fn exchanges_and_bindings_are_read() {
    let exchange: ExchangeDeclare = toml(
        r#"
        name = "orders"
        type = "topic"
        durable = true
        internal = true
        auto_delete = true
        alternate_exchange = "unrouted"
        arguments = { x-odd = true }
        "#,
    );
    let expected = ExchangeDeclare::topic("orders")
        .durable()
        .internal()
        .auto_delete()
        .alternate_exchange("unrouted")
        .argument("x-odd", true);
    assert_eq!(exchange, expected);
    comes_back(&exchange);
    comes_back(&ExchangeDeclare::fanout("x").passive());
    for (word, how) in [
        ("all", Match::All),
        ("any", Match::Any),
        ("all-with-x", Match::AllWithX),
        ("any-with-x", Match::AnyWithX),
    ] {
        let read: Binding = toml(&format!(
            "match = \"{word}\"\narguments = {{ urgent = true }}"
        ));
        assert_eq!(read, Binding::headers(how).argument("urgent", true));
        comes_back(&read);
    }
}

const TOPOLOGY: &str = r#"
    [[exchanges]]
    name = "orders"
    type = "topic"
    durable = true

    [[queues]]
    name = "invoices"
    type = "quorum"
    message_ttl = "1h"

    [[bindings]]
    queue = "invoices"
    exchange = "orders"
    routing_key = "order.*.paid"

    [[bindings]]
    destination = "audit"
    source = "orders"
    match = "any"
"#;

#[test]
fn topology_is_read_whole() {
    let expected = Topology::default()
        .exchange(ExchangeDeclare::topic("orders").durable())
        .queue(
            QueueDeclare::new("invoices")
                .quorum()
                .message_ttl(Duration::from_secs(3600)),
        )
        .queue_binding("invoices", "orders", "order.*.paid")
        .exchange_binding("audit", "orders", Binding::headers(Match::Any));
    let read: Topology = toml(TOPOLOGY);
    assert_eq!(read, expected);
    assert_eq!(read.len(), 4);
    comes_back(&read);
    let empty: Topology = toml("");
    assert!(empty.is_empty());
    comes_back(&empty);
}

/// Files that are wrong, and what is said of them.
const WRONG: &[(&str, &str)] = &[
    (
        "[[queues]]\nname = \"q\"\nmesage_ttl = \"1h\"",
        "queues[0].mesage_ttl: is an unknown key; is it message_ttl?",
    ),
    ("quues = []", "quues: is an unknown key; is it queues?"),
    ("colour = 1", "colour: is an unknown key"),
    ("queues = 5", "queues: must be a list"),
    ("queues = [5]", "queues[0]: must be a table"),
    ("queues = [{}]", "queues[0]: has no name"),
    (
        "queues = [{ name = \"q\", message_ttl = 5 }]",
        "queues[0].message_ttl: must be a time with its unit, such as \"500ms\", \"30s\", \
         \"15m\", \"1h\" or \"7d\"",
    ),
    (
        "queues = [{ name = \"q\", message_ttl = \"1us\" }]",
        "queues[0].message_ttl: must be a whole number of milliseconds",
    ),
    (
        "queues = [{ name = \"q\", max_age = \"1ms\" }]",
        "queues[0].max_age: must be a whole number of seconds",
    ),
    (
        "queues = [{ name = \"q\", message_ttl = \"4000d\" }]",
        "queues[0]: x-message-ttl must be 0 to 315360000000 milliseconds (queue 'q')",
    ),
    (
        "queues = [{ name = \"q\", max_priority = 256 }]",
        "queues[0].max_priority: must be a whole number from 0 to 255",
    ),
    (
        "queues = [{ name = \"q\", max_length = -1 }]",
        "queues[0].max_length: must be a whole number from 0 to 9223372036854775807",
    ),
    (
        "queues = [{ name = \"q\", max_length = 1.0 }]",
        "queues[0].max_length: must be a whole number from 0 to 9223372036854775807",
    ),
    (
        "queues = [{ name = \"q\", durable = \"yes\" }]",
        "queues[0].durable: must be true or false",
    ),
    (
        "queues = [{ name = \"q\", overflow = \"reject\" }]",
        "queues[0].overflow: must be \"drop-head\" or \"reject-publish\" or \
         \"reject-publish-dlx\"",
    ),
    (
        "queues = [{ name = \"q\", type = \"quorum\", durable = false }]",
        "queues[0]: x-queue-type: quorum needs durable (queue 'q')",
    ),
    (
        "queues = [{ name = \"q\", type = \"stream\", message_ttl = \"1s\" }]",
        "queues[0]: x-queue-type: stream excludes x-message-ttl (queue 'q')",
    ),
    (
        "queues = [{ name = \"q\", max_length = 1, arguments = { x-max-length = 1 } }]",
        "queues[0].max_length: sets x-max-length, which another key sets as well",
    ),
    (
        "queues = [{ name = \"q\", dead_letter_queue = \"d\", dead_letter_exchange = \"x\" }]",
        "queues[0].dead_letter_queue: sets x-dead-letter-exchange, which another key sets as \
         well",
    ),
    (
        "exchanges = [{ name = \"x\" }]",
        "exchanges[0]: has no type",
    ),
    (
        "exchanges = [{ name = \"x\", type = \"topic\", durable = 1 }]",
        "exchanges[0].durable: must be true or false",
    ),
    (
        "bindings = [{ queue = \"q\", source = \"x\" }]",
        "bindings[0]: must be of a queue to an exchange, or of a destination to a source",
    ),
    (
        "bindings = [{ queue = \"q\", exchange = \"x\", routing-key = \"k\" }]",
        "bindings[0].routing-key: is an unknown key; is it routing_key?",
    ),
    (
        "bindings = [{ queue = \"q\", exchange = \"x\", arguments = { a = nan } }]",
        "bindings[0]: \"a\" is not a finite number: RabbitMQ ends the connection over NaN and \
         infinity",
    ),
];

#[test]
fn what_is_wrong_is_told_by_its_key() {
    let long = "n".repeat(256);
    for (text, told) in WRONG {
        assert_eq!(refused::<Topology>(text), *told, "{text}");
    }
    for text in [
        format!("queues = [{{ name = \"{long}\" }}]"),
        format!("exchanges = [{{ name = \"{long}\", type = \"topic\" }}]"),
        format!("exchanges = [{{ name = \"x\", type = \"{long}\" }}]"),
        format!("bindings = [{{ queue = \"{long}\", exchange = \"x\" }}]"),
        format!("bindings = [{{ queue = \"q\", exchange = \"x\", routing_key = \"{long}\" }}]"),
        format!("queues = [{{ name = \"q\", arguments = {{ {long} = 1 }} }}]"),
    ] {
        let told = refused::<Topology>(&text);
        assert!(told.contains("255"), "{told}");
    }
}

#[test]
fn names_of_arguments_are_told_in_one_line() {
    let text = r#"{ "arguments": { "$table": [["a\u001b[31m\n", 1], ["a\u001b[31m\n", 2]] } }"#;
    let told = serde_json::from_str::<Binding>(text)
        .unwrap_err()
        .to_string();
    assert!(told.contains("which another key sets as well"), "{told}");
    assert!(!told.contains(char::is_control), "{told:?}");
}

#[test]
fn what_could_not_be_declared_is_not_written() {
    let long = "n".repeat(256);
    let no = |value: &dyn Fn() -> Result<String, serde_json::Error>| value().unwrap_err();
    no(&|| serde_json::to_string(&QueueDeclare::new(long.as_str())));
    no(&|| serde_json::to_string(&QueueDeclare::new("q").argument(&long, 1)));
    no(&|| serde_json::to_string(&QueueDeclare::new("q").argument("a", u64::MAX)));
    no(&|| serde_json::to_string(&QueueDeclare::new("q").quorum().exclusive()));
    no(&|| serde_json::to_string(&ExchangeDeclare::topic(long.as_str())));
    no(&|| serde_json::to_string(&Binding::new(long.as_str())));
    let topology = Topology::default();
    no(&|| serde_json::to_string(&topology.clone().queue_binding(&long, "x", "")));
    no(&|| serde_json::to_string(&topology.clone().exchange_binding("a", &long, "")));
    no(&|| serde_json::to_string(&topology.clone().queue(QueueDeclare::new("").passive())));
    let deep = (0..33).fold(FieldTable::new(), |inner, _| field_table! { "t" => inner });
    no(&|| serde_json::to_string(&QueueDeclare::new("q").argument("deep", &deep)));
}
