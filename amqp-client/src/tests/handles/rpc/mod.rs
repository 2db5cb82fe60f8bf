//! Calls and their replies.

pub(crate) mod again;
pub(crate) mod calls;
pub(crate) mod server;
pub(crate) mod succession;
