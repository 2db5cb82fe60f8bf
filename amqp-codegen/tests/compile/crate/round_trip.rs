//! Every vector of a specification, through its typed methods and back.

use std::fs;
use std::path::Path;

use amqp_spec::wire::DecodeError;
use serde_json::Value;

use crate::shared::{from_hex, text, vectors_if_any};
use crate::support::Fields;

/// The functions that were generated for one specification.
pub(crate) struct Codec {
    pub(crate) encode: fn(&str, &Fields) -> Option<Vec<u8>>,
    pub(crate) to_frame: fn(&str, u16, &Fields) -> Option<Vec<u8>>,
    pub(crate) decode: fn(&[u8]) -> Result<(String, Fields), DecodeError>,
    pub(crate) encode_properties: fn(u16, &Fields) -> Option<Vec<u8>>,
    pub(crate) decode_properties: fn(u16, &[u8]) -> Option<Result<Fields, DecodeError>>,
    pub(crate) encoded_len: fn(&[u8]) -> usize,
}

/// Checks the vectors of one specification.
macro_rules! round_trip {
    ($name:ident, $n_vectors:literal) => {
        crate::round_trip::check(
            stringify!($name),
            $n_vectors,
            &crate::round_trip::Codec {
                encode: crate::$name::conformance::encode,
                to_frame: crate::$name::conformance::to_frame,
                decode: crate::$name::conformance::decode,
                encode_properties: crate::$name::conformance::encode_properties,
                decode_properties: crate::$name::conformance::decode_properties,
                encoded_len: |payload| {
                    generated::$name::method::Method::decode(payload)
                        .unwrap()
                        .encoded_len()
                },
            },
        )
    };
}
pub(crate) use round_trip;

pub(crate) fn check(name: &str, n_expected: usize, codec: &Codec) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(name);
    let mut n_vectors = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().unwrap() != "json" {
            continue;
        }
        let json = fs::read_to_string(path).unwrap();
        let vectors = vectors_if_any(&json);
        for vector in &vectors {
            let frame = from_hex(text(&vector["hex"]));
            if vector["class"].is_null() {
                check_method(vector, &frame, codec);
            } else {
                check_properties(vector, &frame, codec);
            }
            n_vectors += 1;
        }
    }
    assert_eq!(n_vectors, n_expected);
}

fn check_method(vector: &Value, frame: &[u8], codec: &Codec) {
    let context = format!("{} ({})", vector["name"], vector["case"]);
    let name = vector["name"].as_str().unwrap();
    let fields = Fields::from_json(&vector["fields"]);
    let payload = &frame[7..frame.len() - 1];

    assert_eq!(
        (codec.encode)(name, &fields).as_deref(),
        Some(payload),
        "{context}"
    );
    assert_eq!((codec.encoded_len)(payload), payload.len(), "{context}");
    let channel = u16::from_be_bytes([frame[1], frame[2]]);
    if let Some(encoded) = (codec.to_frame)(name, channel, &fields) {
        assert_eq!(encoded, frame, "{context}");
    }

    let (decoded_name, decoded) = (codec.decode)(payload).unwrap();
    assert_eq!(decoded_name, name, "{context}");
    // What is not decoded has to be reserved, or this would lack it.
    assert_eq!(
        (codec.encode)(name, &decoded).as_deref(),
        Some(payload),
        "{context}"
    );
    assert_eq!(
        decoded,
        fields.filter(|field| decoded.contains(field)),
        "{context}"
    );

    for length in 0..payload.len() {
        assert!(
            (codec.decode)(&payload[..length]).is_err(),
            "{context}: {length} octets"
        );
    }
}

fn check_properties(vector: &Value, frame: &[u8], codec: &Codec) {
    let context = format!("{} ({})", vector["name"], vector["case"]);
    let class = u16::try_from(vector["class"].as_u64().unwrap()).unwrap();
    let fields = Fields::from_json(&vector["fields"]);
    let list = &frame[19..frame.len() - 1];
    assert_eq!(
        (codec.encode_properties)(class, &fields).as_deref(),
        Some(list),
        "{context}"
    );
    assert_eq!(
        (codec.decode_properties)(class, list),
        Some(Ok(fields)),
        "{context}"
    );
}
