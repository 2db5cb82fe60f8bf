//! The channels of a connection: what arrives for them, and what queues have for them.

use std::time::Instant;

use amqp_spec::wire::{MethodId, ShortStr};
use amqp_spec::{Method, connection, constants};

use crate::memory::channel::{Carrier, Channel, Content, Fed, Misfit, Read};
use crate::memory::faults;
use crate::memory::ids::ChannelKey;
use crate::memory::like::Like;
use crate::memory::node::Node;
use crate::memory::refusal::Refusal;
use crate::memory::session::Context;
use crate::memory::texts;

use super::cut;
use super::state::Connection;

impl Connection {
    pub(super) fn channel_frame(
        &mut self,
        (kind, number, payload): (u8, u16, &[u8]),
        node: &mut Node,
        now: Instant,
    ) {
        if !cut::is_well_formed(kind, payload) {
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

    pub(super) fn create_channel(&mut self, number: u16, node: &mut Node) -> Result<(), Refusal> {
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
                Like::RabbitMq3_10 => user,
                Like::RabbitMq4_0 => "rabbit@memory",
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
    pub(super) fn channel<'a>(
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

    pub(super) fn channel_method(
        &mut self,
        number: u16,
        method: &Method<'_>,
        node: &mut Node,
        now: Instant,
    ) {
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

    pub(super) fn channel_content(
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
    pub(in crate::memory) fn unblock(&mut self, node: &mut Node, now: Instant) {
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
    pub(super) fn refuse(
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

    pub(super) fn forget_channel(&mut self, number: u16, node: &mut Node) {
        if let Some(channel) = self.channels.remove(&number) {
            node.ports.close(channel.key);
            let usage = node.usage(&self.session.user);
            usage.channels = usage.channels.saturating_sub(1);
        }
    }

    /// Reads what queues have for a channel.
    pub(in crate::memory) fn read_mail(
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
    pub(in crate::memory) fn take_stopped(&mut self) -> Vec<ChannelKey> {
        match self.output.is_full() {
            true => Vec::new(),
            false => std::mem::take(&mut self.stopped),
        }
    }
}
