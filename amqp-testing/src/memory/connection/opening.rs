//! Channel 0: opening a connection, and what it is asked while it is open.

use std::sync::Arc;
use std::time::Instant;

use amqp_spec::{Method, ReplyCode, connection};

use crate::memory::decode::{self, Unreadable};
use crate::memory::node::Node;
use crate::memory::refusal::Refusal;
use crate::memory::texts;

use super::handshake::{self, Login};
use super::state::{Connection, Phase};

impl Connection {
    pub(super) fn method0(&mut self, payload: &[u8], node: &mut Node, now: Instant) {
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

    pub(super) fn start_ok(
        &mut self,
        start_ok: &connection::StartOk<'_>,
        node: &mut Node,
        now: Instant,
    ) {
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

    pub(super) fn opened(&mut self, vhost: &str, node: &mut Node) {
        node.usage(&self.session.user).connections += 1;
        self.session.vhost = vhost.into();
        self.phase = Phase::Running;
        self.clock.opened();
        self.output.method(0, &connection::OpenOk {});
    }
}
