//! What callers put in front of a message's body, and from which sizes on bodies are not copied.

use amqp_spec::frame::{self, FrameTooLarge};

/// Bodies from this size on are not copied, if they were handed over.
pub(crate) const ZERO_COPY: usize = 16 * 1024;

/// Bodies from this size on travel in the large lane, if they take more than one frame.
pub(crate) const LARGE: usize = 64 * 1024;

/// What a publish puts in front of its body, ready to be encoded under the lock.
pub(crate) trait Head {
    /// The exchange that it goes to.
    fn exchange(&self) -> &[u8];

    /// The routing key that it has.
    fn routing_key(&self) -> &[u8];

    /// Appends the method frame and the header frame for a body of this size, or nothing.
    fn encode(
        &self,
        buf: &mut Vec<u8>,
        channel: u16,
        body_size: usize,
        frame_max: usize,
    ) -> Result<(), FrameTooLarge>;

    /// Appends the whole message, or nothing.
    #[inline]
    fn encode_with_body(
        &self,
        buf: &mut Vec<u8>,
        channel: u16,
        body: &[u8],
        frame_max: usize,
    ) -> Result<(), FrameTooLarge> {
        self.encode(buf, channel, body.len(), frame_max)?;
        frame::encode_body(buf, channel, body, frame_max);
        Ok(())
    }
}

/// Method frame and header frame for a body of this size, in a buffer with room for as many octets.
///
/// All that is encoded apart from the buffer of what is sent is encoded here: with one place more,
/// the compiler would no longer inline it where most messages are encoded.
#[cold]
#[inline(never)]
pub(crate) fn encode_apart(
    head: &impl Head,
    channel: u16,
    body_size: usize,
    frame_max: usize,
    room: usize,
) -> Result<Vec<u8>, FrameTooLarge> {
    let mut frames = Vec::with_capacity(room);
    head.encode(&mut frames, channel, body_size, frame_max)?;
    Ok(frames)
}
