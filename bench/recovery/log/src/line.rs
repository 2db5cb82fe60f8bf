//! The lines.

use std::fmt;
use std::str::FromStr;

/// How long a body is.
const BODY: usize = 200;

/// One attempt to publish a message. A message is published until an attempt is confirmed; the body
/// says which attempt it is, so that a message that was published twice is told from one that was
/// delivered twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Attempt {
    /// The publisher.
    pub publisher: usize,
    /// The message's number there.
    pub number: u64,
    /// Counts the attempts at this message.
    pub attempt: u32,
}

impl Attempt {
    /// The first attempt at a publisher's first message.
    #[must_use]
    pub fn first_of(publisher: usize) -> Self {
        Self {
            publisher,
            number: 0,
            attempt: 0,
        }
    }

    /// The next attempt at the same message.
    #[must_use]
    pub fn again(self) -> Self {
        Self {
            attempt: self.attempt + 1,
            ..self
        }
    }

    /// The first attempt at the publisher's next message.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            number: self.number + 1,
            attempt: 0,
            ..self
        }
    }

    /// The publisher and the number, which are the same for all attempts.
    #[must_use]
    pub fn message(self) -> (usize, u64) {
        (self.publisher, self.number)
    }

    /// The body.
    #[must_use]
    pub fn body(self) -> Vec<u8> {
        let mut body = format!("{self} ").into_bytes();
        body.resize(BODY, b'.');
        body
    }

    /// Reads a body.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        text.split_once(' ')?.0.parse().ok()
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.publisher, self.number, self.attempt)
    }
}

impl FromStr for Attempt {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut numbers = text.split('-');
        let mut next = || numbers.next().ok_or(Malformed);
        Ok(Self {
            publisher: number(next()?)?,
            number: number(next()?)?,
            attempt: number(next()?)?,
        })
    }
}

/// A publisher or a consumer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// With its number.
    Publisher(usize),
    /// With its number.
    Consumer(usize),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publisher(number) => write!(f, "publisher {number}"),
            Self::Consumer(number) => write!(f, "consumer {number}"),
        }
    }
}

/// Something that has happened in a program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// Everything is declared, consumed from and published to.
    Up,
    /// An attempt begins.
    Sent(Attempt),
    /// The broker has it, says the client.
    Confirmed(Attempt),
    /// An error, in its words.
    Failed(Attempt, String),
    /// A consumer was given a message.
    Delivered(usize, Attempt),
    /// A consumer has acknowledged it, and was told that it has.
    Acked(usize, Attempt),
    /// It was told that it could not, in the client's words.
    NotAcked(usize, Attempt, String),
    /// A part was told something and goes on.
    Told(Part, String),
    /// A part was told that it does not go on, in the client's words.
    Ended(Part, String),
}

impl Line {
    /// Writes it to standard output at once.
    pub fn write(&self) {
        println!("{self}");
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Sent(attempt) => write!(f, "sent {attempt}"),
            Self::Confirmed(attempt) => write!(f, "confirmed {attempt}"),
            Self::Failed(attempt, why) => write!(f, "failed {attempt} {}", flat(why)),
            Self::Delivered(consumer, attempt) => write!(f, "delivered {consumer} {attempt}"),
            Self::Acked(consumer, attempt) => write!(f, "acked {consumer} {attempt}"),
            Self::NotAcked(consumer, attempt, why) => {
                write!(f, "not-acked {consumer} {attempt} {}", flat(why))
            }
            Self::Told(part, what) => write!(f, "told {part} {}", flat(what)),
            Self::Ended(part, why) => write!(f, "ended {part} {}", flat(why)),
        }
    }
}

/// The text on one line.
fn flat(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// What is no line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed;

impl FromStr for Line {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let (word, mut rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = &mut rest;
        match word {
            "up" => Ok(Self::Up),
            "sent" => Ok(Self::Sent(take(rest)?)),
            "confirmed" => Ok(Self::Confirmed(take(rest)?)),
            "failed" => Ok(Self::Failed(take(rest)?, (*rest).to_owned())),
            "delivered" => Ok(Self::Delivered(take(rest)?, take(rest)?)),
            "acked" => Ok(Self::Acked(take(rest)?, take(rest)?)),
            "not-acked" => {
                let (consumer, attempt) = (take(rest)?, take(rest)?);
                Ok(Self::NotAcked(consumer, attempt, (*rest).to_owned()))
            }
            "told" => Ok(Self::Told(part(rest)?, (*rest).to_owned())),
            "ended" => Ok(Self::Ended(part(rest)?, (*rest).to_owned())),
            _ => Err(Malformed),
        }
    }
}

fn part(rest: &mut &str) -> Result<Part, Malformed> {
    match take::<String>(rest)?.as_str() {
        "publisher" => Ok(Part::Publisher(take(rest)?)),
        "consumer" => Ok(Part::Consumer(take(rest)?)),
        _ => Err(Malformed),
    }
}

/// The next word.
fn take<T: FromStr>(rest: &mut &str) -> Result<T, Malformed> {
    let (word, behind) = rest.split_once(' ').unwrap_or((*rest, ""));
    *rest = behind;
    number(word)
}

fn number<T: FromStr>(word: &str) -> Result<T, Malformed> {
    word.parse().map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let attempt = Attempt::first_of(3).next().again();
        let why = || "reset, by the peer".to_owned();
        let lines = [
            Line::Up,
            Line::Sent(attempt),
            Line::Confirmed(attempt),
            Line::Failed(attempt, why()),
            Line::Delivered(1, attempt),
            Line::Acked(0, attempt),
            Line::NotAcked(0, attempt, why()),
            Line::Told(Part::Consumer(1), why()),
            Line::Ended(Part::Publisher(2), String::new()),
        ];
        for line in lines {
            assert_eq!(line.to_string().parse(), Ok(line));
        }
        let two_lines = Line::Ended(Part::Consumer(0), "a\nb".to_owned());
        assert_eq!(two_lines.to_string(), "ended consumer 0 a b");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let broken = ["", "sent", "sent 1-2", "acked 1", "told 3 x", "hello 1-1-1"];
        for text in broken {
            assert_eq!(text.parse::<Line>(), Err(Malformed), "{text:?}");
        }
    }

    #[test]
    fn bodies_say_which_attempt_they_are() {
        let attempt = Attempt::first_of(0).next().next().again();
        assert_eq!(attempt.body().len(), BODY);
        assert_eq!(Attempt::of_body(&attempt.body()), Some(attempt));
        assert_eq!(Attempt::of_body(b"something else"), None);
    }
}
