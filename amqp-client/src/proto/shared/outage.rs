//! How long what publishes, or needs room for what has no reply, waits for a connection that is
//! lost and comes back.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::connection::ConnectionShared;
use super::timers::Timer;
use crate::proto::channel_use::ChannelUse;
use crate::proto::time::after;

/// Watches how long something has waited for a channel whose stream is lost. Nearly nothing ever
/// does.
#[derive(Debug, Default)]
pub(crate) struct Outage(Option<Box<Watched>>);

#[derive(Debug)]
struct Watched {
    /// Which loss that is.
    since: Instant,
    timer: Timer,
}

impl Outage {
    /// Ready if the connection's patience is over: it lasts from the loss if `waited` says that
    /// something was waited for then, else from now.
    pub(crate) fn poll(
        &mut self,
        at: ChannelUse,
        waited: bool,
        connection: &Arc<ConnectionShared>,
        context: &Context<'_>,
    ) -> Poll<()> {
        let Some(since) = connection.recovering_since(at) else {
            self.0 = None;
            return Poll::Pending;
        };
        let known = self.0.take_if(|watched| watched.since == since);
        let watched = self.0.insert(known.unwrap_or_else(|| {
            let patience = connection.patience;
            let timer = if waited {
                Timer::at(connection, after(since, patience))
            } else {
                Timer::new(connection, patience)
            };
            Box::new(Watched { since, timer })
        }));
        watched.timer.poll(context)
    }
}
