//! Flow control, transactions and requests without a reply.
//!
//! [`Channel`] itself is at the root of the crate. Here is what some of its methods take and give:
//!
//! * [`Channel::flow`] asks the broker to hold back deliveries: [`Flow`];
//! * [`Channel::tx_rollback`] says what is unsettled again: [`RolledBack`];
//! * [`Channel::no_wait`] declares, binds and deletes without waiting for a reply: [`NoWait`].

// | file | what it is about |
// |---|---|
// | `lifecycle` | opening, closing, the end; whether messages flow |
// | `exchange`, `queue`, `tx` | the methods of these classes of the specification |
// | `queue_names` | which queue a name stands for |
// | `reopening` | opening one again that the broker has closed |
// | `no_wait` | declaring and deleting without waiting for a reply |
// | `request` | a request and its reply |
// | `topology` | declaring several things in order |
// | `succession` | one channel after the other for something that outlives each of them |
//
// Methods that publish, fetch or consume stand with what they return, in `publish` and `consume`.

mod exchange;
pub(crate) mod lifecycle;
mod no_wait;
mod queue;
mod queue_names;
mod reopening;
pub(crate) mod request;
pub(crate) mod succession;
mod topology;
mod tx;

pub(crate) use self::lifecycle::Channel;
pub use self::lifecycle::Flow;
pub use self::no_wait::NoWait;
pub use self::tx::RolledBack;
