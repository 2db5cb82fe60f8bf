//! The wire layout of a method: fields, and runs of bits packed into octets.

use super::culprit::culprit;
use super::draft::{Field, Wire};
use super::{defaults, types};
use crate::model::{self, Argument, Bit, BitGroup, FieldType, WireType};
use crate::naming;
use crate::report::Faults;

/// The arguments of a method in wire order. A run of more than eight bits goes on in a new octet.
pub(super) fn arguments(fields: &[Field], faults: &mut Faults) -> Option<Vec<Argument>> {
    // All fields are looked at before the first fault among them decides.
    let resolved: Vec<Option<Resolved>> = fields.iter().map(|field| one(field, faults)).collect();
    let mut arguments = Vec::new();
    for field in resolved {
        match field? {
            Resolved::Field(field) => arguments.push(Argument::Field(field)),
            Resolved::Bit(bit) => push_bit(&mut arguments, bit),
        }
    }
    Some(arguments)
}

enum Resolved {
    Field(model::Field),
    Bit(Bit),
}

fn push_bit(arguments: &mut Vec<Argument>, bit: Bit) {
    let left = match arguments.last_mut() {
        Some(Argument::Bits(group)) => group.push(bit),
        _ => Some(bit),
    };
    arguments.extend(left.map(|bit| Argument::Bits(BitGroup::new(bit))));
}

fn one(field: &Field, faults: &mut Faults) -> Option<Resolved> {
    let (wire, domain) = wire_type(field, faults)?;
    check_secret(field, wire, faults);
    check_reserved(field, faults);
    let name = naming::name(&field.name.value);
    let reserved = field.is_reserved();
    let (asserts, docs) = (field.asserts.clone(), field.docs.clone());
    Some(match field_type(wire) {
        None => {
            let default = defaults::bit(field, faults)?;
            Resolved::Bit(Bit {
                name,
                domain,
                reserved,
                default,
                asserts,
                docs,
            })
        }
        Some(wire_type) => {
            let default = defaults::other(field, wire, faults)?;
            let wire = wire_type;
            Resolved::Field(model::Field {
                name,
                wire,
                domain,
                reserved,
                default,
                secret: field.secret.is_some(),
                asserts,
                docs,
            })
        }
    })
}

/// A mark on what cannot hold a credential was meant for another field.
fn check_secret(field: &Field, wire: WireType, faults: &mut Faults) {
    let Some(mark) = field.secret else {
        return;
    };
    let name = &field.name.value;
    let found = match wire {
        _ if field.is_reserved() => format!("a secret that is reserved: `{name}`"),
        WireType::ShortStr | WireType::LongStr => return,
        _ => format!(
            "a secret that is no string: `{name}` is `{}`",
            wire.as_str()
        ),
    };
    let expected = "a field of type `shortstr` or `longstr` that is not reserved";
    faults.push(mark, found, expected);
}

/// What is reserved is written as zero, whatever its default.
fn check_reserved(field: &Field, faults: &mut Faults) {
    if let (Some(reserved), Some(default)) = (&field.reserved, &field.default) {
        if reserved.value && !default.value.is_zero() {
            let (place, note) = culprit(
                (default.span, "the default is"),
                (reserved.span, "it is reserved"),
            );
            let found = format!("reserved field `{}` with a default", field.name.value);
            let expected = "no default, zero or nothing: a reserved field is written as that";
            faults.push_beside(place, found, expected, note);
        }
    }
}

/// The wire type of a field and the domain that led to it.
pub(super) fn wire_type(field: &Field, faults: &mut Faults) -> Option<(WireType, Option<String>)> {
    match &field.wire {
        Wire::Known { wire, domain } => Some((*wire, domain.clone())),
        Wire::Unknown(word) => {
            types::report_unknown(word, faults);
            None
        }
        Wire::Missing => None,
    }
}

/// The type of a field with octets of its own; `None` for a bit.
fn field_type(wire: WireType) -> Option<FieldType> {
    Some(match wire {
        WireType::Bit => return None,
        WireType::Octet => FieldType::Octet,
        WireType::Short => FieldType::Short,
        WireType::Long => FieldType::Long,
        WireType::LongLong => FieldType::LongLong,
        WireType::ShortStr => FieldType::ShortStr,
        WireType::LongStr => FieldType::LongStr,
        WireType::Timestamp => FieldType::Timestamp,
        WireType::Table => FieldType::Table,
    })
}
