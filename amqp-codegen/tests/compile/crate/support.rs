//! The arguments of a vector, by the names that its specification gives them.
//!
//! `amqp-spec` has the same for its own tests, but knows only the names of one specification. Its
//! tables from and to JSON are used here.

use amqp_spec::wire::{FieldTable, LongStr, ShortStr, ShortString, TableRef, Timestamp};
use serde_json::{Value, json};

use crate::shared::{from_hex, table_from_json, table_to_json, text, to_hex};

/// Name, type and value of each argument, in the order of the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields(Vec<(String, &'static str, Value)>);

/// A long string, owned.
pub(crate) struct LongString(Vec<u8>);

impl LongString {
    pub(crate) fn as_ref(&self) -> LongStr<'_> {
        LongStr::new(&self.0).unwrap()
    }
}

/// All wire types, as vectors call them.
const TYPES: [&str; 9] = [
    "bit",
    "octet",
    "short",
    "long",
    "longlong",
    "shortstr",
    "longstr",
    "timestamp",
    "table",
];

impl Fields {
    pub(crate) fn from_json(fields: &Value) -> Self {
        let field = |field: &Value| {
            let wire = TYPES.into_iter().find(|wire| field[1] == *wire).unwrap();
            (text(&field[0]).to_owned(), wire, field[2].clone())
        };
        Self(fields.as_array().unwrap().iter().map(field).collect())
    }

    pub(crate) fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(name, ..)| keep(name))
                .cloned()
                .collect(),
        )
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(field, ..)| field == name)
    }

    #[track_caller]
    fn get(&self, name: &str, expected: &str) -> &Value {
        let field = self.0.iter().find(|(field, ..)| field == name);
        let (_, wire, value) = field.unwrap_or_else(|| panic!("no field {name} in {self:?}"));
        assert_eq!(*wire, expected, "type of {name}");
        value
    }

    #[track_caller]
    fn integer<T: TryFrom<u64>>(&self, name: &str, wire: &str) -> T {
        let value = self.get(name, wire).as_u64().unwrap();
        T::try_from(value).unwrap_or_else(|_| panic!("{name}: {value} does not fit"))
    }

    #[track_caller]
    fn octets(&self, name: &str, wire: &str) -> Vec<u8> {
        let value = self.get(name, wire);
        match value.as_str() {
            Some(text) => text.into(),
            None => from_hex(text(&value["hex"])),
        }
    }

    pub(crate) fn bit(&self, name: &str) -> bool {
        self.get(name, "bit").as_bool().unwrap()
    }

    pub(crate) fn octet(&self, name: &str) -> u8 {
        self.integer(name, "octet")
    }

    pub(crate) fn short(&self, name: &str) -> u16 {
        self.integer(name, "short")
    }

    pub(crate) fn long(&self, name: &str) -> u32 {
        self.integer(name, "long")
    }

    pub(crate) fn long_long(&self, name: &str) -> u64 {
        self.integer(name, "longlong")
    }

    pub(crate) fn timestamp(&self, name: &str) -> Timestamp {
        Timestamp(self.integer(name, "timestamp"))
    }

    pub(crate) fn short_str(&self, name: &str) -> ShortString {
        ShortString::new(self.octets(name, "shortstr")).unwrap()
    }

    pub(crate) fn long_str(&self, name: &str) -> LongString {
        LongString(self.octets(name, "longstr"))
    }

    pub(crate) fn table(&self, name: &str) -> FieldTable {
        table_from_json(self.get(name, "table"))
    }

    fn push(&mut self, name: &str, wire: &'static str, value: Value) {
        self.0.push((name.to_owned(), wire, value));
    }

    fn push_octets(&mut self, name: &str, wire: &'static str, octets: &[u8]) {
        let value = match std::str::from_utf8(octets) {
            Ok(text) => json!(text),
            Err(_) => json!({ "hex": to_hex(octets) }),
        };
        self.push(name, wire, value);
    }

    pub(crate) fn push_bit(&mut self, name: &str, value: bool) {
        self.push(name, "bit", json!(value));
    }

    pub(crate) fn push_octet(&mut self, name: &str, value: u8) {
        self.push(name, "octet", json!(value));
    }

    pub(crate) fn push_short(&mut self, name: &str, value: u16) {
        self.push(name, "short", json!(value));
    }

    pub(crate) fn push_long(&mut self, name: &str, value: u32) {
        self.push(name, "long", json!(value));
    }

    pub(crate) fn push_long_long(&mut self, name: &str, value: u64) {
        self.push(name, "longlong", json!(value));
    }

    pub(crate) fn push_timestamp(&mut self, name: &str, value: Timestamp) {
        self.push(name, "timestamp", json!(value.0));
    }

    pub(crate) fn push_short_str(&mut self, name: &str, value: ShortStr<'_>) {
        self.push_octets(name, "shortstr", value.as_bytes());
    }

    pub(crate) fn push_long_str(&mut self, name: &str, value: LongStr<'_>) {
        self.push_octets(name, "longstr", value.as_bytes());
    }

    pub(crate) fn push_table(&mut self, name: &str, value: TableRef<'_>) {
        self.push(name, "table", table_to_json(value));
    }
}
