//! From a [`Specification`] to files: the last stage.
//!
//! One emitter per kind of file. They only quote: everything that could be wrong with a
//! specification was found before, so nothing here fails, guesses or looks at a source again.
//! Knowledge about a particular method is data in the model, never a branch in an emitter.
//!
//! The same specification gives the same bytes: classes and methods by id, everything else in the
//! specification's order. Rust files come out
//! formatted item by item; a pass of rustfmt settles what is left of line breaking.

mod class;
mod conformance;
mod constants;
mod dictionary;
mod dispatch;
mod docs;
mod format;
mod guide;
mod layout;
mod metadata;
mod method;
mod properties;
mod reference;
mod scope;
mod vectors;

pub use format::is_generated;
pub use guide::{MissingSnippet, refresh_snippets};

use crate::model::Specification;

/// Names that no class may have as its Rust module, because the generated files use them: other
/// modules, crates, and the primitive types, which a module of that name would hide.
pub const RESERVED_MODULES: &[&str] = &[
    "alloc",
    "amqp_spec",
    "bool",
    "char",
    "constants",
    "core",
    "f32",
    "f64",
    "i128",
    "i16",
    "i32",
    "i64",
    "i8",
    "isize",
    "metadata",
    "method",
    "std",
    "str",
    "u128",
    "u16",
    "u32",
    "u64",
    "u8",
    "usize",
];

/// Whether Windows keeps the name for a device, whatever ends it. A class is a file: a checkout of
/// `aux.rs` fails there.
pub(crate) fn is_device(name: &str) -> bool {
    let numbered = |port| {
        let number = name.strip_prefix(port).map(str::as_bytes);
        matches!(number, Some([b'0'..=b'9']))
    };
    matches!(name, "aux" | "con" | "nul" | "prn") || numbered("com") || numbered("lpt")
}

/// What to generate, and for whom.
///
/// The default is for a build script: Rust alone, in the folder that the caller writes to, for a
/// crate that depends on `amqp-spec`. Its `mod.rs` can be included:
/// `include!(concat!(env!("OUT_DIR"), "/mod.rs"));`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// The path by which generated code names the hand-written runtime: `::amqp_spec`, or `crate`
    /// inside `amqp-spec` itself.
    pub runtime: String,
    /// The path by which the test support names the module that has the classes' modules.
    pub modules: String,
    /// The path by which the test support names the enum of all methods.
    pub method: String,
    /// The command that the headers of generated files name.
    pub command: String,
    /// Which outputs, and where.
    pub outputs: Outputs,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runtime: "::amqp_spec".to_owned(),
            modules: "amqp_spec".to_owned(),
            method: "amqp_spec::Method".to_owned(),
            command: "cargo build".to_owned(),
            outputs: Outputs::default(),
        }
    }
}

/// The place of each output, relative to wherever the caller writes; `None` leaves it out, an empty
/// string is that folder itself. The default is Rust alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outputs {
    /// Folder of the Rust modules: one per class, the method enum, constants, metadata.
    pub rust: Option<String>,
    /// Folder of the test support that drives the Rust modules from vectors.
    pub conformance: Option<String>,
    /// Folder of the test vectors.
    pub vectors: Option<String>,
    /// File of the reference for humans.
    pub reference: Option<String>,
    /// File of the fuzzers' dictionary.
    pub dictionary: Option<String>,
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            rust: Some(String::new()),
            conformance: None,
            vectors: None,
            reference: None,
            dictionary: None,
        }
    }
}

/// One generated file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    /// Where it goes, with forward slashes, relative to wherever the caller writes.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl File {
    fn new(folder: &str, name: &str, text: String) -> Self {
        let path = if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        };
        Self { path, text }
    }
}

/// Generates all the outputs that `options` asks for.
#[must_use]
pub fn emit(specification: &Specification, options: &Options) -> Vec<File> {
    let outputs = &options.outputs;
    let mut files = Vec::new();
    if let Some(folder) = &outputs.rust {
        files.extend(rust(specification, options, folder));
    }
    if let Some(folder) = &outputs.conformance {
        let text = conformance::file(specification, options);
        files.push(File::new(folder, "conformance.rs", text));
    }
    if let Some(folder) = &outputs.vectors {
        let vectors = vectors::files(specification, options);
        files.extend(
            vectors
                .into_iter()
                .map(|(name, text)| File::new(folder, &name, text)),
        );
    }
    if let Some(path) = &outputs.reference {
        files.push(File::new("", path, reference::file(specification, options)));
    }
    if let Some(path) = &outputs.dictionary {
        files.push(File::new(
            "",
            path,
            dictionary::file(specification, options),
        ));
    }
    files
}

const GENERATED: &str = "The protocol's vocabulary: one module per class, the enum of all methods, \
    constants, and a table that describes it all.";

fn rust(specification: &Specification, options: &Options, folder: &str) -> Vec<File> {
    let classes: Vec<_> = specification
        .classes
        .iter()
        .map(|class| &*class.name.snake)
        .collect();
    let rest = ["constants", "metadata", "method"];
    let index = format::index(specification, options, GENERATED, &classes, &rest);

    let mut files = vec![File::new(folder, "mod.rs", index)];
    for class in &specification.classes {
        let text = class::file(specification, class, options);
        files.push(File::new(folder, &format!("{}.rs", class.name.snake), text));
    }
    files.push(File::new(
        folder,
        "constants.rs",
        constants::file(specification, options),
    ));
    files.push(File::new(
        folder,
        "metadata.rs",
        metadata::file(specification, options),
    ));
    files.push(File::new(
        folder,
        "method.rs",
        dispatch::file(specification, options),
    ));
    files
}
