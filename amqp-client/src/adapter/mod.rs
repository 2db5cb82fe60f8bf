//! Ways of doing input and output. Each one moves octets between a stream and the
//! [core](crate::proto::Core), keeps its deadlines, and decides nothing about AMQP.

#[cfg(feature = "tokio")]
mod connect;
#[cfg(feature = "tokio")]
mod dial;
#[cfg(feature = "tokio")]
mod driver;
#[cfg(feature = "tokio")]
mod network;
#[cfg(feature = "tokio")]
mod open;
#[cfg(feature = "tokio")]
mod opening;
#[cfg(any(feature = "tokio", test))]
mod pump;
#[cfg(feature = "tokio")]
mod redialing;
#[cfg(feature = "tokio")]
mod tls;
#[cfg(feature = "tokio")]
pub(crate) mod tokio;
#[cfg(feature = "tokio")]
mod wire;

#[cfg(all(test, feature = "tokio"))]
mod tests;
