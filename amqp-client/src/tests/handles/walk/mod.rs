//! A walk over all that can be shown: `Debug` and `Display` of every public type, every error with
//! what is behind it, every span and event, while the peer says what a terminal would obey, and
//! passwords, bodies and header values are on their way. Nothing of them is shown, and nothing
//! fills a log.
//!
//! `cargo xtask tidy` tells of public types that are not in here.

mod errors;
mod live;
mod settings;

use std::any::type_name;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{Debug, Display};

use amqp_spec::basic::Properties;
use amqp_spec::wire::{FieldArray, FieldTable, FieldValue, MethodId, ShortString, Value};
use amqp_spec::{Method, ReplyCode};

use self::errors::errors;
use self::live::{closing, open, refused};
use self::settings::settings;
use crate::tests::handles::tracing::told_with_texts;
use crate::tests::support::crowd::{Crowd, recording};
use crate::tests::support::wire;

/// Passwords, tokens and values of headers.
const SECRET: &str = "correct-horse-battery-staple";

/// What is in messages.
const BODY: &str = "the body of a message";

/// What a terminal obeys, or what breaks or turns a line.
const POISON: &str =
    "\r\n\u{1b}[2J\u{7}\0\u{7f}\u{85}\u{9b}\u{2028}\u{202e}\u{2066}\u{200f}\u{feff}";

/// More than anyone wants of one text.
const PAGE: usize = 4096;

/// What a peer says in a field of up to 255 octets.
fn peers() -> String {
    let mut text = format!("queue '{POISON}' ");
    while text.len() <= 255 - POISON.len() {
        text.push_str(POISON);
    }
    text
}

/// What a peer says where there is no limit.
fn long() -> String {
    peers().repeat(400)
}

thread_local! {
    /// What should not have been shown, by what showed it.
    static FAULTS: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
}

/// Notes what is wrong with a text that is shown.
fn check(what: &str, text: &str, most: usize, of_lines: bool) {
    let hides = |hidden: &str| {
        let octets = format!("{:?}", hidden.as_bytes());
        let octets = octets.trim_matches(['[', ']']);
        !text.contains(hidden) && !text.contains(octets)
    };
    let is_obeyed = |c: char| match c {
        '\n' => !of_lines,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}' => true,
        '\u{2060}'..='\u{206f}' => true,
        c => c.is_control(),
    };
    let fault = match () {
        () if !hides(SECRET) => "a secret",
        () if !hides(BODY) => "a body",
        () if text.contains(is_obeyed) => "what a terminal obeys",
        () if text.len() > most => "more than a page",
        () => return,
    };
    let fault = format!("{what} shows {fault}");
    FAULTS.with_borrow_mut(|faults| faults.insert(fault, text.to_owned()));
}

/// How much a type may take, and whether in lines: `main` prints the attempts to connect below each
/// other.
fn bounds(name: &str) -> (usize, bool) {
    match name.ends_with("ConnectError") || name.ends_with("any_error::Error") {
        true => (3 * PAGE, true),
        false => (PAGE, false),
    }
}

/// `Debug` of a value, in both forms.
fn debug<T: Debug + ?Sized>(value: &T) {
    let name = type_name::<T>();
    let (most, of_lines) = bounds(name);
    check(name, &format!("{value:?}"), most, of_lines);
    check(name, &format!("{value:#?}"), 2 * PAGE, true);
}

/// All that an error has to say, in one line and in several, and of what is behind it.
fn error<T: Error + 'static>(value: &T) {
    display(value);
    let name = type_name::<T>();
    check(name, &format!("{value:#}"), bounds(name).0, true);
    let behind = std::iter::successors(value.source(), |&error| error.source());
    for part in behind {
        check(name, &part.to_string(), PAGE, false);
        check(name, &format!("{part:?}"), PAGE, false);
    }
}

fn display<T: Debug + Display + ?Sized>(value: &T) {
    debug(value);
    check(type_name::<T>(), &value.to_string(), PAGE, false);
}

/// The recorded conversation of many tasks, in which the broker's words, names and bodies are
/// others of the same length, cut at every third octet.
fn crowds() {
    let mut octets = recording().concat();
    for words in ["NO_ROUTE", "NOT_FOUND - no queue 'nosuch'", "key"] {
        let poison = POISON.as_bytes().iter().cycle();
        let poison: Vec<u8> = poison.copied().take(words.len()).collect();
        for at in 0..octets.len() {
            if octets[at..].starts_with(words.as_bytes()) {
                octets[at..at + words.len()].copy_from_slice(&poison);
            }
        }
    }
    for end in (0..octets.len()).step_by(3) {
        let mut crowd = Crowd::new();
        crowd.run();
        crowd.feed(&octets[..end]);
        crowd.pair.eof();
        crowd.run();
        for (name, log) in crowd.into_logs() {
            for line in log {
                check(name, &line, PAGE, false);
                for body in ["fetched", "second", "first", "unfinished"] {
                    assert!(!line.contains(body), "{name}: {line}");
                }
            }
        }
    }
}

/// What the codec shows of what a peer sent.
fn codec() {
    let text = long();
    let start = wire::start(&text);
    let payload = &start[7..start.len() - 1];
    debug::<Method<'_>>(&Method::decode(payload).unwrap());
    debug(&wire::frames(&start).0[0]);
    let close = closing(1, &peers());
    debug(&Method::decode(&close[7..close.len() - 1]).unwrap());
    let mut table = FieldTable::new();
    for n in 0..100_u8 {
        table.insert(wire::short(&n.to_string()), text.as_str());
    }
    debug(&table);
    debug(&table.as_ref());
    debug::<Value<'_>>(&text.as_str().into());
    debug::<FieldValue>(&text.as_str().into());
    debug::<FieldArray>(&vec![text.as_str(); 100].into());
    let text = peers();
    debug::<Properties>(&Properties::new().content_type(wire::short(&text)));
    let name = ShortString::new(peers().into_bytes()).unwrap();
    debug(&name);
    display(&ReplyCode::NOT_FOUND);
    display(&MethodId::new(0xffff, 0xffff));
}

#[test]
fn nothing_that_can_be_shown_holds_a_secret_a_body_or_what_a_terminal_obeys_or_fills_a_log() {
    let lines = told_with_texts(|| {
        settings();
        errors();
        refused();
        open();
        crowds();
        codec();
    });
    assert!(lines.len() > 100, "{}", lines.len());
    for line in lines {
        check("tracing", &line, PAGE, false);
    }
    let faults = FAULTS.take();
    assert!(faults.is_empty(), "{faults:#?}");
}
