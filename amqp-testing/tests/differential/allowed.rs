//! The probes that are allowed to differ, each with its reason.

use amqp_testing::memory::Like;

/// A probe whose transcript differs, and why that is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    pub(crate) probe: &'static str,
    /// Where it differs.
    pub(crate) likes: &'static [Like],
    pub(crate) reason: &'static str,
}

/// All of them. An entry that does not differ any more fails the test.
pub(crate) const ALLOWED: &[Allowed] = &[];

impl Allowed {
    pub(crate) fn find(probe: &str, like: Like) -> Option<&'static Self> {
        ALLOWED
            .iter()
            .find(|it| it.probe == probe && it.likes.contains(&like))
    }
}
