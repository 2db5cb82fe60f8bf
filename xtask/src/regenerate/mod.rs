//! `cargo xtask regenerate`: from the specification files to everything that is generated from
//! them.
//!
//! All work is done in memory first: reading, generating, formatting. Only when that has succeeded
//! is a file touched, so a fault in a specification leaves the tree as it was.

mod disk;
mod job;
mod rustfmt;
#[cfg(test)]
mod tests;

use std::{fs, path::PathBuf};

use self::{disk::stage, job::Job};
use crate::{failure::Failure, progress};

const HELP: &str = "\
Generates code, test vectors and the protocol reference from the specification.

Without options, everything that this repository checks in, from the files in
spec/. Files in the generated folders that are no longer generated are deleted, and
what documents quote from files is renewed.

Only generated files are overwritten or deleted; their header tells. If a file of
another origin is in the way, nothing is written.

usage: cargo xtask regenerate [--check]
       cargo xtask regenerate [--check] --out DIR [--spec FILE]… [--extension FILE]…
                              [--overlay FILE]…

options:
  --check         write nothing; name each file that differs, and fail if one does
  --out DIR       generate for use outside this repository, into this folder: Rust
                  modules that refer to the crate `amqp_spec`, vectors/,
                  protocol.md and amqp.dict
  --spec FILE     a specification in XML or JSON instead of those in spec/; the first
                  is believed, others complete it and must agree with it
  --extension FILE
                  a file in XML or JSON that adds to the specification
  --overlay FILE  documentation and corrections in TOML
";

pub(crate) fn run(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    use lexopt::prelude::*;
    let (mut check, mut out) = (false, None);
    let (mut specifications, mut extensions, mut overlays) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("check") => check = true,
            Long("out") => out = Some(PathBuf::from(arguments.value()?)),
            Long("spec") => specifications.push(PathBuf::from(arguments.value()?)),
            Long("extension") => extensions.push(PathBuf::from(arguments.value()?)),
            Long("overlay") => overlays.push(PathBuf::from(arguments.value()?)),
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let job = match out {
        Some(out) => Job::elsewhere(specifications, extensions, overlays, out),
        None if specifications.is_empty() && extensions.is_empty() && overlays.is_empty() => {
            Job::here()
        }
        None => {
            return Err(Failure::Usage(
                "--spec, --extension and --overlay need --out, as this repository's files come from spec/"
                    .to_owned(),
            ));
        }
    };
    if check {
        print_check(&job)
    } else {
        write(&job)
    }
}

/// Tells whether everything that this repository checks in is what would be generated.
pub(crate) fn check() -> Result<String, Failure> {
    Job::here().check()
}

fn print_check(job: &Job) -> Result<(), Failure> {
    println!("{}", job.check()?);
    Ok(())
}

fn write(job: &Job) -> Result<(), Failure> {
    let difference = progress::during("generating", || job.compare())?;
    difference.check_conflicts(&job.base)?;
    let staged = stage(&difference.changed, &job.base)?;
    for (path, fresh) in &staged {
        let file = job.base.join(path);
        fs::rename(fresh, &file).map_err(Failure::file("write", &file))?;
    }
    for path in &difference.stale {
        let file = job.base.join(path);
        fs::remove_file(&file).map_err(Failure::file("delete", &file))?;
    }
    // Told at the end: the reader of the output may stop reading, which must not stop the work
    // halfway.
    for (path, _) in &staged {
        println!("wrote {path}");
    }
    for path in &difference.stale {
        println!("deleted {path}");
    }
    let n_same = difference.n_files - difference.changed.len();
    println!(
        "{} files generated, {n_same} of them as they were",
        difference.n_files
    );
    Ok(())
}
