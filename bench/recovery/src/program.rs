//! A client's program under way, with a virtual host and a network of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use amqp_testing::broker::VirtualHost;
use amqp_testing::{Broker, Proxy};
use recovery_log::{Attempt, Line, QUEUE};
use serde_json::Value;

use crate::clients::Client;
use crate::failure::Failure;
use crate::oracles::Entry;

/// How long a program may take to connect and declare what it needs.
const START: Duration = Duration::from_secs(20);

/// How often it is started if it does not come up.
const STARTS: usize = 3;

/// How long is waited before anything is looked at again.
const PAUSE: Duration = Duration::from_millis(50);

/// A program under way. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) client: Client,
    pub(crate) proxy: Proxy,
    vhost: VirtualHost,
    process: Child,
    /// Where it is told what to do; `None` once it is to end.
    orders: Option<ChildStdin>,
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Program {
    /// Starts it, again if it does not come up, and waits until it is up.
    pub(crate) fn start(
        client: Client,
        file: &Path,
        broker: &Broker,
        is_behind_proxy: bool,
    ) -> Result<Self, Failure> {
        for _ in 1..STARTS {
            match Self::start_once(client, file, broker, is_behind_proxy) {
                Ok(program) => return Ok(program),
                Err(problem) => eprintln!("{problem}"),
            }
        }
        Self::start_once(client, file, broker, is_behind_proxy)
    }

    /// Starts it, and waits until it is up. It connects to the broker itself, or through its proxy
    /// if the network is to fail: behind a proxy, a broker that is down looks otherwise.
    fn start_once(
        client: Client,
        file: &Path,
        broker: &Broker,
        is_behind_proxy: bool,
    ) -> Result<Self, Failure> {
        let vhost = broker.vhost()?;
        let proxy = Proxy::to_url(&broker.url())?;
        let url = if is_behind_proxy {
            proxy.url()
        } else {
            broker.url()
        };
        let mut process = Command::new(file)
            .arg(format!("{url}/{}", vhost.name()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let (orders, output) = (process.stdin.take(), process.stdout.take());
        let mut program = Self {
            client,
            proxy,
            vhost,
            process,
            orders,
            entries: Arc::default(),
        };
        if let Some(output) = output {
            let entries = Arc::clone(&program.entries);
            thread::spawn(move || write_down(output, &entries));
        }
        let is_up = || program.entries().iter().any(|it| it.line == Line::Up);
        if wait_until(START, is_up) {
            Ok(program)
        } else {
            let how = if program.has_ended() { "ends" } else { "hangs" };
            Err(format!("{} {how} before it is up", client.id).into())
        }
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn vhost(&self) -> &str {
        self.vhost.name()
    }

    /// Deletes the queue.
    pub(crate) fn delete_queue(&self) -> Result<(), Failure> {
        let path = format!("/api/queues/{}/{QUEUE}", self.vhost());
        self.vhost.management().delete(&path)?;
        Ok(())
    }

    /// Tells it to publish nothing more.
    pub(crate) fn drain(&mut self) {
        // A program that has ended does not hear it.
        if let Some(orders) = &mut self.orders {
            let _ = orders.write_all(b"drain\n").and_then(|()| orders.flush());
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Ends it, and returns what is left in its queue.
    pub(crate) fn end(mut self) -> Result<Vec<Attempt>, Failure> {
        drop(self.orders.take());
        let process = &mut self.process;
        wait_until(Duration::from_secs(5), || {
            matches!(process.try_wait(), Ok(Some(_)))
        });
        process.kill()?;
        process.wait()?;
        self.proxy.reset();
        // The broker puts back what the program held.
        thread::sleep(Duration::from_secs(1));
        let path = format!("/api/queues/{}/{QUEUE}/get", self.vhost());
        let wanted = r#"{"count":100000,"ackmode":"ack_requeue_false","encoding":"auto"}"#;
        // There may be no queue.
        let text = self.vhost.management().post(&path, wanted);
        let left: Value = serde_json::from_str(&text.unwrap_or_else(|_| "[]".to_owned()))?;
        let bodies = left.as_array().into_iter().flatten();
        let bodies = bodies.filter_map(|message| message["payload"].as_str());
        Ok(bodies
            .filter_map(|body| Attempt::of_body(body.as_bytes()))
            .collect())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write_down(output: ChildStdout, entries: &Mutex<Vec<Entry>>) {
    for line in BufReader::new(output).lines() {
        let at = Instant::now();
        // What is no line is a word of a library's.
        if let Ok(Ok(line)) = line.map(|line| line.parse()) {
            let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.push(Entry { at, line });
        }
    }
}

/// Waits until something is so; tells whether it became so in time.
pub(crate) fn wait_until(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(PAUSE);
    }
}
