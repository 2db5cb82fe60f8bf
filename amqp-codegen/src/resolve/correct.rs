//! The overlay's corrections.
//!
//! A correction that matches nothing or changes nothing is a fault: it was written for another
//! version of the sources, or the sources have learned better.

use super::draft::{Draft, Field, Wire};
use super::types;
use crate::overlay::{Change, Correction, Target};
use crate::report::Faults;
use crate::source::document::Literal;
use crate::source::{Span, Spanned};

/// Applies corrections in their order.
pub(super) fn apply(draft: &mut Draft, corrections: &[Correction], faults: &mut Faults) {
    for correction in corrections {
        for change in &correction.changes {
            let outcome = apply_change(draft, &correction.target.value, change);
            report(outcome, &correction.target, change.span, faults);
        }
    }
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

/// Whether it changed anything; `None` if there is no such thing. `wire` is the new type of a change
/// of type.
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
                    Some(method.direction.replace(*direction) != Some(*direction))
                }
                Change::Replies(replies) => {
                    let names = |list: &[Spanned<String>]| {
                        list.iter()
                            .map(|name| name.value.clone())
                            .collect::<Vec<_>>()
                    };
                    let changed = names(&method.replies) != names(replies);
                    method.replies.clone_from(replies);
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
            Some(std::mem::replace(&mut constant.kind, *kind) != *kind)
        }
        Target::Class(_) | Target::Domain(_) => None,
    }
}

fn correct_field(field: &mut Field, change: &Change, wire: Option<Wire>) -> bool {
    match change {
        Change::Rename(name) => std::mem::replace(&mut field.name.value, name.clone()) != *name,
        Change::Domain(_) => wire.is_some_and(|wire| retype(field, wire)),
        Change::Reserved(reserved) => {
            field.reserved.replace(*reserved).unwrap_or(false) != *reserved
        }
        Change::Default(default) => {
            let old = field.default.replace(default.clone());
            let told = |literal: &Literal| !literal.is_zero();
            let old = old.map(|old| old.value).filter(told);
            old != Some(default.value.clone()).filter(told)
        }
        Change::Secret(mark) => {
            let secret = mark.value.then_some(mark.span);
            std::mem::replace(&mut field.secret, secret).is_some() != mark.value
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
