//! What happens because time has passed.
//!
//! | module | what it is about |
//! |---|---|
//! | `clock` | what tells the handles the time |
//! | `clocks` | all times that the core itself watches |
//! | `deadlines` | those that are set once, by kind |
//! | `heartbeat` | when to send a heartbeat, and when the peer is dead |
//! | `write_timeout` | a peer that takes nothing |
//! | `pace` | how often a channel is opened in the place of one that the broker has closed |

use std::time::{Duration, Instant};

pub(crate) mod clock;
pub(crate) mod clocks;
pub(crate) mod deadlines;
pub(crate) mod heartbeat;
pub(crate) mod pace;
pub(crate) mod write_timeout;

/// A time that no connection lives to see.
const NEVER: Duration = Duration::from_secs(86_400 * 365 * 30);

/// When `duration` has passed; "never" may be asked for with the longest duration there is.
pub(crate) fn after(now: Instant, duration: Duration) -> Instant {
    now + duration.min(NEVER)
}
