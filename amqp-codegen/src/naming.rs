//! From the names of the specification to those of Rust.
//!
//! The specifications spell one name in many ways: `frame-min-size`, `FRAME-MIN-SIZE`, `frame min
//! size`. The model knows the first spelling alone. The Rust names follow from it without any
//! exception; [`crate::resolve`] has checked that no two collide.

use crate::model::Name;

/// Words that no item of edition 2024 may be called.
const KEYWORDS: [&str; 52] = [
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue",
    "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if",
    "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The spelling of the model: lower case, words joined by dashes.
pub(crate) fn normalise(written: &str) -> String {
    let dashed = |character: char| match character {
        ' ' | '_' => '-',
        other => other.to_ascii_lowercase(),
    };
    written.chars().map(dashed).collect()
}

/// Whether Rust names can be made of it: words of letters and digits, the first of which begins
/// with a letter, joined by single dashes.
pub(crate) fn is_valid(spec: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    spec.starts_with(|first: char| first.is_ascii_lowercase()) && spec.split('-').all(is_word)
}

/// All spellings of a name.
///
/// A name made up of several, such as that of a variant, is joined by dashes before it is spelt: a
/// keyword is one only as a whole, so `self` and `test` become `SelfTest`.
pub(crate) fn name(spec: &str) -> Name {
    let snake = escape(spec.replace('-', "_"));
    let camel = escape(spec.split('-').map(capitalise).collect());
    Name {
        spec: spec.to_owned(),
        snake,
        camel,
        upper: spec.replace('-', "_").to_uppercase(),
    }
}

fn capitalise(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// A keyword gets a trailing underscore.
fn escape(mut word: String) -> String {
    if KEYWORDS.contains(&word.as_str()) {
        word.push('_');
    }
    word
}

#[cfg(test)]
mod tests {
    use super::{is_valid, name, normalise};

    #[test]
    fn dialects_agree_on_one_spelling() {
        for written in [
            "frame-min-size",
            "FRAME-MIN-SIZE",
            "frame min size",
            "frame_min_size",
        ] {
            assert_eq!(normalise(written), "frame-min-size");
        }
    }

    #[test]
    fn keywords_get_an_underscore() {
        let name = name("type");
        assert_eq!(
            (name.snake.as_str(), name.camel.as_str()),
            ("type_", "Type")
        );
    }

    #[test]
    fn a_keyword_within_a_longer_name_is_none() {
        let name = name("self-type");
        assert_eq!(
            (name.snake.as_str(), name.camel.as_str()),
            ("self_type", "SelfType")
        );
    }

    #[test]
    fn names_that_rust_cannot_spell_are_invalid() {
        for bad in ["", "-a", "a-", "a--b", "1a", "é", "a.b", "A"] {
            assert!(!is_valid(bad), "{bad}");
        }
        assert!(is_valid("frame-0-9"));
    }
}
