//! Messages as values: what is published, what has been received, and what becomes of a delivery.
//!
//! Nothing here knows connections or channels. A message is checked where it is made, since one that
//! the broker cannot read costs the whole connection; it is shown in lengths and names, for it may be
//! a secret.

mod body;
pub(crate) mod field_values;
pub(crate) mod fingerprint;
mod getters;
mod headers;
mod incoming;
mod outgoing;
mod received;
mod returned;
mod settlement;
pub(crate) mod shown;
mod unsendable;

pub use self::body::Body;
pub(crate) use self::getters::message_getters;
pub use self::headers::{Death, DeathOrigin, DeathReason};
pub(crate) use self::incoming::{Incoming, Layout};
pub(crate) use self::outgoing::TEN_YEARS;
pub use self::outgoing::{DeliveryMode, Message};
pub(crate) use self::received::RawDelivery;
pub use self::received::ReceivedMessage;
pub use self::returned::ReturnedMessage;
pub(crate) use self::settlement::Settlement;
pub use self::settlement::{Multiple, Requeue};
