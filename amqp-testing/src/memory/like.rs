//! Which broker is played.

/// The broker whose behaviour is reproduced: texts of errors, codes, order, and what it accepts.
///
/// Both were measured on the wire, one node with its default configuration. Where they differ, the
/// documentation of this module says so.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Like {
    /// RabbitMQ 3.10, as 3.10.8 behaves.
    RabbitMq3_10,
    /// RabbitMQ 4.0, as 4.0.5 behaves.
    #[default]
    RabbitMq4_0,
}

impl Like {
    /// The version that the broker tells in its `server-properties`.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::RabbitMq3_10 => "3.10.8",
            Self::RabbitMq4_0 => "4.0.5",
        }
    }

    /// What it runs on, as it tells in its `server-properties`.
    pub(super) const fn platform(self) -> &'static str {
        match self {
            Self::RabbitMq3_10 => "Erlang/OTP 25.2.3",
            Self::RabbitMq4_0 => "Erlang/OTP 27.3.4.1",
        }
    }

    pub(super) const fn copyright(self) -> &'static str {
        match self {
            Self::RabbitMq3_10 => "Copyright (c) 2007-2022 VMware, Inc. or its affiliates.",
            Self::RabbitMq4_0 => "Copyright (c) 2007-2024 Broadcom Inc and/or its subsidiaries",
        }
    }

    /// Whether it writes the default type into the arguments of each queue.
    pub(super) const fn adds_queue_type(self) -> bool {
        match self {
            Self::RabbitMq3_10 => false,
            Self::RabbitMq4_0 => true,
        }
    }

    /// The ways to log in, in the order in which `connection.start` lists them.
    #[must_use]
    pub const fn mechanisms(self) -> &'static str {
        match self {
            Self::RabbitMq3_10 => "AMQPLAIN PLAIN",
            Self::RabbitMq4_0 => "AMQPLAIN ANONYMOUS PLAIN",
        }
    }

    /// The largest message, in octets, that is taken unless [`Limits`](super::Limits) say
    /// otherwise.
    #[must_use]
    pub const fn max_message_size(self) -> u64 {
        match self {
            Self::RabbitMq3_10 => 134_217_728,
            Self::RabbitMq4_0 => 16_777_216,
        }
    }
}
