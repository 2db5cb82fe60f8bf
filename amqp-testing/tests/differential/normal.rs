//! The freedoms of a transcript: what may differ from run to run, and is made the same.
//!
//! * How confirms are grouped: RabbitMQ joins as many as it has at hand. Those that come in a row
//!   become the numbers that they are about.
//! * How many heartbeats come in a row: that depends on when a client has last said something.
//! * Names that the broker makes: numbered in the order in which they are first seen.
//! * Whether a virtual host is deleted or down.
//! * What names the machine, in `connection.start` (`words.rs`), and the node.
//! * The order of the mechanisms in it: that of a map (`words.rs`).
//! * Where probes say so, the order on a channel, and whether a method comes at all (`lab.rs`).
//! * The time and the order of names in `x-death` (`words.rs`).
//! * The order between channels, which are processes of their own at the broker (`lab.rs`).
//! * Whether TCP ends with a reset: the last bytes of a connection arrive either way (`side`).

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::words::Event;

/// The lines of what came on a channel, confirms in a row joined.
pub(crate) fn events(events: &[Event]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut joined = Joined::default();
    for event in events {
        let Some(confirm) = Confirm::read(event) else {
            lines.extend(joined.take());
            if matches!(event.name, "channel.close" | "channel.close-ok") {
                // The next use of the channel counts from one.
                joined.settled.clear();
            }
            if event.name != "heartbeat" || lines.last() != Some(&event.text) {
                lines.push(event.text.clone());
            }
            continue;
        };
        if joined.name != event.name {
            lines.extend(joined.take());
        }
        joined.add(event.name, &confirm);
    }
    lines.extend(joined.take());
    lines
}

/// The publishes that a confirm settles.
pub(crate) fn confirmed(event: &Event) -> RangeInclusive<u64> {
    #[expect(clippy::reversed_empty_ranges, reason = "it settles nothing")]
    Confirm::read(event).map_or(1..=0, |confirm| confirm.numbers())
}

struct Confirm {
    number: u64,
    multiple: bool,
    requeue: bool,
}

impl Confirm {
    fn read(event: &Event) -> Option<Self> {
        if !matches!(event.name, "basic.ack" | "basic.nack") {
            return None;
        }
        let (_, number) = event.text.split_once("delivery_tag: ")?;
        Some(Self {
            number: number.split(',').next()?.parse().ok()?,
            multiple: event.text.contains("multiple: true"),
            requeue: event.text.contains("requeue: true"),
        })
    }

    fn numbers(&self) -> RangeInclusive<u64> {
        let first = if self.multiple { 1 } else { self.number };
        first..=self.number
    }
}

/// Confirms in a row.
#[derive(Default)]
struct Joined {
    name: &'static str,
    numbers: BTreeSet<u64>,
    /// Confirmed or refused in earlier rows.
    settled: BTreeSet<u64>,
    requeue: bool,
}

impl Joined {
    fn add(&mut self, name: &'static str, confirm: &Confirm) {
        let settled = &self.settled;
        // What is confirmed twice by its own number is shown.
        let new = confirm
            .numbers()
            .filter(|number| !settled.contains(number) || !confirm.multiple);
        self.numbers.extend(new);
        self.name = name;
        self.requeue |= confirm.requeue;
    }

    fn take(&mut self) -> Option<String> {
        let numbers = std::mem::take(&mut self.numbers);
        if numbers.is_empty() {
            return None;
        }
        self.settled.extend(&numbers);
        let is_requeued = std::mem::take(&mut self.requeue);
        let requeue = if is_requeued { " to be requeued" } else { "" };
        Some(format!("{} of {numbers:?}{requeue}", self.name))
    }
}

/// What the names that the broker makes begin with.
const PREFIXES: &[&str] = &["amq.gen-", "amq.ctag-", "amq.rabbitmq.reply-to."];

/// Numbers the names that the broker has made, in all lines of a transcript.
pub(crate) fn names(lines: &[String]) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    let lines = lines.iter().map(|line| numbered(line, &mut known));
    let lines = lines.map(|line| without_nodes(&line));
    // Connections to a virtual host are told of its end by two processes, one of which is first.
    lines
        .map(|line| line.replace("' is down\"", "' is deleted\""))
        .collect()
}

/// Some texts of 4.0 name the node.
fn without_nodes(line: &str) -> String {
    let is_node = |word: &str| word.contains('@') && !word.starts_with('@');
    let words = line
        .split('\'')
        .map(|word| if is_node(word) { "node@host" } else { word });
    words.collect::<Vec<_>>().join("'")
}

fn numbered(line: &str, known: &mut Vec<String>) -> String {
    let mut rest = line;
    let mut text = String::new();
    while let Some((at, prefix)) = PREFIXES
        .iter()
        .filter_map(|prefix| Some((rest.find(prefix)?, prefix)))
        .min()
    {
        let from = at + prefix.len();
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_=+/.".contains(letter);
        let len = rest[from..]
            .find(|letter| !is_part(letter))
            .unwrap_or(rest.len() - from);
        let made = &rest[from..from + len];
        text += &rest[..from];
        if made.len() < 20 {
            // Not made by a broker.
            text += made;
        } else {
            let number = known
                .iter()
                .position(|name| name == made)
                .unwrap_or_else(|| {
                    known.push(made.to_owned());
                    known.len() - 1
                });
            text += &format!("#{} of {} letters", number + 1, length(prefix, made));
        }
        rest = &rest[from + len..];
    }
    text + rest
}

/// Addresses for replies tell of the node that made them, so that their lengths differ.
fn length(prefix: &str, made: &str) -> String {
    match prefix {
        "amq.rabbitmq.reply-to." => "some".to_owned(),
        _ => made.len().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirm(name: &'static str, number: u64, multiple: bool) -> Event {
        let text = format!("{name} {{ delivery_tag: {number}, multiple: {multiple} }}");
        Event::new(name, text)
    }

    #[test]
    fn confirms_in_a_row_are_the_numbers_that_they_are_about() {
        let other = || Event::new("basic.return", "basic.return".to_owned());
        let grouped = [
            confirm("basic.ack", 3, true),
            other(),
            confirm("basic.ack", 4, false),
            confirm("basic.nack", 5, false),
        ];
        let single = [
            confirm("basic.ack", 2, false),
            confirm("basic.ack", 1, false),
            confirm("basic.ack", 3, false),
            other(),
            confirm("basic.ack", 4, true),
            confirm("basic.nack", 5, true),
        ];
        let expected = [
            "basic.ack of {1, 2, 3}",
            "basic.return",
            "basic.ack of {4}",
            "basic.nack of {5}",
        ];
        assert_eq!(events(&grouped), expected);
        assert_eq!(events(&single), expected);
    }

    #[test]
    fn names_are_numbered_as_they_are_seen() {
        let lines = [
            "declared amq.gen-AAAAAAAAAAAAAAAAAAAAAA, amq.gen-BBBBBBBBBBBBBBBBBBBBBB".to_owned(),
            "no queue 'amq.gen-x', but amq.gen-AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        ];
        let expected = [
            "declared amq.gen-#1 of 22 letters, amq.gen-#2 of 22 letters",
            "no queue 'amq.gen-x', but amq.gen-#1 of 22 letters",
        ];
        assert_eq!(names(&lines), expected);
    }
}
