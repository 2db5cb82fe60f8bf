//! Rules about documents: what they point to has to be there.

use std::path::Path;

use super::{Fault, File};

/// Announces that the code block that follows is quoted from a file, as in
/// `<!-- from amqp-spec/src/frame.rs -->`.
const QUOTE: &str = "<!-- from ";

pub(super) fn check(file: &File<'_>, root: &Path) -> Vec<Fault> {
    let mut faults = links(file, root);
    faults.extend(quotes(file, root));
    faults
}

fn links(file: &File<'_>, root: &Path) -> Vec<Fault> {
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

/// Compares each quoted block with the file it is quoted from. Indentation may differ.
fn quotes(file: &File<'_>, root: &Path) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut lines = file.lines();
    while let Some((number, line)) = lines.next() {
        let Some(rest) = line.trim().strip_prefix(QUOTE) else {
            continue;
        };
        let source = rest.trim_end_matches("-->").trim();
        let block: Vec<_> = lines
            .by_ref()
            .skip_while(|(_, line)| !line.trim_start().starts_with("```"))
            .skip(1)
            .map(|(_, line)| line.trim())
            .take_while(|line| !line.starts_with("```"))
            .collect();
        match std::fs::read_to_string(root.join(source)) {
            Err(error) => faults.push(file.fault(number, format!("cannot read {source}: {error}"))),
            Ok(text) if !contains(&text, &block) => {
                let message = format!("quotes {source} otherwise than it is written there");
                faults.push(file.fault(number, message));
            }
            Ok(_) => {}
        }
    }
    faults
}

/// Tells whether the block occurs in the text. A line of three dots stands for lines left out.
fn contains(text: &str, block: &[&str]) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let mut rest = lines.as_slice();
    for part in block.split(|line| *line == "…" || *line == "// …") {
        if part.is_empty() {
            continue;
        }
        let Some(at) = rest.windows(part.len()).position(|window| window == part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    !block.is_empty()
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
        let faults = links(
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

    #[test]
    fn a_quotation_has_to_be_literal_but_for_indentation() {
        let text = "fn a() {\n    b();\n    c();\n}\n";
        assert!(contains(text, &["b();", "c();"]));
        assert!(contains(text, &["fn a() {", "…", "}"]));
        assert!(!contains(text, &["b();", "}"]));
        assert!(!contains(text, &["c();", "…", "b();"]));
        assert!(!contains(text, &[]));
    }

    #[test]
    fn quotations_are_compared_with_their_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let quote = |from: &str, line: &str| {
            let text = format!("<!-- from {from} -->\n\n```toml\n{line}\n```\n");
            quotes(
                &File {
                    path: "README.md",
                    text: &text,
                },
                root,
            )
            .len()
        };
        assert_eq!(quote("Cargo.toml", "name = \"xtask\""), 0);
        assert_eq!(quote("Cargo.toml", "name = \"ytask\""), 1);
        assert_eq!(quote("Kargo.toml", "name = \"xtask\""), 1);
    }
}
