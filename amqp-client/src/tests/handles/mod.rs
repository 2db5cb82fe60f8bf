//! The handles of users, one file per topic. What they put on the wire is looked at, and what they
//! are told.
//!
//! | file | what it is about |
//! |---|---|
//! | `requests` | requests and replies: each caller gets its own |
//! | `topology` | in which order a topology is declared, and where that stops |
//! | `queue_names` | which queue a name stands for: the one declared last, one that was renamed |
//! | `requests_at_fault` | which request the broker closes a channel for |
//! | `channels` | channels opening and closing, from either side and from both at once |
//! | `channel_ids` | ids that the program chooses, and those that are used again |
//! | `send_order` | what is sent keeps its order within a channel, and large bodies let others pass |
//! | `back_pressure` | waiting for room before anything is queued |
//! | `blocked` | alarms at the broker and `channel.flow` |
//! | `confirms` | every publish ends as the broker said |
//! | `publishers` | limits of what is unconfirmed, waiting for all, patience, prepared messages |
//! | `publishes_at_fault` | which publish the broker closes a channel for, and what the others are told |
//! | `publisher_renewal` | a publisher goes on when the broker closes its channel |
//! | `publisher_renewal_edges` | the same beside alarms, closes, limits and half an answer |
//! | `mandatory` | which messages have to reach a queue |
//! | `returned_messages` | messages that come back, among many that are outstanding |
//! | `consumers` | batches, patience, tags, options, and consumers that are too slow |
//! | `handlers` | consuming with a handler: what is settled how, how many run, how it ends |
//! | `settling` | settling deliveries, and when acks are merged |
//! | `transactions` | what a rollback leaves unsettled |
//! | `rpc` | calls and servers |
//! | `cancellation` | any future may be dropped at any time |
//! | `shutdown` | a connection that is shut down: what goes back, what is waited for, what is told |
//! | `credential_renewal` | credentials that expire |
//! | `events` | what listeners are told |
//! | `counters` | the numbers of a connection agree with what happened |
//! | `tracing` | what subscribers of `tracing` are told |
//! | `debug_output` | what `Debug` shows of messages, and of what holds one |
//! | `walk` | nothing that can be shown holds a secret |
//! | `messages` | messages published as what they are made of, received ones, ones made by hand |
//! | `field_values` | values over which the broker would end the connection |
//! | `long_names` | names and texts that do not fit |
//! | `option_values` | values that programs set: which of several counts, and what is sent of them |

pub(crate) mod back_pressure;
pub(crate) mod blocked;
pub(crate) mod cancellation;
pub(crate) mod channel_ids;
pub(crate) mod channels;
pub(crate) mod confirms;
pub(crate) mod consumers;
pub(crate) mod counters;
pub(crate) mod credential_renewal;
pub(crate) mod debug_output;
pub(crate) mod events;
pub(crate) mod field_values;
pub(crate) mod handlers;
pub(crate) mod long_names;
pub(crate) mod mandatory;
pub(crate) mod messages;
pub(crate) mod option_values;
pub(crate) mod publisher_renewal;
pub(crate) mod publisher_renewal_edges;
pub(crate) mod publishers;
pub(crate) mod publishes_at_fault;
mod queue_names;
pub(crate) mod requests;
pub(crate) mod requests_at_fault;
pub(crate) mod returned_messages;
pub(crate) mod rpc;
pub(crate) mod send_order;
pub(crate) mod settling;
mod shutdown;
pub(crate) mod topology;
#[cfg(feature = "tracing")]
pub(crate) mod tracing;
pub(crate) mod transactions;
#[cfg(feature = "tracing")]
pub(crate) mod walk;
