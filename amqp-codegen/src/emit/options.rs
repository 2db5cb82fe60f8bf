//! What to generate, for whom, and where it goes.

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
