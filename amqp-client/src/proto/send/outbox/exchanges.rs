//! Which exchange the publishes of one channel went to: what the broker objects to when it closes
//! the channel for one of them.
//!
//! It names an exchange and no number. Kept is where the exchange changed, from one publish to the
//! next: nothing for a program that publishes to queues, and one entry where all goes to one
//! exchange.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};

use crate::proto::shared::lost::Suspects;

/// How many changes are kept: those of the latest publishes. A channel whose publishes go to two
/// exchanges by turns makes one each time.
const KEPT: usize = 1024;

/// Where the exchange changed.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    /// That of the last publish.
    last: Vec<u8>,
    /// The number of the first publish of each run, and its exchange; in order.
    runs: VecDeque<(u64, u64)>,
    /// The number of the first publish of which it is known.
    from: u64,
}

fn hash(exchange: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(exchange);
    hasher.finish()
}

impl Exchanges {
    /// Whether a publish goes to another exchange than the one before.
    #[inline]
    pub(super) fn differs(exchanges: Option<&Self>, exchange: &[u8]) -> bool {
        match exchanges {
            None => !exchange.is_empty(),
            Some(exchanges) => *exchanges.last != *exchange,
        }
    }

    /// This publish goes to another exchange.
    pub(super) fn change(&mut self, number: u64, exchange: &[u8]) {
        if self.runs.is_empty() {
            // Everything before went to the default exchange.
            self.runs.push_back((0, hash(b"")));
        }
        if self.runs.len() == KEPT {
            self.runs.pop_front();
            self.from = self.runs.front().map_or(number, |&(from, _)| from);
        }
        self.last.clear();
        self.last.extend_from_slice(exchange);
        self.runs.push_back((number, hash(exchange)));
    }

    /// Whether this publish went to the exchange; `None` if that is not known any more.
    fn went_to(&self, number: u64, exchange: u64) -> Option<bool> {
        if number < self.from {
            return None;
        }
        let at = self.runs.partition_point(|&(from, _)| from <= number);
        let (_, went_to) = *self.runs.get(at.checked_sub(1)?)?;
        Some(went_to == exchange)
    }
}

/// Which of the unanswered publishes went to the exchange of this name, which the broker objects
/// to.
pub(super) fn suspects(
    exchanges: Option<&Exchanges>,
    name: &str,
    unanswered: impl Iterator<Item = u64>,
) -> Suspects {
    let named = hash(name.as_bytes());
    let went_there = |number| match exchanges {
        None => Some(name.is_empty()),
        Some(exchanges) => exchanges.went_to(number, named),
    };
    let (mut ranges, mut all_known) = (Vec::<(u64, u64)>::new(), true);
    for number in unanswered {
        match went_there(number) {
            None => all_known = false,
            Some(false) => {}
            Some(true) => match ranges.last_mut() {
                Some((_, to)) if *to + 1 == number => *to = number,
                _ => ranges.push((number, number)),
            },
        }
    }
    match ranges.as_slice() {
        [] => Suspects::Unknown,
        [(from, to)] if from == to && all_known => Suspects::Publish(*from),
        _ => Suspects::Among(ranges, all_known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchange_of_each_of_the_latest_publishes_is_known() {
        let mut exchanges = Exchanges::default();
        assert!(!Exchanges::differs(None, b"") && Exchanges::differs(None, b"x"));
        exchanges.change(3, b"x");
        assert!(!Exchanges::differs(Some(&exchanges), b"x"));
        exchanges.change(5, b"");
        let known: Vec<_> = (1..=6).map(|n| exchanges.went_to(n, hash(b"x"))).collect();
        let expected = [false, false, true, true, false, false].map(Some);
        assert_eq!(known, expected);
        for number in 6..6 + KEPT as u64 {
            let exchange: &[u8] = if number % 2 == 0 { b"x" } else { b"y" };
            exchanges.change(number, exchange);
        }
        assert_eq!(exchanges.runs.len(), KEPT);
        assert_eq!(exchanges.went_to(5, hash(b"x")), None);
        assert_eq!(exchanges.went_to(6, hash(b"x")), Some(true));
    }
}
