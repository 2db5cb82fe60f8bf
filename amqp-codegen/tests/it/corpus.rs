//! What the generator makes of every specification file there is.
//!
//! `tests/corpus/README.md` says where the files come from. The numbers are what a script counted
//! in the files, apart from the domains: the wire types' own names are not counted.

use std::fmt;

use amqp_codegen::model::{Argument, ConstantKind, Direction, Role, Specification};
use amqp_codegen::{ParseOptions, emit};

use crate::support::{Input, every_output, parse_inputs, path};

/// What is counted in a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Counts {
    classes: usize,
    methods: usize,
    fields: usize,
    bits: usize,
    reserved: usize,
    constants: usize,
    soft: usize,
    hard: usize,
    domains: usize,
    properties: usize,
    content: usize,
    replies: usize,
}

impl Counts {
    fn of(specification: &Specification) -> Self {
        let classes = &specification.classes;
        let methods: Vec<_> = classes.iter().flat_map(|class| &class.methods).collect();
        let arguments = || methods.iter().flat_map(|method| &method.arguments);
        let fields = arguments().filter_map(|argument| match argument {
            Argument::Field(field) => Some(field),
            Argument::Bits(_) => None,
        });
        let fields: Vec<_> = fields.collect();
        let bits = arguments().flat_map(|argument| match argument {
            Argument::Field(_) => &[],
            Argument::Bits(group) => group.bits(),
        });
        let bits: Vec<_> = bits.collect();
        let kinds = |kind: ConstantKind| {
            specification
                .constants
                .iter()
                .filter(|constant| constant.kind == kind)
                .count()
        };
        let replies = methods.iter().map(|method| match &method.role {
            Role::Request(replies) => replies.iter().count(),
            Role::Reply(_) | Role::OneWay => 0,
        });
        Self {
            classes: classes.len(),
            methods: methods.len(),
            fields: fields.len() + bits.len(),
            bits: bits.len(),
            reserved: fields.iter().filter(|field| field.reserved).count()
                + bits.iter().filter(|bit| bit.reserved).count(),
            constants: specification.constants.len(),
            soft: kinds(ConstantKind::SoftError),
            hard: kinds(ConstantKind::HardError),
            domains: specification.domains.len(),
            properties: classes.iter().map(|class| class.properties.len()).sum(),
            content: methods.iter().filter(|method| method.content).count(),
            replies: replies.sum(),
        }
    }
}

fn inputs(files: &[&str]) -> Vec<Input> {
    files.iter().map(|file| Input::read(&path(file))).collect()
}

#[track_caller]
fn accepted(files: &[&str], expected: Counts) -> Specification {
    match parse_inputs(&inputs(files), &ParseOptions::new()) {
        Ok(specification) => {
            assert_eq!(Counts::of(&specification), expected);
            assert!(!emit::emit(&specification, &every_output()).is_empty());
            specification
        }
        Err(report) => panic!("{report}"),
    }
}

/// Where a report says what, in short.
struct Refusal(&'static str, usize, usize, &'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(file, line, column, found) = self;
        write!(f, "{file}:{line}:{column}: {found}")
    }
}

#[track_caller]
fn refused(files: &[&str], expected: &[Refusal]) {
    let report = parse_inputs(&inputs(files), &ParseOptions::new()).unwrap_err();
    let found: Vec<String> = report
        .faults()
        .iter()
        .map(|fault| {
            format!(
                "{}:{}:{}: {}",
                fault.file(),
                fault.line(),
                fault.column(),
                fault.found()
            )
        })
        .collect();
    let expected: Vec<String> = expected.iter().map(Refusal::to_string).collect();
    assert_eq!(found, expected);
}

const X: &str = "../spec/amqp0-9-1.stripped.xml";
const XG: &str = "../spec/amqp0-9-1.stripped.extended.xml";
const XR: &str = "tests/corpus/debian-amqp-specs/amqp0-9-1.stripped.extended.xml";
const XQ: &str = "tests/corpus/debian-amqp-specs/amqp0-9-1-qpid.stripped.xml";
const X8: &str = "tests/corpus/debian-amqp-specs/amqp0-8.stripped.xml";
const X9: &str = "tests/corpus/debian-amqp-specs/amqp0-9.stripped.xml";
const J: &str = "../spec/amqp-rabbitmq-0.9.1.json";
const J3: &str = "tests/corpus/debian-rabbitmq-server/amqp-rabbitmq-0.9.1.json";
const J8: &str = "tests/corpus/debian-rabbitmq-server/amqp-rabbitmq-0.8.json";
const JC: &str = "tests/corpus/debian-rabbitmq-server/credit_extension.json";
const GENERATIONS: &str = "tests/corpus/overlays/generations.toml";
const OVERLAY: &str = "../spec/overlay.toml";
const DIRECTIONS: &str = "../spec/json-directions.toml";

const PURE: Counts = Counts {
    classes: 6,
    methods: 53,
    fields: 122,
    bits: 35,
    reserved: 18,
    constants: 24,
    soft: 6,
    hard: 11,
    domains: 24 - 9,
    properties: 14,
    content: 4,
    replies: 23,
};

const EXTENDED: Counts = Counts {
    classes: 7,
    methods: 64,
    fields: 141,
    bits: 40,
    reserved: 18,
    constants: 25,
    soft: 7,
    hard: 11,
    domains: 24 - 9,
    properties: 14,
    content: 4,
    replies: 27,
};

const JSON: Counts = Counts {
    classes: 8,
    methods: 66,
    fields: 148,
    bits: 45,
    reserved: 0,
    constants: 25,
    soft: 7,
    hard: 11,
    domains: 31 - 9,
    properties: 14,
    content: 4,
    replies: 29,
};

#[test]
fn pure_specification() {
    accepted(&[X], PURE);
}

#[test]
fn specification_with_rabbitmq_extensions_of_2013() {
    let counts = Counts {
        methods: 60,
        fields: 138,
        constants: 24,
        soft: 6,
        replies: 26,
        ..EXTENDED
    };
    accepted(&[XR], counts);
}

#[test]
fn specification_with_rabbitmq_extensions_of_today() {
    accepted(&[XG], EXTENDED);
}

#[test]
fn three_generations_of_xml_are_views_of_one_protocol() {
    accepted(&[XG, XR, X, GENERATIONS], EXTENDED);
    // With the pure file first, `auto-delete` and `internal` stay reserved, as they are there.
    let specification = accepted(
        &[X, XR, XG, GENERATIONS],
        Counts {
            reserved: 18 + 2,
            ..EXTENDED
        },
    );
    let (_, declare) = specification.method(40, 10).unwrap();
    assert!(declare.arguments.iter().any(|argument| match argument {
        Argument::Bits(group) => group.bits().iter().filter(|bit| bit.reserved).count() == 2,
        Argument::Field(_) => false,
    }));
}

#[test]
fn rabbitmq_json() {
    accepted(&[J, DIRECTIONS], JSON);
    accepted(&[J3, DIRECTIONS], JSON);
}

#[test]
fn rabbitmq_json_alone_lacks_66_directions_and_is_told_once() {
    let report = parse_inputs(&inputs(&[J]), &ParseOptions::new()).unwrap_err();
    let [fault] = report.faults() else {
        panic!("{report}");
    };
    let names = "`basic.qos`, `basic.qos-ok`, `basic.consume`";
    let found = format!("66 methods without a direction: {names}, …");
    assert_eq!(fault.found(), found);
    assert!(fault.expected().contains("spec/json-directions.toml"));
}

#[test]
fn json_of_two_releases_disagree_about_one_constant() {
    let expected = [Refusal(
        "amqp-rabbitmq-0.9.1.json",
        77,
        45,
        "constant `frame-min-size` is 4096",
    )];
    refused(&[J, J3, DIRECTIONS], &expected);
}

#[test]
fn input_set_of_this_repository() {
    let counts = Counts {
        domains: EXTENDED.domains + 8,
        replies: 29,
        // Two of the codes come in `basic.return` alone.
        soft: JSON.soft - 2,
        ..JSON
    };
    let inputs = inputs(&[XG, J, OVERLAY]);
    let options = ParseOptions::new().require_docs(true);
    let specification = parse_inputs(&inputs, &options).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(
        Counts {
            reserved: 0,
            ..Counts::of(&specification)
        },
        counts
    );
    assert_eq!(Counts::of(&specification).reserved, 18);
}

#[test]
fn credit_extension() {
    let counts = Counts {
        methods: 69,
        fields: 154,
        bits: 46,
        replies: 30,
        ..JSON
    };
    let overlay = "tests/corpus/overlays/credit_extension.toml";
    let specification = accepted(&[J, JC, DIRECTIONS, overlay], counts);
    let (_, credit) = specification.method(60, 200).unwrap();
    assert_eq!(credit.name.spec, "credit");
    assert_eq!(credit.direction, Direction::ClientToServer);
    refused(
        &[JC],
        &[Refusal(
            "credit_extension.json",
            1,
            1,
            "no specification among the sources",
        )],
    );
}

#[test]
fn qpid_refers_to_an_unknown_domain() {
    let expected = [Refusal(
        "amqp0-9-1-qpid.stripped.xml",
        252,
        39,
        "unknown type `queue name`",
    )];
    refused(&[XQ], &expected);
    let counts = Counts {
        methods: 55,
        fields: 127,
        domains: 26 - 9,
        replies: 24,
        ..PURE
    };
    accepted(&[XQ, "tests/corpus/overlays/amqp0-9-1-qpid.toml"], counts);
}

#[test]
fn amqp_0_8() {
    let counts = Counts {
        classes: 12,
        methods: 89,
        fields: 208,
        bits: 57,
        reserved: 0,
        constants: 26,
        soft: 5,
        hard: 10,
        domains: 15,
        properties: 33,
        content: 12,
        replies: 38,
    };
    accepted(&[X8], counts);
}

#[test]
fn amqp_0_8_in_json() {
    let counts = Counts {
        classes: 12,
        methods: 93,
        fields: 214,
        bits: 58,
        reserved: 0,
        constants: 30,
        soft: 8,
        hard: 11,
        domains: 32 - 9,
        properties: 33,
        content: 12,
        replies: 38,
    };
    accepted(
        &[J8, "tests/corpus/overlays/amqp-rabbitmq-0.8.toml"],
        counts,
    );
}

#[test]
fn amqp_0_8_in_xml_and_json_disagree_about_recover() {
    let report = parse_inputs(&inputs(&[X8, J8]), &ParseOptions::new()).unwrap_err();
    let found: Vec<_> = report.faults().iter().map(|fault| fault.found()).collect();
    assert!(
        found.contains(&"id of method `basic.recover`: 110"),
        "{report}"
    );
}

#[test]
fn amqp_0_9_has_a_type_of_its_own_and_a_reply_that_the_client_may_send_to_itself() {
    let file = "amqp0-9.stripped.xml";
    let expected = [
        Refusal(file, 752, 34, "unknown type `content`"),
        Refusal(
            file,
            828,
            19,
            "reply `message.empty` is sent by either side",
        ),
    ];
    refused(&[X9], &expected);
}

#[test]
fn versions_are_not_views_of_one_protocol() {
    let report = parse_inputs(&inputs(&[X, X8]), &ParseOptions::new()).unwrap_err();
    assert_eq!(report.faults()[0].found(), "major version 8");
}
