//! Files of settings, in any format that serde knows (feature `serde`).
//!
//! Whatever is read goes through a field table, which no format can make nest without end, and in
//! whose errors no value is shown. Options and declarations read their entries from that, so that
//! each key is known by its whole path, unknown ones are told, and a value of the wrong kind is
//! told without being shown: it may be a password.

mod entry;
mod fault;
pub(crate) mod time;

pub(crate) use self::entry::Entry;
pub(crate) use self::fault::Fault;

use amqp_spec::wire::{FieldTable, FieldValue, Value};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

/// Reads whatever stands there, and makes something of it.
pub(crate) fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(&Entry<'_>) -> Result<T, Fault>,
) -> Result<T, D::Error> {
    let value = FieldValue::deserialize(deserializer)?;
    read(&Entry::whole(value.as_ref())).map_err(D::Error::custom)
}

/// Writes a table, unless it cannot be written.
pub(crate) fn write<S: Serializer>(
    table: Result<FieldTable, Fault>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let table = table.map_err(S::Error::custom)?;
    Value::Table(table.as_ref()).serialize(serializer)
}
