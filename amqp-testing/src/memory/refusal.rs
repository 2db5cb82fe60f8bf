//! A refusal: what closes a channel or a connection, and how its text becomes octets.
//!
//! RabbitMQ builds its texts of names that clients chose, which need not be UTF-8, and cuts them at
//! 255; how differs by version, and is decided here, in [`Refusal::text`].

use std::borrow::Cow;

use amqp_spec::wire::MethodId;
use amqp_spec::{ReplyCode, Severity};

use super::like::Like;

/// The longest reply text.
const MAX_TEXT: usize = 255;

/// What is left of a text that is too long, in front of the dots.
const CUT_TEXT: usize = 252;

/// Why something is not done.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: ReplyCode,
    text: Vec<Part>,
    pub(super) at: At,
    /// The text has no code in front.
    is_verbatim: bool,
}

/// What the close names as its cause.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum At {
    /// The method that is being handled.
    Method,
    /// Nothing: class and method 0.
    Nothing,
}

#[derive(Clone, Debug)]
enum Part {
    Plain(Cow<'static, str>),
    /// What a client sent.
    Name(Box<[u8]>),
}

impl Refusal {
    /// A refusal that names the method that is being handled.
    pub(super) fn new(code: ReplyCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            text: vec![Part::Plain(text.into())],
            at: At::Method,
            is_verbatim: false,
        }
    }

    /// A close with exactly this text.
    pub(super) fn verbatim(code: u16, text: &str) -> Self {
        let mut refusal = Self::new(ReplyCode(code), text.to_owned());
        refusal.is_verbatim = true;
        refusal.at_nothing()
    }

    /// RabbitMQ's answer when a process of its own has failed.
    pub(super) const fn internal_error() -> Self {
        Self {
            code: ReplyCode::INTERNAL_ERROR,
            text: Vec::new(),
            at: At::Nothing,
            is_verbatim: false,
        }
    }

    pub(super) const fn at_nothing(mut self) -> Self {
        self.at = At::Nothing;
        self
    }

    pub(super) const fn at_method(mut self) -> Self {
        self.at = At::Method;
        self
    }

    pub(super) const fn names_nothing(&self) -> bool {
        matches!(self.at, At::Nothing)
    }

    pub(super) fn plain(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.text.push(Part::Plain(text.into()));
        self
    }

    pub(super) fn name(mut self, name: impl AsRef<[u8]>) -> Self {
        self.text.push(Part::Name(name.as_ref().into()));
        self
    }

    /// `'name' in vhost 'vhost'`, behind the kind of thing it is.
    pub(super) fn resource(self, kind: &'static str, name: impl AsRef<[u8]>, vhost: &str) -> Self {
        self.plain(kind)
            .plain(" '")
            .name(name)
            .plain("' in vhost '")
            .name(vhost)
            .plain("'")
    }

    /// Whether it ends the connection, and not only the channel.
    pub(super) fn is_fatal(&self) -> bool {
        self.code.severity() != Some(Severity::Channel)
    }

    /// The reply text; `None` if the broker fails at making it, which is an internal error.
    pub(super) fn text(&self, like: Like) -> Option<Vec<u8>> {
        let code = self.code.to_string();
        let name = code.split_once(' ').map_or("", |(_, name)| name);
        if self.text.is_empty() {
            return Some(name.into());
        }
        let code = match self.is_verbatim {
            true => String::new(),
            false => format!("{name} - "),
        };
        match like {
            Like::RabbitMq3_10 => Some(self.text_in_octets(code)),
            Like::RabbitMq4_0 => self.text_in_characters(code),
        }
    }

    /// Octets are passed on as they came, and cut anywhere.
    fn text_in_octets(&self, code: String) -> Vec<u8> {
        let mut text = code.into_bytes();
        for part in &self.text {
            match part {
                Part::Plain(plain) => text.extend_from_slice(plain.as_bytes()),
                Part::Name(name) => text.extend_from_slice(name),
            }
        }
        if text.len() > MAX_TEXT {
            text.truncate(CUT_TEXT);
            text.extend_from_slice(b"...");
        }
        text
    }

    /// What is not UTF-8 is taken for Latin-1; characters are counted, so that the octets may be
    /// too many.
    fn text_in_characters(&self, code: String) -> Option<Vec<u8>> {
        let mut text = code;
        for part in &self.text {
            match part {
                Part::Plain(plain) => text.push_str(plain),
                Part::Name(name) => match std::str::from_utf8(name) {
                    Ok(name) => text.push_str(name),
                    Err(_) => text.extend(name.iter().copied().map(char::from)),
                },
            }
        }
        if text.chars().count() > MAX_TEXT {
            text = text.chars().take(CUT_TEXT).chain("...".chars()).collect();
        }
        (text.len() <= MAX_TEXT).then(|| text.into_bytes())
    }
}

/// Class and method id of a cause.
pub(super) fn cause(at: At, method: Option<MethodId>) -> (u16, u16) {
    match (at, method) {
        (At::Method, Some(id)) => (id.class_id(), id.method_id()),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(name: impl AsRef<[u8]>) -> Refusal {
        Refusal::new(ReplyCode::NOT_FOUND, "no ").resource("exchange", name, "/")
    }

    #[test]
    fn names_that_are_not_utf_8_are_passed_on_or_taken_for_latin_1() {
        let refusal = missing([0xE4]);
        let octets = refusal.text(Like::RabbitMq3_10).unwrap();
        assert_eq!(octets, b"NOT_FOUND - no exchange '\xE4' in vhost '/'");
        let characters = refusal.text(Like::RabbitMq4_0).unwrap();
        let expected = "NOT_FOUND - no exchange '\u{e4}' in vhost '/'";
        assert_eq!(characters, expected.as_bytes());
    }

    #[test]
    fn long_texts_end_in_dots_or_in_an_internal_error() {
        let ascii = missing([b'x'; 250]);
        for like in [Like::RabbitMq3_10, Like::RabbitMq4_0] {
            let text = ascii.text(like).unwrap();
            assert_eq!(text.len(), 255, "{like:?}");
            assert!(text.ends_with(b"xxx..."), "{like:?}");
        }
        let wide = missing("\u{20ac}".repeat(84));
        assert_eq!(wide.text(Like::RabbitMq3_10).unwrap().len(), 255);
        assert_eq!(wide.text(Like::RabbitMq4_0), None);
    }

    #[test]
    fn a_code_without_a_text_stands_alone() {
        let text = Refusal::internal_error().text(Like::RabbitMq4_0).unwrap();
        assert_eq!(text, b"INTERNAL_ERROR");
    }
}
