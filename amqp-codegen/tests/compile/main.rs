//! Generated code compiles and documents in a stranger's crate without a warning, and its octets
//! are those of the vectors.
//!
//! Every specification of the tests that the generator accepts, and some made up for this one,
//! become a module of one crate, which is built in cargo's folder for tests with `amqp-spec` as its
//! only dependency besides the reader of the vectors. Its tests (`crate/round_trip.rs`) run every
//! vector through the typed methods, forth and back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod cases;
mod random;
mod words;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use amqp_codegen::emit::{Options, Outputs, emit};
use cases::Case;

#[test]
fn generated_code_compiles_and_round_trips() {
    let cases = cases::all();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile");
    write_crate(&folder, &cases);

    let stdout = cargo(&folder, &["test", "--quiet"]);
    let passed = format!("test result: ok. {} passed", cases.len());
    assert!(stdout.contains(&passed), "not `{passed}`, but\n{stdout}");
    cargo(&folder, &["doc", "--quiet", "--no-deps", "--lib"]);
}

/// Runs cargo on the crate, which has to succeed without a warning. Returns its standard output.
fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--color", "never"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        // Those of the caller, say for coverage, do not concern this crate.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTDOCFLAGS", "-D warnings")
        .env_remove("CARGO_ENCODED_RUSTDOCFLAGS")
        .output()
        .unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let place = folder.display();
    assert!(output.status.success(), "in {place}\n{stdout}\n{stderr}");
    assert!(!stderr.contains("warning"), "in {place}\n{stderr}");
    stdout
}

/// The crate: a library with one module per case, and one test that has all of them.
fn write_crate(folder: &Path, cases: &[Case]) {
    // The test reads every file of vectors, also one that is no longer generated. Of modules, only
    // those named in the library are compiled.
    let _ = fs::remove_dir_all(folder.join("vectors"));
    let root = cases::root();
    write(&folder.join("Cargo.toml"), &manifest(&root));
    write(
        &folder.join("Cargo.lock"),
        &fs::read_to_string(root.join("Cargo.lock")).unwrap(),
    );

    // Without the standard library, since `amqp-spec` does without it as well.
    let mut library = "//! Generated code.\n#![no_std]\n\n".to_owned();
    let shared = root.join("amqp-spec/tests/it/support.rs");
    let mut tests = format!(
        "//! Round trips.\n\n\
         #[allow(dead_code, unreachable_pub, reason = \"shared with other tests\")]\n\
         #[path = {shared:?}]\nmod shared;\n\nmod round_trip;\nmod support;\n"
    );
    for case in cases {
        let name = &case.name;
        library.push_str(&format!("/// A specification.\npub mod {name};\n"));
        let files = emit(&case.specification, &options(name));
        // One vector per line.
        let vectors = files
            .iter()
            .map(|file| file.text.matches("\n{\"name\":").count());
        let n_vectors: usize = vectors.sum();
        tests.push_str(&format!(
            "\nmod {name} {{\n    pub(crate) mod conformance;\n}}\n\n\
             #[test]\nfn {name}_round_trips() {{\n    round_trip::round_trip!({name}, {n_vectors});\n}}\n"
        ));
        for file in files {
            write(&folder.join(file.path), &file.text);
        }
    }
    write(&folder.join("src/lib.rs"), &library);
    write(&folder.join("tests/it/main.rs"), &tests);
    let sources = [
        ("round_trip", include_str!("crate/round_trip.rs")),
        ("support", include_str!("crate/support.rs")),
    ];
    for (name, text) in sources {
        write(&folder.join(format!("tests/it/{name}.rs")), text);
    }
}

fn options(case: &str) -> Options {
    Options {
        runtime: "::amqp_spec".to_owned(),
        modules: format!("generated::{case}"),
        method: format!("generated::{case}::method::Method"),
        command: "cargo test".to_owned(),
        outputs: Outputs {
            rust: Some(format!("src/{case}")),
            conformance: Some(format!("tests/it/{case}")),
            vectors: Some(format!("vectors/{case}")),
            reference: None,
            dictionary: None,
        },
    }
}

/// A workspace of its own, under the lints of ours.
fn manifest(root: &Path) -> String {
    let ours = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let lints = ours
        .find("[workspace.lints.rust]")
        .expect("lints in the workspace's manifest");
    let end = ours
        .find("[workspace.lints.clippy]")
        .expect("clippy's lints behind rustc's");
    let lints = ours.get(lints..end).unwrap();
    let runtime = root.join("amqp-spec");
    format!(
        "[package]\nname = \"generated\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\ntest = false\ndoctest = false\n\n[workspace]\n\n{lints}\n[lints]\nworkspace = true\n\n\
         [dependencies]\namqp-spec = {{ path = {runtime:?} }}\n\n\
         [dev-dependencies]\nserde_json = {{ version = \"1\", features = [\"preserve_order\"] }}\n"
    )
}

/// Leaves a file alone that is right already, so that cargo does not build it again.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|present| present == text) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
