//! What the core is told before it begins.

use std::fmt;
use std::time::Duration;

use amqp_spec::wire::FieldTable;

use super::heartbeat_rule::Heartbeat;
use crate::proto::recovery::Recovery;
use crate::proto::time::clock::Clock;
use crate::sasl::{AuthMechanism, Credentials};

/// What a core needs to know from the start.
#[derive(Clone, Debug)]
pub(crate) struct CoreOptions {
    /// Who we are and what we want.
    pub(crate) login: Login,
    /// How long the opening may take, from the protocol header to `connection.open-ok`.
    pub(crate) handshake_timeout: Duration,
    /// How long a request may wait for its reply.
    pub(crate) request_timeout: Duration,
    /// The largest message accepted, in octets of body; zero: any size. The body of a larger one is
    /// skipped, and its consumer is told.
    pub(crate) max_message_size: u64,
    /// How many octets of deliveries with acknowledgements may be held for consumers; zero: any
    /// number. Above that, those that hold most are cancelled.
    pub(crate) inbound_limit: usize,
    /// Tells the time to callers whose requests have a deadline.
    pub(crate) clock: Clock,
    /// A random number, which makes the consumer tags of this connection unlike those of others.
    pub(crate) consumer_tag_seed: u64,
    /// How many bytes may wait to be written before publishers wait.
    pub(crate) write_buffer_limit: usize,
    /// What publishers do while the broker has blocked the connection.
    pub(crate) when_blocked: WhenBlocked,
    /// What publishers do while a connection that was lost comes back.
    pub(crate) when_down: WhenDown,
    /// After how long a blocked connection is given up; `None`: never.
    pub(crate) blocked_connection_timeout: Option<Duration>,
    /// After how long a peer that takes nothing of what is to be written is given up; `None`:
    /// never.
    pub(crate) write_timeout: Option<Duration>,
    /// What happens when the stream is lost.
    pub(crate) recovery: Recovery,
    /// A random number, by which attempts to come back wait for more or less.
    pub(crate) recovery_seed: u64,
}

/// What is asked for when a connection is opened.
#[derive(Clone)]
pub(crate) struct Login {
    /// Who we are.
    pub(crate) credentials: Credentials,
    /// How we may prove it; the first that the broker offers is used.
    pub(crate) mechanisms: Vec<AuthMechanism>,
    /// The virtual host.
    pub(crate) virtual_host: String,
    /// The language of reply texts.
    pub(crate) locale: String,
    /// What the broker shows of us: product, version, `connection_name`, capabilities.
    pub(crate) client_properties: FieldTable,
    /// The most channels that we want to open; zero: as many as the broker allows.
    pub(crate) channel_max: u16,
    /// The largest frame that we want, in octets; zero: as large as the broker allows, up to 1 MiB.
    pub(crate) frame_max: u32,
    /// How to agree on heartbeats.
    pub(crate) heartbeat: Heartbeat,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.credentials.user())
            .field("mechanisms", &self.mechanisms)
            .field("virtual_host", &self.virtual_host)
            .finish_non_exhaustive()
    }
}

/// What publishing does while the broker has blocked the connection
/// ([`ConnectionOptions::when_blocked`](crate::ConnectionOptions::when_blocked)).
///
/// ```
/// use amqp_client::options::WhenBlocked;
/// use amqp_client::ConnectionOptions;
///
/// let options = ConnectionOptions::default().when_blocked(WhenBlocked::Fail);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum WhenBlocked {
    /// Waits until the broker takes messages again. Nothing is queued meanwhile.
    #[default]
    Wait,
    /// Fails at once with [`ChannelError::Blocked`](crate::ChannelError::Blocked). So do publishes
    /// that were waiting for room, or for answers to others
    /// ([`Publisher::max_outstanding`](crate::Publisher::max_outstanding)), when the alarm came;
    /// what had been handed over is still sent.
    ///
    /// RabbitMQ tells a connection of an alarm when it publishes, and holds what it has published
    /// until then: so the first publish during an alarm is confirmed when that is over, unless
    /// [`confirm_timeout`](crate::Publisher::confirm_timeout) gives it up before, and the next fails.
    Fail,
}

/// What publishing does while a connection that was lost comes back
/// ([`ConnectionOptions::when_down`](crate::ConnectionOptions::when_down),
/// [`Publisher::when_down`](crate::Publisher::when_down)).
///
/// ```
/// use amqp_client::options::WhenDown;
/// use amqp_client::ConnectionOptions;
///
/// let options = ConnectionOptions::default().when_down(WhenDown::Fail);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum WhenDown {
    /// Waits until the connection and the channel are back, for as long as the
    /// [`patience`](crate::options::Recovery::patience) of the recovery lasts. Nothing is queued
    /// meanwhile.
    #[default]
    Wait,
    /// Fails at once with [`ChannelError::Recovering`](crate::ChannelError::Recovering). So do
    /// publishes that were waiting when the connection was lost, and those of
    /// [`Publisher::publish`](crate::Publisher::publish) whose message had not been written whole.
    Fail,
}
