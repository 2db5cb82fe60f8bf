//! Extensions add to the specification.
//!
//! The rule is that of RabbitMQ's extension documents: a class of the same name gains the
//! extension's methods and, behind its own, its properties; whatever is defined twice is a
//! conflict; everything else that the extension states must be what the specification states.

use std::fmt::Display;

use super::draft::{Class, Draft, Field};
use crate::input::{Span, Spanned};
use crate::report::Faults;

/// Adds an extension, which was read from this file.
pub(super) fn add(draft: &mut Draft, extension: Draft, file: &str, faults: &mut Faults) {
    for ((what, base), (_, own)) in draft.protocol().into_iter().zip(extension.protocol()) {
        same(what, file, base.as_ref(), own.as_ref(), faults);
    }
    for constant in extension.constants {
        match draft.constant_mut(&constant.name.value) {
            None => draft.constants.push(constant),
            Some(known) => conflict("constant", &constant.name, known.name.span, faults),
        }
    }
    for domain in extension.domains {
        match draft.domain_mut(&domain.name.value) {
            None => draft.domains.push(domain),
            Some(known) => conflict("domain", &domain.name, known.name.span, faults),
        }
    }
    for class in extension.classes {
        add_class(draft, class, file, faults);
    }
}

fn add_class(draft: &mut Draft, class: Class, file: &str, faults: &mut Faults) {
    let Some(known) = draft.class_mut(&class.name.value) else {
        let mut ids = draft.classes.iter().filter_map(|other| other.id.as_ref());
        let taken = ids.find(|id| class.id.as_ref().is_some_and(|own| own.value == id.value));
        match (taken, &class.id) {
            (Some(taken), Some(id)) => conflict("class id", id, taken.span, faults),
            _ => draft.classes.push(class),
        }
        return;
    };
    same(
        &format!("id of class `{}`", class.name.value),
        file,
        known.id.as_ref(),
        class.id.as_ref(),
        faults,
    );
    for method in class.methods {
        let same_name = known
            .methods
            .iter()
            .find(|other| other.name.value == method.name.value);
        let mut ids = known.methods.iter().filter_map(|other| other.id.as_ref());
        let same_id = ids.find(|id| method.id.as_ref().is_some_and(|own| own.value == id.value));
        match (same_name, same_id, &method.id) {
            (Some(other), ..) => conflict("method", &method.name, other.name.span, faults),
            (None, Some(other), Some(id)) => conflict("method id", id, other.span, faults),
            _ => known.methods.push(method),
        }
    }
    for property in class.properties {
        add_property(&mut known.properties, property, faults);
    }
}

fn add_property(properties: &mut Vec<Field>, property: Field, faults: &mut Faults) {
    match properties
        .iter()
        .find(|other| other.name.value == property.name.value)
    {
        None => properties.push(property),
        Some(other) => conflict("property", &property.name, other.declared, faults),
    }
}

fn conflict<T: Display>(what: &str, second: &Spanned<T>, first: Span, faults: &mut Faults) {
    if faults.is_reported(second.span) {
        return;
    }
    faults.push_beside(
        second.span,
        format!("{what} `{}` exists already", second.value),
        "an extension that adds to the specification",
        ("first defined", first),
    );
}

fn same<T: Display + Eq>(
    what: &str,
    file: &str,
    base: Option<&Spanned<T>>,
    extension: Option<&Spanned<T>>,
    faults: &mut Faults,
) {
    if let (Some(base), Some(own)) = (base, extension) {
        if base.value != own.value {
            faults.push_beside(
                own.span,
                format!("{what} is {} in extension `{file}`", own.value),
                format!("{}", base.value),
                ("the specification says so", base.span),
            );
        }
    }
}
