//! What is dialled: the way to a stream, how often it is gone, and the hosts in their order.

use std::time::Duration;

use crate::error::OptionError;
use crate::options::{Address, ConnectionOptions, HostOrder};

/// How long one attempt to connect again may take if the options set no `open_timeout`.
const ATTEMPT: Duration = Duration::from_secs(60);

/// What a dialer is to do.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) way: Way,
    pub(crate) rounds: Rounds,
    /// How long all of it may take.
    pub(crate) limit: Option<Duration>,
    /// The address of the host that has just failed: it is tried last.
    pub(crate) last: Option<String>,
    /// How long a deadline that has passed waits for reports before it counts: as long as the
    /// adapter needs to look at all of its streams once.
    pub(crate) look: Duration,
}

impl Plan {
    /// For a connection that was not open before, tried in these rounds.
    pub(crate) fn first(
        way: Way,
        rounds: Rounds,
        options: &ConnectionOptions,
        look: Duration,
    ) -> Self {
        Self {
            way,
            rounds,
            limit: options.open_timeout,
            last: None,
            look,
        }
    }

    /// For a connection that needs another stream: one round, which is bounded. How often that is
    /// tried, and when, the core decides.
    pub(crate) fn again(
        way: Way,
        last: Option<String>,
        options: &ConnectionOptions,
        look: Duration,
    ) -> Self {
        Self {
            way,
            rounds: Rounds::ONCE,
            limit: Some(options.open_timeout.unwrap_or(ATTEMPT)),
            last,
            look,
        }
    }
}

/// The way to a stream.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// Over the network, to one of the hosts. Their order, where it is random, follows from the
    /// seed.
    Network { seed: u64 },
    /// To a socket of this machine, of this name. Only a system that has such dials it.
    #[cfg_attr(
        not(any(unix, test)),
        expect(dead_code, reason = "there are no such sockets here")
    )]
    Local { path: String },
    /// The stream is there already.
    Brought,
}

impl Way {
    /// The same way once more, with another seed.
    pub(crate) fn again(&self, seed: u64) -> Self {
        match self {
            Self::Network { .. } => Self::Network { seed },
            other => other.clone(),
        }
    }

    /// Where it leads, for people: all of the hosts.
    pub(crate) fn address(&self, options: &ConnectionOptions) -> String {
        match self {
            Self::Network { .. } | Self::Brought => options.address(),
            Self::Local { path } => path.clone(),
        }
    }
}

/// How often all hosts are tried, and how long the pauses between are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    /// At least one is.
    pub(crate) most: u32,
    pub(crate) pause: Duration,
}

impl Rounds {
    pub(crate) const ONCE: Self = Self {
        most: 1,
        pause: Duration::ZERO,
    };

    /// As the options say for a first connection.
    pub(crate) fn of(options: &ConnectionOptions) -> Self {
        Self {
            most: options.connection_attempts,
            pause: options.retry_delay,
        }
    }

    /// The pause before this round, of which the first is 0; `None` if there is no such round.
    pub(super) fn pause_before(&self, round: u32) -> Option<Duration> {
        (round < self.most).then_some(self.pause)
    }
}

/// What leads to a stream.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Host {
        name: String,
        port: u16,
    },
    /// A socket of this machine.
    Local(String),
    /// A stream that is there, with what the options say of where it leads.
    Brought(String),
}

impl Target {
    pub(super) fn address(&self) -> String {
        match self {
            Self::Host { name, port } => Address(name, *port).to_string(),
            Self::Local(address) | Self::Brought(address) => address.clone(),
        }
    }
}

/// The targets, in the order in which to try them.
#[derive(Debug)]
pub(super) struct Targets {
    all: Vec<Target>,
    order: HostOrder,
    seed: u64,
    /// The address of the one that is tried last.
    last: Option<String>,
    current: Target,
    /// Those of this round that come later, the next one last.
    left: Vec<Target>,
}

impl Targets {
    pub(super) fn new(
        way: Way,
        last: Option<String>,
        options: &ConnectionOptions,
    ) -> Result<Self, OptionError> {
        let (all, seed) = match way {
            Way::Network { seed } => {
                let hosts = options.addresses().map(|(name, port)| Target::Host {
                    name: name.to_owned(),
                    port,
                });
                (hosts.collect(), seed)
            }
            Way::Local { path } => (vec![Target::Local(path)], 0),
            Way::Brought => (vec![Target::Brought(options.address())], 0),
        };
        let Some(current) = all.first().cloned() else {
            return Err(OptionError::new("hosts", "at least one"));
        };
        Ok(Self {
            all,
            order: options.host_order,
            seed,
            last,
            current,
            left: Vec::new(),
        })
    }

    pub(super) fn current(&self) -> &Target {
        &self.current
    }

    /// The first of a new round becomes the current one.
    pub(super) fn begin_round(&mut self) {
        self.left.clone_from(&self.all);
        match self.order {
            HostOrder::Given => {}
            HostOrder::Random => shuffle(&mut self.left, &mut self.seed),
        }
        if let Some(last) = &self.last {
            // A stable sort: the others keep their order.
            self.left.sort_by_key(|target| target.address() == *last);
        }
        self.left.reverse();
        self.next();
    }

    /// The next of this round becomes the current one, if there is one.
    pub(super) fn next(&mut self) -> bool {
        match self.left.pop() {
            None => false,
            Some(target) => {
                self.current = target;
                true
            }
        }
    }
}

/// Fisher and Yates's shuffle; each step takes its number from a different stretch of the seed's
/// sequence (SplitMix64).
fn shuffle<T>(items: &mut [T], seed: &mut u64) {
    for last in (1..items.len()).rev() {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        let n_left = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        items.swap(last, usize::try_from(number % n_left).unwrap_or(last));
    }
}
