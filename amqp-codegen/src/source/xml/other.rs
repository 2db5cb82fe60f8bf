//! XML that is something else: another version of AMQP, or not AMQP at all.
//!
//! One fault says so, in place of one for each element.

use super::tree::Element;
use crate::report::Faults;

/// Reports a root that no specification of AMQP 0-8 to 0-9-1 has.
pub(super) fn check(root: &Element, is_extension: bool, faults: &mut Faults) -> Option<()> {
    let version = version(root);
    let is_root = root.name == "amqp" || (is_extension && root.name == "rabbitmq");
    let (found, expected) = match version {
        Some(version) => (format!("a specification of {version}"), VERSIONS),
        None if is_root => return Some(()),
        None if root.name == "rabbitmq" => (
            "root element `rabbitmq`, of an extension".to_owned(),
            "root element `amqp`, or a file that is passed as an extension",
        ),
        None => (
            format!("root element `{}`", root.name),
            "root element `amqp`",
        ),
    };
    faults.push(root.span, found, expected);
    None
}

/// What the file tells, if that is a version whose files have other elements.
fn version(root: &Element) -> Option<&'static str> {
    if root.name != "amqp" {
        return None;
    }
    let attribute = |name: &str| {
        let mut attributes = root.attributes.iter();
        attributes
            .find(|attribute| attribute.name.value == name)
            .map(|attribute| attribute.value.value.as_str())
    };
    let has = |names: &[&str]| {
        let mut children = root.children.iter();
        children.any(|child| names.contains(&child.name.as_str()))
    };
    if has(&["section"]) {
        return Some("AMQP 1.0");
    }
    let is_0_10 = attribute("major") == Some("0") && attribute("minor") == Some("10");
    // 0-9-1 and its predecessors are in no namespace.
    let is_0_10 = is_0_10 || attribute("xmlns").is_some();
    let of_0_10 = || has(&["type", "control", "struct"]) || is_coded(root);
    (is_0_10 || of_0_10()).then_some("AMQP 0-10")
}

/// Whether a class has a code, as those of 0-10 do, where an index is expected.
fn is_coded(root: &Element) -> bool {
    root.children.iter().any(|child| {
        let has = |name: &str| {
            child
                .attributes
                .iter()
                .any(|other| other.name.value == name)
        };
        child.name == "class" && has("code") && !has("index")
    })
}

const VERSIONS: &str = "one of AMQP 0-8, 0-9 or 0-9-1: later versions are other protocols";
