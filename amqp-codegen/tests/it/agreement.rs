//! The XML and the JSON tell the same protocol, apart from a list that is written down here.
//!
//! Both are read alone, with nothing but the directions added that JSON cannot say, and compared
//! piece by piece. Whatever is not in the lists must be equal, and whatever is in the lists must be
//! there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use amqp_codegen::ParseOptions;
use amqp_codegen::model::{
    Argument, Class, Default, Field, Method, Replies, Role, Specification, WireType,
};

use crate::support::{Input, parse_inputs, path};

fn read(files: &[&str]) -> Specification {
    let inputs: Vec<Input> = files.iter().map(|file| Input::read(&path(file))).collect();
    parse_inputs(&inputs, &ParseOptions::new()).unwrap_or_else(|report| panic!("{report}"))
}

fn xml() -> Specification {
    read(&["../spec/amqp0-9-1.stripped.extended.xml"])
}

fn json() -> Specification {
    read(&[
        "../spec/amqp-rabbitmq-0.9.1.json",
        "../spec/json-directions.toml",
    ])
}

/// A field or bit in a comparable form.
struct Flat {
    name: String,
    wire: WireType,
    domain: Option<String>,
    reserved: bool,
    default: Option<Default>,
}

fn flat(method: &Method) -> Vec<Flat> {
    let mut fields = Vec::new();
    for argument in &method.arguments {
        match argument {
            Argument::Field(Field {
                name,
                wire,
                domain,
                reserved,
                default,
                ..
            }) => {
                fields.push(Flat {
                    name: name.spec.clone(),
                    wire: (*wire).into(),
                    domain: domain.clone(),
                    reserved: *reserved,
                    default: default.clone(),
                });
            }
            Argument::Bits(group) => fields.extend(group.bits().iter().map(|bit| Flat {
                name: bit.name.spec.clone(),
                wire: WireType::Bit,
                domain: bit.domain.clone(),
                reserved: bit.reserved,
                default: bit.default.then_some(Default::Integer(1)),
            })),
        }
    }
    fields
}

/// The methods that both have, with their full names.
fn common<'s>(
    xml: &'s Specification,
    json: &'s Specification,
) -> Vec<(String, &'s Class, &'s Method, &'s Class, &'s Method)> {
    let mut methods = Vec::new();
    for class in &xml.classes {
        for method in &class.methods {
            let (other_class, other) = json.method(class.id, method.id).expect("same ids");
            let name = format!("{}.{}", class.name, method.name);
            methods.push((name, class, method, other_class, other));
        }
    }
    methods
}

/// Pairs as they stand in a list: what both say of one place.
fn pairs<T: Debug>(found: &BTreeMap<String, (T, T)>) -> Vec<String> {
    found
        .iter()
        .map(|(place, (xml, json))| format!("{place}: {xml:?} {json:?}"))
        .collect()
}

#[test]
fn protocol_and_classes_agree() {
    let (xml, json) = (xml(), json());
    assert_eq!(xml.protocol, json.protocol);
    let ids = |specification: &Specification| -> BTreeSet<(u16, String)> {
        specification
            .classes
            .iter()
            .map(|class| (class.id, class.name.spec.clone()))
            .collect()
    };
    let only_json: Vec<_> = ids(&json).difference(&ids(&xml)).cloned().collect();
    assert_eq!(only_json, [(30, "access".to_owned())]);
    assert!(ids(&xml).is_subset(&ids(&json)));
}

#[test]
fn all_64_methods_of_the_xml_are_in_the_json() {
    let (xml, json) = (xml(), json());
    let common = common(&xml, &json);
    assert_eq!(common.len(), 64);
    for (name, class, method, other_class, other) in &common {
        assert_eq!(class.name, other_class.name);
        assert_eq!(method.name, other.name);
        assert_eq!(method.content, other.content, "{name}");
    }
    let n_json: usize = json.classes.iter().map(|class| class.methods.len()).sum();
    assert_eq!(n_json, 64 + 2);
}

#[test]
fn wire_layouts_agree() {
    let (xml, json) = (xml(), json());
    let mut n_fields = 0;
    for (name, _, method, _, other) in common(&xml, &json) {
        let wires = |method| {
            flat(method)
                .iter()
                .map(|field| field.wire)
                .collect::<Vec<_>>()
        };
        assert_eq!(wires(method), wires(other), "{name}");
        n_fields += flat(method).len();
    }
    assert_eq!(n_fields, 141);
    let access = json.classes.iter().find(|class| class.id == 30).unwrap();
    assert_eq!(
        access
            .methods
            .iter()
            .map(|method| flat(method).len())
            .sum::<usize>(),
        7
    );
}

#[test]
fn field_names_differ_where_reserved_and_in_no_wait() {
    let (xml, json) = (xml(), json());
    let mut renamed = BTreeMap::new();
    for (name, _, method, _, other) in common(&xml, &json) {
        for (field, other) in flat(method).into_iter().zip(flat(other)) {
            assert!(!other.reserved, "JSON has no notion of it");
            if field.name != other.name {
                let place = format!("{name}.{}", field.name);
                renamed.insert(place, (field.reserved, other.name));
            } else {
                assert!(
                    !field.reserved,
                    "{name}.{} is reserved in the XML",
                    field.name
                );
            }
        }
    }
    let renamed: Vec<String> = renamed
        .iter()
        .map(|(place, (reserved, name))| format!("{place} {reserved} {name}"))
        .collect();
    assert_eq!(
        renamed,
        [
            "basic.cancel.no-wait false nowait",
            "basic.consume.no-wait false nowait",
            "basic.consume.reserved-1 true ticket",
            "basic.get-empty.reserved-1 true cluster-id",
            "basic.get.reserved-1 true ticket",
            "basic.publish.reserved-1 true ticket",
            "channel.open-ok.reserved-1 true channel-id",
            "channel.open.reserved-1 true out-of-band",
            "connection.open-ok.reserved-1 true known-hosts",
            "connection.open.reserved-1 true capabilities",
            "connection.open.reserved-2 true insist",
            "exchange.bind.no-wait false nowait",
            "exchange.bind.reserved-1 true ticket",
            "exchange.declare.no-wait false nowait",
            "exchange.declare.reserved-1 true ticket",
            "exchange.delete.no-wait false nowait",
            "exchange.delete.reserved-1 true ticket",
            "exchange.unbind.no-wait false nowait",
            "exchange.unbind.reserved-1 true ticket",
            "queue.bind.no-wait false nowait",
            "queue.bind.reserved-1 true ticket",
            "queue.declare.no-wait false nowait",
            "queue.declare.reserved-1 true ticket",
            "queue.delete.no-wait false nowait",
            "queue.delete.reserved-1 true ticket",
            "queue.purge.no-wait false nowait",
            "queue.purge.reserved-1 true ticket",
            "queue.unbind.reserved-1 true ticket",
        ]
    );
}

#[test]
fn properties_differ_in_the_name_of_the_last() {
    let (xml, json) = (xml(), json());
    for (class, other) in xml
        .classes
        .iter()
        .zip(json.classes.iter().filter(|class| class.id != 30))
    {
        let wires = |class: &Class| -> Vec<WireType> {
            class
                .properties
                .iter()
                .map(|property| property.wire)
                .collect()
        };
        assert_eq!(wires(class), wires(other), "{}", class.name);
        let names = class.properties.iter().zip(&other.properties);
        let renamed: Vec<_> = names
            .filter(|(property, other)| property.name != other.name)
            .map(|(property, other)| {
                (
                    property.name.spec.as_str(),
                    property.reserved,
                    other.name.spec.as_str(),
                    other.reserved,
                )
            })
            .collect();
        if class.name.spec == "basic" {
            assert_eq!(class.properties.len(), 14);
            assert_eq!(renamed, [("reserved", true, "cluster-id", false)]);
        } else {
            assert!(renamed.is_empty());
        }
    }
}

#[test]
fn constants_differ_in_frame_min_size() {
    let (xml, json) = (xml(), json());
    let table = |specification: &Specification| -> BTreeMap<String, String> {
        let line = |value, kind| format!("{value} {kind:?}");
        let constants = specification.constants.iter();
        constants
            .map(|each| (each.name.spec.clone(), line(each.value, each.kind)))
            .collect()
    };
    let (xml, json) = (table(&xml), table(&json));
    assert!(xml.keys().eq(json.keys()));
    let differing: BTreeMap<_, _> = xml
        .iter()
        .filter(|(name, value)| json[*name] != **value)
        .map(|(name, value)| (name.clone(), (value.clone(), json[name].clone())))
        .collect();
    assert_eq!(
        pairs(&differing),
        [r#"frame-min-size: "4096 Plain" "8192 Plain""#]
    );
}

#[test]
fn domains_differ_by_dead_ones_and_no_wait() {
    let (xml, json) = (xml(), json());
    let table = |specification: &Specification| -> BTreeSet<String> {
        let domains = specification.domains.iter();
        domains
            .map(|domain| format!("{} {}", domain.name, domain.wire.as_str()))
            .collect()
    };
    let (xml, json) = (table(&xml), table(&json));
    assert_eq!(xml.difference(&json).collect::<Vec<_>>(), ["no-wait bit"]);
    assert_eq!(
        json.difference(&xml).collect::<Vec<_>>(),
        [
            "channel-id longstr",
            "destination shortstr",
            "duration longlong",
            "offset longlong",
            "reference longstr",
            "reject-code short",
            "reject-text shortstr",
            "security-token longstr",
        ]
    );
}

/// JSON names a domain only where the XML names the same one, but for one native type.
#[test]
fn domains_of_fields_come_from_the_xml() {
    let (xml, json) = (xml(), json());
    let mut only_xml = BTreeSet::new();
    for (name, _, method, _, other) in common(&xml, &json) {
        for (field, other) in flat(method).into_iter().zip(flat(other)) {
            match (field.domain, other.domain) {
                (ours, theirs) if ours == theirs => {}
                (Some(domain), None) => {
                    only_xml.insert(domain);
                }
                (ours, theirs) => panic!("{name}.{}: {ours:?} {theirs:?}", field.name),
            }
        }
    }
    let expected = [
        "class-id",
        "consumer-tag",
        "delivery-tag",
        "exchange-name",
        "message-count",
        "method-id",
        "no-ack",
        "no-local",
        "no-wait",
        "path",
        "peer-properties",
        "queue-name",
        "redelivered",
        "reply-code",
        "reply-text",
    ];
    assert!(
        only_xml
            .iter()
            .all(|domain| expected.contains(&domain.as_str())),
        "{only_xml:?}"
    );
}

#[test]
fn defaults_come_from_the_json() {
    let (xml, json) = (xml(), json());
    let mut defaults = Vec::new();
    for (name, _, method, _, other) in common(&xml, &json) {
        assert!(
            flat(method).iter().all(|field| field.default.is_none()),
            "{name}"
        );
        for field in flat(other) {
            defaults.extend(field.default.map(|default| match default {
                Default::Integer(value) => format!("{name}.{} {value}", field.name),
                Default::Text(text) => format!("{name}.{} {text}", field.name),
            }));
        }
    }
    assert_eq!(
        defaults,
        [
            "connection.start.version-minor 9",
            "connection.start.mechanisms PLAIN",
            "connection.start.locales en_US",
            "connection.start-ok.mechanism PLAIN",
            "connection.start-ok.locale en_US",
            "connection.open.virtual-host /",
            "exchange.declare.type direct",
            "basic.reject.requeue 1",
            "basic.nack.requeue 1",
        ]
    );
}

/// What the XML says of requests and replies, the convention of the JSON says as well; it knows one
/// reply more, because the XML forgets it.
#[test]
fn replies_differ_in_recover() {
    let (xml, json) = (xml(), json());
    let mut differing = Vec::new();
    for (name, _, method, _, other) in common(&xml, &json) {
        if method.role != other.role {
            differing.push((name, method.role.clone(), other.role.clone()));
        }
    }
    let asks = Role::Request(Replies::new(111, Vec::new()));
    assert_eq!(
        differing,
        [
            ("basic.recover".to_owned(), Role::OneWay, asks),
            (
                "basic.recover-ok".to_owned(),
                Role::OneWay,
                Role::Reply(vec![110])
            ),
        ]
    );
}

/// The directions that the overlays give to the JSON are those of the corrected XML.
#[test]
fn directions_agree_once_corrected() {
    let corrected = read(&[
        "../spec/amqp0-9-1.stripped.extended.xml",
        "../spec/amqp-rabbitmq-0.9.1.json",
        "../spec/overlay.toml",
    ]);
    for (name, _, method, _, other) in common(&corrected, &json()) {
        assert_eq!(method.direction, other.direction, "{name}");
        assert_eq!(method.role, other.role, "{name}");
    }
}
