//! A lost connection comes back: on the virtual clock, against the broker without I/O.
//!
//! | file | what it is about |
//! |---|---|
//! | `attempts` | when a lost connection is dialled again, and when it is given up |
//! | `policy` | what the program wants, its functions included |
//! | `secrets` | the requests of the connection itself, meanwhile |
//! | `restored` | what is there again, wherever the stream is lost |
//! | `refused` | what the broker refuses, for good or for a while, or does not answer |
//! | `aside` | what costs the connection to ask for, or has no answer |
//! | `held` | what the broker still keeps for the connection that was lost |
//! | `extent` | what the program wants left out, and what depends on it |
//! | `flapping` | a connection that is lost as soon as it is back: how much it is slowed, and told |
//! | `unbounded` | consumers that are started last, and what they are sent |
//! | `unread` | a program that does not take what it has been sent |
//! | `meanwhile` | what the program asks for until everything is there |
//! | `closed_amid` | the end of the connection, wherever it comes |
//! | `many_losses` | what is kept over a hundred of them |
//! | `outliving` | a consumer for which a channel is opened again that the broker has closed |
//! | `reopened` | a channel that the broker has closed, and that the program opens again |
//! | `resubscribed` | a consumer that the broker has cancelled, and that subscribes again by itself |
//! | `rpc` | calls and servers |
//! | `scene` | two queues with their consumers, for the tests of all these |
//! | `transactions` | a transaction that a loss would cut in two |

mod aside;
mod attempts;
mod closed_amid;
mod extent;
mod flapping;
mod held;
mod many_losses;
mod meanwhile;
mod outliving;
mod policy;
mod refused;
mod reopened;
mod restored;
mod resubscribed;
mod rpc;
mod scene;
mod secrets;
mod transactions;
mod unbounded;
mod unread;
