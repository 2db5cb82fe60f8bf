//! Which part of a channel handles which method, and how a channel closes.

use std::sync::Arc;

use amqp_spec::wire::MethodId;
use amqp_spec::{Method, access, basic, channel, confirm};

use crate::memory::ports::Mail;
use crate::memory::refusal::{Refusal, cause};
use crate::memory::session::Context;
use crate::memory::texts;
use crate::memory::vhost::Taken;

use super::assembly::{Carrier, Content};
use super::pending::Transaction;
use super::state::{Channel, State};

impl Channel {
    /// Handles a method without content. A refusal closes the channel or the connection, as its
    /// code says.
    pub(in crate::memory) fn handle(
        &mut self,
        method: &Method<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        if self.handle_state(method, cx)? {
            return Ok(());
        }
        match method {
            Method::ChannelClose(_) => {
                self.release(cx);
                self.owes_close_ok = true;
                cx.node.ports.list(self.key);
                return Ok(());
            }
            _ if self.transaction.is_committing() => {
                let text = "unexpected command while processing 'tx.commit'";
                return Err(texts::channel_error(text));
            }
            _ => {}
        }
        self.handle_request(method, cx)?;
        self.send_confirms(cx);
        Ok(())
    }

    /// What depends on whether the channel is open; `true` if there is no more to do.
    fn handle_state(&mut self, method: &Method<'_>, cx: &mut Context<'_>) -> Result<bool, Refusal> {
        match (method, self.state) {
            (Method::ChannelOpen(_), State::Starting) => {
                self.state = State::Running;
                cx.output.method(self.number, &channel::OpenOk {});
                Ok(true)
            }
            (Method::ChannelOpen(_), _) => Err(texts::channel_error("second 'channel.open' seen")),
            (_, State::Starting) => Err(texts::channel_error("expected 'channel.open'")),
            (Method::ChannelClose(_), State::Closing) => {
                cx.output.method(self.number, &channel::CloseOk {});
                Ok(true)
            }
            (_, State::Closing) => Ok(true),
            (_, State::Running) => Ok(false),
        }
    }

    fn handle_request(&mut self, method: &Method<'_>, cx: &mut Context<'_>) -> Result<(), Refusal> {
        match method {
            Method::AccessRequest(_) => {
                let reply = access::RequestOk { ticket: 1 };
                cx.output.method(self.number, &reply);
                Ok(())
            }
            Method::ChannelFlow(flow) if flow.active => {
                let reply = channel::FlowOk { active: true };
                cx.output.method(self.number, &reply);
                Ok(())
            }
            Method::ChannelFlow(_) => Err(texts::not_implemented("active=false")),
            Method::ExchangeDeclare(it) => self.declare_exchange(it, cx),
            Method::ExchangeDelete(it) => self.delete_exchange(it, cx),
            Method::ExchangeBind(it) => self.bind_exchange(it, cx),
            Method::ExchangeUnbind(it) => self.unbind_exchange(it, cx),
            Method::QueueDeclare(it) => self.declare_queue(it, cx),
            Method::QueueBind(it) => self.bind_queue(it, cx),
            Method::QueueUnbind(it) => self.unbind_queue(it, cx),
            Method::QueuePurge(it) => self.purge(it, cx),
            Method::QueueDelete(it) => self.delete_queue(it, cx),
            Method::BasicQos(it) => self.qos(*it, cx),
            Method::BasicConsume(it) => self.consume(it, cx),
            Method::BasicCancel(it) => self.cancel(it, cx),
            Method::BasicGet(it) => self.get(it, cx),
            Method::BasicAck(it) => self.ack(*it, cx),
            Method::BasicNack(it) => self.nack(*it, cx),
            Method::BasicReject(it) => self.reject(*it, cx),
            Method::BasicRecover(it) => {
                self.recover(it.requeue, cx)?;
                cx.output.method(self.number, &basic::RecoverOk {});
                Ok(())
            }
            Method::BasicRecoverAsync(it) => self.recover(it.requeue, cx),
            Method::ConfirmSelect(it) => self.confirm_select(*it, cx),
            Method::TxSelect(_) => self.tx_select(cx),
            Method::TxCommit(_) => self.tx_commit(cx),
            Method::TxRollback(_) => self.tx_rollback(cx),
            _ => Err(texts::unimplemented_method()),
        }
    }

    /// Handles a method with its content.
    pub(in crate::memory) fn handle_content(
        &mut self,
        carrier: Carrier,
        content: Content,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        match self.state {
            State::Starting => return Err(texts::channel_error("expected 'channel.open'")),
            State::Closing => return Ok(()),
            State::Running => {}
        }
        if self.transaction.is_committing() {
            let text = "unexpected command while processing 'tx.commit'";
            return Err(texts::channel_error(text));
        }
        let Carrier::Publish(publish) = carrier else {
            return Err(texts::unimplemented_method());
        };
        self.publish(publish, content, cx)
    }

    fn confirm_select(
        &mut self,
        select: confirm::Select,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        if !matches!(self.transaction, Transaction::None) {
            return Err(texts::precondition("cannot switch from tx to confirm mode"));
        }
        self.is_confirming = true;
        if !select.no_wait {
            cx.output.method(self.number, &confirm::SelectOk {});
        }
        Ok(())
    }

    /// Closes the channel because of a refusal that is not fatal. `text` is the refusal's.
    pub(in crate::memory) fn refuse(
        &mut self,
        refusal: &Refusal,
        text: &[u8],
        method: Option<MethodId>,
        cx: &mut Context<'_>,
    ) {
        self.release(cx);
        let (class_id, method_id) = cause(refusal.at, method);
        let close = channel::Close {
            reply_code: refusal.code.0,
            reply_text: amqp_spec::wire::ShortStr::new(text).unwrap_or_default(),
            class_id,
            method_id,
        };
        cx.output.method(self.number, &close);
    }

    /// Gives back everything the channel has: its consumers, and what it has not acknowledged, also
    /// what is still on its way. From now on it is closing.
    pub(in crate::memory) fn release(&mut self, cx: &mut Context<'_>) {
        if self.is_closing() {
            return;
        }
        self.state = State::Closing;
        if let Some(consumer) = self.reply_consumer.take() {
            cx.node.close_replies(&consumer.key);
        }
        let mut taken = self.transaction.give_up();
        taken.extend(self.unacked.drain(..));
        taken.sort_by_key(|unacked| unacked.tag);
        let mut taken: Vec<_> = taken.into_iter().map(|unacked| unacked.taken).collect();
        if let Some(port) = cx.node.ports.get_mut(self.key) {
            for mail in &mut port.mail {
                let Mail::Delivery(delivery) = mail else {
                    continue;
                };
                if delivery.needs_ack && !delivery.returned {
                    delivery.returned = true;
                    taken.push(Taken {
                        queue: delivery.queue,
                        entry: delivery.entry.clone(),
                        consumer: Some(Arc::clone(&delivery.tag)),
                    });
                }
            }
        }
        let mut queues: Vec<_> = self.consumers.values().map(|it| it.queue).collect();
        queues.sort_unstable();
        queues.dedup();
        if let Ok((vhost, ports)) = cx.parts() {
            for queue in queues {
                vhost.cancel(queue, self.key, None, ports);
            }
            vhost.give_back(self.key, &taken, ports);
        }
    }
}
