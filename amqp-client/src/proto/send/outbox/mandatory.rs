//! The mandatory publishes of one channel that may come back, and which of them a returned message
//! is.
//!
//! The broker returns in the order of publishing, and before it answers. So what comes back is
//! looked for behind what came back last, and each publish is passed once. Where it is not found
//! like that, because the broker has sorted its headers anew, keeps another order or returns what
//! was never published, an index is made, which is kept until nothing is outstanding: what a
//! message costs does not depend on how many others are outstanding.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};

use crate::message::fingerprint::Fingerprint;

/// Places whose memory is kept when none is needed.
const KEEP: usize = 4096;

/// A publish that may come back. There is one for each message under way: 24 octets.
#[derive(Debug)]
struct Expected {
    number: u64,
    message: u64,
    properties: u32,
    /// It has not come back.
    open: bool,
}

impl Expected {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            message: self.message,
            properties: self.properties,
        }
    }
}

/// The publishes, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Mandatory {
    expected: VecDeque<Expected>,
    /// How many have been taken off the front: the place of the first that is left.
    first: u64,
    /// The place behind the one that came back last.
    next: u64,
    index: Option<Box<Index>>,
    /// How many publishes have been looked at.
    #[cfg(test)]
    pub(super) looks: u64,
}

/// Places by what tells a message, the oldest first; each is also there by what the broker does not
/// change of it.
#[derive(Debug, Default)]
struct Index {
    same: Places<Fingerprint>,
    alike: Places<u64>,
}

impl Index {
    fn push(&mut self, fingerprint: Fingerprint, place: u64) {
        self.same.push(fingerprint, place);
        self.alike.push(fingerprint.message, place);
    }

    fn forget(&mut self, fingerprint: Fingerprint, place: u64) {
        self.same.forget(fingerprint, place);
        self.alike.forget(fingerprint.message, place);
    }
}

#[derive(Debug)]
struct Places<K>(HashMap<K, VecDeque<u64>, BuildHasherDefault<DefaultHasher>>);

impl<K> Default for Places<K> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Copy + Eq + Hash> Places<K> {
    fn push(&mut self, key: K, place: u64) {
        self.0.entry(key).or_default().push_back(place);
    }

    /// The first place that is still of use; those before it are forgotten.
    fn first(&mut self, key: K, mut is_open: impl FnMut(u64) -> bool) -> Option<u64> {
        let places = self.0.get_mut(&key)?;
        while let Some(&place) = places.front() {
            if is_open(place) {
                return Some(place);
            }
            places.pop_front();
        }
        self.0.remove(&key);
        None
    }

    /// Forgets a place, which is the first of its key if it is there.
    fn forget(&mut self, key: K, place: u64) {
        self.first(key, |first| first != place);
    }
}

impl Mandatory {
    /// One more.
    #[inline]
    pub(super) fn expect(&mut self, number: u64, fingerprint: Fingerprint) {
        if self.index.is_some() {
            self.expect_in_index(fingerprint);
        }
        self.expected.push_back(Expected {
            number,
            message: fingerprint.message,
            properties: fingerprint.properties,
            open: true,
        });
    }

    /// One that is sent again. If it is still there from before, it is found as it was then.
    pub(super) fn expect_again(&mut self, number: u64, fingerprint: Fingerprint) {
        let last = self.expected.back();
        if last.is_none_or(|last| last.number < number) {
            self.expect(number, fingerprint);
        }
    }

    #[cold]
    fn expect_in_index(&mut self, fingerprint: Fingerprint) {
        let place = self.first + self.expected.len() as u64;
        if let Some(index) = &mut self.index {
            index.push(fingerprint, place);
        }
    }

    /// What has a number up to this one does not come back any more.
    pub(super) fn forget_up_to(&mut self, resolved: u64) {
        let is_over = |expected: &Expected| expected.number <= resolved;
        while self.expected.front().is_some_and(is_over) {
            let Some(expected) = self.expected.pop_front() else {
                return;
            };
            if let Some(index) = &mut self.index {
                index.forget(expected.fingerprint(), self.first);
            }
            self.first += 1;
        }
        if self.expected.is_empty() {
            self.index = None;
        }
        // The last ones are forgotten with the next answers, so that it is seldom empty.
        if self.expected.capacity() > KEEP && self.expected.len() < KEEP / 4 {
            self.expected.shrink_to(KEEP);
        }
    }

    /// Finds the publish that a returned message belongs to. Of messages that are alike to the
    /// letter the first unanswered one is taken, and one that differs in its properties only if
    /// there is no other.
    pub(super) fn claim(
        &mut self,
        fingerprint: Fingerprint,
        is_unanswered: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let place = match self.claim_in_order(fingerprint, &is_unanswered) {
            Some(place) => place,
            None => self.claim_by_index(fingerprint, &is_unanswered)?,
        };
        let offset = self.offset(place)?;
        let expected = self.expected.get_mut(offset)?;
        expected.open = false;
        let number = expected.number;
        self.next = place + 1;
        Some(number)
    }

    fn offset(&self, place: u64) -> Option<usize> {
        usize::try_from(place.checked_sub(self.first)?).ok()
    }

    /// Looks behind the one that came back last, unless there is an index.
    fn claim_in_order(
        &mut self,
        fingerprint: Fingerprint,
        is_unanswered: &impl Fn(u64) -> bool,
    ) -> Option<u64> {
        if self.index.is_some() {
            return None;
        }
        let from = usize::try_from(self.next.saturating_sub(self.first)).ok()?;
        let mut behind = self.expected.iter().skip(from);
        let found = behind.position(|expected| {
            expected.open && expected.fingerprint() == fingerprint && is_unanswered(expected.number)
        });
        let passed = found.unwrap_or_else(|| self.expected.len().saturating_sub(from));
        self.look(passed as u64 + 1);
        Some(self.first + (from + found?) as u64)
    }

    fn claim_by_index(
        &mut self,
        fingerprint: Fingerprint,
        is_unanswered: &impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let mut index = self.index.take().unwrap_or_else(|| self.make_index());
        let mut looks = 0_u64;
        let mut is_open = |place| {
            looks += 1;
            let offset = self.offset(place);
            let expected = offset.and_then(|offset| self.expected.get(offset));
            expected.is_some_and(|expected| expected.open && is_unanswered(expected.number))
        };
        let place = index
            .same
            .first(fingerprint, &mut is_open)
            .or_else(|| index.alike.first(fingerprint.message, &mut is_open));
        self.look(looks);
        self.index = Some(index);
        place
    }

    #[cfg(test)]
    pub(super) fn n_expected(&self) -> (usize, usize) {
        (self.expected.len(), self.expected.capacity())
    }

    fn make_index(&mut self) -> Box<Index> {
        let mut index = Box::<Index>::default();
        for (place, expected) in (self.first..).zip(&self.expected) {
            index.push(expected.fingerprint(), place);
        }
        self.look(self.expected.len() as u64);
        index
    }

    /// Tests count what is looked at.
    #[cfg(test)]
    fn look(&mut self, n: u64) {
        self.looks += n;
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "only tests count")]
    fn look(&self, _: u64) {}
}
