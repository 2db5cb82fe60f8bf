//! What a [`Channel`] takes and gives besides messages: whether they
//! [flow](Flow), what was [rolled back](RolledBack), declarations [without a reply](NoWait).

// | file | what it is about |
// |---|---|
// | `lifecycle` | opening, closing, the end; whether messages flow |
// | `exchange`, `queue`, `tx` | the methods of these classes of the specification |
// | `no_wait` | declaring and deleting without waiting for a reply |
// | `request` | a request and its reply |
// | `succession` | one channel after the other for something that outlives each of them |
//
// Methods that publish, fetch or consume stand with what they return, in `publish` and `consume`.

mod exchange;
pub(crate) mod lifecycle;
mod no_wait;
mod queue;
pub(crate) mod request;
pub(crate) mod succession;
mod tx;

pub(crate) use self::lifecycle::Channel;
pub use self::lifecycle::Flow;
pub use self::no_wait::NoWait;
pub use self::tx::RolledBack;
