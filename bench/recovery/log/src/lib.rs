//! What the programs of the comparison have in common: how much they publish and consume, what they
//! are told on standard input, and the lines that they write to standard output.
//!
//! A program is started with a URL. It declares the durable queue [`QUEUE`], consumes from it in
//! [`N_CONSUMERS`] consumers, publishes to it in [`N_PUBLISHERS`] publishers, and writes a
//! [`Line`] for each thing that happens. Nothing else is common: what a client does with its
//! connection is in its own program.

mod line;
mod orders;

use std::time::Duration;

pub use line::{Attempt, Line, Part};
pub use orders::Orders;

/// The durable queue.
pub const QUEUE: &str = "work";

/// How many publishers there are, each with one message under way.
pub const N_PUBLISHERS: usize = 4;

/// How many consumers there are. The first acknowledges at once, the others after [`WORK`].
pub const N_CONSUMERS: usize = 2;

/// How many deliveries a consumer may hold.
pub const PREFETCH: u16 = 50;

/// How long a publisher waits between two publishes, whatever became of the first.
pub const PACE: Duration = Duration::from_millis(20);

/// How long all consumers but the first work on a delivery.
pub const WORK: Duration = Duration::from_millis(5);

/// What a program may fail with.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The URL on the command line.
///
/// # Errors
///
/// There is none.
pub fn url() -> Result<String, Error> {
    let url = std::env::args().nth(1);
    url.ok_or_else(|| "a URL is missing".into())
}
