//! From pieces to a tree of elements that know their places.
//!
//! A document type is refused, and with it every entity but the five of XML itself: no
//! specification uses one, and no expansion can explode. Depth and the number of elements are
//! limited. Text is not kept: what the specifications say between elements is documentation. But
//! outside of the elements that are made for it, text with `<` or `>` in it is refused: it was a
//! tag, which has lost its beginning. So is a processing instruction within the root.

use super::attributes::Attribute;
use super::characters::{self, is_space};
use super::refused::{Refused, refuse};
use super::scan::{Piece, Scanner};
use crate::input::{Span, Spanned};
use crate::report::Faults;
use crate::source::Text;
use crate::source::document::MAX_DEPTH;

/// More elements than any specification has (the largest known has 962), and few enough that
/// comparing all with all takes no time.
const MAX_ELEMENTS: usize = 10_000;

/// Elements that are documentation wherever they stand.
pub(super) const DOCUMENTATION: [&str; 2] = ["doc", "rule"];

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

/// Whether what is in an element of this name is documentation: text about anything.
pub(super) fn is_documentation(name: &str) -> bool {
    DOCUMENTATION.contains(&name) || matches!(name, "see" | "test")
}

/// Parses a whole document, and gives the place of its document type, if it has one; `None` if it
/// is not well-formed.
pub(super) fn parse(text: Text<'_>, faults: &mut Faults) -> Option<(Element, Option<Span>)> {
    let mut builder = Builder {
        text,
        open: Vec::new(),
        root: None,
        document_type: None,
        n_elements: 0,
        faults,
    };
    builder.parse().ok()?;
    let document_type = builder.document_type;
    Some((builder.finish()?, document_type))
}

struct Builder<'a, 'f> {
    text: Text<'a>,
    /// The elements that are not closed yet, outermost first. At most [`MAX_DEPTH`].
    open: Vec<Element>,
    root: Option<Element>,
    document_type: Option<Span>,
    /// At most [`MAX_ELEMENTS`].
    n_elements: usize,
    faults: &'f mut Faults,
}

impl<'a> Builder<'a, '_> {
    fn parse(&mut self) -> Result<(), Refused> {
        let mut scanner = Scanner::new(self.text);
        characters::check(self.text, self.faults)?;
        while let Some(piece) = scanner.piece(self.faults)? {
            match piece {
                Piece::Start {
                    name,
                    attributes,
                    is_closed,
                } => {
                    self.start(&name, attributes)?;
                    if is_closed {
                        self.close();
                    }
                }
                Piece::End(name) => self.end(&name)?,
                Piece::Text { written, is_cdata } => self.stray(&written, is_cdata)?,
                Piece::DocumentType(place) => self.document_type = Some(place),
                Piece::Declaration(attributes) => self.declaration(&attributes)?,
                Piece::Instruction(place) if !self.open.is_empty() => {
                    let expected = "none within the root: `<?` may have been `<`";
                    return self.refuse(place, "a processing instruction", expected);
                }
                Piece::Instruction(_) => {}
            }
        }
        Ok(())
    }

    fn start(&mut self, name: &Spanned<&str>, attributes: Vec<Attribute>) -> Result<(), Refused> {
        if self.open.is_empty() && self.root.is_some() {
            return self.refuse(name.span, "a second root element", "one root element");
        }
        if self.open.len() == MAX_DEPTH {
            let expected = format!("at most {MAX_DEPTH} levels");
            return self.refuse(name.span, "elements nested too deeply", expected);
        }
        if self.n_elements == MAX_ELEMENTS {
            let expected = format!("at most {MAX_ELEMENTS}");
            return self.refuse(name.span, "too many elements", expected);
        }
        self.n_elements += 1;
        self.open.push(Element {
            name: name.value.to_owned(),
            attributes,
            children: Vec::new(),
            span: name.span,
        });
        Ok(())
    }

    fn end(&mut self, name: &Spanned<&str>) -> Result<(), Refused> {
        let Some(open) = self.open.last() else {
            let found = format!("`</{}>`, which closes nothing", name.value);
            return self.refuse(
                name.span,
                found,
                "no end tag, or a start tag in front of it",
            );
        };
        if open.name != name.value {
            let found = format!("`</{}>` while `{}` is open", name.value, open.name);
            let expected = format!("`</{}>`", open.name);
            let note = (OPENED, open.span);
            self.faults.push_beside(name.span, found, expected, note);
            return Err(Refused);
        }
        self.close();
        Ok(())
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else {
            return;
        };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    /// Text is dropped, once it was seen to be nothing else.
    fn stray(&mut self, written: &Spanned<&'a str>, is_cdata: bool) -> Result<(), Refused> {
        let text = if is_cdata {
            written.value.to_owned()
        } else {
            characters::unescape(self.text, written, self.faults)?
        };
        let is_blank = !is_cdata && written.value.trim_matches(is_space).is_empty();
        if self.open.is_empty() && !is_blank {
            let expected = "one root element and nothing else";
            return self.refuse(visible(self.text, written), OUTSIDE, expected);
        }
        let is_documented = self.open.iter().any(|open| is_documentation(&open.name));
        if !is_documented && text.contains(['<', '>']) {
            let found = "a tag that has become text";
            let expected = "`<` in front of it; text about tags belongs into `doc`";
            return self.refuse(visible(self.text, written), found, expected);
        }
        Ok(())
    }

    fn declaration(&mut self, attributes: &[Attribute]) -> Result<(), Refused> {
        let mut order = ["version", "encoding", "standalone"].iter();
        for Attribute { name, value } in attributes {
            if !order.any(|word| *word == name.value) {
                let found = format!("`{}` in the XML declaration", name.value);
                let expected = "`version`, then perhaps `encoding` and `standalone`";
                return self.refuse(name.span, found, expected);
            }
            let (fits, expected) = match name.value.as_str() {
                "version" => (value.value == "1.0", "`1.0`"),
                "encoding" => (is_read(&value.value), "encoding `UTF-8`"),
                _ => (matches!(&*value.value, "yes" | "no"), "`yes` or `no`"),
            };
            if !fits {
                let found = format!("{} `{}`", name.value, value.value);
                return self.refuse(value.span, found, expected);
            }
        }
        if attributes
            .first()
            .is_none_or(|first| first.name.value != "version")
        {
            let place = self.text.span(self.text.start(), self.text.start() + 5);
            let found = "an XML declaration without a version";
            return self.refuse(place, found, "`version=\"1.0\"`");
        }
        Ok(())
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

    fn refuse<T>(
        &mut self,
        span: Span,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Result<T, Refused> {
        refuse(self.faults, span, found, expected)
    }
}

const OUTSIDE: &str = "text outside of the root element";

/// Introduces the start tag.
const OPENED: &str = "it was opened";

/// Encodings that are UTF-8, or part of it.
fn is_read(encoding: &str) -> bool {
    ["utf-8", "us-ascii", "ascii"].contains(&encoding.to_ascii_lowercase().as_str())
}

/// The place of a text without the space around it.
fn visible(text: Text<'_>, written: &Spanned<&str>) -> Span {
    let trimmed = written.value.trim_matches(is_space);
    if trimmed.is_empty() {
        return written.span;
    }
    text.span_of(trimmed.as_bytes())
}
