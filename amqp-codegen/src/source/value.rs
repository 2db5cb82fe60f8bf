//! Small values that both formats spell as words or numbers.

use std::fmt::Display;

use super::{Span, Spanned};
use crate::model::ConstantKind;
use crate::report::Faults;

/// The longest name, in octets. Whatever is generated for what is in a class or a method repeats its
/// name; specifications stay below 30.
const MAX_NAME: usize = 255;

/// Checks that a name is of a bearable length.
pub(super) fn name(name: Spanned<String>, faults: &mut Faults) -> Option<Spanned<String>> {
    let len = name.value.len();
    if len <= MAX_NAME {
        return Some(name);
    }
    let expected = format!("at most {MAX_NAME}");
    faults.push(name.span, format!("a name of {len} octets"), expected);
    None
}

/// Reads an unsigned decimal number of at most `max`. `what` names it in a fault: "the index of a
/// class".
pub(super) fn integer<T>(
    word: &str,
    span: Span,
    what: &str,
    max: T,
    faults: &mut Faults,
) -> Option<Spanned<T>>
where
    T: Copy + Display + PartialOrd + TryFrom<u64>,
{
    let is_decimal = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let number = word
        .parse::<u64>()
        .ok()
        .and_then(|wide| T::try_from(wide).ok());
    match number {
        Some(number) if is_decimal && number <= max => Some(Spanned::new(number, span)),
        _ if is_decimal => {
            faults.push(
                span,
                format!("{what} out of range: {word}"),
                format!("at most {max}"),
            );
            None
        }
        _ => {
            faults.push(
                span,
                format!("{what} that is not a number: `{word}`"),
                format!("a decimal number from 0 to {max}"),
            );
            None
        }
    }
}

/// Reads the class of a constant. AMQP 0-8 writes the two words with a space.
pub(super) fn constant_kind(
    word: &str,
    span: Span,
    faults: &mut Faults,
) -> Option<Spanned<ConstantKind>> {
    let kind = match word {
        "soft-error" | "soft error" => ConstantKind::SoftError,
        "hard-error" | "hard error" => ConstantKind::HardError,
        _ => {
            faults.push(
                span,
                format!("unknown class of a constant: `{word}`"),
                "`soft-error` or `hard-error`",
            );
            return None;
        }
    };
    Some(Spanned::new(kind, span))
}

/// Words for a report: "`a`, `b` or `c`".
pub(crate) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// What to type in place of a character that only looks like part of the syntax: word processors
/// and web pages turn quotes, dashes and spaces into others.
pub(crate) fn straight(character: char) -> Option<&'static str> {
    match character {
        '\u{201C}'..='\u{201F}' | '\u{AB}' | '\u{BB}' | '\u{2033}' | '\u{FF02}' => Some("\""),
        '\u{2018}'..='\u{201B}' | '\u{B4}' | '\u{2032}' | '\u{FF07}' => Some("'"),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some("-"),
        _ => None,
    }
}
