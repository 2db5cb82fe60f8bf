//! The model, once nothing is missing.
//!
//! Whatever still is missing either was reported by an earlier pass or is reported here. So no
//! model means at least one fault.

use std::collections::BTreeMap;

use super::draft::{self, Draft};
use super::{layout, replies};
use crate::input::{Span, Spanned};
use crate::model::{Class, Constant, Domain, Method, Property, Protocol, Specification};
use crate::naming;
use crate::report::Faults;

/// Builds the model; `None` if there is a fault. The caller fills in the names of the sources.
pub(super) fn build(draft: &Draft, faults: &mut Faults) -> Option<Specification> {
    report_undirected(draft, faults);
    let constants = all(&draft.constants, build_constant);
    let domains = all(&draft.domains, build_domain);
    let mut classes = all(&draft.classes, |class| build_class(class, faults))?;
    classes.sort_by_key(|class| class.id);
    let protocol = Protocol {
        major: draft.major.as_ref()?.value,
        minor: draft.minor.as_ref()?.value,
        revision: draft.revision.as_ref().map_or(0, |revision| revision.value),
        port: draft.port.as_ref()?.value,
    };
    let (constants, domains) = (constants?, domains?);
    faults.is_empty().then_some(Specification {
        protocol,
        sources: Vec::new(),
        constants,
        domains,
        classes,
    })
}

/// Builds every item, even behind one that fails, so that each can report.
fn all<T, U>(items: &[T], build: impl FnMut(&T) -> Option<U>) -> Option<Vec<U>> {
    let built: Vec<Option<U>> = items.iter().map(build).collect();
    built.into_iter().collect()
}

fn build_constant(constant: &draft::Constant) -> Option<Constant> {
    let value = constant.value.as_ref()?;
    Some(Constant {
        name: naming::name(&constant.name.value),
        value: value.value,
        kind: constant.kind.value,
        docs: constant.docs.clone(),
    })
}

fn build_domain(domain: &draft::Domain) -> Option<Domain> {
    Some(Domain {
        name: naming::name(&domain.name.value),
        wire: domain.wire?,
        asserts: domain.asserts.clone(),
        docs: domain.docs.clone(),
    })
}

fn build_class(class: &draft::Class, faults: &mut Faults) -> Option<Class> {
    let methods = all(&class.methods, |method| build_method(method, class, faults));
    let properties = all(&class.properties, |property| {
        build_property(property, faults)
    });
    let name = format!("class `{}`", class.name.value);
    check_id(&name, class.id.as_ref(), faults);
    let (mut methods, properties) = (methods?, properties?);
    methods.sort_by_key(|method| method.id);
    Some(Class {
        name: naming::name(&class.name.value),
        id: class.id.as_ref()?.value,
        methods,
        properties,
        docs: class.docs.clone(),
    })
}

/// Reports methods of which no source or overlay tells who sends them. RabbitMQ's JSON tells it of
/// none: that is one fault, however many methods it has.
fn report_undirected(draft: &Draft, faults: &mut Faults) {
    let mut silent: BTreeMap<usize, Vec<(Span, String)>> = BTreeMap::new();
    for class in &draft.classes {
        for method in class
            .methods
            .iter()
            .filter(|method| method.direction.is_none())
        {
            let path = format!("`{}.{}`", class.name.value, method.name.value);
            let place = method.name.span;
            if method.replies_named {
                let expected =
                    "a `chassis` in XML, or a correction of its `direction` in an overlay";
                faults.push(
                    place,
                    format!("method {path} without a direction"),
                    expected,
                );
            } else {
                silent.entry(place.file()).or_default().push((place, path));
            }
        }
    }
    for methods in silent.values() {
        let Some((place, first)) = methods.first() else {
            continue;
        };
        if methods.len() == 1 {
            let expected = "a correction of its `direction` in an overlay, or a source in XML";
            faults.push(
                *place,
                format!("method {first} without a direction"),
                expected,
            );
            continue;
        }
        let names = methods.iter().take(3).map(|(_, path)| path.as_str());
        let mut names: Vec<&str> = names.collect();
        if methods.len() > names.len() {
            names.push("…");
        }
        let found = format!(
            "{} methods without a direction: {}",
            methods.len(),
            names.join(", ")
        );
        let expected = "the receivers of each, as in `\"accepted-by\": [\"server\"]`, a source in \
                        XML, or an overlay that corrects the `direction` of each, as this project's `spec/json-directions.toml` does for RabbitMQ's JSON";
        faults.push(*place, found, expected);
    }
}

/// An id of 0 is what a close tells that no method caused.
fn check_id(what: &str, id: Option<&Spanned<u16>>, faults: &mut Faults) {
    if let Some(Spanned { value: 0, span }) = id {
        let found = format!("{what} with the id 0");
        faults.push(
            *span,
            found,
            "at least 1: a close tells 0 if no method caused it",
        );
    }
}

fn build_method(
    method: &draft::Method,
    class: &draft::Class,
    faults: &mut Faults,
) -> Option<Method> {
    let path = format!("method `{}.{}`", class.name.value, method.name.value);
    check_id(&path, method.id.as_ref(), faults);
    let role = replies::role(method, class, faults);
    let arguments = layout::arguments(&method.fields, faults);
    Some(Method {
        name: naming::name(&method.name.value),
        id: method.id.as_ref()?.value,
        direction: method.direction.as_ref()?.value,
        role: role?,
        content: method.content,
        deprecated: method.deprecated == Some(true),
        arguments: arguments?,
        docs: method.docs.clone(),
    })
}

fn build_property(property: &draft::Field, faults: &mut Faults) -> Option<Property> {
    let (wire, domain) = layout::wire_type(property, faults)?;
    Some(Property {
        name: naming::name(&property.name.value),
        wire,
        domain,
        reserved: property.is_reserved(),
        docs: property.docs.clone(),
    })
}
