//! What we say beside the specification: documentation in our own words, and corrections.
//!
//! An overlay is TOML. Names are those of the model: lower case with dashes, old names for reserved
//! fields.
//!
//! ```toml
//! [class.queue]
//! doc = "..."
//! [method."queue.declare"]
//! doc = "..."
//! errors = { 406 = "..." }
//! [field."queue.declare"]
//! queue = "..."
//! [property.basic]
//! content-type = "..."
//! [constant]
//! frame-method = "..."
//! [domain]
//! delivery-tag = "..."
//! [[correct]]
//! target = "method connection.update-secret"
//! direction = "client-to-server"
//! reason = "..."
//! [[correct]]
//! target = "field connection.start-ok.response"
//! secret = true
//! reason = "..."
//! [[allow]]
//! target = "constant frame-min-size"
//! values = [4096, 8192]
//! reason = "..."
//! ```
//!
//! A correction changes one or more of: `direction` and `replies` of a method; `rename`, `domain`,
//! `reserved` and, of a field alone, `default` and `secret` of a field or property; `kind` of a
//! constant. A secret is a credential: generated code keeps it out of `Debug`. Only a string that
//! is not reserved can be one. An allowance lets the sources disagree about the value of a
//! constant, the type of a domain or who sends a method; the first source wins. With
//! `missing = true` it lets a source lack a constant, a domain, a class or a method. Here only the
//! file is read; [`crate::resolve`] applies it, and complains of entries that match nothing or
//! change nothing.

mod change;
mod docs;
mod plain;
mod target;
mod toml;

pub(crate) use change::{Change, Correction};
pub(crate) use docs::Doc;
pub(crate) use target::Target;

use self::toml::Table;
use crate::input::{Source, Spanned};
use crate::report::Faults;
use crate::source::Text;

/// One overlay, or several joined.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    /// Documentation, in no particular order.
    pub(crate) docs: Vec<Doc>,
    /// Corrections in the order in which they apply.
    pub(crate) corrections: Vec<Correction>,
    /// What the sources may disagree about.
    pub(crate) allowances: Vec<Allowance>,
}

/// What the sources may disagree about.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// The thing.
    pub(crate) target: Spanned<Target>,
    /// Whether a source may lack it, instead of having it otherwise.
    pub(crate) missing: bool,
    /// Of a constant that is not missing: the values that sources give it.
    pub(crate) values: Vec<Spanned<u32>>,
}

/// Adds what input number `file` says.
pub(crate) fn read(
    file: usize,
    source: &Source<'_>,
    overlay: &mut Overlay,
    faults: &mut Faults,
) -> Option<()> {
    let text = Text::new(file, source, faults)?;
    let root = toml::parse(text, faults)?;
    root.keys(
        &[
            "class", "method", "field", "property", "constant", "domain", "correct", "allow",
        ],
        faults,
    );
    docs::read(&root, &mut overlay.docs, faults);
    for entry in root.tables("correct", faults) {
        overlay.corrections.extend(change::read(&entry, faults));
    }
    for entry in root.tables("allow", faults) {
        overlay.allowances.extend(allowance(&entry, faults));
    }
    Some(())
}

fn allowance(entry: &Table<'_>, faults: &mut Faults) -> Option<Allowance> {
    entry.keys(&["target", "missing", "values", "reason"], faults);
    entry.reason(faults);
    let missing = match entry.get("missing") {
        None => false,
        Some((_, value)) => value.boolean(faults)?,
    };
    let target = target::read(entry, faults)?;
    let expected = match &target.value {
        Target::Constant(_) | Target::Domain(_) | Target::Method(..) => None,
        Target::Class(_) if missing => None,
        Target::Class(_) => Some("`missing = true`: a class can only be missing from a source"),
        Target::Field(..) | Target::Property(..) => Some(
            "a constant, a domain, a method or a class: sources may disagree about nothing else",
        ),
    };
    if let Some(expected) = expected {
        let found = format!("an allowance for {}", target.value);
        faults.push(target.span, found, expected);
        return None;
    }
    let values = values(entry, &target, missing, faults)?;
    Some(Allowance {
        target,
        missing,
        values,
    })
}

/// The values of a constant that the sources may give it, without which any would be allowed.
fn values(
    entry: &Table<'_>,
    target: &Spanned<Target>,
    missing: bool,
    faults: &mut Faults,
) -> Option<Vec<Spanned<u32>>> {
    let needs_values = matches!(target.value, Target::Constant(_)) && !missing;
    match entry.get("values") {
        None if needs_values => {
            let found = format!("an allowance for {} without `values`", target.value);
            let expected = "the values that the sources give it, such as `values = [4096, 8192]`";
            faults.push(target.span, found, expected);
            None
        }
        None => Some(Vec::new()),
        Some((key, _)) if !needs_values => {
            let found = format!("`values` of {}", target.value);
            faults.push(
                key.span,
                found,
                "`values` of a constant that no source lacks",
            );
            None
        }
        Some((_, value)) => {
            let numbers = value.array(faults)?;
            let numbers = numbers.iter().map(|number| number.integer(faults));
            numbers.collect()
        }
    }
}
