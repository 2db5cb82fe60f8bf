//! The common shape of all specification files.
//!
//! Names are kept as written (`frame min size`, `FRAME-MIN-SIZE`), references are words, and
//! whatever a format has no way of saying is an `Option`: the difference between "no" and "does
//! not say" decides which of two views is believed.

use crate::input::Spanned;
use crate::model::{ConstantKind, Direction};

/// How deep elements, arrays and objects may nest. Specifications stay below 10.
pub(super) const MAX_DEPTH: usize = 32;

/// One specification or extension.
#[derive(Debug)]
pub(crate) struct Document {
    /// The name of the file.
    pub(crate) name: String,
    /// The number of the input.
    pub(crate) file: usize,
    /// Whether it adds to another specification instead of standing alone.
    pub(crate) is_extension: bool,
    /// Version and port; in an extension any of them may be absent.
    pub(crate) protocol: Protocol,
    /// Constants as they stand in the file.
    pub(crate) constants: Vec<Constant>,
    /// Domains as they stand in the file.
    pub(crate) domains: Vec<Domain>,
    /// Classes as they stand in the file.
    pub(crate) classes: Vec<Class>,
}

/// Version and port.
#[derive(Debug, Default)]
pub(crate) struct Protocol {
    pub(crate) major: Option<Spanned<u8>>,
    pub(crate) minor: Option<Spanned<u8>>,
    pub(crate) revision: Option<Spanned<u8>>,
    pub(crate) port: Option<Spanned<u16>>,
}

/// A named number. `None` where a fault was reported.
#[derive(Debug)]
pub(crate) struct Constant {
    pub(crate) name: Spanned<String>,
    pub(crate) value: Option<Spanned<u32>>,
    pub(crate) kind: ConstantKind,
}

/// A named type.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) name: Spanned<String>,
    pub(crate) type_word: Option<Spanned<String>>,
    pub(crate) asserts: Vec<String>,
}

/// A class.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) name: Spanned<String>,
    pub(crate) id: Option<Spanned<u16>>,
    pub(crate) methods: Vec<Method>,
    /// Content properties: fields directly in the class, in XML.
    pub(crate) properties: Vec<Field>,
}

/// A method.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) name: Spanned<String>,
    pub(crate) id: Option<Spanned<u16>>,
    /// `None`: the file does not say.
    pub(crate) direction: Option<Direction>,
    pub(crate) responses: Responses,
    /// Whether it is marked as synchronous, with the place of the mark; `None`: the file does not
    /// say. JSON marks requests; XML marks most requests and most replies.
    pub(crate) synchronous: Option<Spanned<bool>>,
    pub(crate) content: bool,
    /// `None`: the format has no such notion.
    pub(crate) deprecated: Option<bool>,
    pub(crate) fields: Vec<Field>,
}

/// What a file says of the answers to a method.
#[derive(Debug)]
pub(crate) enum Responses {
    /// Exactly these.
    Named(Vec<Spanned<String>>),
    /// Only whether there is one. The place is that of the mark.
    Unnamed(Option<Spanned<()>>),
}

/// A field of a method, or a content property.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Spanned<String>,
    /// A wire type or a domain: every file has one namespace for both.
    pub(crate) type_word: Option<Spanned<String>>,
    /// `None`: the format has no such notion.
    pub(crate) reserved: Option<bool>,
    pub(crate) default: Option<Spanned<Literal>>,
    pub(crate) asserts: Vec<String>,
}

/// A default value as written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Literal {
    /// `true`, `false`
    Bool(bool),
    /// Any number, as written.
    Number(String),
    /// A string.
    Text(String),
    /// `{}`, the only table that can be written.
    EmptyTable,
}

impl Literal {
    /// Whether it is what a field holds anyway: no, zero or nothing.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Self::Bool(value) => !value,
            Self::Number(digits) => digits == "0",
            Self::Text(text) => text.is_empty(),
            Self::EmptyTable => true,
        }
    }
}
