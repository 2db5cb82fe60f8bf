//! Good files, damaged in every way that comes to mind: a report or a model, never a panic.

use amqp_codegen::{ParseOptions, Report};

use crate::support::{Input, parse_inputs, path};

const FILES: [&str; 4] = [
    "../spec/amqp0-9-1.stripped.extended.xml",
    "../spec/amqp-rabbitmq-0.9.1.json",
    "tests/accepts/documented-like-the-full-specification/spec.xml",
    "../spec/json-directions.toml",
];

/// Parses a damaged file, with a good specification beside it if it is an overlay.
fn parse_damaged(file: &str, text: Vec<u8>) -> Result<(), Report> {
    let mut inputs = Vec::new();
    if file.ends_with(".toml") {
        inputs.push(Input::read(&path("../spec/amqp-rabbitmq-0.9.1.json")));
    }
    let name = file.rsplit('/').next().unwrap();
    inputs.push(Input::new(name, text));
    parse_inputs(&inputs, &ParseOptions::new()).map(|_| ())
}

/// A report that points into the file, or into the one beside it.
#[track_caller]
fn check(report: &Report, text: &[u8]) {
    assert!(!report.faults().is_empty());
    let n_lines = text.split(|&byte| byte == b'\n').count().max(500);
    for fault in report.faults() {
        assert!((1..=n_lines).contains(&fault.line()), "{fault}");
        assert!(fault.column() >= 1);
        assert_eq!(fault.excerpt().lines().count(), 2, "{fault}");
        assert!(!fault.found().is_empty() && !fault.expected().is_empty());
    }
    assert!(!report.to_string().is_empty());
}

#[test]
fn truncated_files() {
    for file in FILES {
        let whole = Input::read(&path(file)).text;
        let meaningful = whole.trim_ascii_end().len();
        for len in (0..meaningful)
            .step_by(97)
            .chain(meaningful - 1..meaningful)
        {
            let text = whole[..len].to_vec();
            match parse_damaged(file, text.clone()) {
                Err(report) => check(&report, &text),
                // An overlay that ends early may still be one.
                Ok(()) => assert!(file.ends_with(".toml"), "{file} cut to {len}"),
            }
        }
    }
}

#[test]
fn changed_bytes() {
    let replacements = [
        b'<', b'>', b'"', b'\'', b'&', b'{', b'[', b'0', b' ', b'\\', 0x00, 0xFF,
    ];
    for file in FILES {
        let whole = Input::read(&path(file)).text;
        for (n, at) in (0..whole.len()).step_by(101).enumerate() {
            let mut text = whole.clone();
            text[at] = match n % 13 {
                12 => text[at] ^ 0x20,
                which => replacements[which],
            };
            if let Err(report) = parse_damaged(file, text.clone()) {
                check(&report, &text);
            }
        }
    }
}

#[test]
fn lines_removed_doubled_and_swapped() {
    for file in FILES {
        let whole = String::from_utf8(Input::read(&path(file)).text).unwrap();
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        for at in (0..lines.len() - 1).step_by(5) {
            let mut changed = lines.clone();
            match at % 15 {
                0 => changed.insert(at, lines[at]),
                5 => changed.swap(at, at + 1),
                _ => {
                    changed.remove(at);
                }
            }
            let text = changed.concat().into_bytes();
            if let Err(report) = parse_damaged(file, text.clone()) {
                check(&report, &text);
            }
        }
    }
}
