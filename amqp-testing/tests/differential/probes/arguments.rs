//! Arguments of queues: which are refused, and which have to be the same when declared again.

use amqp_spec::wire::FieldTable;
use amqp_spec::{field_table, queue};

use crate::lab::Lab;
use crate::say::{declare, declare_with, durable};

probes! { "arguments":
    arguments_number_differs,
    arguments_number_was_absent,
    arguments_number_is_absent,
    arguments_same_number_of_another_type,
    arguments_unknown_differs,
    arguments_text_differs,
    arguments_kind_differs,
    arguments_type_unknown,
    arguments_type_no_text,
    arguments_type_classic_is_the_default,
    arguments_quorum,
    arguments_quorum_exclusive,
    arguments_quorum_transient,
    arguments_quorum_auto_delete,
    arguments_ttl_of_text,
    arguments_ttl_negative,
    arguments_ttl_too_large,
    arguments_ttl_zero,
    arguments_ttl_of_long_long,
    arguments_ttl_of_float,
    arguments_expires_zero,
    arguments_expires_negative,
    arguments_max_length_negative,
    arguments_max_length_of_text,
    arguments_max_length_bytes_negative,
    arguments_max_priority_negative,
    arguments_max_priority_256,
    arguments_overflow_unknown,
    arguments_overflow_of_number,
    arguments_dead_letter_exchange_of_number,
    arguments_dead_letter_key_without_exchange,
    arguments_dead_letter_exchange_missing,
    arguments_single_active_consumer_of_text,
    arguments_queue_mode_unknown,
    arguments_several_differ,
}

/// Declares a queue twice.
fn twice(lab: &Lab, first: &FieldTable, second: &FieldTable) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare_with(&q, first));
    c.call(1, &declare_with(&q, second));
}

fn once(lab: &Lab, arguments: &FieldTable) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare_with(&q, arguments));
}

fn arguments_number_differs(lab: &Lab) {
    let (three, four) = (max_length(3), max_length(4));
    twice(lab, &three, &four);
}

fn arguments_number_was_absent(lab: &Lab) {
    twice(lab, &FieldTable::new(), &max_length(4));
}

fn arguments_number_is_absent(lab: &Lab) {
    twice(lab, &max_length(4), &FieldTable::new());
}

fn arguments_same_number_of_another_type(lab: &Lab) {
    twice(
        lab,
        &max_length(4),
        &field_table! { "x-max-length" => 4i64 },
    );
}

fn arguments_unknown_differs(lab: &Lab) {
    let one = field_table! { "x-nothing" => "one", "nothing" => 1i32 };
    twice(lab, &one, &field_table! { "x-nothing" => "two" });
}

fn arguments_text_differs(lab: &Lab) {
    let one = field_table! { "x-dead-letter-exchange" => "one" };
    twice(
        lab,
        &one,
        &field_table! { "x-dead-letter-exchange" => "two" },
    );
}

fn arguments_kind_differs(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &durable(&q));
    let quorum = quorum();
    c.call(
        1,
        &queue::Declare {
            durable: true,
            ..declare_with(&q, &quorum)
        },
    );
}

fn arguments_type_unknown(lab: &Lab) {
    once(lab, &field_table! { "x-queue-type" => "foo" });
}

fn arguments_type_no_text(lab: &Lab) {
    once(lab, &field_table! { "x-queue-type" => 1i32 });
}

fn arguments_type_classic_is_the_default(lab: &Lab) {
    let classic = field_table! { "x-queue-type" => "classic" };
    twice(lab, &FieldTable::new(), &classic);
}

fn arguments_quorum(lab: &Lab) {
    let (q, c, quorum) = (lab.name("q"), lab.channel(), quorum());
    let quorum = queue::Declare {
        durable: true,
        ..declare_with(&q, &quorum)
    };
    c.call(1, &quorum);
    c.call(1, &quorum);
    c.call(1, &durable(&q));
}

fn arguments_quorum_exclusive(lab: &Lab) {
    let (q, c, quorum) = (lab.name("q"), lab.channel(), quorum());
    let quorum = queue::Declare {
        durable: true,
        exclusive: true,
        ..declare_with(&q, &quorum)
    };
    c.call(1, &quorum);
}

fn arguments_quorum_transient(lab: &Lab) {
    once(lab, &quorum());
}

fn arguments_quorum_auto_delete(lab: &Lab) {
    let (q, c, quorum) = (lab.name("q"), lab.channel(), quorum());
    let quorum = queue::Declare {
        durable: true,
        auto_delete: true,
        ..declare_with(&q, &quorum)
    };
    c.call(1, &quorum);
}

fn arguments_ttl_of_text(lab: &Lab) {
    once(lab, &field_table! { "x-message-ttl" => "1000" });
}

fn arguments_ttl_negative(lab: &Lab) {
    once(lab, &field_table! { "x-message-ttl" => -1i32 });
}

fn arguments_ttl_too_large(lab: &Lab) {
    once(lab, &field_table! { "x-message-ttl" => 1i64 << 40 });
}

fn arguments_ttl_zero(lab: &Lab) {
    once(lab, &field_table! { "x-message-ttl" => 0i32 });
}

fn arguments_ttl_of_long_long(lab: &Lab) {
    once(lab, &field_table! { "x-message-ttl" => 1000i64 });
}

fn arguments_ttl_of_float(lab: &Lab) {
    once(lab, &field_table! { "x-message-ttl" => 1.5f64 });
}

fn arguments_expires_zero(lab: &Lab) {
    once(lab, &field_table! { "x-expires" => 0i32 });
}

fn arguments_expires_negative(lab: &Lab) {
    once(lab, &field_table! { "x-expires" => -5i64 });
}

fn arguments_max_length_negative(lab: &Lab) {
    once(lab, &max_length(-1));
}

fn arguments_max_length_of_text(lab: &Lab) {
    once(lab, &field_table! { "x-max-length" => "4" });
}

fn arguments_max_length_bytes_negative(lab: &Lab) {
    once(lab, &field_table! { "x-max-length-bytes" => -1i32 });
}

fn arguments_max_priority_negative(lab: &Lab) {
    once(lab, &field_table! { "x-max-priority" => -1i32 });
}

fn arguments_max_priority_256(lab: &Lab) {
    once(lab, &field_table! { "x-max-priority" => 256i32 });
}

fn arguments_overflow_unknown(lab: &Lab) {
    once(lab, &field_table! { "x-overflow" => "foo" });
}

fn arguments_overflow_of_number(lab: &Lab) {
    once(lab, &field_table! { "x-overflow" => 1i32 });
}

fn arguments_dead_letter_exchange_of_number(lab: &Lab) {
    once(lab, &field_table! { "x-dead-letter-exchange" => 1i32 });
}

fn arguments_dead_letter_key_without_exchange(lab: &Lab) {
    once(lab, &field_table! { "x-dead-letter-routing-key" => "k" });
}

fn arguments_dead_letter_exchange_missing(lab: &Lab) {
    once(lab, &field_table! { "x-dead-letter-exchange" => "nosuch" });
}

fn arguments_single_active_consumer_of_text(lab: &Lab) {
    once(lab, &field_table! { "x-single-active-consumer" => "true" });
}

fn arguments_queue_mode_unknown(lab: &Lab) {
    once(lab, &field_table! { "x-queue-mode" => "foo" });
}

fn arguments_several_differ(lab: &Lab) {
    let one = field_table! { "x-max-length" => 3i32, "x-message-ttl" => 3000i32 };
    twice(
        lab,
        &one,
        &field_table! { "x-max-length" => 4i32, "x-message-ttl" => 4000i32 },
    );
    let (q, c) = (lab.name("r"), lab.channel());
    c.call(1, &declare(&q));
    c.call(
        1,
        &queue::Declare {
            auto_delete: true,
            ..durable(&q)
        },
    );
}

fn max_length(length: i32) -> FieldTable {
    field_table! { "x-max-length" => length }
}

fn quorum() -> FieldTable {
    field_table! { "x-queue-type" => "quorum" }
}
