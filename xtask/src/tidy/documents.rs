//! Rules about documents: what they point to has to be there.

use std::path::Path;

use super::{Fault, File};

/// Finds links to files that are not there.
pub(super) fn check(file: &File<'_>, root: &Path) -> Vec<Fault> {
    let folder = root.join(file.path).parent().unwrap_or(root).to_owned();
    let leads_nowhere = |target: &&str| !folder.join(target).exists();
    let mut is_code = false;
    let mut faults = Vec::new();
    for (number, line) in file.lines() {
        is_code ^= line.trim_start().starts_with("```");
        if !is_code {
            let broken = targets(line).into_iter().filter(leads_nowhere);
            faults.extend(broken.map(|target| {
                file.fault(number, format!("links to `{target}`, which is not there"))
            }));
        }
    }
    faults
}

/// The files to which a line links, without the places in them.
fn targets(line: &str) -> Vec<&str> {
    let links = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    links
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_files_are_looked_at() {
        let line = "[a](b.md#c), [d](https://e.example/f), [g](#h), [i](../j)";
        assert_eq!(targets(line), ["b.md", "../j"]);
    }

    #[test]
    fn broken_links_are_found_outside_of_code() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = "[a](Cargo.toml)\n[b](no.md)\n```\n[c](no.md)\n```\n";
        let faults = check(
            &File {
                path: "README.md",
                text,
            },
            root,
        );
        assert_eq!(
            faults.iter().map(|fault| fault.line).collect::<Vec<_>>(),
            [2]
        );
    }
}
