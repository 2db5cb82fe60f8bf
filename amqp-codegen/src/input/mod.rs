//! The texts that are read, and places in them.

mod hidden;
mod span;

pub(crate) use hidden::{escaped, is_hidden};
pub(crate) use span::{Span, Spanned};

/// The largest file that is read. The largest specification known has 137 kB; anything larger is
/// not a specification, and is refused before any work is spent on it.
pub(crate) const MAX_LEN: usize = 4 << 20;

/// One named text: a specification, an extension, or an overlay.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The name that reports and generated files call it by.
    name: &'a str,
    /// Its bytes.
    text: &'a [u8],
    /// Whether the caller says that it adds to the other sources.
    pub(crate) is_extension: bool,
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
    /// Its types may be domains of theirs, its classes gain methods and properties if they are
    /// known already, and version and port may be absent. What it defines anew although it is
    /// defined already is a conflict. A file may say itself that it is an extension: JSON by the
    /// key `extension`, XML by the attribute `extension` of its root, either with the name of the
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
