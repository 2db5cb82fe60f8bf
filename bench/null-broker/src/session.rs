//! One connection: reading, counting, confirming, delivering.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use bench_wire::{
    FRAME_END, FRAME_OVERHEAD, Frame, FrameHeader, PROTOCOL_HEADER, ack, frame, kind,
};
use nix::sys::socket::{MsgFlags, recv};

use crate::deliver::{Consumer, Unsettled};
use crate::stream::Stream;

/// Enough for a few thousand small publishes, and small enough to stay in the second-level cache.
const READ_LEN: usize = 256 * 1024;

/// Well below half of the heartbeat interval that is offered.
const SILENCE: Duration = Duration::from_secs(20);

/// What the broker knows of a channel.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) confirms: bool,
    /// Publishes that arrived completely.
    pub(crate) published: u64,
    confirmed: u64,
    /// Bytes of the current message's body that have not been announced by a body frame.
    body_left: u64,
    pub(crate) next_delivery: u64,
    pub(crate) unsettled: Unsettled,
    pub(crate) consumers: Vec<Consumer>,
}

impl Channel {
    pub(crate) fn open() -> Self {
        Self {
            next_delivery: 1,
            ..Self::default()
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    stream: Stream,
    pub(crate) deliver_delay: Duration,
    pub(crate) frame_max: usize,
    pub(crate) closed: bool,
    /// Replies that leave together, at the end of the batch that asked for them.
    pub(crate) out: Vec<u8>,
    pub(crate) channels: Vec<Channel>,
    /// Channels with publishes that are to be confirmed at the end of the batch.
    to_confirm: Vec<u16>,
    /// How many channels have consumers.
    pub(crate) n_consuming: usize,
    /// Payload and end of the body frame that is being passed over.
    skip: usize,
    skip_channel: u16,
}

impl Session {
    pub(crate) fn new(stream: Stream, deliver_delay: Duration) -> Self {
        Self {
            stream,
            deliver_delay,
            frame_max: 131_072,
            closed: false,
            out: Vec::new(),
            channels: Vec::new(),
            to_confirm: Vec::new(),
            n_consuming: 0,
            skip: 0,
            skip_channel: 0,
        }
    }

    pub(crate) fn run(mut self) -> io::Result<()> {
        self.stream.socket().set_nodelay(true)?;
        self.stream.socket().set_read_timeout(Some(SILENCE))?;
        let mut protocol = [0; 8];
        self.stream.read_exact(&mut protocol)?;
        if protocol != PROTOCOL_HEADER {
            self.stream.write_all(&PROTOCOL_HEADER)?;
            return self.stream.flush();
        }
        self.start();
        self.flush()?;

        // Zeroed by the kernel when first touched: an idle connection costs a page, not all of it.
        let mut buffer = vec![0; READ_LEN];
        let mut filled = 0;
        while !self.closed {
            if filled == buffer.len() {
                buffer.resize(buffer.len() * 2, 0);
            }
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => return Ok(()),
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    frame(&mut self.out, kind::HEARTBEAT, 0, &[]);
                }
                Err(error) => return Err(error),
            }
            let used = self.scan(&buffer[..filled])?;
            buffer.copy_within(used..filled, 0);
            filled -= used;
            self.confirm();
            self.flush()?;
            self.deliver()?;
        }
        // Some clients take an end of the stream for a failure even after close-ok, so they are
        // left to close the socket themselves.
        while self.stream.read(&mut buffer)? > 0 {}
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out)?;
            self.stream.flush()?;
            self.out.clear();
        }
        Ok(())
    }

    /// Works through whole frames, and through bodies as far as they are there. Says how many
    /// bytes were used.
    fn scan(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        loop {
            if self.skip > 0 {
                let n = self.skip.min(rest.len());
                rest = &rest[n..];
                self.skip -= n;
                if self.skip > 0 {
                    break;
                }
                self.body_frame_ended();
            }
            let Some(header) = FrameHeader::parse(rest) else {
                break;
            };
            match header.kind {
                kind::BODY => {
                    let channel = self.channel(header.channel)?;
                    channel.body_left = channel.body_left.saturating_sub(header.payload_len as u64);
                    self.skip = header.payload_len + 1;
                    self.skip_channel = header.channel;
                    rest = &rest[FRAME_OVERHEAD - 1..];
                }
                kind::METHOD | kind::HEADER | kind::HEARTBEAT => {
                    let Some(whole) = rest.get(..header.payload_len + FRAME_OVERHEAD) else {
                        break;
                    };
                    if whole.last() != Some(&FRAME_END) {
                        return Err(violation("a frame does not end where it says"));
                    }
                    let payload = &whole[FRAME_OVERHEAD - 1..whole.len() - 1];
                    rest = &rest[whole.len()..];
                    match header.kind {
                        // A publish needs no answer now; everything else is rare.
                        kind::METHOD if !payload.starts_with(&[0, 60, 0, 40]) => {
                            let (kind, channel) = (header.kind, header.channel);
                            self.method(Frame {
                                kind,
                                channel,
                                payload,
                            })?;
                        }
                        kind::HEADER => self.content_header(header.channel, payload)?,
                        _ => {}
                    }
                }
                _ => return Err(violation("there is no such kind of frame")),
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn content_header(&mut self, id: u16, payload: &[u8]) -> io::Result<()> {
        let size = payload.get(4..).and_then(|rest| rest.first_chunk());
        let size = size.ok_or_else(|| violation("a content header is too short"))?;
        let channel = self.channel(id)?;
        channel.body_left = u64::from_be_bytes(*size);
        if channel.body_left == 0 {
            self.message_ended(id);
        }
        Ok(())
    }

    fn body_frame_ended(&mut self) {
        let id = self.skip_channel;
        if self
            .channels
            .get(usize::from(id))
            .is_some_and(|channel| channel.body_left == 0)
        {
            self.message_ended(id);
        }
    }

    fn message_ended(&mut self, id: u16) {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        if channel.confirms && channel.published == channel.confirmed {
            self.to_confirm.push(id);
        }
        channel.published += 1;
    }

    /// One confirmation per channel and batch: `multiple` unless a single publish waits for it.
    fn confirm(&mut self) {
        for id in self.to_confirm.drain(..) {
            let Some(channel) = self.channels.get_mut(usize::from(id)) else {
                continue;
            };
            let multiple = channel.published - channel.confirmed > 1;
            channel.confirmed = channel.published;
            self.out
                .extend_from_slice(&ack(id, channel.published, multiple));
        }
    }

    /// Delivers what the consumers have credit for, but stops when the client has sent something.
    fn deliver(&mut self) -> io::Result<()> {
        if self.n_consuming == 0 {
            return Ok(());
        }
        loop {
            let mut wrote = false;
            for channel in &mut self.channels {
                for consumer in &mut channel.consumers {
                    let messages = consumer.ready(channel.unsettled.credit());
                    if messages > 0 {
                        consumer.wait_until_due();
                        let bytes = consumer.deliveries(messages, channel.next_delivery);
                        self.stream.write_all(bytes)?;
                        self.stream.flush()?;
                        channel.next_delivery += messages;
                        channel.unsettled.delivered(messages, consumer.no_ack);
                        wrote = true;
                    }
                }
            }
            if !wrote || self.input_waits() {
                return Ok(());
            }
        }
    }

    fn input_waits(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.stream.as_raw_fd(), &mut [0], flags).is_ok()
    }

    pub(crate) fn channel(&mut self, id: u16) -> io::Result<&mut Channel> {
        self.channels
            .get_mut(usize::from(id))
            .ok_or_else(|| violation("the channel is not open"))
    }
}

pub(crate) fn violation(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
