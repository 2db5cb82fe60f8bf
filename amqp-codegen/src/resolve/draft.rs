//! The specification while the passes work on it.
//!
//! Between the document, which holds words, and the model, which cannot be wrong: types are
//! resolved, everything knows its place, and what is still missing is an `Option`.

use crate::input::{Span, Spanned};
use crate::model::{ConstantKind, Direction, Docs, WireType};
use crate::naming::normalise;
use crate::source::document::Literal;

/// A whole specification.
#[derive(Debug)]
pub(super) struct Draft {
    /// The number of the input; of several that were joined, the first.
    pub(super) file: usize,
    pub(super) major: Option<Spanned<u8>>,
    pub(super) minor: Option<Spanned<u8>>,
    pub(super) revision: Option<Spanned<u8>>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) constants: Vec<Constant>,
    pub(super) domains: Vec<Domain>,
    pub(super) classes: Vec<Class>,
}

/// A constant. `value` is `None` where a fault was reported.
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) name: Spanned<String>,
    pub(super) value: Option<Spanned<u32>>,
    /// In a source, the place is that of the name.
    pub(super) kind: Spanned<ConstantKind>,
    pub(super) docs: Docs,
}

/// A domain.
#[derive(Debug)]
pub(super) struct Domain {
    /// As written: references must be spelled alike.
    pub(super) written: String,
    pub(super) name: Spanned<String>,
    pub(super) wire: Option<WireType>,
    pub(super) asserts: Vec<String>,
    pub(super) docs: Docs,
}

/// A class. `id` is `None` where a fault was reported.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) name: Spanned<String>,
    pub(super) id: Option<Spanned<u16>>,
    pub(super) methods: Vec<Method>,
    pub(super) properties: Vec<Field>,
    pub(super) docs: Docs,
}

/// A method. `id` is `None` where a fault was reported.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) name: Spanned<String>,
    pub(super) id: Option<Spanned<u16>>,
    /// In a source, the place is that of the name.
    pub(super) direction: Option<Spanned<Direction>>,
    pub(super) replies: Vec<Spanned<String>>,
    /// Whether a file named the replies, so that a convention need not.
    pub(super) replies_named: bool,
    /// Whether a correction named the replies: then what the files say of them is settled.
    pub(super) replies_corrected: bool,
    /// What files that name no replies say of whether there is one.
    pub(super) synchronous: Vec<Spanned<bool>>,
    pub(super) content: bool,
    pub(super) deprecated: Option<bool>,
    pub(super) fields: Vec<Field>,
    pub(super) docs: Docs,
}

/// A field or property.
#[derive(Debug)]
pub(super) struct Field {
    /// A correction gives it another name and another place.
    pub(super) name: Spanned<String>,
    /// Where the source has it.
    pub(super) declared: Span,
    pub(super) wire: Wire,
    /// Where its type is told.
    pub(super) typed: Span,
    /// `None`: no source has such a notion. In a source, the place is that of the name.
    pub(super) reserved: Option<Spanned<bool>>,
    pub(super) default: Option<Spanned<Literal>>,
    /// The place of the correction that marks it as a credential, if one does.
    pub(super) secret: Option<Span>,
    pub(super) asserts: Vec<String>,
    pub(super) docs: Docs,
}

/// The type of a field.
#[derive(Clone, Debug)]
pub(super) enum Wire {
    /// A wire type, perhaps by way of a domain.
    Known {
        wire: WireType,
        domain: Option<String>,
    },
    /// A word that means nothing; a correction may still replace it.
    Unknown(Spanned<String>),
    /// None; reported already.
    Missing,
}

impl Wire {
    /// The wire type, if it is known.
    pub(super) fn known(&self) -> Option<WireType> {
        match self {
            Self::Known { wire, .. } => Some(*wire),
            Self::Unknown(_) | Self::Missing => None,
        }
    }
}

impl Draft {
    /// Version and port, for comparison.
    pub(super) fn protocol(&self) -> [(&'static str, Option<Spanned<u16>>); 4] {
        let wide = |part: &Option<Spanned<u8>>| {
            part.as_ref()
                .map(|part| Spanned::new(part.value.into(), part.span))
        };
        [
            ("major version", wide(&self.major)),
            ("minor version", wide(&self.minor)),
            ("revision", wide(&self.revision)),
            ("port", self.port.clone()),
        ]
    }

    /// A class by name.
    pub(super) fn class_mut(&mut self, name: &str) -> Option<&mut Class> {
        self.classes
            .iter_mut()
            .find(|class| class.name.value == name)
    }

    /// A method by the names of class and method.
    pub(super) fn method_mut(&mut self, class: &str, method: &str) -> Option<&mut Method> {
        let methods = &mut self.class_mut(class)?.methods;
        methods
            .iter_mut()
            .find(|candidate| candidate.name.value == method)
    }

    /// A field by the names of class, method and field.
    pub(super) fn field_mut(
        &mut self,
        class: &str,
        method: &str,
        field: &str,
    ) -> Option<&mut Field> {
        let fields = &mut self.method_mut(class, method)?.fields;
        fields
            .iter_mut()
            .find(|candidate| candidate.name.value == field)
    }

    /// A property by the names of class and property.
    pub(super) fn property_mut(&mut self, class: &str, property: &str) -> Option<&mut Field> {
        let properties = &mut self.class_mut(class)?.properties;
        properties
            .iter_mut()
            .find(|candidate| candidate.name.value == property)
    }

    /// A constant by name.
    pub(super) fn constant_mut(&mut self, name: &str) -> Option<&mut Constant> {
        self.constants
            .iter_mut()
            .find(|constant| constant.name.value == name)
    }

    /// A domain by name.
    pub(super) fn domain_mut(&mut self, name: &str) -> Option<&mut Domain> {
        self.domains
            .iter_mut()
            .find(|domain| domain.name.value == name)
    }
}

impl Field {
    /// Whether it means nothing.
    pub(super) fn is_reserved(&self) -> bool {
        self.reserved
            .as_ref()
            .is_some_and(|reserved| reserved.value)
    }
}

/// A name in the spelling of the model.
pub(super) fn name(written: &Spanned<String>) -> Spanned<String> {
    Spanned::new(normalise(&written.value), written.span)
}
