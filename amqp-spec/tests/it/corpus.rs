//! The bodies of the fuzz targets over the corpus of `fuzz/`, and over damaged copies of it.

use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value as Json;

use crate::fuzz_bodies;
use crate::random::Random;
use crate::support::{from_hex, table_from_json, text, vectors};

/// Runs `body` over each file of a corpus, each file cut short, and each file with octets changed.
#[track_caller]
fn run(target: &str, body: fn(&[u8])) {
    let files = files(target);
    assert!(files.len() > 5, "the corpus of {target} is missing");
    let mut random = Random(1);
    for file in files {
        let seed = fs::read(&file).unwrap();
        body(&seed);
        for _ in 0..20 {
            let mut damaged = seed.clone();
            damaged.truncate(random.below(seed.len() + 1));
            body(&damaged);
            let mut damaged = seed.clone();
            for _ in 0..=random.below(3) {
                let position = random.below(seed.len().max(1));
                if let Some(octet) = damaged.get_mut(position) {
                    *octet = random.next().to_be_bytes()[0];
                }
            }
            body(&damaged);
        }
    }
}

fn files(target: &str) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(folder(target)) else {
        return Vec::new();
    };
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "corpus", target]
        .iter()
        .collect()
}

#[test]
fn frame() {
    run("frame", fuzz_bodies::frame);
}

#[test]
fn method() {
    run("method", fuzz_bodies::method);
}

#[test]
fn table() {
    run("table", fuzz_bodies::table);
}

#[test]
fn properties() {
    run("properties", fuzz_bodies::properties);
}

/// The corpus is made from the recorded vectors: `UPDATE_CORPUS=1 cargo test -p amqp-spec corpus`.
/// Files that a fuzzer found are left where they are.
#[test]
fn corpus_holds_the_recorded_vectors() {
    let session: Json = serde_json::from_str(include_str!("vectors/session.json")).unwrap();
    expect(
        "frame",
        "session-client",
        &from_hex(text(&session["client"]))[8..],
    );
    expect(
        "frame",
        "session-server",
        &from_hex(text(&session["server"])),
    );
    let methods = vectors(include_str!("vectors/independent-methods.json"));
    let tables = vectors(include_str!("vectors/pamqp.json"));
    for (i, vector) in methods.into_iter().chain(tables).enumerate() {
        let octets = from_hex(text(&vector["hex"]));
        let name = format!("{}-{i:03}", text(&vector["name"]));
        let payload = &octets[7..octets.len() - 1];
        match octets[0] {
            1 => expect("method", &name, payload),
            2 => expect("properties", &name, &payload[12..]),
            _ => expect("frame", &name, &octets),
        }
        for field in vector["fields"].as_array().into_iter().flatten() {
            // The one table of the methods is the same in all of them.
            if text(&field[1]) == "table" && field[2].is_array() {
                let table = table_from_json(&field[2]);
                expect("table", &name, table.as_bytes());
            }
        }
    }
}

#[track_caller]
fn expect(target: &str, name: &str, octets: &[u8]) {
    let path = folder(target).join(name);
    if env::var_os("UPDATE_CORPUS").is_some() {
        fs::create_dir_all(folder(target)).unwrap();
        fs::write(&path, octets).unwrap();
    }
    assert_eq!(
        fs::read(&path).ok().as_deref(),
        Some(octets),
        "{}",
        path.display()
    );
}
