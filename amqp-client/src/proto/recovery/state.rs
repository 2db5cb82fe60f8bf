//! Where a connection stands.

use crate::error::ConnectionError;

/// Where a connection stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// It is open, and everything that it had before has been restored, but for what is pending.
    #[non_exhaustive]
    Open {
        /// How many queues and consumers could not be restored for a reason that may pass, and how
        /// many consumers wait to [subscribe again](crate::consume::Consume::resubscribe); they are
        /// tried again and again.
        pending: usize,
    },
    /// It is lost and about to come back: requests and publishes wait, consumers are silent.
    #[non_exhaustive]
    Recovering {
        /// The attempt that is under way or comes next, from 1 on.
        attempt: u32,
    },
    /// The program has closed it, and what was accepted before is still being written; or it is being
    /// [shut down](crate::Connection::shutdown).
    Closing,
    /// It has ended for good.
    Closed(ConnectionError),
}
