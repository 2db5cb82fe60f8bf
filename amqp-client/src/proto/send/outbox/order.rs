//! What is to be sent, in order: messages, methods, requests, settlements. Each is queued whole or
//! not at all.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use amqp_spec::frame::{self, FrameTooLarge};
use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{basic, channel, connection};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::channel::OutChannel;
use super::channels::Channels;
use super::consumers::{Asked, Cancelling, NotStarted, Prefetch};
use super::driver::Wake;
use super::ending::CloseOfConnection;
use super::head::{Head, ZERO_COPY};
use super::line::LineRest;
use super::owed::MOST_OWED;
use super::queue::Queue;
use super::refused::Refused;
use super::restorer::Restorer;
use super::settling::{Ack, ByNumber, Part};
use crate::message::{Body, Settlement};
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::progress::Progress;
use crate::proto::send::request::{Effect, Slot};
use crate::proto::send::rope::Rope;
use crate::proto::send::unwritten::Unwritten;
use crate::proto::shared::consumer::ConsumerQueue;
use crate::proto::shared::kept::KeptMessage;

/// What is to be sent, in order.
#[derive(Debug)]
pub(crate) struct Order {
    pub(super) queue: Queue,
    pub(super) channels: Channels,
    pub(super) ending: CloseOfConnection,
    /// The stream is gone, or what was on it is not all back on the next.
    pub(super) is_down: bool,
    /// Requests that have nothing to wait for any more, for the driver to tell their callers.
    pub(super) done: Vec<Slot>,
}

/// A request that was not queued, and why.
type NotQueued = (Refused, Box<Slot>);

impl Order {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            queue: Queue::new(now),
            channels: Channels::new(),
            ending: CloseOfConnection::default(),
            is_down: false,
            done: Vec::new(),
        }
    }

    pub(crate) fn set_frame_max(&mut self, frame_max: usize) {
        self.queue.frame_max = frame_max;
    }

    /// Octets that wait to be written.
    pub(crate) fn queued(&self) -> usize {
        self.queue.small.len() + self.queue.aside()
    }

    /// Whether nothing is left to be written, or to be put into the lanes.
    pub(crate) fn is_empty(&self) -> bool {
        let parked = if self.is_down {
            0
        } else {
            self.queue.parking.octets()
        };
        self.queue.small.len() + self.queue.large.octets() + parked == 0
    }

    /// A recovery has to know what was asked for.
    pub(crate) fn keep_requests(&mut self) {
        self.queue.keeps_requests = true;
    }

    /// The earliest deadline of a request, or a time before it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.queue.deadline.get()
    }

    /// A channel that takes something, and what it sends into.
    #[inline]
    fn channel(&mut self, at: ChannelUse) -> Result<(&mut OutChannel, &mut Queue), Refused> {
        self.ending.check_open()?;
        // Not `ok_or`: the refusal that is not used would be dropped at each message.
        let Some(channel) = self.channels.accepting(at) else {
            return Err(Refused::NotOpen);
        };
        Ok((channel, &mut self.queue))
    }

    /// A channel that takes this, and what it sends into.
    #[inline]
    fn channel_for(
        &mut self,
        at: ChannelUse,
        part: Part,
    ) -> Result<(&mut OutChannel, &mut Queue), Refused> {
        self.ending.check_open()?;
        let Some(channel) = self.channels.get_mut(at.channel) else {
            return Err(Refused::NotOpen);
        };
        if !channel.accepts(at) {
            channel.check(at, part)?;
        }
        Ok((channel, &mut self.queue))
    }

    // Messages

    /// Queues a small message if its channel takes it at once; otherwise nothing has changed.
    #[inline]
    pub(super) fn publish_at_once(
        &mut self,
        at: ChannelUse,
        head: &impl Head,
        body: &[u8],
    ) -> Option<(u64, Wake)> {
        if !self.ending.accepts_newcomers() || body.len() >= ZERO_COPY {
            return None;
        }
        let channel = self.channels.get(at.channel)?;
        if !channel.accepts(at) || !channel.sending.is_direct() {
            return None;
        }
        self.publish_copied(at, head, body).ok()
    }

    /// Queues one message whole and returns its number on the channel (0 without
    /// `confirm.select`), or queues nothing.
    pub(crate) fn publish(
        &mut self,
        at: ChannelUse,
        head: &impl Head,
        body: &Body<'_>,
    ) -> Result<(u64, Wake), Refused> {
        let octets = body.as_slice();
        let (channel, queue) = self.channel_for(at, Part::Message)?;
        if channel.sending.is_direct() && octets.len() < ZERO_COPY {
            return Ok(self.publish_copied(at, head, octets)?);
        }
        channel.publish(head, body, queue)?;
        Ok(self.number(at, head))
    }

    /// Appends a message to the small lane. Its channel must be open, with nothing in front of it.
    ///
    /// A function of its own: inlined into its callers it would leave the encoding in it to calls.
    #[inline(never)]
    fn publish_copied(
        &mut self,
        at: ChannelUse,
        head: &impl Head,
        body: &[u8],
    ) -> Result<(u64, Wake), FrameTooLarge> {
        let (n, frame_max) = (self.queue.n_frames(body.len()), self.queue.frame_max);
        self.queue.small.append(n, |buf| {
            head.encode_with_body(buf, at.channel, body, frame_max)
        })?;
        Ok(self.number(at, head))
    }

    /// Messages are about to be queued again: takes out the line of their channel from its first
    /// message on, to be put [behind](Self::end_again) them. `None` if it takes none.
    pub(crate) fn begin_again(&mut self, at: ChannelUse) -> Option<LineRest> {
        let channel = self.channels.get_mut(at.channel)?;
        let takes_it = channel.takes_requests(at);
        takes_it.then(|| channel.sending.line.take_messages())
    }

    /// Queues a message again, under the number that it had.
    pub(crate) fn publish_again(
        &mut self,
        at: ChannelUse,
        message: &KeptMessage,
    ) -> Result<(), FrameTooLarge> {
        let Some(channel) = self.channels.get_mut(at.channel) else {
            return Ok(());
        };
        channel.publish_again(message, &mut self.queue)
    }

    /// What was in the line goes on.
    pub(crate) fn end_again(&mut self, at: ChannelUse, line: LineRest) {
        if let Some(channel) = self.channels.get_mut(at.channel) {
            channel.sending.line.put_back(line);
        }
    }

    /// Counts a message that has been queued.
    #[inline]
    fn number(&mut self, at: ChannelUse, head: &impl Head) -> (u64, Wake) {
        self.queue.count_published();
        let channel = self.channels.get_mut(at.channel);
        let number = channel.map_or(0, |channel| channel.publishing.number(head.exchange()));
        (number, self.queue.driver.wake())
    }

    // Methods

    /// Queues octets as they are: the protocol header, heartbeats, the handshake.
    pub(crate) fn push_raw(&mut self, octets: &[u8]) {
        self.queue.small.append_raw(octets);
    }

    /// Queues a frame of which no copy stays behind.
    pub(crate) fn push_secret(&mut self, frame: Zeroizing<Vec<u8>>) {
        self.queue.small.append_secret(frame);
    }

    /// Queues a method that expects no reply.
    pub(crate) fn send<'m, M: TypedMethod<'m>>(
        &mut self,
        at: ChannelUse,
        method: &M,
    ) -> Result<Wake, Refused> {
        let (channel, queue) = self.channel(at)?;
        channel.send(method, queue)?;
        Ok(queue.driver.wake())
    }

    /// Queues a method that expects a reply. On a refusal the slot comes back unanswered.
    pub(crate) fn request<'m, M: TypedMethod<'m>>(
        &mut self,
        at: ChannelUse,
        method: &M,
        slot: Slot,
    ) -> Result<Wake, NotQueued> {
        let (channel, queue) = match self.channel(at) {
            Ok(parts) => parts,
            Err(refused) => return Err((refused, Box::new(slot))),
        };
        let sooner = channel.request(method, slot, queue)?;
        // An adapter that is busy writing still has to hear of an earlier deadline.
        Ok(if sooner {
            queue.driver.wake_always()
        } else {
            queue.driver.wake()
        })
    }

    /// Queues the request that ends a transaction. If what stood in it was lost, nothing is: to roll
    /// it back has come about, and it cannot be committed.
    pub(crate) fn end_transaction<'m, M: TypedMethod<'m>>(
        &mut self,
        at: ChannelUse,
        method: &M,
        mut slot: Slot,
    ) -> Result<Wake, NotQueued> {
        let channel = self.channel(at).ok();
        let lost =
            channel.and_then(|(channel, _)| channel.settling.end_lost_transaction(&mut slot));
        match lost {
            None => self.request(at, method, slot),
            Some(Ok(())) => {
                // Its caller has not begun to wait.
                slot.done(&mut Vec::new());
                Ok(Wake::default())
            }
            Some(Err(refused)) => Err((refused, Box::new(slot))),
        }
    }

    /// Queues a method on channel 0 that expects a reply, and leaves no copy of it behind.
    pub(crate) fn request_of_connection<'m, M: TypedMethod<'m>>(
        &mut self,
        method: &M,
        slot: Slot,
    ) -> Result<Wake, NotQueued> {
        if let Err(refused) = self.ending.check_open() {
            return Err((refused, Box::new(slot)));
        }
        if self.is_down {
            // In front of the handshake, or amid it, it would cost the stream.
            return Err((Refused::NotOpen, Box::new(slot)));
        }
        // All at once: growing would leave copies behind.
        let size = method.encoded_len() + frame::OVERHEAD;
        let mut octets = Zeroizing::new(Vec::with_capacity(size));
        if let Err(error) = frame::encode_method(&mut octets, 0, method, self.queue.frame_max) {
            return Err((error.into(), Box::new(slot)));
        }
        self.queue.small.append_secret(octets);
        self.queue.deadline.note(slot.deadline);
        if let Some(channel) = self.channels.get_mut(0) {
            channel.sending.await_reply(slot, &mut self.queue);
        }
        Ok(self.queue.driver.wake_always())
    }

    /// Takes the request that waits longest on the channel, if the reply is one of its.
    pub(crate) fn take_request(&mut self, id: u16, reply: MethodId, now: Instant) -> Option<Slot> {
        self.queue.now = now;
        let channel = self.channels.get_mut(id)?;
        channel.sending.take_request(reply, &mut self.queue)
    }

    /// Payloads of requests without a reply that have been carried out since the last look.
    pub(crate) fn take_quiet(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.queue.quiet)
    }

    /// Lets `queue` queue an answer to the broker, and counts it. True if it is one too many for
    /// where it waits now: behind a large body of its channel, or a transaction.
    pub(crate) fn answer(
        &mut self,
        id: u16,
        queue: impl FnOnce(&mut Self) -> Result<Wake, Refused>,
    ) -> (Wake, bool) {
        let small = &self.queue.small;
        let (before, owed, aside) = (small.len(), small.owed(), self.queue.aside());
        // A channel that takes nothing any more needs no answer.
        let wake = queue(self).unwrap_or_default();
        // A settlement has counted itself.
        self.queue.small.owe_all_since(before, owed);
        let parked = self.queue.aside().saturating_sub(aside);
        if let Some(channel) = self.channels.get_mut(id) {
            channel.sending.add_answers(parked, &mut self.queue);
        }
        (wake, parked > 0 && self.queue.parking.answers() > MOST_OWED)
    }

    /// Whether more answers are ready to be written than may be.
    pub(crate) fn owes_too_much(&self) -> bool {
        self.queue.small.owed() > MOST_OWED
    }

    // Deliveries

    /// Settles one delivery that was handed out exactly once, so that no tag is counted twice.
    /// `None`: it has gone back to the broker, and nothing is sent.
    ///
    /// Consecutive acks at the very end of the outbox are merged into one `multiple` when
    /// everything up to the highest tag is settled: what the broker sees means the same, and
    /// nothing overtakes anything, for the merged frame is the last one queued.
    #[inline]
    pub(crate) fn settle(
        &mut self,
        at: ChannelUse,
        number: u64,
        settlement: Settlement,
    ) -> Result<Option<Wake>, Refused> {
        let (channel, queue) = self.channel_for(at, Part::Settlement(number))?;
        let Some(tag) = channel.settling.on_wire(number) else {
            return Ok(self.stale());
        };
        match channel.settling.count(tag) {
            Ack::Mergeable { contiguous }
                if settlement == Settlement::Ack && channel.sending.is_direct() =>
            {
                queue.count_acked(1);
                queue.small.append_ack(at.channel, tag, contiguous);
                Ok(Some(queue.driver.wake()))
            }
            _ if channel.settling.has_given_back(tag) => Ok(self.stale()),
            Ack::Mergeable { .. } | Ack::Alone => {
                channel.settling.note_settled(number);
                let n = channel.settling.count_settled(tag, false);
                self.send_settlement(at, n, tag, false, settlement)
            }
        }
    }

    /// Counts a settlement of what has gone back.
    #[cold]
    fn stale(&mut self) -> Option<Wake> {
        self.queue.count_stale();
        None
    }

    /// Settles by number, which may settle many or none, and at most one unless it is `multiple`:
    /// the count of settled ones means nothing from here on. Number 0 is all there are, of which
    /// the highest that were delivered, and yielded to the program, are told. `None`: everything
    /// that it covers has gone back to the broker, and nothing is sent.
    pub(crate) fn settle_by_number(
        &mut self,
        at: ChannelUse,
        number: u64,
        multiple: bool,
        settlement: Settlement,
        highest: (u64, u64),
    ) -> Result<Option<Wake>, Refused> {
        let part = match multiple {
            false => Part::Settlement(number),
            true => Part::Settlements,
        };
        let (channel, _) = self.channel_for(at, part)?;
        let by_number = channel.by_number(number, multiple, highest);
        let current = |by| channel.settling.not_given_back(by, multiple);
        let Some(ByNumber { tag, upto }) = by_number.and_then(current) else {
            return Ok(self.stale());
        };
        channel.settling.never_merge();
        if multiple {
            channel.settling.note_several_settled();
        } else {
            channel.settling.note_settled(number);
        }
        let n = channel.settling.count_settled(upto, multiple);
        self.send_settlement(at, n, tag, multiple, settlement)
    }

    /// Queues a settlement of `n` deliveries.
    #[cold]
    fn send_settlement(
        &mut self,
        at: ChannelUse,
        n: u64,
        delivery_tag: u64,
        multiple: bool,
        settlement: Settlement,
    ) -> Result<Option<Wake>, Refused> {
        let before = self.queue.small.len();
        let wake = match settlement {
            Settlement::Ack => {
                let ack = basic::Ack {
                    delivery_tag,
                    multiple,
                };
                self.send(at, &ack)?
            }
            Settlement::Nack { requeue } => {
                let nack = basic::Nack {
                    delivery_tag,
                    multiple,
                    requeue,
                };
                self.send(at, &nack)?
            }
            Settlement::Reject { requeue } => {
                let reject = basic::Reject {
                    delivery_tag,
                    requeue,
                };
                self.send(at, &reject)?
            }
        };
        if settlement == Settlement::Ack {
            self.queue.count_acked(n);
        } else {
            self.queue.count_refused(n);
        }
        let octets = self.queue.small.len().saturating_sub(before);
        self.queue.small.add_owed(octets);
        Ok(Some(wake))
    }

    /// Whether this delivery can be settled.
    pub(crate) fn is_current(&mut self, at: ChannelUse, number: u64) -> bool {
        let channel = self.channel(at);
        channel.is_ok_and(|(channel, _)| channel.settling.is_current(number))
    }

    /// Queues `basic.recover`: behind it nothing can be settled that was delivered before its
    /// answer.
    pub(crate) fn recover(
        &mut self,
        at: ChannelUse,
        recover: &basic::Recover,
        mut slot: Slot,
    ) -> Result<Wake, NotQueued> {
        match self.channel(at) {
            Ok((channel, _)) => {
                let before = channel.recovered_before();
                slot.effect = Effect::Recover { before };
            }
            Err(refused) => return Err((refused, Box::new(slot))),
        }
        let wake = self.request(at, recover, slot)?;
        if let Ok((channel, _)) = self.channel(at) {
            channel.settling.recover_all();
        }
        Ok(wake)
    }

    // Consumers

    /// Queues `basic.consume`, behind the limit that the consumer is to be started under: nothing
    /// comes between the two. `qos_slot` makes the slots of the requests that set it. On a refusal
    /// nothing was queued.
    pub(crate) fn consume(
        &mut self,
        at: ChannelUse,
        consume: &basic::Consume<'_>,
        queue: &Arc<ConsumerQueue>,
        prefetch: Prefetch,
        slot: Slot,
        mut qos_slot: impl FnMut() -> Slot,
    ) -> Result<Vec<Wake>, NotStarted> {
        self.check_fits(consume)
            .map_err(|error| NotStarted::Refused(error.into()))?;
        let takes_it = self.ending.takes_consumer(queue);
        takes_it.map_err(NotStarted::Refused)?;
        let (channel, outgoing) = self.channel(at).map_err(NotStarted::Refused)?;
        let is_restoring = channel.is_restoring();
        let consumers = channel.consumers();
        if consumers.takes(consume.consumer_tag.as_bytes()) {
            return Err(NotStarted::TagInUse);
        }
        let mut asked = Some(Asked::new(consume, prefetch));
        if let Some(asked) = asked.take_if(|_| is_restoring) {
            outgoing.deadline.note(slot.deadline);
            consumers.wait(queue, asked, slot);
            return Ok(vec![outgoing.driver.wake_always()]);
        }
        let before = consumers.limits_before(prefetch);
        let mut wakes = Vec::new();
        for qos in before.into_iter().flatten() {
            let queued = self.request(at, &qos, qos_slot());
            wakes.push(queued.map_err(|(refused, _)| NotStarted::Refused(refused))?);
            if let Ok((channel, _)) = self.channel(at) {
                channel.consumers().note_limit(&qos);
            }
        }
        let queued = self.request(at, consume, slot);
        wakes.push(queued.map_err(|(refused, _)| NotStarted::Refused(refused))?);
        if let Ok((channel, _)) = self.channel(at) {
            channel.consumers().start(queue, prefetch, asked);
        }
        Ok(wakes)
    }

    /// Whether a method fits the negotiated frame size.
    fn check_fits<'m, M: TypedMethod<'m>>(&self, method: &M) -> Result<(), FrameTooLarge> {
        let size = method.encoded_len() + frame::OVERHEAD;
        let frame_max = self.queue.frame_max;
        if size <= frame_max {
            Ok(())
        } else {
            Err(FrameTooLarge { size, frame_max })
        }
    }

    /// Queues the program's own `basic.qos`.
    pub(crate) fn limit(
        &mut self,
        at: ChannelUse,
        qos: &basic::Qos,
        slot: Slot,
    ) -> Result<Wake, NotQueued> {
        let wake = self.request(at, qos, slot)?;
        if let Ok((channel, _)) = self.channel(at) {
            let consumers = channel.consumers();
            consumers.note_limit(qos);
            consumers.note_own_limit(qos);
        }
        Ok(wake)
    }

    /// Asks for the end of a consumer: queues `basic.cancel`, behind which its tag may be used
    /// again. `None` if that has been done, or will be as soon as the broker has started the
    /// consumer.
    pub(crate) fn cancel(
        &mut self,
        at: ChannelUse,
        queue: &Arc<ConsumerQueue>,
        slot: Slot,
    ) -> Option<Result<Wake, Refused>> {
        let (cancelling, waiting) = self.channels.consumers_of(at)?.cancel(queue)?;
        match cancelling {
            Cancelling::Now => {}
            Cancelling::ByItself => return None,
            Cancelling::Done => {
                self.done.extend(waiting);
                self.done.push(slot);
                // The driver tells those that wait.
                return Some(Ok(self.call_driver()));
            }
        }
        let cancel = basic::Cancel {
            consumer_tag: queue.tag.as_ref(),
            no_wait: false,
        };
        let queued = self.request(at, &cancel, slot);
        Some(queued.map_err(|(refused, _)| refused))
    }

    // Channels

    /// Takes this channel id, or the one that has been unused the longest, and queues
    /// `channel.open` for it.
    ///
    /// `None` if it is in use, or `channel_max` channels are open. `slot` is told which id it is.
    pub(crate) fn open_channel(
        &mut self,
        channel_max: u16,
        number: Option<u16>,
        slot: impl FnOnce(ChannelUse) -> Slot,
    ) -> Result<Option<Wake>, Refused> {
        self.ending.check_open()?;
        let Some(id) = self.channels.take_id(channel_max, number) else {
            return Ok(None);
        };
        let Some(at) = self.channels.get_mut(id).map(OutChannel::begin) else {
            return Ok(None);
        };
        if self.is_down {
            if let Some(channel) = self.channels.get_mut(id) {
                channel.open_later(slot(at), &mut self.queue);
            }
            return Ok(Some(self.queue.driver.wake_always()));
        }
        let wake = self
            .request(at, &channel::Open {}, slot(at))
            .map_err(|(refused, _)| refused)?;
        Ok(Some(wake))
    }

    /// Whether the channel takes anything.
    pub(crate) fn is_open(&mut self, at: ChannelUse) -> bool {
        self.channel(at).is_ok()
    }

    /// The channel belongs to a publisher: from here on it is opened anew when the broker closes
    /// it.
    pub(crate) fn renew_when_closed(
        &mut self,
        at: ChannelUse,
        now: Instant,
        request_timeout: Duration,
    ) {
        if let Ok((channel, _)) = self.channel(at) {
            channel.renew_when_closed(now, request_timeout);
        }
    }

    /// What brings channels back on another stream.
    pub(crate) fn restorer(&mut self) -> Restorer<'_> {
        Restorer::new(&mut self.channels, &mut self.queue)
    }

    /// Waits for the reply to a `channel.close` that another task has asked for. `None` if there is
    /// none.
    pub(crate) fn join_close(&mut self, at: ChannelUse, slot: Slot) -> Option<Wake> {
        let channel = self.channels.get_mut(at.channel);
        let closing = channel.filter(|channel| channel.is(at) && channel.is_closing());
        match closing {
            Some(channel) if self.ending.check_open().is_ok() => {
                channel.join_close(slot, &mut self.queue);
                Some(self.queue.driver.wake_always())
            }
            _ => None,
        }
    }

    // The adapter

    /// Appends the next frames of the large body whose turn it is; true if they are many, since
    /// nothing else is sent and the stream is `willing` to take what it is shown.
    ///
    /// Only to be called behind the outbox's [`swap`](super::outbox::Outbox::swap), with the rope
    /// that it filled: the body's method and header are in there.
    pub(crate) fn take_large(&mut self, rope: &mut Rope, willing: bool) -> bool {
        let max_payload = self.queue.max_payload();
        let Some(piece) = self.queue.large.take(rope, willing, max_payload) else {
            return false;
        };
        self.queue.small.add_taken(piece.octets);
        if piece.is_last {
            let channel = self.channels.get_mut(piece.channel);
            if channel.is_some_and(|channel| channel.large_sent(&mut self.queue)) {
                self.channels.free(piece.channel);
            }
        }
        piece.is_alone
    }

    /// Where the first request ends that is not known to be written.
    pub(crate) fn next_unwritten(&self) -> u64 {
        self.queue.leaving.next()
    }

    /// Records how much has been written by now: the time of the requests in it begins to run. If
    /// nothing had left since one of them was queued, the last of them `before`, it has run
    /// already.
    pub(crate) fn wrote(&mut self, progress: Progress, before: Instant) {
        while let Some(id) = self.queue.leaving.pop_written(progress.written) {
            if let Some(channel) = self.channels.get_mut(id) {
                let restoring = channel.is_restoring();
                channel.sending.wrote(progress, before, restoring);
            }
        }
    }

    /// Registers the adapter's waker. Drop the one returned once the lock is released.
    #[must_use = "dropping a waker may run foreign code"]
    pub(crate) fn set_driver(&mut self, waker: Arc<Waker>) -> Option<Arc<Waker>> {
        self.queue.driver.register(waker)
    }

    /// The adapter is gone. Drop its waker once the lock is released.
    #[must_use = "dropping a waker may run foreign code"]
    pub(crate) fn forget_driver(&mut self) -> Option<Arc<Waker>> {
        self.queue.driver.forget()
    }

    /// The core is to look at once at what it waits for.
    pub(crate) fn call_driver(&mut self) -> Wake {
        self.queue.deadline.note(self.queue.now);
        self.queue.driver.wake_always()
    }

    /// Wakes the adapter even if it is busy.
    pub(crate) fn wake_always(&mut self) -> Wake {
        self.queue.driver.wake_always()
    }

    /// Gives memory back that is not in use.
    pub(crate) fn rest(&mut self) {
        self.queue.small.rest();
        self.queue.leaving.rest();
    }

    // The end

    /// Queues `connection.close` behind everything accepted so far; nothing is accepted after it.
    /// It has to be written `by` then, however well that goes on.
    pub(crate) fn close_connection(
        &mut self,
        method: &connection::Close<'_>,
        slot: Slot,
        by: Option<Instant>,
    ) -> Result<Wake, NotQueued> {
        if let Err(refused) = self.ending.check_open() {
            return Err((refused, Box::new(slot)));
        }
        match self.queue.encode_method(0, method) {
            Ok(frame) => {
                self.queue.deadline.extend(by);
                self.queue.deadline.note(slot.deadline);
                self.ending.begin(frame, slot, by);
                Ok(self.queue.driver.wake_always())
            }
            Err(error) => Err((error.into(), Box::new(slot))),
        }
    }

    /// Whether `connection.close` was asked for.
    pub(crate) fn is_closing(&self) -> bool {
        self.ending.is_closing()
    }

    /// `connection.close`, if it was asked for and has not been queued.
    pub(crate) fn farewell(&self) -> Option<&[u8]> {
        self.ending.farewell()
    }

    /// Whether `connection.close` has been taken by the adapter.
    pub(crate) fn has_said_goodbye(&self) -> bool {
        self.ending.has_said_farewell()
    }

    /// Octets of our `connection.close` that are queued in the small lane, or taken and not
    /// written.
    pub(crate) fn unwritten_farewell(&self, progress: Progress) -> usize {
        let mut sent = self.channels.requests(0);
        let leaving = sent.any(|slot| slot.is_farewell() && slot.is_leaving(progress));
        if leaving {
            self.ending.farewell_len()
        } else {
            0
        }
    }

    /// Counts the publishes that are queued, or begun and not complete.
    pub(crate) fn count_unsent(&self, unsent: &mut Unwritten) {
        for frame in self.queue.small.frames() {
            unsent.frame(&frame);
        }
        for id in self.queue.large.channels() {
            unsent.rest(id);
        }
        for channel in self.channels.iter() {
            channel.sending.line.count_unsent(unsent);
        }
    }

    /// Nothing more will be written.
    pub(crate) fn discard(&mut self) {
        self.queue.discard();
    }

    /// Bodies that are never sent, to be dropped once the lock is released.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn take_bodies(&mut self) -> Vec<Bytes> {
        std::mem::take(self.queue.dropped())
    }
}
