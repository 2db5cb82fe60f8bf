//! The core of one connection: octets and the time in, octets, deadlines and wake-ups out.
//!
//! ```text
//! Opening ──open-ok──▶ Open ──close from either side, error──▶ Ended
//! ```
//!
//! An adapter owns the core and the stream; [`Core`] says which calls it repeats. It decides nothing
//! about AMQP.
//!
//! There are no sockets, clocks, threads or tasks here. Results do not travel as events: the core
//! leaves them where their owners look for them, and wakes those.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use amqp_spec::frame::FrameError;
use amqp_spec::wire::ShortStr;
use amqp_spec::{ReplyCode, connection, constants, frame};

use super::config::CoreOptions;
use super::observe::{Event, Source, Trace};
use super::opening::handshake::Handshake;
use super::opening::outcome::Opening;
use super::phase::Phase;
use super::receive::channel::{InChannel, Strays};
use super::receive::read_buffer::ReadBuffer;
use super::send::outbox::Outbox;
use super::send::request::Slot;
use super::send::transmit::Transmit;
use super::send::unwritten::Unwritten;
use super::shared::channel::ChannelShared;
use super::shared::connection::ConnectionShared;
use super::shared::lost::Loss;
use super::time::clocks::Clocks;
use super::time::deadlines::DeadlineOf;
use super::time::heartbeat::Due;
use super::turn::Pause;
use super::wait;
use crate::error::{ChannelError, ConnectCause, ConnectionError, Stage, Violation};

/// The protocol core of one connection.
///
/// The documentation of [`proto`](super) says how to get one, and in which order a driver calls what.
pub struct Core {
    pub(super) shared: Arc<ConnectionShared>,
    pub(super) handshake: Handshake,
    pub(super) phase: Phase,
    pub(super) clocks: Clocks,
    pub(super) input: ReadBuffer,
    pub(super) piecewise: Option<super::receive::large_body::Piecewise>,
    /// The last octets parsed were of a large body.
    pub(super) bulk: bool,
    /// Frames parsed in this read.
    pub(super) frames: usize,
    /// What parsing has cost in this turn, in frames.
    pub(super) work: usize,
    /// Parsing has stopped because of that, and goes on in the next turn.
    pub(super) more: bool,
    pub(super) max_payload: usize,
    pub(super) max_message_size: u64,
    pub(super) inbound_limit: usize,
    /// Our `connection.close` has been written: deliveries are of no use any more.
    pub(super) said_goodbye: bool,
    /// What uses of channel ids have left to the next, by id.
    pub(super) strays: BTreeMap<u16, Box<Strays>>,
    /// Channels that the broker has closed and that are opened anew.
    pub(super) resting: BTreeMap<u16, Arc<ChannelShared>>,
    /// By channel id.
    pub(super) channels: Vec<Option<Box<InChannel>>>,
    /// Consumers that have deliveries to be handed over: channel id and position.
    pub(super) dirty: Vec<(u16, usize)>,
    pub(super) acks: super::receive::parse::AckRun,
    /// Called when no lock is held.
    pub(super) wakers: Vec<Waker>,
    pub(super) transmit: Transmit,
    /// When octets were last written, heartbeats apart.
    pub(super) progressed: Instant,
    /// The driver's waker, as registered with the outbox.
    pub(super) driver: Option<Waker>,
    /// Why nothing is to be read, as of the last look.
    pub(super) pause: Option<Pause>,
    /// Something may have been queued since the outbox was last found empty.
    pub(super) unseen: bool,
    /// More answers are parked on this channel than may be.
    pub(super) unanswerable: Option<u16>,
    /// The latest time that the adapter told.
    pub(super) now: Instant,
}

/// Larger payloads are not accepted. Smaller ones are, whatever was negotiated: RabbitMQ ignores
/// `frame_max` for the methods and headers that it sends.
const MAX_INBOUND_PAYLOAD: usize = 1024 * 1024;

impl Core {
    /// A core that is about to open a connection, and the state it shares with the handles.
    pub(crate) fn new(
        options: CoreOptions,
        trace: Trace,
        now: Instant,
    ) -> (Self, Arc<ConnectionShared>, Arc<Opening>) {
        // Before tuning, only the smallest frame may be sent.
        let frame_max = usize::try_from(constants::FRAME_MIN_SIZE).unwrap_or(usize::MAX);
        let mut outbox = Outbox::new(frame_max, options.write_buffer_limit, now);
        outbox.set_when_blocked(options.when_blocked);
        outbox.push_raw(&frame::PROTOCOL_HEADER);
        let mut connection =
            ConnectionShared::new(outbox, options.request_timeout, options.clock, trace);
        connection.consumer_tag_seed = options.consumer_tag_seed;
        let connection = Arc::new(connection);
        let handshake = Handshake::new(options.login, options.handshake_timeout);
        let opening = Arc::clone(handshake.outcome());
        let core = Self {
            shared: Arc::clone(&connection),
            handshake,
            phase: Phase::Opening,
            clocks: Clocks::new(
                options.handshake_timeout,
                options.write_timeout,
                options.blocked_connection_timeout,
                now,
            ),
            input: ReadBuffer::new(),
            piecewise: None,
            bulk: false,
            frames: 0,
            work: 0,
            more: false,
            max_payload: MAX_INBOUND_PAYLOAD,
            max_message_size: match options.max_message_size {
                0 => u64::MAX,
                limit => limit,
            },
            inbound_limit: options.inbound_limit,
            said_goodbye: false,
            strays: BTreeMap::new(),
            resting: BTreeMap::new(),
            channels: Vec::new(),
            dirty: Vec::new(),
            acks: super::receive::parse::AckRun::default(),
            wakers: Vec::new(),
            transmit: Transmit::default(),
            progressed: now,
            driver: None,
            pause: None,
            unseen: true,
            unanswerable: None,
            now,
        };
        (core, connection, opening)
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<ConnectionShared> {
        &self.shared
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether nothing of what it logged in with is left.
    #[cfg(test)]
    pub(crate) fn has_forgotten_credentials(&self) -> bool {
        self.handshake.has_forgotten_credentials()
    }

    /// What was shown last.
    #[cfg(test)]
    pub(crate) fn shown(&self) -> &Transmit {
        &self.transmit
    }

    /// The tags of the consumers that deliveries on this channel may be for.
    #[cfg(test)]
    pub(crate) fn consumer_tags(&self, channel: u16) -> Vec<String> {
        let channel = self.channels.get(usize::from(channel));
        channel
            .and_then(Option::as_ref)
            .map_or_else(Vec::new, |channel| channel.tags())
    }

    // ── Input ───────────────────────────────────────────────────────────────────────────────

    /// `n` octets have been read into [`read_space`](Self::read_space). Zero is the end of the
    /// stream.
    pub fn read_done(&mut self, n: usize, now: Instant) {
        if n == 0 {
            self.lost(ConnectionError::EndOfStream);
            return;
        }
        self.heard(n, now);
        self.input.filled(n);
        self.parse_input(now);
    }

    /// Parses what has been read, and hands it over.
    pub(super) fn parse_input(&mut self, now: Instant) {
        let (memory, range) = self.input.take();
        let (used, result) = self.parse(memory.get(range).unwrap_or_default(), now);
        let frames = std::mem::take(&mut self.frames);
        self.shared.totals.frames_received.add(frames);
        self.input.put_back(memory, used);
        self.hand_over();
        match (result, self.unanswerable.take()) {
            (Err(violation), _) => self.violated(violation),
            (Ok(()), Some(channel)) => self.violated(Violation::TooManyAnswers { channel }),
            (Ok(()), None) => {}
        }
        self.wake_all();
        self.look_whether_to_read();
    }

    /// Records that `n` octets were read.
    pub(super) fn heard(&mut self, n: usize, now: Instant) {
        self.shared.totals.octets_received.add(n);
        self.now = now;
        self.unseen = true;
        self.clocks.on_read(now);
    }

    // ── Output ──────────────────────────────────────────────────────────────────────────────

    /// The next bytes to write; if there are none, the [waker](Self::set_waker) is called when there
    /// are some. Shows the same bytes until [`transmitted`](Self::transmitted) is called.
    pub fn transmit(&mut self) -> Option<&Transmit> {
        if self.phase == Phase::Opening && self.shared.outbox().is_closing() {
            // Before it has answered connection.open, RabbitMQ does not answer connection.close.
            self.lost(ConnectionError::closed_by_us());
        }
        if self.transmit.is_empty() {
            let driver = self.driver.as_ref();
            let unclaimed = self
                .transmit
                .refill(&self.shared, driver, self.now, &mut self.wakers);
            if unclaimed {
                self.clocks.look_for_called(self.now);
            }
            if self.pause == Some(Pause::Answers) {
                self.pause = None;
            }
            self.wake_all();
            self.unseen = false;
            // The time in which nothing is taken starts when it is first shown.
            self.clocks.on_attempt(!self.transmit.is_empty(), self.now);
        }
        (!self.transmit.is_empty()).then_some(&self.transmit)
    }

    /// The first `n` bytes of what [`transmit`](Self::transmit) showed have been written, at least one.
    pub fn transmitted(&mut self, n: usize, now: Instant) {
        self.unseen = true;
        self.shared.totals.octets_sent.add(n);
        let before = self.progressed;
        if !self.transmit.is_heartbeat() {
            self.progressed = now;
        }
        if self.transmit.advance(n) {
            self.request_written(before);
        }
        self.said_goodbye |= self.transmit.is_empty() && self.transmit.has_farewell();
        if self.said_goodbye && self.pause == Some(Pause::Consumers) {
            // What comes now is not kept: reading goes on at once, and nothing would wake the driver.
            self.pause = None;
        }
        self.clocks.on_write(!self.transmit.is_empty(), now);
    }

    /// A write of the first `n` octets of what [`transmit`](Self::transmit) showed has failed, and any
    /// of them may have been sent: a stream with layers, such as TLS, may have sent whole records
    /// before it reported the error. To be called before [`lost`](Self::lost); messages among them are
    /// uncertain then, instead of not sent. A plain socket writes nothing when it fails.
    pub fn may_have_written(&mut self, n: usize) {
        self.transmit.may_have_written(n);
    }

    // ── Time ────────────────────────────────────────────────────────────────────────────────

    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest. It may turn out
    /// then that nothing is due.
    pub fn deadline(&self) -> Option<Instant> {
        let own = self.clocks.earliest();
        match self.phase {
            Phase::Ended if self.is_finished() => return None,
            Phase::Ended => return own,
            Phase::Opening | Phase::Open => {}
        }
        let requests = self.shared.outbox().deadline();
        let handles = self.shared.timers.deadline();
        [own, requests, handles].into_iter().flatten().min()
    }

    /// Does what is due; nothing if the [`deadline`](Self::deadline) turns out to have been too early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.unseen = true;
        match self.phase {
            Phase::Ended => {
                if self.clocks.take_expired(DeadlineOf::LastWords, now) {
                    self.lost(ConnectionError::EndOfStream);
                }
                return;
            }
            Phase::Opening if self.clocks.take_expired(DeadlineOf::Handshake, now) => {
                if let Some(violation) = self.cut_short() {
                    self.lost(violation.into());
                    return;
                }
                self.handshake.time_out();
                self.lost(ConnectionError::EndOfStream);
                return;
            }
            Phase::Opening | Phase::Open => {}
        }
        if self.pause.is_some() {
            self.clocks.on_read(now);
        }
        match self.clocks.heartbeat_due(now) {
            Due::Nothing => {}
            Due::Send => {
                self.rest();
                self.shared.outbox().push_raw(&frame::HEARTBEAT);
            }
            Due::PeerDead { silence } => {
                self.shared.trace.heartbeat_missed(silence);
                self.lost(ConnectionError::HeartbeatTimeout(silence));
                return;
            }
        }
        let slow_consumers = self.pause == Some(Pause::Consumers);
        if slow_consumers || self.shared.outbox().blocked().is_some() {
            self.clocks.forgive_stall(now);
        } else if let Some(after) = self.clocks.stalled(now) {
            self.lost(ConnectionError::WriteTimeout(after));
            return;
        }
        if let Some(after) = self.clocks.blocked_for_too_long(now) {
            self.blocked_for_too_long(after);
            return;
        }
        self.expire_fetching(now);
        self.expire_called(now);
        let mut wakers = std::mem::take(&mut self.wakers);
        let mut close_overdue = false;
        let mut timed_out = Vec::new();
        let progress = self.progress();
        let reading = &self.shared.reading;
        let overdue = self.shared.outbox().expire(now, progress, |id, slot| {
            close_overdue |= id == 0 && slot.is_farewell();
            timed_out.push((id, slot.name));
            slot.answer
                .time_out(reading.no_reply(slot.name), &mut wakers);
        });
        self.shared.timers.expire(now, &mut wakers);
        self.wakers = wakers;
        for (id, method) in timed_out {
            self.shared.trace.timed_out(id, method);
        }
        self.dispose_of(overdue);
        if close_overdue {
            self.close_timed_out();
        }
        self.wake_all();
    }

    /// Publishers that were called and do not come, though they have had time: what was kept for them
    /// is open to others.
    fn expire_called(&mut self, now: Instant) {
        if !self.clocks.take_expired(DeadlineOf::Unclaimed, now) {
            return;
        }
        self.shared.outbox().expire_called();
        for channel in self.channels.iter().flatten() {
            let shared = &channel.shared;
            let mut confirms = shared.confirms();
            if confirms.expire_called() {
                let mut outbox = self.shared.outbox();
                let published = outbox.published(shared.at.channel);
                confirms.call_room(published, &mut self.wakers);
                outbox.note_called();
            }
        }
    }

    /// Nothing was written for a while: memory that was needed then is given back. What is still
    /// busy has it again after a few turns.
    fn rest(&mut self) {
        self.input.rest();
        self.transmit.rest();
        self.shared.outbox().rest();
    }

    // ── The end ─────────────────────────────────────────────────────────────────────────────

    /// Whether the driver is done: it closes the stream and drops the core.
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Ended && self.transmit.is_empty() && {
            // What remains after the end is the close exchange, if anything.
            self.shared.outbox().queued() == 0
        }
    }

    /// The stream has failed or ended, or its driver goes away: everything that waits learns why. The
    /// cause of a connection that has ended stays.
    pub fn lost(&mut self, cause: ConnectionError) {
        if self.phase == Phase::Ended {
            self.transmit.clear();
            self.shared.outbox().discard();
            self.drop_bodies();
            return;
        }
        let cut_short = match cause {
            ConnectionError::EndOfStream | ConnectionError::Io(_) => self.cut_short(),
            _ => None,
        };
        let cause = cut_short.map_or(cause, ConnectionError::from);
        let mut unsent = Unwritten::default();
        self.transmit.unwritten(&mut unsent);
        self.transmit.clear();
        self.end_without(cause, unsent);
        self.shared.outbox().discard();
        self.drop_bodies();
    }

    /// Drops the bodies that are never sent, without a lock.
    pub(super) fn drop_bodies(&self) {
        let bodies = self.shared.outbox().take_bodies();
        drop(bodies);
    }

    /// The peer broke the protocol: tell it (AMQP 0-9-1 §4.10.2), and end.
    fn violated(&mut self, violation: Violation) {
        let open = self.phase == Phase::Open;
        let goodbye = match &violation {
            Violation::Frame(FrameError::TooLarge { .. } | FrameError::InvalidHeartbeat { .. }) => {
                Some(ReplyCode::FRAME_ERROR)
            }
            // Where the frames of the other side cannot be told apart any more, nothing may be said
            // (AMQP 0-9-1 §4.2.3).
            Violation::Frame(_)
            | Violation::ProtocolHeader { .. }
            | Violation::ProtocolVersion { .. } => None,
            Violation::Decode(_) => Some(ReplyCode::SYNTAX_ERROR),
            Violation::ConsumerTag { .. } => Some(ReplyCode::COMMAND_INVALID),
            Violation::UnexpectedMethod { .. } | Violation::UnexpectedContent { .. } => {
                Some(ReplyCode::UNEXPECTED_FRAME)
            }
            Violation::BodyTooLong { .. } => Some(ReplyCode::FRAME_ERROR),
            Violation::UnknownChannel { .. } => Some(ReplyCode::CHANNEL_ERROR),
            Violation::TooManyAnswers { .. } => Some(ReplyCode::RESOURCE_ERROR),
            Violation::Tuning { .. } => None,
        };
        self.shared.trace.violation(&violation);
        let (method, reply_text) = (violation.method(), violation.reply_text());
        self.end(violation.into());
        if let Some(reply_code) = goodbye.filter(|_| open) {
            let close = connection::Close {
                reply_code: reply_code.0,
                reply_text: ShortStr::new(reply_text.as_bytes()).unwrap_or_default(),
                class_id: method.class_id(),
                method_id: method.method_id(),
            };
            let mut frame = Vec::new();
            if frame::encode_method(&mut frame, 0, &close, usize::MAX).is_ok() {
                self.shared.outbox().push_raw(&frame);
            }
        }
    }

    /// Ends the connection for everybody; what the adapter has begun to write, and what is queued
    /// afterwards, is still written.
    pub(super) fn end(&mut self, cause: ConnectionError) {
        self.end_without(cause, Unwritten::default());
    }

    /// The same; `unsent` is what the adapter will not write.
    fn end_without(&mut self, cause: ConnectionError, mut unsent: Unwritten) {
        if self.phase == Phase::Ended {
            return;
        }
        self.hand_over();
        self.handshake.fail(ConnectCause::Connection(cause.clone()));
        let stage = self.stage();
        let was_open = self.phase == Phase::Open;
        self.phase = Phase::Ended;
        self.clocks.ended(self.now);
        let (slots, mut wakers) = self.shared.outbox().close(&cause, &mut unsent);
        self.drop_bodies();
        self.shared.end(&cause, &mut self.wakers);
        let error = ChannelError::Connection(cause.clone());
        self.fail_requests(slots, &error);
        for (id, shared) in std::mem::take(&mut self.resting) {
            let published = self.shared.outbox().published(id);
            let sent = published.saturating_sub(unsent.of(id));
            shared.end(Loss::plain(&error, sent), published, &mut self.wakers);
            let event = Event::ChannelClosed {
                channel: id,
                cause: error.clone(),
            };
            self.emit(Source::ChannelWithConnection(shared.at), &event);
        }
        for mut channel in std::mem::take(&mut self.channels).into_iter().flatten() {
            let id = channel.shared.at.channel;
            let published = self.shared.outbox().published(id);
            let sent = published.saturating_sub(unsent.of(id));
            channel.end(Loss::plain(&error, sent), published, &mut self.wakers);
            let event = Event::ChannelClosed {
                channel: id,
                cause: error.clone(),
            };
            self.emit(Source::ChannelWithConnection(channel.shared.at), &event);
        }
        if was_open {
            self.shared.trace.closed(&cause);
        } else {
            self.shared.trace.not_opened(stage, &cause);
        }
        self.emit(Source::Connection, &Event::ConnectionClosed { cause });
        self.wakers.append(&mut wakers);
        self.wakers.extend(self.driver.clone());
        self.shared.timers.take_all(&mut self.wakers);
        self.wake_all();
    }

    /// Tells whoever listens.
    pub(super) fn emit(&mut self, from: Source, event: &Event) {
        self.shared.emit(from, event, &mut self.wakers);
    }

    /// Nothing answers these any more. What provoked that has been told.
    pub(super) fn fail_requests(&mut self, slots: Vec<Slot>, error: &ChannelError) {
        let error = error.for_bystander();
        for slot in slots {
            // A caller that has gone does not care.
            let _ = slot.answer.settle(Err(error.clone()), &mut self.wakers);
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.phase {
            Phase::Opening => self.handshake.stage(),
            Phase::Open | Phase::Ended => Stage::Open,
        }
    }

    pub(super) fn wake_all(&mut self) {
        wait::wake_all(&mut self.wakers);
    }
}

/// Says where the connection stands; what is queued or buffered may hold credentials.
impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("phase", &self.phase)
            .field("login", self.handshake.login())
            .finish_non_exhaustive()
    }
}

impl Drop for Core {
    /// Whoever still waits learns that nobody drives the connection any more.
    fn drop(&mut self) {
        self.lost(ConnectionError::DriverGone);
        // Handles may live much longer than the driver's task, which its waker keeps in memory.
        let registered = self.shared.outbox().forget_driver();
        drop(registered);
    }
}
