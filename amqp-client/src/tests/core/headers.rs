//! Headers that brokers write, whole and damaged.

use std::time::{Duration, SystemTime};

use amqp_spec::basic::Properties;
use amqp_spec::wire::{FieldArray, FieldTable, Timestamp, Value};
use amqp_spec::{field_table, short_str};

use super::content::{consuming, next};
use crate::Delivery;
use crate::message::DeathReason;
use crate::tests::support::wire;

/// A delivery with these headers, and whatever else is set.
fn delivery(headers: &FieldTable, set: impl FnOnce(Properties) -> Properties) -> Delivery {
    let (mut pair, _channel, mut consumer) = consuming();
    let properties = set(Properties::new().headers(headers.as_ref()));
    pair.feed(
        &[
            wire::method(1, &wire::deliver("tag", 1)),
            wire::header_with(1, 0, properties.as_ref()),
        ]
        .concat(),
    );
    next(&mut consumer)
}

fn bare(headers: &FieldTable) -> Delivery {
    delivery(headers, |properties| properties)
}

#[test]
fn deaths_are_read_with_everything_in_them() {
    let mut keys = FieldArray::new();
    keys.push("first");
    keys.push("second");
    let newest = field_table! {
        "count" => 3_i64,
        "reason" => "expired",
        "queue" => "retry",
        "time" => Timestamp(1_700_000_000),
        "exchange" => "orders",
        "routing-keys" => &keys,
        "original-expiration" => "1500",
    };
    let oldest = field_table! { "reason" => "shot", "queue" => "work" };
    let mut deaths = FieldArray::new();
    deaths.push(&newest);
    deaths.push(&oldest);
    let delivery = bare(&field_table! {
        "x-death" => &deaths,
        "x-first-death-queue" => "work",
        "x-first-death-reason" => "delivery_limit",
        "x-first-death-exchange" => "",
        "x-delivery-count" => 7,
        "x-stream-offset" => 5_000_000_000_i64,
    });
    let [newest, oldest] = &delivery.deaths()[..] else {
        panic!("{:?}", delivery.deaths());
    };
    assert_eq!((newest.queue.as_str(), newest.count), ("retry", 3));
    assert_eq!(newest.reason, DeathReason::Expired);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    assert_eq!(newest.time, Some(time));
    assert_eq!(newest.exchange, "orders");
    assert_eq!(newest.routing_keys, ["first", "second"]);
    let expiration = Duration::from_millis(1500);
    assert_eq!(newest.original_expiration, Some(expiration));
    // Words of tomorrow, and what is not said.
    assert_eq!(oldest.reason, DeathReason::Other("shot".to_owned()));
    assert_eq!((oldest.count, oldest.time), (1, None));
    let first = delivery.first_death().unwrap();
    assert_eq!(first.reason, DeathReason::DeliveryLimit);
    assert_eq!(delivery.last_death(), None);
    assert_eq!(delivery.delivery_count(), Some(7));
    assert_eq!(delivery.stream_offset(), Some(5_000_000_000));
}

#[test]
fn attempts_are_the_most_that_is_told_of_them() {
    let death = |reason: &str, count: i64| {
        field_table! { "queue" => "q", "reason" => reason, "count" => count }
    };
    let died = |entries: &[FieldTable]| {
        let mut deaths = FieldArray::new();
        entries.iter().for_each(|entry| deaths.push(entry));
        field_table! { "x-death" => &deaths }
    };
    let table = [
        (field_table! {}, 1),
        // The first time, as quorum queues count since 4.0, and up to 4.2 later on.
        (field_table! { "x-delivery-count" => 0 }, 1),
        (field_table! { "x-delivery-count" => 2 }, 3),
        (
            field_table! { "x-acquired-count" => 3, "x-delivery-count" => 1 },
            4,
        ),
        (field_table! { "x-acquired-count" => i64::MAX }, 1 << 63),
        (died(&[death("expired", 2), death("rejected", 2)]), 3),
        (died(&[death("delivery_limit", 1), death("rejected", 2)]), 4),
        (died(&[death("maxlen", 1), death("expired", 1)]), 1),
        (died(&vec![death("rejected", i64::MAX); 3]), u64::MAX),
    ];
    for (headers, attempts) in table {
        assert_eq!(bare(&headers).attempts(), attempts, "{headers:?}");
    }
}

#[test]
fn headers_of_other_types_count_as_absent() {
    let mut deaths = FieldArray::new();
    deaths.push("not a table");
    deaths.push(&field_table! { "queue" => "no reason" });
    deaths.push(&field_table! { "queue" => 5, "reason" => "rejected" });
    let delivery = bare(&field_table! {
        "x-death" => &deaths,
        "x-first-death-queue" => true,
        "x-delivery-count" => -1,
        "x-stream-offset" => "first",
    });
    assert_eq!(delivery.deaths(), []);
    assert_eq!(delivery.first_death(), None);
    assert_eq!(delivery.delivery_count(), None);
    assert_eq!(delivery.attempts(), 1);
    assert_eq!(delivery.stream_offset(), None);
    assert_eq!(
        delivery.header("x-stream-offset"),
        Some(Value::from("first"))
    );
    assert_eq!(bare(&field_table! { "x-death" => 1 }).deaths(), []);
}

#[test]
fn properties_that_make_no_sense_count_as_absent() {
    let delivery = delivery(&FieldTable::new(), |properties| {
        properties
            .delivery_mode(3)
            .expiration(short_str!("soon"))
            .correlation_id(amqp_spec::wire::ShortStr::new(b"\xff").unwrap())
    });
    assert_eq!(delivery.delivery_mode(), None);
    assert!(!delivery.is_persistent());
    assert_eq!(delivery.expiration(), None);
    assert_eq!(delivery.correlation_id(), None);
    let raw = delivery.properties().correlation_id().unwrap();
    assert_eq!(raw.as_bytes(), b"\xff");
}
