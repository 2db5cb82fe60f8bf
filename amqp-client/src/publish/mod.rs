//! Publishing, besides [`Publisher`] and [`Confirmation`]:
//! many messages that differ in their bodies only ([`PreparedPublisher`], and [`PreparedPublish`]
//! without confirms), and what [was not confirmed](Unconfirmed) of many.

// What is encoded under the outbox's lock is here, too.
//
// | file | what it is about |
// |---|---|
// | `sending` | what is encoded under the lock, and the future that waits for room |
// | `plain` | publishing without confirms, on a channel |
// | `publisher` | publishing with confirms |
// | `unconfirmed` | what was not confirmed when a channel ended |
// | `routing` | which messages have to reach a queue |

mod plain;
pub(crate) mod publisher;
mod routing;
pub(crate) mod sending;
mod unconfirmed;

pub use self::plain::PreparedPublish;
pub use self::publisher::PreparedPublisher;
pub(crate) use self::publisher::{Confirmation, Publisher};
pub use self::unconfirmed::{FailedPublish, Unconfirmed};
