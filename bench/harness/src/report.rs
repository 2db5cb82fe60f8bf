//! The line that a program prints.

use std::fmt::Write;

use crate::text::json_string;
use crate::{Args, Error, Latencies, Memory, Taken};

/// The line that a program prints: one JSON object.
#[derive(Clone, Debug)]
pub struct Report {
    line: String,
}

impl Report {
    /// A report of a section that took so long. Reads the memory figures at once.
    pub fn new(
        client: &str,
        version: &str,
        args: &Args,
        taken: Taken,
        before: Memory,
    ) -> Result<Self, Error> {
        let now = Memory::now()?;
        let n = args.messages as f64;
        let (wall, user, system) = (
            taken.wall.as_secs_f64(),
            taken.user.as_secs_f64(),
            taken.system.as_secs_f64(),
        );
        let line = format!(
            "{{\"client\":{},\"version\":{},\"mode\":{},\"n\":{},\"size\":{},\
             \"wall_s\":{wall:.6},\"msgs_per_s\":{:.1},\"user_s\":{user:.6},\"sys_s\":{system:.6},\
             \"cpu_us_per_msg\":{:.5},\"max_rss_kb\":{},\"rss_before_kb\":{},\"rss_kb\":{},\
             \"threads\":{}",
            json_string(client),
            json_string(version),
            json_string(args.mode.name()),
            args.messages,
            args.size,
            n / wall,
            (user + system) * 1e6 / n,
            now.max_rss_kb,
            before.rss_kb,
            now.rss_kb,
            now.threads,
        );
        Ok(Self { line })
    }

    /// Adds the percentiles of what was waited for, if anything was.
    #[must_use]
    pub fn latencies(mut self, latencies: Latencies) -> Self {
        if let Some((p50, p99)) = latencies.percentiles() {
            // Writing to a string does not fail.
            let _ = write!(self.line, ",\"p50_us\":{p50:.2},\"p99_us\":{p99:.2}");
        }
        self
    }

    /// Adds how many messages the broker says it got.
    #[must_use]
    pub fn at_broker(mut self, count: Option<u64>) -> Self {
        if let Some(count) = count {
            let _ = write!(self.line, ",\"at_broker\":{count}");
        }
        self
    }

    /// Prints it.
    pub fn print(self) {
        println!("{}}}", self.line);
    }
}
