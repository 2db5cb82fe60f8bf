//! Names and texts that do not fit their fields in the protocol.

use std::fmt;

use amqp_spec::wire::ShortStr;

use super::{Entity, debug_is_text};

/// How many characters of what does not fit are kept, to tell it by.
const SHOWN: usize = 32;

/// A name or a text that is longer than its field in the protocol; see
/// [`ChannelError::TooLong`](super::ChannelError::TooLong).
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct NameTooLong {
    /// What it was to be: `queue`, `routing_key`, `message_id`, `name of an argument`.
    pub argument: &'static str,
    /// How it begins. Empty for a secret.
    pub begins: String,
    /// How long it is, in bytes. Bytes, not characters.
    pub len: usize,
    /// How long it may be, in bytes.
    pub max: usize,
    /// The queue or exchange that it was about, unless that is the name that does not fit.
    pub entity: Option<Entity>,
}

impl NameTooLong {
    #[cold]
    pub(crate) fn new(argument: &'static str, text: &str) -> Self {
        Self {
            argument,
            begins: text.chars().take(SHOWN).collect(),
            len: text.len(),
            max: ShortStr::MAX_LEN,
            entity: None,
        }
    }

    /// A secret that is longer than 4 GiB.
    #[cold]
    pub(crate) fn secret(argument: &'static str, len: usize) -> Self {
        Self {
            argument,
            begins: String::new(),
            len,
            max: u32::MAX as usize,
            entity: None,
        }
    }

    pub(crate) fn about(mut self, subject: Subject<'_>) -> Self {
        self.entity = subject.entity();
        self
    }
}

impl fmt::Display for NameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.argument)?;
        if !self.begins.is_empty() {
            write!(f, " {:?}…", self.begins)?;
        }
        write!(f, " has {} bytes, at most {} fit", self.len, self.max)?;
        match &self.entity {
            Some(entity) => write!(f, " ({entity})"),
            None => Ok(()),
        }
    }
}

debug_is_text!(struct NameTooLong { argument, begins, len, max, entity });

impl std::error::Error for NameTooLong {}

/// What a call is about, for errors that are found before anything is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    /// Nothing with a name, or what has not got one yet.
    Nothing,
    Queue(&'a str),
    Exchange(&'a str),
}

impl<'a> Subject<'a> {
    /// A queue to be declared: without a name there is nothing to tell it by.
    pub(crate) fn declared(queue: &'a str) -> Self {
        if queue.is_empty() {
            Self::Nothing
        } else {
            Self::Queue(queue)
        }
    }

    /// Where a message goes: through an exchange, or straight to a queue.
    #[cold]
    pub(crate) fn published(exchange: &'a str, routing_key: &'a str) -> Self {
        if exchange.is_empty() {
            Self::declared(routing_key)
        } else {
            Self::Exchange(exchange)
        }
    }

    /// As errors show it; nothing that does not fit a name itself.
    pub(crate) fn entity(self) -> Option<Entity> {
        match self {
            Self::Queue(name) if name.len() <= ShortStr::MAX_LEN => {
                Some(Entity::Queue(name.to_owned()))
            }
            Self::Exchange(name) if name.len() <= ShortStr::MAX_LEN => {
                Some(Entity::Exchange(name.to_owned()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_by_its_field_its_beginning_and_what_it_is_about() {
        let long = "é".repeat(128);
        let begins = "é".repeat(32);
        let told = |subject: Subject<'_>, argument| {
            let error = subject.short(argument, &long).expect_err("too long");
            error.to_string()
        };
        assert_eq!(
            told(Subject::Nothing, "queue"),
            format!("queue \"{begins}\"… has 256 bytes, at most 255 fit")
        );
        assert_eq!(
            told(Subject::Exchange("orders"), "routing_key"),
            format!("routing_key \"{begins}\"… has 256 bytes, at most 255 fit (exchange 'orders')")
        );
        // What it is about fits, or is not told.
        assert!(!told(Subject::Queue(&long), "consumer_tag").contains("queue"));
        assert_eq!(
            NameTooLong::secret("new_secret", 5_000_000_000).to_string(),
            "new_secret has 5000000000 bytes, at most 4294967295 fit"
        );
    }
}
