//! The order of what is in a class: its chassis first, and its properties together, in front of its
//! methods or behind them.
//!
//! A line that has changed places with the first or the last one of a method would otherwise belong
//! to the class, and mean something else.

use super::tree::Element;
use crate::report::Faults;
use crate::source::document::Class;

/// Reports what stands where no published file has it.
pub(super) fn check(class: &Element, faults: &mut Faults) {
    let named = |name: &'static str| move |child: &&Element| child.name == name;
    let mut front: Option<&Element> = None;
    let (mut properties_end, mut last_property) = (None, None);
    for child in &class.children {
        match child.name.as_str() {
            "chassis" => {
                if let Some(front) = front {
                    let found = format!("`chassis` of a class behind a `{}`", front.name);
                    let expected = "the chassis of a class in front, or that of a method within it";
                    let note = ("the first one is", front.span);
                    faults.push_beside(child.span, found, expected, note);
                }
            }
            "field" => {
                if let Some(method) = properties_end {
                    report_apart(child, method, faults);
                    return;
                }
                front = front.or(Some(child));
                last_property = Some(child);
            }
            "method" => {
                front = front.or(Some(child));
                if last_property.is_some() {
                    properties_end = properties_end.or(Some(child));
                }
            }
            _ => {}
        }
    }
    let mut children = class
        .children
        .iter()
        .skip_while(|child| child.name != "method");
    let between = children.find(named("field"));
    if let (Some(field), Some(method)) = (between, children.find(named("method"))) {
        report_apart(field, method, faults);
    }
}

fn report_apart(field: &Element, method: &Element, faults: &mut Faults) {
    let found = "`field` of a class between its methods";
    let expected = "a field within a method, or properties together in front of the methods";
    let note = ("a method is", method.span);
    faults.push_beside(field.span, found, expected, note);
}

/// Reports properties of a class without content: properties travel with it, so that they belong to
/// a method, whose tag they have slipped out of. The class of an extension may have it elsewhere.
pub(super) fn check_content(class: &Class, faults: &mut Faults) {
    let Some(first) = class.properties.first() else {
        return;
    };
    if class.methods.is_empty() || class.methods.iter().any(|method| method.content) {
        return;
    }
    faults.push(
        first.name.span,
        format!(
            "`{}`, a property of class `{}`, none of whose methods carries content",
            first.name.value, class.name.value
        ),
        "a field within a method, or a method with content",
    );
}
