//! The channel handle: AMQP method by method.
//!
//! | file | what it is about |
//! |---|---|
//! | `lifecycle` | opening, closing, the end; whether messages flow |
//! | `exchange`, `queue`, `tx` | the methods of these classes of the specification |
//! | `no_wait` | declaring and deleting without waiting for a reply |
//! | `request` | a request and its reply |
//! | `succession` | one channel after the other for something that outlives each of them |
//!
//! Methods that publish, fetch or consume stand with what they return, in `publish` and `consume`.

mod exchange;
mod lifecycle;
pub(crate) mod no_wait;
mod queue;
pub(crate) mod request;
pub(crate) mod succession;
pub(crate) mod tx;

pub use self::lifecycle::{Channel, Flow};
