//! The ends of a connection: asked for, forced, or because its time is up.

use std::time::Instant;

use amqp_spec::wire::{MethodId, ShortStr, TypedMethod};
use amqp_spec::{connection, frame};

use crate::memory::decode;
use crate::memory::node::Node;
use crate::memory::refusal::{Refusal, cause};

use super::clock::Due;
use super::state::{Connection, Phase};

impl Connection {
    /// The last words of a connection that is closed on one side.
    pub(super) fn farewell(&mut self, payload: &[u8], node: &mut Node, now: Instant) {
        match decode::id(payload) {
            Some(connection::Close::ID) => self.output.method(0, &connection::CloseOk {}),
            Some(connection::CloseOk::ID) => self.end(node, now),
            _ => {}
        }
    }

    /// Something is wrong with the connection as a whole. Before it is open, that is met with
    /// silence.
    pub(super) fn fail(
        &mut self,
        refusal: &Refusal,
        method: Option<MethodId>,
        node: &mut Node,
        now: Instant,
    ) {
        match self.phase {
            Phase::Running | Phase::Opening => self.close(refusal, method, node, now),
            Phase::Header | Phase::Starting | Phase::Tuning => self.fall_silent(now),
            Phase::Closed | Phase::Silent | Phase::Ended => {}
        }
    }

    /// Says `connection.close`, and waits for the answer.
    pub(in crate::memory) fn close(
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

    pub(super) fn say_close(&mut self, refusal: &Refusal, method: Option<MethodId>, node: &Node) {
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
    pub(in crate::memory) fn end(&mut self, node: &mut Node, now: Instant) {
        if self.has_ended() {
            return;
        }
        self.release(node);
        node.lose(self.session.id, now);
        self.phase = Phase::Ended;
        self.input = Vec::new();
    }

    /// Gives back what the channels have.
    pub(super) fn release(&mut self, node: &mut Node) {
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

    pub(in crate::memory) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Ended => None,
            _ => self.clock.deadline(),
        }
    }

    pub(in crate::memory) fn advance(&mut self, node: &mut Node, now: Instant) {
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
