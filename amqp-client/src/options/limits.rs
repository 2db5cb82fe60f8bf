//! How much, and how long.

use std::time::Duration;

use super::ConnectionOptions;
use crate::proto::config::{Heartbeat, WhenBlocked, WhenDown};

impl ConnectionOptions {
    /// How long either side may be silent: a time, which holds whatever the broker proposes, or one
    /// of the ways of agreeing on one ([`Heartbeat`]). Zero turns heartbeats off. Default: 60 s, or
    /// less if the broker proposes less.
    #[must_use]
    pub fn heartbeat(mut self, heartbeat: impl Into<Heartbeat>) -> Self {
        self.heartbeat = match heartbeat.into() {
            Heartbeat::Fixed(time) => time.into(),
            other => other,
        };
        self
    }

    /// The most channels that may be open at once, unless the broker allows fewer; zero leaves it
    /// to the broker. Default: 2047.
    #[must_use]
    pub fn channel_max(mut self, channel_max: u16) -> Self {
        self.channel_max = channel_max;
        self
    }

    /// The largest frame, in octets, unless the broker allows less; zero leaves it to the broker,
    /// up to 1 MiB. More than that is taken for 1 MiB, for a frame has to be held whole; messages
    /// may be larger. Less than 8192 is taken for 8192, for RabbitMQ from 4.1 on refuses less; a
    /// broker that wants less gets it. What is below 4096 is not valid. Default: 131072.
    #[must_use]
    pub fn frame_max(mut self, frame_max: u32) -> Self {
        self.frame_max = frame_max;
        self
    }

    /// How long resolving the name of a host and connecting to one of its addresses may take;
    /// asking a source of credentials may take as long. Default: 10 s.
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

    /// How long opening a connection may take in all, with every host, every attempt and the
    /// waiting between them. `None` leaves it to the limits of the single steps. Default: `None`.
    #[must_use]
    pub fn open_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.open_timeout = timeout.into();
        self
    }

    /// How long a request may wait for its reply. One that is still held back then is not sent.
    /// While what was queued before it is leaving, its time stands still: a message that takes a
    /// minute to be written costs no request its reply. Default: 30 s.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long `close` waits for the broker. While what was accepted before is leaving, its time
    /// begins anew with each write; [`write_timeout`](Self::write_timeout) bounds that. An alarm at
    /// the broker stops neither. Default: 5 s.
    #[must_use]
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// The largest message that is accepted, in bytes of body; zero: any size. Default: 128 MiB.
    ///
    /// The body of a larger one is skipped as it comes, and nothing else is disturbed: its consumer
    /// is cancelled and ends with
    /// [`ConsumeError::MessageTooLarge`](crate::ConsumeError::MessageTooLarge), unless it was
    /// started with [`when_oversized`](crate::consume::Consume::when_oversized); `basic_get` fails
    /// with [`ChannelError::MessageTooLarge`](crate::ChannelError::MessageTooLarge), a call whose
    /// reply it is with [`rpc::Error::ReplyTooLarge`](crate::rpc::Error::ReplyTooLarge). Messages
    /// of one's own that come back are not limited.
    #[must_use]
    pub fn max_message_size(mut self, octets: u64) -> Self {
        self.max_message_size = octets;
        self
    }

    /// How many octets of deliveries with acknowledgements all consumers together may leave
    /// untaken; zero: any number. Above that, the consumer that holds most is cancelled, what it
    /// has not taken goes back to its queue, and it ends with
    /// [`ConsumeError::TooSlow`](crate::ConsumeError::TooSlow). Nothing is lost. Default: 1 GiB.
    ///
    /// The broker has each consumer hold its [prefetch](crate::consume::Consume::prefetch) at most,
    /// so *prefetch × size of a message*, added up over all consumers, is what to compare this
    /// with: 200 messages of 1 MiB are 200 MiB. A read brings some hundred KiB more, or one
    /// message. Keep it above the largest message: one that is larger goes back each time it comes.
    #[must_use]
    pub fn inbound_limit(mut self, octets: usize) -> Self {
        self.inbound_limit = octets;
        self
    }

    /// How many bytes may wait to be written before publishers wait. Default: 512 KiB.
    #[must_use]
    pub fn write_buffer_limit(mut self, bytes: usize) -> Self {
        self.write_buffer_limit = bytes;
        self
    }

    /// What publishing does while the broker has blocked the connection. Default: it waits.
    #[must_use]
    pub fn when_blocked(mut self, policy: WhenBlocked) -> Self {
        self.when_blocked = policy;
        self
    }

    /// What publishing does while a connection that was lost comes back, unless its
    /// [publisher](crate::Publisher::when_down) says otherwise. Default: it waits, no longer than
    /// [`patience`](crate::options::Recovery::patience) lasts.
    #[must_use]
    pub fn when_down(mut self, policy: WhenDown) -> Self {
        self.when_down = policy;
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

    /// How long the broker may take nothing of what is to be written before it is given up with
    /// [`ConnectionError::WriteTimeout`](crate::ConnectionError::WriteTimeout). A broker that goes
    /// on sending heartbeats is not dead, but publishers would wait for it for ever. The time
    /// during which it has [blocked](crate::Connection::blocked_reason) the connection does not
    /// count. `None` waits for as long as it takes. Default: 120 s.
    ///
    /// Also how long [`Connection::close`](crate::Connection::close) may take to write what was
    /// accepted before, alarm or not: give more to a program that closes with hundreds of MiB
    /// before a slow line.
    #[must_use]
    pub fn write_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.write_timeout = timeout.into();
        self
    }
}
