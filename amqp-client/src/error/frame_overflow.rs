//! What does not fit one frame: neither a method nor the properties of a message can be split.

use std::fmt;

use amqp_spec::frame::FrameTooLarge;

use super::{Entity, Subject, debug_is_text};

/// A method with its arguments, or the properties of a message with its headers, that would need a
/// frame larger than the two sides have agreed on. Nothing was sent.
///
/// [`ConnectionOptions::frame_max`](crate::ConnectionOptions::frame_max) asks for larger frames; the
/// broker's own setting bounds them, too. The body of a message is not meant: it takes as many
/// frames as it needs.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct FrameOverflow {
    /// The size that the frame would have, in bytes, overhead included.
    pub size: usize,
    /// The largest size that the two sides have agreed on.
    pub frame_max: usize,
    /// Whether it is a message's properties, and not a method's arguments.
    pub is_message: bool,
    /// Where the message was to go: the exchange, or the queue behind the default exchange.
    pub entity: Option<Entity>,
}

impl FrameOverflow {
    /// Says that it was a message, and where it was to go.
    pub(super) fn of_message(mut self, subject: Subject<'_>) -> Self {
        self.is_message = true;
        self.entity = subject.entity();
        self
    }
}

impl From<FrameTooLarge> for FrameOverflow {
    fn from(error: FrameTooLarge) -> Self {
        Self {
            size: error.size,
            frame_max: error.frame_max,
            is_message: false,
            entity: None,
        }
    }
}

impl fmt::Display for FrameOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.is_message {
            true => "the message's properties, headers included, take",
            false => "the method's arguments take",
        };
        let Self {
            size, frame_max, ..
        } = self;
        write!(
            f,
            "{what} a frame of {size} octets where frame-max allows {frame_max} \
             (ConnectionOptions::frame_max and the broker's setting can raise it)"
        )?;
        match &self.entity {
            Some(entity) => write!(f, " ({entity})"),
            None => Ok(()),
        }
    }
}

debug_is_text!(struct FrameOverflow { size, frame_max, is_message, entity });

impl std::error::Error for FrameOverflow {}
