//! The words and signs of a file of Rust, without comments, literals and what is there for tests.

/// A word or a sign, with its line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Token<'a> {
    /// A word, `::`, `->`, `=>` or a single character.
    pub(super) text: &'a str,
    pub(super) line: usize,
}

impl Token<'_> {
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(is_word_part)
    }
}

/// The tokens of a file that count outside of tests.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let all = lex(text);
    let mut kept = Vec::new();
    let mut rest = all.as_slice();
    while let Some((token, behind)) = rest.split_first() {
        if token.text != "#" {
            kept.push(token.clone());
            rest = behind;
            continue;
        }
        let (attribute, behind) = attribute(behind);
        rest = match attribute {
            Attribute::Other => behind,
            Attribute::Test => skip_item(behind),
            Attribute::TestFile => return Vec::new(),
        };
    }
    kept
}

enum Attribute {
    /// The item that follows is there for tests.
    Test,
    /// The whole file is.
    TestFile,
    Other,
}

/// Takes an attribute apart, from behind its `#`.
fn attribute<'t, 'a>(tokens: &'t [Token<'a>]) -> (Attribute, &'t [Token<'a>]) {
    let (is_inner, list) = match tokens.first().map(|token| token.text) {
        Some("!") => (true, tokens.get(1..).unwrap_or_default()),
        _ => (false, tokens),
    };
    if list.first().map(|token| token.text) != Some("[") {
        return (Attribute::Other, tokens);
    }
    let starts_with = |words: &[&str]| {
        let texts = list.iter().map(|token| token.text);
        words.iter().copied().eq(texts.take(words.len()))
    };
    let is_test = starts_with(&["[", "cfg", "(", "test", ")"])
        || starts_with(&["[", "cfg", "(", "all", "(", "test", ","]);
    let kind = match (is_test, is_inner) {
        (true, true) => Attribute::TestFile,
        (true, false) => Attribute::Test,
        _ => Attribute::Other,
    };
    (kind, behind_brackets(list))
}

/// Passes over the bracket that is opened first, with all that is in it.
fn behind_brackets<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return tokens.get(at + 1..).unwrap_or_default();
        }
    }
    &[]
}

/// Passes over an item, a field, a variant or a statement.
fn skip_item<'t, 'a>(mut tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    while let [sign, bracket, ..] = tokens {
        if (sign.text, bracket.text) != ("#", "[") {
            break;
        }
        tokens = behind_brackets(tokens.get(1..).unwrap_or_default());
    }
    let mut keywords = tokens.iter().filter(|token| token.is_word());
    let ending = keywords.find_map(|token| match token.text {
        "pub" | "crate" | "super" | "in" | "unsafe" | "async" | "extern" => None,
        "fn" | "struct" | "enum" | "union" | "trait" | "impl" | "mod" | "macro_rules" => {
            Some(&[";", "}"][..])
        }
        "use" | "const" | "static" | "type" | "let" => Some(&[";"]),
        _ => Some(&[",", ";", "}"]),
    });
    let ending = ending.unwrap_or_default();
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            // What surrounds a last field without a comma.
            ")" | "]" | "}" if depth == 0 => return tokens.get(at..).unwrap_or_default(),
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && ending.contains(&token.text) {
            return tokens.get(at + 1..).unwrap_or_default();
        }
    }
    &[]
}

fn lex(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (len, is_token) = next(rest, first);
        let (taken, behind) = rest.split_at_checked(len).unwrap_or((rest, ""));
        if is_token {
            let text = taken.strip_prefix("r#").unwrap_or(taken);
            tokens.push(Token { text, line });
        }
        line += taken.matches('\n').count();
        rest = behind;
    }
    tokens
}

/// The length of what comes next, and whether it is a token.
fn next(rest: &str, first: char) -> (usize, bool) {
    if first.is_whitespace() {
        return (first.len_utf8(), false);
    }
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), false);
    }
    if let Some(len) = literal(rest) {
        return (len, false);
    }
    if is_word_part(first) || rest.starts_with("r#") {
        let raw = if rest.starts_with("r#") { 2 } else { 0 };
        let word = rest.get(raw..).unwrap_or_default();
        let len = word.find(|c| !is_word_part(c)).unwrap_or(word.len());
        // A number is no word.
        return (raw + len, !first.is_ascii_digit());
    }
    let is_pair = ["::", "->", "=>"].iter().any(|pair| rest.starts_with(pair));
    let len = if is_pair { 2 } else { first.len_utf8() };
    (len, true)
}

const fn is_word_part(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

/// Comments of this kind nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a text, a character or a lifetime, if there is one.
fn literal(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r"]
        .into_iter()
        .find(|prefix| text.starts_with(prefix) && text.get(prefix.len()..).is_some_and(is_quoted));
    let prefix = prefix.unwrap_or_default();
    let quoted = text.get(prefix.len()..)?;
    let hashes = quoted.len() - quoted.trim_start_matches('#').len();
    let quoted = quoted.get(hashes..)?;
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        let inside = quoted.strip_prefix('"')?;
        let len = inside.find(&end).map_or(inside.len(), |at| at + end.len());
        return Some(prefix.len() + hashes + 1 + len);
    }
    if hashes > 0 {
        return None;
    }
    let len = match quoted.chars().next()? {
        '"' => escaped(quoted, '"'),
        '\'' if is_lifetime(quoted) => 1,
        '\'' => escaped(quoted, '\''),
        _ => return None,
    };
    Some(prefix.len() + len)
}

fn is_quoted(text: &str) -> bool {
    text.trim_start_matches('#').starts_with('"') || text.starts_with('\'')
}

/// Whether the quote begins a lifetime: its name follows, and no other quote behind one character.
fn is_lifetime(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    let first = characters.next().unwrap_or_default();
    is_word_part(first) && characters.next() != Some('\'')
}

/// The length up to the next of these quotes without a backslash in front.
fn escaped(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !is_escaped {
            return at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found: Vec<_> = tokens(text).into_iter().map(|token| token.text).collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn comments_and_literals_are_no_tokens() {
        check("a // b\n/* c /* d */ e */ f", "a f");
        check(r#"let a = "amqp://b \" c"; d"#, "let a = ; d");
        check(r###"r#"a " b"# c br"d" e"###, "c e");
        check(
            r"a('b', '\'', '\n', b'c', 'd: 'e' 1_000u8)",
            "a ( , , , , d : )",
        );
        check(
            "use r#type::<'a>; x -> 0..1",
            "use type :: < a > ; x -> . .",
        );
    }

    #[test]
    fn lines_are_counted_in_literals_and_comments() {
        let found = tokens("/* \n */ a \"\n\n\" b\nc");
        let lines: Vec<_> = found.iter().map(|token| token.line).collect();
        assert_eq!(lines, [2, 4, 5]);
    }

    #[test]
    fn what_is_there_for_tests_is_left_out() {
        check("a; #[cfg(test)] mod tests { b! {} } c", "a ; c");
        check(
            "#[cfg(all(test, unix))] #[inline] fn a<A, B>() -> (A, B) {} c",
            "c",
        );
        check("#[cfg(test)] use a::{b, c}; d", "d");
        check("#[cfg(test)] const A: [u8; 2] = { b }; d", "d");
        check(
            "struct A { #[cfg(test)] b: C, d: E, #[cfg(test)] f: G }",
            "struct A { d : E , }",
        );
        check("#![cfg(test)] a", "");
        check(
            "#[cfg(feature = \"test\")] #[expect(a::b)] fn c() {}",
            "fn c ( ) { }",
        );
    }
}
