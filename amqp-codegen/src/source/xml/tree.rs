//! From text to a tree of elements that know their places.
//!
//! A document type definition is refused, and with it every entity but the five of XML itself: no
//! specification uses one, and no expansion can explode. Depth and the number of attributes are
//! limited. Text is not kept: what the specifications say between elements is documentation.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::escape::unescape;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use crate::report::Faults;
use crate::source::{MAX_DEPTH, Span, Spanned, Text, hidden};

/// More attributes than any element has. Finding duplicates takes quadratic time, so there is an
/// end to it.
const MAX_ATTRIBUTES: usize = 32;

/// More elements than any specification has (the largest known has 962), and few enough that
/// comparing all with all takes no time.
const MAX_ELEMENTS: usize = 10_000;

/// An element without its text.
#[derive(Debug)]
pub(super) struct Element {
    /// Its name as written, prefix included.
    pub(super) name: String,
    /// Its attributes in order; no two of the same name.
    pub(super) attributes: Vec<Attribute>,
    /// Its children in order.
    pub(super) children: Vec<Self>,
    /// The place of its name in the start tag.
    pub(super) span: Span,
}

/// An attribute.
#[derive(Debug)]
pub(super) struct Attribute {
    /// Its name.
    pub(super) name: Spanned<String>,
    /// Its value, references replaced.
    pub(super) value: Spanned<String>,
}

/// Parses a whole document; `None` if it is not well-formed.
pub(super) fn parse(text: Text<'_>, faults: &mut Faults) -> Option<Element> {
    let mut reader = Reader::from_str(text.as_str());
    reader.config_mut().expand_empty_elements = true;
    let mut builder = Builder {
        text,
        open: Vec::new(),
        root: None,
        n_elements: 0,
        faults,
    };
    loop {
        let start = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
                builder.not_well_formed(at, &error);
                return None;
            }
        };
        match event {
            Event::Eof => return builder.finish(),
            event => builder.event(event, start)?,
        }
    }
}

struct Builder<'a, 'f> {
    text: Text<'a>,
    /// The elements that are not closed yet, outermost first. At most [`MAX_DEPTH`].
    open: Vec<Element>,
    root: Option<Element>,
    /// At most [`MAX_ELEMENTS`].
    n_elements: usize,
    faults: &'f mut Faults,
}

impl<'a> Builder<'a, '_> {
    /// Takes one event, which begins `start` bytes into the text; `None` stops the parser.
    fn event(&mut self, event: Event<'a>, start: usize) -> Option<()> {
        match event {
            Event::Start(tag) | Event::Empty(tag) => self.start(&tag),
            Event::End(_) => self.end(),
            Event::Text(content) => self.stray(&content),
            Event::CData(content) => self.stray(&content),
            Event::GeneralRef(reference) => self.reference(&reference),
            Event::Decl(declaration) => self.declaration(&declaration, start),
            Event::DocType(_) => self.refuse(
                self.place(start, "<!DOCTYPE".len()),
                "a document type definition",
                "none: entities are not expanded",
            ),
            Event::Comment(_) | Event::PI(_) | Event::Eof => Some(()),
        }
    }

    fn start(&mut self, tag: &BytesStart<'a>) -> Option<()> {
        let span = self.text.span_of(tag.name().as_ref());
        if self.open.is_empty() && self.root.is_some() {
            return self.refuse(span, "a second root element", "one root element");
        }
        if self.open.len() == MAX_DEPTH {
            let expected = format!("at most {MAX_DEPTH} levels");
            return self.refuse(span, "elements nested too deeply", expected);
        }
        if self.n_elements == MAX_ELEMENTS {
            let expected = format!("at most {MAX_ELEMENTS}");
            return self.refuse(span, "too many elements", expected);
        }
        self.n_elements += 1;
        let name = self.utf8(tag.name().as_ref());
        let attributes = self.attributes(tag)?;
        self.open.push(Element {
            name,
            attributes,
            children: Vec::new(),
            span,
        });
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        let element = self.open.pop()?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Some(())
    }

    fn attributes(&mut self, tag: &BytesStart<'a>) -> Option<Vec<Attribute>> {
        let mut attributes = Vec::new();
        for attribute in tag.attributes() {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => {
                    let tag = self.text.span_of(tag);
                    self.bad_attribute(tag, &error);
                    return None;
                }
            };
            let name = Spanned::new(
                self.utf8(attribute.key.as_ref()),
                self.text.span_of(attribute.key.as_ref()),
            );
            if attributes.len() == MAX_ATTRIBUTES {
                let expected = format!("at most {MAX_ATTRIBUTES}");
                self.refuse(name.span, "too many attributes", expected)?;
            }
            let value = self.attribute_value(&attribute.value)?;
            attributes.push(Attribute { name, value });
        }
        Some(attributes)
    }

    fn attribute_value(&mut self, raw: &[u8]) -> Option<Spanned<String>> {
        let span = self.text.span_of(raw);
        let written = self.utf8(raw);
        match unescape(&written) {
            Ok(value) => {
                let value = Spanned::new(value.into_owned(), span);
                hidden::check(&value, self.text, self.faults);
                Some(value)
            }
            Err(_) => {
                self.refuse(
                    span,
                    format!("an unknown entity in `{written}`"),
                    KNOWN_ENTITIES,
                )?;
                None
            }
        }
    }

    /// A reference in text. Text is dropped, but an entity that nobody declared is an error in XML.
    fn reference(&mut self, reference: &BytesRef<'a>) -> Option<()> {
        let known = reference.is_char_ref()
            || matches!(&**reference, b"lt" | b"gt" | b"amp" | b"quot" | b"apos");
        if known {
            return self.stray(reference);
        }
        let name = self.utf8(reference);
        let span = self.text.span_of(reference);
        self.refuse(span, format!("unknown entity `{name}`"), KNOWN_ENTITIES)
    }

    fn stray(&mut self, content: &[u8]) -> Option<()> {
        if !self.open.is_empty() || content.trim_ascii().is_empty() {
            return Some(());
        }
        let lead = content.len() - content.trim_ascii_start().len();
        let span = self.text.span_of(content.get(lead..)?);
        self.refuse(
            span,
            "text outside of the root element",
            "one root element and nothing else",
        )
    }

    fn declaration(&mut self, declaration: &BytesDecl<'a>, start: usize) -> Option<()> {
        let Some(Ok(encoding)) = declaration.encoding() else {
            return Some(());
        };
        if matches!(
            encoding.to_ascii_lowercase().as_slice(),
            b"utf-8" | b"us-ascii" | b"ascii"
        ) {
            return Some(());
        }
        let span = match encoding {
            Cow::Borrowed(word) => self.text.span_of(word),
            Cow::Owned(_) => self.place(start, "<?xml".len()),
        };
        let word = self.utf8(&encoding);
        self.refuse(span, format!("encoding `{word}`"), "encoding `UTF-8`")
    }

    fn finish(self) -> Option<Element> {
        if let Some(unclosed) = self.open.last() {
            let Element { name, span, .. } = unclosed;
            self.faults.push(
                *span,
                format!("element `{name}` that is never closed"),
                format!("`</{name}>` before the end of the file"),
            );
            return None;
        }
        if self.root.is_none() {
            let at = self.text.start() + self.text.len();
            self.faults.push(
                self.text.span(at, at),
                "no element at all",
                "a root element `amqp`",
            );
        }
        self.root
    }

    fn not_well_formed(&mut self, at: usize, error: &Error) {
        let at = at.min(self.text.len());
        // The library's own introductions say no more than ours.
        let error = match error {
            Error::Syntax(error) => error.to_string(),
            Error::IllFormed(error) => error.to_string(),
            error => error.to_string(),
        };
        self.faults.push(
            self.place(at, 1),
            format!("malformed XML: {error}"),
            "well-formed XML",
        );
    }

    /// Attribute errors carry offsets from the beginning of the tag's name.
    fn bad_attribute(&mut self, tag: Span, error: &AttrError) {
        let (at, found, expected) = match error {
            AttrError::ExpectedEq(at) => (*at, "an attribute without `=`", "`=` and a value"),
            AttrError::ExpectedValue(at) => (*at, "an attribute without a value", "a value"),
            AttrError::UnquotedValue(at) => (*at, "an unquoted value", "a value in quotes"),
            AttrError::ExpectedQuote(at, _) => (*at, "an unclosed value", "a closing quote"),
            AttrError::Duplicated(at, _) => (*at, "an attribute given twice", "each one once"),
        };
        let start = (tag.start() + at).min(tag.end());
        self.faults
            .push(self.text.span(start, start + 1), found, expected);
    }

    fn refuse(
        &mut self,
        span: Span,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Option<()> {
        self.faults.push(span, found, expected);
        None
    }

    /// The place of `len` bytes from `start` on, counted in the text.
    fn place(&self, start: usize, len: usize) -> Span {
        let start = self.text.start() + start;
        self.text.span(start, start + len)
    }

    /// The text was checked to be UTF-8, so that nothing is lost here.
    fn utf8(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

const KNOWN_ENTITIES: &str = "`&lt;`, `&gt;`, `&amp;`, `&quot;`, `&apos;` or a character reference";
