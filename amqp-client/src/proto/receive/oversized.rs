//! Messages above `max_message_size`: their bodies are skipped as they come, and nothing of them is
//! kept.
//!
//! ```text
//! header ──▶ what becomes of it is decided and told ──▶ body: skipped ──▶ the next message
//! ```
//!
//! A message that heads a queue comes again on every connection, so that to end the connection over it
//! would end all of them. Nor is it given back by itself, which would be the same in a loop.

use std::sync::Arc;

use amqp_spec::basic;
use amqp_spec::frame::ContentHeader;
use amqp_spec::wire::TypedMethod;

use super::content::Target;
use crate::error::{ChannelError, OversizedMessage, Violation};
use crate::message::{Incoming, RawDelivery, Settlement};
use crate::proto::core::Core;
use crate::proto::observe::{Event, Source};
use crate::proto::send::request::Slot;
use crate::proto::shared::consumer::{ConsumerQueue, End, OnOversized};

impl Core {
    /// Whether the content that this header belongs to is not to be kept. A message of our own that
    /// comes back is as large as we were able to send it.
    pub(crate) fn is_oversized(&mut self, id: u16, size: u64) -> Result<bool, Violation> {
        if size <= self.max_message_size {
            return Ok(false);
        }
        let returned = self
            .in_channel(id)?
            .is_some_and(|channel| channel.content.is_return());
        let ours = returned && size <= self.shared.outbox().largest_mandatory(id);
        Ok(!ours)
    }

    /// Skips the body that this header announces, and decides about its message.
    #[cold]
    pub(crate) fn skip(&mut self, id: u16, header: &ContentHeader<'_>) -> Result<(), Violation> {
        // What came before it is yielded before its end is told.
        self.hand_over();
        let Some(channel) = self.in_channel(id)? else {
            return Ok(());
        };
        let (target, message) = channel.content.skip(id, header)?;
        let size = header.body_size;
        match target {
            Target::Delivery {
                consumer_tag,
                delivery_tag,
                ..
            } => {
                if let Some(queue) = self.recipient(id, &consumer_tag, delivery_tag) {
                    self.oversized_delivery(id, &queue, message, delivery_tag, size);
                }
            }
            Target::Get {
                slot,
                payload,
                no_ack,
            } => self.oversized_get(id, &slot, &payload, &message, no_ack, size),
            // Larger than anything that was published here: it is not ours.
            Target::Return => {}
        }
        Ok(())
    }

    /// The consumer that a delivery is for. If there is none it has been seen to.
    fn recipient(&mut self, id: u16, tag: &[u8], delivery_tag: u64) -> Option<Arc<ConsumerQueue>> {
        let now = self.now;
        let channel = self.channels.get_mut(usize::from(id))?.as_mut()?;
        if channel.find(tag).is_none() {
            if channel.is_suspect(tag, now) {
                return channel.suspect_queue(tag, delivery_tag);
            }
            if !self.find_late(id, tag, delivery_tag) {
                return None;
            }
        }
        let channel = self.channels.get_mut(usize::from(id))?.as_mut()?;
        channel.note_delivered(delivery_tag);
        channel.queue_of(tag)
    }

    fn oversized_delivery(
        &mut self,
        id: u16,
        queue: &Arc<ConsumerQueue>,
        message: Incoming,
        delivery_tag: u64,
        size: u64,
    ) {
        let Some(Some(channel)) = self.channels.get(usize::from(id)) else {
            return;
        };
        let at = channel.shared.at;
        self.shared.totals.delivered.add(1);
        if self.said_goodbye {
            return;
        }
        if queue.wants_nothing() {
            if !queue.no_ack {
                self.requeue(id, delivery_tag);
            }
            return;
        }
        let limit = self.max_message_size;
        let routing_key = message.routing_key();
        let oversized = Arc::new(OversizedMessage {
            delivery_tag,
            size,
            limit,
            queue: queue.source.clone(),
            routing_key: String::from_utf8_lossy(routing_key.as_bytes()).into_owned(),
            lost: queue.no_ack,
        });
        self.tell_oversized(id, &oversized);
        match queue.on_oversized {
            OnOversized::Cancel => {
                queue.end_oversized(End::TooLarge(oversized), &mut self.wakers);
                self.cancel_for_nobody(at, queue);
            }
            OnOversized::Reject if queue.no_ack => {}
            OnOversized::Reject => {
                let reject = Settlement::Reject { requeue: false };
                self.answer_broker(id, |outbox| outbox.settle(at, delivery_tag, reject));
            }
            OnOversized::Mark => {
                let incarnation = at.incarnation;
                let marked = RawDelivery::oversized(message, delivery_tag, incarnation, size);
                let octets = marked.message.footprint();
                let _ = queue.deliver(&mut vec![marked], octets, &mut self.wakers);
            }
        }
    }

    fn oversized_get(
        &mut self,
        id: u16,
        slot: &Slot,
        payload: &[u8],
        message: &Incoming,
        no_ack: bool,
        size: u64,
    ) {
        self.shared.totals.got.add(1);
        let delivery_tag = basic::GetOk::decode(payload).map_or(0, |get_ok| get_ok.delivery_tag);
        if let Some(Some(channel)) = self.channels.get_mut(usize::from(id)) {
            channel.note_delivered(delivery_tag);
        }
        let routing_key = message.routing_key();
        let oversized = Arc::new(OversizedMessage {
            delivery_tag,
            size,
            limit: self.max_message_size,
            queue: slot.answer.about.first().to_owned(),
            routing_key: String::from_utf8_lossy(routing_key.as_bytes()).into_owned(),
            lost: no_ack,
        });
        self.tell_oversized(id, &oversized);
        let error = ChannelError::MessageTooLarge(oversized);
        let unseen = slot.answer.settle(Err(error), &mut self.wakers);
        if unseen.is_err() && !no_ack {
            self.requeue(id, delivery_tag);
        }
    }

    fn tell_oversized(&mut self, id: u16, oversized: &Arc<OversizedMessage>) {
        let Some(Some(channel)) = self.channels.get(usize::from(id)) else {
            return;
        };
        let source = Source::Channel(channel.shared.at);
        let event = Event::MessageTooLarge {
            channel: id,
            message: Arc::clone(oversized),
        };
        self.emit(source, &event);
        self.shared.trace.message_too_large(id, oversized);
    }
}
