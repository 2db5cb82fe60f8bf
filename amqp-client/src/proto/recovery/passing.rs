//! Refusals whose reason may pass.

use amqp_spec::ReplyCode;

use crate::error::ChannelError;

/// Why something may be granted later that was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Passing {
    /// It belongs to a connection of which the broker does not know that it is gone: ours, most
    /// likely.
    Exclusive,
    /// A node of the broker is not there yet.
    OutOfReach,
    /// To ask for it cost the connection, or had no answer.
    Costly,
}

impl Passing {
    /// Whether it was refused since another consumer has the queue for itself, or any other has it.
    pub(super) fn is_exclusive_use(error: &ChannelError) -> bool {
        error
            .broker_close()
            .is_some_and(|close| close.reply_text.contains("in exclusive use"))
    }

    /// Of a refusal; `None` if it is for good.
    pub(super) fn of(error: &ChannelError) -> Option<Self> {
        let close = error.broker_close()?;
        match close.reply_code {
            ReplyCode::RESOURCE_LOCKED => Some(Self::Exclusive),
            ReplyCode::ACCESS_REFUSED if close.reply_text.contains("in exclusive use") => {
                Some(Self::Exclusive)
            }
            _ if close.is_out_of_reach() => Some(Self::OutOfReach),
            _ => None,
        }
    }
}
