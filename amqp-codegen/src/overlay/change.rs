//! The corrections in an overlay.

use ::toml::de::DeValue;

use super::toml::{Table, Value};
use super::{Target, target};
use crate::input::Spanned;
use crate::model::{ConstantKind, Direction};
use crate::report::Faults;
use crate::source::document::Literal;
use crate::source::{list, list_for};

/// One entry: what it corrects, and how.
#[derive(Debug)]
pub(crate) struct Correction {
    /// What it corrects.
    pub(crate) target: Spanned<Target>,
    /// The changes, each with the place of its key.
    pub(crate) changes: Vec<Spanned<Change>>,
}

/// A correction of one aspect. The places are those of the values: a fault that a value leads to is
/// reported there.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Of a method: who sends it.
    Direction(Spanned<Direction>),
    /// Of a method: what answers it; nothing, if empty.
    Replies(Spanned<Vec<Spanned<String>>>),
    /// Of a field or property: its name.
    Rename(Spanned<String>),
    /// Of a field or property: its type.
    Domain(Spanned<String>),
    /// Of a field or property: whether it means anything.
    Reserved(Spanned<bool>),
    /// Of a field: its default.
    Default(Spanned<Literal>),
    /// Of a field: whether its value is a credential.
    Secret(Spanned<bool>),
    /// Of a constant: what it stands for.
    Kind(Spanned<ConstantKind>),
}

/// Every key that an entry may have, whatever its target.
const KEYS: [&str; 10] = [
    "target",
    "reason",
    "direction",
    "replies",
    "rename",
    "domain",
    "reserved",
    "default",
    "secret",
    "kind",
];

/// Reads an entry.
pub(super) fn read(entry: &Table<'_>, faults: &mut Faults) -> Option<Correction> {
    entry.reason(faults);
    let Some(target) = target::read(entry, faults) else {
        // What else may stand here depends on the target.
        entry.keys(&KEYS, faults);
        return None;
    };
    let known: &[&str] = match &target.value {
        Target::Method(..) => &["direction", "replies"],
        Target::Field(..) => &["rename", "domain", "reserved", "default", "secret"],
        Target::Property(..) => &["rename", "domain", "reserved"],
        Target::Constant(_) => &["kind"],
        Target::Class(_) | Target::Domain(_) => {
            let found = format!("a correction of {}", target.value);
            faults.push(
                target.span,
                found,
                "a method, a field, a property or a constant",
            );
            return None;
        }
    };
    let mut changes = Vec::new();
    let mut members = entry.members().to_vec();
    members.retain(|(key, _)| !matches!(key.value.as_str(), "target" | "reason"));
    if members.is_empty() {
        faults.push(
            target.span,
            "a correction that corrects nothing",
            list(known),
        );
    }
    for (key, value) in members {
        if !known.contains(&key.value.as_str()) {
            let found = format!("`{}` in a correction of {}", key.value, target.value);
            let tolerated = &["target", "reason"];
            faults.push(key.span, found, list_for(&key.value, known, tolerated));
            continue;
        }
        let change = change(&key.value, &value, faults);
        changes.extend(change.map(|change| Spanned::new(change, key.span)));
    }
    // After a new name, the target would match nothing.
    changes.sort_by_key(|change| matches!(change.value, Change::Rename(_)));
    Some(Correction { target, changes })
}

fn change(key: &str, value: &Value<'_>, faults: &mut Faults) -> Option<Change> {
    Some(match key {
        "direction" => Change::Direction(choose(value, &DIRECTIONS, faults)?),
        "replies" => Change::Replies(Spanned::new(replies(value, faults)?, value.span())),
        "rename" => Change::Rename(value.string(faults)?),
        "domain" => Change::Domain(value.string(faults)?),
        "reserved" => Change::Reserved(Spanned::new(value.boolean(faults)?, value.span())),
        "default" => Change::Default(Spanned::new(literal(value, faults)?, value.span())),
        "secret" => Change::Secret(Spanned::new(value.boolean(faults)?, value.span())),
        "kind" => Change::Kind(choose(value, &KINDS, faults)?),
        _ => return None,
    })
}

const DIRECTIONS: [(&str, Direction); 3] = [
    ("client-to-server", Direction::ClientToServer),
    ("server-to-client", Direction::ServerToClient),
    ("both", Direction::Both),
];

const KINDS: [(&str, ConstantKind); 4] = [
    ("plain", ConstantKind::Plain),
    ("reply-code", ConstantKind::ReplyCode),
    ("soft-error", ConstantKind::SoftError),
    ("hard-error", ConstantKind::HardError),
];

fn choose<T: Copy>(
    value: &Value<'_>,
    words: &[(&str, T)],
    faults: &mut Faults,
) -> Option<Spanned<T>> {
    let word = value.string(faults)?;
    let chosen = words.iter().find(|(name, _)| *name == word.value);
    if chosen.is_none() {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        faults.push(
            word.span,
            format!("`{}`", word.value),
            list_for(&word.value, &names, &[]),
        );
    }
    chosen.map(|(_, meaning)| Spanned::new(*meaning, word.span))
}

fn replies(value: &Value<'_>, faults: &mut Faults) -> Option<Vec<Spanned<String>>> {
    let items = value.array(faults)?;
    let mut replies: Vec<Spanned<String>> = Vec::new();
    for item in items {
        let reply = item.string(faults)?;
        match replies.iter().find(|other| other.value == reply.value) {
            None => replies.push(reply),
            Some(first) => faults.push_beside(
                reply.span,
                format!("reply `{}` named twice", reply.value),
                "each reply once",
                ("the earlier one is", first.span),
            ),
        }
    }
    Some(replies)
}

fn literal(value: &Value<'_>, faults: &mut Faults) -> Option<Literal> {
    match value.get() {
        DeValue::Boolean(boolean) => Some(Literal::Bool(*boolean)),
        DeValue::String(_) => Some(Literal::Text(value.wire_string(faults)?.value)),
        DeValue::Integer(integer) => {
            let number = i128::from_str_radix(integer.as_str(), integer.radix());
            Some(Literal::Number(
                number.map_or_else(|_| integer.to_string(), |n| n.to_string()),
            ))
        }
        _ => {
            value.unexpected("a boolean, an integer or a string", faults);
            None
        }
    }
}
