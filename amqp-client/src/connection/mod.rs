//! What a [`Connection`] tells of itself: its [numbers](Counters), the
//! [limits](Limits) that both sides agreed on, and what the [broker can do](ServerCapabilities).

// | file | what it is about |
// |---|---|
// | `lifecycle` | opening it and its channels, closing, the end |
// | `blocked` | alarms of the broker |
// | `capabilities` | what the broker says it can do |
// | `counters` | what has been done so far, in numbers |
// | `events` | what happens, as it happens |
// | `renewal` | credentials that expire |

mod blocked;
mod capabilities;
mod counters;
pub(crate) mod events;
pub(crate) mod lifecycle;
mod renewal;

pub use self::capabilities::ServerCapabilities;
pub use self::counters::Counters;
pub(crate) use self::lifecycle::Connection;
pub use crate::proto::config::Limits;
