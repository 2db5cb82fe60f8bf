//! Every name converts to Rust, and no two to the same.

use std::collections::HashMap;

use super::draft::{Draft, Field};
use crate::model::Name;
use crate::naming;
use crate::report::Faults;
use crate::source::{Span, Spanned};

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
        fields(&class.properties, faults);
        for method in &class.methods {
            fields(&method.fields, faults);
        }
    }
    variants(draft, faults);
}

fn fields(fields: &[Field], faults: &mut Faults) {
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

/// All methods share the enum of methods, where class and method are one word.
fn variants(draft: &Draft, faults: &mut Faults) {
    let mut seen = HashMap::new();
    let mut names = Vec::new();
    for class in &draft.classes {
        for method in &class.methods {
            let path = format!("{}.{}", class.name.value, method.name.value);
            let camel = |name: &str| naming::name(name).camel;
            let variant = camel(&class.name.value) + &camel(&method.name.value);
            names.push((variant, path, class, method));
        }
    }
    for (variant, path, class, method) in &names {
        let twins = class.methods.iter().filter(|other| {
            naming::name(&other.name.value).camel == naming::name(&method.name.value).camel
        });
        // Two methods of one class were reported before.
        if twins.count() == 1 {
            collide(&mut seen, variant.clone(), path, method.name.span, faults);
        }
    }
}

fn collide<'d>(
    seen: &mut HashMap<String, (&'d str, Span)>,
    rust: String,
    spec: &'d str,
    span: Span,
    faults: &mut Faults,
) {
    match seen.get(&rust) {
        None => {
            seen.insert(rust, (spec, span));
        }
        // Equal names are duplicates or conflicts, which were reported as such.
        Some((first, _)) if *first == spec => {}
        Some((first, place)) => faults.push_beside(
            span,
            format!("`{spec}` and `{first}` both become `{rust}` in Rust"),
            "names that stay apart",
            ("the other one is", *place),
        ),
    }
}
