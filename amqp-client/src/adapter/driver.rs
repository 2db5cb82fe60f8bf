//! The tokio adapter: one task per connection, for any stream, and for those that follow it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::network::Network;
use super::pump::{Next, Pump, Writes};
use super::redialing::Redialing;
use super::tokio::{Alarm, Stream, now, yield_to_the_reactor};
use super::wire::Wire;
use crate::proto::Core;

/// Drives one connection until it is over. Dropping it closes every socket, those that are being
/// connected among them.
pub(super) struct Driver<N: Network> {
    pump: Pump<Stream<Wire<N::Stream>>, Alarm, Redialing<N>>,
}

impl<N: Network> Driver<N> {
    pub(super) fn new(
        stream: Wire<N::Stream>,
        writes: Writes,
        core: Core,
        redialing: Redialing<N>,
    ) -> Self {
        Self {
            pump: Pump::new(Stream(stream), Alarm::new(), writes, core, redialing),
        }
    }

    /// Drives a core that waits for its first stream.
    pub(super) fn waiting(core: Core, redialing: Redialing<N>) -> Self {
        Self {
            pump: Pump::waiting(Alarm::new(), core, redialing),
        }
    }
}

/// Nothing in it is pinned but what is boxed.
impl<N: Network> Unpin for Driver<N> {}

impl<N: Network> Future for Driver<N> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.pump.turn(now(), context) {
            Next::Over => return Poll::Ready(()),
            Next::AtOnce => yield_to_the_reactor(context),
            Next::WhenWoken => {}
        }
        Poll::Pending
    }
}
