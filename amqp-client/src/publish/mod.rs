//! Publishing many messages: prepared publishers, and what was not confirmed.
//!
//! [`Publisher`] and [`Confirmation`] are at the root of the crate. [`PreparedPublisher`], and
//! [`PreparedPublish`] without confirms, send messages that differ in their bodies only.
//! [`Resend`] says what is kept to be sent again. [`Unconfirmed`] is what
//! [`Publisher::wait_for_confirms`] reports.

// What is encoded under the outbox's lock is here, too.
//
// | file | what it is about |
// |---|---|
// | `sending` | what is encoded under the lock, and the future that waits for room |
// | `plain` | publishing without confirms, on a channel |
// | `publisher` | publishing with confirms |
// | `unconfirmed` | what was not confirmed when a channel ended |
// | `resend` | whether messages are sent again |
// | `routing` | which messages have to reach a queue |

mod plain;
pub(crate) mod publisher;
mod resend;
mod routing;
pub(crate) mod sending;
mod unconfirmed;

pub use self::plain::PreparedPublish;
pub use self::publisher::PreparedPublisher;
pub(crate) use self::publisher::{Confirmation, Publisher};
pub use self::resend::Resend;
pub use self::unconfirmed::{FailedPublish, Unconfirmed};
