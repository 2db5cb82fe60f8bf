//! Exchanges.

use amqp_spec::wire::FieldTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arguments::{self, Argument, Form, OTHERS};
use super::checked;
use crate::declare::ExchangeDeclare;
use crate::settings::{self, Entry, Fault};

/// Arguments with a key of their own.
const KNOWN: &[Argument] = &[Argument::new(
    "alternate_exchange",
    "alternate-exchange",
    Form::Text,
)];

/// Keys that are no arguments.
const PLAIN: [&str; 7] = [
    "name",
    "type",
    "passive",
    "durable",
    "auto_delete",
    "internal",
    OTHERS,
];

/// The builder's methods as keys; see the guide's page on files.
impl<'de> Deserialize<'de> for ExchangeDeclare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        settings::read(deserializer, read)
    }
}

/// As it is read; arguments that no key can say stand below `arguments`.
impl Serialize for ExchangeDeclare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        settings::write(checked(self.as_method()).map(|()| write(self)), serializer)
    }
}

/// Reads an exchange, and checks that it could be declared.
pub(super) fn read(exchange: &Entry<'_>) -> Result<ExchangeDeclare, Fault> {
    let entries = exchange.entries()?;
    let text = |key: &str| {
        let found = entries.iter().find(|entry| entry.name() == key);
        found
            .ok_or_else(|| exchange.fault(format!("has no {key}")))?
            .text()
    };
    let mut declare = ExchangeDeclare::new(text("name")?, text("type")?);
    for entry in &entries {
        match entry.name() {
            "name" | "type" => {}
            "passive" => declare.passive = entry.boolean()?,
            "durable" => declare.durable = entry.boolean()?,
            "auto_delete" => declare.auto_delete = entry.boolean()?,
            "internal" => declare.internal = entry.boolean()?,
            OTHERS => arguments::read_others(entry, &mut declare.arguments)?,
            key => {
                let own = KNOWN.iter().find(|argument| argument.key == key);
                let own = own.ok_or_else(|| entry.unknown(keys()))?;
                own.read(entry, &mut declare.arguments)?;
            }
        }
    }
    exchange.located(checked(declare.as_method()))?;
    Ok(declare)
}

pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    let arguments = KNOWN.iter().map(|argument| argument.key);
    PLAIN.into_iter().chain(arguments)
}

/// What a file says of it.
pub(super) fn write(declare: &ExchangeDeclare) -> FieldTable {
    let mut file = FieldTable::new();
    file.insert("name", declare.name.as_str());
    file.insert("type", declare.kind.as_str());
    for (key, is_set) in [
        ("passive", declare.passive),
        ("durable", declare.durable),
        ("auto_delete", declare.auto_delete),
        ("internal", declare.internal),
    ] {
        if is_set {
            file.insert(key, true);
        }
    }
    arguments::write(&declare.arguments, KNOWN, &mut file);
    file
}
