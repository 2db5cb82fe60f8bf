//! From text to the pieces of XML: tags, text, and what stands between them.
//!
//! The grammar is that of XML 1.0 without document type definitions, and nothing is passed over:
//! what the grammar has no place for is a fault where it stands. A parser that skips what it does
//! not expect takes half of a tag for text, and a protocol changes without a word.

use super::attributes::{self, Attribute};
use super::characters::{is_name, is_name_start};
use crate::input::{Span, Spanned};
use crate::report::Faults;
use crate::source::Text;

/// What a document is made of. Comments are checked and passed over.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// `<name …>`, or `<name …/>`, which is closed as well.
    Start {
        name: Spanned<&'a str>,
        attributes: Vec<Attribute>,
        is_closed: bool,
    },
    /// `</name>`
    End(Spanned<&'a str>),
    /// What stands between tags, references included, or in a CDATA section.
    Text {
        written: Spanned<&'a str>,
        is_cdata: bool,
    },
    /// `<?xml …?>`
    Declaration(Vec<Attribute>),
    /// `<!DOCTYPE …>`
    DocumentType(Span),
    /// `<?target …?>`, at the target.
    Instruction(Span),
}

/// Where in the text the parser is.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: Text<'a>,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: Text<'a>) -> Self {
        Self { text, at: 0 }
    }

    /// The next piece. `Ok(None)` is the end of the text; a fault that was reported is an error.
    pub(super) fn piece(&mut self, faults: &mut Faults) -> Result<Option<Piece<'a>>, Refused> {
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Ok(None);
            }
            if !rest.starts_with('<') {
                return self.characters(faults).map(Some);
            }
            if rest.starts_with("<!--") {
                self.comment(faults)?;
            } else if rest.starts_with("<![CDATA[") {
                return self.cdata(faults).map(Some);
            } else if rest.starts_with("<!") {
                return self.bang(faults).map(Some);
            } else if rest.starts_with("<?") {
                return self.instruction(faults).map(Some);
            } else if rest.starts_with("</") {
                return self.end(faults).map(Some);
            } else {
                return self.start(faults).map(Some);
            }
        }
    }

    /// Text up to the next tag.
    fn characters(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        let rest = self.rest();
        let (start, len) = (self.at, rest.find('<').unwrap_or(rest.len()));
        let raw = self.take(len);
        if let Some(at) = raw.find("]]>") {
            let place = self.place(start + at, 3);
            return refuse(faults, place, "`]]>` in text", "`]]&gt;`");
        }
        Ok(Piece::Text {
            written: self.spanned(raw, start),
            is_cdata: false,
        })
    }

    fn cdata(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        const OPENING: &str = "<![CDATA[";
        let begin = self.at;
        self.take(OPENING.len());
        let Some(len) = self.rest().find("]]>") else {
            let found = "a CDATA section that is never closed";
            return refuse(faults, self.place(begin, OPENING.len()), found, "`]]>`");
        };
        let start = self.at;
        let raw = self.take(len);
        self.take("]]>".len());
        Ok(Piece::Text {
            written: self.spanned(raw, start),
            is_cdata: true,
        })
    }

    /// XML allows `--` at a comment's end alone. So a comment whose end is damaged does not swallow
    /// what stands in front of the next one.
    fn comment(&mut self, faults: &mut Faults) -> Result<(), Refused> {
        let opening = self.place(self.at, "<!--".len());
        self.take("<!--".len());
        let Some(len) = self.rest().find("--") else {
            let found = "a comment that is never closed";
            return refuse(faults, opening, found, "`-->`");
        };
        let dashes = self.at + len;
        if self
            .rest()
            .get(len..)
            .is_some_and(|end| end.starts_with("-->"))
        {
            self.take(len + "-->".len());
            return Ok(());
        }
        let within = self
            .rest()
            .get(..len)
            .is_some_and(|text| text.ends_with("<!"));
        let (place, found, expected) = if within {
            let place = self.place(dashes - 2, 4);
            (place, "a comment within a comment", "`-->` in front of it")
        } else {
            let place = self.place(dashes, 2);
            (place, "`--` within a comment", "`-->`, or other characters")
        };
        faults.push_beside(place, found, expected, ("the comment begins", opening));
        Err(Refused)
    }

    /// A document type without definitions is handed on: the root tells what it is the type of.
    fn bang(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        const DOCTYPE: &str = "<!DOCTYPE";
        let rest = self.rest();
        if !rest.starts_with(DOCTYPE) {
            let place = self.place(self.at, "<!".len());
            return refuse(faults, place, "`<!` that begins no comment", "`<!--`");
        }
        let place = self.place(self.at, DOCTYPE.len());
        let end = rest
            .find(['[', '>'])
            .filter(|end| rest.get(*end..).is_some_and(|end| end.starts_with('>')));
        let Some(end) = end else {
            return refuse(faults, place, DEFINITION, NO_DEFINITION);
        };
        self.take(end + 1);
        Ok(Piece::DocumentType(place))
    }

    /// A processing instruction, or the declaration, which looks like one.
    fn instruction(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        let begin = self.at;
        self.take("<?".len());
        let target = self.name(faults)?;
        if target.value.eq_ignore_ascii_case("xml") {
            if begin != 0 {
                let found = "an XML declaration that is not at the beginning";
                let expected = "one declaration at most, in front of everything else";
                return refuse(faults, self.place(begin, "<?xml".len()), found, expected);
            }
            let attributes = attributes::read(self, "?>", faults)?;
            self.take("?>".len());
            return Ok(Piece::Declaration(attributes));
        }
        let rest = self.rest();
        if !rest.starts_with("?>") && !rest.starts_with(is_space) {
            return self.unexpected("white space or `?>`", faults);
        }
        let place = target.span;
        let Some(len) = rest.find("?>") else {
            let found = "a processing instruction that is never closed";
            return refuse(faults, self.place(begin, "<?".len()), found, "`?>`");
        };
        self.take(len + "?>".len());
        Ok(Piece::Instruction(place))
    }

    fn end(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        self.take("</".len());
        let name = self.name(faults)?;
        self.skip_space();
        if !self.rest().starts_with('>') {
            return self.unexpected("`>`, the end of the tag", faults);
        }
        self.take(1);
        Ok(Piece::End(name))
    }

    fn start(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        self.take(1);
        let name = self.name(faults)?;
        let attributes = attributes::read(self, ">", faults)?;
        let is_closed = self.rest().starts_with('/');
        self.take(if is_closed { 2 } else { 1 });
        Ok(Piece::Start {
            name,
            attributes,
            is_closed,
        })
    }

    /// The name of a tag, which begins here.
    fn name(&mut self, faults: &mut Faults) -> Result<Spanned<&'a str>, Refused> {
        self.try_name().map_or_else(
            || self.unexpected("a name behind `<`, or `&lt;` for the character", faults),
            Ok,
        )
    }

    /// A name, if one begins here.
    pub(super) fn try_name(&mut self) -> Option<Spanned<&'a str>> {
        let rest = self.rest();
        if !rest.starts_with(is_name_start) {
            return None;
        }
        let len = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let start = self.at;
        let raw = self.take(len);
        Some(self.spanned(raw, start))
    }

    /// Reports the character that is next, or that the text ends here.
    pub(super) fn unexpected<T>(
        &mut self,
        expected: &str,
        faults: &mut Faults,
    ) -> Result<T, Refused> {
        let found = match self.rest().chars().next() {
            Some(c) if c.is_whitespace() => "white space within a tag".to_owned(),
            Some(c) => format!("`{c}` within a tag"),
            None => "a tag that is never closed".to_owned(),
        };
        let place = self.text.character(self.at);
        refuse(faults, place, found, expected)
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a str {
        self.text.as_str().get(self.at..).unwrap_or_default()
    }

    /// Goes on by that much, and no further than the end.
    pub(super) fn take(&mut self, len: usize) -> &'a str {
        let rest = self.rest();
        let taken = rest.get(..len).unwrap_or(rest);
        self.at += taken.len();
        taken
    }

    /// Whether there was any.
    pub(super) fn skip_space(&mut self) -> bool {
        let rest = self.rest();
        let len = rest.len() - rest.trim_start_matches(is_space).len();
        self.take(len);
        len > 0
    }

    /// The place of the character that is next.
    pub(super) fn here(&self) -> Span {
        self.text.character(self.at)
    }

    /// The text that is read.
    pub(super) fn text(&self) -> Text<'a> {
        self.text
    }

    fn place(&self, start: usize, len: usize) -> Span {
        let start = self.text.start() + start;
        self.text.span(start, start + len)
    }

    fn spanned(&self, raw: &'a str, start: usize) -> Spanned<&'a str> {
        Spanned::new(raw, self.place(start, raw.len()))
    }
}

pub(super) const DEFINITION: &str = "a document type definition";
pub(super) const NO_DEFINITION: &str = "none: entities are not expanded";

/// A fault was reported, and nothing behind it can be trusted.
#[derive(Debug)]
pub(super) struct Refused;

/// Reports a fault.
pub(super) fn refuse<T>(
    faults: &mut Faults,
    place: Span,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> Result<T, Refused> {
    faults.push(place, found, expected);
    Err(Refused)
}

/// White space as XML has it.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
