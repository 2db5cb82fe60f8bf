//! The few bytes of AMQP 0-9-1 that the null broker and the raw client need, written by hand.
//!
//! Nothing here is taken from the client under test: the bench would measure nothing if both ends
//! shared a mistake. It knows no state, checks only what it must to keep its place in the stream,
//! and has no bounds for hostile input, since both ends are ours and live on one machine.

mod read;
mod write;

pub use read::{Fields, Frame, FrameHeader};
pub use write::{Arguments, content, frame, method};

/// What a client sends before its first frame.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// The frame kinds.
pub mod kind {
    /// A method.
    pub const METHOD: u8 = 1;
    /// The header of a message.
    pub const HEADER: u8 = 2;
    /// A piece of a message's body.
    pub const BODY: u8 = 3;
    /// A heartbeat.
    pub const HEARTBEAT: u8 = 8;
}

/// The octet that ends every frame.
pub const FRAME_END: u8 = 0xCE;

/// Bytes of a frame that are not payload: seven before, one after.
pub const FRAME_OVERHEAD: usize = 8;

/// The size of a `basic.ack`, which is also the size of a confirmation.
pub const ACK_LEN: usize = 21;

/// Writes a `basic.ack` without touching the heap.
#[must_use]
pub fn ack(channel: u16, delivery_tag: u64, multiple: bool) -> [u8; ACK_LEN] {
    let [c0, c1] = channel.to_be_bytes();
    let mut bytes = [
        1,
        c0,
        c1,
        0,
        0,
        0,
        13,
        0,
        60,
        0,
        80,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        u8::from(multiple),
        0xCE,
    ];
    bytes[11..19].copy_from_slice(&delivery_tag.to_be_bytes());
    bytes
}
