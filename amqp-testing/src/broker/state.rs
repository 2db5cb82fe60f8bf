//! The file that describes a broker which is left running.
//!
//! One `key value` per line. It holds all that is needed to use and to stop the broker, and the
//! identity by which its processes are recognised before they are signalled. What changes while the
//! broker lives, the numbers of the nodes' processes, each node has in a file of its own, written
//! whenever it is started, by whichever program.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

#[cfg(feature = "tls")]
use super::tls::Certificates;
use super::{
    Broker, BrokerError, Installation, Node,
    process::{Process, is_ours},
    setup::NodeNames,
    site::Site,
};

/// The file's name within the broker's folder.
const FILE: &str = "broker.state";

/// Its name while it is written.
const PARTIAL: &str = "broker.state.partial";

impl Broker {
    /// Leaves the broker running when this program ends, and returns the file that describes it to
    /// [`Broker::attach`].
    ///
    /// # Errors
    ///
    /// [`BrokerError::Io`] if the file cannot be written; the broker is then stopped as usual.
    pub fn detach(mut self) -> Result<PathBuf, BrokerError> {
        let file = save(&self)?;
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.dismiss();
        }
        self.is_detached = true;
        Ok(file)
    }

    /// Gives access to a broker that [`Broker::detach`] left running. Nodes that have ended
    /// meanwhile are down. Dropping the value leaves the broker running.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Io`] or [`BrokerError::Invalid`] if the file cannot be read.
    pub fn attach(file: impl AsRef<Path>) -> Result<Self, BrokerError> {
        load(file.as_ref())
    }
}

fn save(broker: &Broker) -> Result<PathBuf, BrokerError> {
    let site = &broker.site;
    let mut text = format!("identity {}\n", site.identity);
    match site.installation.root() {
        Some(root) => text += &format!("root {}\n", root.display()),
        None => text += &format!("programs {}\n", site.installation.programs().display()),
    }
    text += &format!("timeout {}\n", site.timeout.as_secs());
    let epmd = broker.epmd.as_ref().map_or(0, Process::id);
    text += &format!("epmd {} {epmd}\n", site.epmd_port);
    for node in broker {
        text += &format!("node {}\n", node_line(&node.names));
    }
    // Renamed into its place, so that no one reads half of it.
    site.write(PARTIAL, &text)?;
    let (partial, file) = (site.directory.join(PARTIAL), site.directory.join(FILE));
    fs::rename(&partial, &file).map_err(BrokerError::io(format!("write {}", file.display())))?;
    Ok(file)
}

/// The node's name, its ports, 0 for one that it does not have, and its plugins with theirs.
fn node_line(names: &NodeNames) -> String {
    let NodeNames {
        short,
        amqp,
        distribution,
        management,
        tls,
        plugins,
    } = names;
    let tls = tls.unwrap_or(0);
    let mut line = format!("{short} {amqp} {distribution} {management} {tls}");
    for (plugin, port) in plugins {
        line += &format!(" {plugin}:{port}");
    }
    line
}

fn load(file: &Path) -> Result<Broker, BrokerError> {
    let text =
        fs::read_to_string(file).map_err(BrokerError::io(format!("read {}", file.display())))?;
    let directory = file.parent().unwrap_or_else(|| Path::new("/")).to_owned();
    parse(&text, directory).transpose().unwrap_or_else(|| {
        Err(BrokerError::Invalid {
            expected: "a file that describes a running broker",
            found: file.display().to_string(),
        })
    })
}

/// `None` if the text is not a description.
fn parse(text: &str, directory: PathBuf) -> Result<Option<Broker>, BrokerError> {
    let lines: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let value = |key| {
        lines
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    };
    let (Some(identity), Some(timeout), Some(epmd)) = (
        value("identity"),
        value("timeout").and_then(|s| s.parse().ok()),
        value("epmd"),
    ) else {
        return Ok(None);
    };
    let installation = match (value("root"), value("programs")) {
        (Some(root), _) => Installation::in_root(root)?,
        (None, Some(programs)) => Installation::in_folder(programs)?,
        (None, None) => return Ok(None),
    };
    let Some((epmd_port, epmd_pid)) = epmd.split_once(' ') else {
        return Ok(None);
    };
    let (Ok(epmd_port), Ok(epmd_pid)) = (epmd_port.parse(), epmd_pid.parse()) else {
        return Ok(None);
    };
    #[cfg(feature = "tls")]
    let certificates = Certificates::open_in(&directory);
    let identity = identity.to_owned();
    let timeout = Duration::from_secs(timeout);
    let site = Arc::new(Site {
        identity,
        installation,
        directory,
        epmd_port,
        timeout,
    });
    let adopt = |pid| Process::Adopted {
        pid,
        identity: site.identity.clone(),
    };
    let mut nodes = Vec::new();
    for (_, value) in lines.iter().filter(|(name, _)| *name == "node") {
        let Some(names) = parse_node(value) else {
            return Ok(None);
        };
        let process = process_of(&names, &site).map(adopt);
        nodes.push(Node::new(Arc::clone(&site), None, names, process)?);
    }
    if nodes.is_empty() {
        return Ok(None);
    }
    let epmd = Some(adopt(epmd_pid));
    Ok(Some(Broker {
        site,
        nodes,
        epmd,
        watchdog: None,
        keep_directory: false,
        is_detached: true,
        #[cfg(feature = "tls")]
        certificates,
    }))
}

/// The number of the node's process, if it lives.
fn process_of(names: &NodeNames, site: &Site) -> Option<u32> {
    let file = site.directory.join(names.process_file());
    let number = fs::read_to_string(file).ok()?.parse().ok()?;
    is_ours(number, &site.identity).then_some(number)
}

fn parse_node(value: &str) -> Option<NodeNames> {
    let mut words = value.split(' ');
    let short = words.next()?.to_owned();
    let mut port = || words.next()?.parse::<u16>().ok();
    let (amqp, distribution, management) = (port()?, port()?, port()?);
    let tls = port().map(|port| (port != 0).then_some(port))?;
    let plugin = |word: &str| {
        let (plugin, port) = word.split_once(':')?;
        Some((plugin.to_owned(), port.parse().ok()?))
    };
    let plugins = words.map(plugin).collect::<Option<_>>()?;
    Some(NodeNames {
        short,
        amqp,
        distribution,
        management,
        tls,
        plugins,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_lines_are_read_back() {
        let mut names = NodeNames {
            short: "node1-ab".to_owned(),
            amqp: 1,
            distribution: 2,
            management: 3,
            tls: None,
            plugins: Vec::new(),
        };
        assert_eq!(node_line(&names), "node1-ab 1 2 3 0");
        assert_eq!(parse_node("node1-ab 1 2 3 0"), Some(names.clone()));
        names.tls = Some(4);
        names.plugins = vec![
            ("rabbitmq_stream".to_owned(), 5),
            ("rabbitmq_mqtt".to_owned(), 6),
        ];
        assert_eq!(parse_node(&node_line(&names)), Some(names));
        for broken in ["node1-ab 1 2 3", "node1-ab 1 2 x 4", "node1-ab 1 2 3 4 x"] {
            assert_eq!(parse_node(broken), None, "{broken}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let error = load(Path::new("/proc/self/status")).unwrap_err();
        assert!(matches!(error, BrokerError::Invalid { .. }), "{error}");
    }
}
