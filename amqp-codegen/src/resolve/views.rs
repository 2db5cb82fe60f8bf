//! Several files that tell the same protocol become one, and must agree.
//!
//! The first file is believed in everything but what it cannot say. Later ones supply that
//! (defaults, the old names of reserved fields, directions if the first is JSON) and whatever the
//! first one lacks with an overlay's permission, which is [`super::missing`]'s question. What goes
//! over the wire must be the same in all: ids, the number, order and wire types of fields, content,
//! senders and replies. So must the names, apart from those of reserved fields and from dashes
//! (`no-wait`, `nowait`).

use super::allowances::Allowances;
use super::draft::{Class, Constant, Domain, Draft, Field, Method};
use super::{missing, replies};
use crate::input::{Span, Spanned};
use crate::model::Direction;
use crate::overlay::{Allowance, Target};
use crate::report::Faults;
use crate::source::list;

/// Joins views to the first one.
pub(super) fn join(
    first: &mut Draft,
    views: impl Iterator<Item = Draft>,
    allowances: &[Allowance],
    faults: &mut Faults,
) {
    let mut allowances = Allowances::new(allowances, faults);
    for view in views {
        // Two versions of the protocol differ in most of what they have: the version says it all.
        if is_same_version(first, &view) {
            missing::check(first, &view, &mut allowances, faults);
        }
        for ((what, first), (_, second)) in first.protocol().into_iter().zip(view.protocol()) {
            agree(what, first.as_ref(), second.as_ref(), faults);
        }
        for constant in view.constants {
            join_constant(first, constant, &mut allowances, faults);
        }
        for domain in view.domains {
            join_domain(first, domain, &mut allowances, faults);
        }
        for class in view.classes {
            join_class(first, class, &mut allowances, faults);
        }
    }
    allowances.report_unused(faults);
}

fn is_same_version(first: &Draft, second: &Draft) -> bool {
    same(&first.major, &second.major) && same(&first.minor, &second.minor)
}

fn agree<T: Eq + std::fmt::Display>(
    what: &str,
    first: Option<&Spanned<T>>,
    second: Option<&Spanned<T>>,
    faults: &mut Faults,
) {
    if let (Some(first), Some(second)) = (first, second) {
        if first.value != second.value {
            disagree(
                format!("{what} {}", second.value),
                second.span,
                &first.value.to_string(),
                first.span,
                faults,
            );
        }
    }
}

/// Two sources disagree: `found` in the second, `expected` in the first.
fn disagree(found: String, span: Span, expected: &str, first: Span, faults: &mut Faults) {
    let expected = format!("{expected}, because the sources must agree");
    faults.push_beside(span, found, expected, ("the other source says so", first));
}

fn join_constant(
    first: &mut Draft,
    constant: Constant,
    allowances: &mut Allowances<'_>,
    faults: &mut Faults,
) {
    let Some(known) = first.constant_mut(&constant.name.value) else {
        first.constants.push(constant);
        return;
    };
    let (Some(value), Some(other)) = (&known.value, &constant.value) else {
        return;
    };
    let name = &constant.name.value;
    let target = Target::Constant(name.clone());
    let values = [value.value, other.value];
    if value.value != other.value && !allowances.permits_values(&target, values) {
        disagree(
            format!("constant `{name}` is {}", other.value),
            other.span,
            &value.value.to_string(),
            value.span,
            faults,
        );
    }
    if known.kind.value != constant.kind.value {
        disagree(
            format!("constant `{name}` is of another class"),
            constant.name.span,
            "the same class",
            known.name.span,
            faults,
        );
    }
}

fn join_domain(
    first: &mut Draft,
    domain: Domain,
    allowances: &mut Allowances<'_>,
    faults: &mut Faults,
) {
    let Some(known) = first.domain_mut(&domain.name.value) else {
        first.domains.push(domain);
        return;
    };
    let (Some(wire), Some(other)) = (known.wire, domain.wire) else {
        return;
    };
    let name = &domain.name.value;
    if wire != other && !allowances.permits(&Target::Domain(name.clone())) {
        disagree(
            format!("domain `{name}` is `{}`", other.as_str()),
            domain.name.span,
            &format!("`{}`", wire.as_str()),
            known.name.span,
            faults,
        );
    }
}

fn join_class(
    first: &mut Draft,
    class: Class,
    allowances: &mut Allowances<'_>,
    faults: &mut Faults,
) {
    let other_name = |known: &&Class| known.name.value != class.name.value;
    let same_id = |known: &&Class| same(&known.id, &class.id);
    if let Some(known) = first.classes.iter().filter(other_name).find(same_id) {
        let found = format!(
            "class `{}` with the id of `{}`",
            class.name.value, known.name.value
        );
        let expected = "an id of its own";
        disagree(found, class.name.span, expected, known.name.span, faults);
        return;
    }
    let Some(known) = first.class_mut(&class.name.value) else {
        first.classes.push(class);
        return;
    };
    let name = known.name.value.clone();
    agree(
        &format!("id of class `{name}`:"),
        known.id.as_ref(),
        class.id.as_ref(),
        faults,
    );
    for method in class.methods {
        join_method(known, method, allowances, faults);
    }
    let (what, span) = (format!("class `{name}`"), class.name.span);
    let properties = Fields {
        what,
        span,
        name: "properties",
        fields: class.properties,
    };
    join_fields(&mut known.properties, known.name.span, properties, faults);
}

fn join_method(
    class: &mut Class,
    method: Method,
    allowances: &mut Allowances<'_>,
    faults: &mut Faults,
) {
    let what = format!("method `{}.{}`", class.name.value, method.name.value);
    let other_name = |known: &&Method| known.name.value != method.name.value;
    let same_id = |known: &&Method| same(&known.id, &method.id);
    if let Some(known) = class.methods.iter().filter(other_name).find(same_id) {
        let found = format!("{what} with the id of `{}`", known.name.value);
        let expected = "an id of its own";
        disagree(found, method.name.span, expected, known.name.span, faults);
        return;
    }
    let same_name = |known: &&mut Method| known.name.value == method.name.value;
    let Some(known) = class.methods.iter_mut().find(same_name) else {
        class.methods.push(method);
        return;
    };
    agree(
        &format!("id of {what}:"),
        known.id.as_ref(),
        method.id.as_ref(),
        faults,
    );
    agree_on_content(&what, known, &method, faults);
    let target = Target::Method(class.name.value.clone(), method.name.value.clone());
    if same_direction(known, &method) || !allowances.permits(&target) {
        join_sender(&what, known, method.direction, faults);
    }
    join_deprecation(&what, known, method.deprecated, method.name.span, faults);
    known.synchronous.extend(method.synchronous);
    if known.replies_named && method.replies_named {
        agree_on_replies(&what, known, &method.replies, method.name.span, faults);
    } else if method.replies_named {
        known.replies = method.replies;
        known.replies_named = true;
    }
    let fields = Fields {
        what,
        span: method.name.span,
        name: "fields",
        fields: method.fields,
    };
    join_fields(&mut known.fields, known.name.span, fields, faults);
}

fn agree_on_content(what: &str, known: &Method, method: &Method, faults: &mut Faults) {
    if known.content == method.content {
        return;
    }
    let with = |content| match content {
        true => "with content",
        false => "without content",
    };
    let found = format!("{what} {}", with(method.content));
    let (place, first) = (method.name.span, known.name.span);
    disagree(found, place, with(known.content), first, faults);
}

/// Joins what a second file says of whether the method is deprecated.
fn join_deprecation(
    what: &str,
    known: &mut Method,
    other: Option<bool>,
    place: Span,
    faults: &mut Faults,
) {
    if let (Some(deprecated), Some(other)) = (known.deprecated, other) {
        let word = |deprecated| match deprecated {
            true => "deprecated",
            false => "not deprecated",
        };
        if deprecated != other {
            let found = format!("{what} is {}", word(other));
            disagree(found, place, word(deprecated), known.name.span, faults);
        }
    }
    known.deprecated = known.deprecated.or(other);
}

fn same_direction(first: &Method, second: &Method) -> bool {
    match (&first.direction, &second.direction) {
        (Some(first), Some(second)) => first.value == second.value,
        _ => true,
    }
}

/// Joins what a second file says of the sender.
fn join_sender(
    what: &str,
    known: &mut Method,
    direction: Option<Spanned<Direction>>,
    faults: &mut Faults,
) {
    if let (Some(first), Some(second)) = (&known.direction, &direction) {
        if first.value != second.value {
            let found = format!("{what} is sent by {}", replies::senders(second.value));
            let expected = replies::senders(first.value);
            disagree(found, second.span, expected, first.span, faults);
        }
    }
    known.direction = known.direction.take().or(direction);
}

/// Checks that two files name the same replies, in any order.
fn agree_on_replies(
    what: &str,
    known: &Method,
    replies: &[Spanned<String>],
    place: Span,
    faults: &mut Faults,
) {
    let sorted = |replies: &[Spanned<String>]| {
        let mut names: Vec<String> = replies.iter().map(|name| name.value.clone()).collect();
        names.sort_unstable();
        names
    };
    let (first, second) = (sorted(&known.replies), sorted(replies));
    if first != second {
        let words = |names: &[String]| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            list(&names)
        };
        let found = format!("{what} is answered by {}", words(&second));
        disagree(found, place, &words(&first), known.name.span, faults);
    }
}

/// The fields or properties of the later view.
struct Fields {
    what: String,
    span: Span,
    name: &'static str,
    fields: Vec<Field>,
}

fn join_fields(first: &mut [Field], first_span: Span, second: Fields, faults: &mut Faults) {
    let Fields {
        what,
        span,
        name,
        fields,
    } = second;
    if first.len() != fields.len() {
        disagree(
            format!("{what} with another number of {name}: {}", fields.len()),
            span,
            &first.len().to_string(),
            first_span,
            faults,
        );
        return;
    }
    for (known, field) in first.iter_mut().zip(fields) {
        join_field(&what, known, field, faults);
    }
}

fn join_field(what: &str, known: &mut Field, field: Field, faults: &mut Faults) {
    let (place, first) = (field.declared, known.declared);
    if let (Some(wire), Some(other)) = (known.wire.known(), field.wire.known()) {
        if wire != other {
            disagree(
                format!("`{}` of {what} is `{}`", field.name.value, other.as_str()),
                place,
                &format!("`{}`", wire.as_str()),
                first,
                faults,
            );
        }
    }
    let told = |field: &Field| field.reserved.as_ref().map(|reserved| reserved.value);
    match (told(known), told(&field)) {
        // Two reserved fields: neither name says anything.
        (Some(true), Some(true)) => {}
        // The later file has no notion of reserved, and tells what the field once was.
        (Some(true), _) => known.name.clone_from(&field.name),
        // The other way round.
        (None, Some(true)) => known.reserved = field.reserved,
        // Reserved in an older version of the protocol.
        (Some(false), Some(true)) => {}
        _ if same_but_dashes(&known.name.value, &field.name.value) => {
            known.reserved = known.reserved.take().or(field.reserved);
        }
        _ => disagree(
            format!("`{}` of {what}", field.name.value),
            place,
            &format!("`{}`", known.name.value),
            first,
            faults,
        ),
    }
    if known.asserts.is_empty() {
        known.asserts = field.asserts;
    }
    match (&known.default, field.default) {
        (None, default) => known.default = default,
        (Some(value), Some(other)) if value.value != other.value => disagree(
            format!("default of `{}` of {what}", field.name.value),
            other.span,
            "the same default",
            value.span,
            faults,
        ),
        (Some(_), _) => {}
    }
}

fn same<T: Eq>(first: &Option<Spanned<T>>, second: &Option<Spanned<T>>) -> bool {
    match (first, second) {
        (Some(first), Some(second)) => first.value == second.value,
        _ => false,
    }
}

fn same_but_dashes(first: &str, second: &str) -> bool {
    let letters = |name: &str| name.replace('-', "");
    letters(first) == letters(second)
}
