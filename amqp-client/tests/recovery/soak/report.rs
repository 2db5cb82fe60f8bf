//! What a soak has shown.

use std::time::Duration;
use std::{fmt, mem};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::time::sleep;

use super::faults::{Fault, Injected};
use crate::oracles::Numbers;
use crate::stage::{Round, memory};

#[global_allocator]
static COUNTED: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// By how many octets resident memory may be higher at the end.
const MOST_GROWTH: u64 = 2 << 20;

/// What is held when there is nothing to do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Held {
    /// Live allocations, and their octets.
    n_allocations: usize,
    octets: usize,
    /// Resident memory in octets.
    resident: u64,
}

impl Held {
    pub(super) fn now() -> Self {
        let stats = COUNTED.stats();
        let grown = stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated);
        Self {
            n_allocations: stats.allocations.wrapping_sub(stats.deallocations),
            octets: grown,
            resident: memory(),
        }
    }

    /// What is held once nothing is given back any more: on a busy machine threads that have
    /// nothing to do take a while to end.
    pub(super) async fn settled() -> Self {
        const QUIET: usize = 20;
        const AT_MOST: usize = 300;
        let mut held = Self::now();
        let mut n_equal = 0;
        for _ in 0..AT_MOST {
            sleep(Duration::from_millis(100)).await;
            let before = mem::replace(&mut held, Self::now());
            let is_equal = before.n_allocations == held.n_allocations;
            n_equal = if is_equal { n_equal + 1 } else { 0 };
            if n_equal == QUIET {
                break;
            }
        }
        held
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kib, mib) = (
            self.octets as f64 / 1024.0,
            self.resident as f64 / 1048576.0,
        );
        write!(
            f,
            "{} live allocations of {kib:.1} KiB, {mib:.1} MiB resident",
            self.n_allocations
        )
    }
}

/// What has been found so far.
#[derive(Debug)]
pub(super) struct Report {
    seed: u64,
    n_nodes: usize,
    /// Whether resident memory is judged.
    is_long: bool,
    took: Duration,
    n_rounds: usize,
    /// How often each of [`Fault::ALL`] has happened.
    faults: [usize; Fault::ALL.len()],
    /// Of all rounds.
    numbers: Numbers,
    flows_elsewhere: Vec<Duration>,
    /// What is held between two rounds.
    held: Held,
    /// What was held of each connection before it was closed, and behind that.
    connections: Vec<(Held, Held)>,
    verdicts: Vec<String>,
}

impl Report {
    pub(super) fn new(seed: u64, n_nodes: usize, is_long: bool) -> Self {
        Self {
            seed,
            n_nodes,
            is_long,
            took: Duration::ZERO,
            n_rounds: 0,
            faults: [0; Fault::ALL.len()],
            numbers: Numbers::default(),
            // What the report itself needs later does not count.
            flows_elsewhere: Vec::with_capacity(10_000),
            held: Held::default(),
            connections: Vec::with_capacity(2),
            verdicts: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, round: &Round, injected: &[Injected]) {
        self.n_rounds += 1;
        let pages = round.ledger.pages();
        self.numbers.add(&Numbers::of(&pages, round.excuses));
        drop(pages);
        for one in injected {
            let at = Fault::ALL.iter().position(|fault| *fault == one.fault);
            self.faults[at.unwrap()] += 1;
            self.flows_elsewhere.extend(one.flows_elsewhere);
        }
        let verdicts = round.verdicts().into_iter();
        let round = self.n_rounds;
        self.verdicts
            .extend(verdicts.map(|why| format!("round {round}: {why}")));
    }

    pub(super) fn accuse(&mut self, why: String) {
        self.verdicts.push(why);
    }

    /// Says how far it is.
    pub(super) fn say(&mut self, took: Duration) {
        self.took = took;
        self.held = Held::now();
        let numbers = &self.numbers;
        println!(
            "{:5.0} s, {} rounds, {} messages, {} lost, {} losses; {}",
            took.as_secs_f32(),
            self.n_rounds,
            numbers.messages,
            numbers.lost,
            numbers.losses,
            self.held,
        );
    }

    /// A connection has been closed.
    pub(super) fn closed(&mut self, held: Held) {
        self.connections.push((self.held, held));
    }

    /// Whether a round has shown that something does not hold.
    pub(super) fn is_over(&self) -> bool {
        !self.verdicts.is_empty()
    }

    /// What does not hold.
    pub(super) fn verdicts(&self) -> Vec<String> {
        let mut verdicts = self.verdicts.clone();
        if let [(warm, warm_closed), .., (end, end_closed)] = self.connections.as_slice() {
            if self.is_long && end.resident > warm.resident + MOST_GROWTH {
                verdicts.push(format!("{end}, and {warm} once it was warm"));
            }
            if end_closed.n_allocations > warm_closed.n_allocations {
                verdicts.push(format!(
                    "{end_closed} behind the end, and {warm_closed} behind the first connection"
                ));
            }
        }
        verdicts
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = &self.numbers;
        let minutes = self.took.as_secs_f32() / 60.0;
        writeln!(
            f,
            "SOAK of {minutes:.1} minutes, seed {}, {} nodes",
            self.seed, self.n_nodes
        )?;
        let n_faults: usize = self.faults.iter().sum();
        let each = Fault::ALL.iter().zip(self.faults);
        let each = each.map(|(fault, n)| format!("{fault} {n}"));
        let each: Vec<_> = each.collect();
        writeln!(f, "  rounds             {}", self.n_rounds)?;
        writeln!(f, "  faults             {n_faults}: {}", each.join(", "))?;
        writeln!(
            f,
            "  losses, attempts   {}, {}",
            numbers.losses, numbers.attempts
        )?;
        writeln!(f, "  messages           {}", numbers.messages)?;
        writeln!(f, "    confirmed        {}", numbers.confirmed)?;
        writeln!(f, "    uncertain        {}", numbers.uncertain)?;
        writeln!(f, "    not sent         {}", numbers.not_sent)?;
        writeln!(f, "    returned, nacked {}", numbers.refused)?;
        writeln!(f, "  delivered          {}", numbers.delivered)?;
        writeln!(f, "    more than once   {}", numbers.duplicates)?;
        writeln!(f, "    settled stale    {}", numbers.stale)?;
        writeln!(f, "  lost               {}", numbers.lost)?;
        let (calls, failed) = (numbers.calls, numbers.failed_calls);
        writeln!(f, "  calls, failed      {calls}, {failed}")?;
        let longest = numbers.without_flow.as_secs_f32();
        writeln!(f, "  longest standstill {longest:.1} s")?;
        if let Some(most) = self.flows_elsewhere.iter().max() {
            let n = self.flows_elsewhere.len();
            let all: Duration = self.flows_elsewhere.iter().sum();
            let mean = all.as_secs_f32() / n as f32;
            let most = most.as_secs_f32();
            writeln!(
                f,
                "  death to flow      {mean:.1} s on another node, at most {most:.1} s, {n} times"
            )?;
        }
        for (n, (open, closed)) in self.connections.iter().enumerate() {
            let n = n + 1;
            writeln!(f, "  held, connection {n} {open}")?;
            writeln!(f, "      once closed    {closed}")?;
        }
        if !self.is_long {
            writeln!(f, "  not judged         resident memory: too short")?;
        }
        write!(f, "  does not hold      {:?}", self.verdicts())
    }
}
