//! The overlay's corrections.
//!
//! A correction that matches nothing or changes nothing is a fault: it was written for another
//! version of the sources, or the sources have learned better. So is a second correction of the
//! same thing, which would win without a word.
//!
//! What a correction changes takes the place of the correction's value, so that a fault found later
//! is reported where its cause is.

use std::collections::HashMap;
use std::mem::{self, Discriminant};

use super::draft::{Draft, Field, Wire};
use super::types;
use crate::input::{Span, Spanned};
use crate::overlay::{Change, Correction, Target};
use crate::report::Faults;
use crate::source::document::Literal;

/// Applies corrections in their order.
pub(super) fn apply(draft: &mut Draft, corrections: &[Correction], faults: &mut Faults) {
    let mut made = Made::new();
    for correction in corrections {
        let target = &correction.target;
        // Looked up before its name changes.
        let declared = declared(draft, &target.value);
        for change in &correction.changes {
            if declared.is_some_and(|place| is_repeated(place, change, &mut made, faults)) {
                continue;
            }
            let outcome = apply_change(draft, &target.value, change);
            report(outcome, target, change.span, faults);
        }
    }
}

/// The corrections made: what they corrected, by its place in the sources, which aspect of it, and
/// where they are.
type Made = HashMap<(Span, Discriminant<Change>), Span>;

fn is_repeated(
    declared: Span,
    change: &Spanned<Change>,
    made: &mut Made,
    faults: &mut Faults,
) -> bool {
    let aspect = (declared, mem::discriminant(&change.value));
    let Some(first) = made.get(&aspect) else {
        made.insert(aspect, change.span);
        return false;
    };
    faults.push_beside(
        change.span,
        "a second correction of the same thing",
        "each aspect corrected once",
        ("the earlier one is", *first),
    );
    true
}

/// Where the sources have the target.
fn declared(draft: &mut Draft, target: &Target) -> Option<Span> {
    Some(match target {
        Target::Method(class, method) => draft.method_mut(class, method)?.name.span,
        Target::Field(class, method, field) => draft.field_mut(class, method, field)?.declared,
        Target::Property(class, property) => draft.property_mut(class, property)?.declared,
        Target::Constant(name) => draft.constant_mut(name)?.name.span,
        Target::Class(_) | Target::Domain(_) => return None,
    })
}

/// What became of one change.
enum Outcome {
    Changed,
    /// It was like that already.
    Unchanged,
    /// There is no such thing.
    NoMatch,
    /// The new type means nothing.
    UnknownType(Spanned<String>),
}

fn report(outcome: Outcome, target: &Spanned<Target>, span: Span, faults: &mut Faults) {
    match outcome {
        Outcome::Changed => {}
        Outcome::Unchanged => faults.push(
            span,
            format!(
                "a correction that changes nothing: {} is like that already",
                target.value
            ),
            "no correction, or another one",
        ),
        Outcome::NoMatch => faults.push(
            target.span,
            format!("a correction that matches nothing: {}", target.value),
            "something that is in the sources",
        ),
        Outcome::UnknownType(word) => types::report_unknown(&word, faults),
    }
}

fn apply_change(draft: &mut Draft, target: &Target, change: &Spanned<Change>) -> Outcome {
    let wire = match &change.value {
        Change::Domain(word) => Some(types::lookup(word, draft.domains.iter(), |domain| {
            &domain.name.value
        })),
        _ => None,
    };
    if let Some(Wire::Unknown(word)) = wire {
        return Outcome::UnknownType(word);
    }
    apply_to(draft, target, &change.value, wire).map_or(Outcome::NoMatch, |changed| {
        if changed {
            Outcome::Changed
        } else {
            Outcome::Unchanged
        }
    })
}

/// Whether it changed anything; `None` if there is no such thing. `wire` is the new type of a
/// change of type.
fn apply_to(
    draft: &mut Draft,
    target: &Target,
    change: &Change,
    wire: Option<Wire>,
) -> Option<bool> {
    match target {
        Target::Method(class, method) => {
            let method = draft.method_mut(class, method)?;
            match change {
                Change::Direction(direction) => {
                    let old = method.direction.replace(direction.clone());
                    Some(old.map(|old| old.value) != Some(direction.value))
                }
                Change::Replies(replies) => {
                    let names = |list: &[Spanned<String>]| {
                        list.iter()
                            .map(|name| name.value.clone())
                            .collect::<Vec<_>>()
                    };
                    let changed = names(&method.replies) != names(&replies.value);
                    method.replies.clone_from(&replies.value);
                    method.replies_corrected = true;
                    Some(changed)
                }
                _ => None,
            }
        }
        Target::Field(class, method, field) => Some(correct_field(
            draft.field_mut(class, method, field)?,
            change,
            wire,
        )),
        Target::Property(class, property) => Some(correct_field(
            draft.property_mut(class, property)?,
            change,
            wire,
        )),
        Target::Constant(name) => {
            let constant = draft.constant_mut(name)?;
            let Change::Kind(kind) = change else {
                return None;
            };
            let old = mem::replace(&mut constant.kind, kind.clone());
            Some(old.value != kind.value)
        }
        Target::Class(_) | Target::Domain(_) => None,
    }
}

fn correct_field(field: &mut Field, change: &Change, wire: Option<Wire>) -> bool {
    match change {
        Change::Rename(name) => mem::replace(&mut field.name, name.clone()).value != name.value,
        Change::Domain(word) => {
            field.typed = word.span;
            wire.is_some_and(|wire| retype(field, wire))
        }
        Change::Reserved(reserved) => {
            let old = field.reserved.replace(reserved.clone());
            old.is_some_and(|old| old.value) != reserved.value
        }
        Change::Default(default) => {
            let old = field.default.replace(default.clone());
            let told = |literal: &Literal| !literal.is_zero();
            let old = old.map(|old| old.value).filter(told);
            old != Some(default.value.clone()).filter(told)
        }
        Change::Secret(mark) => {
            let secret = mark.value.then_some(mark.span);
            mem::replace(&mut field.secret, secret).is_some() != mark.value
        }
        _ => false,
    }
}

fn retype(field: &mut Field, new: Wire) -> bool {
    let told = |wire: &Wire| match wire {
        Wire::Known { wire, domain } => Some((*wire, domain.clone())),
        Wire::Unknown(_) | Wire::Missing => None,
    };
    let changed = told(&field.wire) != told(&new);
    field.wire = new;
    changed
}
