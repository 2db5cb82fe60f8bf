//! A channel whose stream is gone, until all of it is back on the next.
//!
//! ```text
//! Open ──the stream is gone──▶ Lost ──channel.open──▶ Opening ──open-ok──▶ Open, its line still held ──all is back──▶ Open
//!                               ▲  └──closed by the program──▶ Free      │
//!                               └──closed by the broker──────────────────┘
//! ```
//!
//! What the program asks for meanwhile waits in the channel's line, in order, behind what is asked
//! once more. The requests that restore the channel pass the line. The broker may object to one of
//! them and close the channel: then it is lost once more, and the program does not hear of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use amqp_spec::wire::TypedMethod as _;
use amqp_spec::{ReplyCode, basic, channel, confirm, tx};

use super::repeatable::method_frame;

use crate::error::ChannelError;
use crate::proto::send::request::Slot;
use crate::proto::shared::consumer::ConsumerQueue;

/// What comes behind a stream that is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Behind {
    /// Nothing: the connection is over.
    Nothing,
    /// Another stream, for the same handles.
    AnotherStream,
}

/// What a channel is asked once more on another stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Again {
    Open,
    ConfirmSelect,
    TxSelect,
    Qos,
}

/// How far a channel is on its way back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WayBack {
    /// Nothing of it is there.
    Lost,
    /// `channel.open` is queued or sent.
    Opening,
    Open,
    /// The program has closed it.
    Gone,
}

/// What a channel waits for that is being restored.
#[derive(Debug, Default)]
pub(super) struct Restoring {
    /// The program's own `channel.open`, if that has not been answered.
    pub(super) opening: Option<Slot>,
    /// The program closes it.
    pub(super) closing: bool,
    /// Why it ends, if not because the program closes it.
    pub(super) ends: Option<ChannelError>,
    /// It is the recovery's own.
    pub(super) is_scratch: bool,
}

impl Restoring {
    /// Of a channel of the recovery's own.
    pub(super) fn scratch() -> Self {
        Self {
            is_scratch: true,
            ..Self::default()
        }
    }
}

/// What makes a channel what it was: confirms or transactions, and its own limits.
pub(super) fn modes_and_limits(
    id: u16,
    (confirms, transactions): (bool, bool),
    limits: [Option<basic::Qos>; 2],
) -> Vec<(Again, Vec<u8>)> {
    let mut frames = Vec::new();
    if confirms {
        let select = confirm::Select { no_wait: false };
        frames.push((Again::ConfirmSelect, select.to_frame(id).to_vec()));
    }
    if transactions {
        frames.push((Again::TxSelect, tx::Select {}.to_frame(id).to_vec()));
    }
    for qos in limits.into_iter().flatten() {
        frames.push((Again::Qos, qos.to_frame(id).to_vec()));
    }
    frames
}

/// `channel.close`, as the program is not told of it.
pub(super) fn close(id: u16) -> Vec<u8> {
    let close = channel::Close {
        reply_code: ReplyCode::REPLY_SUCCESS.0,
        ..channel::Close::default()
    };
    let mut payload = Vec::new();
    close.encode(&mut payload);
    method_frame(id, &payload)
}

/// What a loss leaves of requests, besides what waits to be asked once more.
#[derive(Debug, Default)]
pub(crate) struct LostRequests {
    /// They have no reply any more, and may have been carried out, unless they were parked.
    pub(crate) failed: Vec<Slot>,
    /// What they were to end has ended with the stream.
    pub(crate) done: Vec<Slot>,
    /// Commits that were not sent, of transactions that are lost.
    pub(crate) cut: Vec<Slot>,
    /// Consumers that were being cancelled.
    pub(crate) unwanted: Vec<Arc<ConsumerQueue>>,
    /// Consumers that waited for another stream, of channels that end.
    pub(crate) consumers: Vec<Arc<ConsumerQueue>>,
    /// Channels that the program was closing.
    pub(crate) closed: BTreeSet<u16>,
}
