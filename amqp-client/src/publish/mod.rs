//! Publishing: the publisher and its confirmations, and what is encoded under the outbox's lock.
//!
//! | file | what it is about |
//! |---|---|
//! | `sending` | what is encoded under the lock, and the future that waits for room |
//! | `plain` | publishing without confirms, on a channel |
//! | `publisher` | publishing with confirms |
//! | `unconfirmed` | what was not confirmed when a channel ended |
//! | `routing` | which messages have to reach a queue |

mod plain;
mod publisher;
mod routing;
pub(crate) mod sending;
mod unconfirmed;

pub use self::plain::PreparedPublish;
pub use self::publisher::{Confirmation, PreparedPublisher, Publisher};
pub use self::unconfirmed::{FailedPublish, Unconfirmed};
