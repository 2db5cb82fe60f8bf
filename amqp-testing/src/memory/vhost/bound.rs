//! How much a queue may hold, and what becomes of more.

use amqp_spec::wire::TableRef;

use crate::memory::fields::lookup;

/// `x-max-length`, `x-max-length-bytes` and `x-overflow`. Only messages that are ready count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bound {
    length: Option<u64>,
    octets: Option<u64>,
    rejects: bool,
}

impl Bound {
    /// What arguments that have been checked ask for.
    pub(super) fn of(arguments: TableRef<'_>) -> Self {
        let number = |name| {
            let value = lookup(arguments, name)?;
            u64::try_from(value.as_i64()?).ok()
        };
        let overflow = lookup(arguments, "x-overflow");
        Self {
            length: number("x-max-length"),
            octets: number("x-max-length-bytes"),
            rejects: overflow
                .is_some_and(|it| it == "reject-publish" || it == "reject-publish-dlx"),
        }
    }

    /// Whether this is more than the queue may hold.
    pub(super) fn is_exceeded(&self, length: usize, octets: usize) -> bool {
        let exceeds = |found: usize, max: Option<u64>| {
            max.is_some_and(|max| u64::try_from(found).is_ok_and(|found| found > max))
        };
        exceeds(length, self.length) || exceeds(octets, self.octets)
    }

    /// Whether what is too much is refused, rather than the oldest messages dropped.
    pub(super) const fn rejects(&self) -> bool {
        self.rejects
    }
}

#[cfg(test)]
mod tests {
    use amqp_spec::field_table;

    use super::*;

    #[test]
    fn a_bound_is_what_arguments_ask_for() {
        let none = Bound::of(TableRef::default());
        assert!(!none.is_exceeded(usize::MAX, usize::MAX) && !none.rejects());
        let arguments = field_table! {
            "x-max-length" => 2i32, "x-max-length-bytes" => 10i64, "x-overflow" => "reject-publish",
        };
        let bound = Bound::of(arguments.as_ref());
        assert!(bound.rejects() && !bound.is_exceeded(2, 10));
        assert!(bound.is_exceeded(3, 0) && bound.is_exceeded(1, 11));
    }
}
