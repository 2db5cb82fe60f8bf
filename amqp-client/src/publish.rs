//! Publishing: what is encoded under the outbox's lock, and the future that waits for room.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use amqp_spec::basic::{self, PropertiesRef};
use amqp_spec::frame::{self, FrameTooLarge};
use amqp_spec::wire::ShortStr;

use crate::channel::Channel;
use crate::error::ChannelError;
use crate::message::Body;
use crate::proto::incoming::Fingerprint;
use crate::proto::outbox::{Head, LARGE};

/// Exchange, routing key and properties, checked and ready to be encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishHead<'a> {
    method: basic::Publish<'a>,
    properties: PropertiesRef<'a>,
}

impl<'a> PublishHead<'a> {
    pub(crate) fn new(
        exchange: &'a str,
        routing_key: &'a str,
        properties: PropertiesRef<'a>,
        mandatory: bool,
    ) -> Result<Self, ChannelError> {
        let method = basic::Publish {
            exchange: ShortStr::new(exchange.as_bytes())?,
            routing_key: ShortStr::new(routing_key.as_bytes())?,
            mandatory,
            immediate: false,
        };
        Ok(Self { method, properties })
    }

    /// What will tell the message if it comes back.
    pub(crate) fn fingerprint(&self, body: &Body<'_>) -> Option<Fingerprint> {
        let Self { method, .. } = self;
        method.mandatory.then(|| {
            Fingerprint::new(
                method.exchange.as_bytes(),
                method.routing_key.as_bytes(),
                self.properties,
                body.as_slice(),
            )
        })
    }
}

impl Head for PublishHead<'_> {
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
#[derive(Clone, Debug)]
pub(crate) struct PreparedHead {
    /// Method frame and header frame.
    frames: Vec<u8>,
    /// Where the body's size goes.
    size_at: usize,
    longest_frame: usize,
}

impl PreparedHead {
    pub(crate) fn new(head: &PublishHead<'_>, channel: u16) -> Result<Self, ChannelError> {
        /// Type, channel, size; class, weight.
        const SIZE_IN_HEADER: usize = 7 + 2 + 2;
        let mut frames = Vec::new();
        frame::encode_method(&mut frames, channel, &head.method, usize::MAX)?;
        let header_at = frames.len();
        let properties = head.properties.as_bytes();
        let class_id = basic::CLASS_ID;
        frame::encode_header(&mut frames, channel, class_id, 0, properties, usize::MAX)?;
        let longest_frame = header_at.max(frames.len() - header_at);
        Ok(Self {
            frames,
            size_at: header_at + SIZE_IN_HEADER,
            longest_frame,
        })
    }
}

impl Head for PreparedHead {
    #[inline]
    fn encode(
        &self,
        buf: &mut Vec<u8>,
        _channel: u16,
        body_size: usize,
        frame_max: usize,
    ) -> Result<(), FrameTooLarge> {
        if self.longest_frame > frame_max {
            return Err(FrameTooLarge {
                size: self.longest_frame,
                frame_max,
            });
        }
        buf.reserve(self.frames.len() + body_size + frame::OVERHEAD);
        let size_at = buf.len() + self.size_at;
        buf.extend_from_slice(&self.frames);
        if let Some(size) = buf.get_mut(size_at..size_at + 8) {
            size.copy_from_slice(&(body_size as u64).to_be_bytes());
        }
        Ok(())
    }
}

impl<H: Head> Head for &H {
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
}

impl<'a, H: Head> Publish<'a, H> {
    pub(crate) fn new(channel: &'a Channel, head: H, body: Body<'a>) -> Self {
        Self {
            channel,
            head,
            // Not under the lock.
            body: body.detach(LARGE),
            fingerprint: None,
            ticket: None,
        }
    }

    /// The message may come back; this tells it then.
    pub(crate) fn returnable(mut self, fingerprint: Option<Fingerprint>) -> Self {
        self.fingerprint = fingerprint;
        self
    }
}

impl<H: Head + Unpin> Future for Publish<'_, H> {
    /// The number of the message on its channel.
    type Output = Result<u64, ChannelError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let shared = this.channel.shared();
        let resolved = match this.fingerprint {
            Some(_) => shared.confirms().resolved(),
            None => 0,
        };
        let mut outbox = shared.link.outbox();
        let size = this.body.as_slice().len();
        match outbox.admit(shared.at, size, &mut this.ticket, context.waker()) {
            Ok(true) => {}
            Ok(false) => {
                drop(outbox);
                // If reading has stopped because of slow consumers: what unblocks has to be read.
                shared.link.resume();
                return Poll::Pending;
            }
            Err(refused) => {
                drop(outbox);
                return Poll::Ready(Err(shared.explain(refused)));
            }
        }
        let published = outbox.publish(shared.at, &this.head, &this.body);
        if let (Ok(_), Some(fingerprint)) = (&published, this.fingerprint) {
            outbox.expect_return(shared.at, fingerprint, resolved);
        }
        drop(outbox);
        match published {
            Ok((number, wake)) => {
                wake.now();
                Poll::Ready(Ok(number))
            }
            Err(refused) => Poll::Ready(Err(shared.explain(refused))),
        }
    }
}

impl<H> Drop for Publish<'_, H> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.channel.shared().link.outbox().forget_waiter(ticket);
        }
    }
}
