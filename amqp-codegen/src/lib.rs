//! Reads the AMQP 0-9-1 specification, checks it, and emits Rust.
//!
//! A pure library: text in, text out. It opens no files, no sockets and no clocks, so that it
//! serves a command, a test or a build script alike.
//!
//! [`parse`] takes any number of [`Source`]s, in XML or JSON, and any number of overlays in TOML,
//! and gives the [`model::Specification`] that they describe together. The first source is
//! believed; the others must agree with it on everything that goes over the wire, and supply what
//! it cannot say. Extensions add to it. Overlays document and correct it.
//!
//! ```
//! use amqp_codegen::{ParseOptions, Source, parse};
//!
//! let xml = br#"<amqp major="0" minor="9" revision="1" port="5672">
//!   <class name="tx" index="90">
//!     <method name="select" index="10">
//!       <chassis name="server" implement="MUST"/>
//!       <response name="select-okay"/>
//!     </method>
//!   </class>
//! </amqp>"#;
//! let report = parse(&[Source::new("tx.xml", xml)], &[], &ParseOptions::new()).unwrap_err();
//! let fault = &report.faults()[0];
//! assert_eq!((fault.line(), fault.column()), (5, 23));
//! assert_eq!(fault.found(), "response `select-okay` that does not exist");
//! ```
//!
//! Whatever the input, nothing panics: what is wrong with it comes back as a [`Report`] of all
//! faults at once, each with file, line, column, excerpt, what was found and what was expected.

pub mod base;
pub mod emit;
mod input;
pub mod model;
mod naming;
mod options;
mod overlay;
mod report;
mod resolve;
mod source;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use input::Source;
pub use options::ParseOptions;
pub use report::{Fault, Report};

use model::Specification;
use overlay::Overlay;
use report::Faults;

/// Reads sources and overlays into one model.
///
/// # Errors
///
/// A report of every fault that was found. A file that cannot be read at all (not XML, not JSON,
/// not UTF-8) ends the search: then only the faults inside each file are reported, not those
/// between files.
pub fn parse(
    sources: &[Source<'_>],
    overlays: &[Source<'_>],
    options: &ParseOptions,
) -> Result<Specification, Report> {
    let inputs: Vec<Source<'_>> = sources.iter().chain(overlays).copied().collect();
    let mut faults = Faults::default();
    match read(sources, overlays, options, &mut faults) {
        Some(mut specification) if faults.is_empty() => {
            specification.sources = inputs.iter().map(|input| input.name().to_owned()).collect();
            Ok(specification)
        }
        _ => Err(faults.into_report(&inputs)),
    }
}

/// Reads sources and overlays and generates everything that `outputs` asks for, in memory.
///
/// # Errors
///
/// As [`parse`]: nothing is generated from a specification with a fault.
pub fn generate(
    sources: &[Source<'_>],
    overlays: &[Source<'_>],
    options: &ParseOptions,
    outputs: &emit::Options,
) -> Result<Vec<emit::File>, Report> {
    let specification = parse(sources, overlays, options)?;
    Ok(emit::emit(&specification, outputs))
}

fn read(
    sources: &[Source<'_>],
    overlays: &[Source<'_>],
    options: &ParseOptions,
    faults: &mut Faults,
) -> Option<Specification> {
    check_twice(sources, 0, faults)?;
    check_twice(overlays, sources.len(), faults)?;
    let documents: Vec<_> = sources
        .iter()
        .enumerate()
        .map(|(file, text)| source::read(file, text, faults))
        .collect();
    let mut overlay = Overlay::default();
    let mut overlays_read = Some(());
    for (file, text) in overlays.iter().enumerate() {
        let file = sources.len() + file;
        overlays_read = overlay::read(file, text, &mut overlay, faults).and(overlays_read);
    }
    let documents: Vec<_> = documents.into_iter().collect::<Option<_>>()?;
    overlays_read?;
    resolve::resolve(&documents, &overlay, options, faults)
}

/// Refuses a file that is given twice, where everything in it would be a fault. `first` is the
/// number of the first of the files.
fn check_twice(files: &[Source<'_>], first: usize, faults: &mut Faults) -> Option<()> {
    for (index, file) in files.iter().enumerate() {
        let same = |other: &Source<'_>| other.name() == file.name() && other.text() == file.text();
        if files.iter().take(index).any(same) {
            let place = input::Span::new(first + index, 0, 0);
            faults.push(place, "a file that is given twice", "each file once");
            return None;
        }
    }
    Some(())
}
