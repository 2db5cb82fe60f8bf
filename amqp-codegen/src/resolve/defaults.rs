//! Default values that fit their types.

use super::culprit::culprit;
use super::draft::Field;
use crate::input::Spanned;
use crate::model::{Default, WireType};
use crate::report::Faults;
use crate::source::document::Literal;

/// The default of a bit.
pub(super) fn bit(field: &Field, faults: &mut Faults) -> Option<bool> {
    match &field.default {
        None => Some(false),
        Some(Spanned {
            value: Literal::Bool(value),
            ..
        }) => Some(*value),
        Some(default) => {
            report(default, field, "`true` or `false`", faults);
            None
        }
    }
}

/// The default of a field of this type, which is not a bit; `Some(None)` if it is zero or empty.
pub(super) fn other(field: &Field, wire: WireType, faults: &mut Faults) -> Option<Option<Default>> {
    let Some(default) = &field.default else {
        return Some(None);
    };
    let (fits, expected) = match wire {
        WireType::Bit => (None, "`true` or `false`"),
        WireType::Octet => (integer(default, u8::MAX.into()), "an integer of 8 bits"),
        WireType::Short => (integer(default, u16::MAX.into()), "an integer of 16 bits"),
        WireType::Long => (integer(default, u32::MAX.into()), "an integer of 32 bits"),
        WireType::LongLong => (integer(default, u64::MAX), "an integer of 64 bits"),
        WireType::Timestamp => (integer(default, u64::MAX), "seconds, an integer of 64 bits"),
        WireType::ShortStr => (text(default, 255), "a string of at most 255 octets"),
        WireType::LongStr => (text(default, usize::MAX), "a string"),
        WireType::Table => (table(default), "an empty table"),
    };
    if fits.is_none() {
        report(default, field, expected, faults);
    }
    fits
}

fn report(default: &Spanned<Literal>, field: &Field, expected: &str, faults: &mut Faults) {
    let name = &field.name.value;
    let (place, note) = culprit(
        (default.span, "the default is"),
        (field.typed, "its type is told"),
    );
    if place == default.span {
        let found = format!("a default that does not fit `{name}`");
        faults.push_beside(place, found, expected, note);
    } else {
        let found = format!("a type that the default of `{name}` does not fit");
        let expected = format!("another type, or as its default {expected}");
        faults.push_beside(place, found, expected, note);
    }
}

fn integer(default: &Spanned<Literal>, max: u64) -> Option<Option<Default>> {
    let Literal::Number(digits) = &default.value else {
        return None;
    };
    let value = digits.parse::<u64>().ok().filter(|value| *value <= max)?;
    Some((value != 0).then_some(Default::Integer(value)))
}

fn text(default: &Spanned<Literal>, max: usize) -> Option<Option<Default>> {
    match &default.value {
        Literal::Text(text) if text.is_empty() => Some(None),
        Literal::Text(text) if text.len() <= max => Some(Some(Default::Text(text.clone()))),
        _ => None,
    }
}

fn table(default: &Spanned<Literal>) -> Option<Option<Default>> {
    matches!(default.value, Literal::EmptyTable).then_some(None)
}
