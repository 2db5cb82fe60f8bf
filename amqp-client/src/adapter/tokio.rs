//! What is tokio's own: its streams and its timer as the pump sees them, its clock, and when its
//! reactor looks.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::pump::{Timer, Transport};
use super::tls;
use crate::error::ConnectionError;

pub(crate) use super::pump::Writes;

/// How long a deadline that has passed waits for the reactor to look at the stream. Tokio's timers
/// go off behind its look at the streams, but that look may have been cut short: the system call
/// ends with EINTR when a suspended process goes on, and until the next one `read` answers from
/// what is remembered. A timer of this length cannot go off before there was another look.
pub(super) const REACTOR_LOOKS: Duration = Duration::from_millis(1);

/// Wakes the task after the runtime has looked for input and output. A task that wakes itself is
/// run again at once, and tokio looks only every 61 turns then: a stream that takes whatever is
/// written would not be read for a tenth of a second.
pub(super) fn yield_to_the_reactor(context: &mut Context<'_>) {
    // Polled once, it has noted the waker; it is ready only when polled again.
    let _ = pin!(tokio::task::yield_now()).poll(context);
}

/// A stream, as the pump sees it.
pub(super) struct Stream<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for Stream<S> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(space);
        ready!(Pin::new(&mut self.0).poll_read(context, &mut space))?;
        Poll::Ready(Ok(space.filled().len()))
    }

    fn poll_read_buf(
        &mut self,
        context: &mut Context<'_>,
        space: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        pin!(self.0.read_buf(space)).poll(context)
    }

    fn poll_write(&mut self, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_write_vectored(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn explain(error: io::Error) -> ConnectionError {
        tls::of_stream(error)
    }
}

/// Tokio's timer, as the pump sets it.
pub(super) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    pub(super) fn new() -> Self {
        Self(Box::pin(tokio::time::sleep_until(far_future())))
    }
}

impl Timer for Alarm {
    const STREAM_IS_CURRENT: Duration = REACTOR_LOOKS;

    fn set(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().reset(at.into());
        self.0.as_mut().poll(context)
    }
}

/// Tokio's clock, which tests may stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A time that no connection lives to see.
pub(super) fn far_future() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(86_400 * 365 * 30)
}
