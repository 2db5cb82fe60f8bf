//! What was probably meant by a name that nobody knows.

/// The name that was probably meant: few letters differ.
///
/// `others` are names that have nothing to do with ours, with what is meant by them; those that
/// mean what is not known here count for nothing.
pub(crate) fn nearest(
    name: &str,
    known: impl Iterator<Item = &'static str>,
    others: &[(&str, &'static str)],
) -> Option<&'static str> {
    let plain = name.to_ascii_lowercase().replace('-', "_");
    let known: Vec<_> = known.collect();
    let mut meant = others.iter().filter(|(_, ours)| known.contains(ours));
    if let Some((_, ours)) = meant.find(|(theirs, _)| *theirs == plain) {
        return Some(ours);
    }
    let distances = known
        .into_iter()
        .map(|known| (distance(&plain, known), known));
    let (distance, known) = distances.min()?;
    (distance <= 1 + known.len() / 4).then_some(known)
}

/// How many letters must be added, removed or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    // Nobody means a short name by a long one.
    let a: Vec<char> = a.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (n, b) in b.chars().enumerate() {
        let mut diagonal = n;
        let mut left = n + 1;
        for (above, a) in row.iter_mut().skip(1).zip(&a) {
            let replaced = diagonal + usize::from(*a != b);
            diagonal = *above;
            left = replaced.min(left + 1).min(*above + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = n + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("hartbeat", "heartbeat"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
