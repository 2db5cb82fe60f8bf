//! What the files say, before anybody asks what it means.
//!
//! Two front ends, [`xml`] and [`json`], read into the same [`document::Document`], whose types
//! mirror the specification's element names and whose every value knows its place. They check the
//! shape of the file: syntax, encoding, known elements and attributes, numbers that are numbers.
//! They do not look anything up: references, duplicates and agreement are [`crate::resolve`]'s.

pub(crate) mod document;
pub(crate) mod hidden;
mod json;
mod span;
mod text;
mod value;
mod whole;
mod xml;

pub(crate) use document::Document;
pub(crate) use span::{Span, Spanned};
pub(crate) use text::Text;
pub(crate) use value::{list, list_for, nearest, straight};

use crate::report::Faults;

/// The largest file that is read. The largest specification known has 137 kB; whatever is bigger
/// than this is something else, and is refused before any work is spent on it.
pub(crate) const MAX_LEN: usize = 4 << 20;

/// How deep elements, arrays and objects may nest. Specifications stay below 10.
const MAX_DEPTH: usize = 32;

/// One named text: a specification, an extension, or an overlay.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The name that reports and generated files call it by.
    name: &'a str,
    /// Its bytes.
    text: &'a [u8],
    /// Whether the caller says that it adds to the other sources.
    is_extension: bool,
}

impl<'a> Source<'a> {
    /// A text and the name that reports and generated files call it by, usually its file name.
    #[must_use]
    pub const fn new(name: &'a str, text: &'a [u8]) -> Self {
        Self {
            name,
            text,
            is_extension: false,
        }
    }

    /// A specification that adds to the other sources instead of standing alone.
    ///
    /// Its types may be domains of theirs, its classes gain methods and properties if they are known
    /// already, and version and port may be absent. What it defines anew although it is defined
    /// already is a conflict. A file may say itself that it is an extension: JSON by the key
    /// `extension`, XML by the attribute `extension` of its root, either with the name of the
    /// extension. Then [`Source::new`] does as well. The order of the sources is that in which
    /// extensions are added, and what they extend may stand anywhere among them.
    #[must_use]
    pub const fn extension(name: &'a str, text: &'a [u8]) -> Self {
        Self {
            name,
            text,
            is_extension: true,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Its bytes.
    #[must_use]
    pub const fn text(&self) -> &'a [u8] {
        self.text
    }
}

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
