//! Declarations in files (feature `serde`).
//!
//! Keys are the names of the builders' methods. What is read is checked as a declaration is, so
//! that a file with a contradiction in it is refused when it is read.

mod arguments;
mod binding;
mod exchange;
mod queue;
#[cfg(test)]
mod tests;
mod topology;

use crate::error::ChannelError;
use crate::settings::Fault;

/// What a declaration is refused for, before it is sent.
fn checked<T>(method: Result<T, ChannelError>) -> Result<(), Fault> {
    match method {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new("", error.to_string())),
    }
}
