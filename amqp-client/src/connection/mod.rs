//! What a connection says of itself.
//!
//! [`Connection`] itself is at the root of the crate. Here is what some of its methods give:
//!
//! * [`Connection::counters`]: what it has done so far, and what it holds ([`Counters`]);
//! * [`Connection::limits`]: what both sides agreed on ([`Limits`]);
//! * [`Connection::server_capabilities`]: what the broker says it can do ([`ServerCapabilities`]);
//! * [`Connection::shutdown`]: what it left ([`ShutdownReport`]).

// | file | what it is about |
// |---|---|
// | `lifecycle` | opening it and its channels, closing, the end |
// | `blocked` | alarms of the broker |
// | `capabilities` | what the broker says it can do |
// | `counters` | what has been done so far, in numbers |
// | `events` | what happens, as it happens |
// | `names` | names of queues that the broker has changed |
// | `renewal` | credentials that expire |

mod blocked;
mod capabilities;
mod counters;
pub(crate) mod events;
pub(crate) mod lifecycle;
mod names;
mod renewal;

pub use self::capabilities::ServerCapabilities;
pub use self::counters::Counters;
pub(crate) use self::lifecycle::Connection;
pub use crate::proto::config::Limits;
pub use crate::proto::recovery::State;
pub use crate::proto::shutdown::ShutdownReport;
