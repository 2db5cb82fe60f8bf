//! Ways of doing input and output. Each one moves octets between a stream and the
//! [core](crate::proto::Core), keeps its deadlines, and decides nothing about AMQP.

#[cfg(feature = "tokio")]
pub(crate) mod tokio;
