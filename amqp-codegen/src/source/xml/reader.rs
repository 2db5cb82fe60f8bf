//! Checked access to one element: what it may contain, what it must, and what that says.

use super::attributes::Attribute;
use super::tree::{DOCUMENTATION, Element, is_documentation};
use crate::input::Spanned;
use crate::report::Faults;
use crate::source::value;

/// Elements that mean something where they stand.
const PROTOCOL: [&str; 9] = [
    "amqp", "constant", "domain", "class", "method", "chassis", "response", "field", "assert",
];

/// Attributes of any element.
const KNOWN: [&str; 20] = [
    "major",
    "minor",
    "revision",
    "port",
    "extension",
    "comment",
    "label",
    "name",
    "value",
    "class",
    "type",
    "index",
    "handler",
    "synchronous",
    "content",
    "deprecated",
    "domain",
    "reserved",
    "required",
    "implement",
];

/// One element and the place to report what is wrong with it.
pub(super) struct Reader<'e, 'f> {
    element: &'e Element,
    faults: &'f mut Faults,
}

impl<'e, 'f> Reader<'e, 'f> {
    pub(super) fn new(element: &'e Element, faults: &'f mut Faults) -> Self {
        Self { element, faults }
    }

    /// Where to report.
    pub(super) fn faults(&mut self) -> &mut Faults {
        self.faults
    }

    /// Reports attributes that are neither known nor to be ignored.
    pub(super) fn attributes(&mut self, known: &[&str], ignored: &[&str]) {
        for Attribute { name, .. } in &self.element.attributes {
            let is_known = known.iter().chain(ignored).any(|word| *word == name.value);
            if !is_known {
                let element = &self.element.name;
                self.faults.push(
                    name.span,
                    format!("unknown attribute `{}` of `{element}`", name.value),
                    value::list_for(&name.value, known, ignored),
                );
            }
        }
    }

    /// Reports children that are neither known, nor to be ignored, nor documentation.
    pub(super) fn children(&mut self, known: &[&str], ignored: &[&str]) {
        let words: Vec<&str> = [known, ignored, &DOCUMENTATION].concat();
        for child in &self.element.children {
            if is_documentation(&child.name) {
                self.documentation(child);
            }
            if !words.contains(&&*child.name) {
                self.faults.push(
                    child.span,
                    format!(
                        "unknown element `{}` in `{}`",
                        child.name, self.element.name
                    ),
                    value::list_for(&child.name, &words, &[]),
                );
            }
        }
    }

    /// Reports elements of the protocol that have slipped into documentation, where they would mean
    /// nothing.
    fn documentation(&mut self, element: &Element) {
        for child in &element.children {
            if PROTOCOL.contains(&&*child.name) {
                let found = format!("`{}` within documentation", child.name);
                let expected = format!("`</{}>` in front of it", element.name);
                let note = ("the documentation begins", element.span);
                self.faults.push_beside(child.span, found, expected, note);
            } else {
                self.documentation(child);
            }
        }
    }

    /// Whether an attribute has a name that is nearly this one, which is reported as such.
    fn is_misspelt(&self, name: &str) -> bool {
        let mut attributes = self.element.attributes.iter();
        attributes.any(|other| {
            let word = other.name.value.as_str();
            !KNOWN.contains(&word) && value::nearest(word, &[name]).is_some()
        })
    }

    /// Reads every child of that name.
    pub(super) fn each<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Element, &mut Faults) -> Option<T>,
    ) -> Vec<T> {
        let children = self
            .element
            .children
            .iter()
            .filter(|child| child.name == name);
        children
            .filter_map(|child| read(child, self.faults))
            .collect()
    }

    /// Whether the attribute `extension` names an extension.
    pub(super) fn extension(&mut self) -> bool {
        let Some(name) = self.word("extension") else {
            return false;
        };
        if name.value.trim().is_empty() {
            let found = "an extension without a name";
            let expected = "the name of the extension, or no `extension`";
            self.faults.push(name.span, found, expected);
        }
        true
    }

    /// An attribute's value.
    pub(super) fn word(&self, name: &str) -> Option<Spanned<String>> {
        let mut attributes = self.element.attributes.iter();
        attributes
            .find(|attribute| attribute.name.value == name)
            .map(|found| found.value.clone())
    }

    /// An attribute's value, which must be there.
    pub(super) fn required_word(&mut self, name: &str) -> Option<Spanned<String>> {
        let word = self.word(name);
        if word.is_none() && !self.is_misspelt(name) {
            let Element {
                name: element,
                span,
                ..
            } = self.element;
            self.faults.push(
                *span,
                format!("`{element}` without `{name}`"),
                format!("an attribute `{name}`"),
            );
        }
        word
    }

    /// The attribute `name`.
    pub(super) fn name(&mut self) -> Option<Spanned<String>> {
        let name = self.required_word("name")?;
        value::name(name, self.faults)
    }

    /// A number, if there is one.
    pub(super) fn integer<T>(&mut self, name: &str, max: T) -> Option<Spanned<T>>
    where
        T: Copy + std::fmt::Display + PartialOrd + TryFrom<u64>,
    {
        let word = self.word(name)?;
        let what = format!("`{name}` of `{}`", self.element.name);
        value::integer(&word.value, word.span, &what, max, self.faults)
    }

    /// A number, which must be there.
    pub(super) fn required_integer<T>(&mut self, name: &str, max: T) -> Option<Spanned<T>>
    where
        T: Copy + std::fmt::Display + PartialOrd + TryFrom<u64>,
    {
        self.required_word(name)?;
        self.integer(name, max)
    }

    /// A mark that is 1 or absent; 0 is taken for absent.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.mark(name).is_some_and(|mark| mark.value)
    }

    /// A mark that is 1 or 0, with the place of its value, if there is one.
    pub(super) fn mark(&mut self, name: &str) -> Option<Spanned<bool>> {
        let word = self.word(name)?;
        if !matches!(word.value.as_str(), "0" | "1") {
            self.faults.push(
                word.span,
                format!("`{}` as `{name}` of `{}`", word.value, self.element.name),
                "`0` or `1`",
            );
        }
        Some(Spanned::new(word.value == "1", word.span))
    }

    /// One of a few words, which must be there.
    pub(super) fn choice(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let word = self.required_word(name)?;
        if words.contains(&word.value.as_str()) {
            return Some(word.value);
        }
        self.faults.push(
            word.span,
            format!("`{}` as `{name}` of `{}`", word.value, self.element.name),
            value::list_for(&word.value, words, &[]),
        );
        None
    }

    /// The type of a field: `domain` or `type`, exactly one of them.
    pub(super) fn type_word(&mut self) -> Option<Spanned<String>> {
        let (domain, native) = (self.word("domain"), self.word("type"));
        let Element { name, span, .. } = self.element;
        let found = match (&domain, &native) {
            (None, None) if self.is_misspelt("domain") || self.is_misspelt("type") => return None,
            (None, None) => format!("`{name}` without a type"),
            (Some(_), Some(_)) => format!("`{name}` with two types"),
            _ => return domain.or(native),
        };
        self.faults.push(*span, found, "either `domain` or `type`");
        None
    }
}
