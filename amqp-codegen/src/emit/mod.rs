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
mod options;
mod properties;
mod reference;
mod reserved;
mod scope;
mod vectors;

pub use format::is_generated;
pub use guide::{MissingSnippet, refresh_snippets};
pub use options::{Options, Outputs};
pub use reserved::RESERVED_MODULES;
pub(crate) use reserved::is_device;

use crate::model::Specification;

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
