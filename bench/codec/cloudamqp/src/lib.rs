//! The codec of the registry's `amqp-client` 0.1.0, compiled from its unchanged source. The crate
//! does not export it.

#![allow(warnings, clippy::all, reason = "not ours")]

include!(concat!(env!("OUT_DIR"), "/modules.rs"));
