//! Values in headers and arguments, there and back.

use amqp_spec::basic;
use amqp_spec::field_table;
use amqp_spec::wire::{Decimal, FieldArray, FieldTable, Timestamp};
use amqp_testing::frames::RawFrame;

use crate::lab::Lab;
use crate::say::{declare, message_with, method, publish, take};

probes! { "tables":
    table_integers,
    table_floats,
    table_texts,
    table_octets,
    table_others,
    table_nested,
    table_order_of_names,
    table_name_twice,
    table_empty,
    table_name_empty,
    table_name_of_255_octets,
    table_name_is_no_text,
    table_text_is_no_text,
    table_long_integer_by_its_other_name,
    table_short_integer_of_the_specification,
    table_deep,
    array_mixed,
    array_empty,
}

/// Publishes these headers, and fetches them.
fn there_and_back(lab: &Lab, headers: &FieldTable) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let properties = basic::Properties::new().headers(headers.as_ref());
    c.raw(&[message_with(1, "", &q, &properties, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

/// Publishes headers that are these octets.
fn octets_there_and_back(lab: &Lab, octets: &[u8]) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let mut payload = vec![0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 0x00];
    payload.extend(u32::try_from(octets.len()).unwrap().to_be_bytes());
    payload.extend(octets);
    c.raw(&[
        method(1, &publish("", &q)),
        RawFrame::new(2, 1, payload).encode(),
        RawFrame::new(3, 1, b"m").encode(),
    ]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

fn table_integers(lab: &Lab) {
    let headers = field_table! {
        "b" => i8::MIN, "B" => u8::MAX, "s" => i16::MIN, "u" => u16::MAX, "I" => i32::MIN,
        "i" => u32::MAX, "l" => i64::MIN,
    };
    there_and_back(lab, &headers);
}

fn table_floats(lab: &Lab) {
    there_and_back(
        lab,
        &field_table! { "f" => 1.5f32, "d" => -0.1f64, "zero" => -0.0f64 },
    );
}

fn table_texts(lab: &Lab) {
    there_and_back(lab, &field_table! { "empty" => "", "text" => "é 𝄞 \0 \n" });
}

fn table_octets(lab: &Lab) {
    there_and_back(lab, &field_table! { "x" => &[0u8, 255, 128][..] });
}

fn table_others(lab: &Lab) {
    let decimal = Decimal {
        scale: 2,
        value: 995,
    };
    let headers = field_table! {
        "t" => true, "f" => false, "void" => None::<i32>, "time" => Timestamp(77), "d" => decimal,
    };
    there_and_back(lab, &headers);
}

fn table_nested(lab: &Lab) {
    let inner = field_table! { "z" => 1i32, "a" => None::<i32> };
    let middle = field_table! { "inner" => &inner, "n" => 2i64 };
    there_and_back(lab, &field_table! { "middle" => &middle });
}

fn table_order_of_names(lab: &Lab) {
    there_and_back(lab, &field_table! { "z" => 1i32, "a" => 2i32, "m" => 3i32 });
}

fn table_name_twice(lab: &Lab) {
    there_and_back(lab, &field_table! { "a" => 1i32, "a" => 2i32 });
}

fn table_empty(lab: &Lab) {
    there_and_back(lab, &FieldTable::new());
}

fn table_name_empty(lab: &Lab) {
    there_and_back(lab, &field_table! { "" => 1i32 });
}

fn table_name_of_255_octets(lab: &Lab) {
    let mut headers = FieldTable::new();
    headers.push("n".repeat(255), 1i32);
    there_and_back(lab, &headers);
}

fn table_name_is_no_text(lab: &Lab) {
    octets_there_and_back(lab, b"\x02a\xfft\x01");
}

fn table_text_is_no_text(lab: &Lab) {
    octets_there_and_back(lab, b"\x01aS\x00\x00\x00\x02\xff\x80");
}

/// `L` is `l`.
fn table_long_integer_by_its_other_name(lab: &Lab) {
    octets_there_and_back(lab, b"\x01aL\x00\x00\x00\x00\x00\x00\x00\x07");
}

/// `U` is in the specification, but not in RabbitMQ.
fn table_short_integer_of_the_specification(lab: &Lab) {
    octets_there_and_back(lab, b"\x01aU\x00\x07");
}

fn table_deep(lab: &Lab) {
    let mut octets = Vec::new();
    for _ in 0..40 {
        let mut outer = b"\x01aF".to_vec();
        outer.extend(u32::try_from(octets.len()).unwrap().to_be_bytes());
        outer.extend(octets);
        octets = outer;
    }
    octets_there_and_back(lab, &octets);
}

fn array_mixed(lab: &Lab) {
    let mut array = FieldArray::new();
    array.push(1i32);
    array.push("text");
    array.push(None::<i32>);
    array.push(FieldArray::from([1i64, 2]).as_ref());
    array.push(&field_table! { "a" => true });
    there_and_back(lab, &field_table! { "array" => array.as_ref() });
}

fn array_empty(lab: &Lab) {
    there_and_back(lab, &field_table! { "array" => FieldArray::new().as_ref() });
}
