//! The core: bytes in, bytes out. What arrives is made of octets here, and what leaves is looked
//! at.
//!
//! | file | what it is about |
//! |---|---|
//! | `contract` | what a driver may rely on: who is woken and when, what `interest` says, when clocks start |
//! | `driving` | a driver that knows nothing but the page of `proto` |
//! | `driving_over_tls` | the same over TLS, in which nothing is held back unannounced |
//! | `feeding` | octets from the driver's own memory, instead of reads into the core's |
//! | `handshake` | opening a connection: every way it can go, at every step |
//! | `login` | mechanisms, challenges, what fits into a login, new secrets |
//! | `secrets` | no copy of a password stays where nothing overwrites it |
//! | `closing` | the end of a connection, from either side, at any time |
//! | `heartbeats` | silence, and signs of life |
//! | `write_timeout` | a peer that does not read, though it sends |
//! | `write_progress` | what is accepted takes its time to leave: requests and closes wait for it |
//! | `unwritten_publishes` | publishes that are queued when their channel or connection ends |
//! | `unanswered_requests` | a request that the broker does not answer: what passes it, what is given up with it |
//! | `owed_replies` | replies that the broker asks for and does not take |
//! | `deliveries` | whom a delivery is for: consumers that are there, not yet, or no more |
//! | `late_deliveries` | deliveries for consumers that have gone, and messages that do not come to their end |
//! | `stray_deliveries` | deliveries for an earlier use of the id of a channel |
//! | `whole_deliveries` | deliveries that come at once are read as those that come octet by octet |
//! | `consumer_registry` | which consumers a channel has, and under which limits |
//! | `content` | messages that arrive in pieces, and pieces out of place |
//! | `headers` | headers that brokers write, whole and damaged |
//! | `large_bodies_in` | large bodies on their way in: read straight into their messages |
//! | `large_bodies_out` | large bodies on their way out: how much leaves in one turn, and what passes |
//! | `oversized` | messages above `max_message_size` |
//! | `reading_limits` | what is read although consumers hold much, and what is not |
//! | `reading_on_demand` | what is waited for is read, though consumers hold too much |
//! | `reading_standstill` | what consumers that have ended hold up, and how long what waits is patient |
//! | `numbers_across_streams` | numbers of deliveries go on, and what was delivered before is stale |
//! | `next_stream` | a core is given another stream: what handles hold goes on, and nothing of the first reaches it |
//! | `waiting_at_the_gate` | a stream is lost and has no successor yet: publishers wait, and keep their places |
//! | `renewal_across_a_loss` | the channel of a publisher that the broker has closed, and a loss |
//! | `requests_while_down` | requests whose time is up before the connection, or their channel, is back |
//! | `what_a_loss_took` | publishes and deliveries that are lost with a stream and told to no caller |
//! | `when_down` | how long publishes wait for the connection, if at all |
//! | `publishing_across_a_loss` | what becomes of each publish when a stream is lost: goes on, is told, waits no longer than it may |
//! | `resending` | what a publisher keeps, sends again, gives up, and how much that may be |
//! | `resending_edges` | the same with smaller frames, a channel lost on its way back, an alarm, and each end |
//! | `hostile_broker` | each thing that breaks the protocol, and how that ends |
//! | `robustness` | whatever arrives, damaged or at random, nothing panics and nothing is left waiting |
//! | `cut_streams` | the stream cut at every octet, in both directions |

pub(crate) mod closing;
pub(crate) mod consumer_registry;
pub(crate) mod content;
pub(crate) mod contract;
pub(crate) mod cut_streams;
pub(crate) mod deliveries;
pub(crate) mod driving;
#[cfg(feature = "rustls-ring")]
pub(crate) mod driving_over_tls;
pub(crate) mod feeding;
pub(crate) mod handshake;
pub(crate) mod headers;
pub(crate) mod heartbeats;
pub(crate) mod hostile_broker;
pub(crate) mod large_bodies_in;
pub(crate) mod large_bodies_out;
pub(crate) mod late_deliveries;
pub(crate) mod login;
pub(crate) mod next_stream;
mod numbers_across_streams;
pub(crate) mod oversized;
pub(crate) mod owed_replies;
pub(crate) mod publishing_across_a_loss;
pub(crate) mod reading_limits;
pub(crate) mod reading_on_demand;
pub(crate) mod reading_standstill;
pub(crate) mod renewal_across_a_loss;
mod requests_while_down;
pub(crate) mod resending;
mod resending_edges;
pub(crate) mod robustness;
pub(crate) mod secrets;
pub(crate) mod stray_deliveries;
pub(crate) mod unanswered_requests;
pub(crate) mod unwritten_publishes;
pub(crate) mod waiting_at_the_gate;
pub(crate) mod what_a_loss_took;
pub(crate) mod when_down;
pub(crate) mod whole_deliveries;
pub(crate) mod write_progress;
pub(crate) mod write_timeout;
