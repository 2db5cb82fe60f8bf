//! One RabbitMQ node: its files, its process and what a test may do to it.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    BrokerError, BrokerOptions, Endpoint, Management,
    process::{POLL, Process, Signal, deadline},
    setup::NodeNames,
    site::Site,
};

/// One node of a private broker.
///
/// Its methods take `&self`, so that one thread can kill what another uses. They block; within
/// async code call those that take time from `spawn_blocking`.
#[derive(Debug)]
pub struct Node {
    site: Arc<Site>,
    /// The process group of the broker, which the node joins if the group is ours.
    group: Option<u32>,
    pub(crate) names: NodeNames,
    endpoint: Endpoint,
    /// `None` while the node is down.
    process: Mutex<Option<Process>>,
}

impl Node {
    pub(crate) fn new(
        site: Arc<Site>,
        group: Option<u32>,
        names: NodeNames,
        process: Option<Process>,
    ) -> Result<Self, BrokerError> {
        let url = format!("amqp://guest:guest@127.0.0.1:{}", names.amqp);
        let endpoint = Endpoint::new(&url, Management::local(names.management))?;
        Ok(Self {
            site,
            group,
            names,
            endpoint,
            process: Mutex::new(process),
        })
    }

    /// The node's name, as in `node1-4f00c0ffee00@localhost`.
    #[must_use]
    pub fn name(&self) -> String {
        self.names.name()
    }

    /// The AMQP URL of the virtual host `/` on this node.
    #[must_use]
    pub fn url(&self) -> String {
        self.endpoint.url()
    }

    /// The AMQP URL over TLS, if the broker was started with TLS. The host is `localhost`, which is
    /// in the certificate, as is 127.0.0.1.
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.names
            .tls
            .map(|port| format!("amqps://guest:guest@localhost:{port}"))
    }

    /// This node as an endpoint, with its management API and its virtual hosts.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The node's log file.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.site
            .directory
            .join(format!("{}/log/node.log", self.names.short))
    }

    /// The port of the loopback interface on which a plugin listens; `None` if it does not listen,
    /// or was neither asked for nor brought along by one that was.
    ///
    /// Lines of [`config`](super::BrokerOptions::config) that give it another port are not seen.
    #[must_use]
    pub fn plugin_port(&self, plugin: &str) -> Option<u16> {
        let mut ports = self.plugin_ports();
        ports.find_map(|(name, port)| (name == plugin).then_some(port))
    }

    /// All plugins of this node that listen, and where; see [`plugin_port`](Self::plugin_port).
    pub fn plugin_ports(&self) -> impl Iterator<Item = (&str, u16)> {
        let ports = self.names.plugins.iter();
        ports.map(|(name, port)| (name.as_str(), *port))
    }

    /// Runs `rabbitmqctl` for this node and returns what it printed. Each call starts an Erlang
    /// machine, which takes about 0.3 s.
    ///
    /// # Errors
    ///
    /// [`BrokerError::Command`] with its output if it fails, [`BrokerError::Timeout`] if it does
    /// not end, as with a [paused](Self::pause) node.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String, BrokerError> {
        self.run("rabbitmqctl", &[&["--quiet"], arguments].concat())
    }

    /// Runs another of RabbitMQ's programs for this node, such as `rabbitmq-queues`, and returns
    /// what it printed.
    ///
    /// # Errors
    ///
    /// As [`ctl`](Self::ctl).
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String, BrokerError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        // Into files: a pipe would have to be read meanwhile, and whatever the program has started
        // could keep it open.
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let files = ["out", "err"].map(|end| format!("{}/run-{number}.{end}", self.names.short));
        let [stdout, stderr] = files.each_ref().map(|file| self.site.output(file));
        let child = self
            .names
            .command(&self.site, program)
            .args(arguments)
            .stdout(stdout?.0)
            .stderr(stderr?.0)
            .spawn()
            .map_err(BrokerError::io(format!("run {program}")))?;
        let mut process = Process::Child(child);
        let has_ended = process.wait(self.site.timeout);
        let status = process.discard();
        let [text, errors] = files.map(|file| self.site.take(&file));
        match status {
            Some(status) if has_ended && status.success() => Ok(text),
            Some(status) if has_ended => Err(BrokerError::Command {
                command: format!("{program} {}", arguments.join(" ")),
                status,
                output: text + &errors,
            }),
            _ => Err(self.timeout("answer a command")),
        }
    }

    /// Tells whether the node's process runs; a paused one does.
    #[must_use]
    pub fn is_running(&self) -> bool {
        running(&mut self.process()).is_some()
    }

    /// Ends the process with SIGKILL, as a power failure would: nothing is flushed, nothing is
    /// closed by RabbitMQ. Returns when it is gone.
    ///
    /// # Errors
    ///
    /// [`BrokerError::WrongState`] if the node is down already.
    pub fn kill(&self) -> Result<(), BrokerError> {
        self.end(Signal::Kill)
    }

    /// Lets RabbitMQ shut down in good order, which closes its connections with
    /// `connection.close`. Returns when the process is gone. A paused node has to be
    /// [resumed](Self::resume) first.
    ///
    /// # Errors
    ///
    /// [`BrokerError::WrongState`] if the node is down already, [`BrokerError::Timeout`] if it does
    /// not stop.
    pub fn stop(&self) -> Result<(), BrokerError> {
        self.end(Signal::Terminate)
    }

    /// Starts the node again after [`kill`](Self::kill) or [`stop`](Self::stop), with the same
    /// ports and the same data. Returns when it serves clients.
    ///
    /// # Errors
    ///
    /// [`BrokerError::WrongState`] if it runs, or an error that says why it does not start.
    pub fn start(&self) -> Result<(), BrokerError> {
        self.spawn()?;
        self.wait_until_ready()
    }

    /// Suspends the process with SIGSTOP. Its sockets stay open and accept octets until their
    /// buffers are full, but nothing answers, as if the network had lost the machine.
    ///
    /// # Errors
    ///
    /// [`BrokerError::WrongState`] if the node is down.
    pub fn pause(&self) -> Result<(), BrokerError> {
        self.signal(Signal::Stop)
    }

    /// Lets a [paused](Self::pause) process go on.
    ///
    /// # Errors
    ///
    /// [`BrokerError::WrongState`] if the node is down.
    pub fn resume(&self) -> Result<(), BrokerError> {
        self.signal(Signal::Continue)
    }

    /// The number of the process, while it runs.
    fn pid(&self) -> Option<u32> {
        running(&mut self.process()).map(|process| process.id())
    }

    /// Writes the node's files. `peers` are the names of all nodes of the cluster.
    pub(crate) fn configure(
        &self,
        options: &BrokerOptions,
        peers: &[String],
    ) -> Result<(), BrokerError> {
        self.names.configure(&self.site, options, peers)
    }

    /// Starts the process without waiting for it to be ready.
    pub(crate) fn spawn(&self) -> Result<(), BrokerError> {
        let mut process = self.process();
        if running(&mut process).is_some() {
            return Err(self.wrong_state("is already running"));
        }
        let (stdout, stderr) = self
            .site
            .output(&format!("{}/output.log", self.names.short))?;
        let child = self
            .names
            .command(&self.site, "rabbitmq-server")
            .stdout(stdout)
            .stderr(stderr)
            .process_group(
                self.group
                    .and_then(|id| i32::try_from(id).ok())
                    .unwrap_or(0),
            )
            .spawn()
            .map_err(BrokerError::io("run rabbitmq-server"))?;
        let pid = child.id();
        *process = Some(Process::Child(child));
        // Who attaches to the broker later has to find this process, not the one before it.
        self.site
            .write(&self.names.process_file(), &pid.to_string())
    }

    /// Waits until the process has ended, for so long at most.
    pub(crate) fn wait_until_gone(&self, limit: Duration) {
        if let Some(process) = self.process().as_mut() {
            process.wait(limit);
        }
    }

    /// Waits until AMQP, with TLS too if that is asked for, and the management API are served, by this
    /// node and no other.
    pub(crate) fn wait_until_ready(&self) -> Result<(), BrokerError> {
        let deadline = deadline(self.site.timeout);
        while !(self.serves_management() && self.serves_amqp() && self.listens_for_tls()) {
            if !self.is_running() {
                return Err(BrokerError::StartFailed {
                    node: self.name(),
                    output: self.output(),
                });
            }
            if Instant::now() >= deadline {
                return Err(self.timeout("start"));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// The name is compared because another broker may have been faster on the port.
    fn serves_management(&self) -> bool {
        let overview = self.endpoint.management().get("/api/overview");
        overview.is_ok_and(|json| json.contains(&self.name()))
    }

    /// An accepted connection proves nothing yet: RabbitMQ listens a moment before it serves. It
    /// answers the protocol header with `connection.start`, a frame of type 1.
    fn serves_amqp(&self) -> bool {
        let ask = || {
            let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.names.amqp))?;
            socket.set_read_timeout(Some(Duration::from_secs(1)))?;
            socket.write_all(b"AMQP\x00\x00\x09\x01")?;
            let mut first = [0];
            socket.read_exact(&mut first)?;
            std::io::Result::Ok(first == [1])
        };
        ask().unwrap_or(false)
    }

    /// On a busy machine RabbitMQ begins with TLS seconds after it serves AMQP without. True without
    /// TLS.
    fn listens_for_tls(&self) -> bool {
        let port = self.names.tls;
        port.is_none_or(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    }

    fn end(&self, signal: Signal) -> Result<(), BrokerError> {
        let pid = self.pid();
        self.signal(signal)?;
        let deadline = deadline(self.site.timeout);
        // Without the lock: another thread may look, or kill what does not stop.
        while pid.is_some() && self.pid() == pid {
            if Instant::now() >= deadline {
                return Err(self.timeout("stop"));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<(), BrokerError> {
        let mut slot = self.process();
        match running(&mut slot) {
            Some(process) => process.signal(signal),
            None => Err(self.wrong_state("is not running")),
        }
    }

    fn output(&self) -> String {
        let printed = self.site.tail(&format!("{}/output.log", self.names.short));
        printed
            + &self
                .site
                .tail(&format!("{}/log/node.log", self.names.short))
    }

    fn timeout(&self, doing: &'static str) -> BrokerError {
        let (node, after, output) = (self.name(), self.site.timeout, self.output());
        BrokerError::Timeout {
            node,
            doing,
            after,
            output,
        }
    }

    fn wrong_state(&self, state: &'static str) -> BrokerError {
        BrokerError::WrongState {
            node: self.name(),
            state,
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        // A test that panicked while it held the lock has left the process as it was.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The process, unless it is down or has ended by itself.
fn running(slot: &mut Option<Process>) -> Option<&mut Process> {
    let process = slot.as_mut()?;
    process.is_running().then_some(process)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{BufRead as _, BufReader},
        os::unix::fs::PermissionsExt as _,
        path::Path,
        process::{Command, Stdio},
    };

    use super::{super::Installation, *};

    /// A node of an installation whose `rabbitmqctl` is this script.
    fn node(script: &str, timeout: Duration, process: Option<Process>) -> (Node, Arc<Site>) {
        let folder = std::env::temp_dir().join(format!(
            "amqp-testing-node-{:x}",
            crate::broker::ports::random()
        ));
        fs::create_dir_all(&folder).unwrap();
        for program in ["rabbitmq-server", "rabbitmqctl"] {
            let path = folder.join(program);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let options = BrokerOptions::new()
            .directory(&folder)
            .installation(Installation::in_folder(&folder).unwrap())
            .timeout(timeout);
        let site = Arc::new(Site::choose(&options, 1).unwrap());
        let names = NodeNames {
            short: "node1".to_owned(),
            amqp: 1,
            distribution: 1,
            management: 1,
            tls: None,
            plugins: Vec::new(),
        };
        fs::create_dir_all(site.directory.join("node1")).unwrap();
        let node = Node::new(Arc::clone(&site), None, names, process).unwrap();
        (node, site)
    }

    fn delete(site: &Site) {
        fs::remove_dir_all(site.directory.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_a_command_prints_is_returned_and_leaves_no_file() {
        let script = r#"echo "out $2"; echo err >&2; [ "$2" = good ]"#;
        let (node, site) = node(script, Duration::MAX, None);
        assert_eq!(node.ctl(&["good"]).unwrap(), "out good\n");
        let error = node.ctl(&["bad"]).unwrap_err();
        let BrokerError::Command { output, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(output, "out bad\nerr\n");
        let left = fs::read_dir(site.directory.join("node1")).unwrap().count();
        assert_eq!(left, 0);
        delete(&site);
    }

    #[test]
    fn a_command_that_does_not_end_is_ended() {
        let (node, site) = node("exec sleep 1000", Duration::ZERO, None);
        let error = node.ctl(&["status"]).unwrap_err();
        assert!(
            error.to_string().contains("did not answer a command"),
            "{error}"
        );
        assert_eq!(crate::broker::process::all(&site.identity), []);
        delete(&site);
    }

    #[test]
    fn a_node_that_does_not_stop_can_be_killed_meanwhile() {
        let mut child = Command::new("sh")
            .args([
                "-c",
                "trap 'echo asked' TERM; echo up; while :; do read -r _; done",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let _stdin = child.stdin.take();
        assert_eq!(said.next().unwrap().unwrap(), "up");
        let (node, site) = node("", Duration::MAX, Some(Process::Child(child)));
        thread::scope(|scope| {
            let stopping = scope.spawn(|| node.stop());
            assert_eq!(said.next().unwrap().unwrap(), "asked");
            assert!(node.is_running());
            node.kill().unwrap();
            stopping.join().unwrap().unwrap();
        });
        assert!(!node.is_running());
        assert!(matches!(node.stop(), Err(BrokerError::WrongState { .. })));
        delete(&site);
    }

    #[test]
    fn a_port_mapper_that_does_not_answer_is_not_left_behind() {
        let (_node, site) = node("", Duration::ZERO, None);
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        let error = site.wait_for_epmd(Process::Child(child)).unwrap_err();
        assert!(matches!(error, BrokerError::StartFailed { .. }), "{error}");
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        delete(&site);
    }
}
