//! Large body frames, taken piece by piece.
//!
//! A frame is parsed when it is complete, except the body frame of a large message: its octets go
//! into the message as they come, or are even read there, so that they are moved once and the read
//! buffer stays small. The message is handed on only when the frame's end octet has been seen.

use amqp_spec::constants;
use amqp_spec::frame::FrameError;
use bytes::BufMut;
use bytes::buf::Limit;

use super::channels::InChannels;
use super::content::{Complete, Content};
use crate::error::Violation;

/// Smaller frames are waited for: moving what has come of them costs little.
const WORTHWHILE: usize = 16 * 1024;

/// How much is read into the buffer between two large body frames: the end of one and the
/// beginning of the next, and not much that would have to be moved.
const BETWEEN: usize = 8 * 1024;

/// The large body frame under way, if there is one.
#[derive(Debug, Default)]
pub(super) struct LargeBody {
    frame: Option<LargeFrame>,
    /// The last octets parsed were of a large body that is kept.
    bulk: bool,
}

#[derive(Clone, Copy, Debug)]
struct LargeFrame {
    channel: u16,
    /// Octets of its payload that are still to come; the end octet follows.
    left: usize,
}

/// What was taken off the front of what was read.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) used: usize,
    /// That was the end of the frame, on this channel.
    pub(super) ended: Option<u16>,
    /// And the end of the message.
    pub(super) complete: Option<Complete>,
}

impl LargeBody {
    /// What was read is about to be parsed.
    #[inline]
    pub(super) fn begin_parsing(&mut self) {
        self.bulk = false;
    }

    /// Whether the next octets belong to a frame that is taken piece by piece.
    #[inline]
    pub(super) fn is_under_way(&self) -> bool {
        self.frame.is_some()
    }

    /// Takes what has come of an incomplete frame, if it is a body frame worth it. `rest` starts
    /// with the frame, whose size has been checked.
    pub(super) fn begin(
        &mut self,
        rest: &[u8],
        channels: &mut InChannels,
    ) -> Result<Taken, Violation> {
        const HEAD: usize = 7;
        let Some((&[kind, c1, c0, s3, s2, s1, s0], payload)) = rest.split_first_chunk::<HEAD>()
        else {
            return Ok(Taken::default());
        };
        let channel = u16::from_be_bytes([c1, c0]);
        let size = u32::from_be_bytes([s3, s2, s1, s0]) as usize;
        if kind != constants::FRAME_BODY || size < WORTHWHILE {
            return Ok(Taken::default());
        }
        match channels.of_frame(channel)? {
            Some(in_channel) => in_channel.content.expect(channel, size)?,
            // The frame of a channel that has been closed: there is nothing to move.
            None => return Ok(Taken::default()),
        }
        let left = size;
        self.frame = Some(LargeFrame { channel, left });
        // What is skipped is read as fast as it comes.
        self.bulk = !skips(channels, channel);
        let mut taken = self.go_on(payload, channels)?;
        taken.used += HEAD;
        Ok(taken)
    }

    /// Takes what belongs to the frame under way off the front of `rest`.
    pub(super) fn go_on(
        &mut self,
        rest: &[u8],
        channels: &mut InChannels,
    ) -> Result<Taken, Violation> {
        let Some(LargeFrame { channel, left }) = self.frame else {
            return Ok(Taken::default());
        };
        let (piece, behind) = rest.split_at(left.min(rest.len()));
        if let Some(content) = content(channels, channel) {
            content.append(piece);
        }
        let left = left - piece.len();
        self.frame = Some(LargeFrame { channel, left });
        let Some(&end) = behind.first() else {
            let used = piece.len();
            return Ok(Taken {
                used,
                ..Taken::default()
            });
        };
        if end != constants::FRAME_END {
            return Err(Violation::Frame(FrameError::MissingEnd { found: end }));
        }
        self.frame = None;
        self.bulk = !skips(channels, channel);
        Ok(Taken {
            used: piece.len() + 1,
            ended: Some(channel),
            complete: content(channels, channel).and_then(Content::finish),
        })
    }

    /// How much is read into the buffer at once.
    #[inline]
    pub(super) fn read_limit(&self) -> usize {
        if self.bulk { BETWEEN } else { usize::MAX }
    }

    /// Where the rest of the frame may be read into, if that is worth it. Nothing may be left to be
    /// parsed.
    pub(super) fn space<'a>(&self, channels: &'a mut InChannels) -> Option<Limit<&'a mut Vec<u8>>> {
        let LargeFrame { channel, left } = self.frame?;
        if left < WORTHWHILE {
            return None;
        }
        Some(content(channels, channel)?.space(left)?.limit(left))
    }

    /// `n` octets have been read into the space.
    pub(super) fn filled(&mut self, n: usize, channels: &mut InChannels) {
        let Some(frame) = &mut self.frame else {
            return;
        };
        frame.left = frame.left.saturating_sub(n);
        if let Some(content) = content(channels, frame.channel) {
            content.appended(n);
        }
    }
}

fn skips(channels: &mut InChannels, channel: u16) -> bool {
    content(channels, channel).is_some_and(|content| content.is_skipped())
}

fn content(channels: &mut InChannels, channel: u16) -> Option<&mut Content> {
    Some(&mut channels.get_mut(channel)?.content)
}
