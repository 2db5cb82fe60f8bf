//! What it costs to build a program that uses a client: time, crates, and bytes.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::{machine, places, process};

const LIMIT: Duration = Duration::from_secs(900);

/// Builds a program with each Rust client and its default features, from nothing, and writes a
/// table.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let ours = places::root().join("amqp-client");
    let dependencies = [
        (
            "ours",
            format!("amqp-client = {{ path = {:?} }}", ours.display()),
        ),
        ("amqp-client 0.1.0", "amqp-client = \"=0.1.0\"".to_owned()),
        ("lapin", "lapin = \"4\"".to_owned()),
        ("amqprs", "amqprs = \"2\"".to_owned()),
        ("amiquip", "amiquip = \"0.4\"".to_owned()),
    ];
    let mut table = format!(
        "# What a build costs\n\n{}; {}.\n\
         A release build of a program that does nothing, with the client and its default features, \
         from an empty target folder; sources were fetched before.\n\n\
         | client | s | crates compiled | MB in the target folder |\n|---|---:|---:|---:|\n",
        machine::today(),
        machine::describe(),
    );
    for (name, dependency) in dependencies {
        eprintln!("building with {name}");
        // Writing to a string does not fail.
        let _ = match build(&dependency) {
            Ok((seconds, crates, bytes)) => writeln!(
                table,
                "| {name} | {seconds:.1} | {crates} | {:.0} |",
                bytes as f64 / 1e6
            ),
            Err(reason) => writeln!(table, "| {name} | {reason} | – | – |"),
        };
    }
    print!("{table}");
    std::fs::create_dir_all(&options.out).map_err(|error| error.to_string())?;
    let path = options.out.join("build-cost.md");
    std::fs::write(&path, table).map_err(|error| format!("{}: {error}", path.display()))
}

fn build(dependency: &str) -> Result<(f64, usize, u64), String> {
    let folder = places::bench_target().join("build-cost");
    let say = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(say)?;
    }
    std::fs::create_dir_all(folder.join("src")).map_err(say)?;
    let manifest = format!(
        "[package]\nname = \"hello\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{dependency}\n\n[workspace]\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).map_err(say)?;
    std::fs::write(folder.join("src/main.rs"), "fn main() {}\n").map_err(say)?;

    let target = folder.join("target");
    cargo(&folder, &target, &["fetch"])?;
    let start = Instant::now();
    let log = cargo(&folder, &target, &["build", "--release", "--offline"])?;
    let seconds = start.elapsed().as_secs_f64();
    let compiled = log
        .lines()
        .filter(|line| line.trim_start().starts_with("Compiling"))
        .count();
    let bytes = size_of(&target);
    std::fs::remove_dir_all(&folder).map_err(say)?;
    // The program itself is not a crate that the client brings.
    Ok((seconds, compiled.saturating_sub(1), bytes))
}

fn cargo(folder: &Path, target: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("cargo");
    command
        .current_dir(folder)
        .args(arguments)
        .env("CARGO_TARGET_DIR", target);
    let said = process::run(&mut command, LIMIT)?;
    if said.success {
        return Ok(said.stderr);
    }
    let reason = said.stderr.lines().find(|line| line.contains("error"));
    Err(reason.unwrap_or("it does not say why").trim().to_owned())
}

fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
