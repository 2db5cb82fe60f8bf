//! What channels send into: the lanes, and what is known of everything in them and parked.

use std::time::Instant;

use amqp_spec::frame::{self, FrameTooLarge};
use amqp_spec::wire::TypedMethod;
use amqp_spec::{channel, constants};
use bytes::Bytes;

use super::driver::DriverWaker;
use super::earliest::Earliest;
use super::head::{Head, LARGE, encode_apart};
use super::large_lane::LargeLane;
use super::leaving::Leaving;
use super::line::{Line, Parked, Parking};
use super::small_lane::SmallLane;
use crate::message::Body;
use crate::proto::observe::Queued;
use crate::proto::send::request::Slot;
use crate::proto::send::unwritten::Unwritten;

/// What every broker takes, in octets.
const SMALLEST_FRAME_MAX: usize = constants::FRAME_MIN_SIZE as usize;

/// Where everything waits that is to be sent.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) small: SmallLane,
    pub(super) large: LargeLane,
    /// The sums over what is parked on the channels.
    pub(super) parking: Parking,
    pub(super) leaving: Leaving,
    pub(super) driver: DriverWaker,
    /// The earliest deadline of any request; may be too early, never too late.
    pub(super) deadline: Earliest,
    /// The latest time that the core told.
    pub(super) now: Instant,
    /// The negotiated limit of a frame, in octets.
    pub(super) frame_max: usize,
    /// A recovery has to know what was asked for.
    pub(super) keeps_requests: bool,
    /// Payloads of requests without a reply that have been carried out, by what came behind them.
    pub(super) quiet: Vec<Box<[u8]>>,
    /// Messages that were published, and deliveries that were settled.
    published: u64,
    acked: u64,
    refused: u64,
    stale: u64,
    /// Bodies that are never sent. Their memory may be the program's own, and dropping them its
    /// code: so they wait here until the lock is released.
    dropped: Vec<Bytes>,
}

impl Queue {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            small: SmallLane::default(),
            large: LargeLane::default(),
            parking: Parking::default(),
            leaving: Leaving::default(),
            driver: DriverWaker::default(),
            deadline: Earliest::default(),
            now,
            frame_max: SMALLEST_FRAME_MAX,
            keeps_requests: false,
            quiet: Vec::new(),
            published: 0,
            acked: 0,
            refused: 0,
            stale: 0,
            dropped: Vec::new(),
        }
    }

    /// There is no stream: how large a frame may be is known when there is another. What is too
    /// large then is taken out of the lines before it is sent.
    pub(super) fn go_down(&mut self) {
        self.frame_max = usize::MAX;
    }

    /// A stream has been connected: positions count from its beginning.
    pub(super) fn begin_stream(&mut self, now: Instant) {
        self.small.begin_stream();
        self.now = now;
    }

    /// Octets of large bodies, and of all that is parked.
    #[inline]
    pub(super) fn aside(&self) -> usize {
        self.large.octets() + self.parking.octets()
    }

    /// The most that one body frame can carry.
    #[inline]
    pub(super) fn max_payload(&self) -> usize {
        self.frame_max.saturating_sub(frame::OVERHEAD).max(1)
    }

    /// How many frames a message takes.
    #[inline]
    pub(super) fn n_frames(&self, body: usize) -> u64 {
        if body <= self.max_payload() {
            return 2 + u64::from(body > 0);
        }
        2 + body.div_ceil(self.max_payload()) as u64
    }

    /// Counts a message that has been queued.
    #[inline]
    pub(super) fn count_published(&mut self) {
        self.published += 1;
    }

    #[inline]
    pub(super) fn count_acked(&mut self, n: u64) {
        self.acked += n;
    }

    pub(super) fn count_refused(&mut self, n: u64) {
        self.refused += n;
    }

    /// Counts a settlement of what has gone back.
    pub(super) fn count_stale(&mut self) {
        self.stale += 1;
    }

    /// What has been queued since the connection began.
    pub(super) fn totals(&self) -> Queued {
        Queued {
            frames: self.small.n_frames() + self.large.n_frames(),
            published: self.published,
            acked: self.acked,
            refused: self.refused,
            stale: self.stale,
        }
    }

    /// Appends a message whose body is one frame, which is not copied if it was handed over.
    pub(super) fn append_uncopied(
        &mut self,
        id: u16,
        head: &impl Head,
        body: &Body<'_>,
    ) -> Result<(), FrameTooLarge> {
        let frame_max = self.frame_max;
        let octets = body.as_slice();
        let n = self.n_frames(octets.len());
        match body.shared() {
            Some(body) => {
                self.small
                    .append(n, |buf| head.encode(buf, id, octets.len(), frame_max))?;
                self.small.append_body(id, body);
                Ok(())
            }
            None => self
                .small
                .append(n, |buf| head.encode_with_body(buf, id, octets, frame_max)),
        }
    }

    /// Encodes a message that is large, or that must wait behind something of its channel.
    #[cold]
    pub(super) fn encode_aside(
        &self,
        id: u16,
        head: &impl Head,
        body: &Body<'_>,
    ) -> Result<Parked, FrameTooLarge> {
        let octets = body.as_slice();
        if octets.len() >= LARGE {
            let head = encode_apart(head, id, octets.len(), self.frame_max, 0)?;
            let body = body.to_shared();
            return Ok(Parked::Large { head, body });
        }
        let mut frames = Vec::new();
        head.encode_with_body(&mut frames, id, octets, self.frame_max)?;
        Ok(Parked::Frames(frames))
    }

    /// Appends a method.
    pub(super) fn append_method<'m, M: TypedMethod<'m>>(
        &mut self,
        id: u16,
        method: &M,
    ) -> Result<(), FrameTooLarge> {
        let frame_max = self.frame_max;
        self.small
            .append(1, |buf| frame::encode_method(buf, id, method, frame_max))
    }

    /// Encodes a method that must wait.
    pub(super) fn encode_method<'m, M: TypedMethod<'m>>(
        &self,
        id: u16,
        method: &M,
    ) -> Result<Vec<u8>, FrameTooLarge> {
        let mut frames = Vec::new();
        frame::encode_method(&mut frames, id, method, self.frame_max)?;
        Ok(frames)
    }

    /// Appends `channel.close-ok`.
    pub(super) fn answer_close(&mut self, id: u16) {
        self.small.append_raw(&channel::CloseOk {}.to_frame(id));
    }

    /// Takes the messages of a channel out of the small lane, and shows them to `unsent`.
    pub(super) fn drop_messages(&mut self, id: u16, unsent: &mut Unwritten) {
        self.small.drop_messages(id, unsent, &mut self.dropped);
    }

    /// Throws away what is parked in a line, but for the requests.
    pub(super) fn clear_line(&mut self, line: &mut Line) -> Vec<Slot> {
        line.clear(&mut self.parking, &mut self.dropped)
    }

    /// The stream is gone, and another follows: as [`Line::disconnect`].
    pub(super) fn disconnect_line(&mut self, line: &mut Line) -> Vec<Slot> {
        line.disconnect(&mut self.parking, &mut self.dropped)
    }

    /// Where bodies are kept until the lock is released.
    pub(super) fn dropped(&mut self) -> &mut Vec<Bytes> {
        &mut self.dropped
    }

    /// Drops what is in the lanes.
    pub(super) fn discard(&mut self) {
        self.small.discard(&mut self.dropped);
    }

    /// Drops everything: the stream is gone.
    pub(super) fn close(&mut self) {
        self.discard();
        self.large.discard(&mut self.dropped);
        self.leaving.clear();
        self.deadline = Earliest::default();
    }
}
