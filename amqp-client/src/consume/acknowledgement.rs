//! How deliveries are acknowledged, as types: what needs no acknowledgement has nothing to settle.

use std::fmt;

use super::delivery::Delivery;
use crate::channel::Channel;
use crate::message::Received;

/// Deliveries are acknowledged one by one; the broker keeps each until then.
#[derive(Debug)]
pub enum Manual {}

/// Deliveries count as acknowledged when they are sent (`no_ack`): what is under way when a
/// connection breaks is lost.
#[derive(Debug)]
pub enum Automatic {}

/// How a consumer's deliveries are acknowledged: [`Manual`] or [`Automatic`].
pub trait Acknowledgement: sealed::Sealed {
    /// What the consumer yields.
    type Delivery: fmt::Debug;
}

pub(super) mod sealed {
    use super::{Channel, Received};

    #[expect(
        unnameable_types,
        reason = "nobody else can say how deliveries are acknowledged"
    )]
    pub trait Sealed: Sized {
        const NO_ACK: bool;
        type Out;
        fn deliver(received: Received, channel: &Channel) -> Self::Out;
    }
}

impl sealed::Sealed for Manual {
    const NO_ACK: bool = false;
    type Out = Delivery;

    #[inline]
    fn deliver(received: Received, channel: &Channel) -> Delivery {
        Delivery::new(received, channel.clone())
    }
}

impl sealed::Sealed for Automatic {
    const NO_ACK: bool = true;
    type Out = Received;

    #[inline]
    fn deliver(received: Received, _channel: &Channel) -> Received {
        received
    }
}

impl Acknowledgement for Manual {
    type Delivery = Delivery;
}

impl Acknowledgement for Automatic {
    type Delivery = Received;
}
