//! Connecting over a network of our own making, on a clock that stands still while nothing waits.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

mod hosts;
mod network;
#[cfg(feature = "rustls-ring")]
mod over_tls;
mod racing;
mod redialing;
#[cfg(feature = "rustls-ring")]
mod redialing_over_tls;
