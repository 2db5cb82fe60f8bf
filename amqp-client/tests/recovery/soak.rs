//! Rounds of the workload on one connection, through faults that are chosen by chance, for as long
//! as is asked for: `cargo xtask soak`.
//!
//! What the program and the library hold is compared between rounds, when the workload is gone and
//! the connection is idle.

mod faults;
mod report;

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_testing::{Broker, BrokerOptions};
use fastrand::Rng;
use tokio::runtime::{Builder, Handle};
use tokio::time::sleep;

use self::faults::Fault;
use self::report::{Held, Report};
use crate::oracles::{Excuses, Losses};
use crate::stage::Ground;
use crate::workload::Kind;

/// At most so many faults happen to one workload.
const FAULTS_PER_ROUND: usize = 4;

/// What is held at the end is compared with what was after this time, or a fifth of the whole. The
/// allocator's and the runtime's own needs still grow before this time: in a shorter soak resident
/// memory is told and not judged.
const WARM: Duration = Duration::from_secs(300);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
struct Plan {
    time: Duration,
    seed: u64,
    n_nodes: usize,
}

impl Plan {
    /// `None` if no soak is asked for.
    fn from_env() -> Option<Self> {
        Some(Self {
            time: Duration::from_secs(number("SOAK_SECONDS")?),
            seed: number("SOAK_SEED").unwrap_or(1),
            n_nodes: number("SOAK_NODES").map_or(1, |n| usize::try_from(n).unwrap()),
        })
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is a number, not {text}")))
}

#[test]
fn faults_by_chance() {
    let Some(plan) = Plan::from_env() else {
        return;
    };
    let options = BrokerOptions::new().nodes(plan.n_nodes);
    let broker = Arc::new(options.start().unwrap());
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        // Threads that wait for more to do are memory that comes and goes.
        .thread_keep_alive(Duration::from_millis(50))
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(soak(plan, &broker));
    drop(runtime);
    println!("{report}");
    let verdicts = report.verdicts();
    assert!(verdicts.is_empty(), "seed {}: {verdicts:#?}", plan.seed);
}

/// Two connections, one behind the other: a short one, which shows what the program holds when it
/// has done everything once, and one for the rest of the time.
async fn soak(plan: Plan, broker: &Arc<Broker>) -> Report {
    let vhost = broker.vhost().unwrap();
    let mut random = Rng::with_seed(plan.seed);
    let warm = WARM.min(plan.time / 5);
    let mut report = Report::new(plan.seed, plan.n_nodes, warm == WARM);
    let begun = Instant::now();
    sleep(Duration::from_millis(200)).await;
    let n_tasks = alive_tasks();
    for time in [warm, plan.time] {
        let ground = Ground::open(broker, vhost.name(), Duration::from_secs(2)).await;
        let n_tasks_open = alive_tasks();
        loop {
            round(&ground, plan.n_nodes, begun, &mut random, &mut report).await;
            until_idle(n_tasks_open).await;
            report.say(begun.elapsed());
            if report.is_over() || begun.elapsed() > time {
                break;
            }
        }
        if let Err(error) = ground.connection.close().await {
            report.accuse(format!("the connection was not closed: {error}"));
        }
        drop(ground);
        until_idle(n_tasks).await;
        report.closed(Held::settled().await);
    }
    report
}

/// Waits until only so many tasks are left, and what they held has been given back.
async fn until_idle(n_tasks: usize) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while alive_tasks() > n_tasks && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_millis(200)).await;
}

/// One workload, with some faults.
async fn round(
    ground: &Ground,
    n_nodes: usize,
    begun: Instant,
    random: &mut Rng,
    report: &mut Report,
) {
    let kind = if n_nodes > 1 {
        Kind::Quorum
    } else {
        Kind::Classic
    };
    let excuses = Excuses {
        losses: Losses::Any,
        ..Excuses::default()
    };
    let mut injected = Vec::new();
    let round = ground.round(kind, excuses, async |stage, _| {
        for _ in 0..random.usize(1..=FAULTS_PER_ROUND) {
            let fault = Fault::choose(random, n_nodes);
            println!("{:5.0} s, {fault}", begun.elapsed().as_secs_f32());
            injected.push(fault.inject(stage, random).await);
            // Some come while the connection is not back from the one before.
            sleep(Duration::from_millis(random.u64(0..3000))).await;
        }
    });
    let round = round.await;
    report.add(&round, &injected);
    round.telling.stop().await;
}

fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
