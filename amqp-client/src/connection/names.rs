//! The names of queues that the broker names.

use super::Connection;

impl Connection {
    /// The present name of a queue that had this one.
    ///
    /// A queue that the broker has named (`amq.gen-…`) is declared again after a loss of the
    /// connection, and the broker gives it another name. The methods that take the name of a queue
    /// to bind, unbind, consume from, fetch from, purge, delete or declare take the former ones,
    /// too; what the program hands to others, such as a `reply_to`, it asks for here. Any other
    /// name is returned as it is. Of each queue the first name and the 15 latest are known.
    ///
    /// Publishing takes names as they are: a message to a former name is unroutable.
    #[must_use]
    pub fn current_name(&self, queue: impl AsRef<str>) -> String {
        let name = queue.as_ref().into();
        self.shared().current_name(name).into_owned()
    }
}
