//! What the tests are written with: a client in memory, the broker that a test plays, futures
//! polled by hand.
//!
//! | file | what it is about |
//! |---|---|
//! | `pair` | a core with its handle, and the broker that the test plays |
//! | `task` | futures polled by hand, which insist on being woken |
//! | `wire` | frames from and to words |
//! | `broker` | RabbitMQ as `amqp-testing` plays it, with what the tests need lying ready |
//! | `operations` | every operation of a client, one by one |
//! | `crowd` | a conversation with everything in it, which can be split, cut and damaged |
//! | `schedule` | every order in which threads can get at locks |
//! | `tls` | the server's side of TLS |
//! | `turns` | drivers of a test's own, which take a turn for a reason |
//! | `random` | numbers that are the same in each run |

pub(crate) mod broker;
pub(crate) mod comeback;
pub(crate) mod crowd;
pub(crate) mod operations;
pub(crate) mod pair;
pub(crate) mod random;
pub(crate) mod schedule;
pub(crate) mod task;
#[cfg(feature = "rustls-ring")]
pub(crate) mod tls;
pub(crate) mod turns;
pub(crate) mod wire;
