//! What only one of two views has.
//!
//! Views tell the same protocol, so a class, method, constant or domain that one of them lacks was
//! lost or misspelt there, unless an overlay says that it is meant. One fault tells all that is
//! missing of a kind: each class is one, whatever is in it, and so are the methods of a class.

use std::collections::HashSet;

use super::allowances::Allowances;
use super::draft::{Class, Draft};
use crate::input::{Span, Spanned};
use crate::overlay::Target;
use crate::report::Faults;

/// How many names one fault spells out.
const MAX_NAMES: usize = 5;

/// Reports what only one of the two has.
pub(super) fn check(
    first: &Draft,
    second: &Draft,
    allowances: &mut Allowances<'_>,
    faults: &mut Faults,
) {
    one_way(first, second, allowances, faults);
    one_way(second, first, allowances, faults);
}

/// Reports what the one has and the other lacks.
fn one_way(has: &Draft, lacks: &Draft, allowances: &mut Allowances<'_>, faults: &mut Faults) {
    let other = Span::new(lacks.file, 0, 1);
    let known = |names: &mut dyn Iterator<Item = &'_ Spanned<String>>| {
        names
            .map(|name| name.value.clone())
            .collect::<HashSet<String>>()
    };
    let constants = known(&mut lacks.constants.iter().map(|constant| &constant.name));
    let missing = has.constants.iter().map(|constant| &constant.name);
    let missing = missing.filter(|name| !constants.contains(&name.value));
    let mut report = |what, missing: Vec<(&Spanned<String>, Target)>, other| {
        let allowed = |target: &Target| allowances.permits_missing(target);
        report(what, missing, allowed, other, faults);
    };
    let targets = missing.map(|name| (name, Target::Constant(name.value.clone())));
    report("constant", targets.collect(), other);
    let domains = known(&mut lacks.domains.iter().map(|domain| &domain.name));
    let missing = has.domains.iter().map(|domain| &domain.name);
    let missing = missing.filter(|name| !domains.contains(&name.value));
    let targets = missing.map(|name| (name, Target::Domain(name.value.clone())));
    report("domain", targets.collect(), other);
    let mut classes = Vec::new();
    for class in &has.classes {
        let same_name = |other: &&Class| other.name.value == class.name.value;
        match lacks.classes.iter().find(same_name) {
            Some(other) => report("method", methods(class, other), other.name.span),
            None if has_id(
                class.id.as_ref(),
                lacks.classes.iter().map(|other| &other.id),
            ) => {}
            None => classes.push((&class.name, Target::Class(class.name.value.clone()))),
        }
    }
    report("class", classes, other);
}

/// The methods that one class has and the other lacks.
fn methods<'d>(has: &'d Class, lacks: &Class) -> Vec<(&'d Spanned<String>, Target)> {
    let names: HashSet<&str> = lacks
        .methods
        .iter()
        .map(|method| method.name.value.as_str())
        .collect();
    let missing = has.methods.iter().filter(|method| {
        let ids = lacks.methods.iter().map(|other| &other.id);
        !names.contains(method.name.value.as_str()) && !has_id(method.id.as_ref(), ids)
    });
    let target = |name: &str| Target::Method(has.name.value.clone(), name.to_owned());
    missing
        .map(|method| (&method.name, target(&method.name.value)))
        .collect()
}

/// Whether the id is there under another name: that is reported as such when the two are joined.
fn has_id<'d>(
    id: Option<&Spanned<u16>>,
    mut others: impl Iterator<Item = &'d Option<Spanned<u16>>>,
) -> bool {
    id.is_some_and(|id| {
        others.any(|other| other.as_ref().is_some_and(|other| other.value == id.value))
    })
}

fn report(
    what: &str,
    mut missing: Vec<(&Spanned<String>, Target)>,
    mut allowed: impl FnMut(&Target) -> bool,
    other: Span,
    faults: &mut Faults,
) {
    missing.retain(|(_, target)| !allowed(target));
    let Some((first, target)) = missing.first() else {
        return;
    };
    let note = ("the other source is", other);
    if missing.len() == 1 {
        let found = format!("{target}, which the other source lacks");
        let expected = "the same in both, or an `[[allow]]` with `missing = true` in an overlay";
        faults.push_beside(first.span, found, expected, note);
        return;
    }
    let mut names: Vec<String> = missing
        .iter()
        .take(MAX_NAMES)
        .map(|(name, _)| format!("`{}`", name.value))
        .collect();
    if missing.len() > MAX_NAMES {
        names.push("…".to_owned());
    }
    let plural = if what == "class" {
        "classes"
    } else {
        &format!("{what}s")
    };
    let n = missing.len();
    let found = format!(
        "{n} {plural} that the other source lacks: {}",
        names.join(", ")
    );
    let expected =
        "the same in both, or for each an `[[allow]]` with `missing = true` in an overlay";
    faults.push_beside(first.span, found, expected, note);
}
