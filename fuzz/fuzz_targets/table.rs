//! The contents of a field table.

#![no_main]

#[path = "../../amqp-spec/tests/it/fuzz_bodies.rs"]
#[allow(dead_code, reason = "each target uses one of the bodies")]
mod fuzz_bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::table(data));
