//! Odd specifications that are right all the same, and what they mean.
//!
//! Each folder of `tests/accepts` holds the files of one case, and in `expected.txt` the summary of
//! the model.

use amqp_codegen::ParseOptions;

use crate::support::{differs, folders, inputs_of, parse_inputs, summary};

#[test]
fn odd_specifications_mean_what_they_say() {
    let mut differences = Vec::new();
    for folder in folders("tests/accepts") {
        let specification = match parse_inputs(&inputs_of(&folder), &ParseOptions::new()) {
            Ok(specification) => specification,
            Err(report) => panic!("{}:\n{report}", folder.display()),
        };
        differences.extend(differs(
            &summary(&specification),
            &folder.join("expected.txt"),
        ));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
