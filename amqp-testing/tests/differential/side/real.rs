//! A RabbitMQ node, over TCP.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_testing::broker::{Broker, Management, VirtualHost};
use amqp_testing::memory::{Access, Permissions};

use super::{Heard, Id, Login, Side};

/// How long the node may leave our octets unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// A probe's connections to a node.
pub(crate) struct Real {
    /// Host and port.
    address: String,
    vhost: String,
    management: Management,
    /// In the order in which they were made; `None` behind the end.
    streams: Vec<Option<TcpStream>>,
    users: Vec<String>,
    vhosts: Vec<String>,
    /// The node, if it is the probe's own.
    broker: Option<Arc<Broker>>,
}

impl Real {
    pub(crate) fn new(vhost: &VirtualHost) -> Self {
        let url = vhost.url();
        let authority = url.rsplit('@').next().unwrap();
        Self {
            address: authority.split('/').next().unwrap().to_owned(),
            vhost: vhost.name().to_owned(),
            management: vhost.management().clone(),
            streams: Vec::new(),
            users: Vec::new(),
            vhosts: Vec::new(),
            broker: None,
        }
    }
}

impl Real {
    /// A node that may be harmed.
    pub(crate) fn owning(mut self, broker: &Arc<Broker>) -> Self {
        self.broker = Some(Arc::clone(broker));
        self
    }

    /// How much of the machine's memory the node may take before it raises an alarm.
    fn set_watermark(&self, fraction: &str) {
        let broker = self.broker.as_ref().unwrap();
        broker
            .ctl(&["set_vm_memory_high_watermark", fraction])
            .unwrap();
    }

    fn put(&self, path: &str, json: &str) {
        self.management.put(path, json).unwrap();
    }
}

impl Side for Real {
    fn vhost(&self) -> &str {
        &self.vhost
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn connect(&mut self) -> Id {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(WRITE_TIMEOUT)).unwrap();
        self.streams.push(Some(stream));
        self.streams.len() - 1
    }

    fn send(&mut self, id: Id, octets: &[u8]) {
        if let Some(stream) = &mut self.streams[id] {
            // What is heard next tells of the end.
            let _ = stream.write_all(octets);
        }
    }

    fn hear(&mut self, id: Id, until: Instant) -> Heard {
        let Some(stream) = &mut self.streams[id] else {
            return Heard::End;
        };
        // Zero would be no limit.
        let patience = (until - Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut octets = vec![0; 1 << 18];
        match stream.read(&mut octets) {
            Err(error) if is_impatience(error.kind()) => Heard::Nothing,
            // A reset is as good an end as any: it is how RabbitMQ ends each connection.
            Ok(0) | Err(_) => {
                self.streams[id] = None;
                Heard::End
            }
            Ok(n_octets) => {
                octets.truncate(n_octets);
                Heard::Octets(octets)
            }
        }
    }

    fn hang_up(&mut self, id: Id) {
        self.streams[id] = None;
    }

    fn add_user(&mut self, login: &Login<'_>) {
        self.add_stranger(login.name, login.password);
        let limits = [
            ("max-connections", login.max_connections),
            ("max-channels", login.max_channels),
        ];
        for (limit, max) in limits {
            if let Some(max) = max {
                let path = format!("/api/user-limits/{}/{limit}", login.name);
                self.put(&path, &format!(r#"{{"value":{max}}}"#));
            }
        }
        self.permit(login);
    }

    fn permit(&mut self, login: &Login<'_>) {
        let Permissions {
            configure,
            write,
            read,
            ..
        } = &login.permissions;
        let json = format!(
            r#"{{"configure":"{}","write":"{}","read":"{}"}}"#,
            pattern(configure),
            pattern(write),
            pattern(read)
        );
        self.put(
            &format!("/api/permissions/{}/{}", self.vhost, login.name),
            &json,
        );
    }

    fn add_vhost(&mut self, name: &str) {
        self.put(&format!("/api/vhosts/{name}"), "{}");
        self.vhosts.push(name.to_owned());
    }

    fn delete_vhost(&mut self, name: &str) {
        self.management
            .delete(&format!("/api/vhosts/{name}"))
            .unwrap();
        self.vhosts.retain(|vhost| vhost != name);
    }

    fn block(&mut self) {
        self.set_watermark("0");
    }

    fn unblock(&mut self) {
        self.set_watermark("0.4");
    }

    fn add_stranger(&mut self, name: &str, password: &str) {
        let json = format!(r#"{{"password":"{password}","tags":""}}"#);
        self.put(&format!("/api/users/{name}"), &json);
        self.users.push(name.to_owned());
    }
}

/// What RabbitMQ knows instead, for names without letters that mean something in patterns.
fn pattern(access: &Access) -> String {
    match access {
        Access::All => ".*".to_owned(),
        Access::Nothing => "^$".to_owned(),
        Access::Prefix(prefix) => format!("^{prefix}"),
        Access::Exactly(name) => format!("^{name}$"),
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.streams.clear();
        let users = self.users.iter().map(|name| format!("/api/users/{name}"));
        let vhosts = self.vhosts.iter().map(|name| format!("/api/vhosts/{name}"));
        for path in users.chain(vhosts) {
            let _ = self.management.delete(&path);
        }
    }
}

fn is_impatience(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
