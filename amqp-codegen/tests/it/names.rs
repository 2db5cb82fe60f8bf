//! Every name of the protocol, and what becomes of it in Rust: one table to review.

use std::collections::BTreeSet;
use std::fmt::Write;

use amqp_codegen::ParseOptions;
use amqp_codegen::model::{Argument, Name, Specification};

use crate::support::{Input, differs, parse_inputs, path};

fn names(specification: &Specification) -> BTreeSet<&Name> {
    let mut names = BTreeSet::new();
    names.extend(
        specification
            .constants
            .iter()
            .map(|constant| &constant.name),
    );
    names.extend(specification.domains.iter().map(|domain| &domain.name));
    for class in &specification.classes {
        names.insert(&class.name);
        names.extend(class.properties.iter().map(|property| &property.name));
        for method in &class.methods {
            names.insert(&method.name);
            for argument in &method.arguments {
                match argument {
                    Argument::Field(field) => {
                        names.insert(&field.name);
                    }
                    Argument::Bits(group) => names.extend(group.bits().iter().map(|bit| &bit.name)),
                }
            }
        }
    }
    names
}

#[test]
fn every_name_converts_as_expected() {
    let files = [
        "../spec/amqp0-9-1.stripped.extended.xml",
        "../spec/amqp-rabbitmq-0.9.1.json",
        "../spec/overlay.toml",
    ];
    let inputs: Vec<Input> = files.iter().map(|file| Input::read(&path(file))).collect();
    let specification = parse_inputs(&inputs, &ParseOptions::new()).unwrap();
    let mut table = String::new();
    for Name {
        spec,
        snake,
        camel,
        upper,
        ..
    } in names(&specification)
    {
        writeln!(table, "{spec:<22} {snake:<22} {camel:<20} {upper}").unwrap();
    }
    if let Some(difference) = differs(&table, &path("tests/names.txt")) {
        panic!("{difference}");
    }
}
