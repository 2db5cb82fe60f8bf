//! The ways to open a connection: by options over the network, or over a stream that is there.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::connect::Dialing;
use super::dial::{Plan, Rounds, Way};
#[cfg(unix)]
use super::network::Local;
use super::network::{Brought, System};
#[cfg(unix)]
use super::opening::open_by;
use super::opening::{open, open_on, start_on};
use super::redialing::Redialing;
use super::tokio::{REACTOR_LOOKS, Writes};
use crate::connection::Connection;
use crate::error::{ConnectCause, ConnectError, Stage};
use crate::options::{ConnectionOptions, Recovery};

impl Connection {
    /// Opens a connection to the broker that the URI names.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), amqp_client::ConnectError> {
    /// let connection = amqp_client::Connection::open("amqp://guest:guest@localhost").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Every attempt, how far it came, what happened, and what is probably wrong. Outside a tokio
    /// runtime nothing is tried ([`ConnectCause::NoRuntime`]).
    ///
    /// # Panics
    ///
    /// If the tokio runtime has no timers or no I/O: build it with `enable_all`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the socket is closed.
    pub async fn open(uri: impl AsRef<str>) -> Result<Self, ConnectError> {
        let options = options_of(uri.as_ref())?;
        Self::open_with(&options).await
    }

    /// Opens a connection with these options, over TCP, and over TLS if they say so.
    ///
    /// Each of the [`connection_attempts`](ConnectionOptions::connection_attempts) tries all hosts,
    /// in random order unless told otherwise, until one lets us in. Names are resolved anew each
    /// time; of several addresses the one that answers first is taken.
    ///
    /// When the connection is lost it is connected again, in its own task and in place
    /// ([`recovery`](ConnectionOptions::recovery)). An attempt is one round over all hosts, the one
    /// that has just failed last, and takes at most `open_timeout`, or 60 s if that is unset;
    /// `connection_attempts` and `retry_delay` are for the first connection only. Names are
    /// resolved, files of certificates read and a source of credentials asked anew each time. With
    /// [`Recovery::from_the_start`] the first connection is opened likewise.
    ///
    /// ```no_run
    /// use amqp_client::{Connection, ConnectionOptions};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let options: ConnectionOptions = "amqp://app:secret@broker.example/orders".parse()?;
    /// let connection = Connection::open_with(&options.connection_name("order-service")).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    ///
    /// # Cancel safety
    ///
    /// As [`open`](Self::open).
    pub async fn open_with(options: &ConnectionOptions) -> Result<Self, ConnectError> {
        open_on(&System(options.tcp.clone()), options).await
    }

    /// Begins to open a connection, and returns its handle at once: [`ready`](Self::ready) waits
    /// until it is open, and what is done with it before waits as after a loss. The first stream is
    /// connected as each later one is, by the policy of the options
    /// ([`recovery`](ConnectionOptions::recovery)), however often that takes; events are
    /// [`Retrying`](crate::event::Event::Retrying) for each attempt behind the first, and
    /// [`Opened`](crate::event::Event::Opened).
    ///
    /// Options that cannot be used, and a call outside a tokio runtime
    /// ([`ConnectCause::NoRuntime`]), give a connection that ends at once;
    /// [`close_reason`](Self::close_reason) says over what.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use amqp_client::{Connection, ConnectionOptions};
    ///
    /// let connection = Connection::start(&"amqp://broker.example".parse::<ConnectionOptions>()?);
    /// // The broker may come up later than this program.
    /// connection.ready().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    ///
    /// If the tokio runtime has no timers or no I/O: build it with `enable_all`.
    #[must_use]
    pub fn start(options: &ConnectionOptions) -> Self {
        start_on(&System(options.tcp.clone()), options)
    }

    /// Opens a connection over a stream that is already there: TLS of one's own, a tunnel, a pipe
    /// in memory. Host and port of the options only appear in errors, and their TLS options do not
    /// apply. There is no other stream, so that the connection ends when this one does. It is taken
    /// for one with layers: it is offered at most 16 KiB in one write,
    /// and messages among what a failed write was offered are uncertain, since some of it may have
    /// left.
    ///
    /// The tokio runtime in which it is called then drives the connection.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the stream is closed.
    pub async fn open_stream<S>(
        stream: S,
        options: &ConnectionOptions,
    ) -> Result<Self, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        open_over(stream, Writes::Layered, options).await
    }

    /// As [`open_stream`](Self::open_stream), for a stream that writes as a socket does: a write
    /// that fails has taken nothing of what it was offered. Pieces may be of any size then.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the stream is closed.
    #[doc(hidden)]
    pub async fn open_stream_exact<S>(
        stream: S,
        options: &ConnectionOptions,
    ) -> Result<Self, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        open_over(stream, Writes::Exact, options).await
    }

    /// Opens a connection over a Unix socket, to a broker or to a proxy that stands in front of
    /// one. Hosts, TCP options and TLS options do not apply. Tried once; when the connection is
    /// lost, it is connected again as with [`open_with`](Self::open_with).
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), with the path in place of host and port.
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    ///
    /// # Cancel safety
    ///
    /// As [`open`](Self::open).
    #[cfg(unix)]
    pub async fn open_unix(
        path: impl AsRef<std::path::Path>,
        options: &ConnectionOptions,
    ) -> Result<Self, ConnectError> {
        let path = path.as_ref();
        let way = Way::Local {
            path: path.display().to_string(),
        };
        open_by(&Local(path.to_owned()), options, way, Rounds::ONCE).await
    }
}

/// What a URI says.
fn options_of(uri: &str) -> Result<ConnectionOptions, ConnectError> {
    uri.parse()
        .map_err(|error| ConnectError::new(Stage::Options, "the URI", ConnectCause::Uri(error)))
}

/// Opens a connection over a stream that the program has brought. Tried once.
async fn open_over<S>(
    stream: S,
    writes: Writes,
    options: &ConnectionOptions,
) -> Result<Connection, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // There is no other stream.
    let options = Arc::new(options.clone().recovery(Recovery::off()));
    let network = Brought::default();
    let plan = Plan::first(Way::Brought, Rounds::ONCE, &options, REACTOR_LOOKS);
    let dialing = Dialing::new(network.clone(), Arc::clone(&options), plan)?;
    let redialing = || Redialing::new(network.clone(), Arc::clone(&options), Way::Brought);
    open(dialing.over(stream, writes), redialing).await
}
