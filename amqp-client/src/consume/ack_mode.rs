//! How deliveries are acknowledged, as types: what needs no acknowledgement has nothing to settle.

use std::fmt;

use super::delivery::Delivery;
use crate::channel::Channel;
use crate::message::ReceivedMessage;

/// Deliveries are acknowledged one by one; the broker keeps each until then.
#[derive(Debug)]
pub enum ManualAck {}

/// Deliveries count as acknowledged when they are sent (`no_ack`): what is under way when a
/// connection breaks is lost.
#[derive(Debug)]
pub enum AutoAck {}

/// How a consumer's deliveries are acknowledged: [`ManualAck`] or [`AutoAck`].
pub trait AckMode: sealed::Sealed {
    /// What the consumer yields.
    type Delivery: fmt::Debug;
}

pub(super) mod sealed {
    use super::{Channel, ReceivedMessage};

    #[expect(
        unnameable_types,
        reason = "only this crate says how deliveries are acknowledged"
    )]
    pub trait Sealed: Sized {
        const NO_ACK: bool;
        type Out;
        fn deliver(received: ReceivedMessage, channel: &Channel) -> Self::Out;
    }
}

impl sealed::Sealed for ManualAck {
    const NO_ACK: bool = false;
    type Out = Delivery;

    #[inline]
    fn deliver(received: ReceivedMessage, channel: &Channel) -> Delivery {
        Delivery::new(received, channel.clone())
    }
}

impl sealed::Sealed for AutoAck {
    const NO_ACK: bool = true;
    type Out = ReceivedMessage;

    #[inline]
    fn deliver(received: ReceivedMessage, _channel: &Channel) -> ReceivedMessage {
        received
    }
}

impl AckMode for ManualAck {
    type Delivery = Delivery;
}

impl AckMode for AutoAck {
    type Delivery = ReceivedMessage;
}
