//! Field tables as RabbitMQ takes them: which it can read, what their values are called, and when
//! two of them are the same.

use amqp_spec::wire::{Decimal, FieldTable, TableRef, Timestamp, Value};

use super::like::Like;

/// A table or list of properties at which RabbitMQ's parser fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed;

/// Checks a table, or an array, with everything in it, as deep as it goes.
///
/// RabbitMQ knows fewer tags than others do, and has no floating-point number that is none.
pub(super) fn check(table: TableRef<'_>) -> Result<(), Malformed> {
    walk(table.as_bytes(), |_, _| {})
}

/// The table as RabbitMQ writes it anew: integers of 64 bits are tagged `l`. 4.0 sorts it by name
/// besides, and keeps the first of each name.
pub(super) fn rewritten(table: TableRef<'_>, like: Like) -> FieldTable {
    let mut octets = table.as_bytes().to_vec();
    let mut long = Vec::new();
    let _ = walk(&octets, |at, tag| {
        if tag == b'L' {
            long.push(at);
        }
    });
    for at in long {
        if let Some(tag) = octets.get_mut(at) {
            *tag = b'l';
        }
    }
    let table = TableRef::new(&octets).with_max_depth(u16::MAX);
    match like {
        Like::RabbitMq3_10 => table.to_owned(),
        Like::RabbitMq4_0 => sorted(table, true),
    }
}

/// The entries by name; of those with the same name the first alone, if that is asked for.
pub(super) fn sorted(table: TableRef<'_>, unique: bool) -> FieldTable {
    let mut entries: Vec<_> = table.iter().filter_map(Result::ok).collect();
    entries.sort_by_key(|(name, _)| name.as_bytes());
    if unique {
        entries.dedup_by_key(|(name, _)| name.as_bytes());
    }
    let mut sorted = FieldTable::new();
    for (name, value) in entries {
        sorted.push(name, value);
    }
    sorted
}

/// The first value of this name.
pub(super) fn lookup<'a>(table: TableRef<'a>, name: &str) -> Option<Value<'a>> {
    table.get(name).ok().flatten()
}

/// What RabbitMQ calls the type of a value.
pub(super) const fn type_name(value: &Value<'_>) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::I8(_) => "byte",
        Value::U8(_) => "unsignedbyte",
        Value::I16(_) => "short",
        Value::U16(_) => "unsignedshort",
        Value::I32(_) => "signedint",
        Value::U32(_) => "unsignedint",
        Value::I64(_) => "long",
        Value::F32(_) => "float",
        Value::F64(_) => "double",
        Value::Decimal(_) => "decimal",
        Value::LongString(_) => "longstr",
        Value::Array(_) => "array",
        Value::Timestamp(_) => "timestamp",
        Value::Table(_) => "table",
        Value::Void => "void",
        Value::Bytes(_) => "binary",
    }
}

/// A value without its type, as Erlang compares it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Term<'a> {
    Integer(i128),
    Float(f64),
    Octets(&'a [u8]),
    Bool(bool),
    Decimal(u8, i32),
    Nested(&'a [u8]),
    Void,
}

impl<'a> Term<'a> {
    pub(super) fn of(value: &Value<'a>) -> Self {
        if let Some(integer) = value.as_i64() {
            return Self::Integer(integer.into());
        }
        match *value {
            Value::Bool(value) => Self::Bool(value),
            Value::F32(value) => Self::Float(value.into()),
            Value::F64(value) => Self::Float(value),
            Value::Decimal(Decimal { scale, value }) => Self::Decimal(scale, value),
            Value::LongString(value) => Self::Octets(value.as_bytes()),
            Value::Bytes(value) => Self::Octets(value),
            Value::Timestamp(Timestamp(seconds)) => Self::Integer(seconds.into()),
            Value::Table(table) => Self::Nested(table.as_bytes()),
            Value::Array(array) => Self::Nested(array.as_bytes()),
            _ => Self::Void,
        }
    }

    /// Whether the two are equal, numbers of different kinds as well.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an integer is compared with a fraction"
    )]
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(integer), Self::Float(float))
            | (Self::Float(float), Self::Integer(integer)) => *integer as f64 == *float,
            _ => self == other,
        }
    }
}

/// Whether a declaration that says the one is good for something that was declared with the other.
pub(super) fn equivalent(one: &Value<'_>, other: &Value<'_>) -> bool {
    Term::of(one).equals(&Term::of(other))
        && (type_name(one) == type_name(other) || class(one) == class(other))
}

/// Types whose values are compared by number, and those that are compared among their own kind.
const fn class(value: &Value<'_>) -> u8 {
    match value {
        Value::F32(_) | Value::F64(_) => 1,
        Value::LongString(_) => 2,
        Value::Bytes(_) => 3,
        Value::Bool(_) => 4,
        Value::Timestamp(_) => 5,
        Value::Table(_) => 6,
        Value::Array(_) => 7,
        Value::Void => 8,
        _ => 0,
    }
}

/// Goes through a table, telling each tag and where it stands. Nesting costs memory, not stack.
fn walk(octets: &[u8], mut tag_at: impl FnMut(usize, u8)) -> Result<(), Malformed> {
    // Where a table or array ends, and whether its values have names.
    let mut open = vec![(octets.len(), true)];
    let mut at = 0;
    while let Some(&(end, named)) = open.last() {
        if at == end {
            open.pop();
            continue;
        }
        if named {
            let length = *octets.get(at).ok_or(Malformed)?;
            at += 1 + usize::from(length);
        }
        let tag = *octets.get(at).ok_or(Malformed)?;
        tag_at(at, tag);
        at += 1;
        let length = match tag {
            b'V' => 0,
            b't' | b'b' | b'B' => 1,
            b's' | b'u' => 2,
            b'I' | b'i' => 4,
            b'D' => 5,
            b'l' | b'L' | b'T' => 8,
            b'f' => finite(octets, at, |octets: [u8; 4]| {
                f32::from_be_bytes(octets).is_finite()
            })?,
            b'd' => finite(octets, at, |octets: [u8; 8]| {
                f64::from_be_bytes(octets).is_finite()
            })?,
            b'S' | b'x' => {
                let length = counted(octets, at)?;
                at += 4;
                length
            }
            b'F' | b'A' => {
                let length = counted(octets, at)?;
                at += 4;
                open.push((at.checked_add(length).ok_or(Malformed)?, tag == b'F'));
                0
            }
            _ => return Err(Malformed),
        };
        at = at.checked_add(length).ok_or(Malformed)?;
        let inner_end = open.last().map_or(end, |(end, _)| *end);
        if at > end || inner_end > end {
            return Err(Malformed);
        }
    }
    Ok(())
}

fn counted(octets: &[u8], at: usize) -> Result<usize, Malformed> {
    let length = octets.get(at..).and_then(<[u8]>::first_chunk);
    let length = u32::from_be_bytes(*length.ok_or(Malformed)?);
    usize::try_from(length).map_err(|_| Malformed)
}

fn finite<const N: usize>(
    octets: &[u8],
    at: usize,
    is_finite: impl Fn([u8; N]) -> bool,
) -> Result<usize, Malformed> {
    let number = octets.get(at..).and_then(<[u8]>::first_chunk);
    match number {
        Some(number) if is_finite(*number) => Ok(N),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use amqp_spec::field_table;
    use amqp_spec::wire::FieldArray;

    use super::*;

    #[test]
    fn tables_are_walked_as_deep_as_they_go() {
        let mut nested = FieldTable::new();
        for _ in 0..20_000 {
            let mut around = FieldTable::new();
            around.push("t", &nested);
            nested = around;
        }
        assert_eq!(check(nested.as_ref()), Ok(()));
    }

    #[test]
    fn what_rabbitmq_cannot_read_is_malformed() {
        let bad: [&[u8]; 7] = [
            b"\x01aU\0\0",
            b"\x01az",
            b"\x01ad\x7f\xf0\0\0\0\0\0\0",
            b"\x01af\x7f\xc0\0\0",
            b"\x01aS\0\0\0\x05abc",
            b"\x01aF\0\0\0\x05\x01aS\0\0",
            b"\x05a",
        ];
        for octets in bad {
            assert_eq!(check(TableRef::new(octets)), Err(Malformed), "{octets:?}");
        }
        let array = FieldArray::from(vec![1, 2]);
        let good = field_table! { "a" => true, "b" => &array, "c" => 1.5 };
        assert_eq!(check(good.as_ref()), Ok(()));
    }

    #[test]
    fn tables_are_written_anew_as_each_version_does() {
        let octets = b"\x01zL\0\0\0\0\0\0\0\x01\x01at\x01\x01zt\0";
        let table = TableRef::new(octets);
        let kept = rewritten(table, Like::RabbitMq3_10);
        assert_eq!(
            kept.as_bytes(),
            b"\x01zl\0\0\0\0\0\0\0\x01\x01at\x01\x01zt\0"
        );
        let sorted = rewritten(table, Like::RabbitMq4_0);
        assert_eq!(sorted.as_bytes(), b"\x01at\x01\x01zl\0\0\0\0\0\0\0\x01");
    }

    #[test]
    fn numbers_are_equivalent_whatever_their_width() {
        assert!(equivalent(&Value::I32(3), &Value::I64(3)));
        assert!(!equivalent(&Value::I32(3), &Value::from("3")));
        assert!(!equivalent(&Value::from("a"), &Value::Bytes(b"a")));
    }
}
