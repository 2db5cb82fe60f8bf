//! What comes rarely, and what it does: methods other than deliveries and confirms, messages that
//! were fetched or have come back, and times that are up.
//!
//! Functions over the parts that they change: the channels, the clocks, and what is
//! [outside](super::outside). What ends the connection is returned, for only the core ends it.
//!
//! | module | what it is about |
//! |---|---|
//! | `connection` | methods on channel 0, but for the handshake |
//! | `channel` | methods on channels, and what replies change |
//! | `messages` | messages that were fetched, or have come back |
//! | `closes` | the ends of channels, and what each operation is told |
//! | `alarm` | the broker takes nothing, or takes messages again |
//! | `overdue` | what has not come in its time |
//! | `violation` | what the broker is told when it breaks the protocol |

pub(crate) mod alarm;
pub(crate) mod channel;
pub(crate) mod closes;
pub(crate) mod connection;
pub(crate) mod messages;
pub(crate) mod overdue;
pub(crate) mod violation;
