//! What an operator does to a running node, and what such a node knows of its queues and consumers.
//!
//! Everything here goes through `rabbitmqctl`, which sees what is so now; the management API shows
//! much of it seconds later.

use super::{BrokerError, Node};

/// A queue as its broker lists it; see [`Node::queues`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListedQueue {
    /// The name.
    pub name: String,
    /// The type, as in `classic` and `quorum`.
    pub kind: String,
    /// The name of the node on which a classic queue lives or the leader of another one runs;
    /// `None` while there is no leader.
    pub home: Option<String>,
    /// How many messages it has, those included that are not acknowledged yet; `None` while the
    /// queue does not tell.
    pub n_messages: Option<u64>,
}

/// A consumer as its broker lists it; see [`Node::consumers`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListedConsumer {
    /// The queue that it consumes.
    pub queue: String,
    /// Its tag.
    pub tag: String,
    /// Whether its deliveries have to be acknowledged.
    pub acknowledges: bool,
    /// Its prefetch; 0 is no limit.
    pub prefetch: u32,
}

impl Node {
    /// The queues of a virtual host on all nodes, sorted by name.
    ///
    /// # Errors
    ///
    /// As [`ctl`](Self::ctl).
    pub fn queues(&self, vhost: &str) -> Result<Vec<ListedQueue>, BrokerError> {
        let columns = ["name", "type", "leader", "pid", "messages"];
        let list = self.list("list_queues", vhost, &columns)?;
        let mut queues: Vec<_> = list.lines().filter_map(queue).collect();
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(queues)
    }

    /// The consumers of a virtual host on all nodes, sorted by queue and tag.
    ///
    /// # Errors
    ///
    /// As [`ctl`](Self::ctl).
    pub fn consumers(&self, vhost: &str) -> Result<Vec<ListedConsumer>, BrokerError> {
        let columns = [
            "queue_name",
            "consumer_tag",
            "ack_required",
            "prefetch_count",
        ];
        let list = self.list("list_consumers", vhost, &columns)?;
        let mut consumers: Vec<_> = list.lines().filter_map(consumer).collect();
        consumers.sort_by(|a, b| (&a.queue, &a.tag).cmp(&(&b.queue, &b.tag)));
        Ok(consumers)
    }

    fn list(&self, what: &str, vhost: &str, columns: &[&str]) -> Result<String, BrokerError> {
        self.ctl(&[&[what, "-p", vhost, "--no-table-headers"], columns].concat())
    }

    /// Closes every connection to a virtual host, on all nodes, with `connection.close` 320.
    ///
    /// # Errors
    ///
    /// As [`ctl`](Self::ctl).
    pub fn close_connections(&self, vhost: &str, reason: &str) -> Result<(), BrokerError> {
        self.ctl(&["close_all_connections", "--vhost", vhost, reason])
            .map(drop)
    }

    /// Gives a user these permissions in a virtual host, in place of what there was: patterns for
    /// the names that may be configured, written and read. Channels that are open remember for a
    /// time what they were allowed.
    ///
    /// # Errors
    ///
    /// As [`ctl`](Self::ctl).
    pub fn set_permissions(
        &self,
        user: &str,
        vhost: &str,
        patterns: [&str; 3],
    ) -> Result<(), BrokerError> {
        let [configure, write, read] = patterns;
        let command = ["set_permissions", "-p", vhost, user, configure, write, read];
        self.ctl(&command).map(drop)
    }

    /// Takes all permissions in a virtual host from a user, who can then not connect to it.
    ///
    /// # Errors
    ///
    /// As [`ctl`](Self::ctl).
    pub fn clear_permissions(&self, user: &str, vhost: &str) -> Result<(), BrokerError> {
        let command = ["clear_permissions", "-p", vhost, user];
        self.ctl(&command).map(drop)
    }

    /// Raises the memory alarm, which holds up every connection of the cluster that publishes.
    ///
    /// # Errors
    ///
    /// As [`ctl`](Self::ctl).
    pub fn raise_alarm(&self) -> Result<(), BrokerError> {
        self.ctl(&["set_vm_memory_high_watermark", "0"]).map(drop)
    }

    /// Clears the alarm that [`raise_alarm`](Self::raise_alarm) has raised on this node.
    ///
    /// # Errors
    ///
    /// As [`ctl`](Self::ctl).
    pub fn clear_alarm(&self) -> Result<(), BrokerError> {
        self.ctl(&["set_vm_memory_high_watermark", "0.4"]).map(drop)
    }

    /// Tells whether a quorum queue would be without a majority if this node stopped now. A rolling
    /// restart waits until this is false before it goes on with the next node.
    ///
    /// # Errors
    ///
    /// As [`ctl`](Self::ctl).
    pub fn is_quorum_critical(&self) -> Result<bool, BrokerError> {
        match self.run("rabbitmq-queues", &["check_if_node_is_quorum_critical"]) {
            Ok(_) => Ok(false),
            Err(BrokerError::Command { output, .. }) if output.contains("quorum") => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// A line of `list_queues`.
fn queue(line: &str) -> Option<ListedQueue> {
    let mut words = line.split('\t');
    let (name, kind) = (words.next()?, words.next()?);
    let (leader, pid) = (words.next()?, words.next()?);
    Some(ListedQueue {
        name: name.to_owned(),
        kind: kind.to_owned(),
        home: match (kind, leader) {
            ("classic", _) => home_of(pid),
            (_, "" | "undefined") => None,
            (_, leader) => Some(leader.to_owned()),
        },
        n_messages: words.next().and_then(|number| number.trim().parse().ok()),
    })
}

/// The node in the printed form of a process, as in `<node1@localhost.1796062738.720.0>`.
fn home_of(pid: &str) -> Option<String> {
    let inner = pid.strip_prefix('<')?.strip_suffix('>')?;
    let mut parts = inner.rsplitn(4, '.');
    // What tells the process from others of its node.
    parts.by_ref().take(3).for_each(drop);
    parts.next().map(str::to_owned)
}

/// A line of `list_consumers`.
fn consumer(line: &str) -> Option<ListedConsumer> {
    let mut words = line.split('\t');
    Some(ListedConsumer {
        queue: words.next()?.to_owned(),
        tag: words.next()?.to_owned(),
        acknowledges: words.next()? == "true",
        prefetch: words.next()?.trim().parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_of_a_queue_is_where_its_process_or_its_leader_is() {
        let line = "q\tclassic\t\t<node1-3b@localhost.1796062738.720.0>\t7";
        let expected = ListedQueue {
            name: "q".to_owned(),
            kind: "classic".to_owned(),
            home: Some("node1-3b@localhost".to_owned()),
            n_messages: Some(7),
        };
        assert_eq!(queue(line), Some(expected));
        let home = |line| queue(line).unwrap().home;
        let line = "q\tquorum\tnode2@localhost\t<node1@localhost.1796062738.730.0>\t0";
        assert_eq!(home(line).as_deref(), Some("node2@localhost"));
        assert_eq!(home("q\tquorum\t\t<node1@localhost.1.730.0>\t"), None);
        assert_eq!(queue("q\tclassic\t\t\t").unwrap().n_messages, None);
    }

    #[test]
    fn lines_that_are_no_list_are_passed_over() {
        assert_eq!(queue(""), None);
        assert_eq!(consumer("Error: no such virtual host"), None);
        let listed = consumer("q\tctag1\ttrue\t100").unwrap();
        assert!(listed.acknowledges && listed.prefetch == 100, "{listed:?}");
    }
}
