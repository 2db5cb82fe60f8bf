//! The guide: how to use this crate well, one page per topic.
//!
//! | page | what it answers |
//! |---|---|
//! | [`connecting`] | Where does the broker's address come from? How many connections and channels do I need? When does it end? |
//! | [`queues`] | Which queues, exchanges and bindings, and with which arguments? |
//! | `files`, with the feature `serde` | How do I read options and declarations from TOML or JSON? |
//! | [`publishing`] | Has the broker got my message? How do I publish many? |
//! | [`consuming`] | How do I take messages, several at a time, without losing any? |
//! | [`recovery`] | What happens when the connection is lost, and what do I have to do? |
//! | [`errors`] | What went wrong, who caused it, may it have happened, what can I do? |
//! | [`cancellation`] | What happens if I drop a future or a handle? |
//! | [`tls`] | How do I connect over TLS? |
//! | [`tuning`] | How do I make it fast, and bound its memory? |
//! | [`observing`] | What happens on a connection, and how much? |
//! | [`testing`] | How do I test my program? |
//!
//! Everyday values need no conversion. Names are any text (`&str`, `String`, `Cow<str>`,
//! `Arc<str>`), and one alone declares a queue: `channel.queue_declare("orders")`. Times are
//! [`SystemTime`](std::time::SystemTime) and [`Duration`](std::time::Duration). What the protocol
//! cannot carry, such as a name of more than 255 bytes or a time before 1970, is told by the
//! argument's name when it is used.
//!
//! Calls and their replies are on the page of [`rpc`](crate::rpc), an event loop of one's own on that of
//! [`proto`](crate::proto).
//!
//! These modules are empty: they exist for their documentation, whose examples are compiled. The
//! folder `examples` of the repository has whole programs.

pub mod cancellation;
pub mod connecting;
pub mod consuming;
pub mod errors;
#[cfg(feature = "serde")]
pub mod files;
pub mod observing;
pub mod publishing;
pub mod queues;
pub mod recovery;
pub mod testing;
pub mod tls;
pub mod tuning;
