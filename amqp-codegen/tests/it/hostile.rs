//! Input that is large, deep or nested on purpose: refused at a cost that grows as the input does,
//! and with little said.

use amqp_codegen::{ParseOptions, Report};

use crate::growth;
use crate::support::{Input, parse_inputs, parse_text, path};

/// No report on a hostile file is longer than people read.
const MAX_REPORT: usize = 100_000;

#[track_caller]
fn refused(name: &str, text: impl Into<Vec<u8>>) -> Report {
    let text = text.into();
    let report = growth::bounded(text.len(), || parse_text(name, text)).unwrap_err();
    assert!(report.to_string().len() < MAX_REPORT);
    report
}

#[track_caller]
fn refused_as(name: &str, text: impl Into<Vec<u8>>, found: &str) {
    let report = refused(name, text);
    assert_eq!(report.faults()[0].found(), found, "{report}");
}

/// Checks that a text of `n_parts` parts is refused, whatever it is refused for, at a cost that
/// grows as they do.
#[track_caller]
fn refused_evenly<T: Into<Vec<u8>>>(name: &str, n_parts: usize, make: impl Fn(usize) -> T) {
    let inputs = |n_parts| [Input::new(name, make(n_parts))];
    refused(name, make(n_parts));
    growth::even(name, n_parts, inputs, |inputs| {
        assert!(parse_inputs(inputs, &ParseOptions::new()).is_err());
    });
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
fn fifty_megabytes_of_garbage_are_refused_before_they_are_read() {
    const LEN: usize = 50 << 20;
    #[track_caller]
    fn unread(name: &str, text: Vec<u8>) {
        // No memory for what is in it.
        let report = growth::bounded(0, || parse_text(name, text)).unwrap_err();
        assert_eq!(report.faults()[0].found(), "a file of 52428800 octets");
    }
    unread("noise", noise(LEN));
    unread("noise.toml", noise(LEN));
    unread("zeros", vec![0; LEN]);
    unread("xml", "<".repeat(LEN).into_bytes());
}

#[test]
fn garbage_of_the_largest_size() {
    const LEN: usize = 4 << 20;
    refused("noise", noise(LEN));
    refused_as("zeros", vec![0; LEN], "neither XML nor JSON");
    refused_as("space", vec![b' '; LEN], "a file of nothing but space");
    refused("ampersands", format!("<amqp>{}", "&".repeat(LEN - 6)));
}

#[test]
fn garbage_of_bearable_size_costs_what_its_length_does() {
    const LEN: usize = 1 << 20;
    refused_evenly("space", LEN, |len| vec![b' '; len]);
    refused_evenly("tags", LEN, |len| "<".repeat(len));
    refused_evenly("braces", LEN, |len| "{".repeat(len));
    refused_evenly("quote", LEN, |len| format!("{{\"{}", "\\".repeat(len)));
    refused_evenly("comment", LEN, |len| format!("<!--{}", "-".repeat(len)));
    refused_evenly("text", LEN, |len| format!("<amqp>{}", "x".repeat(len)));
    refused_evenly("lines", LEN, |len| format!("<amqp>{}", "\n".repeat(len)));
    refused_evenly("ampersands", LEN, |len| {
        format!("<amqp>{}", "&".repeat(len))
    });
    refused_evenly("references", LEN / 5, |count| {
        format!("<amqp>{}", "&amp;".repeat(count))
    });
}

#[test]
fn garbage_behind_a_good_beginning() {
    let printable = |len| -> Vec<u8> { noise(len).iter().map(|byte| byte % 95 + b' ').collect() };
    refused("noise.xml", [HEAD.as_bytes(), &noise(1 << 20)].concat());
    refused_evenly("printable.xml", 1 << 20, |len| {
        [HEAD.as_bytes(), &printable(len)].concat()
    });
    refused_evenly("printable.json", 1 << 20, |len| {
        [b"{\"classes\": [", printable(len).as_slice()].concat()
    });
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
    let text = |count| format!("{{\"copyright\": \"{}\"}}", "[\\\"".repeat(count));
    refused_as(
        "json",
        text(1 << 18),
        "a specification without `major-version`",
    );
    refused_evenly("brackets.json", 1 << 18, text);
}

#[test]
fn wide_rather_than_deep() {
    let elements = |count| format!("{HEAD}{}</amqp>", "<doc/>".repeat(count));
    refused_as("xml", elements(500_000), "too many elements");
    refused_evenly("elements.xml", 500_000, elements);
    let attributes = |count| {
        let attributes: String = (0..count).map(|n| format!(" a{n}=\"\"")).collect();
        format!("<amqp{attributes}/>")
    };
    refused_as("xml", attributes(200_000), "too many attributes");
    refused_evenly("attributes.xml", 200_000, attributes);
    let keys = |count| {
        let keys: String = (0..count).map(|n| format!("\"a{n}\":0,")).collect();
        format!("{{{keys}\"b\":0}}")
    };
    refused_as("json", keys(200_000), "a specification of 200001 members");
    refused_evenly("keys.json", 200_000, keys);
    let items = |count| {
        let items = "[\"a\",\"bit\"],".repeat(count);
        format!("{{\"domains\": [{items}[]]}}")
    };
    let report = refused("json", items(200_000));
    assert!(
        report
            .faults()
            .iter()
            .any(|fault| fault.found().ends_with("of 200001 items"))
    );
    refused_evenly("items.json", 200_000, items);
}

#[test]
fn as_many_of_everything_as_there_may_be() {
    let twice = |count| {
        let constants: String = (0..count)
            .map(|n| format!("<constant name=\"c{n}\" value=\"{n}\"/>"))
            .collect();
        let xml = format!("{HEAD}{constants}</amqp>");
        [Input::new("a.xml", xml.clone()), Input::new("b.xml", xml)]
    };
    growth::even("constants in two views", 9_000, twice, |inputs| {
        parse_inputs(inputs, &ParseOptions::new()).unwrap();
    });
    let specification = parse_inputs(&twice(9_000), &ParseOptions::new()).unwrap();
    assert_eq!(specification.constants.len(), 9_000);
    refused_evenly("chain.xml", 9_000, |count| {
        let chain: String = (0..count)
            .map(|n| format!("<domain name=\"d{n}\" type=\"d{}\"/>", n + 1))
            .collect();
        format!("{HEAD}{chain}</amqp>")
    });
}

#[test]
fn words_of_a_megabyte_are_told_in_brief() {
    let long = "x".repeat(1 << 20);
    let digits = "9".repeat(1 << 20);
    let xml = |inside: String| format!("{HEAD}{inside}</amqp>");
    let texts = [
        xml(format!("<domain name=\"a\" type=\"{long}\"/>")),
        xml(format!("<{long}/>")),
        xml(format!("<domain {long}=\"a\"/>")),
        xml(format!("<constant name=\"a\" value=\"{digits}\"/>")),
        xml(format!(
            "<constant name=\"a\" value=\"1\" class=\"{long}\"/>"
        )),
        xml(format!("<class name=\"{long}\" index=\"{long}\"/>")),
        xml(format!("<constant name=\"{long}\" value=\"1\"/>").repeat(2)),
        xml(format!("&{long};")),
        format!("<{long}/>"),
        format!("<!DOCTYPE {long}>"),
        format!("<?xml version=\"1.0\" encoding=\"{long}\"?>{HEAD}</amqp>"),
        format!("{{\"{long}\": 1}}"),
        format!("{{\"major-version\": \"{long}\"}}"),
        format!("{{\"major-version\": {digits}}}"),
        format!("{{\"domains\": [[\"a\", \"{long}\"]]}}"),
    ];
    for text in texts {
        let report = parse_text("long", text).unwrap_err();
        let told = report.to_string().len();
        let beginning: String = report.to_string().chars().take(200).collect();
        assert!(told < 10_000, "{told} octets: {beginning}");
    }
    let overlays = [
        format!("[[correct]]\n{long} = 1"),
        format!("{long} = 1"),
        format!("[field.\"{long}\"]\nx = \"y\""),
        format!("[[correct]]\ntarget = \"{long}\"\nreason = \"y\""),
    ];
    for text in overlays {
        let good = Input::new("good.xml", format!("{HEAD}</amqp>"));
        let inputs = [good, Input::new("long.toml", text)];
        let report = parse_inputs(&inputs, &ParseOptions::new()).unwrap_err();
        let told = report.to_string().len();
        let beginning: String = report.to_string().chars().take(200).collect();
        assert!(told < 10_000, "{told} octets: {beginning}");
    }
}

#[test]
fn names_that_would_be_repeated_for_all_that_is_in_a_class_are_short() {
    let class = |name: &str, n_methods: usize| {
        let methods: String = (0..n_methods)
            .map(|n| {
                let chassis = "<chassis name=\"server\" implement=\"MUST\"/>";
                format!(
                    "<method name=\"m{n}\" index=\"{}\">{chassis}</method>",
                    n + 1
                )
            })
            .collect();
        format!("{HEAD}<class name=\"{name}\" index=\"1\">{methods}</class></amqp>")
    };
    let longest = "x".repeat(200);
    parse_text("name.xml", class(&longest, 1)).unwrap();
    refused_as(
        "name.xml",
        class(&(longest + "x"), 1),
        "a name of 201 octets",
    );
    // Half of the text is the name; it was copied for each method.
    refused_evenly("name.xml", 4_000, |n_methods| {
        class(&"x".repeat(n_methods * 60), n_methods)
    });
    let long = "x".repeat(300);
    for json in [
        format!("{{\"extension\": {{}}, \"domains\": [[\"{long}\", \"bit\"]]}}"),
        format!("{{\"extension\": {{}}, \"constants\": [{{\"name\": \"{long}\", \"value\": 1}}]}}"),
    ] {
        let inputs = [
            Input::new("a.xml", class("a", 1)),
            Input::new("b.json", json),
        ];
        let report = parse_inputs(&inputs, &ParseOptions::new()).unwrap_err();
        assert_eq!(
            report.faults()[0].found(),
            "a name of 300 octets",
            "{report}"
        );
    }
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
    #[track_caller]
    fn refused_with(what: &str, n_parts: usize, make: impl Fn(usize) -> String) {
        let inputs = |n_parts| {
            let good = Input::new("good.xml", format!("{HEAD}</amqp>"));
            [good, Input::new("bad.toml", make(n_parts))]
        };
        let bad = inputs(n_parts);
        let read = || parse_inputs(&bad, &ParseOptions::new());
        let report = growth::bounded(bad[1].text.len(), read).unwrap_err();
        assert!(report.to_string().len() < MAX_REPORT);
        growth::even(what, n_parts, inputs, |inputs| {
            assert!(parse_inputs(inputs, &ParseOptions::new()).is_err());
        });
    }
    refused_with("brackets", 1 << 18, |count| "[".repeat(count));
    refused_with("dots", 1 << 18, |count| "a.".repeat(count) + "b = 1");
    refused_with("arrays", 1 << 17, |count| {
        format!("a = {}", "[".repeat(count))
    });
    refused_with("tables", 1 << 16, |count| {
        format!("a = {}", "{a=".repeat(count))
    });
    refused_with("corrections", 50_000, |count| "[[correct]]\n".repeat(count));
    refused_with("quotes", 1 << 19, |count| "\"\"\"".repeat(count));
}

#[test]
fn a_file_that_is_given_twice_is_one_fault() {
    let specification = || Input::read(&path("../spec/amqp0-9-1.stripped.extended.xml"));
    let json = || Input::read(&path("../spec/amqp-rabbitmq-0.9.1.json"));
    let overlay = || Input::read(&path("../spec/overlay.toml"));
    let twice = [
        vec![specification(), specification()],
        vec![specification(), json(), overlay(), overlay()],
    ];
    for inputs in twice {
        let report = parse_inputs(&inputs, &ParseOptions::new()).unwrap_err();
        let [fault] = report.faults() else {
            panic!("{report}")
        };
        assert_eq!(fault.found(), "a file that is given twice");
        assert_eq!(fault.file(), inputs.last().unwrap().name);
    }
}
