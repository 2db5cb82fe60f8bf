//! Rules about documents: what they point to has to be there, files as well as headings in them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::file::{Fault, File};

/// Finds links to files, and to headings in documents, that are not there.
pub(super) fn check(file: &File<'_>, root: &Path) -> Vec<Fault> {
    let folder = root.join(file.path).parent().unwrap_or(root).to_owned();
    let mut faults = Vec::new();
    for (number, line) in prose(file.text) {
        for (target, heading) in targets(line) {
            let path = folder.join(target);
            let is_missing = match heading {
                _ if !path.exists() => true,
                None => false,
                Some(heading) if target.is_empty() => !has_heading(file.text, heading),
                Some(heading) if target.ends_with(".md") => {
                    !fs::read_to_string(&path).is_ok_and(|text| has_heading(&text, heading))
                }
                // A line of a source file.
                Some(_) => false,
            };
            if is_missing {
                let heading = heading.map(|heading| format!("#{heading}"));
                let heading = heading.unwrap_or_default();
                let message = format!("links to `{target}{heading}`, which is not there");
                faults.push(file.fault(number, message));
            }
        }
    }
    faults
}

/// The lines outside of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The files to which a line links, with the headings in them; an empty name is the same file.
fn targets(line: &str) -> Vec<(&str, Option<&str>)> {
    let links = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    links
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(|target| match target.split_once('#') {
            Some((file, heading)) => (file, Some(heading)),
            None => (target, None),
        })
        .collect()
}

fn has_heading(text: &str, anchor: &str) -> bool {
    let mut seen = HashMap::new();
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| slug(line.trim_start_matches('#').trim()))
        .any(|slug| {
            // The second heading of the same words gets a number.
            let n_before = *seen
                .entry(slug.clone())
                .and_modify(|n| *n += 1)
                .or_insert(0);
            if n_before == 0 {
                slug == anchor
            } else {
                format!("{slug}-{n_before}") == anchor
            }
        })
}

/// What GitHub makes of a heading: letters, digits, hyphens and underscores, in lower case, with
/// hyphens for spaces.
fn slug(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|&c| c.is_alphanumeric() || " -_".contains(c));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = "README.md";
        let faults = check(&File { path, text }, root);
        faults.iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn only_links_to_files_are_looked_at() {
        let line = "[a](b.md#c), [d](https://e.example/f), [g](#h), [i](../j)";
        let found = [("b.md", Some("c")), ("", Some("h")), ("../j", None)];
        assert_eq!(targets(line), found);
    }

    #[test]
    fn broken_links_are_found_outside_of_code() {
        let text = "[a](Cargo.toml)\n[b](no.md)\n```\n[c](no.md)\n```\n";
        assert_eq!(lines(text), [2]);
    }

    #[test]
    fn links_to_headings_that_are_not_there_are_found() {
        let text = "# One `two`, three?\n[a](#one-two-three)\n[b](#four)\n```\n# Four\n```\n";
        assert_eq!(lines(text), [3]);
        let text = "[a](../CONTRIBUTING.md#how-code-should-feel)\n[b](../CONTRIBUTING.md#no)\n";
        assert_eq!(lines(text), [2]);
    }

    #[test]
    fn repeated_headings_are_numbered() {
        let text = "# A\n# A\n[1](#a)\n[2](#a-1)\n[3](#a-2)\n";
        assert_eq!(lines(text), [5]);
    }
}
