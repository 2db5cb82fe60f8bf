//! Large body frames, taken piece by piece.
//!
//! A frame is parsed when it is complete, except the body frame of a large message: its octets go
//! into the message as they come, or are even read there, so that they are moved once and the read
//! buffer stays small. The message is handed on only when the frame's end octet has been seen.

use std::time::Instant;

use amqp_spec::constants;
use amqp_spec::frame::FrameError;
use bytes::BufMut;
use bytes::buf::Limit;

use super::content::Content;
use crate::error::{ConnectionError, Violation};
use crate::proto::core::Core;

/// Smaller frames are waited for: moving what has come of them costs little.
const WORTHWHILE: usize = 16 * 1024;

/// How much is read into the buffer between two large body frames: the end of one and the
/// beginning of the next, and not much that would have to be moved.
const BETWEEN: usize = 8 * 1024;

/// The body frame under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piecewise {
    channel: u16,
    /// Octets of its payload that are still to come; the end octet follows.
    left: usize,
}

impl Core {
    /// Takes what has come of an incomplete frame, if it is a body frame worth it. `rest` starts with
    /// the frame, whose size has been checked. Returns how many octets were used.
    pub(crate) fn begin_piecewise(&mut self, rest: &[u8]) -> Result<usize, Violation> {
        const HEAD: usize = 7;
        let Some((&[kind, c1, c0, s3, s2, s1, s0], payload)) = rest.split_first_chunk::<HEAD>()
        else {
            return Ok(0);
        };
        let channel = u16::from_be_bytes([c1, c0]);
        let size = u32::from_be_bytes([s3, s2, s1, s0]) as usize;
        if kind != constants::FRAME_BODY || size < WORTHWHILE {
            return Ok(0);
        }
        match self.in_channel(channel)? {
            Some(in_channel) => in_channel.content.expect(channel, size)?,
            // The frame of a channel that has been closed: there is nothing to move.
            None => return Ok(0),
        }
        self.piecewise = Some(Piecewise {
            channel,
            left: size,
        });
        // What is skipped is read as fast as it comes.
        self.bulk = !self.skips(channel);
        Ok(HEAD + self.continue_piecewise(payload)?)
    }

    /// Takes what belongs to the frame under way off the front of `rest`; returns how much it was.
    pub(crate) fn continue_piecewise(&mut self, rest: &[u8]) -> Result<usize, Violation> {
        let Some(Piecewise { channel, left }) = self.piecewise else {
            return Ok(0);
        };
        let (piece, behind) = rest.split_at(left.min(rest.len()));
        if let Some(content) = self.content(channel) {
            content.append(piece);
        }
        let left = left - piece.len();
        self.piecewise = Some(Piecewise { channel, left });
        let Some(&end) = behind.first() else {
            return Ok(piece.len());
        };
        if end != constants::FRAME_END {
            return Err(Violation::Frame(FrameError::MissingEnd { found: end }));
        }
        self.piecewise = None;
        self.frames += 1;
        self.bulk = !self.skips(channel);
        let complete = self.content(channel).and_then(Content::finish);
        self.complete(channel, complete)?;
        Ok(piece.len() + 1)
    }

    fn skips(&mut self, channel: u16) -> bool {
        self.content(channel)
            .is_some_and(|content| content.is_skipped())
    }

    fn content(&mut self, channel: u16) -> Option<&mut Content> {
        let channel = self.channels.get_mut(usize::from(channel))?.as_mut()?;
        Some(&mut channel.content)
    }

    /// Where the adapter reads into; never empty.
    pub fn read_space(&mut self) -> &mut [u8] {
        let limit = if self.bulk { BETWEEN } else { usize::MAX };
        let space = self.input.space();
        let n = space.len().min(limit);
        space.get_mut(..n).unwrap_or_default()
    }

    /// Where the adapter may read instead of [`read_space`](Self::read_space), while a large message
    /// arrives: straight into it. Say so with [`body_read`](Self::body_read). The memory need not
    /// be initialised, so that this pays off with readers that can do without.
    pub fn body_space(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        let Piecewise { channel, left } = self.piecewise?;
        if left < WORTHWHILE || !self.input.is_empty() {
            return None;
        }
        Some(self.content(channel)?.space(left)?.limit(left))
    }

    /// `n` octets have been read into [`body_space`](Self::body_space). Zero is the end of the stream.
    pub fn body_read(&mut self, n: usize, now: Instant) {
        let Some(piecewise) = &mut self.piecewise else {
            return;
        };
        if n == 0 {
            self.lost(ConnectionError::EndOfStream);
            return;
        }
        piecewise.left = piecewise.left.saturating_sub(n);
        let channel = piecewise.channel;
        if let Some(content) = self.content(channel) {
            content.appended(n);
        }
        self.heard(n, now);
        self.look_whether_to_read();
    }
}
