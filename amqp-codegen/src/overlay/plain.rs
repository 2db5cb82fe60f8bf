//! Plain text, which is what documentation has to be.
//!
//! It becomes Rust documentation and Markdown alike. The only markup is a name between backquotes;
//! anything else that either would take for markup (a tag, a link, a fence) is a fault, so that
//! what is accepted is documented without a warning and ends where it should.

use std::ops::Range;

/// What is not plain in a text.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Flaw {
    /// Its bytes.
    pub(super) place: Range<usize>,
    pub(super) found: String,
    pub(super) expected: &'static str,
}

/// The first flaw, if there is one. Blank lines separate paragraphs, and backquotes pair within
/// one.
pub(super) fn flaw(text: &str) -> Option<Flaw> {
    let mut start = 0;
    let mut paragraph: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let is_blank = line.trim().is_empty();
        match paragraph {
            None if !is_blank => paragraph = Some(start),
            Some(first) if is_blank => {
                if let Some(flaw) = in_paragraph(text, first..start) {
                    return Some(flaw);
                }
                paragraph = None;
            }
            _ => {}
        }
        start += line.len();
    }
    paragraph.and_then(|first| in_paragraph(text, first..text.len()))
}

fn in_paragraph(text: &str, range: Range<usize>) -> Option<Flaw> {
    let base = range.start;
    let paragraph = text.get(range)?;
    // Where the code span began that is not closed yet.
    let mut code: Option<usize> = None;
    let mut passed = 0;
    for (at, character) in paragraph.char_indices() {
        let rest = paragraph.get(at..).unwrap_or_default();
        if at < passed {
            continue;
        }
        let flawed = match character {
            '`' if rest.starts_with("``") => Some(backquotes(rest)),
            '`' => {
                code = if code.is_some() { None } else { Some(at) };
                None
            }
            _ if code.is_some() => None,
            '\\' => {
                let escaped = rest.chars().nth(1).filter(char::is_ascii_punctuation);
                passed = at + 1 + usize::from(escaped.is_some_and(|next| next != '`'));
                None
            }
            '<' if autolink(rest).is_some() => {
                passed = at + autolink(rest).unwrap_or_default();
                None
            }
            _ => markup(rest),
        };
        if let Some((length, found, expected)) = flawed {
            return Some(flaw_at(base + at, length, found, expected));
        }
    }
    let expected = "backquotes in pairs, one before and one behind a name";
    code.map(|at| flaw_at(base + at, 1, "a backquote without a second one", expected))
}

fn flaw_at(start: usize, length: usize, found: impl Into<String>, expected: &'static str) -> Flaw {
    Flaw {
        place: start..start + length,
        found: found.into(),
        expected,
    }
}

/// Length, what was found, what was expected.
type Found = (usize, String, &'static str);

fn backquotes(rest: &str) -> Found {
    let length = rest.len() - rest.trim_start_matches('`').len();
    let found = format!("{length} backquotes in a row");
    (length, found, "one backquote before and one behind a name")
}

/// The length of `<https://…>`, the form of an address that needs no other markup.
fn autolink(rest: &str) -> Option<usize> {
    let address = rest.strip_prefix('<')?;
    let address = address.get(..address.find('>')?)?;
    let is_address = address.starts_with("http://") || address.starts_with("https://");
    let is_whole =
        !address.contains(|character: char| character.is_whitespace() || character == '<');
    (is_address && is_whole).then_some(address.len() + 2)
}

/// Markup that begins here, outside of code.
fn markup(rest: &str) -> Option<Found> {
    const TEXT: &str = "plain text, with backquotes around what is to be shown as it is";
    if rest.starts_with('[') {
        return Some((1, "`[`, which starts a link".to_owned(), TEXT));
    }
    if rest.starts_with("~~~") {
        return Some((3, "`~~~`, which starts a block of code".to_owned(), TEXT));
    }
    if rest.starts_with("http://") || rest.starts_with("https://") {
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let expected = "an address between `<` and `>`";
        return Some((
            length,
            "an address as part of the text".to_owned(),
            expected,
        ));
    }
    let behind = |first: char| rest.strip_prefix(first).unwrap_or_default();
    if behind('<').starts_with(|next: char| next.is_ascii_alphabetic() || "/!?".contains(next)) {
        let length = rest.find('>').map_or(2, |end| end + 1);
        return Some((length, "markup of HTML".to_owned(), TEXT));
    }
    let name = behind('&');
    let end = name.find(|next: char| !next.is_ascii_alphanumeric() && next != '#');
    let is_entity =
        end.is_some_and(|end| end > 0 && name.get(end..).is_some_and(|end| end.starts_with(';')));
    is_entity.then(|| {
        (
            end.unwrap_or_default() + 2,
            "a character reference of HTML".to_owned(),
            TEXT,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::flaw;

    #[track_caller]
    fn check(text: &str, marked: &str, found: &str) {
        let flaw = flaw(text).unwrap();
        assert_eq!((&text[flaw.place], &*flaw.found), (marked, found));
    }

    #[test]
    fn plain_text_has_no_flaw() {
        for text in [
            "Some `code`, a <https://example.org/a_b> and 1 < 2 > 0, a | b * c_d # x ~ y & z.",
            "`<tag>` and `[link]` and `https://x` and `&lt;` in code\nthat goes `on\nhere`.",
            "Escaped: \\[x], \\<b>, a\\&amp; \\*/ */ // \"quotes\" {braces} 50 %; x",
            "One.\n\n* Two\n\n Three `a`\n\n",
            "",
        ] {
            assert_eq!(flaw(text), None, "{text}");
        }
    }

    #[test]
    fn backquotes_pair_within_a_paragraph() {
        check("a `b\n\nc` d", "`", "a backquote without a second one");
        check("a\n\n```rust\n", "```", "3 backquotes in a row");
        check("a `` b", "``", "2 backquotes in a row");
        check("a \\` b", "`", "a backquote without a second one");
    }

    #[test]
    fn markup_is_a_flaw() {
        check("see [this]", "[", "`[`, which starts a link");
        check("\\\\[this]", "[", "`[`, which starts a link");
        check("x <script>y", "<script>", "markup of HTML");
        check("x <!-- y", "<!", "markup of HTML");
        check("</p>", "</p>", "markup of HTML");
        check(
            "at https://a.b/c now",
            "https://a.b/c",
            "an address as part of the text",
        );
        check("&#x202e;", "&#x202e;", "a character reference of HTML");
        check("~~~", "~~~", "`~~~`, which starts a block of code");
    }
}
