//! What can go wrong while a private broker is started, steered or asked.

use std::{fmt, io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why a private broker could not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum BrokerError {
    /// RabbitMQ is not on this machine, or not where the options say.
    NotInstalled {
        /// The places that were looked at.
        searched: Vec<PathBuf>,
    },
    /// No free port was found, or other programs took each of several choices before RabbitMQ did.
    NoFreePort,
    /// A file, a process or a socket of ours failed.
    Io {
        /// What was being done, as in "create /tmp/x".
        doing: String,
        /// The failure.
        source: io::Error,
    },
    /// A node ended while it was starting.
    StartFailed {
        /// The node's name.
        node: String,
        /// The end of what it printed and logged.
        output: String,
    },
    /// A node was not ready, had not stopped, or did not answer a command in time.
    Timeout {
        /// The node's name.
        node: String,
        /// What was waited for, as in "start".
        doing: &'static str,
        /// How long was waited.
        after: Duration,
        /// The end of what it printed and logged.
        output: String,
    },
    /// The node is in another state than the call needs, such as a second start.
    WrongState {
        /// The node's name.
        node: String,
        /// What was wrong, as in "is already running".
        state: &'static str,
    },
    /// A command of RabbitMQ's ended with a failure.
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed, standard output and standard error.
        output: String,
    },
    /// The management API answered with a status that is not success, or not in HTTP.
    Management {
        /// The request, as in "PUT /api/vhosts/x".
        request: String,
        /// The status code; 0 if the answer was not HTTP.
        status: u16,
        /// The body of the answer.
        body: String,
    },
    /// A URL, name or file handed in could not be used.
    Invalid {
        /// What it should have been.
        expected: &'static str,
        /// What it was.
        found: String,
    },
    /// Certificates could not be made.
    #[cfg(feature = "tls")]
    Certificate(rcgen::Error),
}

impl BrokerError {
    /// Returns a closure for `map_err` that notes what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Tells whether another program had taken a port, so that other ports may work.
    pub(crate) fn is_port_taken(&self) -> bool {
        let (Self::StartFailed { output, .. } | Self::Timeout { output, .. }) = self else {
            return false;
        };
        [
            "eaddrinuse",
            "address already in use",
            "port_in_use",
            "Address in use",
            "already in use",
        ]
        .iter()
        .any(|sign| output.contains(sign))
    }
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled { searched } => {
                write!(f, "RabbitMQ is not installed: no rabbitmq-server in ")?;
                let places: Vec<_> = searched.iter().map(|p| p.display().to_string()).collect();
                f.write_str(&places.join(", "))
            }
            Self::NoFreePort => f.write_str("no free port was found"),
            Self::Io { doing, source } => write!(f, "failed to {doing}: {source}"),
            Self::StartFailed { node, output } => {
                write!(f, "{node} ended while it was starting; it said:\n{output}")
            }
            Self::Timeout {
                node,
                doing,
                after,
                output,
            } => {
                let seconds = after.as_secs_f32();
                write!(
                    f,
                    "{node} did not {doing} within {seconds:.0} s; it said:\n{output}"
                )
            }
            Self::WrongState { node, state } => write!(f, "{node} {state}"),
            Self::Command {
                command,
                status,
                output,
            } => {
                write!(f, "`{command}` ended with {status}; it said:\n{output}")
            }
            Self::Management {
                request,
                status,
                body,
            } => {
                write!(f, "{request} was answered with {status}: {body}")
            }
            Self::Invalid { expected, found } => write!(f, "expected {expected}, found {found:?}"),
            #[cfg(feature = "tls")]
            Self::Certificate(error) => write!(f, "failed to make certificates: {error}"),
        }
    }
}

impl std::error::Error for BrokerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => source.source(),
            #[cfg(feature = "tls")]
            Self::Certificate(error) => error.source(),
            _ => None,
        }
    }
}
