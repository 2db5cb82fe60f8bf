//! What the files say, before the question what it means.
//!
//! Two front ends, [`xml`] and [`json`], read into the same [`document::Document`], whose types
//! mirror the specification's element names and whose every value knows its place. They check the
//! shape of the file: syntax, encoding, known elements and attributes, numbers that are numbers.
//! They do not look anything up: references, duplicates and agreement are [`crate::resolve`]'s.

pub(crate) mod document;
pub(crate) mod hidden;
mod json;
mod text;
mod value;
mod whole;
mod xml;

pub(crate) use document::Document;
pub(crate) use text::Text;
pub(crate) use value::{list, list_for, nearest, straight};

use crate::input::Source;
use crate::report::Faults;

/// Reads one specification or extension, which is input number `file`; `None` if it cannot be
/// read at all. The format is told by the first character.
pub(crate) fn read(file: usize, source: &Source<'_>, faults: &mut Faults) -> Option<Document> {
    let text = Text::new(file, source, faults)?;
    let behind = json::behind_comments(text, faults)?;
    let document = match behind.as_str().as_bytes().first() {
        Some(b'<') => xml::read(text, source.is_extension, faults),
        Some(b'{') => json::read(behind, source.is_extension, faults),
        _ => {
            faults.push(
                behind.character(0),
                "neither XML nor JSON",
                "a specification, which begins with `<` (XML) or `{` (JSON)",
            );
            None
        }
    }?;
    if !document.is_extension {
        whole::check(&document, faults);
    }
    Some(document)
}
