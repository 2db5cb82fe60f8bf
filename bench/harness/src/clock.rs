//! Wall clock, processor time, latencies and memory.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::Error;

/// What a section took.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// By the clock on the wall.
    pub wall: Duration,
    /// Processor time of all threads in user mode.
    pub user: Duration,
    /// Processor time of all threads in the kernel.
    pub system: Duration,
}

/// A running measurement.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Instant,
    user: Duration,
    system: Duration,
}

impl Clock {
    /// Starts measuring.
    pub fn start() -> Result<Self, Error> {
        let (user, system) = processor_time()?;
        Ok(Self {
            wall: Instant::now(),
            user,
            system,
        })
    }

    /// What it took since the start.
    pub fn stop(self) -> Result<Taken, Error> {
        let wall = self.wall.elapsed();
        let (user, system) = processor_time()?;
        Ok(Taken {
            wall,
            user: user - self.user,
            system: system - self.system,
        })
    }
}

fn processor_time() -> Result<(Duration, Duration), Error> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let duration = |time: nix::sys::time::TimeVal| {
        Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000)
    };
    Ok((duration(usage.user_time()), duration(usage.system_time())))
}

/// How long each of many waits took.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<u64>);

impl Latencies {
    /// Room for all of them, so that none of them pays for growth.
    #[must_use]
    pub fn with_capacity(n: u64) -> Self {
        Self(Vec::with_capacity(n as usize))
    }

    /// Adds the time since `start`.
    pub fn add(&mut self, start: Instant) {
        self.0.push(start.elapsed().as_nanos() as u64);
    }

    /// The median and the 99th percentile in microseconds, if anything waited.
    #[must_use]
    pub fn percentiles(mut self) -> Option<(f64, f64)> {
        self.0.sort_unstable();
        let at = |percent: usize| {
            let index = (self.0.len() * percent / 100).min(self.0.len().checked_sub(1)?);
            Some(*self.0.get(index)? as f64 / 1000.0)
        };
        Some((at(50)?, at(99)?))
    }
}

/// What the kernel says of this process.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident memory now.
    pub rss_kb: u64,
    /// The most it ever was. `getrusage` would also count what the parent had before `exec`.
    pub max_rss_kb: u64,
    /// Threads now.
    pub threads: u64,
}

impl Memory {
    /// Reads `/proc/self/status`.
    pub fn now() -> Result<Self, Error> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| -> Result<u64, Error> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            Ok(number
                .ok_or_else(|| format!("/proc/self/status has no {name}"))?
                .parse()?)
        };
        Ok(Self {
            rss_kb: field("VmRSS")?,
            max_rss_kb: field("VmHWM")?,
            threads: field("Threads")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred() {
        let latencies = Latencies((1..=100).map(|n| n * 1000).rev().collect());
        assert_eq!(latencies.percentiles(), Some((51.0, 100.0)));
        assert_eq!(Latencies::default().percentiles(), None);
    }

    #[test]
    fn working_costs_processor_time() {
        let clock = Clock::start().unwrap();
        // However long a busy machine takes to let this thread work.
        let is_counted = |taken: &Taken| taken.user + taken.system > Duration::ZERO;
        let mut all = std::iter::repeat_with(|| clock.stop().unwrap());
        assert!(all.find(is_counted).is_some());
        assert!(Memory::now().unwrap().rss_kb > 0);
    }
}
