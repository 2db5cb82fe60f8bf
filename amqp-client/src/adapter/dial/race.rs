//! Connecting to whichever address of a host answers first (RFC 8305, "happy eyeballs").
//!
//! Addresses of both families take turns. One more is tried whenever the others have not answered
//! for a quarter of a second, or one of them has failed; the first that answers wins.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::step::ActionId;
use super::time::Deadline;
use crate::error::ConnectCause;

/// How long an address has for itself (RFC 8305 §5, "Connection Attempt Delay").
const STAGGER: Duration = Duration::from_millis(250);

/// The addresses that failed, with their reasons, in the order in which they failed.
pub(super) type Losers = Vec<(SocketAddr, ConnectCause)>;

/// One race. One address is tried even if the deadline has passed before; those that were not tried
/// are among the losers.
#[derive(Debug)]
pub(super) struct Race {
    waiting: std::vec::IntoIter<SocketAddr>,
    running: Vec<(ActionId, SocketAddr)>,
    lost: Losers,
    /// When one more address is tried.
    next: Instant,
    deadline: Deadline,
}

/// What a race does next.
#[derive(Debug)]
pub(super) enum Turn {
    Start(SocketAddr),
    Wait(Instant),
    /// The race is over, and all have lost: those that still ran as well.
    Lost {
        losers: Losers,
        late: Vec<ActionId>,
    },
}

impl Race {
    pub(super) fn new(addresses: Vec<SocketAddr>, deadline: Deadline, now: Instant) -> Self {
        Self {
            waiting: alternate(addresses).into_iter(),
            running: Vec::new(),
            lost: Vec::new(),
            next: now,
            deadline: deadline.again(),
        }
    }

    /// What to do next. An address to start runs from then on, under this id.
    pub(super) fn poll(&mut self, id: ActionId, now: Instant) -> Turn {
        if self.running.is_empty() && self.waiting.len() == 0 {
            return self.give_up();
        }
        let Some(until) = self.deadline.poll(now) else {
            return self.give_up();
        };
        let is_due = match self.deadline.has_passed() {
            true => self.running.is_empty() && self.lost.is_empty(),
            false => self.next <= now,
        };
        if is_due {
            if let Some(address) = self.waiting.next() {
                self.running.push((id, address));
                self.next = now + STAGGER;
                return Turn::Start(address);
            }
        }
        if self.deadline.has_passed() || self.waiting.len() == 0 {
            return Turn::Wait(until);
        }
        Turn::Wait(until.min(self.next))
    }

    /// This address has failed, which lets the next begin at once. False if it does not run.
    pub(super) fn failed(&mut self, id: ActionId, cause: ConnectCause, now: Instant) -> bool {
        let Some(address) = self.take(id) else {
            return false;
        };
        self.lost.push((address, cause));
        self.next = now;
        true
    }

    /// This one has won, unless it does not run.
    pub(super) fn won(&mut self, id: ActionId) -> Option<SocketAddr> {
        self.take(id)
    }

    fn take(&mut self, id: ActionId) -> Option<SocketAddr> {
        let place = self.running.iter().position(|(of, _)| *of == id)?;
        Some(self.running.remove(place).1)
    }

    /// Those that still run.
    pub(super) fn running(&self) -> impl Iterator<Item = ActionId> {
        self.running.iter().map(|(id, _)| *id)
    }

    /// Time is over for those that still run, and for those whose turn has not come.
    fn give_up(&mut self) -> Turn {
        let limit = self.deadline.limit;
        let late = self.running().collect();
        let mut losers = std::mem::take(&mut self.lost);
        let waiting = self.waiting.by_ref();
        losers.extend(waiting.map(|address| (address, ConnectCause::NotTried(limit))));
        let running = self.running.drain(..);
        losers.extend(running.map(|(_, address)| (address, ConnectCause::Timeout(limit))));
        Turn::Lost { losers, late }
    }
}

/// Both families take turns, each in its order; the first stays the first (RFC 8305 §4). One that
/// is named twice is tried once.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let mut families = [Vec::new(), Vec::new()];
    let [ones, others] = &mut families;
    for address in addresses {
        let family = match address.is_ipv6() == first_is_v6 {
            true => &mut *ones,
            false => &mut *others,
        };
        if !family.contains(&address) {
            family.push(address);
        }
    }
    let [ones, others] = families;
    let mut others = others.into_iter();
    let mut alternating = Vec::new();
    for one in ones {
        alternating.push(one);
        alternating.extend(others.next());
    }
    alternating.extend(others);
    alternating
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_first_stays_first() {
        let addresses = |text: &str| -> Vec<SocketAddr> {
            text.split(' ').map(|one| one.parse().unwrap()).collect()
        };
        let found = addresses("[::1]:1 [::2]:1 [::3]:1 10.0.0.1:1 10.0.0.2:1");
        let tried = addresses("[::1]:1 10.0.0.1:1 [::2]:1 10.0.0.2:1 [::3]:1");
        assert_eq!(alternate(found), tried);
        let found = addresses("10.0.0.1:1 10.0.0.2:1 [::1]:1");
        let tried = addresses("10.0.0.1:1 [::1]:1 10.0.0.2:1");
        assert_eq!(alternate(found), tried);
        let found = addresses("10.0.0.1:1 [::1]:1 10.0.0.1:1 [::1]:1 10.0.0.1:2");
        let tried = addresses("10.0.0.1:1 [::1]:1 10.0.0.1:2");
        assert_eq!(alternate(found), tried);
        assert_eq!(alternate(Vec::new()), []);
    }
}
