//! Bindings: what they match.

use amqp_spec::wire::FieldTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arguments::{self, Argument, Form, OTHERS};
use super::checked;
use crate::declare::Binding;
use crate::error::Subject;
use crate::settings::{self, Entry, Fault};

/// The argument with a key of its own.
const KNOWN: &[Argument] = &[Argument::new(
    "match",
    "x-match",
    Form::Word(&["all", "any", "all-with-x", "any-with-x"]),
)];

/// All of them.
pub(super) const KEYS: [&str; 3] = ["routing_key", "match", OTHERS];

/// A routing key, or a table of `routing_key`, `match` and `arguments`; see the guide's page on
/// files.
impl<'de> Deserialize<'de> for Binding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        settings::read(deserializer, |binding| {
            let mut read = Self::default();
            if let Ok(routing_key) = binding.text() {
                read.routing_key = routing_key.to_owned();
            } else {
                for entry in binding.entries()? {
                    if !read_entry(&entry, &mut read)? {
                        return Err(entry.unknown(KEYS.into_iter()));
                    }
                }
            }
            binding.located(check(&read))?;
            Ok(read)
        })
    }
}

/// As it is read; arguments that no key can say stand below `arguments`.
impl Serialize for Binding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut file = FieldTable::new();
        write(self, &mut file);
        settings::write(check(self).map(|()| file), serializer)
    }
}

/// Sets what the entry says, unless it is of something else.
pub(super) fn read_entry(entry: &Entry<'_>, binding: &mut Binding) -> Result<bool, Fault> {
    match entry.name() {
        "routing_key" => binding.routing_key = entry.text()?.to_owned(),
        OTHERS => arguments::read_others(entry, &mut binding.arguments)?,
        key => match KNOWN.iter().find(|argument| argument.key == key) {
            Some(own) => own.read(entry, &mut binding.arguments)?,
            None => return Ok(false),
        },
    }
    Ok(true)
}

/// Checks that it could be sent.
pub(super) fn check(binding: &Binding) -> Result<(), Fault> {
    checked(Subject::Nothing.short("routing_key", &binding.routing_key))?;
    checked(binding.arguments(Subject::Nothing))
}

/// What a file says of it.
pub(super) fn write(binding: &Binding, file: &mut FieldTable) {
    if !binding.routing_key.is_empty() {
        file.insert("routing_key", binding.routing_key.as_str());
    }
    arguments::write(&binding.arguments, KNOWN, file);
}
