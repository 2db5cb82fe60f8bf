//! What is sent, from a place in line to bytes for the stream.
//!
//! | module | what it is about |
//! |---|---|
//! | `outbox` | the order of everything that is sent |
//! | `progress` | how far the writing is |
//! | `reopen` | the requests that open a channel again which the broker has closed |
//! | `request` | what waits for which reply |
//! | `rope` | bytes in order, most of them in one buffer, large pieces beside it |
//! | `transmit` | what the stream takes next |
//! | `writing` | what is being written, how far that is, and what a close leaves behind |
//! | `unwritten` | publishes that were never written |

pub(crate) mod outbox;
pub(crate) mod progress;
pub(crate) mod reopen;
pub(crate) mod request;
pub(crate) mod rope;
pub(crate) mod transmit;
pub(crate) mod unwritten;
pub(crate) mod writing;
