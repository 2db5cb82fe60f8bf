//! What a node is given before it runs: a name and ports, files, an environment.

use std::process::Command;

use super::{BrokerError, BrokerOptions, plugins, site::Site};

/// Keeps Erlang's own listeners away from the network.
const LOOPBACK_ONLY: &str = "-kernel inet_dist_use_interface {127,0,0,1}";

/// A node's name and the ports on which it listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NodeNames {
    /// The part of the node's name before the `@`, and the name of its folder.
    pub(crate) short: String,
    pub(crate) amqp: u16,
    pub(crate) distribution: u16,
    pub(crate) management: u16,
    pub(crate) tls: Option<u16>,
    /// The plugins that listen, and on which ports.
    pub(crate) plugins: Vec<(String, u16)>,
}

impl NodeNames {
    /// As in `node1-4f00c0ffee00@localhost`.
    pub(super) fn name(&self) -> String {
        format!("{}@localhost", self.short)
    }

    /// The file that holds the number of the node's process.
    pub(crate) fn process_file(&self) -> String {
        format!("{}/process", self.short)
    }

    /// Writes the node's files. `peers` are the names of all nodes of the cluster.
    pub(crate) fn configure(
        &self,
        site: &Site,
        options: &BrokerOptions,
        peers: &[String],
    ) -> Result<(), BrokerError> {
        let folder = &self.short;
        let write = |name: &str, text: &str| site.write(&format!("{folder}/{name}"), text);
        write("rabbitmq.conf", &self.config(site, options, peers))?;
        write(
            "enabled_plugins",
            &format!("[{}].\n", options.plugins.join(",")),
        )?;
        // Named in place of the system's files in /etc, which are not ours to be steered by.
        write("env.conf", "")?;
        write("advanced.config", &plugins::advanced(&self.plugins))?;
        write("conf.d/none.conf", "")?;
        write("log/node.log", "")
    }

    fn config(&self, site: &Site, options: &BrokerOptions, peers: &[String]) -> String {
        let Self {
            amqp,
            management,
            tls,
            ..
        } = *self;
        let mut lines = vec![
            format!("listeners.tcp.1 = 127.0.0.1:{amqp}"),
            "management.tcp.ip = 127.0.0.1".to_owned(),
            format!("management.tcp.port = {management}"),
            "log.console = false".to_owned(),
            // A development machine's disk is often fuller than a server's. An alarm would block
            // publishers for reasons that no test could see.
            "disk_free_limit.absolute = 1MB".to_owned(),
        ];
        let listening = self.plugins.iter();
        lines.extend(listening.flat_map(|(plugin, port)| plugins::lines(plugin, *port)));
        if peers.len() > 1 {
            let backend = "cluster_formation.peer_discovery_backend = classic_config".to_owned();
            lines.push(backend);
            lines.extend((1..).zip(peers).map(|(number, peer)| {
                format!("cluster_formation.classic_config.nodes.{number} = {peer}")
            }));
        }
        if let Some(port) = tls {
            let file = |name| site.inside(&format!("tls/{name}")).display().to_string();
            lines.extend([
                format!("listeners.ssl.1 = 127.0.0.1:{port}"),
                format!("ssl_options.cacertfile = {}", file("ca.pem")),
                format!("ssl_options.certfile = {}", file("server.pem")),
                format!("ssl_options.keyfile = {}", file("server-key.pem")),
                "ssl_options.verify = verify_peer".to_owned(),
                "ssl_options.fail_if_no_peer_cert = false".to_owned(),
            ]);
        }
        lines.extend(options.config.iter().cloned());
        lines.join("\n") + "\n"
    }

    /// A program of RabbitMQ, told which node it is about and where that has its files.
    pub(super) fn command(&self, site: &Site, program: &str) -> Command {
        let inside = |name: &str| site.inside(&format!("{}/{name}", self.short));
        let mut command = site.command(program);
        command
            .env("RABBITMQ_NODENAME", self.name())
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", inside("data"))
            .env("RABBITMQ_LOG_BASE", inside("log"))
            .env("RABBITMQ_LOGS", inside("log/node.log"))
            .env("RABBITMQ_CONFIG_FILE", inside("rabbitmq.conf"))
            .env("RABBITMQ_CONFIG_FILES", inside("conf.d"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", inside("advanced.config"))
            .env("RABBITMQ_CONF_ENV_FILE", inside("env.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", inside("enabled_plugins"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", inside("config"))
            .env("RABBITMQ_PID_FILE", inside("pid"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", LOOPBACK_ONLY)
            .env("RABBITMQ_CTL_ERL_ARGS", LOOPBACK_ONLY)
            // Any port will do; the default is a range of eleven, too few for parallel tests.
            .env("RABBITMQ_CTL_DIST_PORT_MIN", "0")
            .env("RABBITMQ_CTL_DIST_PORT_MAX", "0")
            // The script then becomes the Erlang machine instead of waiting for it, so that the
            // process we start is the one that signals have to reach.
            .env("RUNNING_UNDER_SYSTEMD", "true");
        command
    }
}
