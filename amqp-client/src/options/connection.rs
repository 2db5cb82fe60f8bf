//! All options of a connection, and what their defaults are.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use amqp_spec::wire::FieldTable;

use crate::proto::config::{CoreOptions, Heartbeat, Login, WhenBlocked, WhenDown};
use crate::proto::recovery::Recovery;
use crate::proto::time::clock::Clock;
use crate::sasl::{AuthMechanism, CredentialSource, Credentials};

use super::host::{Host, HostOrder};
use super::tcp::TcpOptions;
use super::tls::TlsOptions;

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
/// # Ok::<(), amqp_client::error::UriError>(())
/// ```
///
/// # As a URI
///
/// `amqp://user:password@host:port/virtual-host?parameter=value`, or `amqps://` for TLS, as
/// RabbitMQ specifies it. Everything behind the scheme may be missing; `amqp://host` is the virtual
/// host `/`, `amqp://host/` the one whose name is empty. Whatever has a meaning in URIs is
/// percent-encoded: `/` in a virtual host is `%2f`, and so is one in a password; an `@` that
/// follows it is an error, for the password might end there. Several hosts stand side by side:
/// `amqp://a,b:5673,[::1]/orders`.
///
/// | parameter | setter or meaning |
/// |---|---|
/// | `heartbeat` | [`heartbeat`](Self::heartbeat): seconds, `0` for none, `server`, `at_most:60` |
/// | `connection_timeout` | [`connect_timeout`](Self::connect_timeout) in milliseconds, as RabbitMQ's clients have it |
/// | `handshake_timeout`, `open_timeout`, `request_timeout`, `close_timeout` | the setters of the same names, in seconds |
/// | `blocked_connection_timeout`, `when_blocked` | [the one](Self::blocked_connection_timeout) in seconds, [the other](Self::when_blocked) `wait` or `fail` |
/// | `when_down` | [`when_down`](Self::when_down): `wait` or `fail` |
/// | `write_timeout` | [`write_timeout`](Self::write_timeout) in seconds, `0` for none |
/// | `connection_attempts`, `retry_delay`, `host_order` | [a number](Self::connection_attempts), [seconds](Self::retry_delay), [`random` or `given`](Self::host_order) |
/// | `recovery` | [`recovery`](Self::recovery): `on` or `off` |
/// | `recovery_min_delay`, `recovery_max_delay` | [`Recovery::delays`] in seconds |
/// | `recovery_attempts`, `recovery_give_up_after`, `recovery_patience`, `recovery_entity_patience`, `recovery_refused_for`, `recovery_exclusive_for` | the setters of [`Recovery`] without `recovery_`: a number, all others in seconds |
/// | `recovery_restore`, `recovery_from_the_start` | [`Recovery::restore`]: `all`, `transient` or `consumers`; [`Recovery::from_the_start`]: `true` or `false` |
/// | `channel_max`, `frame_max`, `max_message_size`, `inbound_limit`, `write_buffer_limit` | the setters of the same names |
/// | `auth_mechanism` | [`auth_mechanisms`](Self::auth_mechanisms): `plain`, `amqplain`, `external`, `anonymous`, `rabbit-cr-demo`; repeated for more, in order of preference |
/// | `connection_name`, `locale`, `client_properties.NAME` | [a name](Self::connection_name), [a language](Self::locale), [a text to be shown](Self::client_properties) |
/// | `tcp_nodelay`, `tcp_keepalive_idle`, `tcp_keepalive_interval`, `tcp_keepalive_count`, `tcp_user_timeout` | [`TcpOptions`]: `true` or `false`, seconds, seconds, a number, seconds |
/// | `cacertfile`, `certfile`, `keyfile`, `password` | [`TlsOptions`]: files (the first may be repeated), and what the key is encrypted with |
/// | `verify`, `server_name_indication` | [`TlsOptions`]: `verify_peer` or `verify_none`, a name or `disable` |
/// | `system_roots`, `bundled_roots` | [`TlsOptions`]: `true` or `false` |
/// | `fail_if_no_peer_cert` | nothing: it is about servers, and read only because many URIs have it |
///
/// Seconds may have a fraction (`0.25`), but for those of the heartbeat and of keepalive. Every
/// time may be written with its unit in place of the parameter's: `15s`, `500ms`.
///
/// An unknown or repeated parameter is an error, and so is one about TLS in `amqp://`: ignored, a
/// typing mistake would pass for safety. `depth` and `customize_hostname_check`, which the Erlang
/// client knows, are refused, since they cannot be obeyed.
///
/// [`to_uri_with_secrets`](Self::to_uri_with_secrets) writes such a URI, `Display` writes it
/// without passwords. [`from_env`](Self::from_env) reads environment variables.
///
/// Two are equal if they connect alike: `amqp://host` equals `amqp://HOST:5672`.
#[derive(Clone)]
pub struct ConnectionOptions {
    /// Not empty, unless the program made it so.
    pub(crate) hosts: Vec<Host>,
    pub(crate) host_order: HostOrder,
    /// `None`: in the clear, `amqp://`.
    pub(crate) tls: Option<TlsOptions>,
    pub(crate) tcp: TcpOptions,
    pub(crate) credentials: Credentials,
    pub(crate) credential_source: Option<CredentialSource>,
    /// In order of preference.
    pub(crate) mechanisms: Vec<AuthMechanism>,
    pub(crate) virtual_host: String,
    pub(crate) locale: String,
    pub(crate) connection_name: Option<String>,
    /// What the program adds to ours.
    pub(crate) client_properties: FieldTable,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) channel_max: u16,
    pub(crate) frame_max: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) connection_attempts: u32,
    pub(crate) retry_delay: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) open_timeout: Option<Duration>,
    pub(crate) request_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) max_message_size: u64,
    pub(crate) inbound_limit: usize,
    pub(crate) write_buffer_limit: usize,
    pub(crate) when_blocked: WhenBlocked,
    pub(crate) when_down: WhenDown,
    pub(crate) blocked_connection_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) recovery: Recovery,
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
            credentials: Credentials::default(),
            credential_source: None,
            mechanisms: vec![AuthMechanism::Plain, AuthMechanism::AmqPlain],
            virtual_host: "/".to_owned(),
            locale: "en_US".to_owned(),
            connection_name: None,
            client_properties: FieldTable::new(),
            heartbeat: Heartbeat::AtMost(Duration::from_secs(60)),
            channel_max: 2047,
            frame_max: 128 * 1024,
            connect_timeout: Duration::from_secs(10),
            connection_attempts: 1,
            retry_delay: Duration::from_secs(2),
            handshake_timeout: Duration::from_secs(15),
            open_timeout: None,
            request_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            max_message_size: 128 * 1024 * 1024,
            inbound_limit: 1024 * 1024 * 1024,
            write_buffer_limit: 512 * 1024,
            when_blocked: WhenBlocked::Wait,
            when_down: WhenDown::Wait,
            blocked_connection_timeout: None,
            write_timeout: Some(Duration::from_secs(120)),
            recovery: Recovery::new(),
        }
    }
}

impl ConnectionOptions {
    /// The same as [`default`](Self::default): to RabbitMQ on this host.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Encrypts the connection, and checks who the broker is. Default: in the clear.
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What TLS is to check and to show, if the connection is to be encrypted: for drivers of one's
    /// own, which make a session of it.
    #[must_use]
    pub fn tls_options(&self) -> Option<&TlsOptions> {
        self.tls.as_ref()
    }

    /// Options of the TCP connection.
    #[must_use]
    pub fn tcp(mut self, tcp: TcpOptions) -> Self {
        self.tcp = tcp;
        self
    }

    /// What happens when the connection is lost: by default it comes back. Nothing does so by
    /// itself where the stream is the program's:
    /// `Connection::open_stream` and
    /// [`with_core`](crate::Connection::with_core) cannot open another one, and such a connection
    /// ends with its stream.
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// What the core needs to know of it.
    pub(crate) fn to_core(&self, clock: Clock) -> CoreOptions {
        CoreOptions {
            login: Login {
                credentials: self.credentials.clone(),
                mechanisms: self.mechanisms.clone(),
                virtual_host: self.virtual_host.clone(),
                locale: self.locale.clone(),
                client_properties: self.all_client_properties(),
                channel_max: self.channel_max,
                frame_max: self.frame_max,
                heartbeat: self.heartbeat.clone(),
            },
            handshake_timeout: self.handshake_timeout,
            request_timeout: self.request_timeout,
            max_message_size: self.max_message_size,
            inbound_limit: self.inbound_limit,
            clock,
            consumer_tag_seed: random(),
            write_buffer_limit: self.write_buffer_limit,
            when_blocked: self.when_blocked,
            when_down: self.when_down,
            blocked_connection_timeout: self.blocked_connection_timeout,
            write_timeout: self.write_timeout,
            recovery: self.recovery.clone(),
            recovery_seed: random(),
        }
    }
}

impl fmt::Debug for ConnectionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionOptions")
            .field("address", &self.address())
            .field("tls", &self.tls)
            .field("credentials", &self.credentials)
            .field("mechanisms", &self.mechanisms)
            .field("virtual_host", &self.virtual_host)
            .field("connection_name", &self.connection_name)
            .field("heartbeat", &self.heartbeat)
            .field("channel_max", &self.channel_max)
            .field("frame_max", &self.frame_max)
            .finish_non_exhaustive()
    }
}

/// A number that differs from process to process and from call to call. Not a secret.
fn random() -> u64 {
    // The standard library keys its hash maps with numbers of the operating system.
    RandomState::new().hash_one(0)
}
