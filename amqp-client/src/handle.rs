//! What all handles of a connection hold together: it is closed when the last of them goes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use amqp_spec::wire::ShortStr;
use amqp_spec::{ReplyCode, connection};

use crate::proto::opening::outcome::Opening;
use crate::proto::send::outbox::Refused;
use crate::proto::send::request::Slot;
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::time::after;

/// Closes the connection when the last holder goes.
pub(crate) struct Handle {
    pub(crate) shared: Arc<ConnectionShared>,
    pub(crate) opening: Arc<Opening>,
    pub(crate) close_timeout: Duration,
    /// All that is left must be written by then.
    pub(crate) write_timeout: Option<Duration>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// Queues `connection.close`, unless that has been done or the connection has ended.
    pub(crate) fn begin_close(&self, reply_code: ReplyCode, reply_text: ShortStr<'_>) {
        let now = self.shared.clock.now();
        let deadline = after(now, self.close_timeout);
        let slot = Slot::new::<connection::Close<'_>>(Arc::default(), now, deadline);
        let method = connection::Close {
            reply_code: reply_code.0,
            reply_text,
            ..connection::Close::default()
        };
        let by = self.write_timeout.map(|timeout| after(now, timeout));
        let result = self
            .shared
            .outbox()
            .order_mut()
            .close_connection(&method, slot, by);
        match result {
            Ok(wake) => {
                wake.now();
                // What lets it leave, and what answers it, has to be read.
                self.shared.demand();
            }
            // It is closing or has ended: there is nothing left to do.
            Err((
                Refused::Connection(_)
                | Refused::NotOpen
                | Refused::TooLarge(_)
                | Refused::Blocked(_)
                | Refused::Recovering(_)
                | Refused::TransactionLost,
                _,
            )) => {}
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.begin_close(ReplyCode::REPLY_SUCCESS, closed_by_the_application());
    }
}

/// What a broker is told where no other reason was given.
pub(crate) fn closed_by_the_application() -> ShortStr<'static> {
    ShortStr::new(b"closed by the application").unwrap_or_default()
}
