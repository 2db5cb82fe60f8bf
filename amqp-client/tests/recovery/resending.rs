//! Numbered messages of publishers that send again, through kills of the broker and cuts of the
//! network: none is missing in a durable queue, those of one publisher are in order up to repeats,
//! and each repeat is marked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use amqp_client::options::Recovery;
use amqp_client::publish::Resend;
use amqp_client::{Connection, ConnectionOptions, Message, Publisher, QueueDeclare};
use amqp_testing::{Broker, Proxy};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::HANG;
use crate::stage::{Length, is_asked_for, memory, on_broker};

const QUEUE: &str = "numbers";
const MARK: &str = "x-resent";
const N_PUBLISHERS: usize = 2;

/// How much each publisher keeps.
const UP_TO: usize = 2 << 20;

/// How much more than that the program may take.
const BESIDE: u64 = 8 << 20;

/// What happens, and how often.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Of all publishers.
    n_messages: usize,
    n_kills: usize,
    /// How often the network is cut between two kills.
    n_cuts: usize,
    judges_memory: bool,
}

#[test]
fn nothing_is_missing_through_a_kill_and_cuts_of_the_network() {
    if is_asked_for(Length::Short) {
        through(Plan {
            n_messages: 40_000,
            n_kills: 1,
            n_cuts: 4,
            judges_memory: false,
        });
    }
}

#[test]
fn million_messages_through_twenty_kills() {
    if is_asked_for(Length::Long) {
        through(Plan {
            n_messages: 1_000_000,
            n_kills: 20,
            n_cuts: 0,
            judges_memory: true,
        });
    }
}

#[track_caller]
fn through(plan: Plan) {
    on_broker(1, |broker, vhost| {
        let url = vhost.url();
        // On one thread, for each has an arena of the allocator, whose gaps count as memory.
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            declare(&url).await;
            let took = publish_all(plan, broker, &url).await;
            let read = read_all(plan, &url).await;
            println!("RESEND {plan:?}: {took}, {read} repeats");
        });
    });
}

async fn declare(url: &str) {
    let connection = Connection::open(url).await.unwrap();
    let channel = connection.open_channel().await.unwrap();
    let queue = QueueDeclare::new(QUEUE).durable();
    channel.queue_declare(queue).await.unwrap();
    connection.close().await.unwrap();
    // RabbitMQ 3.10 may forget what was declared in the moments before it is killed.
    sleep(Duration::from_secs(2)).await;
}

/// Publishes all, and has the faults come in between. Tells what it took.
async fn publish_all(plan: Plan, broker: &Arc<Broker>, url: &str) -> String {
    // Only where it is needed: what is in its buffers counts as memory of ours.
    let proxy = (plan.n_cuts > 0).then(|| Proxy::to_url(url).unwrap());
    let options: ConnectionOptions = url.parse().unwrap();
    let delays = Duration::from_millis(50)..=Duration::from_secs(1);
    let mut options = options
        .open_timeout(Duration::from_secs(5))
        .recovery(Recovery::new().delays(delays).patience(HANG));
    if let Some(proxy) = &proxy {
        options = options.hosts([proxy.address().to_string()]);
    }
    let connection = Connection::open_with(&options).await.unwrap();
    let published = Arc::new(AtomicUsize::new(0));
    let before = memory();
    let mut tasks = JoinSet::new();
    for id in 0..N_PUBLISHERS {
        let resend = Resend::up_to(UP_TO).mark_with(MARK);
        let publisher = connection.open_publisher().await.unwrap().resend(resend);
        let n = plan.n_messages / N_PUBLISHERS;
        tasks.spawn(publish_numbers(publisher, id, n, Arc::clone(&published)));
    }
    let peak = tokio::spawn(peak_of_memory());
    let n_faults = plan.n_kills * (plan.n_cuts + 1);
    for fault in 0..n_faults {
        let due = plan.n_messages * (fault + 1) / (n_faults + 1);
        until(|| published.load(Ordering::Relaxed) >= due).await;
        if let Some(proxy) = proxy
            .as_ref()
            .filter(|_| fault % (plan.n_cuts + 1) < plan.n_cuts)
        {
            proxy.reset();
            continue;
        }
        let broker = Arc::clone(broker);
        let kill = move || {
            broker.kill().unwrap();
            broker.start_again().unwrap();
        };
        tokio::task::spawn_blocking(kill).await.unwrap();
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    peak.abort();
    let more = PEAK.swap(0, Ordering::Relaxed).saturating_sub(before);
    let counters = connection.counters();
    assert!(counters.recoveries >= plan.n_kills as u64, "{counters:?}");
    assert!(counters.resent > 0);
    connection.close().await.unwrap();
    let kept = (N_PUBLISHERS * UP_TO) as u64;
    if plan.judges_memory {
        assert!(more <= kept + BESIDE, "{more} octets for {kept}");
    }
    format!(
        "{} losses, {} sent again, {} KiB more at most, of which {} are kept",
        counters.recoveries,
        counters.resent,
        more >> 10,
        kept >> 10,
    )
}

/// Hands all over and waits for what becomes of them: no error, whatever happens meanwhile.
async fn publish_numbers(publisher: Publisher, id: usize, n: usize, published: Arc<AtomicUsize>) {
    for number in 0..n {
        let message = Message::new(format!("{id}-{number}")).persistent();
        let confirmation = timeout(HANG, publisher.send("", QUEUE, &message)).await;
        // It is not asked for: all are waited for below.
        drop(confirmation.expect("room").unwrap());
        published.fetch_add(1, Ordering::Relaxed);
    }
    let all = timeout(HANG, publisher.wait_for_confirms()).await;
    all.expect("confirms").unwrap();
    assert_eq!(publisher.outstanding(), 0);
}

static PEAK: AtomicU64 = AtomicU64::new(0);

async fn peak_of_memory() {
    loop {
        PEAK.fetch_max(memory(), Ordering::Relaxed);
        sleep(Duration::from_millis(5)).await;
    }
}

async fn until(holds: impl Fn() -> bool) {
    let all = async {
        while !holds() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(HANG, all).await.expect("nothing is published");
}

/// Reads the queue, in which every number is, in order up to repeats, which are marked. Gives how
/// many repeats there are.
async fn read_all(plan: Plan, url: &str) -> usize {
    let connection = Connection::open(url).await.unwrap();
    let channel = connection.open_channel().await.unwrap();
    let declared = channel
        .queue_declare(QueueDeclare::new(QUEUE).passive())
        .await;
    let n_there = usize::try_from(declared.unwrap().message_count).unwrap();
    let mut consumer = channel.consume(QUEUE).no_ack().await.unwrap();
    let mut next = [0; N_PUBLISHERS];
    let mut repeats = 0;
    for _ in 0..n_there {
        let message = timeout(HANG, consumer.next()).await.expect("a message");
        let message = message.unwrap().unwrap();
        let text = std::str::from_utf8(message.body()).unwrap();
        let (id, number) = text.split_once('-').unwrap();
        let next = &mut next[id.parse::<usize>().unwrap()];
        let number: usize = number.parse().unwrap();
        assert!(number <= *next, "{text} stands where {next} is missing");
        if number == *next {
            *next += 1;
        } else {
            let headers = message.properties().headers();
            let is_marked = headers.is_some_and(|it| it.get(MARK).is_ok_and(|it| it.is_some()));
            assert!(is_marked, "{text} is repeated");
            repeats += 1;
        }
    }
    assert_eq!(next, [plan.n_messages / N_PUBLISHERS; N_PUBLISHERS]);
    connection.close().await.unwrap();
    repeats
}
