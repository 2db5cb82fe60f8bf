//! Test vectors: for each method and each property list, arguments as JSON and octets as hex.
//!
//! The octets come from an encoder of their own ([`encoder`]), driven by the model, that shares
//! nothing with the generated code or its runtime. That makes the vectors a second opinion on
//! both, for this implementation and for any other that can read JSON.

mod encoder;
mod samples;

use std::collections::BTreeSet;

use encoder::Item;
use samples::Case;
use serde_json::{Map, Value, json};

use super::Options;
use super::format::generated_by;
use super::layout::{self, FieldView};
use super::scope::fresh;
use crate::model::{Class, Method, Specification};

/// The files with their names: one per class, one more per class with properties, and what is in
/// them.
pub(super) fn files(specification: &Specification, options: &Options) -> Vec<(String, String)> {
    let header = generated_by(specification, options);
    let readme =
        include_str!("README.md").replacen("\n\n", &format!("\n\n<!-- {header} -->\n\n"), 1);
    let mut files = vec![("README.md".to_owned(), readme)];
    let classes = specification.classes.iter();
    let taken: BTreeSet<_> = classes.map(|class| class.name.spec.clone()).collect();
    for class in &specification.classes {
        let methods: Vec<_> = class
            .methods
            .iter()
            .flat_map(|method| methods(class, method))
            .collect();
        files.push((format!("{}.json", class.name), file(&header, &methods)));
        if !class.properties.is_empty() {
            let name = fresh(&format!("{}-properties", class.name), &taken);
            files.push((format!("{name}.json"), file(&header, &properties(class))));
        }
    }
    files
}

/// The header and an array with one vector per line.
fn file(header: &str, vectors: &[Value]) -> String {
    let vectors: Vec<_> = vectors.iter().map(|vector| format!("\n{vector}")).collect();
    format!(
        "{{\"generated\":{},\n\"vectors\":[{}\n]}}\n",
        json!(header),
        vectors.join(",")
    )
}

fn methods(class: &Class, method: &Method) -> Vec<Value> {
    let fields = layout::fields(method);
    let vector = |case: Case| {
        let mut payload = encoder::ids(class.id, method.id);
        encoder::arguments(method, &case.values, &mut payload);
        let frame = encoder::frame(1, case.channel, &payload);
        json!({
            "name": format!("{}.{}", class.name, method.name),
            "case": case.name,
            "id": u32::from(class.id) << 16 | u32::from(method.id),
            "channel": case.channel,
            "fields": arguments(&fields, &case.values),
            "hex": encoder::hex(&frame),
        })
    };
    samples::of_method(&fields)
        .into_iter()
        .map(vector)
        .collect()
}

/// Name, wire type and value of each field.
fn arguments(fields: &[FieldView<'_>], values: &[Item]) -> Vec<Value> {
    let argument = |(field, value): (&FieldView<'_>, &Item)| {
        json!([field.name.spec, field.wire.as_str(), plain(value)])
    };
    fields.iter().zip(values).map(argument).collect()
}

fn properties(class: &Class) -> Vec<Value> {
    let vector = |(case, body_size): (Case, u64)| {
        let present = encoder::present(class, &case.values);
        let mut payload = class.id.to_be_bytes().to_vec();
        payload.extend([0; 2]);
        payload.extend(body_size.to_be_bytes());
        payload.extend(encoder::properties(class, &case.values));
        let frame = encoder::frame(2, case.channel, &payload);
        let fields: Vec<_> = present
            .into_iter()
            .map(|(property, value)| {
                json!([property.name.spec, property.wire.as_str(), plain(value)])
            })
            .collect();
        json!({
            "name": format!("{}.properties", class.name),
            "case": case.name,
            "class": class.id,
            "channel": case.channel,
            "body-size": body_size,
            "fields": fields,
            "hex": encoder::hex(&frame),
        })
    };
    samples::of_properties(class)
        .into_iter()
        .map(vector)
        .collect()
}

/// A value whose type the field tells.
fn plain(item: &Item) -> Value {
    match item {
        Item::Bool(value) => json!(value),
        Item::U8(value) => json!(value),
        Item::U16(value) => json!(value),
        Item::U32(value) => json!(value),
        Item::U64(value) | Item::Timestamp(value) => json!(value),
        Item::ShortText(value) | Item::LongText(value) => string(value),
        Item::Table(pairs) => table(pairs),
        // What only table entries can be names its type.
        other => tagged(other),
    }
}

/// A value in a table or an array: text as it is, everything else behind its tag.
fn tagged(item: &Item) -> Value {
    let value = match item {
        Item::LongText(value) | Item::ShortText(value) => return string(value),
        Item::Bool(value) => json!(value),
        Item::I8(value) => json!(value),
        Item::U8(value) => json!(value),
        Item::I16(value) => json!(value),
        Item::U16(value) => json!(value),
        Item::I32(value) => json!(value),
        Item::U32(value) => json!(value),
        Item::I64(value) => json!(value),
        Item::U64(value) | Item::Timestamp(value) => json!(value),
        Item::F32(value) => json!(value),
        Item::F64(value) => json!(value),
        Item::Decimal(scale, value) => json!([scale, value]),
        Item::Array(items) => items.iter().map(tagged).collect(),
        Item::Table(pairs) => table(pairs),
        Item::Void => Value::Null,
        Item::Octets(octets) => json!({ "hex": encoder::hex(octets) }),
    };
    let tag = char::from(encoder::tag(item)).to_string();
    Value::Object(Map::from_iter([(tag, value)]))
}

/// A list of pairs, since order matters and keys may repeat.
fn table(pairs: &[(Vec<u8>, Item)]) -> Value {
    pairs
        .iter()
        .map(|(key, item)| json!([string(key), tagged(item)]))
        .collect()
}

/// Text where it is UTF-8, otherwise hex.
fn string(octets: &[u8]) -> Value {
    match std::str::from_utf8(octets) {
        Ok(text) => json!(text),
        Err(_) => json!({ "hex": encoder::hex(octets) }),
    }
}
