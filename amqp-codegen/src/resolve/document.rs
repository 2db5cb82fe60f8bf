//! The overlay's words.

use std::collections::HashMap;

use super::draft::Draft;
use crate::input::Span;
use crate::model::{ConstantKind, Docs};
use crate::overlay::{Doc, Target};
use crate::report::Faults;

/// Gives every documented part its documentation. With `required`, reports each class, method,
/// field, property and constant that has none.
pub(super) fn attach(draft: &mut Draft, docs: &[Doc], required: bool, faults: &mut Faults) {
    let mut given: HashMap<Target, Span> = HashMap::new();
    for doc in docs {
        check_codes(draft, doc, faults);
        let Some(place) = find(draft, &doc.target) else {
            faults.push(
                doc.span,
                format!("documentation that matches nothing: {}", doc.target),
                "something that is in the sources",
            );
            continue;
        };
        if let Some(first) = given.insert(doc.target.clone(), doc.span) {
            let found = format!("documentation of {} given twice", doc.target);
            let expected = "each part documented once";
            faults.push_beside(doc.span, found, expected, ("the earlier one is", first));
        }
        place.paragraphs.clone_from(&doc.paragraphs);
        place.errors = doc
            .errors
            .iter()
            .map(|(code, text)| (code.value, text.clone()))
            .collect();
    }
    if required {
        report_missing(draft, faults);
    }
}

fn find<'d>(draft: &'d mut Draft, target: &Target) -> Option<&'d mut Docs> {
    Some(match target {
        Target::Class(class) => &mut draft.class_mut(class)?.docs,
        Target::Method(class, method) => &mut draft.method_mut(class, method)?.docs,
        Target::Field(class, method, field) => &mut draft.field_mut(class, method, field)?.docs,
        Target::Property(class, property) => &mut draft.property_mut(class, property)?.docs,
        Target::Constant(name) => &mut draft.constant_mut(name)?.docs,
        Target::Domain(name) => &mut draft.domain_mut(name)?.docs,
    })
}

/// A reply code that no constant defines is a slip of the pen.
fn check_codes(draft: &Draft, doc: &Doc, faults: &mut Faults) {
    for (code, _) in &doc.errors {
        let wanted = u32::from(code.value);
        let is_code = draft.constants.iter().any(|constant| {
            let value = constant.value.as_ref().map(|value| value.value);
            constant.kind.value != ConstantKind::Plain && value == Some(wanted)
        });
        if !is_code {
            let found = format!("no reply code {}", code.value);
            faults.push(
                code.span,
                found,
                "the value of a constant that is a reply code",
            );
        }
    }
}

fn report_missing(draft: &Draft, faults: &mut Faults) {
    let mut require = |docs: &Docs, place: Span, target: Target| {
        if docs.paragraphs.is_empty() {
            let found = format!("{target} is not documented");
            faults.push(place, found, "words about it in an overlay");
        }
    };
    for constant in &draft.constants {
        let target = Target::Constant(constant.name.value.clone());
        require(&constant.docs, constant.name.span, target);
    }
    for class in &draft.classes {
        let class_name = &class.name.value;
        require(
            &class.docs,
            class.name.span,
            Target::Class(class_name.clone()),
        );
        for property in &class.properties {
            let target = Target::Property(class_name.clone(), property.name.value.clone());
            require(&property.docs, property.declared, target);
        }
        for method in &class.methods {
            let method_name = &method.name.value;
            let target = Target::Method(class_name.clone(), method_name.clone());
            require(&method.docs, method.name.span, target);
            for field in &method.fields {
                let field_name = field.name.value.clone();
                let target = Target::Field(class_name.clone(), method_name.clone(), field_name);
                require(&field.docs, field.declared, target);
            }
        }
    }
}
