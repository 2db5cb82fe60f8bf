//! The method that a declared queue is sent as, once it has been found to make sense.

use amqp_spec::queue;

use super::check;
use super::queue::QueueDeclare;
use crate::error::{About, ArgumentError, ChannelError, Subject};

impl QueueDeclare {
    /// What a declaration is about: where its dead letters go may be refused as well.
    pub(crate) fn about(&self) -> About {
        match self.arguments.text("x-dead-letter-exchange") {
            Some(exchange) => About::binding(&self.name, exchange),
            None => About::queue(&self.name),
        }
    }

    pub(crate) fn as_method(&self) -> Result<queue::Declare<'_>, ChannelError> {
        let subject = Subject::declared(&self.name);
        // Behind an argument that cannot be sent the others cannot be read.
        let arguments = self.arguments.checked(subject)?;
        if !self.unchecked {
            check::queue(self).map_err(|error| error.about(subject))?;
        }
        Ok(queue::Declare {
            queue: Subject::Nothing.short("queue", &self.name)?,
            passive: self.passive,
            durable: self.durable,
            exclusive: self.exclusive,
            auto_delete: self.auto_delete,
            no_wait: false,
            arguments,
        })
    }

    /// As [`as_method`](Self::as_method), without a reply; that would be the only one to know the
    /// name that the broker chose.
    pub(crate) fn as_method_no_wait(&self) -> Result<queue::Declare<'_>, ChannelError> {
        if self.name.is_empty() {
            return Err(ChannelError::Invalid(ArgumentError::contradiction(
                "no_wait",
                "a name that the broker chooses",
            )));
        }
        Ok(queue::Declare {
            no_wait: true,
            ..self.as_method()?
        })
    }
}
