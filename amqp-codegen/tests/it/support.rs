//! Fixtures, and what is compared with them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use amqp_codegen::emit::{Options, Outputs};
use amqp_codegen::model::{Argument, Class, Direction, Method, Role, Specification, WireType};
use amqp_codegen::{ParseOptions, Report, Source, parse};

/// A path below the crate.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A file and the name that reports call it by.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) text: Vec<u8>,
}

impl Input {
    /// Reads a file of the repository; reports call it by its file name.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Self { name, text }
    }

    /// A text made up by a test.
    pub(crate) fn new(name: &str, text: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            text: text.into(),
        }
    }

    /// For `parse`; an XML file that is named as an extension is passed as one.
    pub(crate) fn source(&self) -> Source<'_> {
        if self.name.ends_with(".extension.xml") {
            Source::extension(&self.name, &self.text)
        } else {
            Source::new(&self.name, &self.text)
        }
    }

    fn is_overlay(&self) -> bool {
        self.name.ends_with(".toml")
    }
}

/// Parses files; those that end in `.toml` are overlays.
pub(crate) fn parse_inputs(
    inputs: &[Input],
    options: &ParseOptions,
) -> Result<Specification, Report> {
    let pick = |overlays: bool| -> Vec<Source<'_>> {
        let picked = inputs.iter().filter(|input| input.is_overlay() == overlays);
        picked.map(Input::source).collect()
    };
    parse(&pick(false), &pick(true), options)
}

/// Parses one text without overlay.
pub(crate) fn parse_text(name: &str, text: impl Into<Vec<u8>>) -> Result<Specification, Report> {
    parse_inputs(&[Input::new(name, text)], &ParseOptions::new())
}

/// Every output, for a crate of its own.
pub(crate) fn every_output() -> Options {
    Options {
        outputs: Outputs {
            rust: Some("src".to_owned()),
            conformance: Some("tests".to_owned()),
            vectors: Some("vectors".to_owned()),
            reference: Some("protocol.md".to_owned()),
            dictionary: Some("amqp.dict".to_owned()),
        },
        ..Options::default()
    }
}

/// The inputs of a fixture: every file of the folder but the expectation, by name.
pub(crate) fn inputs_of(folder: &Path) -> Vec<Input> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| file.file_name().unwrap() != "expected.txt");
    files.sort();
    files.iter().map(|file| Input::read(file)).collect()
}

/// The folders in a folder, by name.
pub(crate) fn folders(relative: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(path(relative)).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    folders
}

/// Compares with a file, or rewrites it if the environment says so. Returns what differs.
pub(crate) fn differs(actual: &str, expected: &Path) -> Option<String> {
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(expected, actual).unwrap();
        return None;
    }
    let wanted = fs::read_to_string(expected).unwrap_or_default();
    let shown = expected.strip_prefix(path("")).unwrap().display();
    (wanted != actual).then(|| {
        format!(
            "{shown} expects\n{wanted}\nbut there is\n{actual}\n(UPDATE_EXPECT=1 rewrites it)\n"
        )
    })
}

/// Everything a model says, in a form that people can compare: one line for each thing.
pub(crate) fn summary(specification: &Specification) -> String {
    let mut text = String::new();
    let protocol = &specification.protocol;
    let amqp = format!(
        "{}-{}-{}",
        protocol.major, protocol.minor, protocol.revision
    );
    writeln!(text, "amqp {amqp} port {}", protocol.port).unwrap();
    for constant in &specification.constants {
        writeln!(
            text,
            "constant {} = {} {:?}",
            constant.name, constant.value, constant.kind
        )
        .unwrap();
    }
    for domain in &specification.domains {
        let asserts = asserts(&domain.asserts);
        writeln!(
            text,
            "domain {}: {}{asserts}",
            domain.name,
            domain.wire.as_str()
        )
        .unwrap();
    }
    for class in &specification.classes {
        writeln!(text, "class {} ({})", class.name, class.id).unwrap();
        for method in &class.methods {
            writeln!(text, "  {}", method_line(class, method)).unwrap();
        }
        for property in &class.properties {
            let kind = kind(property.wire, property.domain.as_deref(), property.reserved);
            writeln!(text, "  property {}: {kind}", property.name).unwrap();
        }
    }
    text
}

fn method_line(class: &Class, method: &Method) -> String {
    let arrow = match method.direction {
        Direction::ClientToServer => "C→S",
        Direction::ServerToClient => "S→C",
        Direction::Both => "C↔S",
    };
    let named = |id: &u16| {
        let found = class.methods.iter().find(|other| other.id == *id);
        found.unwrap().name.spec.clone()
    };
    let role = match &method.role {
        Role::Request(replies) => {
            let replies: Vec<String> = replies.iter().map(|id| named(&id)).collect();
            format!(" asks for {}", replies.join(" | "))
        }
        Role::Reply(requests) => {
            let requests: Vec<String> = requests.iter().map(named).collect();
            format!(" answers {}", requests.join(" | "))
        }
        Role::OneWay => String::new(),
    };
    let content = if method.content { " with content" } else { "" };
    let deprecated = if method.deprecated { " deprecated" } else { "" };
    let arguments = arguments(method).join(", ");
    let head = format!(
        "{} ({}) {arrow}{role}{content}{deprecated}",
        method.name, method.id
    );
    format!("{head}: {arguments}")
}

fn arguments(method: &Method) -> Vec<String> {
    let mut lines = Vec::new();
    for argument in &method.arguments {
        match argument {
            Argument::Field(field) => {
                let kind = kind(field.wire.into(), field.domain.as_deref(), field.reserved);
                let default = match &field.default {
                    None => String::new(),
                    Some(default) => format!("={default:?}"),
                };
                let secret = if field.secret { " secret" } else { "" };
                let asserts = asserts(&field.asserts);
                lines.push(format!("{}:{kind}{default}{secret}{asserts}", field.name));
            }
            Argument::Bits(group) => {
                let bits: Vec<String> = group
                    .bits()
                    .iter()
                    .map(|bit| {
                        let kind = kind(WireType::Bit, bit.domain.as_deref(), bit.reserved);
                        let default = if bit.default { "=true" } else { "" };
                        format!("{}:{kind}{default}", bit.name)
                    })
                    .collect();
                lines.push(format!("<{}>", bits.join(" ")));
            }
        }
    }
    lines
}

fn kind(wire: WireType, domain: Option<&str>, reserved: bool) -> String {
    let mut text = wire.as_str().to_owned();
    if let Some(domain) = domain {
        text = format!("{text}({domain})");
    }
    if reserved { text + " reserved" } else { text }
}

fn asserts(asserts: &[String]) -> String {
    if asserts.is_empty() {
        String::new()
    } else {
        format!(" [{}]", asserts.join(", "))
    }
}
