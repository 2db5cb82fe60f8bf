//! A lost connection comes back: on the virtual clock, against the broker without I/O.
//!
//! | file | what it is about |
//! |---|---|
//! | `attempts` | when a lost connection is dialled again, and when it is given up |
//! | `policy` | what the program wants, its functions included |
//! | `secrets` | the requests of the connection itself, meanwhile |
//! | `restored` | what is there again, wherever the stream is lost |

mod attempts;
mod policy;
mod restored;
mod secrets;
