//! Patterns of topic exchanges: words between dots, where `*` stands for one word and `#` for any
//! number of them, none included.

/// Whether a routing key fits a pattern.
pub(super) fn fits(pattern: &[u8], key: &[u8]) -> bool {
    // The usual match with one wildcard of any length to fall back to: the last `#` takes one word
    // more whenever what follows it does not fit.
    let (pattern, key): (Vec<_>, Vec<_>) = (words(pattern), words(key));
    let (mut at, mut word) = (0, 0);
    let mut fallback: Option<(usize, usize)> = None;
    while word < key.len() {
        match pattern.get(at) {
            Some(&b"#") => {
                fallback = Some((at, word));
                at += 1;
                continue;
            }
            Some(expected) if *expected == b"*" || Some(expected) == key.get(word) => {
                at += 1;
                word += 1;
                continue;
            }
            _ => {}
        }
        let Some((hash, taken)) = fallback else {
            return false;
        };
        fallback = Some((hash, taken + 1));
        at = hash + 1;
        word = taken + 1;
    }
    pattern
        .get(at..)
        .is_some_and(|rest| rest.iter().all(|it| *it == b"#"))
}

/// The words of a key; the empty key has none.
fn words(key: &[u8]) -> Vec<&[u8]> {
    if key.is_empty() {
        return Vec::new();
    }
    key.split(|octet| *octet == b'.').collect()
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[track_caller]
    fn check(pattern: &str, fitting: &[&str], others: &[&str]) {
        for key in fitting {
            assert!(fits(pattern.as_bytes(), key.as_bytes()), "{pattern} {key}");
        }
        for key in others {
            assert!(!fits(pattern.as_bytes(), key.as_bytes()), "{pattern} {key}");
        }
    }

    #[test]
    fn a_star_is_one_word_and_a_hash_any_number() {
        check("a.*", &["a.b", "a."], &["a", "a.b.c", "b.a", ""]);
        check("a.#", &["a", "a.b", "a.b.c"], &["b", "b.a", ""]);
        check("#.a", &["a", "b.a", "a.a", "c.b.a"], &["a.b", ""]);
        check("#", &["", "a", "a.b"], &[]);
        check("*", &["a"], &["", "a.b"]);
        check("*.*", &["a.b", "."], &["a", "a.b.c"]);
        check("#.#", &["", "a", "a.b.c"], &[]);
        check(
            "#.b.#.d.*",
            &["b.d.x", "a.b.c.d.e", "b.b.d.d.e"],
            &["b.d", "a.d.e"],
        );
        check("", &[""], &["a"]);
    }
}
