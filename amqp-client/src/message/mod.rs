//! The parts of messages: bodies, delivery modes, what dead-lettering has left in the headers.
//!
//! [`Message`], which is published, and [`ReceivedMessage`] are at the root of the crate. A message
//! that reached no queue comes back as a [`ReturnedMessage`]. What can be published as a message is
//! [`IntoMessage`], and what can be the body of one a [`Body`]; [`Death`] and [`DeathOrigin`] say
//! where a message was dead-lettered. A list in a header is a [`FieldArray`], and a header to keep
//! a [`FieldValue`].

// Nothing here knows connections or channels. A message is checked where it is made, since one that
// the broker cannot read costs the whole connection; it is shown in lengths and names, for it may
// be a secret.

mod body;
pub(crate) mod field_values;
pub(crate) mod fingerprint;
mod getters;
mod headers;
mod incoming;
mod into_message;
pub(crate) mod numbered;
pub(crate) mod outgoing;
pub(crate) mod received;
mod returned;
pub(crate) mod settlement;
pub(crate) mod shown;
mod unsendable;

#[doc(inline)]
pub use amqp_spec::wire::{FieldArray, FieldValue};

pub use self::body::Body;
pub(crate) use self::getters::message_getters;
pub use self::headers::{Death, DeathOrigin, DeathReason};
pub(crate) use self::incoming::{Incoming, Layout, offset};
pub use self::outgoing::{DeliveryMode, IntoMessage};
pub(crate) use self::outgoing::{Message, TEN_YEARS};
pub(crate) use self::received::{RawDelivery, ReceivedMessage};
pub use self::returned::ReturnedMessage;
pub(crate) use self::settlement::{Multiple, Requeue, Settled, Settlement};
