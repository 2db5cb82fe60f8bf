//! What is asked of the operating system for a TCP connection.

use std::time::Duration;

/// Options of the TCP connection. They do not apply to a stream that was handed over.
///
/// ```
/// use amqp_client::options::TcpOptions;
/// use amqp_client::ConnectionOptions;
/// use std::time::Duration;
///
/// let tcp = TcpOptions::default().keepalive_idle(Duration::from_secs(30));
/// let options = ConnectionOptions::default().tcp(tcp);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TcpOptions {
    pub(crate) nodelay: bool,
    pub(crate) keepalive_idle: Option<Duration>,
    pub(crate) keepalive_interval: Option<Duration>,
    pub(crate) keepalive_count: Option<u32>,
    pub(crate) user_timeout: Option<Duration>,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            keepalive_idle: None,
            keepalive_interval: None,
            keepalive_count: None,
            user_timeout: None,
        }
    }
}

impl TcpOptions {
    /// The same as [`default`](Self::default).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a small segment leaves at once (`TCP_NODELAY`) instead of waiting for the answer to
    /// the one before it. Default: true.
    #[must_use]
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// After how much silence the system asks whether the peer is still there (`TCP_KEEPIDLE`):
    /// 1 s to 32767 s, rounded up to seconds. Default: it does not ask; heartbeats do.
    #[must_use]
    pub fn keepalive_idle(mut self, idle: Duration) -> Self {
        self.keepalive_idle = Some(idle);
        self
    }

    /// How long it waits between two such questions (`TCP_KEEPINTVL`): 1 s to 32767 s, rounded
    /// up to seconds. Default: the system's. Turns the questions on.
    #[must_use]
    pub fn keepalive_interval(mut self, interval: Duration) -> Self {
        self.keepalive_interval = Some(interval);
        self
    }

    /// After how many unanswered questions the connection counts as lost (`TCP_KEEPCNT`): 1 to
    /// 127. Default: the system's. Turns the questions on.
    #[must_use]
    pub fn keepalive_count(mut self, count: u32) -> Self {
        self.keepalive_count = Some(count);
        self
    }

    /// How long written octets may stay unacknowledged before the connection counts as lost
    /// (`TCP_USER_TIMEOUT`): 1 ms to 2³¹ - 1 ms, rounded up to milliseconds; on Linux only.
    /// Default: the system's, which is minutes.
    #[must_use]
    pub fn user_timeout(mut self, timeout: Duration) -> Self {
        self.user_timeout = Some(timeout);
        self
    }
}
