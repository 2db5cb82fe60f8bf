//! A private broker: one node or a cluster.

use std::{mem, path::Path, slice, sync::Arc, thread, time::Duration};

#[cfg(feature = "tls")]
use super::tls::Certificates;
use super::{
    BrokerError, BrokerOptions, Endpoint, Management, Node, VirtualHost,
    ports::free_ports,
    process::{Process, Signal, Watchdog, send},
    setup::NodeNames,
    site::Site,
};

/// How often a start is tried again with other ports.
const ATTEMPTS: usize = 3;

/// How long a killed process may take to disappear.
const REAP: Duration = Duration::from_secs(30);

/// A private broker that runs until it is dropped.
///
/// Dropping it kills its processes and deletes its folder; in a panic the folder stays, and its
/// path is printed, so that the logs can be read. If this program is killed, a watchdog kills the
/// processes.
///
/// ```no_run
/// use amqp_testing::{Broker, BrokerOptions};
///
/// let broker = Broker::start(&BrokerOptions::new())?;
/// let vhost = broker.vhost()?;
/// println!("connect to {}", vhost.url());
/// broker.kill()?;
/// # Ok::<(), amqp_testing::BrokerError>(())
/// ```
#[derive(Debug)]
pub struct Broker {
    pub(super) site: Arc<Site>,
    /// Never empty.
    pub(super) nodes: Vec<Node>,
    pub(super) epmd: Process,
    /// Taken when the broker is handed over or has been killed.
    pub(super) watchdog: Option<Watchdog>,
    pub(super) keep_directory: bool,
    /// Set once the processes are not this value's to kill any more.
    pub(super) is_detached: bool,
    #[cfg(feature = "tls")]
    pub(super) certificates: Option<Certificates>,
}

impl Broker {
    /// Starts a broker and returns when all its nodes serve clients: after about four seconds for
    /// one node.
    ///
    /// # Errors
    ///
    /// [`BrokerError::NotInstalled`] if there is no RabbitMQ; otherwise an error that says what
    /// failed, with what RabbitMQ printed. Ports that other programs take meanwhile are replaced by
    /// others, three times.
    pub fn start(options: &BrokerOptions) -> Result<Self, BrokerError> {
        let mut attempt = 1;
        loop {
            match Self::try_start(options) {
                Err(error) if error.is_port_taken() && attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    fn try_start(options: &BrokerOptions) -> Result<Self, BrokerError> {
        let n_ports = options.n_nodes.saturating_mul(4).saturating_add(1);
        let mut ports = free_ports(n_ports)?.into_iter();
        let mut port = || ports.next().ok_or(BrokerError::NoFreePort);
        let site = Arc::new(Site::create(options, port()?)?);
        #[cfg(feature = "tls")]
        let certificates = if options.tls {
            let created = Certificates::create_in(&site.directory, options.server.as_ref());
            Some(created.inspect_err(|_| site.delete())?)
        } else {
            None
        };
        let epmd = site.start_epmd().inspect_err(|_| site.delete())?;
        let group = epmd.id();
        // From here on the value owns what has been started, so that an error undoes it.
        let mut broker = Self {
            site: Arc::clone(&site),
            nodes: Vec::new(),
            epmd,
            watchdog: None,
            keep_directory: options.keep_directory,
            is_detached: false,
            #[cfg(feature = "tls")]
            certificates,
        };
        let watchdog = Watchdog::over_group(group).map_err(BrokerError::io("start a watchdog"))?;
        broker.watchdog = Some(watchdog);
        for number in 1..=options.n_nodes {
            let names = NodeNames {
                short: format!("node{number}-{}", site.identity),
                amqp: port()?,
                distribution: port()?,
                management: port()?,
                tls: if options.tls { Some(port()?) } else { None },
            };
            broker
                .nodes
                .push(Node::new(Arc::clone(&site), Some(group), names, None)?);
        }
        broker.bring_up(options)?;
        Ok(broker)
    }

    fn bring_up(&self, options: &BrokerOptions) -> Result<(), BrokerError> {
        let peers: Vec<_> = self.nodes.iter().map(Node::name).collect();
        for node in &self.nodes {
            node.configure(options, &peers)?;
            node.spawn()?;
        }
        self.wait_until_ready()
    }

    fn wait_until_ready(&self) -> Result<(), BrokerError> {
        self.nodes.iter().try_for_each(Node::wait_until_ready)?;
        if self.nodes.len() > 1 {
            // A node serves clients before it has heard of the others.
            self.ctl(&["await_online_nodes", &self.nodes.len().to_string()])?;
        }
        Ok(())
    }

    /// The nodes; there is at least one.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The first node, to which the methods of the broker go that concern only one.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "a broker is not made without a node"
    )]
    pub fn first(&self) -> &Node {
        &self.nodes[0]
    }

    /// The AMQP URL of the virtual host `/` on the first node.
    #[must_use]
    pub fn url(&self) -> String {
        self.first().url()
    }

    /// The first node as an endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.first().endpoint()
    }

    /// The management API of the first node.
    #[must_use]
    pub fn management(&self) -> &Management {
        self.endpoint().management()
    }

    /// Makes a virtual host that no other test knows, deleted when the guard is dropped.
    ///
    /// # Errors
    ///
    /// See [`Endpoint::vhost`].
    pub fn vhost(&self) -> Result<VirtualHost, BrokerError> {
        self.endpoint().vhost()
    }

    /// The certificates, if the broker was started with TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// The broker's own folder.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.site.directory
    }

    /// Runs `rabbitmqctl` for the first node; see [`Node::ctl`].
    ///
    /// # Errors
    ///
    /// See [`Node::ctl`].
    pub fn ctl(&self, arguments: &[&str]) -> Result<String, BrokerError> {
        self.first().ctl(arguments)
    }

    /// Kills every node; see [`Node::kill`].
    ///
    /// # Errors
    ///
    /// See [`Node::kill`]; the other nodes are killed all the same.
    pub fn kill(&self) -> Result<(), BrokerError> {
        self.on_each(Node::kill)
    }

    /// Shuts every node down in good order, all at the same time; see [`Node::stop`].
    ///
    /// # Errors
    ///
    /// See [`Node::stop`].
    pub fn stop(&self) -> Result<(), BrokerError> {
        self.on_each(Node::stop)
    }

    /// Starts every node again with the same ports and data; see [`Node::start`].
    ///
    /// # Errors
    ///
    /// See [`Node::start`].
    pub fn start_again(&self) -> Result<(), BrokerError> {
        self.nodes.iter().try_for_each(Node::spawn)?;
        self.wait_until_ready()
    }

    /// Suspends every node; see [`Node::pause`].
    ///
    /// # Errors
    ///
    /// See [`Node::pause`].
    pub fn pause(&self) -> Result<(), BrokerError> {
        self.on_each(Node::pause)
    }

    /// Lets every suspended node go on; see [`Node::resume`].
    ///
    /// # Errors
    ///
    /// See [`Node::resume`].
    pub fn resume(&self) -> Result<(), BrokerError> {
        self.on_each(Node::resume)
    }

    /// Does something to all nodes at the same time, and returns the first error.
    fn on_each(
        &self,
        action: impl Fn(&Node) -> Result<(), BrokerError> + Copy + Send,
    ) -> Result<(), BrokerError> {
        thread::scope(|scope| {
            let threads: Vec<_> = self
                .nodes
                .iter()
                .map(|node| scope.spawn(move || action(node)))
                .collect();
            // Every thread is joined before the first error is looked for.
            let results: Vec<_> = threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .collect();
            results.into_iter().collect()
        })
    }

    /// Makes an [attached](Self::attach) broker one that is stopped, and its folder deleted, when
    /// this value is dropped.
    #[must_use]
    pub fn take_over(mut self) -> Self {
        self.is_detached = false;
        self
    }

    /// Kills all processes at once, and waits until they are gone.
    fn kill_processes(&mut self) {
        // What cannot be signalled is gone, and there is no one to tell of more.
        if self.epmd.is_running() {
            let group = -i64::from(self.epmd.id());
            let _ = send(Signal::Kill, group);
        }
        for node in &self.nodes {
            // A node that was started again by an adopter is outside the group.
            let _ = node.kill();
        }
        self.epmd.wait(REAP);
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.dismiss();
        }
    }
}

impl BrokerOptions {
    /// Starts the broker; the same as [`Broker::start`].
    ///
    /// # Errors
    ///
    /// See [`Broker::start`].
    pub fn start(self) -> Result<Broker, BrokerError> {
        Broker::start(&self)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if mem::replace(&mut self.is_detached, true) {
            return;
        }
        self.kill_processes();
        let directory = &self.site.directory;
        if thread::panicking() {
            eprintln!("the broker's logs are in {}", directory.display());
        } else if !self.keep_directory {
            self.site.delete();
        }
    }
}

impl<'a> IntoIterator for &'a Broker {
    type Item = &'a Node;
    type IntoIter = slice::Iter<'a, Node>;

    fn into_iter(self) -> Self::IntoIter {
        self.nodes.iter()
    }
}
