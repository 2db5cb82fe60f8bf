//! What all handles of a connection hold together: it is closed when the last of them goes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use amqp_spec::ReplyCode;
use amqp_spec::wire::ShortStr;

use crate::proto::opening::outcome::Opening;
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::shutdown::{Asked, CloseTimes, begin_close, closed_by_the_application};
use crate::proto::time::after;

/// Closes the connection when the last holder goes.
pub(crate) struct Handle {
    pub(crate) shared: Arc<ConnectionShared>,
    pub(crate) opening: Arc<Opening>,
    pub(crate) close_times: CloseTimes,
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
        let reply = (reply_code, reply_text);
        if let Some(wake) = begin_close(&self.shared, reply, self.close_times, now) {
            wake.now();
            // What lets it leave, and what answers it, has to be read.
            self.shared.demand();
        }
    }

    /// Has the core shut the connection down, unless it is being closed or has ended.
    pub(crate) fn begin_shutdown(&self, grace: Duration) {
        let until = after(self.shared.clock.now(), grace);
        self.shared.shutdown.ask(Asked {
            until,
            times: self.close_times,
        });
        let asked = self.shared.outbox().shut_down();
        let Some((is_new, wake)) = asked else {
            return;
        };
        wake.now();
        if is_new {
            // Confirms, and the ends of consumers, have to be read.
            self.shared.demand();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let (reply_code, reply_text) = closed_by_the_application();
        self.begin_close(reply_code, reply_text);
    }
}
