//! Where the octets of a method go: widths, borrowing, and its fields one by one.

use crate::model::{
    Argument, Class, Default, Docs, Field, FieldType, Method, Name, Property, Role, WireType,
};

/// Octets before the arguments of a method: class id and method id.
pub(super) const IDS: usize = 4;

/// Octets of a method frame around its payload: type, channel and size before it, the end behind
/// it.
pub(super) const FRAME_OVERHEAD: usize = 8;

/// The octets that a field takes, if that does not depend on its value.
pub(super) const fn width(field: FieldType) -> Option<usize> {
    match field {
        FieldType::Octet => Some(1),
        FieldType::Short => Some(2),
        FieldType::Long => Some(4),
        FieldType::LongLong | FieldType::Timestamp => Some(8),
        FieldType::ShortStr | FieldType::LongStr | FieldType::Table => None,
    }
}

/// The octets of a zero or empty value.
pub(super) const fn empty_width(field: FieldType) -> usize {
    match field {
        FieldType::Octet | FieldType::ShortStr => 1,
        FieldType::Short => 2,
        FieldType::Long | FieldType::LongStr | FieldType::Table => 4,
        FieldType::LongLong | FieldType::Timestamp => 8,
    }
}

/// The octets that an argument takes when it is written, if they do not depend on its value.
pub(super) fn written_width(argument: &Argument) -> Option<usize> {
    match argument {
        Argument::Field(field) if field.reserved => Some(empty_width(field.wire)),
        Argument::Field(field) => width(field.wire),
        Argument::Bits(_) => Some(1),
    }
}

/// The octets of all arguments, if they do not depend on any value.
pub(super) fn fixed_size(method: &Method) -> Option<usize> {
    method.arguments.iter().map(written_width).sum()
}

/// Whether a method has nothing but reserved fields, if it has any.
pub(super) fn is_constant(method: &Method) -> bool {
    fields(method).iter().all(|field| field.reserved)
}

/// Whether the Rust struct of a method borrows from the buffer that it was read from.
pub(super) fn borrows(method: &Method) -> bool {
    method.arguments.iter().any(|argument| match argument {
        Argument::Field(field) => !field.reserved && width(field.wire).is_none(),
        Argument::Bits(_) => false,
    })
}

/// Finds a method of a class.
pub(super) fn find(class: &Class, id: u16) -> Option<&Method> {
    let place = class
        .methods
        .binary_search_by_key(&id, |method| method.id)
        .ok()?;
    class.methods.get(place)
}

/// The ids of the replies that a method expects, in the specification's order.
pub(super) fn replies(method: &Method) -> Vec<u16> {
    match &method.role {
        Role::Request(replies) => replies.iter().collect(),
        Role::Reply(_) | Role::OneWay => Vec::new(),
    }
}

/// What all fields have in common, be they bits, properties or have octets of their own.
#[derive(Clone, Debug)]
pub(super) struct FieldView<'m> {
    pub(super) name: &'m Name,
    pub(super) wire: WireType,
    pub(super) domain: Option<&'m str>,
    pub(super) reserved: bool,
    /// As text: numbers in decimal, strings without quotes. `None` for zero, empty and false.
    pub(super) default: Option<String>,
    pub(super) secret: bool,
    pub(super) asserts: &'m [String],
    pub(super) docs: &'m Docs,
}

impl<'m> From<&'m Property> for FieldView<'m> {
    fn from(property: &'m Property) -> Self {
        Self {
            name: &property.name,
            wire: property.wire,
            domain: property.domain.as_deref(),
            reserved: property.reserved,
            default: None,
            secret: false,
            asserts: &[],
            docs: &property.docs,
        }
    }
}

/// The fields of a method in wire order, reserved ones included, bits one by one.
pub(super) fn fields(method: &Method) -> Vec<FieldView<'_>> {
    let mut fields = Vec::new();
    for argument in &method.arguments {
        match argument {
            Argument::Field(field) => fields.push(FieldView {
                name: &field.name,
                wire: field.wire.into(),
                domain: field.domain.as_deref(),
                reserved: field.reserved,
                default: default_text(field),
                secret: field.secret,
                asserts: &field.asserts,
                docs: &field.docs,
            }),
            Argument::Bits(group) => fields.extend(group.bits().iter().map(|bit| FieldView {
                name: &bit.name,
                wire: WireType::Bit,
                domain: bit.domain.as_deref(),
                reserved: bit.reserved,
                default: bit.default.then(|| "true".to_owned()),
                secret: false,
                asserts: &bit.asserts,
                docs: &bit.docs,
            })),
        }
    }
    fields
}

fn default_text(field: &Field) -> Option<String> {
    field.default.as_ref().map(|default| match default {
        Default::Integer(value) => value.to_string(),
        Default::Text(text) => text.clone(),
    })
}
