//! What a method that has arrived does.
//!
//! | module | what it is about |
//! |---|---|
//! | `methods` | each method, and what it changes |
//! | `closes` | the ends of channels, and what each operation is told |
//! | `blocked` | alarms of the broker |

pub(crate) mod blocked;
pub(crate) mod closes;
pub(crate) mod methods;
