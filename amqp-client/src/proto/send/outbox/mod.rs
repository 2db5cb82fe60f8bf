//! The outbox: the one place where everything that is sent gets its place in line.
//!
//! Callers encode their frames straight into a shared buffer under one short lock; the adapter
//! swaps the buffer for its spare and writes it in one go. What must agree with the order on the
//! wire is decided under the same lock: whether a channel is open, which number a publish has,
//! which reply is expected next, what follows a large body.
//!
//! ```text
//! lane "small":  buf ──────────────────────────────▶ swap ─▶ one write
//! lane "large":  large bodies, frame by frame ─────▶ vectored write, between two swaps
//! parked:        frames of one channel that must wait, either behind a large body of that channel
//!                or behind an unanswered request that allows nothing after it
//! ```
//!
//! Order within a channel never changes; channels pass each other freely. It does not know sockets,
//! clocks or tasks: a [`Waker`](std::task::Waker) is all it has of the adapter.
//!
//! It is made of parts, each of which alone changes what it owns:
//!
//! | part | owns |
//! |---|---|
//! | `outbox` | the whole |
//! | `order` | what is sent, in which order |
//! | `queue` | where channels send into: the two lanes, and sums over what is parked |
//! | `small_lane`, `large_lane` | what is in each, and how much of it the adapter takes at a time |
//! | `leaving` | positions of requests that are not known to be written |
//! | `channels`, `ids` | which channels there are, and which id is used next |
//! | `channel`, `standing` | one channel: how it opens, sends, ends, and is opened anew; where it stands |
//! | `sending` | what a channel sends: `requests` that it waits for, and a `line` of what it holds back |
//! | `publishing`, `mandatory`, `exchanges` | the publishes of a channel that are not answered |
//! | `settling`, `settled`, `transactions` | the deliveries of a channel that are settled, and its transactions |
//! | `consumers`, `renewal` | the consumers of a channel; how it is opened anew |
//! | `restoring`, `repeatable` | a channel whose stream is gone, until all of it is back on the next; which requests are asked once more |
//! | `restorer` | nothing: it brings channels back, past what waits in their lines |
//! | `room`, `gate` | the publishers that wait |
//! | `ending` | the close of the connection |
//! | `overdue`, `earliest` | requests whose time is up |
//! | `driver` | the adapter's waker |
//!
//! Three files own nothing: `head` is what callers put in front of a body, `owed` what the broker makes
//! us say, and `refused` why something did not enter.

mod channel;
mod channels;
mod consumers;
mod driver;
mod earliest;
mod ending;
mod exchanges;
mod gate;
mod head;
mod ids;
mod large_lane;
mod leaving;
mod line;
mod mandatory;
mod order;
mod outbox;
mod overdue;
mod owed;
mod publishing;
mod queue;
mod refused;
mod renewal;
mod reopening;
mod repeatable;
mod requests;
mod restorer;
mod restoring;
mod room;
mod sending;
mod settled;
mod settling;
mod small_lane;
mod standing;
mod transactions;

pub(crate) use self::consumers::{NotStarted, Prefetch, ToStart};
pub(crate) use self::driver::Wake;
pub(crate) use self::head::{Head, LARGE, ZERO_COPY, encode_apart};
pub(crate) use self::order::Order;
pub(crate) use self::outbox::{Lane, Outbox};
pub(crate) use self::overdue::{GivenUp, Overdue};
pub(crate) use self::refused::Refused;
pub(crate) use self::reopening::{Closed, Reopened, Reopener, Reopens, read_on};
pub(crate) use self::restorer::Starts;
pub(crate) use self::restoring::{Again, Behind, LostRequests, WayBack};
