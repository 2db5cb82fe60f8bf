//! The core of one connection: octets and the time in, octets, deadlines and wake-ups out.
//!
//! ```text
//! Opening ──open-ok──▶ Open ──close from either side, error──▶ Ended
//! ```
//!
//! An adapter owns the core and the stream; [`Core`] says which calls it repeats. It decides
//! nothing about AMQP.
//!
//! There are no sockets, clocks, threads or tasks here. Results do not travel as events: the core
//! leaves them where their owners look for them, and wakes those.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use amqp_spec::frame::Frame;
use amqp_spec::{Method, connection};
use bytes::BufMut;
use bytes::buf::Limit;

use super::config::CoreOptions;
use super::dispatch::connection as connection_methods;
use super::dispatch::{alarm, channel, closes, messages, overdue, violation};
use super::observe::Trace;
use super::opening::handshake::Step;
use super::opening::outcome::Opening;
use super::outside::Outside;
use super::phase::Phase;
use super::receive::{Rare, Unparsed};
use super::recovery::{self, Course, Lost, Next, Sequel, Stretch, told};
use super::send::outbox::{Behind, Outbox};
use super::send::transmit::Transmit;
use super::send::unwritten::Unwritten;
use super::session::Session;
use super::shared::connection::ConnectionShared;
use super::shared::place::Place;
use super::time::deadlines::DeadlineOf;
use super::turn::{DriverSeat, Interest};
use crate::error::{ChannelError, ConnectCause, ConnectError, ConnectionError, Stage, Violation};

/// The protocol core of one connection.
///
/// The documentation of [`proto`](super) says how to get one, and in which order a driver calls
/// what.
pub struct Core {
    /// What ends with the stream.
    session: Session,
    driver: DriverSeat,
    outside: Outside,
    /// What comes behind the stream.
    course: Course,
    /// Where the caller of `open` waits.
    opening: Arc<Opening>,
}

impl Core {
    /// A core that is about to open a connection, and the state it shares with the handles.
    pub(crate) fn new(
        options: CoreOptions,
        trace: Trace,
        now: Instant,
    ) -> (Self, Arc<ConnectionShared>, Arc<Opening>) {
        let mut outbox = Outbox::new(options.write_buffer_limit, now);
        outbox.room_mut().set_when_blocked(options.when_blocked);
        outbox.room_mut().set_when_down(options.when_down);
        let clock = options.clock.clone();
        let mut connection = ConnectionShared::new(outbox, options.request_timeout, clock, trace);
        connection.consumer_tag_seed = options.consumer_tag_seed;
        connection.patience = options.recovery.patience_limit();
        let connection = Arc::new(connection);
        let opening: Arc<Opening> = Arc::default();
        let course = Course::new(options.recovery.clone(), options.recovery_seed);
        if course.policy().is_on() {
            connection.outbox().order_mut().keep_requests();
        }
        let core = Self {
            session: Session::new(options, &connection, Arc::clone(&opening), now),
            driver: DriverSeat::default(),
            outside: Outside::new(Arc::clone(&connection), course.policy().is_on(), now),
            course,
            opening: Arc::clone(&opening),
        };
        (core, connection, opening)
    }

    /// The same core without a stream: the first is connected as any other after it.
    #[allow(dead_code, reason = "only adapters that dial by themselves begin so")]
    pub(crate) fn waiting(
        options: CoreOptions,
        trace: Trace,
        now: Instant,
    ) -> (Self, Arc<ConnectionShared>, Arc<Opening>) {
        let (mut core, shared, opening) = Self::new(options, trace, now);
        core.session.phase = Phase::Ended;
        core.course.wait_for_the_first(now);
        let mut outbox = shared.outbox();
        outbox.order_mut().discard();
        outbox.go_down(&ConnectionError::EndOfStream, now, &mut Vec::new());
        drop(outbox);
        told::attempt(&core.course, &mut core.outside);
        (core, shared, opening)
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<ConnectionShared> {
        self.outside.shared()
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.session.phase == Phase::Open
    }

    /// Whether nothing of what it logged in with is left.
    #[cfg(test)]
    pub(crate) fn has_forgotten_credentials(&self) -> bool {
        self.session.handshake.has_forgotten_credentials()
    }

    /// What was shown last.
    #[cfg(test)]
    pub(crate) fn shown(&self) -> &Transmit {
        self.session.writing.transmit()
    }

    /// The tags of the consumers that deliveries on this channel may be for.
    #[cfg(test)]
    pub(crate) fn consumer_tags(&self, channel: u16) -> Vec<String> {
        self.session.receive.channels().consumer_tags(channel)
    }

    /// Registers the waker that is called when there may be something to do before the
    /// [`deadline`](Self::deadline): something to write, reading that may go on, an earlier
    /// deadline. To be called at the start of each turn; costs one comparison unless the waker is
    /// another one.
    pub fn set_waker(&mut self, waker: &Waker) {
        self.driver.set_waker(waker, self.outside.shared());
    }

    /// Starts a turn of the driver: tells the core the time, has it parse what the last turn has
    /// left ([`Interest::again`]), decide whether to read, and note how long the peer has taken
    /// nothing. While reading is paused the peer's silence does not count.
    pub fn turn(&mut self, now: Instant) {
        self.stir(now);
        if self.session.receive.begin_turn() && self.session.phase != Phase::Ended {
            self.parse_and_dispatch();
        }
        if self.course.is_recovering() {
            self.recover();
        }
        self.session.wind_up(&mut self.outside);
        self.session
            .clocks
            .on_attempt(!self.session.writing.is_empty(), now);
        self.session.decide_whether_to_read(&mut self.outside);
        if self.session.turn.pause().is_some() {
            self.session.clocks.on_read(now);
        }
    }

    /// The time is told, and something may happen.
    #[inline]
    fn stir(&mut self, now: Instant) {
        self.outside.set_now(now);
        self.session.turn.stir();
    }

    /// What the core waits for at present. Changes nothing; may be asked at any time, and changes
    /// only with calls of other methods. Whatever happens elsewhere that could change it calls the
    /// waker.
    pub fn interest(&self) -> Interest {
        let ended = self.session.phase == Phase::Ended;
        let more = self.session.receive.has_more();
        Interest {
            read: self.session.turn.pause().is_none() && !more && !ended,
            again: more && !ended,
            write: self
                .session
                .turn
                .wants_write(!self.session.writing.is_empty()),
        }
    }

    /// Where the adapter reads into; never empty.
    pub fn read_space(&mut self) -> &mut [u8] {
        self.session.receive.space()
    }

    /// `n` octets have been read into [`read_space`](Self::read_space). Zero is the end of the
    /// stream.
    pub fn read_done(&mut self, n: usize, now: Instant) {
        if n == 0 {
            self.lost(ConnectionError::EndOfStream);
            return;
        }
        self.heard(n, now);
        self.session.receive.filled(n);
        self.parse_and_dispatch();
    }

    /// Where the adapter may read instead of [`read_space`](Self::read_space), while a large
    /// message arrives: straight into it. Say so with [`body_read`](Self::body_read). The memory
    /// need not be initialised, so that this pays off with readers that can do without.
    pub fn body_space(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        self.session.receive.body_space()
    }

    /// `n` octets have been read into [`body_space`](Self::body_space). Zero is the end of the
    /// stream.
    pub fn body_read(&mut self, n: usize, now: Instant) {
        if !self.session.receive.is_amid_large_body() {
            return;
        }
        if n == 0 {
            self.lost(ConnectionError::EndOfStream);
            return;
        }
        self.session.receive.body_filled(n);
        self.heard(n, now);
        self.session.decide_whether_to_read(&mut self.outside);
    }

    /// Takes octets that were read into the driver's own memory, in place of reading into
    /// [`read_space`](Self::read_space): by a thread that waits for the stream while others use the
    /// core, or by a layer that decrypts. They may be longer than that space, and end anywhere.
    ///
    /// Returns how many it took: all of them, unless [`Interest::read`] was false or has become so.
    /// The rest is to be fed in a later turn, before anything else is read; so that a driver which
    /// reads only while `read` is true never holds more than one read. Of no octets nothing is
    /// taken, and nothing happens: the end of the stream is [`read_done`](Self::read_done) of zero.
    pub fn feed(&mut self, octets: &[u8], now: Instant) -> usize {
        let mut rest = octets;
        while !rest.is_empty() && self.interest().read {
            let n = if let Some(mut space) = self.body_space() {
                let n = space.remaining_mut().min(rest.len());
                space.put_slice(rest.get(..n).unwrap_or_default());
                self.body_read(n, now);
                n
            } else {
                let space = self.read_space();
                let n = space.len().min(rest.len());
                let (space, octets) = (space.get_mut(..n), rest.get(..n));
                if let (Some(space), Some(octets)) = (space, octets) {
                    space.copy_from_slice(octets);
                }
                self.read_done(n, now);
                n
            };
            rest = rest.get(n..).unwrap_or_default();
        }
        octets.len() - rest.len()
    }

    /// Records that `n` octets were read.
    #[inline]
    fn heard(&mut self, n: usize, now: Instant) {
        self.outside.shared().totals.octets_received.add(n);
        self.stir(now);
        self.session.clocks.on_read(now);
    }

    /// Parses what has been read, and hands it over.
    fn parse_and_dispatch(&mut self) {
        let (memory, range) = self.session.receive.begin_parsing();
        let mut unparsed = Unparsed::new(memory.get(range).unwrap_or_default());
        let result = self.dispatch_all(&mut unparsed);
        let used = unparsed.used();
        self.session
            .receive
            .end_parsing(memory, used, &self.outside);
        self.session
            .receive
            .channels_mut()
            .hand_over(&mut self.outside);
        match (result, self.outside.take_unanswerable()) {
            (Err(violation), _) => self.violated(violation),
            (Ok(()), Some(channel)) => self.violated(Violation::TooManyAnswers { channel }),
            (Ok(()), None) => {}
        }
        if self.course.has_plan() || self.outside.has_pending() {
            self.recover();
        }
        self.outside.wake_all();
        self.session.decide_whether_to_read(&mut self.outside);
    }

    /// Parses as much as one turn may, and dispatches what is rare.
    fn dispatch_all(&mut self, unparsed: &mut Unparsed<'_>) -> Result<(), Violation> {
        while let Some(rare) = self.session.receive.next(unparsed, &mut self.outside)? {
            match rare {
                Rare::Method(frame) => self.dispatch(&frame)?,
                Rare::Message(id, message) => {
                    let channels = self.session.receive.channels_mut();
                    messages::complete(id, message, channels, &mut self.outside);
                }
            }
            if self.session.phase == Phase::Ended || self.session.receive.has_had_enough() {
                break;
            }
        }
        Ok(())
    }

    #[cold]
    fn dispatch(&mut self, frame: &Frame<'_>) -> Result<(), Violation> {
        let method = Method::decode(frame.payload).map_err(Violation::Decode)?;
        let (id, payload) = (frame.channel, frame.payload);
        match self.session.phase {
            _ if id == 0 => self.dispatch_connection(&method, payload),
            Phase::Open => {
                let (channels, clocks) = (
                    self.session.receive.channels_mut(),
                    &mut self.session.clocks,
                );
                channel::method(id, &method, payload, channels, clocks, &mut self.outside)
            }
            Phase::Opening | Phase::Ended => Err(Violation::UnknownChannel { channel: id }),
        }
    }

    fn dispatch_connection(
        &mut self,
        method: &Method<'_>,
        payload: &[u8],
    ) -> Result<(), Violation> {
        let (channels, clocks) = (
            self.session.receive.channels_mut(),
            &mut self.session.clocks,
        );
        let outside = &mut self.outside;
        match (self.session.phase, method) {
            (_, Method::ConnectionClose(close)) => self.closed_by_broker(close),
            (Phase::Opening, _) => return self.handshake(method),
            (_, Method::ConnectionCloseOk(_)) => {
                connection_methods::close_ok(outside)?;
                self.lost(ConnectionError::Closed);
            }
            (_, Method::ConnectionBlocked(blocked)) => {
                let reason = String::from_utf8_lossy(blocked.reason.as_bytes());
                alarm::begin(&Arc::from(reason), channels, clocks, outside);
            }
            (_, Method::ConnectionUnblocked(_)) => alarm::end(channels, clocks, outside),
            _ => return connection_methods::reply(method, payload, outside),
        }
        Ok(())
    }

    /// A method of the handshake has come.
    fn handshake(&mut self, method: &Method<'_>) -> Result<(), Violation> {
        let shared = self.outside.shared();
        let all_taken = self.session.writing.is_empty() && shared.outbox().order().queued() == 0;
        let step = self.session.handshake.method(method, all_taken)?;
        self.session.receive.set_greeted();
        match step {
            Step::Answer(frame) => shared.outbox().order_mut().push_secret(frame),
            Step::Tuned { limits, frames } => {
                shared.set_limits(limits);
                self.session
                    .clocks
                    .start_heartbeat(limits.heartbeat, self.outside.now());
                for frame in &frames {
                    shared.outbox().order_mut().push_raw(frame);
                }
            }
            Step::Opened => {
                self.session.phase = Phase::Open;
                self.session.clocks.opened();
                shared.opened();
                shared.trace.opened(shared.limits());
                self.opened();
            }
            Step::GivenUp => self.lost(ConnectionError::Closed),
        }
        Ok(())
    }

    fn closed_by_broker(&mut self, close: &connection::Close<'_>) {
        let about_open = || self.session.handshake.about_open();
        let outside = &mut self.outside;
        let cause = connection_methods::closed_by_broker(close, about_open, outside);
        self.end(&cause, Unwritten::default());
        let close_ok = connection::CloseOk {}.to_frame(0);
        self.outside.outbox().order_mut().push_raw(&close_ok);
    }

    /// The next bytes to write; if there are none, the [waker](Self::set_waker) is called when
    /// there are some. Shows the same bytes until [`transmitted`](Self::transmitted) is called.
    pub fn transmit(&mut self) -> Option<&Transmit> {
        if self.session.phase == Phase::Opening && self.outside.outbox().is_ending() {
            // Before it has answered connection.open, RabbitMQ does not answer connection.close.
            self.lost(ConnectionError::closed_by_us());
        }
        if self.session.writing.is_empty() {
            self.session.wind_up(&mut self.outside);
            let unclaimed = self
                .session
                .writing
                .refill(self.driver.waker(), &mut self.outside);
            // Nothing is waited for behind the end.
            if unclaimed && self.session.phase != Phase::Ended {
                self.session.clocks.look_for_called(self.outside.now());
            }
            self.session.turn.answers_taken();
            self.outside.wake_all();
            self.session.turn.settle();
            // The time in which nothing is taken starts when it is first shown.
            let left = !self.session.writing.is_empty();
            self.session.clocks.on_attempt(left, self.outside.now());
        }
        (!self.session.writing.is_empty()).then_some(self.session.writing.transmit())
    }

    /// The first `n` bytes of what [`transmit`](Self::transmit) showed have been written, at least
    /// one.
    pub fn transmitted(&mut self, n: usize, now: Instant) {
        self.session.turn.stir();
        let shared = self.outside.shared();
        shared.totals.octets_sent.add(n);
        self.session.writing.written(n, now, shared);
        if self.session.writing.has_written_farewell() {
            self.outside.say_goodbye();
        }
        if self.outside.has_said_goodbye() {
            self.session.turn.said_goodbye();
        }
        self.session
            .clocks
            .on_write(!self.session.writing.is_empty(), now);
    }

    /// A write of the first `n` octets of what [`transmit`](Self::transmit) showed has failed, and
    /// any of them may have been sent: a stream with layers, such as TLS, may have sent whole
    /// records before it reported the error. To be called before [`lost`](Self::lost); messages
    /// among them are uncertain then, instead of not sent. A plain socket writes nothing when it
    /// fails.
    pub fn may_have_written(&mut self, n: usize) {
        self.session.writing.may_have_written(n);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest. It may turn out
    /// then that nothing is due.
    pub fn deadline(&self) -> Option<Instant> {
        let mut own = self.session.clocks.earliest();
        if self.session.phase == Phase::Ended {
            own = own.filter(|_| !self.is_finished());
            if self.course.is_over() {
                return own;
            }
        }
        let shared = self.outside.shared();
        let requests = shared.outbox().order().deadline();
        let handles = shared.timers.deadline();
        [own, requests, handles, self.course.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due; nothing if the [`deadline`](Self::deadline) turns out to have been too
    /// early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.stir(now);
        match self.session.phase {
            Phase::Ended => {
                if self.session.clocks.take_expired(DeadlineOf::LastWords, now) {
                    self.lost(ConnectionError::EndOfStream);
                }
                if !self.course.is_over() {
                    self.expire(now);
                }
            }
            Phase::Opening if self.session.clocks.take_expired(DeadlineOf::Handshake, now) => {
                self.handshake_timed_out();
            }
            Phase::Opening | Phase::Open => {
                let due = self
                    .session
                    .heartbeat(&self.outside, now)
                    .or_else(|| self.session.stalled(&self.outside, now));
                if let Some(cause) = due {
                    self.lost(cause);
                } else if let Some(after) = self.session.clocks.blocked_for_too_long(now) {
                    self.blocked_for_too_long(after);
                } else {
                    self.expire(now);
                    if self.course.has_plan() {
                        self.recover();
                        self.outside.wake_all();
                    }
                }
            }
        }
    }

    fn handshake_timed_out(&mut self) {
        if let Some(violation) = self.session.receive.cut_short() {
            self.lost(violation.into());
        } else {
            self.session.handshake.time_out();
            self.lost(ConnectionError::EndOfStream);
        }
    }

    /// The broker does not read, so that there is nothing to be said.
    fn blocked_for_too_long(&mut self, after: Duration) {
        let blocked = self.outside.outbox().room().blocked();
        if let Some(reason) = blocked {
            self.lost(ConnectionError::BlockedTimeout { reason, after });
        }
    }

    /// Tells what waits for something that has not come in its time.
    fn expire(&mut self, now: Instant) {
        let (channels, clocks) = (
            self.session.receive.channels_mut(),
            &mut self.session.clocks,
        );
        let outside = &mut self.outside;
        overdue::expire_watched(now, channels, clocks, outside);
        let progress = self.session.writing.progress();
        let close_overdue = overdue::expire_requests(now, progress, channels, outside);
        if close_overdue {
            let cause = self.session.writing.close_timeout(self.outside.shared());
            self.lost(cause);
        }
        self.outside.wake_all();
    }

    /// Whether the driver is done: it closes the stream and drops the core.
    pub fn is_finished(&self) -> bool {
        self.session.phase == Phase::Ended && self.session.writing.is_empty() && {
            // What remains after the end is the close exchange, if anything.
            self.outside.outbox().order().is_empty()
        }
    }

    /// The stream has failed or ended, or its driver goes away: everything that waits learns why.
    /// The cause of a connection that has ended stays.
    pub fn lost(&mut self, cause: ConnectionError) {
        if self.session.phase == Phase::Ended {
            self.session.writing.clear();
        } else {
            let cut_short = match cause {
                ConnectionError::EndOfStream | ConnectionError::Io(_) => {
                    self.session.receive.cut_short()
                }
                _ => None,
            };
            let unsent = self.session.writing.unwritten();
            self.session.writing.clear();
            self.end(&cut_short.map_or(cause, ConnectionError::from), unsent);
        }
        self.outside.outbox().order_mut().discard();
        self.outside.drop_bodies();
    }

    /// The peer broke the protocol: tell it (AMQP 0-9-1 §4.10.2), and end.
    fn violated(&mut self, violation: Violation) {
        let farewell =
            violation::farewell(&violation).filter(|_| self.session.phase == Phase::Open);
        self.outside.shared().trace.violation(&violation);
        self.end(&violation.into(), Unwritten::default());
        if let Some(close) = farewell {
            self.outside.outbox().order_mut().push_raw(&close);
        }
    }

    /// The stream is over. What the adapter has begun to write, and what is queued afterwards, is
    /// still written, but for `unsent`. Unless another stream is to follow, the connection ends for
    /// all.
    fn end(&mut self, cause: &ConnectionError, unsent: Unwritten) {
        self.end_over(cause, None, unsent);
    }

    /// The same; `failure` says over what the attempt to bring the connection back was given up.
    fn end_over(
        &mut self,
        cause: &ConnectionError,
        failure: Option<ConnectCause>,
        unsent: Unwritten,
    ) {
        if self.session.phase == Phase::Ended {
            return;
        }
        self.session
            .handshake
            .fail(ConnectCause::Connection(cause.clone()));
        let closing = self.outside.outbox().is_ending();
        let now = self.outside.now();
        let was_restoring = self.course.stretch() == Stretch::Restoring && self.course.has_plan();
        let failure = match failure {
            None if !was_restoring => None,
            failure => {
                let cause = failure.unwrap_or_else(|| ConnectCause::Connection(cause.clone()));
                Some(self.failed_to_restore(cause))
            }
        };
        let is_ours = matches!(
            cause,
            ConnectionError::Closed
                | ConnectionError::DriverGone
                | ConnectionError::CloseTimeout { .. }
        );
        let next = match closing || is_ours {
            true => Next::End,
            false => self.course.stream_lost(cause, failure, now),
        };
        if next == Next::End {
            self.finish(cause, unsent);
            return;
        }
        let lost = self.disconnect(cause, unsent, Behind::AnotherStream);
        if self.course.goes_away() {
            told::lost(cause, lost, &mut self.outside);
        }
        self.follow(next);
        self.outside.wake_all();
    }

    /// Tells of the attempt that comes next.
    fn follow(&mut self, next: Next) {
        match next {
            Next::End => self.finish(&ConnectionError::EndOfStream, Unwritten::default()),
            Next::Attempt { delay } => told::retrying(delay, &self.course, &mut self.outside),
            Next::SameAttempt => {}
        }
    }

    /// An attempt to bring the connection back has come as far as it could.
    fn failed_to_restore(&self, cause: ConnectCause) -> ConnectError {
        let address = self.outside.shared().place().address;
        ConnectError::new(Stage::Restore, address, cause)
    }

    /// The connection ends for all, and nothing follows.
    fn finish(&mut self, cause: &ConnectionError, unsent: Unwritten) {
        if self.course.is_over() {
            return;
        }
        let cause = self.course.final_cause(cause);
        self.course.end(&cause, &mut self.outside);
        let handshake = &self.session.handshake;
        let stage = handshake.stage();
        let was_open = self.opening.has_succeeded();
        self.opening
            .fail(stage, ConnectCause::Connection(cause.clone()));
        self.disconnect(&cause, unsent, Behind::Nothing);
        let outside = &mut self.outside;
        told::over(&cause, stage, was_open, outside);
        let (shared, to_wake) = outside.split();
        to_wake.extend(self.driver.waker().cloned());
        shared.timers.take_all(to_wake);
        outside.wake_all();
    }

    /// The stream is gone, or is left to what the adapter has begun to write: what was under way on
    /// it ends, and what is to follow decides for how much more this is the end. Says what was lost
    /// that no one is told of otherwise.
    fn disconnect(
        &mut self,
        cause: &ConnectionError,
        mut unsent: Unwritten,
        behind: Behind,
    ) -> Lost {
        let outside = &mut self.outside;
        let left = self.session.hand_over(outside);
        let channels = self.session.receive.channels_mut();
        self.session.phase = Phase::Ended;
        self.session.clocks.ended(outside.now());
        let now = outside.now();
        let (shared, wakers) = outside.split();
        let mut outbox = shared.outbox();
        let mut lost = outbox.disconnect(&mut unsent, behind);
        let plain_publishes = outbox.channels().n_plain(&unsent);
        match behind {
            Behind::Nothing => lost.failed.extend(outbox.close(cause, wakers)),
            Behind::AnotherStream => outbox.go_down(cause, now, wakers),
        }
        drop(outbox);
        outside.drop_bodies();
        let error = ChannelError::Connection(cause.clone());
        if behind == Behind::AnotherStream {
            let no_ack_unread = closes::all_lost(&error, lost, &unsent, channels, outside);
            return Lost {
                plain_publishes,
                no_ack_unread,
            };
        }
        let (shared, wakers) = outside.split();
        shared.shutdown.tell(left.map(|left| left.report(&unsent)));
        shared.end(cause, wakers);
        outside.fail_requests(lost.failed, &error);
        closes::all_ended(&error, lost.consumers, &unsent, channels, outside);
        Lost::default()
    }

    // Recovery

    /// What follows the stream, once that is over ([`is_finished`](Self::is_finished)). May be asked
    /// at any time while the driver connects another stream: it becomes [`Sequel::Over`] when that
    /// is of no use any more.
    pub fn sequel(&self) -> Sequel {
        self.course.sequel()
    }

    /// Another stream has been connected: the connection is opened on it.
    pub(crate) fn connected(&mut self, options: CoreOptions, place: Place, now: Instant) {
        if !matches!(self.course.sequel(), Sequel::Redial { .. }) {
            return;
        }
        self.outside.shared().moved(place);
        let lost = self.session.receive.channels_mut().take_all_resting();
        self.session = Session::new(options, self.outside.shared(), Arc::default(), now);
        self.session.receive.channels_mut().rest_all(lost);
        self.outside.begin_stream(now);
        self.course.connecting();
    }

    /// How the opening on the present stream has ended, if it has.
    pub(crate) fn handshake_outcome(&self) -> Option<Result<(), (Stage, ConnectCause)>> {
        self.session.handshake.outcome().get()
    }

    /// None of the hosts could be connected to.
    pub(crate) fn not_connected(&mut self, error: ConnectError, now: Instant) {
        self.stir(now);
        let next = self.course.not_connected(error, now);
        self.follow(next);
        self.outside.wake_all();
    }

    /// The connection is open on its stream.
    fn opened(&mut self) {
        let opening = self.session.handshake.outcome();
        self.opening
            .set_server_properties(opening.server_properties());
        // First, so that a caller that gets the connection finds it open, and hears no `Opened`.
        recovery::opened(&mut self.course, &mut self.outside);
        opening.succeed();
        self.opening.succeed();
    }

    /// Does what the recovery can do at present.
    #[cold]
    fn recover(&mut self) {
        if self.course.is_recovering() && self.outside.outbox().is_ending() {
            self.close_amid_recovery();
            return;
        }
        if let Err(failure) = recovery::step(&mut self.course, &mut self.outside) {
            let failure = ConnectCause::Restore(failure.into());
            self.session.writing.clear();
            let lost = self.course.lost().cloned();
            self.end_over(
                &lost.unwrap_or(ConnectionError::EndOfStream),
                Some(failure),
                Unwritten::default(),
            );
            self.outside.outbox().order_mut().discard();
        }
        self.outside.wake_all();
    }

    /// The program closes the connection while it comes back: that is over at once.
    fn close_amid_recovery(&mut self) {
        let was_open = self.session.phase == Phase::Open;
        let farewell = closes::farewell(&self.outside).filter(|_| was_open);
        self.session.phase = Phase::Ended;
        self.finish(&ConnectionError::closed_by_us(), Unwritten::default());
        if let Some(farewell) = farewell {
            self.outside.outbox().order_mut().push_raw(&farewell);
        }
        self.outside.wake_all();
    }
}

/// Says where the connection stands; what is queued or buffered may hold credentials.
impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("phase", &self.session.phase)
            .field("login", self.session.handshake.login())
            .finish_non_exhaustive()
    }
}

impl Drop for Core {
    /// What still waits learns that the connection is not driven any more.
    fn drop(&mut self) {
        self.lost(ConnectionError::DriverGone);
        self.finish(&ConnectionError::DriverGone, Unwritten::default());
        // Handles may live much longer than the driver's task, which its waker keeps in memory.
        let registered = self.outside.outbox().order_mut().forget_driver();
        drop(registered);
    }
}
