//! What reading a file costs: processor time that grows with the file's length, not with its
//! square, and memory with a bound for each of its bytes.
//!
//! No clock is involved. One thread reads a text once, and then eight times an eighth of it: work
//! that is done again and again shows in that the whole costs several times what its parts cost.
//! What is compared is the processor time of the thread, which other programs on the machine hardly
//! change. Memory is counted exactly.

use std::fs;

/// How many parts a text is compared with.
const PARTS: usize = 8;

/// How many times the parts' cost the whole may cost: eight times it would be if work grew with the
/// square of the length, once if it grows evenly, and the caches differ.
const MOST: u64 = 4;

/// How many measurements have to agree before a text counts as too expensive.
const ATTEMPTS: usize = 5;

/// Below this, in nanoseconds of processor time, the kernel's account is too coarse to compare, and
/// the growth harmless.
const TOO_LITTLE: u64 = 20_000_000;

/// The most memory that reading may occupy at a time, for each byte of the text, which becomes a
/// tree.
const BYTES_FOR_EACH: u64 = 128;

/// The most that it may occupy besides.
const BYTES_BESIDES: u64 = 1 << 20;

/// Checks that reading takes no more memory than the text justifies, and returns what was read.
#[track_caller]
pub(crate) fn bounded<R>(len: usize, read: impl FnOnce() -> R) -> R {
    let mut result = None;
    let memory = allocation_counter::measure(|| result = Some(read()));
    let most = BYTES_FOR_EACH * u64::try_from(len).unwrap() + BYTES_BESIDES;
    let found = memory.bytes_max;
    assert!(found <= most, "{found} bytes at a time for {len} of text");
    result.unwrap()
}

/// Checks how reading grows: `make` makes a text of as many parts as it is told.
#[track_caller]
pub(crate) fn even<T>(what: &str, n_parts: usize, make: impl Fn(usize) -> T, read: impl Fn(&T)) {
    let (part, whole) = (make(n_parts / PARTS), make(n_parts));
    let mut compared = Vec::new();
    for _ in 0..ATTEMPTS {
        let Some(time) = processor_time(|| read(&whole)) else {
            return;
        };
        let of_parts = processor_time(|| (0..PARTS).for_each(|_| read(&part))).unwrap();
        if time <= TOO_LITTLE || time <= MOST * of_parts {
            return;
        }
        compared.push((time, of_parts));
    }
    panic!("{what}: the whole takes far longer than its parts, in ns: {compared:?}");
}

/// The processor time that the work takes, in nanoseconds; `None` where the kernel keeps no such
/// account.
fn processor_time(work: impl FnOnce()) -> Option<u64> {
    let account = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    let before = account()?;
    work();
    account()?.checked_sub(before)
}

#[test]
fn work_that_grows_with_the_square_is_found() {
    let square = |len: &usize| {
        let mut sum = 0_usize;
        for n in 0..*len {
            sum = (0..*len).fold(sum, |sum, m| std::hint::black_box(sum ^ n ^ m));
        }
        std::hint::black_box(sum);
    };
    if processor_time(|| ()).is_none() {
        return;
    }
    let found = std::panic::catch_unwind(|| even("square", 16_000, |len| len, square));
    assert!(found.is_err());
}
