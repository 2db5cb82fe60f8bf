//! The turns of the pump.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::overdue::{MOST_HELD, Overdue, Read};
use super::redial::{Dialed, Redial};
use super::transport::{Timer, Transport, Writes};
use crate::error::{ConnectCause, ConnectionError, Stage};
use crate::proto::{Core, Sequel, Transmit};

/// Reads of one turn: enough to drain what has come, few enough to let other tasks run.
const READS: usize = 4;
/// Writes of one turn, unless they are large.
const WRITES: usize = 8;
/// What is written in one turn at most: what has come meanwhile should be looked at, and publishers
/// that were called need time to queue more than a few messages.
const OCTETS: usize = 64 * 1024;
/// The same for a large body that leaves while nothing else is sent: two pieces.
const OCTETS_ALONE: usize = 1024 * 1024 + OCTETS;
/// How long reading goes on at most once writing has failed. A socket tells at once, but a look of the
/// reactor may lie between the failure and the news that there is something to read.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Pieces of one vectored write: each body that is not copied is one, and what is between two.
const SLICES: usize = 64;
/// The most that a stream with layers is offered in one write: all of it is uncertain if that
/// fails.
const PIECE: usize = 16 * 1024;
/// How long the stream may take for what it holds of our last words. As long as the core has for
/// them.
const FAREWELL: Duration = Duration::from_secs(3);

/// When the next turn is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// When the stream, the timer, the core or what is being dialled wakes the task.
    WhenWoken,
    /// At once, when the streams have been looked at and other tasks have had their turn.
    AtOnce,
    /// Never: the connection is over, and the stream has been left.
    Over,
}

/// Drives one connection until it is over, over one stream after the other.
pub(crate) struct Pump<T, Z, R> {
    /// None while there is no stream.
    transport: Option<T>,
    timer: Z,
    writes: Writes,
    core: Core,
    /// What the timer is set to and has not come.
    set: Option<Instant>,
    /// The next deadline, as of the end of the last turn.
    due: Option<Instant>,
    overdue: Overdue,
    /// The stream may hold back what was written: TLS and buffers do.
    unflushed: bool,
    failed: Option<Failed>,
    /// The stream is over, and has until then for what it holds back.
    farewell: Option<Instant>,
    redial: R,
    round: Round,
}

/// Where a round over all hosts stands, which brings another stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Round {
    /// There is none.
    Over,
    Dialing,
    /// It has brought the present stream, on which the handshake is under way.
    ShakingHands,
}

/// Writing has failed. What the broker said before it reset the connection is worth more than the
/// reset, so reading goes on, within bounds, in case the broker never stops.
struct Failed {
    error: ConnectionError,
    until: Instant,
    /// How many octets are still read at most.
    octets: usize,
}

impl<T: Transport, Z: Timer, R: Redial<Transport = T>> Pump<T, Z, R> {
    /// Drives the core over this stream first.
    pub(crate) fn new(transport: T, timer: Z, writes: Writes, core: Core, redial: R) -> Self {
        Self {
            transport: Some(transport),
            writes,
            ..Self::waiting(timer, core, redial)
        }
    }

    /// Drives a core that waits for its first stream.
    pub(crate) fn waiting(timer: Z, core: Core, redial: R) -> Self {
        Self {
            transport: None,
            timer,
            writes: Writes::Exact,
            core,
            set: None,
            due: None,
            overdue: Overdue::default(),
            unflushed: false,
            failed: None,
            farewell: None,
            redial,
            round: Round::Over,
        }
    }

    /// Takes a turn. The task that is woken is that of the context.
    pub(crate) fn turn(&mut self, now: Instant, context: &mut Context<'_>) -> Next {
        self.core.set_waker(context.waker());
        self.core.turn(now);
        // Reading comes before the clock: a process that was suspended finds what came meanwhile.
        let read = self.read(now, context);
        let judge = self
            .overdue
            .judge(self.due, &read, Z::STREAM_IS_CURRENT, now);
        self.give_up(&read, judge, now);
        if judge {
            // A peer that takes something now is not judged for having taken nothing.
            self.write(now, context);
            self.core.handle_timeout(now);
        }
        // Replies to what was read, and heartbeats, leave in the same turn.
        let mut busy = self.write(now, context);
        busy |= self.flush(now, context);
        // Writing may have been what reading had to wait for.
        busy |= self.reading_goes_on(read.drained);
        if self.core.is_finished() || self.transport.is_none() {
            return self.leave(now, context);
        }
        if self.round != Round::Over {
            self.look_at_handshake(now);
        }
        busy |= self.set_timer(None, now, context);
        when(busy)
    }

    /// Reads a few times.
    fn read(&mut self, now: Instant, context: &mut Context<'_>) -> Read {
        let (mut octets, mut drained) = (0, false);
        let Some(transport) = &mut self.transport else {
            return Read::NOTHING;
        };
        for _ in 0..READS {
            if !self.core.interest().read {
                break;
            }
            let outcome = if let Some(mut space) = self.core.body_space() {
                let outcome = transport.poll_read_buf(context, &mut space);
                outcome.map_ok(|n| {
                    self.core.body_read(n, now);
                    n
                })
            } else {
                let space = self.core.read_space();
                let outcome = transport.poll_read(context, space);
                outcome.map_ok(|n| {
                    self.core.read_done(n, now);
                    n
                })
            };
            match outcome {
                Poll::Pending => {
                    drained = true;
                    break;
                }
                Poll::Ready(Ok(n)) => octets += n,
                // rustls reports a missing close_notify this way on streams of the program's.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.core.lost(ConnectionError::EndOfStream);
                    break;
                }
                Poll::Ready(Err(error)) => {
                    self.core.lost(T::explain(error));
                    break;
                }
            }
        }
        Read {
            octets,
            drained,
            goes_on: self.reading_goes_on(drained),
        }
    }

    /// Whether the core has more to parse, or wants to read more than has been read.
    fn reading_goes_on(&self, drained: bool) -> bool {
        let interest = self.core.interest();
        interest.again || (interest.read && !drained)
    }

    /// After a failed write: gives up once enough has been read, or nothing more will be. `judge`
    /// says that what was there when time was up has been read.
    fn give_up(&mut self, read: &Read, judge: bool, now: Instant) {
        let Some(failed) = &mut self.failed else {
            return;
        };
        failed.octets = failed.octets.saturating_sub(read.octets);
        let in_vain = judge && failed.until <= now;
        let interest = self.core.interest();
        if failed.octets == 0 || in_vain || !(interest.read || interest.again) {
            self.core.lost(failed.error.clone());
        }
    }

    /// Writes until nothing is queued or the stream is full. True if there is more to do at once.
    fn write(&mut self, now: Instant, context: &mut Context<'_>) -> bool {
        let (Some(transport), None) = (&mut self.transport, &self.failed) else {
            return false;
        };
        let (mut octets, mut enough) = (0, OCTETS);
        let mut writes = 0;
        while octets < enough && writes < WRITES {
            let Some(transmit) = self.core.transmit() else {
                return false;
            };
            if transmit.is_alone() {
                enough = OCTETS_ALONE;
            }
            let (written, uncertain) = match self.writes {
                Writes::Exact => (write_all_of(transmit, transport, context), 0),
                Writes::Layered => write_piece_of(transmit, transport, context),
            };
            let error = match written {
                Poll::Pending => return false,
                Poll::Ready(Ok(0)) => io::ErrorKind::WriteZero.into(),
                Poll::Ready(Ok(n)) => {
                    octets += n;
                    writes += usize::from(n < PIECE || self.writes == Writes::Exact);
                    self.unflushed = true;
                    self.core.transmitted(n, now);
                    continue;
                }
                Poll::Ready(Err(error)) => error,
            };
            self.core.may_have_written(uncertain);
            self.write_failed(now, error);
            return true;
        }
        true
    }

    /// Sees to it that what was written leaves. True if there is more to do at once.
    fn flush(&mut self, now: Instant, context: &mut Context<'_>) -> bool {
        if !self.unflushed || self.failed.is_some() || self.farewell.is_some() {
            return false;
        }
        let Some(transport) = &mut self.transport else {
            return false;
        };
        match transport.poll_flush(context) {
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
            error: T::explain(error),
            until: now + LAST_WORDS,
            octets: MOST_HELD,
        });
    }

    /// Has the task woken at the next deadline, or at this time. True if that has come already.
    fn set_timer(&mut self, or: Option<Instant>, now: Instant, context: &mut Context<'_>) -> bool {
        let failed = self.failed.as_ref().map(|failed| failed.until);
        self.due = self.core.deadline().into_iter().chain(failed).min();
        let due = self.due.map(|due| self.overdue.until().unwrap_or(due));
        let Some(due) = due.into_iter().chain(or).min() else {
            return false;
        };
        // A timer that goes off too early costs less than one that is moved all the time.
        if self.set.is_some_and(|set| now < set && set <= due) {
            return false;
        }
        let has_come = self.timer.set(due, context).is_ready();
        self.set = (!has_come).then_some(due);
        has_come
    }

    /// The stream is over: it gets its time for what it holds back of our last words, and for its
    /// own last words if those can leave with them.
    fn leave(&mut self, now: Instant, context: &mut Context<'_>) -> Next {
        if let Some(transport) = &mut self.transport {
            let until = *self.farewell.get_or_insert(now + FAREWELL);
            let left = transport.poll_close(context);
            let has_left = left.is_ready() || !self.unflushed || self.failed.is_some();
            if !has_left && now < until {
                return when(self.set_timer(Some(until), now, context));
            }
        }
        self.transport = None;
        self.farewell = None;
        self.failed = None;
        self.unflushed = false;
        self.go_on(now, context)
    }

    /// There is no stream: waits, or dials, until there is one or none is wanted any more.
    fn go_on(&mut self, now: Instant, context: &mut Context<'_>) -> Next {
        let Sequel::Redial { at } = self.core.sequel() else {
            return Next::Over;
        };
        self.look_at_handshake(now);
        if self.round == Round::Over {
            if now < at {
                return when(self.set_timer(Some(at), now, context));
            }
            self.redial.begin(now);
            self.round = Round::Dialing;
        }
        match self.redial.poll(now, context) {
            Poll::Pending => return when(self.set_timer(None, now, context)),
            Poll::Ready(Dialed::Failed(error)) => {
                self.round = Round::Over;
                self.core.not_connected(error, now);
            }
            Poll::Ready(Dialed::Stream(line)) => {
                self.round = Round::ShakingHands;
                self.core.connected(line.options, line.place, now);
                self.transport = Some(line.transport);
                self.writes = line.writes;
            }
        }
        Next::AtOnce
    }

    /// Looks what has become of the handshake on the stream that was dialled. One that has failed is
    /// told when its stream has been left, for the next one follows then.
    #[cold]
    fn look_at_handshake(&mut self, now: Instant) {
        if self.round != Round::ShakingHands {
            return;
        }
        let outcome = match self.core.handshake_outcome() {
            Some(Ok(())) => Ok(()),
            _ if self.transport.is_some() => return,
            Some(failed) => failed,
            None => Err((
                Stage::Start,
                ConnectCause::Connection(ConnectionError::EndOfStream),
            )),
        };
        self.round = match outcome {
            Ok(()) => Round::Over,
            Err(_) => Round::Dialing,
        };
        self.redial.shaken(outcome, now);
    }
}

fn when(busy: bool) -> Next {
    match busy {
        true => Next::AtOnce,
        false => Next::WhenWoken,
    }
}

/// Offers everything to a stream whose failed writes take nothing.
fn write_all_of<T: Transport>(
    transmit: &Transmit,
    transport: &mut T,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if let Some(octets) = transmit.contiguous() {
        return transport.poll_write(context, octets);
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let n = transmit.slices(&mut slices);
    transport.poll_write_vectored(context, slices.get(..n).unwrap_or_default())
}

/// Offers a piece to a stream with layers; how many octets are uncertain if that fails.
fn write_piece_of<T: Transport>(
    transmit: &Transmit,
    transport: &mut T,
    context: &mut Context<'_>,
) -> (Poll<io::Result<usize>>, usize) {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let n = transmit.slices_within(PIECE, &mut slices);
    let slices = slices.get(..n).unwrap_or_default();
    let offered = slices.iter().map(|slice| slice.len()).sum();
    (transport.poll_write_vectored(context, slices), offered)
}
