//! Vectors: arguments as JSON, frames as hex.
//!
//! `spec/vectors/README.md` describes the format. [`Fields`] holds the arguments of one method or
//! the properties of one content by name, in the order of the wire, and stands between the JSON of
//! the vectors and the typed structs of the crate; the code that knows the structs is generated.

use amqp_spec::wire::{
    ArrayRef, Decimal, FieldArray, FieldTable, LongStr, ShortStr, ShortString, TableRef, Timestamp,
    Value,
};
use serde_json::{Value as Json, json};

/// Arguments or properties: name, type and value of each, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(String, String, Json)>);

/// A long string, owned. The crate itself has no need for it.
pub struct LongString(Vec<u8>);

impl LongString {
    pub fn as_ref(&self) -> LongStr<'_> {
        LongStr::new(&self.0).unwrap()
    }
}

impl Fields {
    /// The `fields` of a vector. Tables are brought into the one form that [`Self::push_table`]
    /// writes, and names into that of the specification.
    pub fn from_json(fields: &Json) -> Self {
        let mut result = Self::default();
        for field in fields.as_array().expect("fields are a list") {
            let (name, kind, value) = (text(&field[0]), text(&field[1]), &field[2]);
            // The JSON specification's spelling, which the shared vectors use.
            let name = if name == "nowait" { "no-wait" } else { name };
            let value = match kind {
                "table" => table_to_json(table_from_json(value).as_ref()),
                _ => value.clone(),
            };
            result.push(name, kind, value);
        }
        result
    }

    /// The fields for which `keep` says so.
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(name, ..)| keep(name))
                .cloned()
                .collect(),
        )
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Json)> {
        self.0
            .iter()
            .map(|(name, kind, value)| (name.as_str(), kind.as_str(), value))
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(field, ..)| field == name)
    }

    #[track_caller]
    fn get(&self, name: &str, kind: &str) -> &Json {
        let Some((_, found, value)) = self.0.iter().find(|(field, ..)| field == name) else {
            panic!("no field {name} in {self:?}");
        };
        assert_eq!(found, kind, "type of {name}");
        value
    }

    #[track_caller]
    fn integer<T: TryFrom<u64>>(&self, name: &str, kind: &str) -> T {
        let value = self
            .get(name, kind)
            .as_u64()
            .and_then(|value| T::try_from(value).ok());
        value.unwrap_or_else(|| panic!("{name} does not fit"))
    }

    pub fn bit(&self, name: &str) -> bool {
        self.get(name, "bit").as_bool().expect("bits are booleans")
    }

    pub fn octet(&self, name: &str) -> u8 {
        self.integer(name, "octet")
    }

    pub fn short(&self, name: &str) -> u16 {
        self.integer(name, "short")
    }

    pub fn long(&self, name: &str) -> u32 {
        self.integer(name, "long")
    }

    pub fn long_long(&self, name: &str) -> u64 {
        self.integer(name, "longlong")
    }

    pub fn timestamp(&self, name: &str) -> Timestamp {
        Timestamp(self.integer(name, "timestamp"))
    }

    pub fn short_str(&self, name: &str) -> ShortString {
        ShortString::new(octets_from_json(self.get(name, "shortstr"))).unwrap()
    }

    pub fn long_str(&self, name: &str) -> LongString {
        LongString(octets_from_json(self.get(name, "longstr")))
    }

    pub fn table(&self, name: &str) -> FieldTable {
        table_from_json(self.get(name, "table"))
    }

    fn push(&mut self, name: &str, kind: &str, value: Json) {
        self.0.push((name.to_owned(), kind.to_owned(), value));
    }

    pub fn push_bit(&mut self, name: &str, value: bool) {
        self.push(name, "bit", json!(value));
    }

    pub fn push_octet(&mut self, name: &str, value: u8) {
        self.push(name, "octet", json!(value));
    }

    pub fn push_short(&mut self, name: &str, value: u16) {
        self.push(name, "short", json!(value));
    }

    pub fn push_long(&mut self, name: &str, value: u32) {
        self.push(name, "long", json!(value));
    }

    pub fn push_long_long(&mut self, name: &str, value: u64) {
        self.push(name, "longlong", json!(value));
    }

    pub fn push_timestamp(&mut self, name: &str, value: Timestamp) {
        self.push(name, "timestamp", json!(value.0));
    }

    pub fn push_short_str(&mut self, name: &str, value: ShortStr<'_>) {
        self.push(name, "shortstr", octets_to_json(value.as_bytes()));
    }

    pub fn push_long_str(&mut self, name: &str, value: LongStr<'_>) {
        self.push(name, "longstr", octets_to_json(value.as_bytes()));
    }

    pub fn push_table(&mut self, name: &str, value: TableRef<'_>) {
        self.push(name, "table", table_to_json(value));
    }
}

/// A table: a list of pairs, or an object where the order does not matter.
pub fn table_from_json(json: &Json) -> FieldTable {
    let mut table = FieldTable::new();
    match json {
        Json::Object(entries) => {
            for (name, value) in entries {
                insert(&mut table, name.as_bytes(), value);
            }
        }
        Json::Array(pairs) => {
            for pair in pairs {
                insert(&mut table, &octets_from_json(&pair[0]), &pair[1]);
            }
        }
        other => panic!("{other} is not a table"),
    }
    table
}

fn insert(table: &mut FieldTable, name: &[u8], value: &Json) {
    with_value(value, |value| {
        table.push(ShortStr::new(name).unwrap(), value);
    });
}

/// Makes the value that a JSON value stands for. It may borrow, hence the closure.
fn with_value(json: &Json, then: impl FnOnce(Value<'_>)) {
    if json.is_string() || json.get("hex").is_some() {
        let octets = octets_from_json(json);
        return then(LongStr::new(&octets).unwrap().into());
    }
    let (tag, inner) = json
        .as_object()
        .and_then(|object| object.iter().next())
        .unwrap();
    match tag.as_str() {
        "t" => then(inner.as_bool().unwrap().into()),
        "b" => then(signed::<i8>(inner).into()),
        "B" => then(unsigned::<u8>(inner).into()),
        "s" => then(signed::<i16>(inner).into()),
        "u" => then(unsigned::<u16>(inner).into()),
        "I" => then(signed::<i32>(inner).into()),
        "i" => then(unsigned::<u32>(inner).into()),
        "l" => then(signed::<i64>(inner).into()),
        "f" => then(narrow(inner.as_f64().unwrap()).into()),
        "d" => then(inner.as_f64().unwrap().into()),
        "D" => {
            let (scale, value) = (unsigned(&inner[0]), signed(&inner[1]));
            then(Decimal { scale, value }.into());
        }
        "S" => then(LongStr::new(&octets_from_json(inner)).unwrap().into()),
        "A" => then((&array_from_json(inner)).into()),
        "T" => then(Timestamp(inner.as_u64().unwrap()).into()),
        "F" => then((&table_from_json(inner)).into()),
        "V" => then(Value::Void),
        "x" => then((&octets_from_json(inner)).into()),
        other => panic!("no value has the tag {other}"),
    }
}

fn array_from_json(json: &Json) -> FieldArray {
    let mut array = FieldArray::new();
    for value in json.as_array().expect("arrays are lists") {
        with_value(value, |value| array.push(value));
    }
    array
}

fn signed<T: TryFrom<i64>>(json: &Json) -> T {
    json.as_i64()
        .and_then(|value| T::try_from(value).ok())
        .expect("an integer that fits")
}

fn unsigned<T: TryFrom<u64>>(json: &Json) -> T {
    json.as_u64()
        .and_then(|value| T::try_from(value).ok())
        .expect("an integer that fits")
}

fn narrow(value: f64) -> f32 {
    value as f32
}

/// A table as a list of pairs.
pub fn table_to_json(table: TableRef<'_>) -> Json {
    let entries = table.iter().map(|entry| {
        let (name, value) = entry.unwrap();
        json!([octets_to_json(name.as_bytes()), value_to_json(value)])
    });
    Json::Array(entries.collect())
}

fn array_to_json(array: ArrayRef<'_>) -> Json {
    Json::Array(
        array
            .iter()
            .map(|value| value_to_json(value.unwrap()))
            .collect(),
    )
}

fn value_to_json(value: Value<'_>) -> Json {
    match value {
        Value::Bool(value) => json!({ "t": value }),
        Value::I8(value) => json!({ "b": value }),
        Value::U8(value) => json!({ "B": value }),
        Value::I16(value) => json!({ "s": value }),
        Value::U16(value) => json!({ "u": value }),
        Value::I32(value) => json!({ "I": value }),
        Value::U32(value) => json!({ "i": value }),
        Value::I64(value) => json!({ "l": value }),
        Value::F32(value) => json!({ "f": f64::from(value) }),
        Value::F64(value) => json!({ "d": value }),
        Value::Decimal(value) => json!({ "D": [value.scale, value.value] }),
        Value::LongString(value) => octets_to_json(value.as_bytes()),
        Value::Array(value) => json!({ "A": array_to_json(value) }),
        Value::Timestamp(value) => json!({ "T": value.0 }),
        Value::Table(value) => json!({ "F": table_to_json(value) }),
        Value::Void => json!({ "V": null }),
        Value::Bytes(value) => json!({ "x": { "hex": to_hex(value) } }),
    }
}

/// A string: text, or hex if it is not UTF-8.
fn octets_to_json(octets: &[u8]) -> Json {
    match std::str::from_utf8(octets) {
        Ok(text) => json!(text),
        Err(_) => json!({ "hex": to_hex(octets) }),
    }
}

fn octets_from_json(json: &Json) -> Vec<u8> {
    match json.as_str() {
        Some(text) => text.into(),
        None => from_hex(text(&json["hex"])),
    }
}

#[track_caller]
pub fn text(json: &Json) -> &str {
    json.as_str().expect("a string")
}

pub fn to_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

pub fn from_hex(hex: &str) -> Vec<u8> {
    let pairs = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// The vectors of a file, at least one.
#[track_caller]
pub fn vectors(json: &str) -> Vec<Json> {
    let vectors = vectors_if_any(json);
    assert!(!vectors.is_empty());
    vectors
}

/// The vectors of a file: a list of objects, which in a generated file stands under `vectors`. Of a
/// class without methods there are none.
#[track_caller]
pub fn vectors_if_any(json: &str) -> Vec<Json> {
    let vectors = match serde_json::from_str(json).unwrap() {
        Json::Object(mut file) => file.remove("vectors").expect("a key `vectors`"),
        list => list,
    };
    let Json::Array(vectors) = vectors else {
        panic!("vectors are a list");
    };
    vectors
}
