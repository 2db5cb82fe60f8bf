//! What a program's own error is made of, next to the client's [`Error`](enum@crate::Error).
//!
//! Written into the program: so it names what is public, by the paths that are.

/// Lets `?` turn every error of this library into an error of the program's own, which has to be
/// `From<amqp_client::Error>`.
///
/// `#[from]` alone does not do that: `?` goes one step, and a call returns a
/// [`ChannelError`](crate::ChannelError), say, and no [`Error`](enum@crate::Error). This writes the
/// other step for each of them. Not for [`Utf8Error`](std::str::Utf8Error), which
/// [`text`](crate::ReceivedMessage::text) returns: it is the standard library's, and may mean
/// something else elsewhere in the program.
///
/// ```
/// use amqp_client::{Connection, Message};
///
/// #[derive(Debug, thiserror::Error)]
/// enum OrderError {
///     #[error("the order was not placed")] // why is told by the next in the chain
///     Broker(#[source] #[from] amqp_client::Error),
///     #[error(transparent)]
///     File(#[from] std::io::Error),
/// }
///
/// amqp_client::from_errors!(OrderError);
///
/// async fn place(connection: &Connection, file: &str) -> Result<(), OrderError> {
///     let order = std::fs::read(file)?;
///     let channel = connection.open_channel().await?; // a ChannelError
///     channel.queue_declare("orders").await?;
///     let publisher = connection.open_publisher().await?;
///     publisher.publish("", "orders", Message::new(order)).await?; // a PublishError
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! from_errors {
    ($program:ty) => {
        $crate::from_errors! { @each $program:
            $crate::ConnectError,
            $crate::ConnectionError,
            $crate::ChannelError,
            $crate::PublishError,
            $crate::publish::Unconfirmed,
            $crate::ConsumeError,
            $crate::rpc::Error,
            $crate::error::UriError,
            $crate::error::EnvironmentError,
            $crate::error::OptionError,
            $crate::error::TlsError,
            $crate::sasl::SaslError,
            $crate::sasl::UnknownMechanism,
            $crate::amqp_spec::wire::TooLong,
            $crate::amqp_spec::wire::NotRepresentable,
            $crate::amqp_spec::wire::DecodeError,
            $crate::amqp_spec::frame::FrameError,
            $crate::error::ArgumentError,
            $crate::error::NameTooLong,
            $crate::amqp_spec::frame::FrameTooLarge,
            $crate::error::FrameOverflow,
            $crate::error::Violation,
            $crate::error::BrokerClose
        }
    };
    (@each $program:ty: $($error:ty),+) => {$(
        impl ::core::convert::From<$error> for $program {
            fn from(error: $error) -> Self {
                ::core::convert::From::from($crate::Error::from(error))
            }
        }
    )+};
}
