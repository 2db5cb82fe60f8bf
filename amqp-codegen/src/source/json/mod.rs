//! The JSON front end: RabbitMQ's format, for specifications and for extensions.
//!
//! [`tree`] checks that the file is JSON and keeps the places; this module knows the keys. A
//! document with the key `extension` adds to other sources, and then every other key is optional.
//! The keys `copyright` and `name` of the root are not read; unknown keys are faults. The format
//! has no way to say which method answers another one, and which fields are reserved. Who sends a
//! method is told by files of RabbitMQ's that have the key `accepted-by`, which names the
//! receivers.
//!
//! Comments are no JSON, but RabbitMQ's first files have one in front, with their licence.

mod comments;
mod tree;

pub(super) use self::comments::behind_comments;
use self::tree::{Node, Object};
use super::document::{
    Class, Constant, Document, Domain, Field, Literal, Method, Protocol, Responses,
};
use super::{Text, value};
use crate::input::Spanned;
use crate::model::{ConstantKind, Direction};
use crate::report::Faults;

/// Reads a specification or an extension in JSON; `None` if it is not JSON.
pub(super) fn read(text: Text<'_>, is_extension: bool, faults: &mut Faults) -> Option<Document> {
    let root = tree::parse(text, faults)?;
    let root = root.object("a specification", faults)?;
    root.keys(
        &[
            "major-version",
            "minor-version",
            "revision",
            "port",
            "domains",
            "constants",
            "classes",
        ],
        &["name", "copyright", "extension"],
        faults,
    );
    let is_extension = is_extension || root.get("extension").is_some();
    if !is_extension {
        for key in [
            "major-version",
            "minor-version",
            "port",
            "domains",
            "constants",
            "classes",
        ] {
            root.required(key, faults);
        }
    }
    let protocol = Protocol {
        major: root.integer("major-version", u8::MAX, faults),
        minor: root.integer("minor-version", u8::MAX, faults),
        revision: root.integer("revision", u8::MAX, faults),
        port: root.integer("port", u16::MAX, faults),
    };
    Some(Document {
        name: text.name().to_owned(),
        file: text.file(),
        is_extension,
        protocol,
        constants: root.each("constants", faults, constant),
        domains: root.each("domains", faults, domain),
        classes: root.each("classes", faults, class),
    })
}

fn constant(node: Node<'_>, faults: &mut Faults) -> Option<Constant> {
    let object = node.object("a constant", faults)?;
    object.keys(&["name", "value", "class"], &[], faults);
    object.required("value", faults);
    let value = object.integer("value", u32::MAX, faults);
    let kind = match object.get("class") {
        None => Some(ConstantKind::Plain),
        Some(node) => node
            .string("the class of a constant", faults)
            .and_then(|word| {
                value::constant_kind(&word.value, word.span, faults).map(|kind| kind.value)
            }),
    };
    let name = object.name(faults)?;
    Some(Constant {
        name,
        value,
        kind: kind?,
    })
}

/// A domain is a pair: its name and its type.
fn domain(node: Node<'_>, faults: &mut Faults) -> Option<Domain> {
    let pair = node.array("a domain", faults)?;
    let [name, type_word] = pair.as_slice() else {
        let found = format!("a domain of {} parts", pair.len());
        faults.push(node.span(), found, "a pair: name and type");
        return None;
    };
    let type_word = type_word.string("the type of a domain", faults);
    let name = name.string("the name of a domain", faults)?;
    Some(Domain {
        name: value::name(name, faults)?,
        type_word,
        asserts: Vec::new(),
    })
}

fn class(node: Node<'_>, faults: &mut Faults) -> Option<Class> {
    let object = node.object("a class", faults)?;
    object.keys(&["id", "name", "methods", "properties"], &[], faults);
    object.required("id", faults);
    object.required("methods", faults);
    let id = object.integer("id", u16::MAX, faults);
    let methods = object.each("methods", faults, method);
    let properties = object.each("properties", faults, property);
    Some(Class {
        name: object.name(faults)?,
        id,
        methods,
        properties,
    })
}

fn method(node: Node<'_>, faults: &mut Faults) -> Option<Method> {
    let object = node.object("a method", faults)?;
    object.keys(
        &[
            "id",
            "name",
            "arguments",
            "synchronous",
            "content",
            "accepted-by",
        ],
        &[],
        faults,
    );
    object.required("id", faults);
    object.required("arguments", faults);
    let id = object.integer("id", u16::MAX, faults);
    let content = object.flag("content", faults);
    let synchronous = object.mark("synchronous", faults);
    let asks = synchronous.as_ref().filter(|mark| mark.value);
    let responses = Responses::Unnamed(asks.map(|mark| Spanned::new((), mark.span)));
    let direction = direction(&object, faults);
    let fields = object.each("arguments", faults, argument);
    let name = object.name(faults)?;
    Some(Method {
        name,
        id,
        direction,
        responses,
        synchronous,
        content,
        deprecated: None,
        fields,
    })
}

/// Who accepts a method is who receives it.
fn direction(object: &Object<'_>, faults: &mut Faults) -> Option<Direction> {
    let node = object.get("accepted-by")?;
    let items = node.array("`accepted-by` of a method", faults)?;
    let (mut server, mut client) = (0, 0);
    for item in &items {
        let word = item.string("who accepts a method", faults)?;
        match word.value.as_str() {
            "server" => server += 1,
            "client" => client += 1,
            other => {
                let found = format!("`{other}`, who accepts a method");
                faults.push(word.span, found, "`server` or `client`");
                return None;
            }
        }
    }
    if server > 1 || client > 1 || server + client == 0 {
        let found = format!("`accepted-by` = {}", node.raw());
        faults.push(node.span(), found, "`server`, `client` or both, each once");
    }
    match (server > 0, client > 0) {
        (true, false) => Some(Direction::ClientToServer),
        (false, true) => Some(Direction::ServerToClient),
        (true, true) => Some(Direction::Both),
        (false, false) => None,
    }
}

fn argument(node: Node<'_>, faults: &mut Faults) -> Option<Field> {
    let object = node.object("an argument", faults)?;
    object.keys(&["name", "type", "domain", "default-value"], &[], faults);
    let type_word = type_word(&object, faults);
    let default = object
        .get("default-value")
        .and_then(|node| literal(node, faults));
    let name = object.name(faults)?;
    Some(Field {
        name,
        type_word,
        reserved: None,
        default,
        asserts: Vec::new(),
    })
}

fn property(node: Node<'_>, faults: &mut Faults) -> Option<Field> {
    let object = node.object("a property", faults)?;
    object.keys(&["name", "type", "domain"], &[], faults);
    let type_word = type_word(&object, faults);
    let name = object.name(faults)?;
    Some(Field {
        name,
        type_word,
        reserved: None,
        default: None,
        asserts: Vec::new(),
    })
}

/// The type of a field: `domain` or `type`, exactly one of them.
fn type_word(object: &Object<'_>, faults: &mut Faults) -> Option<Spanned<String>> {
    let found = match (object.get("domain"), object.get("type")) {
        (Some(node), None) | (None, Some(node)) => return node.string("a type", faults),
        (None, None) => format!("{} without a type", object.what()),
        (Some(_), Some(_)) => format!("{} with two types", object.what()),
    };
    faults.push(object.span(), found, "either `domain` or `type`");
    None
}

fn literal(node: Node<'_>, faults: &mut Faults) -> Option<Spanned<Literal>> {
    let what = "a default value";
    let literal = match node.raw().as_bytes().first() {
        Some(b't') => Literal::Bool(true),
        Some(b'f') => Literal::Bool(false),
        Some(b'"') => Literal::Text(node.string(what, faults)?.value),
        Some(b'-' | b'0'..=b'9') => Literal::Number(node.raw().to_owned()),
        Some(b'{') if node.object(what, faults)?.is_empty() => Literal::EmptyTable,
        _ => {
            let expected = "a boolean, a number, a string or an empty object";
            faults.push(node.span(), "a default value of no known kind", expected);
            return None;
        }
    };
    Some(Spanned::new(literal, node.span()))
}
