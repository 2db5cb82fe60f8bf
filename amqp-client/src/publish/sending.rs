//! Publishing: what is encoded under the outbox's lock, and the future that waits for room.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use amqp_spec::basic::{self, PropertiesRef};
use amqp_spec::constants;
use amqp_spec::frame::{self, FrameTooLarge};
use amqp_spec::wire::{Reader, ShortStr, TypedMethod};

use super::resend::Resend;
use crate::channel::Channel;
use crate::error::{ChannelError, Subject};
use crate::message::Body;
use crate::message::fingerprint::{Common, Fingerprint};
use crate::message::shown::{Length, Name, Shown};
use crate::proto::config::WhenDown;
use crate::proto::send::outbox::{Head, LARGE, Outbox, Refused, Wake};
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::confirms::Limits;
use crate::proto::shared::kept::KeptMessage;
use crate::proto::shared::outage::Outage;
use crate::proto::shared::reading::{Demand, Patience};
use crate::proto::shared::timers::Timer;
use crate::proto::wait::{self, Sleeper};

/// Exchange, routing key and properties, checked and ready to be encoded.
#[derive(Clone, Copy)]
pub(crate) struct PublishHead<'a> {
    method: basic::Publish<'a>,
    properties: PropertiesRef<'a>,
}

impl fmt::Debug for PublishHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishHead")
            .field("exchange", &Name(self.method.exchange))
            .field("routing_key", &Name(self.method.routing_key))
            .field("properties", &Shown(self.properties))
            .finish()
    }
}

impl<'a> PublishHead<'a> {
    pub(crate) fn new(
        exchange: &'a str,
        routing_key: &'a str,
        properties: PropertiesRef<'a>,
        mandatory: bool,
    ) -> Result<Self, ChannelError> {
        let through = Subject::Exchange(exchange);
        let method = basic::Publish {
            exchange: Subject::Nothing.short("exchange", exchange)?,
            routing_key: through.short("routing_key", routing_key)?,
            mandatory,
            immediate: false,
        };
        Ok(Self { method, properties })
    }

    /// The same; nothing if a name does not fit.
    #[inline]
    pub(crate) fn fitting(
        exchange: &'a str,
        routing_key: &'a str,
        properties: PropertiesRef<'a>,
        mandatory: bool,
    ) -> Option<Self> {
        let method = basic::Publish {
            exchange: ShortStr::new(exchange.as_bytes()).ok()?,
            routing_key: ShortStr::new(routing_key.as_bytes()).ok()?,
            mandatory,
            immediate: false,
        };
        Some(Self { method, properties })
    }

    /// What will tell the message if it comes back; `None` unless it is mandatory.
    #[inline]
    pub(crate) fn fingerprint(&self, body: &[u8]) -> Option<Fingerprint> {
        Some(self.returnable()?.with(body))
    }

    /// The same of all messages with this head.
    #[inline]
    pub(crate) fn returnable(&self) -> Option<Common> {
        let Self { method, properties } = self;
        let (exchange, routing_key) = (method.exchange.as_bytes(), method.routing_key.as_bytes());
        method
            .mandatory
            .then(|| Common::new(exchange, routing_key, *properties))
    }
}

impl Head for PublishHead<'_> {
    #[inline]
    fn exchange(&self) -> &[u8] {
        self.method.exchange.as_bytes()
    }

    fn routing_key(&self) -> &[u8] {
        self.method.routing_key.as_bytes()
    }

    #[inline]
    fn encode(
        &self,
        buf: &mut Vec<u8>,
        channel: u16,
        body_size: usize,
        frame_max: usize,
    ) -> Result<(), FrameTooLarge> {
        let start = buf.len();
        frame::encode_method(buf, channel, &self.method, frame_max)?;
        let size = body_size as u64;
        let properties = self.properties.as_bytes();
        frame::encode_header(buf, channel, basic::CLASS_ID, size, properties, frame_max)
            .inspect_err(|_| buf.truncate(start))
    }

    #[inline]
    fn encode_with_body(
        &self,
        buf: &mut Vec<u8>,
        channel: u16,
        body: &[u8],
        frame_max: usize,
    ) -> Result<(), FrameTooLarge> {
        let properties = self.properties.as_bytes();
        frame::encode_content(buf, channel, &self.method, properties, body, frame_max)
    }
}

/// A head that is encoded once and copied for every message.
#[derive(Clone)]
pub(crate) struct PreparedHead {
    /// Method frame, header frame, and what stands in front of the body if that takes one frame.
    octets: Vec<u8>,
    /// Where the name of the exchange stands.
    exchange_at: (usize, usize),
    /// Where the body's size goes.
    size_at: usize,
    /// Where the head of the body's frame starts.
    body_at: usize,
    longest_frame: usize,
}

impl fmt::Debug for PreparedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = Length(self.octets.len());
        f.debug_tuple("PreparedHead").field(&length).finish()
    }
}

impl PreparedHead {
    pub(crate) fn new(head: &PublishHead<'_>, channel: u16) -> Result<Self, ChannelError> {
        /// Type, channel, size; class, weight.
        const SIZE_IN_HEADER: usize = 7 + 2 + 2;
        /// Type, channel, size; class, method; reserved; length.
        const EXCHANGE: usize = 7 + 2 + 2 + 2 + 1;
        let mut octets = Vec::new();
        frame::encode_method(&mut octets, channel, &head.method, usize::MAX)?;
        let header_at = octets.len();
        let properties = head.properties.as_bytes();
        let class_id = basic::CLASS_ID;
        frame::encode_header(&mut octets, channel, class_id, 0, properties, usize::MAX)?;
        let body_at = octets.len();
        octets.extend_from_slice(&frame::body_head(channel, 0));
        Ok(Self {
            octets,
            exchange_at: (EXCHANGE, EXCHANGE + head.method.exchange.as_bytes().len()),
            size_at: header_at + SIZE_IN_HEADER,
            body_at,
            longest_frame: header_at.max(body_at - header_at),
        })
    }
}

impl PreparedHead {
    fn check_fits(&self, frame_max: usize) -> Result<(), FrameTooLarge> {
        if self.longest_frame <= frame_max {
            Ok(())
        } else {
            Err(FrameTooLarge {
                size: self.longest_frame,
                frame_max,
            })
        }
    }

    /// Appends the first octets of what was prepared, with the size of the body in them.
    #[inline]
    fn append(&self, buf: &mut Vec<u8>, n: usize, body_size: usize) {
        let size_at = buf.len() + self.size_at;
        buf.extend_from_slice(self.octets.get(..n).unwrap_or_default());
        if let Some(size) = buf.get_mut(size_at..size_at + 8) {
            size.copy_from_slice(&(body_size as u64).to_be_bytes());
        }
    }
}

impl Head for PreparedHead {
    #[inline]
    fn exchange(&self) -> &[u8] {
        let (from, to) = self.exchange_at;
        self.octets.get(from..to).unwrap_or_default()
    }

    fn routing_key(&self) -> &[u8] {
        // Right behind the exchange.
        let octets = self.octets.get(self.exchange_at.1..).unwrap_or_default();
        let key = Reader::new(octets).short_str("routing key");
        key.unwrap_or_default().as_bytes()
    }

    fn encode(
        &self,
        buf: &mut Vec<u8>,
        _channel: u16,
        body_size: usize,
        frame_max: usize,
    ) -> Result<(), FrameTooLarge> {
        self.check_fits(frame_max)?;
        self.append(buf, self.body_at, body_size);
        Ok(())
    }

    #[inline]
    fn encode_with_body(
        &self,
        buf: &mut Vec<u8>,
        channel: u16,
        body: &[u8],
        frame_max: usize,
    ) -> Result<(), FrameTooLarge> {
        if body.is_empty() || body.len() > frame_max.saturating_sub(frame::OVERHEAD) {
            self.encode(buf, channel, body.len(), frame_max)?;
            frame::encode_body(buf, channel, body, frame_max);
            return Ok(());
        }
        self.check_fits(frame_max)?;
        buf.reserve(self.octets.len() + body.len() + 1);
        self.append(buf, self.octets.len(), body.len());
        if let (Some(size), Ok(len)) = (buf.last_chunk_mut::<4>(), u32::try_from(body.len())) {
            *size = len.to_be_bytes();
        }
        buf.extend_from_slice(body);
        buf.push(constants::FRAME_END);
        Ok(())
    }
}

impl<H: Head> Head for &H {
    #[inline]
    fn exchange(&self) -> &[u8] {
        (**self).exchange()
    }

    fn routing_key(&self) -> &[u8] {
        (**self).routing_key()
    }

    #[inline]
    fn encode(
        &self,
        buf: &mut Vec<u8>,
        channel: u16,
        body_size: usize,
        frame_max: usize,
    ) -> Result<(), FrameTooLarge> {
        (**self).encode(buf, channel, body_size, frame_max)
    }

    #[inline]
    fn encode_with_body(
        &self,
        buf: &mut Vec<u8>,
        channel: u16,
        body: &[u8],
        frame_max: usize,
    ) -> Result<(), FrameTooLarge> {
        (**self).encode_with_body(buf, channel, body, frame_max)
    }
}

/// Queues a small message if nothing has to be waited for, and says which number it has. Otherwise
/// nothing was queued, and [`Publish`] does it, or tells why not.
///
/// Most publishes end here, without having been a future: to move one, whose fields have just been
/// written, costs as much as to encode the message.
#[inline]
pub(crate) fn at_once(channel: &Channel, head: &impl Head, body: &[u8]) -> Option<u64> {
    let shared = channel.shared();
    let (number, wake) = shared
        .connection
        .outbox()
        .publish_at_once(shared.at, head, body)?;
    wake.now();
    Some(number)
}

/// The same for a message that may come back, which its fingerprint tells then.
#[inline]
pub(crate) fn at_once_returnable(
    channel: &Channel,
    head: &impl Head,
    body: &[u8],
    fingerprint: Fingerprint,
) -> Option<u64> {
    let shared = channel.shared();
    let mut outbox = shared.connection.outbox();
    let (number, wake) = outbox.publish_at_once(shared.at, head, body)?;
    outbox
        .channels_mut()
        .expect_return(shared.at, fingerprint, body.len());
    drop(outbox);
    wake.now();
    Some(number)
}

/// Names where a message was to go that does not fit.
#[cold]
fn of_message(error: ChannelError, head: &impl Head) -> ChannelError {
    let exchange = String::from_utf8_lossy(head.exchange());
    let routing_key = String::from_utf8_lossy(head.routing_key());
    error.of_message(Subject::published(&exchange, &routing_key))
}

/// Waits for room, then queues the message whole. Dropped before, nothing was queued.
#[derive(Debug)]
pub(crate) struct Publish<'a, H> {
    channel: &'a Channel,
    head: H,
    body: Body<'a>,
    fingerprint: Option<Fingerprint>,
    /// Our place in line while there is no room.
    ticket: Option<u64>,
    /// No more than so many unanswered.
    limit: Option<u64>,
    /// What is kept of the message, and how much may be in all.
    keep: Option<(Box<KeptMessage>, usize)>,
    /// Our place in line while there are too many.
    place: Option<u64>,
    /// How long to wait for either. Few set a limit, and all move this future about.
    patience: Option<Box<Timer>>,
    /// While there is no room.
    demand: Option<Demand>,
    standstill: Patience,
    /// While the connection is lost.
    outage: Outage,
    /// What to do then, if not what the connection's publishers do.
    when_down: Option<WhenDown>,
}

impl<'a, H: Head> Publish<'a, H> {
    #[inline]
    pub(crate) fn new(channel: &'a Channel, head: H, body: Body<'a>) -> Self {
        Self {
            channel,
            head,
            // Not under the lock.
            body: body.detach(LARGE),
            fingerprint: None,
            ticket: None,
            limit: None,
            keep: None,
            place: None,
            patience: None,
            demand: None,
            standstill: Patience::default(),
            outage: Outage::default(),
            when_down: None,
        }
    }

    /// The message had this number on its channel, and was lost before it was written: it goes in
    /// front of those that were not queued.
    pub(crate) fn set_place(&mut self, place: Option<u64>) {
        self.ticket = place;
    }

    /// What to do while the connection is lost, if not what the connection's publishers do.
    pub(crate) fn set_when_down(&mut self, policy: Option<WhenDown>) {
        self.when_down = policy;
    }

    /// The message may come back; this tells it then.
    #[inline]
    pub(crate) fn set_returnable(&mut self, fingerprint: Option<Fingerprint>) {
        self.fingerprint = fingerprint;
    }

    /// Waits while `limit` messages of the channel are unanswered, and in all no longer than
    /// `patience`.
    #[inline]
    pub(crate) fn set_limits(&mut self, limit: Option<u64>, patience: Option<Duration>) {
        self.limit = limit;
        if let Some(patience) = patience {
            self.patience = Some(Box::new(Timer::new(
                &self.channel.shared().connection,
                patience,
            )));
        }
    }

    /// The message is kept, and sent again if it is lost.
    pub(crate) fn set_resend(&mut self, resend: &Resend) -> Result<(), ChannelError> {
        let mark = resend.mark().cloned();
        if let Some(mark) = &mark {
            Subject::Nothing.short("header", mark)?;
        }
        let id = self.channel.id();
        let is_mandatory = self.fingerprint.is_some();
        let message = KeptMessage::new(id, &self.head, &self.body, is_mandatory, mark)?;
        self.keep = Some((Box::new(message), resend.limit()));
        Ok(())
    }

    /// Time is up?
    fn poll_patience(&mut self, context: &Context<'_>) -> Poll<Result<u64, ChannelError>> {
        let ChannelShared { connection, at, .. } = &**self.channel.shared();
        let method = basic::Publish::NAME;
        let waited = self.demand.is_some();
        let outage = self.outage.poll(*at, waited, connection, context);
        if outage.is_ready() {
            return Poll::Ready(Err(connection.no_answer(*at, method)));
        }
        // What lets us go on has to be read.
        self.demand.get_or_insert_with(|| Demand::new(connection));
        if let Some(timer) = &mut self.patience {
            if timer.poll(context).is_ready() {
                return Poll::Ready(Err(connection.no_answer(*at, method)));
            }
        }
        self.standstill.poll(method, connection, context).map(Err)
    }
}

impl<H> Publish<'_, H> {
    /// While we wait for others to be answered, room in the outbox is not kept for us. The ticket
    /// is, and with it the place in line.
    fn keep_no_room(&self) {
        let (Some(ticket), Some(place)) = (self.ticket, self.place) else {
            return;
        };
        let shared = self.channel.shared();
        if shared.confirms().is_in_line(place) {
            let (waker, wake) = shared.connection.outbox().leave(ticket);
            drop(waker);
            wake.now();
        }
    }

    /// Gives up what places in line there are. We may have been called, and others not, for the
    /// room that we now leave.
    fn leave(&mut self) {
        let shared = self.channel.shared();
        if let Some(ticket) = self.ticket.take() {
            let (waker, wake) = shared.connection.outbox().leave(ticket);
            drop(waker);
            wake.now();
        }
        if let Some(place) = self.place.take() {
            let mut wakers = Vec::new();
            let mut confirms = shared.confirms();
            let waker = confirms.forget_room(place);
            let mut outbox = shared.connection.outbox();
            let published = outbox.channels().published_by(shared.at).unwrap_or(0);
            let wake = if confirms.call_room(published, &mut wakers) {
                outbox.room_mut().note_called();
                outbox.order_mut().wake_always()
            } else {
                Wake::default()
            };
            drop(outbox);
            drop(confirms);
            drop(waker);
            wait::wake_all(&mut wakers);
            wake.now();
        }
    }
}

impl<H: Head> Publish<'_, H> {
    /// Queues the message, or gets in line.
    #[inline]
    fn try_queue(&mut self, sleeper: &mut Sleeper<'_>) -> Poll<Result<(u64, Wake), Refused>> {
        if self.limit.is_some() || self.keep.is_some() {
            return self.try_queue_limited(sleeper);
        }
        let shared = self.channel.shared();
        let size = self.body.as_slice().len();
        let mut outbox = shared.connection.outbox();
        if let Err(refused) = self.check_newcomer(&outbox) {
            return Poll::Ready(Err(refused));
        }
        match outbox.admit(shared.at, size, &mut self.ticket, sleeper) {
            Ok(true) => {}
            Ok(false) => return self.wait(&outbox),
            Err(refused) => return Poll::Ready(Err(refused)),
        }
        let published = outbox
            .order_mut()
            .publish(shared.at, &self.head, &self.body);
        if published.is_ok() {
            if let Some(fingerprint) = self.fingerprint {
                outbox
                    .channels_mut()
                    .expect_return(shared.at, fingerprint, size);
            }
            outbox.room_mut().enter(&mut self.ticket, sleeper);
        }
        Poll::Ready(published)
    }

    /// While the connection is shut down, those who wait already go on longer than others.
    #[inline]
    fn check_newcomer(&self, outbox: &Outbox) -> Result<(), Refused> {
        match (self.ticket, self.place) {
            (None, None) => outbox.check_newcomer(),
            _ => Ok(()),
        }
    }

    /// Waits, if there is something to wait for, and for the connection only as long as it wants to.
    fn wait<T>(&self, outbox: &Outbox) -> Poll<Result<T, Refused>> {
        match outbox.check_wait(self.channel.shared().at, self.when_down) {
            Ok(()) => Poll::Pending,
            Err(refused) => Poll::Ready(Err(refused)),
        }
    }

    /// The same, if the message counts against a limit: then what the channel has published before
    /// matters.
    fn try_queue_limited(
        &mut self,
        sleeper: &mut Sleeper<'_>,
    ) -> Poll<Result<(u64, Wake), Refused>> {
        let shared = self.channel.shared();
        // They stay locked until the message has its number, so that the limits hold.
        let mut confirms = shared.confirms();
        let mut outbox = shared.connection.outbox();
        let refused = outbox.room().check_policy();
        if let Err(refused) = refused.and_then(|()| self.check_newcomer(&outbox)) {
            return Poll::Ready(Err(refused));
        }
        let published = outbox.channels().published_by(shared.at).unwrap_or(0);
        let kept = self.keep.as_ref();
        let kept = kept.map(|(message, up_to)| (message.len(), *up_to));
        let limits = Limits::new(self.limit, kept);
        if !confirms.admit(published, limits, &mut self.place, sleeper) {
            return self.wait(&outbox);
        }
        let size = self.body.as_slice().len();
        match outbox.admit(shared.at, size, &mut self.ticket, sleeper) {
            Ok(true) => {}
            Ok(false) => return self.wait(&outbox),
            Err(refused) => return Poll::Ready(Err(refused)),
        }
        let published = outbox
            .order_mut()
            .publish(shared.at, &self.head, &self.body);
        if let (Ok(_), Some(fingerprint)) = (&published, self.fingerprint) {
            outbox
                .channels_mut()
                .expect_return(shared.at, fingerprint, size);
        }
        let Ok((number, _)) = published else {
            // Others may have the room: leaving calls them.
            return Poll::Ready(published);
        };
        if let Some((message, _)) = self.keep.take() {
            confirms.keep(number, message);
        }
        outbox.room_mut().enter(&mut self.ticket, sleeper);
        if let Some(place) = self.place.take() {
            sleeper.discard(confirms.forget_room(place));
        }
        Poll::Ready(published)
    }
}

impl<H: Head + Unpin> Future for Publish<'_, H> {
    /// The number of the message on its channel.
    type Output = Result<u64, ChannelError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match Sleeper::poll(context, |sleeper| this.try_queue(sleeper)) {
            Poll::Ready(Ok((number, wake))) => {
                wake.now();
                Poll::Ready(Ok(number))
            }
            Poll::Ready(Err(refused)) => {
                this.leave();
                let error = this.channel.shared().explain(refused);
                Poll::Ready(Err(of_message(error, &this.head)))
            }
            Poll::Pending => {
                this.keep_no_room();
                this.poll_patience(context)
            }
        }
    }
}

impl<H> Drop for Publish<'_, H> {
    fn drop(&mut self) {
        self.leave();
    }
}
