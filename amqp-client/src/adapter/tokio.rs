//! The tokio adapter: one task per connection, for any stream.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::tls;
use crate::error::ConnectionError;
use crate::proto::Core;

/// Reads of one poll: enough to drain what has come, few enough to let other tasks run.
const READS_PER_POLL: usize = 4;
/// Writes of one poll, unless they are large.
const WRITES_PER_POLL: usize = 8;
/// What is written in one poll at most: what has come meanwhile should be looked at, and
/// publishers that were called need time to queue more than a few messages.
const OCTETS_PER_POLL: usize = 64 * 1024;
/// The same for a large body that leaves while there is nobody else: two pieces.
const OCTETS_ALONE: usize = 1024 * 1024 + OCTETS_PER_POLL;
/// More than systems usually hold of one connection (Linux 6 MiB). As much is read at most once
/// writing has failed, so that what came before a reset is heard, and before something overdue is
/// judged.
const MOST_HELD: usize = 8 * 1024 * 1024;
/// So long is read at most once writing has failed. A socket tells at once, but a turn of the
/// reactor may lie between the failure and the news that there is something to read.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a deadline that has passed waits for the reactor to look at the stream. Tokio's timers
/// go off behind its look at the streams, but that look may have been cut short: the system call
/// ends with EINTR when a suspended process goes on, and until the next one `read` answers from
/// what is remembered. A timer of this length cannot go off before there was another look.
pub(super) const REACTOR_LOOKS: Duration = Duration::from_millis(1);
/// Pieces of one vectored write: each body that is not copied is one, and what is between two.
const SLICES: usize = 64;

/// The most that a stream with layers is offered in one write: all of it is uncertain if that
/// fails.
const PIECE: usize = 16 * 1024;
/// How long the stream may take for what it holds of our last words. As long as the core has for
/// them.
const FAREWELL: Duration = Duration::from_secs(3);

/// What a write that fails has done, which decides which messages are told as not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Writes {
    /// Nothing: the stream is a socket of the operating system, or our own TLS over one, which
    /// report an error only if they have taken nothing of what they were offered.
    Exact,
    /// Perhaps all of it: the stream has layers. TLS of others encrypts what it is offered, sends
    /// some records and then fails; nothing is known of streams that the program brings along.
    Layered,
}

/// Drives one connection until it is over.
pub(crate) struct Driver<S> {
    stream: S,
    writes: Writes,
    core: Core,
    sleep: Pin<Box<Sleep>>,
    /// The timer is set and knows the task.
    armed: bool,
    /// The next deadline, as of the end of the last turn.
    due: Option<Instant>,
    overdue: Option<PassedDeadline>,
    /// The stream may hold back what was written: TLS and buffers do.
    unflushed: bool,
    failed: Option<Failed>,
    /// The connection is over; the stream has until then for what it holds back.
    farewell: Option<Instant>,
}

/// A deadline has passed. What the process would have found in time, had it not been suspended or
/// busy, is read and written first.
struct PassedDeadline {
    /// Nothing is judged before.
    until: Instant,
    /// As many octets are read at most before it is judged, of a peer that never stops.
    octets: usize,
}

/// Writing has failed. What the broker said before it reset the connection is worth more than the
/// reset, so reading goes on; but one that talks on is not listened to for ever.
struct Failed {
    error: ConnectionError,
    until: Instant,
    /// So many octets are still read.
    octets: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(crate) fn new(stream: S, writes: Writes, core: Core) -> Self {
        Self {
            stream,
            writes,
            core,
            sleep: Box::pin(tokio::time::sleep_until(far_future())),
            armed: false,
            due: None,
            overdue: None,
            unflushed: false,
            failed: None,
            farewell: None,
        }
    }

    /// Writes until nothing is queued or the stream is full. True if there is more to do at once.
    fn write(&mut self, now: Instant, context: &mut Context<'_>) -> bool {
        if self.failed.is_some() {
            return false;
        }
        let (mut octets, mut enough) = (0, OCTETS_PER_POLL);
        let mut batches = 0;
        while octets < enough && batches < WRITES_PER_POLL {
            let Some(transmit) = self.core.transmit() else {
                return false;
            };
            if transmit.is_alone() {
                enough = OCTETS_ALONE;
            }
            let stream = Pin::new(&mut self.stream);
            let mut offered = 0;
            let written = match (self.writes, transmit.contiguous()) {
                (Writes::Exact, Some(octets)) => stream.poll_write(context, octets),
                (Writes::Exact, None) => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    let n = transmit.slices(&mut slices);
                    stream.poll_write_vectored(context, slices.get(..n).unwrap_or_default())
                }
                (Writes::Layered, _) => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    let n = transmit.slices_within(PIECE, &mut slices);
                    let slices = slices.get(..n).unwrap_or_default();
                    offered = slices.iter().map(|slice| slice.len()).sum();
                    stream.poll_write_vectored(context, slices)
                }
            };
            match written {
                Poll::Pending => return false,
                Poll::Ready(Ok(0)) => {
                    self.core.may_have_written(offered);
                    self.write_failed(now, io::ErrorKind::WriteZero.into());
                    return true;
                }
                Poll::Ready(Ok(n)) => {
                    octets += n;
                    batches += usize::from(n < PIECE || self.writes == Writes::Exact);
                    self.unflushed = true;
                    self.core.transmitted(n, now);
                }
                Poll::Ready(Err(error)) => {
                    self.core.may_have_written(offered);
                    self.write_failed(now, error);
                    return true;
                }
            }
        }
        true
    }

    /// Sees to it that what was written leaves. True if there is more to do at once.
    fn flush(&mut self, now: Instant, context: &mut Context<'_>) -> bool {
        if !self.unflushed || self.failed.is_some() {
            return false;
        }
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                false
            }
            Poll::Ready(Err(error)) => {
                self.write_failed(now, error);
                true
            }
        }
    }

    fn write_failed(&mut self, now: Instant, error: io::Error) {
        self.failed = Some(Failed {
            error: tls::of_stream(error),
            until: now + LAST_WORDS,
            octets: MOST_HELD,
        });
    }

    /// After a failed write: gives up once enough has been read, or nothing more will be. `octets`
    /// have been read in this turn; `judge` is what [`may_judge`](Self::may_judge) said.
    fn give_up(&mut self, octets: usize, judge: bool, now: Instant) {
        let Some(failed) = &mut self.failed else {
            return;
        };
        failed.octets = failed.octets.saturating_sub(octets);
        let in_vain = judge && failed.until <= now;
        let interest = self.core.interest();
        if failed.octets == 0 || in_vain || !(interest.read || interest.again) {
            self.core.lost(failed.error.clone());
        }
    }

    /// Whether what is due may be done: the reactor has looked at the stream since the deadline
    /// passed, and everything that had come by then has been read.
    fn may_judge(&mut self, read: &Read, now: Instant) -> bool {
        if self.due.is_none_or(|due| now < due) {
            self.overdue = None;
            return false;
        }
        let Some(overdue) = &mut self.overdue else {
            self.overdue = Some(PassedDeadline {
                until: now + REACTOR_LOOKS,
                octets: MOST_HELD,
            });
            return false;
        };
        overdue.octets = overdue.octets.saturating_sub(read.octets);
        let interest = self.core.interest();
        let has_read = !interest.again && (read.drained || !interest.read);
        let has_read = has_read || overdue.octets == 0;
        let judge = overdue.until <= now && has_read;
        if judge {
            self.overdue = None;
        }
        judge
    }

    /// Reads a few times.
    fn read(&mut self, now: Instant, context: &mut Context<'_>) -> Read {
        let mut read = Read {
            octets: 0,
            drained: false,
        };
        for _ in 0..READS_PER_POLL {
            if !self.core.interest().read {
                break;
            }
            let outcome = if let Some(mut space) = self.core.body_space() {
                let outcome = pin!(self.stream.read_buf(&mut space)).poll(context);
                outcome.map_ok(|n| {
                    self.core.body_read(n, now);
                    n
                })
            } else {
                let mut space = ReadBuf::new(self.core.read_space());
                let outcome = Pin::new(&mut self.stream).poll_read(context, &mut space);
                let n = space.filled().len();
                outcome.map_ok(|()| {
                    self.core.read_done(n, now);
                    n
                })
            };
            match outcome {
                Poll::Pending => {
                    read.drained = true;
                    break;
                }
                Poll::Ready(Ok(n)) => read.octets += n,
                // rustls reports a missing close_notify this way on streams of the program's.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.core.lost(ConnectionError::EndOfStream);
                    break;
                }
                Poll::Ready(Err(error)) => {
                    self.core.lost(tls::of_stream(error));
                    break;
                }
            }
        }
        read
    }

    /// The connection is over: the stream gets its time for what it holds back of our last words,
    /// and for its own farewell if that can leave with them.
    fn leave(&mut self, now: Instant, context: &mut Context<'_>) -> Poll<()> {
        let until = *self.farewell.get_or_insert(now + FAREWELL);
        let left = Pin::new(&mut self.stream).poll_shutdown(context);
        if left.is_ready() || !self.unflushed || self.failed.is_some() || until <= now {
            return Poll::Ready(());
        }
        self.sleep.as_mut().reset(until.into());
        if self.sleep.as_mut().poll(context).is_ready() {
            yield_to_the_reactor(context);
        }
        Poll::Pending
    }

    /// Has the task woken at the next deadline. True if that has come already.
    fn arm(&mut self, now: Instant, context: &mut Context<'_>) -> bool {
        let failed = self.failed.as_ref().map(|failed| failed.until);
        self.due = self.core.deadline().into_iter().chain(failed).min();
        let Some(due) = self.due else {
            return false;
        };
        let due = self.overdue.as_ref().map_or(due, |overdue| overdue.until);
        // A timer that goes off too early costs less than one that is moved all the time.
        let set = self.sleep.deadline().into_std();
        if self.armed && now < set && set <= due {
            return false;
        }
        self.sleep.as_mut().reset(due.into());
        self.armed = self.sleep.as_mut().poll(context).is_pending();
        !self.armed
    }
}

/// What reading in one turn has come to.
struct Read {
    octets: usize,
    /// The stream has nothing more, and wakes the task when it does.
    drained: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let now = now();
        if this.farewell.is_some() {
            return this.leave(now, context);
        }
        this.core.set_waker(context.waker());
        this.core.turn(now);
        // Reading comes before the clock: a process that was suspended finds what came meanwhile.
        let read = this.read(now, context);
        let judge = this.may_judge(&read, now);
        this.give_up(read.octets, judge, now);
        if judge {
            // A peer that takes something now is not judged for having taken nothing.
            this.write(now, context);
            this.core.handle_timeout(now);
        }
        // Replies to what was read, and heartbeats, leave in the same turn.
        let mut busy = this.write(now, context);
        busy |= this.flush(now, context);
        // Writing may have been what reading had to wait for.
        let interest = this.core.interest();
        busy |= interest.again || (interest.read && !read.drained);
        if this.core.is_finished() {
            return this.leave(now, context);
        }
        busy |= this.arm(now, context);
        if busy {
            yield_to_the_reactor(context);
        }
        Poll::Pending
    }
}

/// Wakes the task after the runtime has looked for input and output. A task that wakes itself is
/// run again at once, and tokio looks only every 61 turns then: a stream that takes whatever is
/// written would not be read for a tenth of a second.
fn yield_to_the_reactor(context: &mut Context<'_>) {
    // Polled once, it has noted the waker; it is ready only when polled again.
    let _ = pin!(tokio::task::yield_now()).poll(context);
}

/// Tokio's clock, which tests may stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A time that no connection lives to see.
fn far_future() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(86_400 * 365 * 30)
}
