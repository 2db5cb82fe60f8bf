//! A lost connection comes back: on the virtual clock, against the broker without I/O.
//!
//! | file | what it is about |
//! |---|---|
//! | `restored` | what is there again, wherever the stream is lost |

mod restored;
