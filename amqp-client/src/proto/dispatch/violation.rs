//! What the broker is told when it breaks the protocol (AMQP 0-9-1 §4.10.2).

use amqp_spec::frame::{self, FrameError};
use amqp_spec::wire::ShortStr;
use amqp_spec::{ReplyCode, connection};

use crate::error::Violation;

/// The `connection.close` that tells it; `None` if nothing may be said.
pub(crate) fn farewell(violation: &Violation) -> Option<Vec<u8>> {
    let reply_code = reply_code(violation)?;
    let (method, reply_text) = (violation.method(), violation.reply_text());
    let close = connection::Close {
        reply_code: reply_code.0,
        reply_text: ShortStr::new(reply_text.as_bytes()).unwrap_or_default(),
        class_id: method.class_id(),
        method_id: method.method_id(),
    };
    let mut frame = Vec::new();
    frame::encode_method(&mut frame, 0, &close, usize::MAX).ok()?;
    Some(frame)
}

fn reply_code(violation: &Violation) -> Option<ReplyCode> {
    match violation {
        Violation::Frame(FrameError::TooLarge { .. } | FrameError::InvalidHeartbeat { .. }) => {
            Some(ReplyCode::FRAME_ERROR)
        }
        // Where the frames of the other side cannot be told apart any more, nothing may be said
        // (AMQP 0-9-1 §4.2.3).
        Violation::Frame(_)
        | Violation::ProtocolHeader { .. }
        | Violation::ProtocolVersion { .. } => None,
        Violation::Decode(_) => Some(ReplyCode::SYNTAX_ERROR),
        Violation::ConsumerTag { .. } => Some(ReplyCode::COMMAND_INVALID),
        Violation::UnexpectedMethod { .. } | Violation::UnexpectedContent { .. } => {
            Some(ReplyCode::UNEXPECTED_FRAME)
        }
        Violation::BodyTooLong { .. } => Some(ReplyCode::FRAME_ERROR),
        Violation::UnknownChannel { .. } => Some(ReplyCode::CHANNEL_ERROR),
        Violation::TooManyAnswers { .. } => Some(ReplyCode::RESOURCE_ERROR),
        Violation::Tuning { .. } => None,
    }
}
