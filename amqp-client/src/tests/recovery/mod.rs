//! A lost connection comes back: on the virtual clock, against the broker without I/O.
//!
//! | file | what it is about |
//! |---|---|
//! | `secrets` | the requests of the connection itself, meanwhile |
//! | `restored` | what is there again, wherever the stream is lost |

mod restored;
mod secrets;
