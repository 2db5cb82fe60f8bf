//! The XML front end: AMQP's own format, in the dialects of 0-8, 0-9 and 0-9-1.
//!
//! [`scan`], [`attributes`] and [`characters`] are the grammar of XML, all of it but document type
//! definitions; [`tree`] builds elements that know their places; [`reader`] gives checked access to
//! one of them; this module knows the elements.
//!
//! Documentation is not read, but must be known as such. Anywhere: `doc` and `rule` elements, with
//! whatever they contain but elements of the protocol, `label` attributes, stray text. Where they
//! occur in the known files: `comment` on the root, `handler` and `chassis` of a class, `see` and
//! `test` in a field, `required` on a field. Anything else is a fault, because a misspelt
//! `synchronous` would otherwise change the protocol in silence; so is what stands where no
//! published file has it ([`order`]), and a [check](mod@assert) that none of them has.
//!
//! A root with the attribute `extension`, which names the extension, adds to other sources; so does
//! a file that the caller passes as one, whose root may be called `rabbitmq` as well. Then version
//! and port may be absent.
//!
//! The class-level `field` elements are the content properties. One that is called `reserved` (the
//! fourteenth of class basic) carries no `reserved` attribute, unlike the reserved fields of
//! methods: its name is the mark.

mod assert;
mod attributes;
mod characters;
mod chassis;
mod cursor;
mod order;
mod other;
mod reader;
mod refused;
mod scan;
mod tree;

use self::reader::Reader;
use self::tree::Element;
use super::document::{Class, Constant, Document, Domain, Field, Method, Protocol, Responses};
use super::{Text, value};
use crate::input::Spanned;
use crate::model::{ConstantKind, Direction};
use crate::report::Faults;

/// Reads a specification in XML; `None` if it is not XML or has the wrong root.
pub(super) fn read(text: Text<'_>, is_extension: bool, faults: &mut Faults) -> Option<Document> {
    let (root, document_type) = tree::parse(text, faults)?;
    other::check(&root, is_extension, faults)?;
    if let Some(place) = document_type {
        faults.push(place, scan::DEFINITION, scan::NO_DEFINITION);
        return None;
    }
    Some(document(text, &root, is_extension, faults))
}

fn document(text: Text<'_>, root: &Element, is_extension: bool, faults: &mut Faults) -> Document {
    let mut reader = Reader::new(root, faults);
    reader.attributes(
        &["major", "minor", "revision", "port", "extension"],
        &["comment", "label"],
    );
    reader.children(&["constant", "domain", "class"], &[]);
    let is_extension = is_extension || reader.extension();
    let parts = ["major", "minor", "port"];
    let has_any = parts.iter().any(|part| reader.word(part).is_some());
    if !is_extension && has_any {
        for part in parts {
            reader.required_word(part);
        }
    } else if !is_extension {
        let expected =
            "`major`, `minor` and `port`, or `extension=\"…\"` in a file that adds to others";
        let found = "a specification without version and port";
        reader.faults().push(root.span, found, expected);
    }
    let protocol = Protocol {
        major: reader.integer("major", u8::MAX),
        minor: reader.integer("minor", u8::MAX),
        revision: reader.integer("revision", u8::MAX),
        port: reader.integer("port", u16::MAX),
    };
    let document = Document {
        name: text.name().to_owned(),
        file: text.file(),
        is_extension,
        protocol,
        constants: reader.each("constant", constant),
        domains: reader.each("domain", domain),
        classes: reader.each("class", class),
    };
    if !is_extension {
        for class in &document.classes {
            order::check_content(class, faults);
        }
    }
    document
}

fn constant(element: &Element, faults: &mut Faults) -> Option<Constant> {
    let mut reader = Reader::new(element, faults);
    reader.attributes(&["name", "value", "class"], &["label"]);
    reader.children(&[], &[]);
    let value = reader.required_integer("value", u32::MAX);
    let kind = match reader.word("class") {
        None => Some(ConstantKind::Plain),
        Some(word) => {
            value::constant_kind(&word.value, word.span, reader.faults()).map(|kind| kind.value)
        }
    };
    let name = reader.name()?;
    Some(Constant {
        name,
        value,
        kind: kind?,
    })
}

fn domain(element: &Element, faults: &mut Faults) -> Option<Domain> {
    let mut reader = Reader::new(element, faults);
    reader.attributes(&["name", "type"], &["label"]);
    reader.children(&["assert"], &[]);
    let type_word = reader.required_word("type");
    let asserts = reader.each("assert", assert::read);
    Some(Domain {
        name: reader.name()?,
        type_word,
        asserts,
    })
}

fn class(element: &Element, faults: &mut Faults) -> Option<Class> {
    let mut reader = Reader::new(element, faults);
    reader.attributes(&["name", "index"], &["handler", "label"]);
    reader.children(&["method", "field"], &["chassis"]);
    order::check(element, reader.faults());
    // Who implements the class: documentation, but nothing else.
    chassis::receivers(&mut reader);
    let id = reader.required_integer("index", u16::MAX);
    let methods = reader.each("method", method);
    let properties = reader.each("field", property);
    Some(Class {
        name: reader.name()?,
        id,
        methods,
        properties,
    })
}

fn method(element: &Element, faults: &mut Faults) -> Option<Method> {
    let mut reader = Reader::new(element, faults);
    reader.attributes(
        &["name", "index", "synchronous", "content", "deprecated"],
        &["label"],
    );
    reader.children(&["chassis", "response", "field"], &[]);
    let id = reader.required_integer("index", u16::MAX);
    // Marks requests and replies alike, and is missing on some of either: the responses tell more.
    let synchronous = reader.mark("synchronous");
    let content = reader.flag("content");
    let deprecated = Some(reader.flag("deprecated"));
    let direction = direction(&chassis::receivers(&mut reader));
    let responses = Responses::Named(reader.each("response", response));
    let fields = reader.each("field", field);
    Some(Method {
        name: reader.name()?,
        id,
        direction,
        responses,
        synchronous,
        content,
        deprecated,
        fields,
    })
}

/// A chassis names who must implement the method, which is who receives it.
fn direction(receivers: &[Direction]) -> Option<Direction> {
    let (first, others) = receivers.split_first()?;
    let only_one = others.iter().all(|other| other == first);
    Some(if only_one { *first } else { Direction::Both })
}

fn response(element: &Element, faults: &mut Faults) -> Option<Spanned<String>> {
    let mut reader = Reader::new(element, faults);
    reader.attributes(&["name"], &["label"]);
    reader.children(&[], &[]);
    reader.name()
}

fn field(element: &Element, faults: &mut Faults) -> Option<Field> {
    let mut reader = Reader::new(element, faults);
    reader.attributes(
        &["name", "domain", "type", "reserved"],
        &["label", "required"],
    );
    reader.children(&["assert"], &["see", "test"]);
    let type_word = reader.type_word();
    let reserved = Some(reader.flag("reserved"));
    reader.flag("required");
    let asserts = reader.each("assert", assert::read);
    let name = reader.name()?;
    if reserved == Some(false) && is_numbered_reserve(&name.value) {
        let found = format!("field `{}` that is not marked `reserved`", name.value);
        let expected = "`reserved=\"1\"`, or another name";
        reader.faults().push(name.span, found, expected);
    }
    Some(Field {
        name,
        type_word,
        reserved,
        default: None,
        asserts,
    })
}

/// Whether a field is called as those without a meaning are: `reserved-1`.
fn is_numbered_reserve(name: &str) -> bool {
    let number = name.strip_prefix("reserved-");
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn property(element: &Element, faults: &mut Faults) -> Option<Field> {
    let mut property = field(element, faults)?;
    property.reserved = property
        .reserved
        .map(|marked| marked || property.name.value == "reserved");
    Some(property)
}
