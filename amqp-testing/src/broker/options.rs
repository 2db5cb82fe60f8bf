//! How a private broker is to be started.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use super::Installation;

/// How a private broker is to be started: one node without TLS, unless told otherwise.
///
/// ```no_run
/// use amqp_testing::BrokerOptions;
///
/// let cluster = BrokerOptions::new().nodes(3).plugin("rabbitmq_shovel").start()?;
/// println!("{}", cluster.url());
/// # Ok::<(), amqp_testing::BrokerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    pub(crate) n_nodes: usize,
    pub(crate) tls: bool,
    /// The certificate of the nodes and its key, in place of those that are made.
    #[cfg(feature = "tls")]
    pub(crate) server: Option<(String, String)>,
    pub(crate) plugins: Vec<String>,
    pub(crate) config: Vec<String>,
    pub(crate) directory: PathBuf,
    pub(crate) installation: Option<Installation>,
    pub(crate) timeout: Duration,
    pub(crate) keep_directory: bool,
}

impl BrokerOptions {
    /// Names the folder under which the brokers' folders are made.
    pub const DIRECTORY_VARIABLE: &'static str = "AMQP_TEST_DIRECTORY";

    /// Returns the default options.
    #[must_use]
    pub fn new() -> Self {
        let directory = env::var_os(Self::DIRECTORY_VARIABLE)
            .map_or_else(|| env::temp_dir().join("amqp-testing"), PathBuf::from);
        Self {
            n_nodes: 1,
            tls: false,
            #[cfg(feature = "tls")]
            server: None,
            plugins: vec!["rabbitmq_management".to_owned()],
            config: Vec::new(),
            directory,
            installation: None,
            timeout: Duration::from_secs(120),
            keep_directory: false,
        }
    }

    /// The number of nodes, joined into one cluster. The default is 1; 0 is taken as 1.
    ///
    /// Each node takes about 130 MB of memory and, on two cores, four seconds to start.
    #[must_use]
    pub fn nodes(mut self, n_nodes: usize) -> Self {
        self.n_nodes = n_nodes.max(1);
        self
    }

    /// Lets every node listen on TLS as well, with certificates made for this broker
    /// ([`Broker::certificates`](super::Broker::certificates)). A client certificate is checked if
    /// one is shown, and not demanded; `config("ssl_options.fail_if_no_peer_cert = true")` demands
    /// it.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// The same, with this certificate and its private key for every node, as text (PEM).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls_with(mut self, certificate: &str, key: &str) -> Self {
        self.server = Some((certificate.to_owned(), key.to_owned()));
        self.tls()
    }

    /// Enables one more plugin. `rabbitmq_management` is always enabled: virtual hosts are made
    /// through it.
    ///
    /// One that comes with RabbitMQ and listens (`rabbitmq_stream`, `rabbitmq_mqtt`,
    /// `rabbitmq_stomp`, `rabbitmq_prometheus`, those for WebSockets) does so on a free port of the
    /// loopback interface, which [`Node::plugin_port`](super::Node::plugin_port) tells. One of
    /// another source takes its usual port, unless [`config`](Self::config) gives it another: see
    /// [`free_ports`](super::free_ports).
    #[must_use]
    pub fn plugin(mut self, name: impl Into<String>) -> Self {
        self.plugins.push(name.into());
        self
    }

    /// Adds a line to `rabbitmq.conf`, as in `"consumer_timeout = 10000"`. Added lines come last
    /// and win over ours.
    #[must_use]
    pub fn config(mut self, line: impl Into<String>) -> Self {
        self.config.push(line.into());
        self
    }

    /// The folder under which the broker makes a folder of its own. The default is the one that
    /// `AMQP_TEST_DIRECTORY` names, or else `amqp-testing` in the system's folder for temporary
    /// files.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = directory.as_ref().to_owned();
        self
    }

    /// Which RabbitMQ to run. The default is what [`Installation::find`] finds.
    #[must_use]
    pub fn installation(mut self, installation: Installation) -> Self {
        self.installation = Some(installation);
        self
    }

    /// How long a node may take to start or to stop. The default is 120 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Leaves the broker's folder with its data and logs when it is dropped. It is always left when
    /// the drop is part of a panic.
    #[must_use]
    pub fn keep_directory(mut self) -> Self {
        self.keep_directory = true;
        self
    }
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self::new()
    }
}
