//! Within one file, names and ids are unique.
//!
//! Compared are names as written: whether two spellings become the same name in Rust is
//! [`super::names`]'s question.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use crate::report::Faults;
use crate::source::document::{Class, Document, Field};
use crate::source::{Span, Spanned};

/// Reports everything that a document defines twice.
pub(super) fn check(document: &Document, faults: &mut Faults) {
    let constants = document.constants.iter().map(|constant| &constant.name);
    once("constant", "in the specification", constants, faults);
    let domains = document.domains.iter().map(|domain| &domain.name);
    once("domain", "in the specification", domains, faults);
    let classes = &document.classes;
    once(
        "class",
        "in the specification",
        classes.iter().map(|class| &class.name),
        faults,
    );
    let ids = classes.iter().filter_map(|class| class.id.as_ref());
    once("class id", "in the specification", ids, faults);
    for class in classes {
        check_class(class, faults);
    }
}

fn check_class(class: &Class, faults: &mut Faults) {
    let scope = format!("in class `{}`", class.name.value);
    once(
        "method",
        &scope,
        class.methods.iter().map(|method| &method.name),
        faults,
    );
    let ids = class.methods.iter().filter_map(|method| method.id.as_ref());
    once("method id", &scope, ids, faults);
    check_fields("property", &scope, &class.properties, faults);
    for method in &class.methods {
        let scope = format!("in method `{}.{}`", class.name.value, method.name.value);
        check_fields("field", &scope, &method.fields, faults);
    }
}

fn check_fields(what: &str, scope: &str, fields: &[Field], faults: &mut Faults) {
    once(what, scope, fields.iter().map(|field| &field.name), faults);
}

fn once<'d, T: Display + Eq + Hash + 'd>(
    what: &str,
    scope: &str,
    values: impl Iterator<Item = &'d Spanned<T>>,
    faults: &mut Faults,
) {
    let mut seen: HashMap<&T, Span> = HashMap::new();
    for Spanned { value, span } in values {
        match seen.get(value) {
            None => {
                seen.insert(value, *span);
            }
            Some(first) => faults.push_beside(
                *span,
                format!("{what} `{value}` defined twice"),
                format!("each {what} once {scope}"),
                ("first defined", *first),
            ),
        }
    }
}
