//! The table of arguments that a builder fills: of declarations, bindings and consumers.

use std::time::Duration;

use amqp_spec::wire::{FieldTable, ShortStr, TableRef, ToValue, Value};

use crate::error::{ChannelError, NameTooLong, Subject};
use crate::message::field_values::{self, Decimals};
use crate::rounding;

/// Arguments under construction: each name once, whatever was set before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    table: FieldTable,
    /// A name that does not fit its 255 octets; told when the method is made.
    too_long: Option<Box<NameTooLong>>,
}

impl Arguments {
    /// Sets an argument, in place of an earlier one of that name.
    pub(crate) fn set(&mut self, name: &str, value: impl ToValue) {
        match ShortStr::try_from(name) {
            // A value that does not fit is found there when the method is made.
            Ok(name) => self.table.insert(name, value),
            Err(_) => {
                let error = NameTooLong::new("name of an argument", name);
                self.too_long = Some(Box::new(error));
            }
        }
    }

    /// Sets a time in milliseconds, rounded up; for arguments whose range ends far below the largest
    /// number of the wire, which stands for all that is above.
    pub(crate) fn set_millis(&mut self, name: &str, time: Duration) {
        let millis = rounding::whole_millis(time);
        self.set(name, i64::try_from(millis).unwrap_or(i64::MAX));
    }

    /// Sets a time in seconds, rounded up, as RabbitMQ writes ages: `60s`.
    pub(crate) fn set_age(&mut self, name: &str, time: Duration) {
        let seconds = rounding::whole_seconds(time);
        self.set(name, format!("{seconds}s").as_str());
    }

    pub(crate) fn has(&self, name: impl AsRef<[u8]>) -> bool {
        self.value(name).is_some()
    }

    pub(crate) fn value(&self, name: impl AsRef<[u8]>) -> Option<Value<'_>> {
        // Only what was encoded here can be in it.
        self.table.get(name).ok().flatten()
    }

    /// All of them, as they were set.
    #[cfg(feature = "serde")]
    pub(super) fn entries(&self) -> impl Iterator<Item = (ShortStr<'_>, Value<'_>)> {
        self.table.iter().flatten()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value(name).and_then(|value| value.as_str())
    }

    /// The arguments of a call that is about this, unless one of them cannot be sent.
    pub(crate) fn checked(&self, subject: Subject<'_>) -> Result<TableRef<'_>, ChannelError> {
        match &self.too_long {
            Some(error) => Err(NameTooLong::clone(error).about(subject).into()),
            None => {
                let table = self.table.as_ref();
                let checked = field_values::check(table, Decimals::Allowed);
                checked.map_err(|error| error.about(subject))?;
                Ok(table)
            }
        }
    }
}

impl Eq for Arguments {}

impl PartialEq for Arguments {
    fn eq(&self, other: &Self) -> bool {
        has_same_entries(&self.table, &other.table) && self.too_long == other.too_long
    }
}

/// Whether two tables say the same: names are unique in them, and their order means nothing.
pub(crate) fn has_same_entries(a: &FieldTable, b: &FieldTable) -> bool {
    let is_in_b = |(name, value)| matches!(b.get(name), Ok(Some(other)) if other == value);
    a == b || a.byte_len() == b.byte_len() && a.iter().all(|entry| entry.is_ok_and(is_in_b))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Arguments, Subject};

    #[test]
    fn argument_set_twice_is_there_once() {
        let mut arguments = Arguments::default();
        arguments.set("a", 1_i32);
        arguments.set("b", 2_i32);
        arguments.set("a", "three");
        assert_eq!(arguments.text("a"), Some("three"));
        assert_eq!(
            arguments.value("b").and_then(|value| value.as_i64()),
            Some(2)
        );
        assert_eq!(
            arguments.checked(Subject::Nothing).unwrap().iter().count(),
            2
        );
    }

    #[test]
    fn arguments_are_equal_in_any_order() {
        let of = |entries: &[(&str, u64)]| {
            let mut arguments = Arguments::default();
            for (name, value) in entries {
                arguments.set(name, *value);
            }
            arguments
        };
        assert_eq!(of(&[("a", 1), ("b", 2)]), of(&[("b", 2), ("a", 1)]));
        assert_ne!(of(&[("a", 1), ("b", 2)]), of(&[("a", 2), ("b", 1)]));
        assert_ne!(of(&[("a", 1)]), of(&[("a", 1), ("b", 2)]));
        // What cannot be sent is not the same as something else that cannot.
        assert_ne!(of(&[("a", u64::MAX)]), of(&[("b", u64::MAX)]));
    }

    #[test]
    fn name_that_is_too_long_is_told_later() {
        let mut arguments = Arguments::default();
        arguments.set(&"a".repeat(256), 1_i32);
        arguments.set("b", 2_i32);
        let error = arguments.checked(Subject::Queue("q")).unwrap_err();
        let told = error.to_string();
        assert!(told.starts_with("name of an argument \"aaa"), "{told}");
        assert!(told.ends_with("(queue 'q')"), "{told}");
    }

    #[test]
    fn value_that_does_not_fit_is_told_later_unless_it_is_replaced() {
        let mut arguments = Arguments::default();
        arguments.set("a", u64::MAX);
        let told = arguments.checked(Subject::Queue("q")).unwrap_err();
        let expected = "\"a\" is an integer above 9223372036854775807, the largest of AMQP \
                        (queue 'q')";
        assert_eq!(told.to_string(), expected);
        arguments.set("a", 1_u64);
        assert_eq!(arguments.checked(Subject::Nothing).unwrap().len(), 1);
    }

    #[test]
    fn times_are_rounded_up_and_kept_in_range() {
        let mut arguments = Arguments::default();
        arguments.set_millis("short", Duration::from_nanos(1));
        arguments.set_millis("long", Duration::MAX);
        let number = |name| arguments.value(name).and_then(|value| value.as_i64());
        assert_eq!(number("short"), Some(1));
        assert_eq!(number("long"), Some(i64::MAX));
    }
}
