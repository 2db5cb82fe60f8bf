//! The page that shows what the specification becomes quotes the files as they are.

use std::path::{Path, PathBuf};
use std::{env, fs};

use amqp_codegen::emit::refresh_snippets;

use crate::first_difference;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

#[test]
fn guide_quotes_the_files_as_they_are() {
    let path = root().join("docs/generated-code.md");
    let document = fs::read_to_string(&path).unwrap();
    let read = |name: &str| fs::read_to_string(root().join(name)).ok();
    let refreshed = refresh_snippets(&document, read).unwrap_or_else(|missing| panic!("{missing}"));
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &refreshed).unwrap();
        return;
    }
    let difference = first_difference(&refreshed, &document);
    assert_eq!(
        difference, None,
        "docs/generated-code.md: `cargo xtask regenerate` renews it"
    );
}

#[test]
fn snippet_has_documentation_and_attributes_and_ends_where_it_is_closed() {
    let file = "mod a;\n\n    /// Docs.\n    #[inline]\n    fn b() {\n        c();\n    }\n}\n";
    let document = "<!-- snippet: a.rs: fn b -->\n```rust\nstale\n```\ntext\n";
    let refreshed = refresh_snippets(document, |_| Some(file.to_owned())).unwrap();
    let expected = "<!-- snippet: a.rs: fn b -->\n\
        ```rust\n/// Docs.\n#[inline]\nfn b() {\n    c();\n}\n```\ntext\n";
    assert_eq!(refreshed, expected);
}

#[test]
fn snippet_that_is_not_there_is_reported() {
    let document = "# Title\n\n<!-- snippet: a.rs: fn z -->\n```rust\n```\n";
    let missing = refresh_snippets(document, |_| Some("fn a() {}\n".to_owned())).unwrap_err();
    assert_eq!((missing.line, &*missing.name), (3, "a.rs: fn z"));
    assert!(refresh_snippets(document, |_| None).is_err());
}

#[test]
fn snippet_without_code_block_is_reported() {
    let document = "<!-- snippet: a.rs: fn a -->\n\n```rust\n```\n";
    assert!(refresh_snippets(document, |_| Some("fn a() {}\n".to_owned())).is_err());
}
