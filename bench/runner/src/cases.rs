//! What is measured: modes and body sizes, and how many messages.

/// One mode at one body size.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Case {
    pub(crate) mode: &'static str,
    pub(crate) size: usize,
}

/// The modes of the comparison.
pub(crate) const MODES: [&str; 6] = [
    "publish",
    "confirm",
    "consume-noack",
    "consume-ack",
    "confirm1",
    "declare",
];

const SIZES: [usize; 4] = [16, 1024, 65_536, 1_048_576];

/// How much may be on its way unconfirmed or unacknowledged: a window of a thousand large messages
/// would measure the allocator.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;

/// The null broker's pause before the first delivery. Two of the peers lose what arrives before
/// they have registered their consumer; it is the same for all, and taken off the wall clock.
pub(crate) const DELIVER_DELAY_MS: u64 = 20;

/// The queue, and so the routing key, of everything that is published.
pub(crate) const QUEUE: &str = "bench-perf";

impl Case {
    /// The cases that the command line asks for.
    pub(crate) fn chosen(modes: &[String], sizes: &[usize]) -> Result<Vec<Self>, String> {
        if let Some(unknown) = modes.iter().find(|mode| !MODES.contains(&mode.as_str())) {
            return Err(format!(
                "there is no mode {unknown:?}; there are {}",
                MODES.join(", ")
            ));
        }
        let wanted = |mode: &&str| modes.is_empty() || modes.iter().any(|name| name == mode);
        let sizes = if sizes.is_empty() { &SIZES[..] } else { sizes };
        let cases = MODES
            .into_iter()
            .filter(|mode| wanted(mode))
            .flat_map(|mode| {
                let sizes = if Self::waits(mode) {
                    &SIZES[..1]
                } else {
                    sizes
                };
                sizes.iter().map(move |&size| Self { mode, size })
            });
        Ok(cases.collect())
    }

    /// Whether every message waits for an answer, so that latency is what counts.
    pub(crate) fn waits(mode: &str) -> bool {
        matches!(mode, "confirm1" | "declare")
    }

    pub(crate) fn consumes(&self) -> bool {
        self.mode.starts_with("consume")
    }

    /// Prefetch count or confirmation window.
    pub(crate) fn window(&self) -> usize {
        (WINDOW_BYTES / self.size.max(1)).clamp(8, 1000)
    }

    /// So many messages tell how fast a client roughly is.
    pub(crate) fn probe(&self) -> u64 {
        if Self::waits(self.mode) {
            200
        } else {
            (2_000_000 / self.size as u64).clamp(20, 2000)
        }
    }

    /// More than so many are never sent.
    pub(crate) fn most(&self, real_broker: bool) -> u64 {
        let (count, bytes): (u64, u64) = if real_broker {
            (200_000, 256 << 20)
        } else {
            (20_000_000, 8 << 30)
        };
        if Self::waits(self.mode) {
            20_000
        } else {
            count.min(bytes / self.size.max(1) as u64)
        }
    }

    /// The options of a run.
    pub(crate) fn options(&self, url: &str, messages: u64, real_broker: bool) -> Vec<String> {
        let queue = if self.consumes() && !real_broker {
            format!("deliver-{messages}-{}-{DELIVER_DELAY_MS}", self.size)
        } else {
            QUEUE.to_owned()
        };
        let mut options: Vec<String> = [
            ("--url", url.to_owned()),
            ("--messages", messages.to_string()),
            ("--size", self.size.to_string()),
            ("--queue", queue),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
        match self.mode {
            "confirm" => options.extend(["--inflight".to_owned(), self.window().to_string()]),
            "consume-ack" => options.extend(["--prefetch".to_owned(), self.window().to_string()]),
            _ => {}
        }
        options
    }
}

/// A body size as people write it.
pub(crate) fn size_name(size: usize) -> String {
    match size {
        0..1024 => format!("{size} B"),
        1024..1_048_576 => format!("{} KiB", size / 1024),
        _ => format!("{} MiB", size / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_modes_have_one_size() {
        let cases = Case::chosen(&[], &[]).unwrap();
        assert_eq!(cases.len(), 4 * 4 + 2);
        assert_eq!(
            cases.iter().filter(|case| Case::waits(case.mode)).count(),
            2
        );
        assert!(Case::chosen(&["dance".to_owned()], &[]).is_err());
    }

    #[test]
    fn large_bodies_have_small_windows() {
        assert_eq!(
            Case {
                mode: "confirm",
                size: 16
            }
            .window(),
            1000
        );
        assert_eq!(
            Case {
                mode: "confirm",
                size: 1 << 20
            }
            .window(),
            16
        );
    }
}
