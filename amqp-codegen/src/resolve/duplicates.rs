//! Within one file, names and ids are unique, and so are the responses of one method.
//!
//! Names are compared in the spelling of the model, where `No_Wait` and `no wait` are the same as
//! `no-wait`. Names that differ even there may still meet in Rust: that is [`super::names`]'s
//! question.

use std::collections::HashMap;

use crate::input::{Span, Spanned};
use crate::naming::normalise;
use crate::report::Faults;
use crate::source::document::{Class, Document, Field, Responses};

/// Reports everything that a document defines twice.
pub(super) fn check(document: &Document, faults: &mut Faults) {
    let Document {
        constants,
        domains,
        classes,
        ..
    } = document;
    let scope = "in the specification";
    check_names(
        "constant",
        scope,
        constants.iter().map(|constant| &constant.name),
        faults,
    );
    check_names(
        "domain",
        scope,
        domains.iter().map(|domain| &domain.name),
        faults,
    );
    check_names(
        "class",
        scope,
        classes.iter().map(|class| &class.name),
        faults,
    );
    check_ids(
        "class",
        scope,
        classes.iter().filter_map(|class| class.id.as_ref()),
        faults,
    );
    for class in classes {
        check_class(class, faults);
    }
}

fn check_class(class: &Class, faults: &mut Faults) {
    let Class {
        methods,
        properties,
        ..
    } = class;
    let scope = format!("in class `{}`", class.name.value);
    check_names(
        "method",
        &scope,
        methods.iter().map(|method| &method.name),
        faults,
    );
    check_ids(
        "method",
        &scope,
        methods.iter().filter_map(|method| method.id.as_ref()),
        faults,
    );
    check_fields("property", &scope, properties, faults);
    for method in methods {
        let scope = format!("in method `{}.{}`", class.name.value, method.name.value);
        check_fields("field", &scope, &method.fields, faults);
        if let Responses::Named(replies) = &method.responses {
            check_names("response", &scope, replies.iter(), faults);
        }
    }
}

fn check_fields(what: &str, scope: &str, fields: &[Field], faults: &mut Faults) {
    check_names(what, scope, fields.iter().map(|field| &field.name), faults);
}

fn check_names<'d>(
    what: &str,
    scope: &str,
    names: impl Iterator<Item = &'d Spanned<String>>,
    faults: &mut Faults,
) {
    let mut seen: HashMap<String, &Spanned<String>> = HashMap::new();
    for name in names {
        let Some(first) = seen.insert(normalise(&name.value), name) else {
            continue;
        };
        let found = if first.value == name.value {
            let verb = if what == "response" {
                "named"
            } else {
                "defined"
            };
            format!("{what} `{}` {verb} twice", name.value)
        } else {
            format!(
                "{what} `{}`, the same name as `{}`",
                name.value, first.value
            )
        };
        let expected = format!("each name once {scope}, whatever its spelling");
        faults.push_beside(name.span, found, expected, (FIRST, first.span));
    }
}

fn check_ids<'d>(
    what: &str,
    scope: &str,
    ids: impl Iterator<Item = &'d Spanned<u16>>,
    faults: &mut Faults,
) {
    let mut seen: HashMap<u16, Span> = HashMap::new();
    for Spanned { value, span } in ids {
        if let Some(first) = seen.insert(*value, *span) {
            let found = format!("{what} id {value} given twice");
            faults.push_beside(
                *span,
                found,
                format!("each id once {scope}"),
                (FIRST, first),
            );
        }
    }
}

/// Introduces the earlier of the two places.
const FIRST: &str = "the earlier one is";
