//! How a lost connection comes back: what the program wants, when to dial, what was there, in which
//! order it is restored, and what is told of it.
//!
//! | module | what it is about |
//! |---|---|
//! | `policy` | what the program wants |
//! | `attempts` | when to dial, and when to give up |
//! | `chance` | how long to wait before the next attempt of anything |
//! | `resubscribe` | what the program wants when the broker cancels a consumer |
//! | `course` | where a connection is on its way over its streams |
//! | `record` | what was declared on the connection, and is declared again |
//! | `plan` | what is sent on another stream, in which order |
//! | `steps` | how a plan is carried on |
//! | `topology`, `returning` | the parts of a plan: what is declared; each channel with its consumers |
//! | `passing`, `rest` | refusals whose reason may pass, and when what was refused is tried again |
//! | `closed` | channels that the broker has closed, and that are opened again for their consumers |
//! | `aside` | what costs an attempt, and is left until everything else is back |
//! | `report`, `state`, `told` | what the program is told |

mod aside;
mod attempts;
mod chance;
mod closed;
mod course;
mod passing;
mod plan;
mod policy;
mod record;
mod report;
mod rest;
mod resubscribe;
mod returning;
mod state;
mod steps;
pub(crate) mod told;
mod topology;

pub(crate) use self::attempts::{Attempts, Verdict, YOUNG};
pub(crate) use self::chance::Chance;
pub use self::course::Sequel;
pub(crate) use self::course::{Course, Next, Stretch};
pub(crate) use self::plan::{Milestones, Plan};
pub use self::policy::{OnFailure, Recovery, Restore};
pub(crate) use self::record::Record;
pub use self::report::{Counts, Lost, RecoveryReport};
pub use self::resubscribe::Resubscribe;
pub use self::state::State;
pub(crate) use self::steps::{opened, step};
