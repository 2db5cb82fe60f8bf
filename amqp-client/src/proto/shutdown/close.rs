//! `connection.close`, behind everything that was accepted.

use std::sync::Arc;
use std::time::Instant;

use amqp_spec::wire::ShortStr;
use amqp_spec::{ReplyCode, connection};

use super::asked::CloseTimes;
use crate::proto::send::outbox::Wake;
use crate::proto::send::request::Slot;
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::time::after;

/// Queues `connection.close`. `None` if that has been done or the connection has ended: there is
/// nothing left to do.
pub(crate) fn begin_close(
    shared: &ConnectionShared,
    (reply_code, reply_text): (ReplyCode, ShortStr<'_>),
    times: CloseTimes,
    now: Instant,
) -> Option<Wake> {
    let deadline = after(now, times.close_timeout);
    let slot = Slot::new::<connection::Close<'_>>(Arc::default(), now, deadline);
    let method = connection::Close {
        reply_code: reply_code.0,
        reply_text,
        ..connection::Close::default()
    };
    let by = times.write_timeout.map(|timeout| after(now, timeout));
    let mut outbox = shared.outbox();
    let queued = outbox.order_mut().close_connection(&method, slot, by);
    drop(outbox);
    queued.ok()
}

/// What a broker is told where no other reason was given.
pub(crate) fn closed_by_the_application() -> (ReplyCode, ShortStr<'static>) {
    let text = ShortStr::new(b"closed by the application").unwrap_or_default();
    (ReplyCode::REPLY_SUCCESS, text)
}
