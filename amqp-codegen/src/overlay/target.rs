//! What an entry of the overlay is about.

use std::fmt;

use super::toml::Table;
use crate::input::Spanned;
use crate::report::Faults;

/// A part of the specification, by its names.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Target {
    /// `class queue`
    Class(String),
    /// `method queue.declare`
    Method(String, String),
    /// `field queue.declare.queue`
    Field(String, String, String),
    /// `property basic.content-type`
    Property(String, String),
    /// `constant frame-method`
    Constant(String),
    /// `domain delivery-tag`
    Domain(String),
}

impl Target {
    /// Reads `kind name`, where the name has as many parts as the kind asks for.
    fn parse(words: &str) -> Option<Self> {
        let (kind, path) = words.split_once(' ')?;
        let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
        if parts.iter().any(String::is_empty) {
            return None;
        }
        match (kind, <[String; 1]>::try_from(parts)) {
            ("class", Ok([class])) => Some(Self::Class(class)),
            ("constant", Ok([name])) => Some(Self::Constant(name)),
            ("domain", Ok([name])) => Some(Self::Domain(name)),
            (_, Ok(_)) => None,
            (kind, Err(parts)) => Self::dotted(kind, parts),
        }
    }

    fn dotted(kind: &str, parts: Vec<String>) -> Option<Self> {
        match (kind, <[String; 2]>::try_from(parts)) {
            ("method", Ok([class, method])) => Some(Self::Method(class, method)),
            ("property", Ok([class, name])) => Some(Self::Property(class, name)),
            ("field", Err(parts)) => {
                let [class, method, field] = <[String; 3]>::try_from(parts).ok()?;
                Some(Self::Field(class, method, field))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(name) => write!(f, "class `{name}`"),
            Self::Method(class, method) => write!(f, "method `{class}.{method}`"),
            Self::Field(class, method, field) => write!(f, "field `{class}.{method}.{field}`"),
            Self::Property(class, name) => write!(f, "property `{class}.{name}`"),
            Self::Constant(name) => write!(f, "constant `{name}`"),
            Self::Domain(name) => write!(f, "domain `{name}`"),
        }
    }
}

/// Reads the key `target` of a correction or an allowance.
pub(super) fn read(entry: &Table<'_>, faults: &mut Faults) -> Option<Spanned<Target>> {
    let words = entry.required_string("target", faults)?;
    let target = Target::parse(&words.value);
    if target.is_none() {
        faults.push(
            words.span,
            format!("no target: `{}`", words.value),
            "such as `method queue.declare`, `field queue.declare.queue`, `property basic.type`, \
             `constant no-route`, `domain path` or `class queue`",
        );
    }
    Some(Spanned::new(target?, words.span))
}
