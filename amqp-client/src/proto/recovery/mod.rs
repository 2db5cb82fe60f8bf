//! How a lost connection comes back: what the program wants, when to dial, what was there, and what
//! is told of it.
//!
//! | module | what it is about |
//! |---|---|
//! | `policy` | what the program wants |
//! | `attempts` | when to dial, and when to give up |
//! | `record` | what was declared on the connection, and is declared again |
//! | `report` | what has been restored, and what has not |
//! | `state` | where a connection stands |

mod attempts;
mod policy;
#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "the core keeps it soon")
)]
pub(crate) mod record;
mod report;
mod state;

#[expect(unused_imports, reason = "the core asks it soon")]
pub(crate) use self::attempts::{Attempts, Verdict};
pub use self::policy::{OnFailure, Recovery, Restore};
pub use self::report::{Counts, Lost, RecoveryReport};
pub use self::state::State;
