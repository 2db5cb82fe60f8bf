//! Finds the source of amqp-client 0.1.0 in cargo's registry, and writes the module declarations
//! that compile its codec from there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let source = source_of("amqp-client", "0.1.0");
    let modules = ["error", "protocol"].map(|name| {
        let file = source.join(format!("{name}.rs"));
        let path = if file.exists() {
            file
        } else {
            source.join(name).join("mod.rs")
        };
        format!("#[path = {path:?}]\npub mod {name};\n")
    });
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("modules.rs"), modules.concat()).expect("OUT_DIR can be written");
    println!("cargo::rerun-if-changed=build.rs");
}

fn source_of(name: &str, version: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").expect("set by cargo");
    let metadata = Command::new(cargo)
        .args(["metadata", "--format-version=1"])
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&metadata.stdout).expect("cargo metadata writes JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let wanted = |package: &&serde_json::Value| {
        package["name"] == name && package["version"] == version && !package["source"].is_null()
    };
    let package = packages
        .iter()
        .find(wanted)
        .expect("it is among the dependencies");
    let manifest = package["manifest_path"]
        .as_str()
        .expect("every package has one");
    Path::new(manifest)
        .parent()
        .expect("a file is in a folder")
        .join("src")
}
