//! Faulty specifications, and the reports on them.
//!
//! Each folder of `tests/rejects` holds the files of one case, sources in the order of their names
//! and overlays (`.toml`), and in `expected.txt` the report that they deserve.

use amqp_codegen::ParseOptions;

use crate::support::{differs, folders, inputs_of, parse_inputs};

#[test]
fn faulty_specifications_get_the_expected_report() {
    let mut differences = Vec::new();
    for folder in folders("tests/rejects") {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let options = ParseOptions::new().require_docs(name.starts_with("undocumented"));
        let report = match parse_inputs(&inputs_of(&folder), &options) {
            Ok(_) => format!("{name} is accepted\n"),
            Err(report) => format!("{report}\n"),
        };
        differences.extend(differs(&report, &folder.join("expected.txt")));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_reject_is_rejected() {
    for folder in folders("tests/rejects") {
        let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
        assert!(expected.starts_with("error: "), "{}", folder.display());
    }
}
