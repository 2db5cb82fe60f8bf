//! What the core and the handles share: the state of a connection, of its channels and consumers,
//! each behind locks that are held briefly.
//!
//! | module | what it holds |
//! |---|---|
//! | `connection`, `channel`, `consumer` | the state of each |
//! | `at_limit` | publishers that wait until fewer are unanswered, or less is kept |
//! | `batches` | deliveries that wait to be picked up |
//! | `gone_back`, `yielded` | what of a channel's deliveries has gone back, and what was seen |
//! | `confirms`, `failures`, `lost` | what becomes of the publishes of one channel |
//! | `kept` | messages that are sent again if they are not answered |
//! | `consumer_tags` | tags that are made up for consumers |
//! | `place` | where the connection leads |
//! | `last_queue` | what an empty name of a queue stands for |
//! | `outage` | how long a connection that is lost is waited for |
//! | `reading` | whether the stream is read, and what waits for something that has to be read |
//! | `renames` | the names that queues had before a recovery |
//! | `resubscription` | how far a consumer is that subscribes again by itself |
//! | `state` | where the connection stands |
//! | `timers` | what is to be called at which time |

pub(crate) mod at_limit;
pub(crate) mod batches;
pub(crate) mod channel;
pub(crate) mod confirms;
pub(crate) mod connection;
pub(crate) mod consumer;
pub(crate) mod consumer_tags;
pub(crate) mod failures;
pub(crate) mod gone_back;
pub(crate) mod kept;
pub(crate) mod last_queue;
pub(crate) mod logins;
pub(crate) mod lost;
pub(crate) mod outage;
pub(crate) mod place;
pub(crate) mod reading;
pub(crate) mod renames;
pub(crate) mod resubscription;
pub(crate) mod state;
pub(crate) mod timers;
pub(crate) mod yielded;
