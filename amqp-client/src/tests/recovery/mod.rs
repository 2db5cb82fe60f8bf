//! A lost connection comes back: on the virtual clock, against the broker without I/O.
//!
//! | file | what it is about |
//! |---|---|
//! | `attempts` | when a lost connection is dialled again, and when it is given up |
//! | `policy` | what the program wants, its functions included |
//! | `secrets` | the requests of the connection itself, meanwhile |
//! | `restored` | what is there again, wherever the stream is lost |
//! | `refused` | what the broker refuses, for good or for a while, or does not answer |
//! | `meanwhile` | what the program asks for until everything is there |
//! | `closed_amid` | the end of the connection, wherever it comes |
//! | `rpc` | calls and servers |
//! | `transactions` | a transaction that a loss would cut in two |

mod attempts;
mod closed_amid;
mod meanwhile;
mod policy;
mod refused;
mod restored;
mod rpc;
mod secrets;
mod transactions;
