//! A file as a draft: its words looked up, its silence filled in where the format has a convention.

use super::draft::{Class, Constant, Domain, Draft, Field, Method, Wire, name};
use super::{convention, types};
use crate::input::Spanned;
use crate::model::Docs;
use crate::report::Faults;
use crate::source::document::{self, Document};

/// Looks up the types of a document, in its own domains and in those of what it extends.
pub(super) fn draft(document: &Document, base: &[Domain], faults: &mut Faults) -> Draft {
    let domains = types::domains(document, base, faults);
    let scope = || base.iter().chain(&domains);
    let field = |field: &document::Field| {
        read_field(field, |word| {
            types::lookup(word, scope(), |domain| &domain.written)
        })
    };
    let has_marks = convention::has_marks(document);
    let mut classes = Vec::new();
    for class in &document.classes {
        let method = |method: &document::Method| Method {
            name: name(&method.name),
            id: method.id.clone(),
            direction: method
                .direction
                .map(|direction| Spanned::new(direction, method.name.span)),
            replies: convention::replies(method, class, has_marks),
            replies_named: matches!(method.responses, document::Responses::Named(_)),
            replies_corrected: false,
            synchronous: convention::synchronous(method, has_marks)
                .into_iter()
                .collect(),
            content: method.content,
            deprecated: method.deprecated,
            fields: method.fields.iter().map(field).collect(),
            docs: Docs::default(),
        };
        classes.push(Class {
            name: name(&class.name),
            id: class.id.clone(),
            methods: class.methods.iter().map(method).collect(),
            properties: class.properties.iter().map(field).collect(),
            docs: Docs::default(),
        });
    }
    let constants = document.constants.iter().map(read_constant).collect();
    let protocol = &document.protocol;
    Draft {
        file: document.file,
        major: protocol.major.clone(),
        minor: protocol.minor.clone(),
        revision: protocol.revision.clone(),
        port: protocol.port.clone(),
        constants,
        domains,
        classes,
    }
}

fn read_constant(constant: &document::Constant) -> Constant {
    Constant {
        name: name(&constant.name),
        value: constant.value.clone(),
        kind: Spanned::new(constant.kind, constant.name.span),
        docs: Docs::default(),
    }
}

fn read_field(field: &document::Field, lookup: impl Fn(&Spanned<String>) -> Wire) -> Field {
    let type_span = field.type_word.as_ref().map(|word| word.span);
    Field {
        name: name(&field.name),
        declared: field.name.span,
        typed: type_span.unwrap_or(field.name.span),
        wire: field.type_word.as_ref().map_or(Wire::Missing, lookup),
        reserved: field
            .reserved
            .map(|reserved| Spanned::new(reserved, field.name.span)),
        default: field.default.clone(),
        secret: None,
        asserts: field.asserts.clone(),
        docs: Docs::default(),
    }
}
