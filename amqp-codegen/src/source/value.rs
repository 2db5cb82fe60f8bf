//! Small values that both formats spell as words or numbers.

use std::fmt::Display;

use crate::input::{Span, Spanned};
use crate::model::ConstantKind;
use crate::report::Faults;

/// The longest name, in octets. Whatever is generated for what is in a class or a method repeats
/// its name; specifications stay below 30. Files are called after classes, and pages of
/// documentation after methods and constants, with a few octets in front and behind; file systems
/// stop at 255.
const MAX_NAME: usize = 200;

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

/// Longer words are no slip of the pen.
const MAX_SLIP: usize = 40;

/// The word that was meant, if one of them is nearly this one.
pub(crate) fn nearest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    if word.len() > MAX_SLIP {
        return None;
    }
    let near = |candidate: &&'w str| {
        let distance = distance(word, candidate);
        (distance > 0 && distance <= 1.max(candidate.len() / 3)).then_some((distance, *candidate))
    };
    let nearest = words
        .iter()
        .filter_map(near)
        .min_by_key(|(distance, _)| *distance);
    nearest.map(|(_, candidate)| candidate)
}

/// [`list`], and which of the words, or of those that are tolerated, this one was meant to be.
pub(crate) fn list_for(word: &str, words: &[&str], tolerated: &[&str]) -> String {
    let all = [words, tolerated].concat();
    match nearest(word, &all) {
        Some(meant) => format!("{}; did you mean `{meant}`?", list(words)),
        None => list(words),
    }
}

/// How many letters have to be put in, left out, replaced or swapped with the next one. Case counts
/// for nothing, `_` is `-`.
fn distance(one: &str, other: &str) -> usize {
    let letters = |word: &str| -> Vec<char> {
        let lower = word.chars().flat_map(char::to_lowercase);
        lower.map(|c| if c == '_' { '-' } else { c }).collect()
    };
    if one == other {
        return 0;
    }
    let (one, other) = (letters(one), letters(other));
    let mut rows: [Vec<usize>; 2] = [Vec::new(), (0..=other.len()).collect()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let [before, last] = &rows;
            let at = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(last, j) + usize::from(a != b);
            let mut best = replaced.min(at(last, j + 1) + 1).min(at(&row, j) + 1);
            let is_swap =
                i > 0 && j > 0 && one.get(i - 1) == Some(b) && other.get(j - 1) == Some(a);
            if is_swap {
                best = best.min(at(before, j - 1) + 1);
            }
            row.push(best);
        }
        rows.rotate_left(1);
        rows[1] = row;
    }
    rows[1].last().copied().unwrap_or_default().max(1)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_of_the_pen_are_near() {
        let words = ["required", "reserved", "name", "type", "domain", "no-wait"];
        for (word, meant) in [
            ("requred", Some("required")),
            ("reservd", Some("reserved")),
            ("nmae", Some("name")),
            ("Name", Some("name")),
            ("no_wait", Some("no-wait")),
            ("domian", Some("domain")),
            ("typo", Some("type")),
            ("name", None),
            ("minimum", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, &words), meant, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), &words), None);
    }
}
