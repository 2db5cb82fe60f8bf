//! What is to be generated, and how what is on disk differs from it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use amqp_codegen::{
    ParseOptions, Source,
    emit::{self, Options, Outputs, refresh_snippets},
    parse,
};

use super::{
    disk::{OnDisk, begins_with_header, on_disk},
    rustfmt,
};
use crate::{failure::Failure, progress, workspace};

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
pub(super) struct Job {
    specifications: Vec<PathBuf>,
    extensions: Vec<PathBuf>,
    overlays: Vec<PathBuf>,
    require_docs: bool,
    options: Options,
    /// Hand-written documents that quote files, relative to the base.
    documents: Vec<String>,
    /// The folder to which the paths of the outputs are relative.
    pub(super) base: PathBuf,
    /// What brings the files up to date.
    command: String,
}

/// What is on disk compared with what should be.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Paths relative to the base, with the text that belongs there.
    pub(super) changed: Vec<(String, String)>,
    /// Generated files that are not generated any more.
    pub(super) stale: Vec<String>,
    /// Those of the changed that would overwrite what was not generated.
    conflicts: Vec<String>,
    pub(super) n_files: usize,
}

impl Difference {
    /// Fails if a file is in the way that was not generated.
    pub(super) fn check_conflicts(&self, base: &Path) -> Result<(), Failure> {
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
    pub(super) fn here() -> Self {
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

    pub(super) fn elsewhere(
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

    pub(super) fn check(&self) -> Result<String, Failure> {
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

    pub(super) fn compare(&self) -> Result<Difference, Failure> {
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
    pub(super) fn generate(&self) -> Result<Vec<(String, String)>, Failure> {
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
                rustfmt::format(&file.text, &file.path)?
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
