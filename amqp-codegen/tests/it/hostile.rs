//! Input that is large, deep or nested on purpose: refused soon, and with little said.

use std::time::{Duration, Instant};

use amqp_codegen::Report;

use crate::support::{Input, parse_inputs, parse_text};

/// Far more than any of these needs even unoptimised, far less than anything quadratic.
const SOON: Duration = Duration::from_secs(10);

/// No report on a hostile file is longer than people read.
const MAX_REPORT: usize = 100_000;

#[track_caller]
fn refused(name: &str, text: impl Into<Vec<u8>>) -> Report {
    let text = text.into();
    let before = Instant::now();
    let report = parse_text(name, text).unwrap_err();
    assert!(before.elapsed() < SOON, "took {:?}", before.elapsed());
    assert!(report.to_string().len() < MAX_REPORT);
    report
}

#[track_caller]
fn refused_as(name: &str, text: impl Into<Vec<u8>>, found: &str) {
    let report = refused(name, text);
    assert_eq!(report.faults()[0].found(), found, "{report}");
}

/// Bytes without any pattern, the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

const HEAD: &str = r#"<amqp major="0" minor="9" revision="1" port="5672">"#;

#[test]
fn fifty_megabytes_of_garbage() {
    const LEN: usize = 50 << 20;
    refused_as("noise", noise(LEN), "a file of 52428800 octets");
    refused_as("noise.toml", noise(LEN), "a file of 52428800 octets");
    refused_as("zeros", vec![0; LEN], "a file of 52428800 octets");
    refused_as("xml", "<".repeat(LEN), "a file of 52428800 octets");
}

#[test]
fn garbage_of_bearable_size() {
    const LEN: usize = 4 << 20;
    refused("noise", noise(LEN));
    refused_as("zeros", vec![0; LEN], "neither XML nor JSON");
    refused_as("space", vec![b' '; LEN], "a file of nothing but space");
    refused("tags", "<".repeat(LEN));
    refused("braces", "{".repeat(LEN));
    refused("quote", format!("{{\"{}", "\\".repeat(LEN - 2)));
    refused("comment", format!("<!--{}", "-".repeat(LEN - 4)));
    refused("text", format!("<amqp>{}", "x".repeat(LEN - 6)));
    refused("ampersands", format!("<amqp>{}", "&".repeat(LEN - 6)));
    refused(
        "references",
        format!("<amqp>{}", "&amp;".repeat(LEN / 5 - 2)),
    );
}

#[test]
fn garbage_behind_a_good_beginning() {
    refused("noise.xml", [HEAD.as_bytes(), &noise(1 << 20)].concat());
    let latin1: Vec<u8> = noise(1 << 20).iter().map(|byte| byte % 95 + b' ').collect();
    refused("printable.xml", [HEAD.as_bytes(), &latin1].concat());
    refused(
        "printable.json",
        [b"{\"classes\": [", latin1.as_slice()].concat(),
    );
}

#[test]
fn deep_nesting() {
    refused_as(
        "xml",
        HEAD.to_owned() + &"<doc>".repeat(500_000),
        "elements nested too deeply",
    );
    refused_as(
        "json",
        "{\"a\":".repeat(500_000),
        "values nested too deeply",
    );
    refused_as(
        "json",
        "{\"a\":".to_owned() + &"[".repeat(1 << 20),
        "values nested too deeply",
    );
    // Brackets in strings do not nest.
    let text = format!("{{\"copyright\": \"{}\"}}", "[\\\"".repeat(1 << 18));
    refused_as("json", text, "a specification without `major-version`");
}

#[test]
fn wide_rather_than_deep() {
    let many = |part: &str, count: usize| format!("{HEAD}{}</amqp>", part.repeat(count));
    refused_as("xml", many("<doc/>", 500_000), "too many elements");
    let attributes: String = (0..200_000).map(|n| format!(" a{n}=\"\"")).collect();
    refused_as("xml", format!("<amqp{attributes}/>"), "too many attributes");
    let keys: String = (0..200_000).map(|n| format!("\"a{n}\":0,")).collect();
    refused_as(
        "json",
        format!("{{{keys}\"b\":0}}"),
        "a specification of 200001 members",
    );
    let items = "[\"a\",\"bit\"],".repeat(200_000);
    let text = format!("{{\"domains\": [{items}[]]}}");
    let report = refused("json", text);
    assert!(
        report
            .faults()
            .iter()
            .any(|fault| fault.found().ends_with("of 200001 items"))
    );
}

#[test]
fn as_many_of_everything_as_there_may_be() {
    let constants: String = (0..9_000)
        .map(|n| format!("<constant name=\"c{n}\" value=\"{n}\"/>"))
        .collect();
    let xml = format!("{HEAD}{constants}</amqp>");
    let twice = [Input::new("a.xml", xml.clone()), Input::new("b.xml", xml)];
    let before = Instant::now();
    let specification = parse_inputs(&twice, &amqp_codegen::ParseOptions::new()).unwrap();
    assert_eq!(specification.constants.len(), 9_000);
    let chain: String = (0..9_000)
        .map(|n| format!("<domain name=\"d{n}\" type=\"d{}\"/>", n + 1))
        .collect();
    refused("xml", format!("{HEAD}{chain}</amqp>"));
    assert!(before.elapsed() < 2 * SOON);
}

#[test]
fn every_fault_is_counted_but_not_every_one_is_shown() {
    let wrong = "<class name=\"queue\" index=\"x\"/>\n".repeat(5_000);
    let report = refused("xml", format!("{HEAD}\n{wrong}</amqp>"));
    assert_eq!(report.faults().len(), 100);
    assert_eq!(report.n_omitted(), 5_000 + 4_999 - 100);
    assert!(
        report
            .to_string()
            .ends_with("9999 faults, 9899 of them not shown")
    );
}

#[test]
fn entities_are_never_expanded() {
    let bomb = r#"<!DOCTYPE amqp [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>"#;
    refused_as(
        "xml",
        format!("{bomb}{HEAD}&b;</amqp>"),
        "a document type definition",
    );
    refused_as("xml", format!("{HEAD}&b;</amqp>"), "unknown entity `b`");
    let external = r#"<!DOCTYPE amqp [<!ENTITY a SYSTEM "file:///etc/passwd">]><amqp/>"#;
    refused_as("xml", external, "a document type definition");
}

#[test]
fn overlays_are_no_way_in_either() {
    let good = || Input::new("good.xml", format!("{HEAD}</amqp>"));
    let texts = [
        "[".repeat(1 << 20),
        "a.".repeat(1 << 20) + "b = 1",
        format!("a = {}", "[".repeat(1 << 20)),
        format!("a = {}", "{a=".repeat(1 << 18)),
        "[[correct]]\n".repeat(50_000),
        "\"\"\"".repeat(1 << 19),
    ];
    for text in texts {
        let before = Instant::now();
        let inputs = [good(), Input::new("bad.toml", text)];
        let report = parse_inputs(&inputs, &amqp_codegen::ParseOptions::new()).unwrap_err();
        assert!(before.elapsed() < SOON, "took {:?}", before.elapsed());
        assert!(report.to_string().len() < MAX_REPORT);
    }
}
