//! How to connect: where, as whom, within which limits.

mod hosts;
mod tcp;
mod tls;

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use amqp_spec::field_table;
use amqp_spec::wire::{FieldTable, LongStr};

use crate::blocked::WhenBlocked;
use crate::proto::{CoreOptions, Limits, Login};
use crate::secret::Secret;
use crate::uri::{self, UriError};

#[cfg(feature = "tokio")]
pub(crate) use self::hosts::Address;
pub(crate) use self::hosts::Host;
pub use self::hosts::HostOrder;
pub use self::tcp::TcpOptions;
pub use self::tls::TlsOptions;
#[cfg(feature = "rustls-core")]
pub(crate) use self::tls::{ServerName, Verify};

/// Everything that opening a connection depends on. Start from a URI or from
/// [`ConnectionOptions::default`], which is `amqp://guest:guest@localhost:5672/%2f`.
///
/// ```
/// use amqp_client::ConnectionOptions;
/// use std::time::Duration;
///
/// let options: ConnectionOptions = "amqp://app:secret@broker.example/orders".parse()?;
/// let options = options.heartbeat(Duration::from_secs(20)).connection_name("order-service");
/// assert!(!format!("{options:?}").contains("secret"));
/// # Ok::<(), amqp_client::UriError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct ConnectionOptions {
    /// Not empty, unless the program made it so.
    pub(crate) hosts: Vec<Host>,
    pub(crate) host_order: HostOrder,
    /// `None`: in the clear, `amqp://`.
    pub(crate) tls: Option<TlsOptions>,
    pub(crate) tcp: TcpOptions,
    pub(crate) user: String,
    pub(crate) password: Secret,
    pub(crate) virtual_host: String,
    pub(crate) connection_name: Option<String>,
    pub(crate) heartbeat: Duration,
    pub(crate) channel_max: u16,
    pub(crate) frame_max: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) connection_attempts: u32,
    pub(crate) retry_delay: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) bring_up_timeout: Option<Duration>,
    pub(crate) request_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) max_message_size: u64,
    pub(crate) high_water: usize,
    pub(crate) when_blocked: WhenBlocked,
    pub(crate) blocked_connection_timeout: Option<Duration>,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            hosts: vec![Host {
                name: "localhost".to_owned(),
                port: None,
            }],
            host_order: HostOrder::Random,
            tls: None,
            tcp: TcpOptions::default(),
            user: "guest".to_owned(),
            password: "guest".into(),
            virtual_host: "/".to_owned(),
            connection_name: None,
            heartbeat: Duration::from_secs(60),
            channel_max: 2047,
            frame_max: 128 * 1024,
            connect_timeout: Duration::from_secs(10),
            connection_attempts: 1,
            retry_delay: Duration::from_secs(2),
            handshake_timeout: Duration::from_secs(15),
            bring_up_timeout: None,
            request_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            max_message_size: 128 * 1024 * 1024,
            high_water: 256 * 1024,
            when_blocked: WhenBlocked::Wait,
            blocked_connection_timeout: None,
        }
    }
}

impl ConnectionOptions {
    /// Encrypts the connection, and checks who the broker is. Default: in the clear.
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Options of the TCP connection.
    #[must_use]
    pub fn tcp(mut self, tcp: TcpOptions) -> Self {
        self.tcp = tcp;
        self
    }

    /// User name and password. Default: `guest` and `guest`, which RabbitMQ accepts from localhost
    /// only.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.user = user.into();
        self.password = password.into();
        self
    }

    /// The virtual host. Default: `/`.
    #[must_use]
    pub fn virtual_host(mut self, virtual_host: impl Into<String>) -> Self {
        self.virtual_host = virtual_host.into();
        self
    }

    /// What the broker's management shows for this connection. Default: none.
    #[must_use]
    pub fn connection_name(mut self, name: impl Into<String>) -> Self {
        self.connection_name = Some(name.into());
        self
    }

    /// How long the peer may be silent: it counts as dead after twice this time. Rounded up to
    /// whole seconds, up to 65535; zero turns heartbeats off in both directions. Default: 60 s.
    #[must_use]
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// The most channels that may be open at once, unless the broker allows fewer; zero leaves it to
    /// the broker. Default: 2047.
    #[must_use]
    pub fn channel_max(mut self, channel_max: u16) -> Self {
        self.channel_max = channel_max;
        self
    }

    /// The largest frame, in octets, unless the broker allows less; zero leaves it to the broker. At
    /// least 4096, and 8192 for RabbitMQ from 4.1. Default: 131072.
    #[must_use]
    pub fn frame_max(mut self, frame_max: u32) -> Self {
        self.frame_max = frame_max;
        self
    }

    /// How long resolving the name of a host and connecting to one of its addresses may take.
    /// Default: 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How many times all hosts are tried before opening a connection fails; at least 1. What would
    /// fail again, such as a wrong password, is not tried again. Default: 1.
    #[must_use]
    pub fn connection_attempts(mut self, attempts: u32) -> Self {
        self.connection_attempts = attempts;
        self
    }

    /// How long to wait between two such attempts. Default: 2 s.
    #[must_use]
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retry_delay = delay;
        self
    }

    /// How long the broker may take from the first octet until the connection is open; with TLS, as
    /// long again to agree on that before. Default: 15 s; RabbitMQ itself gives up after 10 s.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How long opening a connection may take in all, with every host, every attempt and the waiting
    /// between them. `None` leaves it to the limits of the single steps. Default: `None`.
    #[must_use]
    pub fn bring_up_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.bring_up_timeout = timeout.into();
        self
    }

    /// How long a request may wait for its reply. Default: 30 s.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long `close` waits for the broker. Default: 5 s.
    #[must_use]
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// The largest message that is accepted, in octets of body. A larger one ends the connection.
    /// Default: 128 MiB.
    #[must_use]
    pub fn max_message_size(mut self, octets: u64) -> Self {
        self.max_message_size = octets;
        self
    }

    /// How many octets may wait to be written before publishers wait. Default: 256 KiB.
    #[must_use]
    pub fn high_water(mut self, octets: usize) -> Self {
        self.high_water = octets;
        self
    }

    /// What publishing does while the broker has blocked the connection. Default: it waits.
    #[must_use]
    pub fn when_blocked(mut self, policy: WhenBlocked) -> Self {
        self.when_blocked = policy;
        self
    }

    /// How long the broker may block the connection before it is given up with
    /// [`ConnectionError::BlockedTimeout`](crate::ConnectionError::BlockedTimeout). `None` waits
    /// for as long as it takes. Default: `None`.
    #[must_use]
    pub fn blocked_connection_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.blocked_connection_timeout = timeout.into();
        self
    }

    /// What the core needs to know of it.
    #[must_use]
    pub fn to_core(&self, clock: fn() -> Instant) -> CoreOptions {
        CoreOptions {
            login: Login {
                user: self.user.clone(),
                password: self.password.clone(),
                virtual_host: self.virtual_host.clone(),
                client_properties: self.client_properties(),
                limits: Limits {
                    channel_max: self.channel_max,
                    frame_max: self.frame_max,
                    heartbeat: self.heartbeat,
                },
            },
            handshake_timeout: self.handshake_timeout,
            request_timeout: self.request_timeout,
            max_message_size: self.max_message_size,
            clock,
            high_water: self.high_water,
            when_blocked: self.when_blocked,
            blocked_connection_timeout: self.blocked_connection_timeout,
        }
    }

    /// What RabbitMQ shows of a client, and what it must know that we can do.
    fn client_properties(&self) -> FieldTable {
        let capabilities = field_table! {
            "authentication_failure_close" => true,
            "basic.nack" => true,
            "connection.blocked" => true,
            "consumer_cancel_notify" => true,
            "exchange_exchange_bindings" => true,
            "publisher_confirms" => true,
        };
        let mut properties = field_table! {
            "product" => "amqp-client",
            "version" => env!("CARGO_PKG_VERSION"),
            "platform" => "Rust",
            "capabilities" => &capabilities,
        };
        let name = self.connection_name.as_ref();
        if let Some(Ok(name)) = name.map(|name| LongStr::new(name.as_bytes())) {
            properties.insert(amqp_spec::short_str!("connection_name"), name);
        }
        properties
    }
}

impl FromStr for ConnectionOptions {
    type Err = UriError;

    fn from_str(uri: &str) -> Result<Self, UriError> {
        uri::parse(uri)
    }
}

impl fmt::Debug for ConnectionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionOptions")
            .field("address", &self.address())
            .field("tls", &self.tls)
            .field("user", &self.user)
            .field("virtual_host", &self.virtual_host)
            .field("connection_name", &self.connection_name)
            .field("heartbeat", &self.heartbeat)
            .field("channel_max", &self.channel_max)
            .field("frame_max", &self.frame_max)
            .finish_non_exhaustive()
    }
}
