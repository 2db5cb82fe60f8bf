//! Which queue a name stands for: the one declared last, or one that has another name now.

use std::borrow::Cow;

use super::Channel;

impl Channel {
    /// The present name of the queue that this one stands for. Costs a short lock where the name is
    /// empty or was given by the broker, and nothing otherwise.
    pub(crate) fn queue_named<'n>(&self, name: &'n str) -> Cow<'n, str> {
        let shared = self.shared();
        let name = match name {
            "" => shared
                .last_queue()
                .name()
                .map_or_else(Cow::default, Cow::Owned),
            name => Cow::Borrowed(name),
        };
        shared.connection.current_name(name)
    }
}
