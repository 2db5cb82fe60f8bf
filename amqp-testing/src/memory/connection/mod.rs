//! A connection: octets become frames, frames go to channels, and the connection itself opens and
//! closes.
//!
//! ```text
//!  Header ─▶ Starting ─▶ Tuning ─▶ Opening ─▶ Running ─▶ Closed ─▶ Ended
//!     │          └───────────┴─────────┴──────────┴───▶ Silent ─▶    ▲
//!     └────────────────────────────────────────────────────────────-─┘
//! ```
//!
//! `Closed` has said or heard `connection.close` and waits for the other end to go; `Silent` reads
//! nothing more and ends when RabbitMQ has slept for three seconds.

mod clock;
mod handshake;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use amqp_spec::wire::{MethodId, ShortStr, TypedMethod};
use amqp_spec::{Method, ReplyCode, connection, constants, frame};

use super::channel::{Carrier, Channel, Content, Fed, Misfit, Read};
use super::decode::{self, Unreadable};
use super::faults;
use super::ids::{ChannelKey, ConnectionId};
use super::node::Node;
use super::output::Output;
use super::refusal::{Refusal, cause};
use super::session::{Capabilities, Context, Session};
use super::texts;

use self::clock::{Clock, Due};
use self::handshake::{Answer, Login};

/// What a frame has besides its payload.
const HEAD: usize = 7;

/// What frames may have before the client has agreed on more.
const FRAME_MAX_AT_FIRST: u32 = 4096;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Header,
    Starting,
    Tuning,
    Opening,
    Running,
    Closed,
    Silent,
    Ended,
}

#[derive(Debug)]
pub(super) struct Connection {
    phase: Phase,
    session: Session,
    clock: Clock,
    /// What has been received and not been read.
    input: Vec<u8>,
    pub(super) output: Output,
    /// The largest frame that is taken; 0 sets no limit.
    frame_max: u32,
    channel_max: u16,
    channels: BTreeMap<u16, Channel>,
    /// It speaks a protocol that is not modelled.
    is_old: bool,
    /// It has published during an alarm, and is not read.
    is_blocked: bool,
    /// The message that it has published then.
    held: Option<(u16, Carrier, Content)>,
    /// What follows what was fatal to a channel is not heard.
    is_deaf: bool,
    /// Channels whose mail waits for room.
    stopped: Vec<ChannelKey>,
}

/// A frame at the front of the input.
enum Cut<'a> {
    Incomplete,
    Frame {
        kind: u8,
        channel: u16,
        payload: &'a [u8],
    },
    Fault(Refusal),
}

impl Connection {
    pub(super) fn new(id: ConnectionId, now: Instant) -> Self {
        Self {
            phase: Phase::Header,
            session: Session {
                id,
                user: "".into(),
                vhost: "".into(),
                capabilities: Capabilities::default(),
            },
            clock: Clock::new(now),
            input: Vec::new(),
            output: Output::new(),
            frame_max: FRAME_MAX_AT_FIRST,
            channel_max: 0,
            channels: BTreeMap::new(),
            is_old: false,
            is_blocked: false,
            held: None,
            is_deaf: false,
            stopped: Vec::new(),
        }
    }

    // What others see

    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    pub(super) fn wants_octets(&self) -> bool {
        !self.is_blocked && !self.output.is_full() && !self.has_ended()
    }

    pub(super) const fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn channel_numbers(&self) -> Vec<u16> {
        self.channels.keys().copied().collect()
    }

    // Octets

    pub(super) fn receive(&mut self, octets: &[u8], node: &mut Node, now: Instant) {
        if !octets.is_empty() {
            self.clock.heard();
        }
        if matches!(self.phase, Phase::Silent | Phase::Ended) {
            return;
        }
        if self.input.is_empty() {
            let used = self.read(octets, node, now);
            self.input
                .extend_from_slice(octets.get(used..).unwrap_or_default());
        } else {
            self.input.extend_from_slice(octets);
            self.read_input(node, now);
        }
        self.is_deaf = false;
        if matches!(self.phase, Phase::Silent | Phase::Ended) {
            self.input = Vec::new();
        }
    }

    /// Reads what has been received, as far as that is possible now.
    pub(super) fn read_input(&mut self, node: &mut Node, now: Instant) {
        if self.input.is_empty() {
            return;
        }
        let mut input = std::mem::take(&mut self.input);
        let used = self.read(&input, node, now);
        input.drain(..used.min(input.len()));
        self.input = input;
    }

    /// Reads whole frames, and says how many octets they had.
    fn read(&mut self, octets: &[u8], node: &mut Node, now: Instant) -> usize {
        let mut at = 0;
        while self.wants_octets() {
            let rest = octets.get(at..).unwrap_or_default();
            match self.phase {
                Phase::Header => match rest.first_chunk() {
                    Some(header) => {
                        at += header.len();
                        self.begin(*header, node);
                    }
                    None => return at,
                },
                Phase::Silent | Phase::Ended => return octets.len(),
                _ => match cut(rest, self.frame_max) {
                    Cut::Incomplete => return at,
                    Cut::Fault(refusal) => {
                        self.broken(&refusal, node, now);
                        return octets.len();
                    }
                    Cut::Frame {
                        kind,
                        channel,
                        payload,
                    } => {
                        at += payload.len() + HEAD + 1;
                        self.frame((kind, channel, payload), node, now);
                    }
                },
            }
        }
        at
    }

    fn begin(&mut self, header: [u8; 8], node: &Node) {
        match handshake::answer(header, node.like) {
            Answer::Start { major, minor } => {
                self.phase = Phase::Starting;
                self.is_old = major != 0;
                let server_properties = handshake::server_properties(node.like, major);
                let start = connection::Start {
                    version_major: major,
                    version_minor: minor,
                    server_properties: server_properties.as_ref(),
                    mechanisms: handshake::mechanisms(node.like),
                    ..connection::Start::default()
                };
                self.output.method(0, &start);
            }
            Answer::Refused(header) => {
                self.output.raw(&header);
                self.phase = Phase::Ended;
            }
        }
    }

    /// Octets that are no frames: nothing is read any more.
    fn broken(&mut self, refusal: &Refusal, node: &mut Node, now: Instant) {
        if matches!(self.phase, Phase::Running | Phase::Opening) {
            self.fail(refusal, None, node, now);
        }
        self.fall_silent(now);
    }

    fn fall_silent(&mut self, now: Instant) {
        self.phase = Phase::Silent;
        self.clock.fall_silent(now);
    }

    fn frame(&mut self, (kind, number, payload): (u8, u16, &[u8]), node: &mut Node, now: Instant) {
        if self.is_deaf {
            return;
        }
        let is_method = kind == constants::FRAME_METHOD && payload.len() >= 4;
        if is_method && !decode::is_known(payload) && self.reaches(number) {
            return self.end(node, now);
        }
        match (number, self.phase) {
            (0, Phase::Closed) if is_method => self.farewell(payload, node, now),
            (_, Phase::Closed) => {}
            (0, _) if is_method => self.method0(payload, node, now),
            (0, _) if kind == constants::FRAME_HEARTBEAT && payload.is_empty() => {}
            (_, Phase::Running) if number != 0 => {
                self.channel_frame((kind, number, payload), node, now);
            }
            _ => {
                let refusal = match is_well_formed(kind, payload) || number != 0 {
                    true => faults::unexpected(kind, payload),
                    false => faults::unknown(kind, payload),
                };
                self.fail(&refusal, None, node, now);
            }
        }
    }

    /// Whether RabbitMQ looks at what a method on this channel is.
    const fn reaches(&self, number: u16) -> bool {
        number == 0 || matches!(self.phase, Phase::Running)
    }

    // Channel 0

    fn method0(&mut self, payload: &[u8], node: &mut Node, now: Instant) {
        let id = decode::id(payload);
        let method = match decode::method(payload) {
            Ok(method) => method,
            Err(Unreadable::Refused(refusal)) if refusal.names_nothing() => {
                // It is not said which method it was; RabbitMQ fills that in here.
                return self.fail(&refusal.at_method(), id, node, now);
            }
            Err(_) if self.phase == Phase::Opening => return self.fall_silent(now),
            Err(_) => return self.fail(&Refusal::internal_error(), None, node, now),
        };
        if self.is_old {
            let refusal = texts::not_modelled("AMQP 0-8");
            return self.close(&refusal, None, node, now);
        }
        match (method, self.phase) {
            (Method::ConnectionStartOk(it), Phase::Starting) => self.start_ok(&it, node, now),
            (Method::ConnectionTuneOk(it), Phase::Tuning) => {
                if !handshake::accepts(it, node.limits) {
                    return self.fall_silent(now);
                }
                self.frame_max = it.frame_max;
                self.channel_max = it.channel_max;
                self.output.set_frame_max(it.frame_max);
                self.clock.start_heartbeat(it.heartbeat, now);
                self.phase = Phase::Opening;
            }
            (Method::ConnectionOpen(it), Phase::Opening) => {
                let user = Arc::clone(&self.session.user);
                match handshake::enter(it.virtual_host.as_bytes(), &user, node) {
                    Ok(vhost) => self.opened(&vhost, node),
                    Err(refusal) => self.close(&refusal, id, node, now),
                }
            }
            (Method::ConnectionUpdateSecret(_), Phase::Running) => {
                self.output.method(0, &connection::UpdateSecretOk {});
            }
            (Method::ConnectionClose(_), Phase::Running) => {
                self.release(node);
                node.forget(self.session.id, &self.session.vhost);
                self.output.method(0, &connection::CloseOk {});
                self.phase = Phase::Closed;
                self.clock.closing(now);
            }
            _ => {
                let state = match self.phase {
                    Phase::Opening => "opening",
                    _ => "running",
                };
                let text = format!("unexpected method in connection state {state}");
                let refusal = Refusal::new(ReplyCode::CHANNEL_ERROR, text);
                self.fail(&refusal, id, node, now);
            }
        }
    }

    fn start_ok(&mut self, start_ok: &connection::StartOk<'_>, node: &mut Node, now: Instant) {
        let capabilities = handshake::capabilities(start_ok);
        match handshake::login(start_ok, node) {
            Login::Granted(user) => {
                self.session.user = user.into();
                self.session.capabilities = capabilities;
                let limits = node.limits;
                let tune = connection::Tune {
                    channel_max: limits.channel_max,
                    frame_max: limits.frame_max,
                    heartbeat: limits.heartbeat,
                };
                self.output.method(0, &tune);
                self.phase = Phase::Tuning;
            }
            Login::Refused(refusal) => {
                if capabilities.authentication_failure_close {
                    self.say_close(&refusal, None, node);
                }
                self.fall_silent(now);
            }
            Login::Malformed => self.fall_silent(now),
        }
    }

    fn opened(&mut self, vhost: &str, node: &mut Node) {
        node.usage(&self.session.user).connections += 1;
        self.session.vhost = vhost.into();
        self.phase = Phase::Running;
        self.clock.opened();
        self.output.method(0, &connection::OpenOk {});
    }

    /// The last words of a connection that is closed on one side.
    fn farewell(&mut self, payload: &[u8], node: &mut Node, now: Instant) {
        match decode::id(payload) {
            Some(connection::Close::ID) => self.output.method(0, &connection::CloseOk {}),
            Some(connection::CloseOk::ID) => self.end(node, now),
            _ => {}
        }
    }

    // Channels

    fn channel_frame(
        &mut self,
        (kind, number, payload): (u8, u16, &[u8]),
        node: &mut Node,
        now: Instant,
    ) {
        if !is_well_formed(kind, payload) {
            return self.fail(&faults::unknown(kind, payload), None, node, now);
        }
        if kind == constants::FRAME_HEARTBEAT {
            return self.fail(&faults::unexpected(kind, payload), None, node, now);
        }
        if !self.channels.contains_key(&number) {
            if let Err(refusal) = self.create_channel(number, node) {
                return self.fail(&refusal, None, node, now);
            }
        }
        let Some(channel) = self.channels.get_mut(&number) else {
            return;
        };
        let fed = match kind {
            constants::FRAME_METHOD => channel.assembly.method(payload),
            constants::FRAME_HEADER => channel.assembly.header(payload),
            _ => channel.assembly.body(payload, node.limits.max_message_size),
        };
        match fed {
            Ok(Fed::Nothing) => {}
            Ok(Fed::Method(method)) => self.channel_method(number, &method, node, now),
            Ok(Fed::Content(carrier, content)) => {
                self.channel_content((number, carrier, content), node, now);
            }
            Err(Misfit {
                refusal: Some(refusal),
                method,
            }) => self.fail(&refusal, method, node, now),
            Err(Misfit { refusal: None, .. }) => self.end(node, now),
        }
    }

    fn create_channel(&mut self, number: u16, node: &mut Node) -> Result<(), Refusal> {
        let count = self.channels.len();
        let max = self.channel_max;
        if max != 0 && count >= usize::from(max) {
            let text = format!(
                "number of channels opened ({count}) has reached the negotiated channel_max ({max})"
            );
            return Err(texts::not_allowed(text).at_nothing());
        }
        let user = &*self.session.user;
        let open = node.usage(user).channels;
        let limit = node.users.get(user).and_then(|user| user.channel_limit);
        if let Some(limit) = limit.filter(|limit| open >= *limit) {
            // 4.0 names the node in the place of the user.
            let whose = match node.like {
                super::like::Like::RabbitMq3_10 => user,
                super::like::Like::RabbitMq4_0 => "rabbit@memory",
            };
            let rest = format!("' has reached the maximum allowed user limit of ({limit})");
            return Err(texts::not_allowed("number of channels opened for user '")
                .name(whose)
                .plain(rest)
                .at_nothing());
        }
        node.usage(user).channels += 1;
        let key = node.ports.open(self.session.id, number);
        self.channels.insert(number, Channel::new(key, number));
        Ok(())
    }

    /// A channel with what it works on.
    fn channel<'a>(
        &'a mut self,
        number: u16,
        node: &'a mut Node,
    ) -> Option<(&'a mut Channel, Context<'a>)> {
        let cx = Context {
            session: &self.session,
            node,
            output: &mut self.output,
        };
        Some((self.channels.get_mut(&number)?, cx))
    }

    fn channel_method(&mut self, number: u16, method: &Method<'_>, node: &mut Node, now: Instant) {
        let Some((channel, mut cx)) = self.channel(number, node) else {
            return;
        };
        let was_closing = channel.is_closing();
        if matches!(method, Method::ChannelCloseOk(_)) && was_closing {
            return self.forget_channel(number, node);
        }
        if let Err(refusal) = channel.handle(method, &mut cx) {
            self.refuse(number, &refusal, Some(method.id()), node, now);
        }
    }

    fn channel_content(
        &mut self,
        (number, carrier, content): (u16, Carrier, Content),
        node: &mut Node,
        now: Instant,
    ) {
        if let Some(resource) = &node.alarm {
            self.is_blocked = true;
            if self.session.capabilities.connection_blocked {
                let reason = format!("low on {resource}");
                let reason = ShortStr::new(reason.as_bytes()).unwrap_or_default();
                self.output.method(0, &connection::Blocked { reason });
            }
            self.held = Some((number, carrier, content));
            return;
        }
        let id = carrier.id();
        let Some((channel, mut cx)) = self.channel(number, node) else {
            return;
        };
        if let Err(refusal) = channel.handle_content(carrier, content, &mut cx) {
            self.refuse(number, &refusal, Some(id), node, now);
        }
    }

    /// The alarm is over: what was held back goes on.
    pub(super) fn unblock(&mut self, node: &mut Node, now: Instant) {
        if !std::mem::replace(&mut self.is_blocked, false) {
            return;
        }
        if self.session.capabilities.connection_blocked {
            self.output.method(0, &connection::Unblocked {});
        }
        if let Some(held) = self.held.take() {
            self.channel_content(held, node, now);
        }
        self.read_input(node, now);
        self.is_deaf = false;
    }

    /// A channel has refused something.
    fn refuse(
        &mut self,
        number: u16,
        refusal: &Refusal,
        method: Option<MethodId>,
        node: &mut Node,
        now: Instant,
    ) {
        let text = refusal.text(node.like);
        if let (false, Some(text)) = (refusal.is_fatal(), text) {
            if let Some((channel, mut cx)) = self.channel(number, node) {
                channel.refuse(refusal, &text, method, &mut cx);
            }
            return;
        }
        // What the connection has read by now of what follows, it has read before it hears of this.
        self.fail(refusal, method, node, now);
        self.is_deaf = true;
    }

    fn forget_channel(&mut self, number: u16, node: &mut Node) {
        if let Some(channel) = self.channels.remove(&number) {
            node.ports.close(channel.key);
            let usage = node.usage(&self.session.user);
            usage.channels = usage.channels.saturating_sub(1);
        }
    }

    /// Reads what queues have for a channel.
    pub(super) fn read_mail(
        &mut self,
        (number, key): (u16, ChannelKey),
        node: &mut Node,
        now: Instant,
    ) {
        let Some((channel, mut cx)) = self.channel(number, node) else {
            return;
        };
        if channel.key != key {
            return;
        }
        match channel.read_mail(&mut cx) {
            Read::All => {}
            Read::Stopped => self.stopped.push(key),
            Read::Closed => self.forget_channel(number, node),
            Read::Failed => self.fail(&Refusal::internal_error(), None, node, now),
        }
    }

    /// The channels whose mail waited for room, now that there is some.
    pub(super) fn take_stopped(&mut self) -> Vec<ChannelKey> {
        match self.output.is_full() {
            true => Vec::new(),
            false => std::mem::take(&mut self.stopped),
        }
    }

    // The end

    /// Something is wrong with the connection as a whole. Before it is open, that is met with
    /// silence.
    fn fail(&mut self, refusal: &Refusal, method: Option<MethodId>, node: &mut Node, now: Instant) {
        match self.phase {
            Phase::Running | Phase::Opening => self.close(refusal, method, node, now),
            Phase::Header | Phase::Starting | Phase::Tuning => self.fall_silent(now),
            Phase::Closed | Phase::Silent | Phase::Ended => {}
        }
    }

    /// Says `connection.close`, and waits for the answer.
    pub(super) fn close(
        &mut self,
        refusal: &Refusal,
        method: Option<MethodId>,
        node: &mut Node,
        now: Instant,
    ) {
        self.release(node);
        node.forget(self.session.id, &self.session.vhost);
        self.say_close(refusal, method, node);
        self.phase = Phase::Closed;
        self.clock.closing(now);
    }

    fn say_close(&mut self, refusal: &Refusal, method: Option<MethodId>, node: &Node) {
        let failed = Refusal::internal_error();
        let (refusal, text) = match refusal.text(node.like) {
            Some(text) => (refusal, text),
            None => (&failed, b"INTERNAL_ERROR".to_vec()),
        };
        let (class_id, method_id) = cause(refusal.at, method);
        let close = connection::Close {
            reply_code: refusal.code.0,
            reply_text: ShortStr::new(&text).unwrap_or_default(),
            class_id,
            method_id,
        };
        self.output.method(0, &close);
    }

    /// Ends the stream without a word.
    pub(super) fn end(&mut self, node: &mut Node, now: Instant) {
        if self.has_ended() {
            return;
        }
        self.release(node);
        node.lose(self.session.id, now);
        self.phase = Phase::Ended;
        self.input = Vec::new();
    }

    /// Gives back what the channels have.
    fn release(&mut self, node: &mut Node) {
        for number in self.channel_numbers() {
            if let Some((channel, mut cx)) = self.channel(number, node) {
                channel.release(&mut cx);
            }
            self.forget_channel(number, node);
        }
        if matches!(self.phase, Phase::Running) {
            let usage = node.usage(&self.session.user);
            usage.connections = usage.connections.saturating_sub(1);
        }
        self.is_blocked = false;
        self.held = None;
    }

    // Time

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Ended => None,
            _ => self.clock.deadline(),
        }
    }

    pub(super) fn advance(&mut self, node: &mut Node, now: Instant) {
        while !self.has_ended() {
            match self.clock.advance(now, self.is_blocked) {
                Due::Nothing => return,
                Due::Look => {}
                Due::Heartbeat => {
                    if !self.output.has_spoken() {
                        self.output.raw(&frame::HEARTBEAT);
                        let _ = self.output.has_spoken();
                    }
                }
                Due::End => self.end(node, now),
            }
        }
    }
}

/// Whether RabbitMQ knows the kind of a frame, and finds in it what it needs.
const fn is_well_formed(kind: u8, payload: &[u8]) -> bool {
    match kind {
        constants::FRAME_METHOD => payload.len() >= 4,
        constants::FRAME_HEADER => payload.len() >= 12,
        constants::FRAME_BODY => true,
        constants::FRAME_HEARTBEAT => payload.is_empty(),
        _ => false,
    }
}

/// Takes a frame off the front. What it is does not matter yet, but for its size and its end.
fn cut(octets: &[u8], frame_max: u32) -> Cut<'_> {
    let Some((head, rest)) = octets.split_first_chunk::<HEAD>() else {
        return Cut::Incomplete;
    };
    let [kind, c1, c0, s3, s2, s1, s0] = *head;
    let size = u32::from_be_bytes([s3, s2, s1, s0]);
    if frame_max != 0 && size > frame_max {
        return Cut::Fault(faults::too_large(kind, size, frame_max));
    }
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    let Some((payload, rest)) = rest.split_at_checked(length) else {
        return Cut::Incomplete;
    };
    match rest.first() {
        None => Cut::Incomplete,
        Some(&constants::FRAME_END) => Cut::Frame {
            kind,
            channel: u16::from_be_bytes([c1, c0]),
            payload,
        },
        Some(&found) => Cut::Fault(faults::end_marker(kind, payload, found)),
    }
}
