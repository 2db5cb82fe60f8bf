//! What the fuzz targets do with their octets. `fuzz/` includes this file by its path; `corpus.rs`
//! runs the same functions over the corpus, so that they are exercised without a fuzzer too.
//!
//! Each function takes any octets, decodes them, uses everything that came out, encodes it again
//! and insists that the second generation equals the first.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a fuzz target reports by panicking"
)]

use amqp_spec::Method;
use amqp_spec::basic::{Properties, PropertiesRef};
use amqp_spec::frame::{self, ContentHeader, FrameKind};
use amqp_spec::wire::{DecodeError, FieldArray, FieldTable, MethodId, TableRef, Value};

/// A stream: frames one after the other, with what they carry.
pub fn frame(data: &[u8]) {
    const MAX_PAYLOAD: usize = 8192;
    let mut rest = data;
    while let Ok(Some((frame, used))) = frame::decode(rest, MAX_PAYLOAD) {
        assert_eq!(used, frame.payload.len() + frame::OVERHEAD);
        assert_eq!(
            frame::decode(&rest[..used], MAX_PAYLOAD),
            Ok(Some((frame, used)))
        );
        assert_eq!(frame::decode(&rest[..used - 1], MAX_PAYLOAD), Ok(None));
        let mut again = Vec::new();
        match frame.kind {
            FrameKind::Method => method(frame.payload),
            FrameKind::Header => {
                if let Ok(header) = ContentHeader::decode(frame.payload) {
                    properties(header.properties);
                    let ContentHeader {
                        class_id,
                        body_size,
                        properties,
                    } = header;
                    let (channel, max) = (frame.channel, used);
                    frame::encode_header(&mut again, channel, class_id, body_size, properties, max)
                        .unwrap();
                    let (again, _) = frame::decode(&again, MAX_PAYLOAD).unwrap().unwrap();
                    assert_eq!(ContentHeader::decode(again.payload), Ok(header));
                }
            }
            FrameKind::Body => {
                frame::encode_body(&mut again, frame.channel, frame.payload, used);
                assert!(frame.payload.is_empty() || again == rest[..used]);
            }
            FrameKind::Heartbeat => assert_eq!(rest[..used], frame::HEARTBEAT),
        }
        rest = &rest[used..];
    }
}

/// The payload of a method frame.
pub fn method(data: &[u8]) {
    let method = match Method::decode(data) {
        Ok(method) => method,
        Err(error) => return check_error(&error, data),
    };
    assert_eq!(MethodId::peek(data), Some(method.id()));
    let mut again = Vec::new();
    method.encode(&mut again);
    assert_eq!(again.len(), method.encoded_len());
    assert_eq!(Method::decode(&again), Ok(method));
    assert!(!format!("{method:?}").is_empty());
}

/// The contents of a field table.
pub fn table(data: &[u8]) {
    let table = TableRef::new(data);
    let mut copy = FieldTable::new();
    let mut entries = table.iter();
    for entry in &mut entries {
        match entry {
            Ok((name, value)) => {
                assert!(table.get(name).is_ok_and(|first| first.is_some()));
                copy.push(name, value);
            }
            Err(error) => check_error(&error, data),
        }
    }
    assert!(entries.next().is_none());
    assert!(format!("{table:?}").len() <= 64 * 1024 + 16 * data.len());
    if table.validate().is_ok() {
        // The copy differs from the table where a type has two tags or `true` two octets, and in
        // nothing else.
        let canonical = rebuild(table);
        assert_eq!(canonical.byte_len(), data.len());
        assert_eq!(rebuild(canonical.as_ref()), canonical);
        assert_eq!(table.to_owned().as_bytes(), data);
    }
}

/// Decodes and encodes everything in a table that is known to be well-formed.
fn rebuild(table: TableRef<'_>) -> FieldTable {
    let mut copy = FieldTable::new();
    for entry in table {
        let (name, value) = entry.unwrap();
        match value {
            Value::Table(inner) => copy.push(name, rebuild(inner)),
            Value::Array(inner) => copy.push(name, rebuild_array(inner.iter())),
            value => copy.push(name, value),
        }
    }
    copy
}

fn rebuild_array<'a>(values: impl Iterator<Item = Result<Value<'a>, DecodeError>>) -> FieldArray {
    let mut copy = FieldArray::new();
    for value in values {
        match value.unwrap() {
            Value::Table(inner) => copy.push(rebuild(inner)),
            Value::Array(inner) => copy.push(rebuild_array(inner.iter())),
            value => copy.push(value),
        }
    }
    copy
}

/// An encoded list of properties of class `basic`.
pub fn properties(data: &[u8]) {
    let read = match PropertiesRef::decode(data) {
        Ok(read) => read,
        Err(error) => return check_error(&error, data),
    };
    assert_eq!(read.as_bytes(), data);
    let copy = built_in_reverse(read);
    let copy = copy.as_ref();
    assert_eq!(PropertiesRef::decode(copy.as_bytes()), Ok(copy));
    assert_eq!(built_in_reverse(copy).as_ref(), copy);
    assert_eq!(format!("{copy:?}"), format!("{read:?}"));
    if let Some(headers) = read.headers() {
        table(headers.as_bytes());
    }
    // Setting what is set already changes nothing, unknown flags and the reserved property
    // included.
    let mut owned = read.to_owned();
    if let Some(value) = read.message_id() {
        owned = owned.message_id(value);
    }
    assert_eq!(owned.as_bytes(), data);
}

fn built_in_reverse(read: PropertiesRef<'_>) -> Properties {
    let mut copy = Properties::new();
    /// Sets those that are there.
    macro_rules! set {
        ($($name:ident)*) => {
            $(if let Some(value) = read.$name() {
                copy = copy.$name(value);
            })*
        };
    }
    set!(app_id user_id type_ timestamp message_id expiration reply_to correlation_id);
    set!(priority delivery_mode headers content_encoding content_type);
    copy
}

fn check_error(error: &DecodeError, data: &[u8]) {
    assert!(error.offset() <= data.len());
    assert!(!error.what().is_empty() && !error.to_string().is_empty());
}
