//! Values in headers and arguments over which RabbitMQ ends the connection.
//!
//! NaN and infinity it cannot represent (541 in a message's headers, a reset in a method), values
//! whose type it does not know it cannot skip, and a decimal number it cannot store in a stream
//! (541; queues take it). Whatever else is on the connection goes with it, so that such a value is
//! refused here, on every path by which a table leaves.

use amqp_spec::basic::PropertiesRef;
use amqp_spec::wire::{
    ArrayIter, ArrayRef, DEFAULT_MAX_DEPTH, DecodeError, DecodeErrorKind, ShortStr, TableIter,
    TableRef, Value,
};

use crate::error::{ArgumentError, ChannelError, Subject};

/// The flag of `headers` in the first octet of a list of properties.
const HEADERS: u8 = 0x20;

/// Whether decimal numbers may be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decimals {
    Allowed,
    Refused,
}

/// Why properties cannot be sent, if one of their headers cannot. Looks no further where there are
/// no headers.
#[inline]
pub(crate) fn refusal(
    properties: PropertiesRef<'_>,
    exchange: &str,
    routing_key: &str,
) -> Option<ChannelError> {
    match properties.as_bytes().first() {
        Some(flags) if flags & HEADERS != 0 => refusal_of(properties, exchange, routing_key),
        _ => None,
    }
}

#[inline(never)]
fn refusal_of(
    properties: PropertiesRef<'_>,
    exchange: &str,
    routing_key: &str,
) -> Option<ChannelError> {
    let error = check_present(properties, Decimals::Refused).err()?;
    let subject = Subject::published(exchange, routing_key);
    Some(error.about(subject).into())
}

/// Refuses properties whose headers cannot be sent, while it is not known what they are for.
pub(crate) fn check_present(
    properties: PropertiesRef<'_>,
    decimals: Decimals,
) -> Result<(), ArgumentError> {
    check(properties.headers().unwrap_or_default(), decimals)
}

/// Refuses a table that cannot be sent, naming the entry.
pub(crate) fn check(table: TableRef<'_>, decimals: Decimals) -> Result<(), ArgumentError> {
    match in_table(table.with_max_depth(DEFAULT_MAX_DEPTH), decimals) {
        Some(Fault { path, problem }) => Err(ArgumentError::field(&path, problem)),
        None => Ok(()),
    }
}

/// A value that cannot be sent.
struct Fault {
    /// Which one, from where the search began: `order.lines[2].price`. As far as it is known.
    path: String,
    problem: &'static str,
}

impl Fault {
    /// The same, seen from the table with the entry in which it is.
    #[cold]
    fn in_entry(mut self, name: ShortStr<'_>) -> Self {
        /// Characters of a name that are enough to tell it by.
        const SHOWN: usize = 64;
        let name = name.to_string_lossy();
        let name: String = name.chars().take(SHOWN).collect();
        self.path = [&name, self.dot(), &self.path].concat();
        self
    }

    /// The same, seen from the array with the value in which it is.
    #[cold]
    fn in_value(mut self, n: usize) -> Self {
        self.path = format!("[{n}]{}{}", self.dot(), self.path);
        self
    }

    /// What stands in front of the path if something does.
    fn dot(&self) -> &'static str {
        let is_name = !self.path.is_empty() && !self.path.starts_with('[');
        if is_name { "." } else { "" }
    }
}

impl From<&'static str> for Fault {
    fn from(problem: &'static str) -> Self {
        let path = String::new();
        Self { path, problem }
    }
}

/// Whether a value is certainly all right.
pub(crate) fn is_plain(value: Value<'_>) -> bool {
    let nested = matches!(value, Value::Table(_) | Value::Array(_));
    !nested && problem(value, Decimals::Refused).is_none()
}

/// What is wrong with a value, or with one in it.
fn problem(value: Value<'_>, decimals: Decimals) -> Option<Fault> {
    match value {
        Value::F32(number) => not_finite(number.is_finite()),
        Value::F64(number) => not_finite(number.is_finite()),
        Value::Decimal(_) if decimals == Decimals::Refused => Some(
            "is a decimal number: RabbitMQ ends the connection over one that reaches a stream \
             (Message::allow_decimals sends it to queues)"
                .into(),
        ),
        Value::Table(table) => in_table(table, decimals),
        Value::Array(array) => in_array(array, decimals),
        _ => None,
    }
}

/// Recursive, as `in_array` is: readers of tables bound the nesting.
fn in_table(table: TableRef<'_>, decimals: Decimals) -> Option<Fault> {
    let mut name = None;
    for entry in table {
        let fault = match entry {
            Ok((next, value)) => {
                name = Some(next);
                problem(value, decimals)
            }
            Err(error) if error.kind() == DecodeErrorKind::TooDeep => {
                return beyond(Value::Table(table), decimals);
            }
            Err(error) => {
                // Of what is malformed it cannot be told which entry it is, but which one it is
                // behind.
                if let Some((own, _)) = table.not_representable() {
                    name = Some(own);
                }
                Some(unreadable(error.kind()))
            }
        };
        if let Some(fault) = fault {
            return Some(match name {
                Some(name) => fault.in_entry(name),
                None => fault,
            });
        }
    }
    None
}

fn in_array(array: ArrayRef<'_>, decimals: Decimals) -> Option<Fault> {
    for (n, value) in array.into_iter().enumerate() {
        let fault = match value {
            Ok(value) => problem(value, decimals),
            Err(error) if error.kind() == DecodeErrorKind::TooDeep => {
                return beyond(Value::Array(array), decimals);
            }
            Err(error) => Some(unreadable(error.kind())),
        };
        if let Some(fault) = fault {
            return Some(fault.in_value(n));
        }
    }
    None
}

/// The same for what is nested deeper, however deep: brokers take it. The way to it is not told.
#[cold]
fn beyond(value: Value<'_>, decimals: Decimals) -> Option<Fault> {
    let mut open: Vec<_> = Open::new(value).into_iter().collect();
    while let Some(innermost) = open.last_mut() {
        match innermost.next() {
            None => drop(open.pop()),
            Some(Err(error)) => return Some(unreadable(error.kind())),
            Some(Ok(value)) => match Open::new(value) {
                Some(nested) => open.push(nested),
                None => {
                    if let Some(fault) = problem(value, decimals) {
                        return Some(fault);
                    }
                }
            },
        }
    }
    None
}

/// A table or an array that is being looked through.
enum Open<'a> {
    Table(TableIter<'a>),
    Array(ArrayIter<'a>),
}

impl<'a> Open<'a> {
    fn new(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Table(table) => Some(Self::Table(table.with_max_depth(u16::MAX).iter())),
            Value::Array(array) => Some(Self::Array(array.with_max_depth(u16::MAX).iter())),
            _ => None,
        }
    }
}

impl<'a> Iterator for Open<'a> {
    type Item = Result<Value<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Table(entries) => Some(entries.next()?.map(|(_, value)| value)),
            Self::Array(values) => values.next(),
        }
    }
}

fn not_finite(is_finite: bool) -> Option<Fault> {
    let problem = "is not a finite number: RabbitMQ ends the connection over NaN and infinity";
    (!is_finite).then(|| problem.into())
}

fn unreadable(kind: DecodeErrorKind) -> Fault {
    let problem = match kind {
        DecodeErrorKind::NotRepresentable(why) => why.as_str(),
        _ => "is malformed, or is followed by what is: RabbitMQ ends the connection over it",
    };
    problem.into()
}

#[cfg(test)]
mod tests {
    use amqp_spec::wire::{Decimal, FieldArray, FieldTable};
    use amqp_spec::{field_table, short_str};

    use super::*;

    #[track_caller]
    fn refused(table: &FieldTable, name: &str, word: &str) {
        let error = check(table.as_ref(), Decimals::Refused)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&format!("{name:?} ")), "{error}");
        assert!(error.contains(word), "{error}");
    }

    #[test]
    fn numbers_that_are_none_are_found_wherever_they_are() {
        let odd = [
            Value::F32(f32::NAN),
            Value::F64(f64::NAN),
            Value::F64(f64::INFINITY),
        ];
        for value in odd.into_iter().chain([Value::F32(f32::NEG_INFINITY)]) {
            refused(
                &field_table! { "a" => 1, "b" => value, "c" => 2 },
                "b",
                "finite",
            );
            let inner = field_table! { "deep" => value };
            refused(
                &field_table! { "a" => 1.5, "table" => &inner },
                "table.deep",
                "finite",
            );
            let array = FieldArray::from_iter([Value::Void, (&inner).into()]);
            refused(
                &field_table! { "array" => &array },
                "array[1].deep",
                "finite",
            );
            assert!(!is_plain(value));
        }
        let fine = field_table! { "a" => f64::MAX, "b" => f32::MIN_POSITIVE, "c" => -0.0 };
        assert_eq!(check(fine.as_ref(), Decimals::Refused), Ok(()));
    }

    #[test]
    fn decimals_are_refused_unless_allowed() {
        let decimal = field_table! { "price" => Decimal { scale: 2, value: 995 } };
        refused(&decimal, "price", "decimal");
        assert_eq!(check(decimal.as_ref(), Decimals::Allowed), Ok(()));
        let nested = field_table! { "order" => &decimal };
        refused(&nested, "order.price", "decimal");
        let lines = FieldArray::from_iter([&FieldArray::from_iter([Decimal::default()])]);
        refused(&field_table! { "lines" => lines }, "lines[0][0]", "decimal");
        let both = field_table! { "price" => Decimal::default(), "ratio" => f64::NAN };
        assert!(check(both.as_ref(), Decimals::Allowed).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_what_is_deep_is_not() {
        let mut odd = field_table! { "before" => 1 };
        odd.push(short_str!("odd"), TableRef::new(b"\x01a?"));
        refused(&odd, "odd", "malformed");
        let octets = [odd.as_bytes(), b"\x05after"].concat();
        refused(&TableRef::new(&octets).to_owned(), "odd", "malformed");
        refused(
            &field_table! { "a" => 1, "id" => u64::MAX },
            "id",
            "an integer above",
        );
        let inner = field_table! { "id" => u64::MAX };
        refused(
            &field_table! { "a" => 1, "order" => inner },
            "order.id",
            "an integer above",
        );
        let long: FieldTable = [("n".repeat(300), 1)].into();
        refused(&long, &"n".repeat(64), "more than 255 octets");
        let deep = (0..1000).fold(FieldTable::new(), |inner, _| field_table! { "" => &inner });
        assert_eq!(check(deep.as_ref(), Decimals::Refused), Ok(()));
    }

    #[test]
    fn values_are_found_however_deep_they_are() {
        let nest =
            |inner: FieldTable, n| (0..n).fold(inner, |inner, _| field_table! { "t" => inner });
        let list = |inner, n| (0..n).fold(inner, |inner, _| FieldArray::from_iter([inner]));
        let names = |n: usize, last: &str| match n {
            ..33 => "t.".repeat(n) + last,
            _ => "t.".repeat(31) + "t",
        };
        for n in [1, 31, 32, 33, 34, 1000] {
            let id = names(n, "id");
            refused(&nest(field_table! { "id" => u64::MAX }, n), &id, "integer");
            refused(&nest(field_table! { "id" => f64::NAN }, n), &id, "finite");
            let lists = list(FieldArray::from_iter([u64::MAX]), n);
            let way = match n {
                ..32 => format!("l{}", "[0]".repeat(n + 1)),
                _ => format!("l{}", "[0]".repeat(31)),
            };
            refused(&field_table! { "l" => lists }, &way, "integer");
        }
        for n in 0..36 {
            // Behind something deep.
            let table = field_table! { "t" => nest(FieldTable::new(), n), "id" => u64::MAX };
            refused(&table, "id", "integer");
            refused(&nest(table, 3), "t.t.t.id", "integer");
            let price = field_table! { "price" => Decimal::default() };
            refused(&nest(price, n + 1), &names(n + 1, "price"), "decimal");
        }
    }
}
