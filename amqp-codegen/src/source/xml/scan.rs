//! From text to the pieces of XML: tags, text, and what stands between them.
//!
//! The grammar is that of XML 1.0 without document type definitions, and nothing is passed over:
//! what the grammar has no place for is a fault where it stands. A parser that skips what it does
//! not expect takes half of a tag for text, and a protocol changes without a word.

use super::attributes::{self, Attribute};
use super::characters::is_space;
use super::cursor::Cursor;
use super::refused::{Refused, refuse};
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

/// What reads the pieces, one after the other.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: Text<'a>) -> Self {
        let cursor = Cursor::new(text);
        Self { cursor }
    }

    /// The next piece. `Ok(None)` is the end of the text; a fault that was reported is an error.
    pub(super) fn piece(&mut self, faults: &mut Faults) -> Result<Option<Piece<'a>>, Refused> {
        loop {
            let rest = self.cursor.rest();
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
        let rest = self.cursor.rest();
        let (start, len) = (self.cursor.at(), rest.find('<').unwrap_or(rest.len()));
        let raw = self.cursor.take(len);
        if let Some(at) = raw.find("]]>") {
            let place = self.cursor.place(start + at, 3);
            return refuse(faults, place, "`]]>` in text", "`]]&gt;`");
        }
        Ok(Piece::Text {
            written: self.cursor.spanned(raw, start),
            is_cdata: false,
        })
    }

    fn cdata(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        const OPENING: &str = "<![CDATA[";
        let begin = self.cursor.at();
        self.cursor.take(OPENING.len());
        let Some(len) = self.cursor.rest().find("]]>") else {
            let found = "a CDATA section that is never closed";
            return refuse(
                faults,
                self.cursor.place(begin, OPENING.len()),
                found,
                "`]]>`",
            );
        };
        let start = self.cursor.at();
        let raw = self.cursor.take(len);
        self.cursor.take("]]>".len());
        Ok(Piece::Text {
            written: self.cursor.spanned(raw, start),
            is_cdata: true,
        })
    }

    /// XML allows `--` at a comment's end alone. So a comment whose end is damaged does not swallow
    /// what stands in front of the next one.
    fn comment(&mut self, faults: &mut Faults) -> Result<(), Refused> {
        let opening = self.cursor.place(self.cursor.at(), "<!--".len());
        self.cursor.take("<!--".len());
        let Some(len) = self.cursor.rest().find("--") else {
            let found = "a comment that is never closed";
            return refuse(faults, opening, found, "`-->`");
        };
        let dashes = self.cursor.at() + len;
        if self
            .cursor
            .rest()
            .get(len..)
            .is_some_and(|end| end.starts_with("-->"))
        {
            self.cursor.take(len + "-->".len());
            return Ok(());
        }
        let within = self
            .cursor
            .rest()
            .get(..len)
            .is_some_and(|text| text.ends_with("<!"));
        let (place, found, expected) = if within {
            let place = self.cursor.place(dashes - 2, 4);
            (place, "a comment within a comment", "`-->` in front of it")
        } else {
            let place = self.cursor.place(dashes, 2);
            (place, "`--` within a comment", "`-->`, or other characters")
        };
        faults.push_beside(place, found, expected, ("the comment begins", opening));
        Err(Refused)
    }

    /// A document type without definitions is handed on: the root tells what it is the type of.
    fn bang(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        const DOCTYPE: &str = "<!DOCTYPE";
        let rest = self.cursor.rest();
        if !rest.starts_with(DOCTYPE) {
            let place = self.cursor.place(self.cursor.at(), "<!".len());
            return refuse(faults, place, "`<!` that begins no comment", "`<!--`");
        }
        let place = self.cursor.place(self.cursor.at(), DOCTYPE.len());
        let end = rest
            .find(['[', '>'])
            .filter(|end| rest.get(*end..).is_some_and(|end| end.starts_with('>')));
        let Some(end) = end else {
            return refuse(faults, place, DEFINITION, NO_DEFINITION);
        };
        self.cursor.take(end + 1);
        Ok(Piece::DocumentType(place))
    }

    /// A processing instruction, or the declaration, which looks like one.
    fn instruction(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        let begin = self.cursor.at();
        self.cursor.take("<?".len());
        let target = self.name(faults)?;
        if target.value.eq_ignore_ascii_case("xml") {
            if begin != 0 {
                let found = "an XML declaration that is not at the beginning";
                let expected = "one declaration at most, in front of everything else";
                return refuse(
                    faults,
                    self.cursor.place(begin, "<?xml".len()),
                    found,
                    expected,
                );
            }
            let attributes = attributes::read(&mut self.cursor, "?>", faults)?;
            self.cursor.take("?>".len());
            return Ok(Piece::Declaration(attributes));
        }
        let rest = self.cursor.rest();
        if !rest.starts_with("?>") && !rest.starts_with(is_space) {
            return self.cursor.unexpected("white space or `?>`", faults);
        }
        let place = target.span;
        let Some(len) = rest.find("?>") else {
            let found = "a processing instruction that is never closed";
            return refuse(faults, self.cursor.place(begin, "<?".len()), found, "`?>`");
        };
        self.cursor.take(len + "?>".len());
        Ok(Piece::Instruction(place))
    }

    fn end(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        self.cursor.take("</".len());
        let name = self.name(faults)?;
        self.cursor.skip_space();
        if !self.cursor.rest().starts_with('>') {
            return self.cursor.unexpected("`>`, the end of the tag", faults);
        }
        self.cursor.take(1);
        Ok(Piece::End(name))
    }

    fn start(&mut self, faults: &mut Faults) -> Result<Piece<'a>, Refused> {
        self.cursor.take(1);
        let name = self.name(faults)?;
        let attributes = attributes::read(&mut self.cursor, ">", faults)?;
        let is_closed = self.cursor.rest().starts_with('/');
        self.cursor.take(if is_closed { 2 } else { 1 });
        Ok(Piece::Start {
            name,
            attributes,
            is_closed,
        })
    }

    /// The name of a tag, which begins here.
    fn name(&mut self, faults: &mut Faults) -> Result<Spanned<&'a str>, Refused> {
        self.cursor.try_name().map_or_else(
            || {
                self.cursor
                    .unexpected("a name behind `<`, or `&lt;` for the character", faults)
            },
            Ok,
        )
    }
}

pub(super) const DEFINITION: &str = "a document type definition";
pub(super) const NO_DEFINITION: &str = "none: entities are not expanded";
