//! Reply codes are numbers of 16 bits, and no two of them have the same value.
//!
//! A peer tells the code alone, and the generated code looks its name and its gravity up: the
//! second name of a value could not be found. Constants that are no reply codes may have any value.

use std::collections::HashMap;

use super::culprit::culprit;
use super::draft::{Constant, Draft};
use crate::input::Span;
use crate::model::ConstantKind;
use crate::report::Faults;

/// Reports reply codes that are out of range, or that have the value of another one.
pub(super) fn check(draft: &Draft, faults: &mut Faults) {
    let mut seen: HashMap<u32, &Constant> = HashMap::new();
    for constant in &draft.constants {
        let Some(value) = &constant.value else {
            continue;
        };
        if constant.kind.value == ConstantKind::Plain {
            continue;
        }
        let name = &constant.name.value;
        if value.value > u16::MAX.into() {
            let (place, note) = culprit(
                (value.span, "its value is"),
                (constant.kind.span, "it is declared"),
            );
            let found = format!("reply code out of range: `{name}` is {}", value.value);
            faults.push_beside(place, found, format!("at most {}", u16::MAX), note);
        }
        let Some(first) = seen.get(&value.value) else {
            seen.insert(value.value, constant);
            continue;
        };
        // The same constant defined twice is reported as such.
        if first.name.value != *name {
            let (place, note) = culprit((place(constant), OTHER), (place(first), OTHER));
            let found = format!(
                "reply codes `{}` and `{name}` of the same value, {}",
                first.name.value, value.value
            );
            faults.push_beside(place, found, "a value for each of them", note);
        }
    }
}

const OTHER: &str = "the other one is";

/// What makes it a reply code of this value: the value, or the correction that made it one.
fn place(constant: &Constant) -> Span {
    let kind = constant.kind.span;
    match &constant.value {
        Some(value) if value.span.file() >= kind.file() => value.span,
        _ => kind,
    }
}
