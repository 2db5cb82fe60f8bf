//! Calls and their replies, servers and their requests.
//!
//! | file | what it is about |
//! |---|---|
//! | `calls` | which call gets which reply, and what becomes of those that get none |
//! | `server` | what becomes of a request, whatever becomes of its reply |
//! | `redelivered_requests` | requests that come again |
//! | `succession` | the channel that calls go on with when the broker has closed theirs |

pub(crate) mod calls;
pub(crate) mod redelivered_requests;
pub(crate) mod server;
pub(crate) mod succession;
