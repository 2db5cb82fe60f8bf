//! `cargo xtask regenerate`: from the specification files to everything that is generated from them.
//!
//! All work is done in memory first: reading, generating, formatting. Only when that has succeeded
//! is a file touched, so a fault in a specification leaves the tree as it was.

mod disk;

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use amqp_codegen::{
    ParseOptions, Source,
    emit::{self, Options, Outputs, refresh_snippets},
    parse,
};

use self::disk::{OnDisk, begins_with_header, on_disk, stage};
use crate::{failure::Failure, progress, workspace};

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

/// The files in `spec/` that are generated from.
const SPECIFICATIONS: &[&str] = &[
    "spec/amqp0-9-1.stripped.extended.xml",
    "spec/amqp-rabbitmq-0.9.1.json",
];
const OVERLAYS: &[&str] = &["spec/overlay.toml"];

/// What the headers of generated files name.
const COMMAND: &str = "cargo xtask regenerate";

/// What is to be generated, from what, and to where.
#[derive(Debug)]
struct Job {
    specifications: Vec<PathBuf>,
    extensions: Vec<PathBuf>,
    overlays: Vec<PathBuf>,
    require_docs: bool,
    options: Options,
    /// Hand-written documents that quote files, relative to the base.
    documents: Vec<String>,
    /// The folder to which the paths of the outputs are relative.
    base: PathBuf,
    /// What brings the files up to date.
    command: String,
}

/// What is on disk compared with what should be.
#[derive(Debug, Default)]
struct Difference {
    /// Paths relative to the base, with the text that belongs there.
    changed: Vec<(String, String)>,
    /// Generated files that are not generated any more.
    stale: Vec<String>,
    /// Those of the changed that would overwrite what was not generated.
    conflicts: Vec<String>,
    n_files: usize,
}

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
    // Told at the end: the reader of the output may stop reading, which must not stop the work halfway.
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

impl Difference {
    /// Fails if a file is in the way that was not generated.
    fn check_conflicts(&self, base: &Path) -> Result<(), Failure> {
        if self.conflicts.is_empty() {
            return Ok(());
        }
        let paths = self.conflicts.iter();
        let lines: Vec<_> = paths
            .map(|path| format!("  {}", base.join(path).display()))
            .collect();
        Err(Failure::new(format!(
            "nothing was written, because files are in the way that were not generated:\n{}\n\
             move them away, or generate into another folder",
            lines.join("\n"),
        )))
    }
}

impl Job {
    fn here() -> Self {
        let root = workspace::root();
        let files = |names: &[&str]| names.iter().map(|name| root.join(name)).collect();
        Self {
            specifications: files(SPECIFICATIONS),
            extensions: Vec::new(),
            overlays: files(OVERLAYS),
            require_docs: true,
            options: Options {
                runtime: "crate".to_owned(),
                command: COMMAND.to_owned(),
                outputs: Outputs {
                    rust: Some("amqp-spec/src/generated".to_owned()),
                    conformance: Some("amqp-spec/tests/it/generated".to_owned()),
                    vectors: Some("spec/vectors".to_owned()),
                    reference: Some("docs/protocol.md".to_owned()),
                    dictionary: Some("fuzz/amqp.dict".to_owned()),
                },
                ..Options::default()
            },
            command: COMMAND.to_owned(),
            documents: documents(&root),
            base: root,
        }
    }

    fn elsewhere(
        specifications: Vec<PathBuf>,
        extensions: Vec<PathBuf>,
        overlays: Vec<PathBuf>,
        out: PathBuf,
    ) -> Self {
        let mut job = Self::here();
        if !specifications.is_empty() {
            // The overlay of this repository would name what other files do not have.
            job.specifications = specifications;
            job.overlays = Vec::new();
            job.require_docs = false;
        }
        job.require_docs &= extensions.is_empty();
        job.extensions = extensions;
        job.overlays.extend(overlays);
        job.options.runtime = Options::default().runtime;
        job.options.outputs = Outputs {
            rust: Some(String::new()),
            conformance: None,
            vectors: Some("vectors".to_owned()),
            reference: Some("protocol.md".to_owned()),
            dictionary: Some("amqp.dict".to_owned()),
        };
        job.documents = Vec::new();
        job.command = "the same command without --check".to_owned();
        job.base = out;
        job
    }

    fn check(&self) -> Result<String, Failure> {
        let difference = progress::during("generating", || self.compare())?;
        if difference.changed.is_empty() && difference.stale.is_empty() {
            return Ok(format!(
                "all {} generated files are up to date",
                difference.n_files
            ));
        }
        let state = |path: &str| match self.base.join(path).exists() {
            true => format!("  {path} differs"),
            false => format!("  {path} is missing"),
        };
        let changed = difference.changed.iter().map(|(path, _)| state(path));
        let stale = difference
            .stale
            .iter()
            .map(|path| format!("  {path} is left over"));
        let lines: Vec<_> = changed.chain(stale).collect();
        Err(Failure::new(format!(
            "generated files are not up to date:\n{}\nrun `{}`",
            lines.join("\n"),
            self.command
        )))
    }

    fn compare(&self) -> Result<Difference, Failure> {
        let mut files = self.generate()?;
        let n_generated = files.len();
        let quoting = self.refresh_documents(&files)?;
        files.extend(quoting);
        let mut difference = Difference {
            n_files: files.len(),
            ..Difference::default()
        };
        difference.stale = self.stale(&files)?;
        for (index, (path, text)) in files.into_iter().enumerate() {
            let on_disk = on_disk(&self.base.join(&path))?;
            if on_disk == OnDisk::File(text.as_bytes().to_vec()) {
                continue;
            }
            if index < n_generated && on_disk.is_in_the_way() {
                difference.conflicts.push(path.clone());
            }
            difference.changed.push((path, text));
        }
        Ok(difference)
    }

    /// Paths and texts of everything that is generated.
    fn generate(&self) -> Result<Vec<(String, String)>, Failure> {
        let read = |paths: &[PathBuf]| -> Result<Vec<(String, Vec<u8>)>, Failure> {
            paths
                .iter()
                .map(|path| Ok((name(path), read(path)?)))
                .collect()
        };
        let (specifications, overlays) = (read(&self.specifications)?, read(&self.overlays)?);
        let extensions = read(&self.extensions)?;
        let mut inputs = sources(&specifications);
        inputs.extend(
            extensions
                .iter()
                .map(|(name, text)| Source::extension(name, text)),
        );
        let options = ParseOptions::new().require_docs(self.require_docs);
        let specification = parse(&inputs, &sources(&overlays), &options)
            .map_err(|report| Failure::new(format!("the specification is faulty\n\n{report}")))?;
        let format = |file: emit::File| {
            let is_rust = file.path.ends_with(".rs");
            let text = if is_rust {
                rustfmt(&file.text, &file.path)?
            } else {
                file.text
            };
            Ok((file.path, text))
        };
        emit::emit(&specification, &self.options)
            .into_iter()
            .map(format)
            .collect()
    }

    /// The documents with what they quote brought up to date, from `files` where those are quoted.
    fn refresh_documents(
        &self,
        files: &[(String, String)],
    ) -> Result<Vec<(String, String)>, Failure> {
        let text = |name: &str| {
            let generated = files.iter().find(|(path, _)| path == name);
            let on_disk = || fs::read_to_string(self.base.join(name)).ok();
            generated.map(|(_, text)| text.clone()).or_else(on_disk)
        };
        let refresh = |path: &String| {
            let document = text(path).unwrap_or_default();
            let fresh = refresh_snippets(&document, text)
                .map_err(|missing| Failure::new(format!("{path}: {missing}")))?;
            Ok((path.clone(), fresh))
        };
        self.documents.iter().map(refresh).collect()
    }

    /// The generated files that lie beside the `files` and are not among them.
    fn stale(&self, files: &[(String, String)]) -> Result<Vec<String>, Failure> {
        let wanted: BTreeSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        let folders: BTreeSet<&str> = files
            .iter()
            .map(|(path, _)| path.rsplit_once('/').map_or("", |(folder, _)| folder))
            .collect();
        let mut stale = Vec::new();
        for folder in folders {
            let Ok(entries) = fs::read_dir(self.base.join(folder)) else {
                continue;
            };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if folder.is_empty() {
                    name
                } else {
                    format!("{folder}/{name}")
                };
                if !wanted.contains(path.as_str()) && begins_with_header(&entry) {
                    stale.push(path);
                }
            }
        }
        stale.sort();
        Ok(stale)
    }
}

/// The documents of this repository that quote files.
fn documents(root: &Path) -> Vec<String> {
    let names = |folder: &str| {
        let entries = fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .flatten();
        let prefix = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        entries.map(move |entry| format!("{prefix}{}", entry.file_name().to_string_lossy()))
    };
    let is_quoting = |path: &String| {
        let text = || fs::read_to_string(root.join(path)).unwrap_or_default();
        path.ends_with(".md") && text().contains("<!-- snippet: ")
    };
    let mut documents: Vec<_> = names("").chain(names("docs")).filter(is_quoting).collect();
    documents.sort();
    documents
}

fn sources(files: &[(String, Vec<u8>)]) -> Vec<Source<'_>> {
    files
        .iter()
        .map(|(name, text)| Source::new(name, text))
        .collect()
}

/// The name by which reports and generated files call a file: the same wherever the clone is.
fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(Failure::file("read", path))
}

/// Formats Rust with the settings of this repository.
fn rustfmt(text: &str, name: &str) -> Result<String, Failure> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(workspace::root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::program("rustfmt"))?;
    // rustfmt reads all of its input before it writes, so neither side waits for the other.
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(text.as_bytes())
            .map_err(Failure::program("rustfmt"))?;
    }
    let output = child
        .wait_with_output()
        .map_err(Failure::program("rustfmt"))?;
    if output.status.success() {
        return String::from_utf8(output.stdout)
            .map_err(|error| Failure::new(format!("rustfmt of {name}: {error}")));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!(
        "rustfmt does not understand the generated {name}:\n{errors}"
    )))
}

#[cfg(test)]
mod tests {
    use amqp_codegen::emit::is_generated;

    use super::*;

    #[test]
    fn generated_files_are_up_to_date() {
        if let Err(failure) = check() {
            panic!("{}", failure.message());
        }
    }

    #[test]
    fn what_is_generated_elsewhere_passes_its_own_check() {
        let out = workspace::scratch().join("test-regenerate");
        let _ = fs::remove_dir_all(&out);
        let job = Job::elsewhere(Vec::new(), Vec::new(), Vec::new(), out.clone());
        assert!(
            job.check()
                .unwrap_err()
                .message()
                .contains("queue.rs is missing")
        );
        write(&job).unwrap();
        job.check().unwrap();

        let mut text = fs::read_to_string(out.join("queue.rs")).unwrap();
        text.push('\n');
        fs::write(out.join("queue.rs"), text).unwrap();
        fs::write(
            out.join("old.rs"),
            "//! Generated by amqp-codegen (`x`) from y; do not edit.\n",
        )
        .unwrap();
        fs::write(out.join("mine.rs"), "//! Mine.\n").unwrap();
        let failure = job.check().unwrap_err();
        assert!(
            failure.message().contains("queue.rs differs"),
            "{}",
            failure.message()
        );
        assert!(
            failure.message().contains("old.rs is left over"),
            "{}",
            failure.message()
        );
        assert!(
            !failure.message().contains("mine.rs"),
            "{}",
            failure.message()
        );
        write(&job).unwrap();
        job.check().unwrap();
        assert!(out.join("mine.rs").exists() && !out.join("old.rs").exists());
        fs::remove_dir_all(out).unwrap();
    }

    #[test]
    fn what_was_not_generated_is_neither_overwritten_nor_deleted() {
        let out = workspace::scratch().join("test-conflicts");
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(out.join("vectors/queue.json")).unwrap();
        // Names that are not generated, in all formats, and two that are.
        let mine = [
            "vectors/mine.json",
            "vectors/notes.md",
            "mine.md",
            "mine.dict",
            "connection.rs",
            "protocol.md",
        ];
        for name in mine {
            fs::write(out.join(name), "mine\n").unwrap();
        }
        let job = Job::elsewhere(Vec::new(), Vec::new(), Vec::new(), out.clone());
        let failure = write(&job).unwrap_err();
        let message = failure.message();
        for in_the_way in ["connection.rs", "protocol.md", "queue.json"] {
            assert!(message.contains(in_the_way), "{message}");
        }
        assert_eq!(
            message.matches(out.to_str().unwrap()).count(),
            3,
            "{message}"
        );
        assert!(!out.join("mod.rs").exists(), "something was written");

        fs::remove_dir(out.join("vectors/queue.json")).unwrap();
        for name in ["connection.rs", "protocol.md"] {
            fs::remove_file(out.join(name)).unwrap();
        }
        write(&job).unwrap();
        // Nothing is generated from now on but what one class needs.
        let tx = workspace::scratch().join("test-conflicts.xml");
        fs::write(
            &tx,
            "<amqp major=\"0\" minor=\"9\" revision=\"1\" port=\"5672\"><class name=\"tx\" index=\"90\"/></amqp>",
        )
        .unwrap();
        write(&Job::elsewhere(
            vec![tx.clone()],
            Vec::new(),
            Vec::new(),
            out.clone(),
        ))
        .unwrap();
        assert!(!out.join("vectors/queue.json").exists() && !out.join("queue.rs").exists());
        for name in [
            "vectors/mine.json",
            "vectors/notes.md",
            "mine.md",
            "mine.dict",
        ] {
            assert_eq!(
                fs::read_to_string(out.join(name)).unwrap(),
                "mine\n",
                "{name}"
            );
        }
        fs::remove_dir_all(out).unwrap();
        fs::remove_file(tx).unwrap();
    }

    #[test]
    fn what_lies_under_the_name_of_a_new_file_stays_as_it_was() {
        let out = workspace::scratch().join("test-new");
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(out.join("tx.rs.new")).unwrap();
        fs::write(out.join("queue.rs.new"), "mine\n").unwrap();
        fs::write(out.join("elsewhere"), "mine\n").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(out.join("elsewhere"), out.join("basic.rs.new")).unwrap();
        let job = Job::elsewhere(Vec::new(), Vec::new(), Vec::new(), out.clone());
        write(&job).unwrap();
        job.check().unwrap();
        for name in ["queue.rs.new", "elsewhere"] {
            let text = fs::read_to_string(out.join(name)).unwrap();
            assert_eq!(text, "mine\n", "{name}");
        }
        assert!(out.join("tx.rs.new").is_dir());
        fs::remove_dir_all(out).unwrap();
    }

    #[test]
    fn what_only_speaks_of_the_header_is_not_deleted() {
        let out = workspace::scratch().join("test-header");
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(&out).unwrap();
        let mine = [
            "// Looks for \"Generated by amqp-codegen (`x`) from y; do not edit.\"\n",
            "# Notes\n\nGenerated by amqp-codegen (`x`) from y; do not edit. So it says.\n",
            "//! Generated by amqp-codegen (`x`) at first, and changed by hand since.\n",
            "//! Generated by amqp-codegen-fork (`x`) from y; do not edit.\n",
        ];
        for (index, text) in mine.iter().enumerate() {
            fs::write(out.join(format!("mine{index}.rs")), text).unwrap();
        }
        let job = Job::elsewhere(Vec::new(), Vec::new(), Vec::new(), out.clone());
        write(&job).unwrap();
        for index in 0..mine.len() {
            assert!(out.join(format!("mine{index}.rs")).exists(), "{index}");
        }
        fs::remove_dir_all(out).unwrap();
    }

    #[test]
    fn nothing_is_written_if_one_file_cannot_be() {
        let out = workspace::scratch().join("test-unwritable");
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(&out).unwrap();
        // A file where a folder should be.
        fs::write(out.join("vectors"), "mine\n").unwrap();
        let job = Job::elsewhere(Vec::new(), Vec::new(), Vec::new(), out.clone());
        write(&job).unwrap_err();
        let left: Vec<_> = fs::read_dir(&out).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        fs::remove_dir_all(out).unwrap();
    }

    #[test]
    fn an_extension_is_added_to_the_specification_of_this_repository() {
        let extension = workspace::root().join("amqp-codegen/examples/extension/spec/audit.xml");
        let job = Job::elsewhere(Vec::new(), vec![extension], Vec::new(), PathBuf::new());
        let files = job.generate().unwrap();
        for name in ["audit.rs", "queue.rs"] {
            assert!(files.iter().any(|(path, _)| path == name), "{name}");
        }
    }

    #[test]
    fn every_generated_file_says_so() {
        for (path, text) in Job::here().generate().unwrap() {
            assert!(is_generated(text.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_faulty_specification_is_reported_and_nothing_written() {
        let folder = workspace::scratch().join("test-faulty");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let specification = folder.join("faulty.xml");
        fs::write(&specification, "<amqp major=\"0\"><class></amqp>").unwrap();
        let out = folder.join("out");
        let job = Job::elsewhere(vec![specification], Vec::new(), Vec::new(), out.clone());
        let failure = write(&job).unwrap_err();
        assert!(
            failure.message().contains("faulty.xml:1:"),
            "{}",
            failure.message()
        );
        assert!(!out.exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
