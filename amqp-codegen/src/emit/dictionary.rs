//! The dictionary for fuzzers, in the format that libFuzzer and AFL read: octets that a random
//! mutation would hardly hit upon.

use super::{Options, format};
use crate::model::{ConstantKind, Specification};

/// The letters before the values of a field table.
const FIELD_TAGS: &[u8] = b"tbBsuUIilLfdDSATFVx";

/// The text of the dictionary.
pub(super) fn file(specification: &Specification, options: &Options) -> String {
    let mut text = format!("# {}\n", format::generated_by(specification, options));
    let protocol = specification.protocol;
    let version = [0, protocol.major, protocol.minor, protocol.revision];

    section(
        &mut text,
        "The octets with which a client opens a connection.",
    );
    entry(
        &mut text,
        "protocol_header",
        &[&b"AMQP"[..], &version].concat(),
    );

    section(&mut text, "Frame types and the like.");
    let plain = |constant: &&crate::model::Constant| constant.kind == ConstantKind::Plain;
    for constant in specification.constants.iter().filter(plain) {
        match u8::try_from(constant.value) {
            Ok(value) => entry(&mut text, &constant.name.upper, &[value]),
            Err(_) => entry(
                &mut text,
                &constant.name.upper,
                &constant.value.to_be_bytes(),
            ),
        }
    }

    section(&mut text, "Reply codes.");
    for constant in specification
        .constants
        .iter()
        .filter(|constant| !plain(constant))
    {
        // They fit 16 bits, which is how they are sent.
        let [_, _, high, low] = constant.value.to_be_bytes();
        entry(&mut text, &constant.name.upper, &[high, low]);
    }

    section(&mut text, "Class and method ids.");
    for class in &specification.classes {
        for method in &class.methods {
            let name = format!("{}_{}", class.name.upper, method.name.upper);
            let id = [class.id.to_be_bytes(), method.id.to_be_bytes()].concat();
            entry(&mut text, &name, &id);
        }
    }

    for class in specification
        .classes
        .iter()
        .filter(|class| !class.properties.is_empty())
    {
        section(
            &mut text,
            &format!("Property flags of class {}.", class.name),
        );
        for (index, property) in class.properties.iter().enumerate() {
            let flag = 0x8000_u16 >> (index % 15);
            let name = format!("{}_{}", class.name.upper, property.name.upper);
            entry(&mut text, &format!("FLAG_{name}"), &flag.to_be_bytes());
        }
    }

    section(&mut text, "Kinds of values in field tables.");
    for tag in FIELD_TAGS {
        entry(&mut text, &format!("TAG_{tag:02X}"), &[*tag]);
    }
    text
}

fn section(text: &mut String, title: &str) {
    text.push_str(&format!("\n# {title}\n"));
}

fn entry(text: &mut String, name: &str, octets: &[u8]) {
    let octets: String = octets
        .iter()
        .map(|octet| format!("\\x{octet:02X}"))
        .collect();
    text.push_str(&format!("{name}=\"{octets}\"\n"));
}
