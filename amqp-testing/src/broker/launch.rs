//! A private broker: one node or a cluster.

use std::{mem, path::Path, slice, sync::Arc, thread, time::Duration};

#[cfg(feature = "tls")]
use super::tls::Certificates;
use super::{
    BrokerError, BrokerOptions, Endpoint, Installation, Management, Node, VirtualHost, plugins,
    ports::free_ports,
    process::{Process, kill_all},
    setup::NodeNames,
    site::Site,
    watchdog::Watchdog,
};

/// How often a start is tried again with other ports.
const ATTEMPTS: usize = 3;

/// How long a killed process may take to disappear.
const REAP: Duration = Duration::from_secs(30);

/// A private broker that runs until it is dropped.
///
/// Dropping it kills its processes and deletes its folder; in a panic the folder stays, and its
/// path is printed, so that the logs can be read. If this program ends in any other way, be it by
/// Ctrl-C or SIGKILL, a watchdog does both within a second, at whatever moment it happens.
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
    /// `None` until it has been started.
    pub(super) epmd: Option<Process>,
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
    /// failed, with what RabbitMQ printed, or [`BrokerError::Invalid`] for a plugin that it does not
    /// have. Ports that other programs take meanwhile are replaced by
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
        let listening = plugins::listening(&options.plugins);
        let n_ports = listening.len().saturating_add(4);
        let n_ports = options.n_nodes.saturating_mul(n_ports).saturating_add(1);
        let mut ports = free_ports(n_ports)?.into_iter();
        let mut port = || ports.next().ok_or(BrokerError::NoFreePort);
        let site = Arc::new(Site::choose(options, port()?)?);
        let folder = (!options.keep_directory).then_some(site.directory.as_path());
        let watchdog = Watchdog::over(&site.identity, folder);
        // From here on the value owns what is made and started, so that an error undoes it.
        let mut broker = Self {
            site: Arc::clone(&site),
            nodes: Vec::new(),
            epmd: None,
            watchdog: Some(watchdog.map_err(BrokerError::io("start a watchdog"))?),
            keep_directory: options.keep_directory,
            is_detached: false,
            #[cfg(feature = "tls")]
            certificates: None,
        };
        site.create()?;
        #[cfg(feature = "tls")]
        if options.tls {
            let created = Certificates::create_in(&site.directory, options.server.as_ref())?;
            broker.certificates = Some(created);
        }
        let epmd = site.start_epmd()?;
        let group = epmd.id();
        broker.epmd = Some(epmd);
        for number in 1..=options.n_nodes {
            let names = NodeNames {
                short: format!("node{number}-{}", site.identity),
                amqp: port()?,
                distribution: port()?,
                management: port()?,
                tls: if options.tls { Some(port()?) } else { None },
                plugins: listening
                    .iter()
                    .map(|&plugin| Ok((plugin.to_owned(), port()?)))
                    .collect::<Result<_, BrokerError>>()?,
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
        self.wait_until_ready()?;
        self.check_plugins(&options.plugins)
    }

    /// RabbitMQ passes over plugins that it does not have, with a line in its log.
    fn check_plugins(&self, plugins: &[String]) -> Result<(), BrokerError> {
        if plugins.len() == 1 {
            // The management plugin, which has answered.
            return Ok(());
        }
        let active = self.ctl(&["eval", "rabbit_plugins:active()."])?;
        let is_active =
            |plugin: &String| active.split([',', '[', ']']).any(|it| it.trim() == plugin);
        match plugins.iter().find(|plugin| !is_active(plugin)) {
            None => Ok(()),
            Some(plugin) => Err(BrokerError::Invalid {
                expected: "a plugin that this RabbitMQ has",
                found: plugin.clone(),
            }),
        }
    }

    fn wait_until_ready(&self) -> Result<(), BrokerError> {
        self.nodes.iter().try_for_each(Node::wait_until_ready)?;
        self.wait_until_joined()
    }

    /// Waits until each node that runs has heard of every other one that runs. A node that is
    /// [started again](Node::start) serves clients before that.
    ///
    /// # Errors
    ///
    /// As [`ctl`](Self::ctl).
    pub fn wait_until_joined(&self) -> Result<(), BrokerError> {
        let n_running = self.nodes.iter().filter(|node| node.is_running()).count();
        if n_running < 2 {
            return Ok(());
        }
        let n_running = n_running.to_string();
        self.on_each(|node| match node.is_running() {
            true => node.ctl(&["await_online_nodes", &n_running]).map(drop),
            false => Ok(()),
        })
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

    /// The RabbitMQ that the broker's nodes run.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.site.installation
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
    /// this value is dropped, or when this program ends without dropping it.
    #[must_use]
    pub fn take_over(mut self) -> Self {
        self.is_detached = false;
        // Without a watchdog, only dropping the value stops the broker.
        self.watchdog = Watchdog::over(&self.site.identity, Some(&self.site.directory)).ok();
        self
    }

    /// Kills all processes at once, and waits until they are gone.
    fn kill_processes(&mut self) {
        kill_all(&self.site.identity, REAP);
        // Those that are our children have to be waited for, or they would stay as zombies.
        if let Some(epmd) = &mut self.epmd {
            epmd.wait(REAP);
        }
        for node in &self.nodes {
            node.wait_until_gone(REAP);
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
        if thread::panicking() {
            let directory = self.site.directory.display();
            eprintln!("the broker's logs are in {directory}");
        } else if !self.keep_directory {
            self.site.delete();
        }
        // Last, so that an interruption meanwhile leaves it to the watchdog.
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.dismiss();
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
