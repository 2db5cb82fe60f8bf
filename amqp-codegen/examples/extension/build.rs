//! Generates AMQP with the extension of `spec/audit.xml`.

use std::path::PathBuf;
use std::process::exit;
use std::{env, error, fs};

use amqp_codegen::emit::Options;
use amqp_codegen::{ParseOptions, Source, base, generate};

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=spec");
    let extension = fs::read("spec/audit.xml")?;
    let overlay = fs::read("spec/audit.toml")?;
    let generated = generate(
        &[base::XML, base::JSON, Source::new("audit.xml", &extension)],
        &[base::OVERLAY, Source::new("audit.toml", &overlay)],
        &ParseOptions::new(),
        &Options::default(),
    );
    // As cargo shows an error, the report would be one long line.
    let files = generated.unwrap_or_else(|report| {
        eprintln!("{report}");
        exit(1)
    });
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    for file in files {
        fs::write(folder.join(file.path), file.text)?;
    }
    Ok(())
}
