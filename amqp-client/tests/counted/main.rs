//! What the client costs in things that can be counted: allocations, system calls, wake-ups,
//! memory.
//!
//! Times differ from machine to machine and from run to run; these numbers do not, so they are held
//! against bounds here, and whoever makes the client more expensive learns of it from a failing
//! test. Run with `--nocapture` to see the numbers.
//!
//! The broker is played in memory, within the same thread ([`peer`]). Two ways lead to it: the
//! tokio adapter over a stream that counts its calls ([`stream`]), and the core driven by hand,
//! where every wake-up is seen ([`by_hand`]). The counting allocator is that of the whole process
//! and counts per thread, so tests may run at once; what the peer allocates does not count.
#![cfg(feature = "tokio")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod by_hand;
mod peer;
mod stream;

mod allocations;
mod calls;
mod growth;
mod losses;
mod wakes;

/// Asserts that something was counted at most so often, and shows it.
#[track_caller]
fn at_most(what: &str, counted: u64, bound: u64) {
    println!("{what}: {counted} of at most {bound}");
    assert!(counted <= bound, "{what}: {counted}, more than {bound}");
}

/// One percent: what collections that grow now and then, and the end of a run, may add to a count
/// that is otherwise exact.
fn percent(n: u64) -> u64 {
    n / 100
}

#[test]
fn counter_counts() {
    let info = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!((info.count_total, info.bytes_total), (1, 100));
}
