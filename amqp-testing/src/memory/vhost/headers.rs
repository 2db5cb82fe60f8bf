//! Arguments of bindings to headers exchanges.

use amqp_spec::ReplyCode;
use amqp_spec::wire::{TableRef, Value};

use crate::memory::erlang;
use crate::memory::fields::{Term, lookup, type_name};
use crate::memory::like::Like;
use crate::memory::refusal::Refusal;

const X_MATCH: &str = "x-match";

/// Refuses an `x-match` that is none.
pub(super) fn check(arguments: TableRef<'_>) -> Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::new(ReplyCode::PRECONDITION_FAILED, text));
    match lookup(arguments, X_MATCH) {
        None => Ok(()),
        Some(Value::LongString(kind)) => match kind.as_bytes() {
            b"all" | b"any" | b"all-with-x" | b"any-with-x" => Ok(()),
            other => invalid(format!(
                "Invalid x-match field value {}; expected all, any, all-with-x, or any-with-x",
                erlang::pretty_binary(other)
            )),
        },
        Some(other) => invalid(format!(
            "Invalid x-match field type {} (value {}); expected longstr",
            type_name(&other),
            printed(&other)
        )),
    }
}

/// A value as `~p` prints it.
pub(super) fn printed(value: &Value<'_>) -> String {
    match value {
        Value::LongString(text) => erlang::pretty_binary(text.as_bytes()),
        Value::Bytes(octets) => erlang::pretty_binary(octets),
        Value::Void => "undefined".to_owned(),
        other => other.to_string(),
    }
}

/// Whether a message with these headers passes a binding with these arguments.
pub(super) fn fit(arguments: TableRef<'_>, headers: TableRef<'_>, like: Like) -> bool {
    let kind = lookup(arguments, X_MATCH).and_then(|kind| kind.as_bytes());
    let any = matches!(kind, Some(b"any" | b"any-with-x"));
    let with_x = matches!(kind, Some(b"all-with-x" | b"any-with-x"));
    for (name, expected) in arguments.iter().filter_map(Result::ok) {
        if name == X_MATCH || (!with_x && name.starts_with("x-")) {
            continue;
        }
        let found = headers.get(name).ok().flatten();
        if fits(&expected, found.as_ref(), like) == any {
            return any;
        }
    }
    !any
}

fn fits(expected: &Value<'_>, found: Option<&Value<'_>>, like: Like) -> bool {
    let Some(found) = found else { return false };
    if *expected == Value::Void {
        return true;
    }
    let (expected, found) = (Term::of(expected), Term::of(found));
    match like {
        Like::RabbitMq3_10 => expected.equals(&found),
        // It looks at scalars only, and tells 1 from 1.0.
        Like::RabbitMq4_0 => !matches!(found, Term::Nested(_)) && expected == found,
    }
}

#[cfg(test)]
mod tests {
    use amqp_spec::field_table;

    use super::*;

    #[test]
    fn all_or_any_of_the_headers_have_to_fit() {
        let headers = field_table! { "a" => "1", "b" => 2, "x-c" => true };
        let passes = |arguments: &amqp_spec::wire::FieldTable| {
            fit(arguments.as_ref(), headers.as_ref(), Like::RabbitMq4_0)
        };
        assert!(passes(&field_table! { "a" => "1", "b" => 2_i64 }));
        assert!(!passes(&field_table! { "a" => "1", "b" => 3 }));
        assert!(!passes(&field_table! { "a" => "1", "d" => "1" }));
        assert!(passes(
            &field_table! { "x-match" => "any", "a" => "1", "d" => "1" }
        ));
        assert!(!passes(&field_table! { "x-match" => "any", "d" => "1" }));
        assert!(passes(&field_table! {}), "all of none");
        assert!(!passes(&field_table! { "x-match" => "any" }), "any of none");
        assert!(
            passes(&field_table! { "a" => Value::Void }),
            "there, whatever it is"
        );
        assert!(
            passes(&field_table! { "x-c" => false }),
            "names with x- do not count"
        );
        assert!(!passes(
            &field_table! { "x-match" => "all-with-x", "x-c" => false }
        ));
        assert!(passes(
            &field_table! { "x-match" => "any-with-x", "x-c" => true }
        ));
    }

    #[test]
    fn versions_differ_in_what_they_take_for_equal() {
        let (arguments, headers) = (field_table! { "a" => 1 }, field_table! { "a" => 1.0 });
        let fit = |like| fit(arguments.as_ref(), headers.as_ref(), like);
        assert!(fit(Like::RabbitMq3_10));
        assert!(!fit(Like::RabbitMq4_0));
    }
}
