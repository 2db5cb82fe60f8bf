//! How a lost connection comes back.
//!
//! | module | what it is about |
//! |---|---|
//! | `record` | what was declared on the connection, and is declared again |

#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "the core keeps it soon")
)]
pub(crate) mod record;
