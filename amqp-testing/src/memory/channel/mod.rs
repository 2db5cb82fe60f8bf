//! A channel: what it remembers, and which part of it handles which method.
//!
//! ```text
//!            channel.open            a refusal, or channel.close
//!  Starting ─────────────▶ Running ─────────────────────────────▶ Closing
//! ```
//!
//! A channel exists from its first frame on, whatever that is. One that closes ignores everything
//! but the rest of the closing; its mail is still read, for deliveries that were on their way
//! arrive even then.

mod assembly;
mod consume;
mod declare;
mod dispatch;
mod mail;
mod pending;
mod prepare;
mod publish;
mod settle;
mod state;
mod tx;

pub(super) use self::assembly::{Carrier, Content, Fed, Misfit};
pub(super) use self::mail::Read;
pub(super) use self::state::Channel;
