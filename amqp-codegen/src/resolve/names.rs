//! Every name converts to Rust, and no two to the same.

use std::collections::HashMap;

use super::culprit::culprit;
use super::draft::{Draft, Field};
use crate::emit::{self, RESERVED_MODULES};
use crate::input::{Span, Spanned};
use crate::model::Name;
use crate::naming;
use crate::report::Faults;

/// Reports names that Rust cannot spell, and names that become one in Rust.
pub(super) fn check(draft: &Draft, faults: &mut Faults) {
    let constants = draft.constants.iter().map(|constant| &constant.name);
    distinct(constants, |name| name.upper, faults);
    distinct(
        draft.domains.iter().map(|domain| &domain.name),
        |name| name.snake,
        faults,
    );
    distinct(
        draft.classes.iter().map(|class| &class.name),
        |name| name.snake,
        faults,
    );
    for class in &draft.classes {
        distinct(
            class.methods.iter().map(|method| &method.name),
            |name| name.camel,
            faults,
        );
        check_fields(&class.properties, faults);
        for method in &class.methods {
            check_fields(&method.fields, faults);
        }
    }
    check_variants(draft, faults);
    check_taken(draft, faults);
}

fn check_fields(fields: &[Field], faults: &mut Faults) {
    distinct(
        fields.iter().map(|field| &field.name),
        |name| name.snake,
        faults,
    );
}

/// Names in one namespace of Rust, where `spelling` is how they appear in it.
fn distinct<'d>(
    names: impl Iterator<Item = &'d Spanned<String>>,
    spelling: impl Fn(Name) -> String,
    faults: &mut Faults,
) {
    let mut seen: HashMap<String, (&str, Span)> = HashMap::new();
    for Spanned { value, span } in names {
        if !naming::is_valid(value) {
            faults.push(
                *span,
                format!("`{value}`, which cannot be a name in Rust"),
                "words of ASCII letters and digits, a letter first, joined by single dashes",
            );
            continue;
        }
        let rust = spelling(naming::name(value));
        collide(&mut seen, rust, value, *span, faults);
    }
}

/// All methods share the enum of methods, where class and method are one word. Two methods of one
/// class were compared before.
fn check_variants(draft: &Draft, faults: &mut Faults) {
    let mut seen: HashMap<String, (&str, Span)> = HashMap::new();
    for class in &draft.classes {
        for method in &class.methods {
            let joined = format!("{}-{}", class.name.value, method.name.value);
            let variant = naming::name(&joined).camel;
            match seen.get(&variant) {
                Some((other, place)) if *other != class.name.value => {
                    let path = format!("{}.{}", class.name.value, method.name.value);
                    report(
                        &path,
                        "another method",
                        &variant,
                        method.name.span,
                        *place,
                        faults,
                    );
                }
                Some(_) => {}
                None => {
                    seen.insert(variant, (&class.name.value, method.name.span));
                }
            }
        }
    }
}

/// Names that the generated code takes for itself.
fn check_taken(draft: &Draft, faults: &mut Faults) {
    for class in &draft.classes {
        let module = naming::name(&class.name.value).snake;
        if RESERVED_MODULES.contains(&module.as_str()) {
            taken("class", &class.name, &module, faults);
        } else if emit::is_device(&module) {
            faults.push(
                class.name.span,
                format!("class `{}`, whose file Windows cannot hold", class.name.value),
                "a name that is not a device there, as `aux`, `con`, `nul`, `prn`, `com1` and `lpt1` are",
            );
        }
    }
    for constant in &draft.constants {
        let upper = naming::name(&constant.name.value).upper;
        if TAKEN_CONSTANTS.contains(&upper.as_str()) {
            taken("constant", &constant.name, &upper, faults);
        }
    }
}

/// What the generated constants call the version and the port.
const TAKEN_CONSTANTS: [&str; 4] = [
    "PORT",
    "PROTOCOL_MAJOR",
    "PROTOCOL_MINOR",
    "PROTOCOL_REVISION",
];

fn taken(what: &str, name: &Spanned<String>, rust: &str, faults: &mut Faults) {
    let found = format!("{what} `{}`, whose name `{rust}` is taken", name.value);
    faults.push(
        name.span,
        found,
        "a name that the generated code does not need for itself",
    );
}

fn collide<'d>(
    seen: &mut HashMap<String, (&'d str, Span)>,
    rust: String,
    spec: &'d str,
    span: Span,
    faults: &mut Faults,
) {
    let Some((other, place)) = seen.get(&rust).copied() else {
        seen.insert(rust, (spec, span));
        return;
    };
    let (span, (note, place)) = culprit((span, OTHER), (place, OTHER));
    if faults.is_reported(span) {
        // Two of the same name within one file; corrections and views can make them as well.
    } else if other == spec {
        let found = format!("`{spec}` for a second time");
        faults.push_beside(span, found, "names that stay apart", (note, place));
    } else {
        report(spec, &format!("`{other}`"), &rust, span, place, faults);
    }
}

/// Introduces the other of two places.
const OTHER: &str = "the other one is";

fn report(spec: &str, other: &str, rust: &str, span: Span, place: Span, faults: &mut Faults) {
    faults.push_beside(
        span,
        format!("`{spec}` and {other} both become `{rust}` in Rust"),
        "names that stay apart",
        (OTHER, place),
    );
}
