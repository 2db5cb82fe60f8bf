//! Characters that get lost in a specification: none of them changes what it says in silence.

use amqp_codegen::ParseOptions;

use crate::support::{Input, parse_inputs, path};

const FILES: [&str; 4] = [
    "../spec/amqp0-9-1.stripped.extended.xml",
    "../spec/amqp0-9-1.stripped.xml",
    "tests/corpus/debian-amqp-specs/amqp0-8.stripped.xml",
    "tests/accepts/documented-like-the-full-specification/spec.xml",
];

/// Where the characters are that mark something up: outside of comments, CDATA sections and
/// documentation.
fn markup(text: &str, wanted: &[char]) -> Vec<usize> {
    let hidden = [
        ("<!--", "-->"),
        ("<![CDATA[", "]]>"),
        ("<doc", "</doc>"),
        ("<rule", "</rule>"),
    ];
    let (mut places, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let rest = &text[at..];
        let closing = hidden.iter().find(|(opening, _)| rest.starts_with(opening));
        if let Some(end) = closing.and_then(|(_, closing)| rest.find(closing)) {
            at += end;
        }
        let character = text[at..].chars().next().unwrap();
        // A slash in prose marks nothing up.
        let is_slash = text[..at].ends_with('<') || text[at..].starts_with("/>");
        if wanted.contains(&character) && (character != '/' || is_slash) {
            places.push(at);
        }
        at += character.len_utf8();
    }
    places
}

#[track_caller]
fn refused_without(file: &str, wanted: &[char], step: usize) {
    let whole = String::from_utf8(Input::read(&path(file)).text).unwrap();
    let places = markup(&whole, wanted);
    assert!(places.len() > 20, "{file}: {}", places.len());
    for at in places.into_iter().step_by(step) {
        let text = format!("{}{}", &whole[..at], &whole[at + 1..]);
        let damaged = Input::new("spec.xml", text);
        let line = whole[..at].lines().count();
        let report = parse_inputs(&[damaged], &ParseOptions::new());
        assert!(
            report.is_err(),
            "{file}:{line} without {:?}",
            &whole[at..=at]
        );
    }
}

#[test]
fn no_beginning_or_end_of_a_tag_is_lost_in_silence() {
    refused_without(FILES[0], &['<'], 1);
    for file in FILES {
        refused_without(file, &['<'], 7);
        refused_without(file, &['>'], 7);
    }
}

#[test]
fn no_quote_slash_or_equals_sign_is_lost_in_silence() {
    for file in FILES {
        refused_without(file, &['"', '=', '/'], 29);
    }
}
