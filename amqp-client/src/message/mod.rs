//! Messages as values, besides [`Message`], which is published, and
//! [`ReceivedMessage`]: one that [came back](ReturnedMessage), its
//! [body](Body), and what its headers say of how often it was [dead-lettered](Death).

// Nothing here knows connections or channels. A message is checked where it is made, since one that
// the broker cannot read costs the whole connection; it is shown in lengths and names, for it may be
// a secret.

mod body;
pub(crate) mod field_values;
pub(crate) mod fingerprint;
mod getters;
mod headers;
mod incoming;
pub(crate) mod outgoing;
pub(crate) mod received;
mod returned;
pub(crate) mod settlement;
pub(crate) mod shown;
mod unsendable;

pub use self::body::Body;
pub(crate) use self::getters::message_getters;
pub use self::headers::{Death, DeathOrigin, DeathReason};
pub(crate) use self::incoming::{Incoming, Layout};
pub use self::outgoing::DeliveryMode;
pub(crate) use self::outgoing::{Message, TEN_YEARS};
pub(crate) use self::received::{RawDelivery, ReceivedMessage};
pub use self::returned::ReturnedMessage;
pub(crate) use self::settlement::{Multiple, Requeue, Settlement};
