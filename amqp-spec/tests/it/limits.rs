//! Nesting and sizes that only an attacker would send.

use amqp_spec::wire::{
    ArrayRef, DecodeErrorKind, FieldArray, FieldTable, ShortStr, TableRef, Value,
};

/// A table with a table in it, `depth` times.
fn nested_tables(depth: usize) -> FieldTable {
    let mut table = FieldTable::new();
    for _ in 0..depth {
        table = FieldTable::from_iter([(ShortStr::literal("k"), &table)]);
    }
    table
}

/// How many tables can be entered before it is too deep.
fn reachable(mut table: TableRef<'_>) -> usize {
    for depth in 0.. {
        match table.get("k") {
            Ok(Some(Value::Table(inner))) => table = inner,
            Ok(_) => return depth,
            Err(error) => {
                assert_eq!(error.kind(), DecodeErrorKind::TooDeep);
                return depth;
            }
        }
    }
    unreachable!()
}

#[test]
fn nesting_ends_at_32() {
    assert_eq!(reachable(nested_tables(32).as_ref()), 32);
    assert_eq!(nested_tables(32).as_ref().validate(), Ok(()));
    let deeper = nested_tables(33);
    assert_eq!(reachable(deeper.as_ref()), 32);
    let error = deeper.as_ref().validate().unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::TooDeep);
    assert_eq!(
        error.to_string(),
        "field-table value at octet 2: nested too deep"
    );
    // What cannot be read can be passed on.
    assert_eq!(deeper.as_ref().to_owned(), deeper);
}

#[test]
fn limit_can_be_set() {
    let table = nested_tables(40);
    assert_eq!(reachable(table.as_ref().with_max_depth(0)), 0);
    assert_eq!(reachable(table.as_ref().with_max_depth(5)), 5);
    assert_eq!(reachable(table.as_ref().with_max_depth(40)), 40);
    assert_eq!(table.as_ref().with_max_depth(40).validate(), Ok(()));
    assert!(table.as_ref().with_max_depth(39).validate().is_err());
}

#[test]
fn arrays_count_as_well() {
    let mut array = FieldArray::new();
    for _ in 0..33 {
        array = FieldArray::from_iter([&array]);
    }
    assert_eq!(
        array.as_ref().validate().unwrap_err().kind(),
        DecodeErrorKind::TooDeep
    );
    assert_eq!(array.as_ref().with_max_depth(33).validate(), Ok(()));
}

#[test]
fn depth_does_not_use_the_stack() {
    // A megabyte of `A` with a length, each array in the one before it: 200 000 deep.
    const LEN: u32 = 1_000_000;
    let octets: Vec<u8> = (0..LEN / 5)
        .flat_map(|i| {
            let [a, b, c, d] = (LEN - 5 * (i + 1)).to_be_bytes();
            [b'A', a, b, c, d]
        })
        .collect();
    let array = ArrayRef::new(&octets).with_max_depth(u16::MAX);
    let small_stack = std::thread::Builder::new().stack_size(64 * 1024);
    std::thread::scope(|scope| {
        let check = small_stack.spawn_scoped(scope, || {
            assert_eq!(
                array.validate().unwrap_err().kind(),
                DecodeErrorKind::TooDeep
            );
            assert!(format!("{array:?}").len() < 100);
        });
        check.unwrap().join().unwrap();
    });
}

#[test]
fn inner_length_cannot_pass_the_outer_one() {
    // A table of 8 octets in which a string says it has 200; 300 octets follow the table.
    let octets = [&b"\x01kS\x00\x00\x00\xc8x"[..], &[0; 300]].concat();
    let error = TableRef::new(&octets[..8]).validate().unwrap_err();
    assert_eq!(
        error.kind(),
        DecodeErrorKind::UnexpectedEnd {
            needed: 204,
            left: 5
        }
    );
}

const ONLY_WHERE_ASKED_FOR: &str = "#[cfg(feature = \"std\")]\nextern crate std;";

#[test]
fn crate_needs_no_operating_system() {
    let source = include_str!("../../src/lib.rs");
    assert!(source.lines().any(|line| line == "#![no_std]"));
    assert!(
        !source
            .replace(ONLY_WHERE_ASKED_FOR, "")
            .contains("extern crate std")
    );
    let manifest = include_str!("../../Cargo.toml");
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    let dependencies = dependencies.split("[dev-dependencies]").next().unwrap();
    let lines = dependencies.lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        assert!(line.contains("default-features = false"), "{line}");
        assert!(line.contains("optional = true"), "{line}");
    }
}
