//! Messages above `max_message_size`: their bodies are skipped as they come, and nothing of them is
//! kept.
//!
//! ```text
//! header ──▶ what becomes of it is decided and told ──▶ body: skipped ──▶ the next message
//! ```
//!
//! A message that heads a queue comes again on every connection, so that to end the connection over
//! it would end all of them. Nor is it given back by itself, which would be the same in a loop.

use std::sync::Arc;

use amqp_spec::basic;
use amqp_spec::frame::ContentHeader;
use amqp_spec::wire::TypedMethod;

use super::channels::InChannels;
use super::content::Announced;
use super::late;
use crate::error::{ChannelError, OversizedMessage, Violation};
use crate::message::numbered::Numbered;
use crate::message::{Incoming, RawDelivery, Settlement};
use crate::proto::channel_use::ChannelUse;
use crate::proto::observe::{Event, Source};
use crate::proto::outside::Outside;
use crate::proto::send::request::Slot;
use crate::proto::shared::consumer::{ConsumerEnd, ConsumerQueue, OnOversized};

/// Whether the content that this header belongs to is not to be kept. A message of our own that
/// comes back is as large as we were able to send it.
pub(super) fn is_oversized(
    id: u16,
    size: u64,
    limit: u64,
    channels: &mut InChannels,
    outside: &Outside,
) -> Result<bool, Violation> {
    if size <= limit {
        return Ok(false);
    }
    let channel = channels.of_frame(id)?;
    let returned = channel.is_some_and(|channel| channel.content.is_return());
    let ours = returned && size <= outside.outbox().channels().largest_mandatory(id);
    Ok(!ours)
}

/// Skips the body that this header announces, and decides about its message.
#[cold]
pub(super) fn skip(
    id: u16,
    header: &ContentHeader<'_>,
    limit: u64,
    channels: &mut InChannels,
    outside: &mut Outside,
) -> Result<(), Violation> {
    // What came before it is yielded before its end is told.
    channels.hand_over(outside);
    let Some(channel) = channels.of_frame(id)? else {
        return Ok(());
    };
    let (at, numbering) = (channel.at(), channel.numbering());
    let (by, message) = channel.content.skip(id, header)?;
    let oversized = Oversized {
        at,
        message,
        size: header.body_size,
        limit,
    };
    match by {
        Announced::Delivery {
            consumer_tag,
            numbered,
            ..
        } => {
            let tag = numbered.delivery_tag;
            let recipient = recipient(id, &consumer_tag, tag, channels, outside);
            if let Some(queue) = recipient {
                oversized.delivered(&queue, numbered, outside);
            }
        }
        Announced::Get {
            slot,
            payload,
            no_ack,
        } => {
            let get_ok = basic::GetOk::decode(&payload);
            let on_wire = get_ok.map_or(0, |get_ok| get_ok.delivery_tag);
            let numbered = numbering.number(on_wire);
            channel.note_delivered(numbered.delivery_tag);
            channel.note_kind(numbered.delivery_tag, no_ack);
            oversized.fetched(&slot, numbered, no_ack, outside);
        }
        // Larger than anything that was published here: it is not ours.
        Announced::Return => {}
    }
    Ok(())
}

/// The consumer that a delivery is for. If there is none it has been seen to.
fn recipient(
    id: u16,
    tag: &[u8],
    delivery_tag: u64,
    channels: &mut InChannels,
    outside: &mut Outside,
) -> Option<Arc<ConsumerQueue>> {
    let channel = channels.get_mut(id)?;
    if channel.find(tag).is_none() {
        if channel.is_suspect(tag, outside.now()) {
            return channel.suspect_queue(tag, delivery_tag);
        }
        if !late::find(id, tag, delivery_tag, channels, outside) {
            return None;
        }
    }
    let channel = channels.get_mut(id)?;
    channel.note_delivered(delivery_tag);
    let queue = channel.queue_of(tag);
    if let Some(queue) = &queue {
        channel.note_kind(delivery_tag, queue.no_ack);
    }
    queue
}

/// A message that is too large, without its body.
struct Oversized {
    at: ChannelUse,
    message: Incoming,
    size: u64,
    limit: u64,
}

impl Oversized {
    /// It was delivered to this consumer.
    fn delivered(self, queue: &Arc<ConsumerQueue>, numbered: Numbered, outside: &mut Outside) {
        let (at, delivery_tag) = (self.at, numbered.delivery_tag);
        outside.shared().totals.delivered.add(1);
        if outside.has_said_goodbye() {
            return;
        }
        if queue.wants_nothing() {
            if !queue.no_ack {
                let requeue = queue.settled_by(&self.message, Settlement::Nack { requeue: true });
                outside.settle(at, delivery_tag, requeue);
            }
            return;
        }
        let told = self.tell(delivery_tag, &queue.source, queue.no_ack, outside);
        match queue.on_oversized {
            OnOversized::Cancel => {
                queue.end_oversized(ConsumerEnd::TooLarge(told), outside.wakers());
                outside.cancel_unawaited(at, queue);
            }
            OnOversized::Reject if queue.no_ack => {}
            OnOversized::Reject => {
                let reject = queue.settled_by(&self.message, Settlement::Reject { requeue: false });
                outside.settle(at, delivery_tag, reject);
            }
            OnOversized::Mark => {
                let (message, size) = (self.message, self.size);
                let marked = RawDelivery::oversized(message, numbered, size);
                let octets = marked.message.footprint();
                let _ = queue.deliver(&mut vec![marked], octets, outside.wakers());
            }
        }
    }

    /// It was fetched by this request.
    fn fetched(self, slot: &Slot, numbered: Numbered, no_ack: bool, outside: &mut Outside) {
        let delivery_tag = numbered.delivery_tag;
        outside.shared().totals.fetched.add(1);
        let told = self.tell(delivery_tag, slot.answer.about.first(), no_ack, outside);
        let error = ChannelError::MessageTooLarge(told);
        slot.answer.fetched_as(numbered);
        let unseen = slot.answer.settle(Err(error), outside.wakers());
        if unseen.is_err() && !no_ack {
            outside.requeue(self.at, delivery_tag);
        }
    }

    fn tell(
        &self,
        delivery_tag: u64,
        queue: &str,
        lost: bool,
        outside: &mut Outside,
    ) -> Arc<OversizedMessage> {
        let routing_key = self.message.routing_key();
        let oversized = Arc::new(OversizedMessage {
            delivery_tag,
            size: self.size,
            limit: self.limit,
            queue: queue.to_owned(),
            routing_key: String::from_utf8_lossy(routing_key.as_bytes()).into_owned(),
            lost,
        });
        let channel = self.at.channel;
        let event = Event::MessageTooLarge {
            channel,
            message: Arc::clone(&oversized),
        };
        outside.emit(Source::Channel(self.at), &event);
        outside
            .shared()
            .trace
            .message_too_large(channel, &oversized);
        oversized
    }
}
