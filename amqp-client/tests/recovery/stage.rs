//! A broker, a connection, and the way of a workload through a fault.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs};

use amqp_client::options::{HostOrder, Recovery};
use amqp_client::{Connection, ConnectionOptions, QueueDeclare};
use amqp_testing::broker::{Endpoint, VirtualHost};
use amqp_testing::{Broker, BrokerOptions, Proxy};
use tokio::runtime::{Builder, Handle};
use tokio::time::sleep;

use crate::HANG;
use crate::ledger::{Ledger, Pages};
use crate::oracles::{Excuses, Findings, Numbers, judge};
use crate::told::{self, Telling};
use crate::workload::{CALLS, Kind, QUEUE, Workload};

/// How long the workload runs before its fault.
const WARM_UP: Duration = Duration::from_millis(300);

/// One broker for all faults of a size, since each start costs seconds; and one fault at a time.
static BROKER: Mutex<Option<Broker>> = Mutex::new(None);

/// Keeps faults away: they count what the whole process has open.
pub(crate) fn alone() -> impl Drop {
    BROKER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A broker, a connection to it, and what lies between them.
pub(crate) struct Ground {
    broker: Arc<Broker>,
    vhost: String,
    /// In front of each node, in their order.
    proxies: Vec<Proxy>,
    pub(crate) connection: Connection,
}

/// Where a fault takes place: a workload on its ground.
pub(crate) struct Stage<'g> {
    ground: &'g Ground,
    workload: Workload,
}

/// What became of a workload.
pub(crate) struct Round {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) telling: Telling,
    pub(crate) findings: Findings,
    pub(crate) excuses: Excuses,
    /// How long it took after the fault until everything flowed.
    pub(crate) flowed: Option<Duration>,
    /// What did not flow then.
    idle: Vec<String>,
}

/// How long a fault takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Short,
    /// Or it takes a cluster.
    Long,
}

/// Whether faults of this length are to be run: the short ones unless `RECOVERY_FAULTS` names
/// another length, or none.
pub(crate) fn is_asked_for(length: Length) -> bool {
    let asked = env::var("RECOVERY_FAULTS").unwrap_or_else(|_| "short".to_owned());
    let name = match length {
        Length::Short => "short",
        Length::Long => "long",
    };
    asked.split(',').any(|word| word == name)
}

/// A fault, with all that is particular to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) n_nodes: usize,
    pub(crate) kind: Kind,
    pub(crate) heartbeat: Duration,
    pub(crate) excuses: Excuses,
}

impl Setting {
    /// On one node, with a classic queue.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            n_nodes: 1,
            kind: Kind::Classic,
            heartbeat: Duration::from_secs(10),
            excuses: Excuses::default(),
        }
    }
}

/// Takes a workload through a fault, prints its numbers, and panics unless all oracles are
/// satisfied. The fault is over when it returns.
#[track_caller]
pub(crate) fn run(setting: Setting, fault: impl AsyncFnOnce(&Stage<'_>, &mut Excuses)) {
    on_broker(setting.n_nodes, |broker, vhost| {
        let memory = memory();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        // What the runtime has open of its own is not ours.
        let before = (open_files(), memory);
        let name = setting.name;
        let verdicts = runtime.block_on(take_through(setting, broker, vhost, before, fault));
        drop(runtime);
        assert!(verdicts.is_empty(), "{name}: {verdicts:#?}");
    });
}

/// Acts on a broker with this many nodes, and a virtual host on it. Says so if there is none.
#[track_caller]
pub(crate) fn on_broker(n_nodes: usize, act: impl FnOnce(&Arc<Broker>, &VirtualHost)) {
    if Endpoint::from_env().unwrap().is_none() {
        eprintln!("not tested: {} is not set", Endpoint::URL_VARIABLE);
        return;
    }
    let mut shared = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    // It is put back only if nothing went wrong.
    let broker = shared.take();
    let broker = broker.filter(|broker| broker.nodes().len() == n_nodes);
    let broker = Arc::new(broker.unwrap_or_else(|| {
        let options = BrokerOptions::new().nodes(n_nodes);
        options.start().unwrap()
    }));
    let vhost = broker.vhost().unwrap();
    act(&broker, &vhost);
    vhost.delete().unwrap();
    *shared = Arc::into_inner(broker);
}

async fn take_through(
    setting: Setting,
    broker: &Arc<Broker>,
    vhost: &VirtualHost,
    before: (usize, u64),
    fault: impl AsyncFnOnce(&Stage<'_>, &mut Excuses),
) -> Vec<String> {
    let ground = Ground::open(broker, vhost.name(), setting.heartbeat).await;
    let mut round = ground.round(setting.kind, setting.excuses, fault).await;
    let Ground {
        connection,
        proxies,
        ..
    } = ground;
    if let Err(error) = connection.close().await {
        round
            .ledger
            .surprise(format!("the connection was not closed: {error}"));
    }
    drop((connection, proxies));
    round.telling.ended().await;
    round.findings.stuck_tasks.extend(left_tasks().await);
    round.findings.leaked_files = left_files(before.0).await;
    round.findings.growth = memory().saturating_sub(before.1);

    let pages = round.ledger.pages();
    let numbers = Numbers::of(&pages, round.excuses);
    let after = round.flowed.unwrap_or(HANG).as_secs_f32();
    println!(
        "FAULT {}: {numbers}, flows {after:.2} s after its end",
        setting.name
    );
    for note in pages.notes.iter().take(5) {
        println!("    {note}");
    }
    verdicts(&pages, &round.findings, round.excuses, &round.idle)
}

/// What does not hold, in words.
fn verdicts(pages: &Pages, findings: &Findings, excuses: Excuses, idle: &[String]) -> Vec<String> {
    let verdicts = judge(pages, findings, excuses);
    let mut verdicts: Vec<_> = verdicts.iter().map(ToString::to_string).collect();
    if !verdicts.is_empty() {
        verdicts.push(format!("idle: {idle:?}"));
    }
    verdicts
}

impl Round {
    /// What does not hold, in words.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        verdicts(
            &self.ledger.pages(),
            &self.findings,
            self.excuses,
            &self.idle,
        )
    }
}

impl Ground {
    pub(crate) async fn open(broker: &Arc<Broker>, vhost: &str, heartbeat: Duration) -> Self {
        let nodes = broker.nodes().iter();
        let proxies = nodes.map(|node| Proxy::to_url(&node.url()).unwrap());
        let proxies: Vec<_> = proxies.collect();
        let hosts = proxies.iter().map(|proxy| proxy.address().to_string());
        let url = format!("{}/{vhost}", broker.url());
        let options: ConnectionOptions = url.parse().unwrap();
        // Connections that are lost again and again wait for 2 s at most.
        let delays = Duration::from_millis(100)..=Duration::from_millis(333);
        let options = options
            .hosts(hosts)
            .host_order(HostOrder::Given)
            .recovery(Recovery::new().delays(delays))
            .heartbeat(heartbeat)
            .open_timeout(Duration::from_secs(5));
        Self {
            broker: Arc::clone(broker),
            vhost: vhost.to_owned(),
            proxies,
            connection: Connection::open_with(&options).await.unwrap(),
        }
    }

    /// Takes a workload through a fault, up to the end of the workload.
    pub(crate) async fn round(
        &self,
        kind: Kind,
        mut excuses: Excuses,
        fault: impl AsyncFnOnce(&Stage<'_>, &mut Excuses),
    ) -> Round {
        let workload = Workload::start(&self.connection, kind).await.unwrap();
        let stage = Stage {
            ground: self,
            workload,
        };
        let telling = told::write_down(&self.connection, &stage.workload.ledger);
        stage.until_flowing().await;
        sleep(WARM_UP).await;
        fault(&stage, &mut excuses).await;

        let mut findings = Findings::default();
        let over = Instant::now();
        let flowed = stage.workload.until_flowing(over).await;
        findings.flows = flowed.is_some();
        let idle = stage.workload.idle(over);
        stage.compare_consumers(&mut findings).await;
        stage.workload.drain();
        findings.left_in_queue = stage.until_empty().await;
        let (ledger, stuck) = stage.workload.stop().await;
        findings.stuck_tasks = stuck;
        Round {
            ledger,
            telling,
            findings,
            excuses,
            flowed,
            idle,
        }
    }
}

impl Stage<'_> {
    /// The URL of the first node, past the proxy.
    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.ground.broker.url(), self.ground.vhost)
    }

    /// Waits until all that takes part flows.
    pub(crate) async fn until_flowing(&self) {
        let now = Instant::now();
        let flows = self.workload.until_flowing(now).await.is_some();
        assert!(flows, "idle: {:?}", self.workload.idle(now));
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.ground.connection
    }

    /// Waits until calls are answered, whatever else flows.
    pub(crate) async fn until_calls_flow(&self) {
        let now = Instant::now();
        let calls_flow = || !self.workload.idle(now).iter().any(|it| it == CALLS);
        while !calls_flow() {
            assert!(Instant::now() < now + HANG, "no call is answered");
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn vhost(&self) -> &str {
        &self.ground.vhost
    }

    pub(crate) fn proxies(&self) -> &[Proxy] {
        &self.ground.proxies
    }

    /// Does something to the broker that blocks its thread.
    pub(crate) async fn broker<T: Send + 'static>(
        &self,
        action: impl FnOnce(&Broker) -> T + Send + 'static,
    ) -> T {
        let broker = Arc::clone(&self.ground.broker);
        tokio::task::spawn_blocking(move || action(&broker))
            .await
            .unwrap()
    }

    /// Takes the network away.
    pub(crate) fn disconnect(&self) {
        for proxy in self.proxies() {
            proxy.refuse();
            proxy.reset();
        }
    }

    /// Gives it back.
    pub(crate) fn heal(&self) {
        self.proxies().iter().for_each(Proxy::heal);
    }

    /// Asks until the broker's consumers are ours, or the answers have not changed that for long.
    async fn compare_consumers(&self, findings: &mut Findings) {
        let deadline = Instant::now() + HANG / 4;
        loop {
            let vhost = self.vhost().to_owned();
            let listed = self.broker(move |it| it.first().consumers(&vhost).unwrap());
            let listed = listed.await.into_iter().map(|it| (it.queue, it.tag));
            findings.listed_consumers = listed.collect();
            findings.expected_consumers = self.workload.consumers();
            let is_same = findings.listed_consumers == findings.expected_consumers;
            if is_same || Instant::now() > deadline {
                return;
            }
        }
    }

    /// Waits until every publish has resolved and the queue is empty; returns what is left if it
    /// does not become so.
    async fn until_empty(&self) -> u64 {
        let deadline = Instant::now() + HANG;
        while self.workload.is_publishing() && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        let options: ConnectionOptions = self.url().parse().unwrap();
        let options = options.recovery(Recovery::off());
        let asking = Connection::open_with(&options).await.unwrap();
        let channel = asking.open_channel().await.unwrap();
        loop {
            // What is ready goes to a channel, and from there nowhere but away.
            let passive = QueueDeclare::new(QUEUE).passive();
            let declared = channel.queue_declare(passive).await.unwrap();
            let left = u64::from(declared.message_count) + self.broker(unacknowledged).await;
            if left == 0 || Instant::now() > deadline {
                asking.close().await.unwrap();
                return left;
            }
        }
    }
}

/// How many deliveries all channels of a broker have not acknowledged. The queues themselves tell
/// it too late.
fn unacknowledged(broker: &Broker) -> u64 {
    let columns = [
        "list_channels",
        "--no-table-headers",
        "messages_unacknowledged",
    ];
    let list = broker.ctl(&columns).unwrap();
    list.lines()
        .filter_map(|line| line.trim().parse::<u64>().ok())
        .sum()
}

/// The tasks that are left on this runtime, if they stay.
async fn left_tasks() -> Option<String> {
    let alive = || Handle::current().metrics().num_alive_tasks();
    let deadline = Instant::now() + HANG / 4;
    while alive() > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
    let n_left = alive();
    (n_left > 0).then(|| format!("{n_left} tasks are left"))
}

/// By how many files more are open than before, if they stay so.
async fn left_files(before: usize) -> usize {
    let deadline = Instant::now() + HANG / 4;
    loop {
        let more = open_files().saturating_sub(before);
        if more == 0 || Instant::now() > deadline {
            return more;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// The memory in use, in octets.
pub(crate) fn memory() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * 4096
}
