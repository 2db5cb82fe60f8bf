//! TLS: connecting so that nobody reads along.
//!
//! [`Connection::open_over`](crate::Connection::open_over) takes any stream, one of `tokio-rustls` or
//! `tokio-native-tls` too.
